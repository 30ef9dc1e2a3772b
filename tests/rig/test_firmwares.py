"""Which firmware a laser runs is chosen by name everywhere, and what comes of a run does not depend on it."""

import asyncio
import functools
import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from cobs import cobs

from bench.host import Host
from controller.cli.exits import CommandFailed
from protocols.frame import Frame, encode
from protocols.messages import AckPulses, PulseReport
from rig.campaign import disturbed, do, jobs_of
from rig.cli import serving
from rig.cli.campaign import campaign
from rig.cli.recordings import replay as replay_command
from rig.cli.sim import sim
from rig.cli.simulate import simulate as simulate_command
from rig.laser import _warmed_up, cold_laser, warm_laser
from rig.recording import Header, Recorder, Recording, Writer, header_of, load
from rig.replay import compare, replay
from rig.scenario import read_scenario
from rig.script import Script
from rig.simulate import simulate
from rig.stack import PLAN, Stack, plan_text
from rig.violation import shrink_and_write
from sim_device import firmwares, native, native_build, process
from sim_device.board import Inputs
from sim_device.errors import SetupError
from sim_device.firmware import Reference
from sim_device.firmware.memory import NonVolatile
from sim_device.memory import RamMemory, behind
from sim_device.process import Options
from sim_device.simulator import Simulator
from tests.rig.test_recording import run as lived

SCENARIOS = Path(__file__).parents[2] / "scenarios"
BOTH = firmwares.NAMES
OTHER = {"reference": "native", "native": "reference"}
KINDS = {"reference": Reference, "native": native.Native}
NOMINAL = replace(read_scenario(SCENARIOS / "nominal-10hz.toml").script, duration_s=25.0)
ANY = Script("any", 20.0, PLAN, operator="random")
SHORT = Script("short", 5.0, plan_text(series=[3]))


@pytest.mark.parametrize(
    ("script", "seed"),
    [
        (NOMINAL, 1),
        *((disturbed(ANY, seed), seed) for seed in (3, 4)),
    ],
    ids=["nominal", "faults 3", "faults 4"],
)
def test_a_run_is_the_same_to_the_byte_whichever_firmware_the_laser_has(script: Script, seed: int) -> None:
    first, other = (simulate(script, seed, firmware=name, clock=time.perf_counter) for name in BOTH)
    assert (first.firmware, other.firmware) == BOTH
    assert first.pulses_true > 20
    assert first.trace_sha256 == other.trace_sha256
    assert replace(other, wall_s=first.wall_s, firmware=first.firmware) == first


def recorded(firmware: str) -> Recording:
    simulator = cold_laser(3, firmware)
    recording = Recording(header_of(simulator, start="cold", seed=3, serial="PL755-0001", firmware=firmware))
    recorder = Recorder(simulator, recording)
    lived(simulator)
    recorder.close()
    return recording


@pytest.mark.parametrize("by", BOTH)
@pytest.mark.parametrize("of", BOTH)
def test_a_recording_replays_to_the_bit_with_either_firmware(of: str, by: str) -> None:
    recording = recorded(of)
    again = replay(recording, by)
    assert compare(recording, again) is None
    assert (recording.header.firmware, again.header.firmware) == (of, by)
    assert replay(recording).header.firmware == of


