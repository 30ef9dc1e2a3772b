"""The coupling of firmware, plant, memory and watchdog, with a scripted stand-in for the firmware."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim_device.board import Inputs, Memory, Outputs, Step
from sim_device.errors import SetupError
from sim_device.memory import MEMORY_SIZE, FileMemory, RamMemory
from sim_device.plant import NEVER, Contacts, Plant
from sim_device.simulator import RESET_US, SENT_MAX, Simulator

S = 1_000_000
MS = 1_000
Seen = tuple[int, bytes, bytes]


class Scripted:
    """A firmware that kicks every 50 ms, echoes what it hears and records what it sees."""

    def __init__(self) -> None:
        self.outputs = Outputs()
        self.boots: list[tuple[int, bool]] = []
        self.steps: list[Seen] = []
        self.inputs: list[dict[str, object]] = []
        self.kick_every_us = 50 * MS
        self.hung = False
        self.on_step: Callable[[int, Inputs, Outputs], None] | None = None
        self._kick_us = 0

    def boot(self, now_us: int, memory: Memory, *, watchdog_reset: bool) -> None:
        self.outputs = Outputs()
        self.boots.append((now_us, watchdog_reset))
        self._kick_us = now_us

    def step(self, now_us: int, inputs: Inputs, received: bytes, console: bytes) -> Step:
        self.steps.append((now_us, received, console))
        if self.hung:
            return Step(b"", b"", NEVER)
        if self.on_step is not None:
            self.on_step(now_us, inputs, self.outputs)
        while now_us >= self._kick_us:
            self.outputs.watchdog_kicks += 1
            self._kick_us = now_us + self.kick_every_us
        return Step(received, console, self._kick_us)


def build(*, key_on: bool = True) -> tuple[Simulator, Scripted]:
    firmware = Scripted()
    return Simulator(firmware, Plant(1, Contacts(key_on=key_on)), RamMemory()), firmware


def test_power_on_boots_the_firmware_once_and_steps_it_at_once() -> None:
    _, firmware = build()
    assert firmware.boots == [(0, False)]
    assert firmware.steps == [(0, b"", b"")]


def test_nothing_runs_between_events() -> None:
    simulator, firmware = build()
    simulator.advance(S)
    assert [now_us for now_us, _, _ in firmware.steps] == [number * 50 * MS for number in range(21)]


def test_bytes_are_delivered_at_their_time_and_answered_in_it() -> None:
    simulator, firmware = build()
    simulator.receive(b"abc", 12_345)
    assert firmware.steps[-1] == (12_345, b"abc", b"")
    assert simulator.sent() == b"abc"
    assert simulator.sent() == b""
    simulator.receive_console(b"*IDN?", 12_346)
    assert firmware.steps[-1] == (12_346, b"", b"*IDN?")
    assert simulator.console_sent() == b"*IDN?"


def test_the_firmware_is_stepped_at_every_change_of_an_input() -> None:
    simulator, firmware = build()
    changes: list[tuple[int, bool]] = []

    def open_shutter(now_us: int, inputs: Inputs, outputs: Outputs) -> None:
        outputs.shutter_open = True
        if not changes or changes[-1][1] != inputs.shutter_open_switch:
            changes.append((now_us, inputs.shutter_open_switch))

    firmware.on_step = open_shutter
    simulator.advance(45 * MS)
    assert changes == []
    simulator.advance(S)
    assert changes == [(50 * MS, False), (50 * MS + 9_800, True)]


def test_an_act_reaches_plant_and_firmware_in_its_instant() -> None:
    simulator, firmware = build()
    doors: list[tuple[int, bool]] = []
    firmware.on_step = lambda now_us, inputs, _: doors.append((now_us, inputs.door_closed))
    simulator.act(lambda plant: setattr(plant.contacts, "door_closed", False), 777)
    assert doors == [(777, False)]


@given(cuts=st.lists(st.integers(0, 400_000), max_size=40))
def test_the_run_does_not_depend_on_how_the_owner_cuts_time(cuts: list[int]) -> None:
    def run(stops: list[int]) -> tuple[list[Seen], bytes, object]:
        simulator, firmware = build()

        def charge(now_us: int, inputs: Inputs, outputs: Outputs) -> None:
            outputs.dump_hold = outputs.hv_enable = True
            outputs.hv_set_mv = 900_000 if inputs.foot_a_closed and inputs.foot_b_closed else 700_000

        firmware.on_step = charge
        for stop_us in sorted(stop for stop in stops if stop < 100_000):
            simulator.advance(stop_us)
        simulator.act(lambda plant: plant.foot.move(100_000, True), 100_000)
        for stop_us in sorted(stop for stop in stops if stop > 100_000):
            simulator.advance(stop_us)
        simulator.receive(b"x", 400_000)
        simulator.advance(S)
        return firmware.steps, simulator.sent(), simulator.plant.inputs

    assert run(cuts) == run([])


# --- watchdog


@pytest.mark.shows("REQ-032", "HZ-024")
def test_a_hung_firmware_is_reset_and_the_outputs_are_safe_from_then_on() -> None:
    simulator, firmware = build()
    firmware.on_step = lambda _now, _inputs, outputs: setattr(outputs, "heater_on", True)
    simulator.advance(160 * MS)  # the last kick was at 150 ms
    firmware.hung = True
    simulator.advance(208 * MS)
    assert simulator.plant.coolant.heater_driven
    assert simulator.resets == 0
    simulator.advance(208 * MS + 1)
    assert simulator.resets == 1
    assert not simulator.plant.coolant.heater_driven
    assert not simulator.running
    firmware.hung = False
    simulator.receive(b"lost", 208 * MS + 500)
    simulator.advance(S)
    assert firmware.boots == [(0, False), (208 * MS + 1 + RESET_US, True)]
    assert all(received != b"lost" for _, received, _ in firmware.steps)
    assert simulator.running
    assert simulator.plant.coolant.heater_driven


@pytest.mark.shows("REQ-032")
@pytest.mark.parametrize(
    ("every_us", "resets"), [(42_000, False), (41_999, True), (58_000, False), (58_001, True)]
)
def test_the_watchdogs_window_is_exact_on_both_sides(every_us: int, resets: bool) -> None:
    simulator, firmware = build()
    firmware.kick_every_us = every_us
    simulator.advance(S)
    assert (simulator.resets > 0) == resets


def test_two_kicks_in_one_step_are_a_violation() -> None:
    simulator, firmware = build()
    firmware.on_step = lambda now_us, _inputs, outputs: setattr(
        outputs, "watchdog_kicks", outputs.watchdog_kicks + (now_us == 100 * MS)
    )
    simulator.advance(100 * MS - 1)
    assert simulator.resets == 0
    simulator.advance(100 * MS)
    assert simulator.resets == 1


@pytest.mark.shows("REQ-011", "HZ-021")
def test_the_emergency_stop_works_while_the_firmware_is_dead() -> None:
    simulator, firmware = build()

    def fire(_now_us: int, _inputs: Inputs, outputs: Outputs) -> None:
        outputs.dump_hold = outputs.hv_enable = outputs.gate_enable = outputs.simmer_start = True
        outputs.shutter_open = outputs.comparator_reset = True
        outputs.hv_set_mv = 1_000_000
        outputs.mode_width_ps = 750

    firmware.on_step = fire
    simulator.advance(500 * MS)
    plant = simulator.plant
    assert plant.gate_open
    assert plant.inputs.shutter_open_switch
    assert plant.inputs.hv_mv == 1_000_000
    firmware.hung = True
    simulator.act(lambda p: setattr(p.contacts, "estop_pressed", True), 501 * MS)
    assert not plant.gate_open
    simulator.advance(511 * MS)
    assert plant.inputs.shutter_closed_switch
    assert plant.inputs.gate_inhibited
    assert plant.inputs.hv_inhibited
    assert plant.inputs.hv_mv < 1_000_000


# --- power and reset


def test_a_power_cut_stops_the_processor_in_that_instant_and_its_return_boots_it() -> None:
    simulator, firmware = build()
    simulator.advance(10 * MS)
    simulator.set_power(False, 20 * MS)
    steps = len(firmware.steps)
    simulator.receive(b"lost", 30 * MS)
    simulator.advance(2 * S)
    assert len(firmware.steps) == steps
    assert simulator.sent() == b""
    assert simulator.next_event_us == NEVER
    simulator.set_power(True, 3 * S)
    assert firmware.boots == [(0, False), (3 * S, False)]
    assert firmware.steps[-1][0] == 3 * S
    simulator.set_power(True, 3 * S)  # twice is once
    assert len(firmware.boots) == 2


def test_a_reset_boots_again_without_blaming_the_watchdog() -> None:
    simulator, firmware = build()
    simulator.reset(10 * MS)
    simulator.advance(S)
    assert firmware.boots == [(0, False), (10 * MS + RESET_US, False)]
    simulator.set_power(False, S)
    simulator.reset(S)
    simulator.advance(2 * S)
    assert len(firmware.boots) == 2


def test_a_power_cut_during_reset_leaves_the_processor_off() -> None:
    simulator, firmware = build()
    simulator.reset(10 * MS)
    simulator.set_power(False, 10 * MS + 1)
    simulator.advance(S)
    assert len(firmware.boots) == 1


def test_unread_bytes_are_bounded_and_counted() -> None:
    simulator, _ = build()
    simulator.receive(bytes(SENT_MAX - 1), 1)
    simulator.receive(b"abc", 2)
    assert simulator.bytes_lost == 2
    assert simulator.sent()[-1:] == b"a"


def test_a_firmware_that_asks_for_a_wake_up_in_the_past_is_reported() -> None:
    simulator, firmware = build()
    firmware.kick_every_us = 0

    def stuck(now_us: int, inputs: Inputs, received: bytes, console: bytes) -> Step:
        return Step(b"", b"", now_us)

    firmware.step = stuck  # type: ignore[method-assign] # the defect under test
    with pytest.raises(RuntimeError, match="asks to be woken"):
        simulator.advance(S)


def test_time_does_not_go_backwards_for_the_owner_either() -> None:
    simulator, _ = build()
    simulator.advance(10)
    with pytest.raises(ValueError, match="time does not go backwards"):
        simulator.receive(b"", 9)


# --- memory


@pytest.fixture(params=["ram", "file"])
def memory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Memory]:
    if request.param == "ram":
        yield RamMemory(1000)
        return
    stored = FileMemory(tmp_path / "nv.bin", 1000)
    yield stored
    stored.close()


def test_memory_starts_with_zeros_and_keeps_what_is_written(memory: Memory) -> None:
    assert memory.read(0, 1000) == bytes(1000)
    memory.write(998, b"ab")
    memory.write(0, b"c")
    assert memory.read(997, 3) == b"\0ab"
    assert memory.read(0, 2) == b"c\0"


@pytest.mark.parametrize(("offset", "length"), [(-1, 1), (1000, 1), (999, 2), (0, 1001)])
def test_memory_refuses_what_lies_outside(memory: Memory, offset: int, length: int) -> None:
    with pytest.raises(OSError, match="outside"):
        memory.read(offset, length)
    with pytest.raises(OSError, match="outside"):
        memory.write(offset, bytes(length))
    assert memory.read(0, 1000) == bytes(1000)


def test_a_memory_file_belongs_to_one_simulator(tmp_path: Path) -> None:
    first = FileMemory(tmp_path / "state" / "nv.bin")
    with pytest.raises(SetupError, match="belongs to a running simulator"):
        FileMemory(tmp_path / "state" / "nv.bin")
    first.write(0, b"kept")
    first.close()
    second = FileMemory(tmp_path / "state" / "nv.bin")
    assert second.read(0, 4) == b"kept"
    second.close()


def test_a_file_that_is_no_memory_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "nv.bin"
    path.write_bytes(b"something else")
    with pytest.raises(SetupError, match=f"has 14 bytes.*{MEMORY_SIZE}"):
        FileMemory(path)
    assert path.read_bytes() == b"something else"
    with pytest.raises(SetupError, match="give a directory"):
        FileMemory(path / "below" / "nv.bin")


WRITER = """
import sys
from pathlib import Path
from sim_device.memory import FileMemory
memory = FileMemory(Path(sys.argv[1]), 4096)
number = 0
while True:
    number += 1
    memory.write(8, number.to_bytes(8, "little"))
    print(number, flush=True)
"""


@pytest.mark.processes
def test_what_a_killed_process_wrote_is_there(tmp_path: Path) -> None:
    path = tmp_path / "nv.bin"
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
    ) as process:
        assert process.stdout is not None
        for _ in range(50):
            reported = int(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
        reported = max([reported, *(int(line) for line in process.stdout if line.endswith("\n"))])
    memory = FileMemory(path, 4096)  # the lock died with its owner
    assert int.from_bytes(memory.read(8, 8), "little") in (reported, reported + 1)
    memory.close()
