"""The demo: its children, its witnesses, its summary; and the whole of it, well and with something killed."""

import asyncio
import json
import os
import signal
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from controller.cli.main import main
from controller.processes import ChildEnded, Children, ended_how
from controller.stage import make_places, write_config
from controller.store import PulseRecord, Reader
from controller.summary import Count, summarise
from controller.witnesses import Subscriber
from tests.controller.demo_running import PLAN, assert_nothing_is_left, demo, wait_until_ended

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

OBEDIENT = "import sys; print('ready', flush=True); sys.stdin.read()"
STUBBORN = (
    "import signal\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "print('ready', flush=True)\n"
    "while True: signal.pause()\n"
)


# -- children


async def start(children: Children, code: str, folder: Path, name: str = "it") -> int:
    """Start a child that runs `code`, wait until it says that it is ready, and return its process id."""
    child = await children.start(name, [sys.executable, "-c", code], folder / f"{name}.log")
    await child.first_line(20)
    return child.pid


def alive(pid: int) -> bool:
    """Whether a process of this id runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_children_end_in_the_reverse_order_when_their_input_closes(tmp_path: Path) -> None:
    children = Children()
    pids = [await start(children, OBEDIENT, tmp_path, name) for name in ("first", "second")]
    assert children.running("first")
    assert list((await children.end()).items()) == [("second", 0), ("first", 0)]
    assert not any(map(alive, pids))
    assert await children.end() == {}
    assert not children.running("first")


async def test_a_child_that_will_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controller.processes.END_S", 0.05)
    monkeypatch.setattr("controller.processes.TERMINATE_S", 0.2)
    children = Children()
    pid = await start(children, STUBBORN, tmp_path)
    assert await children.end() == {"it": -signal.SIGKILL}
    assert not alive(pid)


async def test_the_first_end_nobody_asked_for_is_told_with_its_log(tmp_path: Path) -> None:
    children = Children()
    await start(children, OBEDIENT, tmp_path, "steady")
    pid = await start(children, "import sys; print('ready'); sys.exit('the end')", tmp_path, "frail")
    failure = await asyncio.wait_for(children.failure(), 20)
    assert (failure.name, failure.pid, failure.status) == ("frail", pid, 1)
    await children.end()
    assert "the end" in failure.log_tail()
    assert "ended with exit status 1" in str(failure)
    assert str(tmp_path / "frail.log") in str(failure)


async def test_a_child_that_ends_before_it_is_ready_is_an_error_at_once(tmp_path: Path) -> None:
    children = Children()
    child = await children.start("frail", [sys.executable, "-c", "raise SystemExit(3)"], tmp_path / "log")
    with pytest.raises(ChildEnded, match="exit status 3"):
        await child.first_line(20)
    await children.end()


async def test_what_a_child_prints_is_in_its_log_whole(tmp_path: Path) -> None:
    children = Children()
    code = (
        "import sys; print('ready', flush=True); [print(n) for n in range(5000)]; sys.stderr.write('oh\\n')"
    )
    await start(children, code, tmp_path)
    await asyncio.wait_for(children.failure(), 20)
    await children.end()
    lines = (tmp_path / "it.log").read_text().splitlines()
    assert "oh" in lines
    assert [line for line in lines if line != "oh"] == ["ready", *map(str, range(5000))]


@pytest.mark.parametrize(
    ("status", "words"),
    [(0, "with exit status 0"), (3, "with exit status 3"), (-9, "by SIGKILL"), (-40, "by signal 40")],
)
def test_an_end_is_told_in_words(status: int, words: str) -> None:
    assert ended_how(status) == words


# -- places


def test_a_long_folder_gets_short_sockets_that_are_gone_afterwards(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 60) / ("y" * 60)
    with make_places(deep, NOW) as places:
        assert len(os.fsencode(places.control)) < 108
        assert places.folder == deep / "demo-20260102-030405"
        assert places.sockets != places.folder
        places.api.touch()
        config = write_config(places, 1883)
    assert not places.sockets.exists()
    assert config.api.socket == places.api
    assert config.store.path == places.database
    assert config.device.url == str(deep / "laser0")


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    result = CliRunner().invoke(main, ["demo", "--plan", str(PLAN), "--folder", str(tmp_path / "run" / "x")])
    assert result.exit_code == 1
    assert "--folder" in result.stderr
    assert "Not a directory" in result.stderr


def test_a_plan_that_cannot_be_read_starts_nothing(tmp_path: Path) -> None:
    arguments = ["demo", "--plan", str(tmp_path / "none.toml"), "--folder", str(tmp_path / "run")]
    assert CliRunner().invoke(main, arguments).exit_code == 7
    assert not (tmp_path / "run").exists()


# -- witnesses and summary


def test_the_subscriber_counts_each_message_once() -> None:
    subscriber = Subscriber("laser/v1/demo/laser0")

    def say(topic: str, **facts: object) -> None:
        subscriber.take(f"laser/v1/demo/laser0/{topic}", json.dumps(facts).encode())

    say("pulse", boot="a", seq=1, pulse_number=33)
    say("pulse", boot="a", seq=1, pulse_number=33)  # delivered again
    say("pulse", boot="a", seq=2, pulse_number=34)
    say("pulse", boot="b", seq=1, pulse_number=35)  # after a restart of the daemon
    say("state", boot="a", seq=9, pulse_number=36)
    say("pulse", nonsense=1)
    assert subscriber.published() == 3
    assert subscriber.published(after=33) == 2
    assert subscriber.unreadable == 1
    assert subscriber.messages["laser/v1/demo/laser0/pulse"] == 5


def pulse(number: int, energy_mj: float | None, *, unknown: bool = False) -> PulseRecord:
    """A pulse of the plan."""
    return PulseRecord(
        "L", number, 1, 1, 1, 1, 173.0, energy_mj, energy_mj, 750.0, 755, 750, 3.5, "zoom",
        frozenset(), not unknown, unknown, 1.8, "s", NOW, 1,
    )  # fmt: skip


COUNTS = (
    Count("planned", "plan", None, 2),
    Count("fired", "device", 34, 2),
    Count("recorded", "database", 34, 2),
)


def test_counts_that_agree_are_no_problem() -> None:
    summary = summarise(COUNTS, [pulse(33, 170.0), pulse(34, 180.0)], [])
    assert summary.problems == ()
    assert summary.energy_mj is not None
    assert summary.energy_mj.mean == 175.0
    assert summary.energy_mj.deviation == pytest.approx(7.0711, abs=1e-4)  # sqrt(2 x 5^2 / 1)
    assert summary.dose_j_cm2 == pytest.approx(3.6)
    assert summary.plain()["agree"] is True
    assert "mean 175.0 mJ" in summary.lines()[0]


@pytest.mark.parametrize(
    ("row", "column"),
    [(0, "of_plan"), (1, "all_pulses"), (1, "of_plan"), (2, "all_pulses"), (2, "of_plan")],
)
def test_any_count_that_differs_is_a_problem(row: int, column: str) -> None:
    counts = list(COUNTS)
    counts[row] = replace(counts[row], **{column: getattr(counts[row], column) + 1})
    (problem,) = summarise(counts, [], []).problems
    assert counts[row].what in problem


def test_what_is_unknown_counts_as_dose_and_not_as_measured() -> None:
    summary = summarise(COUNTS, [pulse(33, 170.0), pulse(34, None, unknown=True)], ["broken"])
    assert summary.unknown == 1
    assert summary.energy_mj is not None
    assert summary.energy_mj.count == 1
    assert summary.dose_j_cm2 == pytest.approx(3.6)
    assert summary.problems == ("broken",)
    assert "not measured" in summarise(COUNTS, [], []).lines()[0]


# -- the whole


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.usefixtures("alone")  # in real time: two at once on two cores would lag
@pytest.mark.timeout(180)
def test_the_demo_carries_out_its_plan_and_all_counts_agree(tmp_path: Path) -> None:
    with demo(tmp_path, "--json", "--speed", "300") as running:
        status = running.end()
    assert status == 0, running.errors()
    summary = json.loads("".join(running.lines))
    assert summary["agree"] is True
    assert {count["plan"] for count in summary["counts"]} == {60}
    assert len({count["all"] for count in summary["counts"]} - {None}) == 1
    # The judgement of the firmware: 173 mJ +-15 %, 750 ps +-15 %; 1.80 J/cm2 a pulse.
    assert 173.0 * 0.85 < summary["energy_mj"]["mean"] < 173.0 * 1.15
    assert 637 < summary["width_ps"]["mean"] < 825
    assert summary["dose_j_cm2"] == pytest.approx(
        60 * summary["energy_mj"]["mean"] / 1000 / 0.09621, rel=1e-3
    )
    folder = Path(summary["folder"])
    assert {path.name for path in folder.iterdir()} >= {
        "picolase.toml", "picolase.db", "broker.log", "laser.log", "daemon.log", "device"
    }  # fmt: skip
    with Reader.open(folder / "picolase.db") as reader:
        (session,) = reader.sessions()
        assert session.state.value == "done"
        assert session.delivered_pulses == len(list(reader.session_pulses(session.id))) == 60
        assert reader.check() == []
    assert not (tmp_path / "run" / "laser0").is_symlink()
    assert list(folder.glob("*.sock")) == []
    errors = running.errors()
    assert "READY" in errors
    assert "times as fast" in errors


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.usefixtures("alone")  # in real time: two at once on two cores would lag
@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", ["the broker", "the simulated laser", "the daemon"])
def test_a_killed_process_ends_the_demo_and_is_named(tmp_path: Path, name: str) -> None:
    with demo(tmp_path, "--speed", "1000") as running:
        running.until("state EMITTING")
        os.kill(running.pid(name), signal.SIGKILL)
        status = running.end()
        assert status == 1
        assert f"{name} (process {running.pid(name)}) ended by SIGKILL" in running.errors()
        assert ".log" in running.errors()
        assert "Traceback" not in running.errors()
        assert_nothing_is_left(running)


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.usefixtures("alone")  # in real time: two at once on two cores would lag
@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("number", "moment", "status"),
    [
        (signal.SIGINT, "state EMITTING", 130),
        (signal.SIGTERM, "state CALIBRATING", 143),
        (signal.SIGTERM, "starting the daemon", 143),
        (signal.SIGKILL, "state EMITTING", -9),
    ],
)
def test_a_demo_that_is_ended_leaves_nothing_behind(
    tmp_path: Path, number: signal.Signals, moment: str, status: int
) -> None:
    with demo(tmp_path, "--speed", "1000") as running:
        running.until(moment)
        if moment == "starting the daemon":
            running.until("the daemon is process")
        os.kill(running.process.pid, number)
        assert running.end() == status
        assert "Traceback" not in running.errors()
        if number is signal.SIGKILL:  # the children end by themselves; each removes what it made
            wait_until_ended(running.pids())
        if moment == "state EMITTING" and number is not signal.SIGKILL:
            assert any("STOP confirmed" in line for line in running.lines)
        assert_nothing_is_left(running)