@pytest.mark.parametrize("name", BOTH)
def test_a_recorded_stack_replays_to_the_bit_with_the_other_firmware(name: str, tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    head = {"start": "warm", "seed": 2, "firmware": name}
    recorders = []
    with file.open("w") as out:

        def attach(simulator: Simulator) -> None:
            recorders.append(Recorder(simulator, Writer(header_of(simulator, **head), out)))  # type: ignore[arg-type] # of `head`

        simulate(SHORT, 2, firmware=name, clock=time.perf_counter, attach=attach)
        recorders[0].close()
    assert json.loads(file.read_text().splitlines()[0])["firmware"] == name
    ran = CliRunner().invoke(replay_command, [str(file), "--firmware", OTHER[name]])
    assert ran.exit_code == 0, ran.exception
    assert "the same bit for bit" in ran.stderr


def test_a_recording_that_does_not_say_is_of_the_reference() -> None:
    assert Header().firmware == "reference" == firmwares.DEFAULT


@pytest.mark.parametrize("name", BOTH)
async def test_every_laser_has_the_firmware_that_was_asked_for(name: str) -> None:
    assert type(cold_laser(1, name).firmware) is KINDS[name]
    for _ in range(2):  # the second comes from what was warmed up
        for other in BOTH:
            assert type(warm_laser(1, other).firmware) is KINDS[other]
    async with Stack(firmware=name) as stack:
        await stack.standby()
        assert type(stack.laser.simulator.firmware) is KINDS[name]
    with pytest.raises(SetupError, match="give one of reference, native"):
        cold_laser(1, "natve")


def test_a_campaigns_runs_are_kept_apart_by_firmware_and_come_to_the_same() -> None:
    jobs = {name: next(jobs_of(SHORT, [1], chaos=False, firmware=name)) for name in BOTH}
    assert jobs["reference"].key != jobs["native"].key
    results = {name: do(job) for name, job in jobs.items()}
    for name, result in results.items():
        assert result.firmware == name
    assert results["reference"] == replace(
        results["native"], key=jobs["reference"].key, firmware="reference", wall_s=results["reference"].wall_s
    )


def test_a_violation_of_the_c_core_is_shown_again_by_it(tmp_path: Path) -> None:
    result = do(next(jobs_of(SHORT, [1], chaos=False, firmware="native")))
    file = shrink_and_write(result, "light-only-by-permit", tmp_path)
    assert f"picolase simulate {file.resolve()} --firmware native" in file.read_text()


# -- the commands


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    (tmp_path / "plan.toml").write_text(plan_text(series=[3]))
    file = tmp_path / "quick.toml"
    file.write_text('format = 1\nname = "quick"\nduration_s = 5.0\n[host]\nplan = "plan.toml"\n')
    return file


@pytest.mark.parametrize(
    ("words", "variable", "name"),
    [
        ([], None, "reference"),
        (["--firmware", "native"], None, "native"),
        ([], "native", "native"),
        (["--firmware", "reference"], "native", "reference"),
    ],
)
def test_simulate_takes_a_firmware_and_names_it(
    scenario: Path, words: list[str], variable: str | None, name: str
) -> None:
    ran = CliRunner(env={"PICOLASE_FIRMWARE": variable}).invoke(
        simulate_command, [str(scenario), *words, "--json"]
    )
    assert ran.exit_code == 0
    assert json.loads(ran.stdout)["firmware"] == name


@pytest.mark.parametrize("name", BOTH)
def test_sim_serves_and_records_a_laser_with_the_firmware_asked_for(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[type] = []

    async def run_for_a_moment(options: Options, attach: Callable[[Simulator], None]) -> None:
        def seen(simulator: Simulator) -> None:
            served.append(type(simulator.firmware))
            attach(simulator)

        ended = asyncio.Event()
        ended.set()
        await process.run(options, seen, ended)

    monkeypatch.setattr(serving, "run", run_for_a_moment)
    file = tmp_path / "run.jsonl"
    ran = CliRunner().invoke(sim, ["--tcp", "127.0.0.1:0", "--firmware", name, "--record", str(file)])
    assert ran.exit_code == 0, ran.exception
    assert served == [KINDS[name]]
    assert load(file).header.firmware == name


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing was built yet, and nothing can be."""
    monkeypatch.setattr(native, "library", functools.cache(lambda: native.loaded(native_build.built())))
    monkeypatch.setenv("PICOLASE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)


@pytest.mark.usefixtures("no_compiler")
@pytest.mark.parametrize("command", [sim, simulate_command, campaign, replay_command])
def test_without_a_compiler_nothing_is_begun_and_it_is_said_how_to_get_one(
    command: click.Command, scenario: Path, tmp_path: Path
) -> None:
    recording = tmp_path / "old.jsonl"
    with recording.open("w") as out:
        Recorder(cold_laser(3), Writer(Header(seed=3, serial="PL755-0001"), out)).close()
    new = ["--record", str(tmp_path / "new.jsonl")]
    words = {
        "sim": ["--pty", str(tmp_path / "laser0"), *new],
        "simulate": [str(scenario), *new],
        "campaign": ["--scenario", str(scenario), "--out", str(tmp_path / "out")],
        "replay": [str(recording)],
    }[str(command.name)]
    before = sorted(tmp_path.iterdir())
    ran = CliRunner().invoke(command, [*words, "--firmware", "native"])
    said = str(ran.exception)
    assert "apt install gcc" in said
    assert "or use the reference firmware" in said
    assert isinstance(ran.exception, CommandFailed)
    assert ran.exit_code == 1
    assert sorted(set(tmp_path.iterdir()) - {tmp_path / "cache"}) == before


def test_a_firmware_that_nobody_knows_is_refused_with_those_there_are() -> None:
    ran = CliRunner().invoke(sim, ["--firmware", "natve"])
    assert ran.exit_code == 2
    assert "'natve' is not one of 'reference', 'native'" in ran.stderr


# -- what is left out for speed


@pytest.fixture
def freshly_warmed_up() -> Iterator[None]:
    """No laser is kept from before, and none for later."""
    _warmed_up.cache_clear()
    yield
    _warmed_up.cache_clear()


@pytest.mark.usefixtures("freshly_warmed_up")
@pytest.mark.parametrize("name", BOTH)
def test_a_firmware_that_compares_every_line_in_every_step_does_the_same(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = disturbed(ANY, 5)
    first = simulate(script, 5, firmware=name, clock=time.perf_counter)
    _warmed_up.cache_clear()
    monkeypatch.setattr(Inputs, "count", lambda _: None)  # nobody counts: every line is looked at
    other = simulate(script, 5, firmware=name, clock=time.perf_counter)
    assert first.pulses_true >= 20
    assert first.trace_sha256 == other.trace_sha256


@pytest.mark.usefixtures("freshly_warmed_up")
def test_a_memory_may_be_asked_or_reached_past_its_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    script = disturbed(ANY, 6)
    first = simulate(script, 6, firmware="native", clock=time.perf_counter)
    _warmed_up.cache_clear()
    monkeypatch.setattr("rig.laser.RamMemory", Doubted)
    other = simulate(script, 6, firmware="native", clock=time.perf_counter)
    assert first.pulses_true >= 20
    assert first.trace_sha256 == other.trace_sha256


class Doubted(RamMemory):
    """No `RamMemory` for sure: the core asks it for every byte."""


class Forgetful(Host):
    """Acknowledges nothing until it is asked to, and then one by one, all in one breath."""

    def _answers(self, data: bytes) -> bytes:
        pieces = [piece for piece in data.split(b"\0") if cobs.decode(piece)[1:2] != _REPORT]
        return super()._answers(b"\0".join(pieces))

    def acknowledge(self, numbers: Iterable[int]) -> None:
        frames = []
        for number in numbers:
            frames.append(Frame(self._link.session, self._seq, AckPulses(number)))
            self._seq += 1
        self.simulator.receive(b"".join(map(encode, frames)), self.simulator.now_us)


_REPORT = bytes([PulseReport.opcode])


@pytest.mark.usefixtures("freshly_warmed_up")
@pytest.mark.parametrize("memory", [RamMemory, Doubted])
def test_a_step_may_write_often(memory: type[RamMemory], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rig.laser.RamMemory", memory)
    images = []
    for name in BOTH:
        simulator = warm_laser(1, name)
        host = Forgetful(simulator)
        host.begin_firing()
        host.fire(3_000_000)
        number = simulator.plant.truth.triggers
        host.acknowledge(range(number - 24, number - 3))
        host.fire(500_000)
        images.append(behind(simulator.memory).image())
        assert NonVolatile(_copy(images[-1])).waiting == 4 + 5  # what was left, and what came since
    assert images[0] == images[1]


def _copy(image: bytes) -> RamMemory:
    memory = RamMemory(len(image))
    memory.put(image)
    return memory
