"""The live view: what it says for typical states, by content and not by layout."""

import asyncio
import io
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from rich.console import Console

from controller.client import NotReachable
from controller.course import LEFT_US, Course
from controller.live import View, draw, follow
from controller.picture import SILENT_US, Picture, pulse_line, shown
from protocols.interlocks import Interlock
from protocols.states import State
from tests.controller.cli_standin import SESSION, pulse, status

SECOND = 1_000_000


def picture(*messages: dict[str, Any], now_us: int = 0) -> Picture:
    """A picture that was told these messages at `now_us`."""
    made = Picture(started_us=0)
    for message in messages:
        made.apply(message, now_us)
    return made


def told(**changes: Any) -> dict[str, Any]:
    """A status as the stream tells it."""
    return {"kind": "status", **status(**changes)}


def text(made: Picture, now_us: int = 0) -> str:
    """The picture as a terminal without colours shows it."""
    console = Console(file=io.StringIO(), width=160, color_system=None)
    with console.capture() as capture:
        console.print(draw(made, now_us))
    return capture.get()


# -- what is said


@pytest.mark.parametrize("state", State)
def test_every_state_is_named_with_what_it_permits(state: State) -> None:
    shown_text = text(picture(told(laser_state=state.name.lower())))
    assert state.name.replace("_", " ") in shown_text
    dangerous = {
        State.EMITTING: "LASER LIGHT",
        State.READY: "the footswitch fires",
        State.CALIBRATING: "calibration port",
        State.FAULT: "keep your eyewear on",
    }
    assert dangerous.get(state, "emission is not permitted") in shown_text


def test_a_state_of_a_later_version_is_taken_to_be_dangerous() -> None:
    assert "take it to be dangerous" in text(picture(told(laser_state="purple")))
    assert "take it to be dangerous" in text(Picture(0))


@pytest.mark.parametrize("interlock", Interlock)
def test_an_open_interlock_is_told_in_words_and_as_the_first_cause(interlock: Interlock) -> None:
    lines = text(picture(told(laser_open_interlocks=[interlock.name.lower()])))
    assert f"{interlock.name.lower()} OPEN (FIRST CAUSE)".replace("_", " ") in " ".join(lines.split())
    assert lines.count("OPEN") == 1


def test_the_latched_fault_is_the_first_cause_and_not_the_first_open_interlock() -> None:
    made = picture(
        told(
            laser_open_interlocks=["estop", "door"], laser_first_fault="door", laser_faults=["door", "estop"]
        )
    )
    causes = {lamp.name: (lamp.closed, lamp.first_cause) for lamp in made.lamps()}
    assert causes["door"] == (False, True)
    assert causes["estop"] == (False, False)
    assert causes["cover"] == (True, False)
    assert "first cause: door opened: close the door, then acknowledge" in text(made)
    assert "also estop" in text(made)


def test_without_a_laser_no_interlock_is_called_closed() -> None:
    assert all(lamp.closed is None for lamp in picture(told(laser=None)).lamps())
    assert "● " not in text(picture(told(laser=None)))


def test_slow_values_are_shown_with_their_age_once_they_are_stale() -> None:
    values = {"coolant_c": 59.96, "flow_l_min": 4.0, "hv_v": 987.4, "simmer_on": True, "age_s": 0.4}
    fresh = text(picture(told(telemetry=values | {"quality": "good"})))
    assert "coolant 60.0 degC, flow 4.0 l/min, capacitor 987 V, simmer on" in fresh
    assert "0.4 s old)" not in fresh
    assert "(0.4 s old)" in text(picture(told(telemetry=values | {"quality": "stale"})))
    assert "of unknown age" in text(picture(told(telemetry=values | {"quality": "bad", "age_s": None})))


def test_the_session_shows_each_series() -> None:
    session = SESSION | {
        "delivered": 25,
        "remaining": 35,
        "series_done": [20, 5, 0],
        "dose_j_cm2": 45.0,
        "unknown": 1,
    }
    lines = text(picture(told(session=session)))
    for wanted in (
        "20 of 20",
        "5 of 20",
        "0 of 20",
        "25 of 60",
        "35 to go",
        "45.00 J/cm2",
        "1 of them unknown",
    ):
        assert wanted in lines
    bars = [line for line in lines.splitlines() if "of 20" in line]
    assert [line.count("█") for line in bars] == [40, 10, 0]
    assert [line.count("░") for line in bars] == [0, 30, 40]
    overdone = text(picture(told(session=session | {"series_done": [25, 0, 0]})))
    assert overdone.count("█") == 40
    assert "REHEARSAL" not in lines
    assert "REHEARSAL" in text(picture(told(session=session | {"rehearsal": True})))


def test_a_pulse_is_shown_against_its_windows() -> None:
    assert shown(pulse(33, set_energy_mj=180.0)).energy_window == "153.0 to 207.0"  # 15 % each way
    assert shown(pulse(33)).width_window == "638 to 825"  # 750 ps, 15 % each way, never beyond 825
    assert shown(pulse(33, mode_width_ps=500)).width_window == "450 to 575"
    lines = text(picture(told(), pulse(33), pulse(34, monitor_a_mj=200.0, flags=["energy_high"])))
    assert "172.4" in lines
    assert "200.0 !" in lines
    assert "energy high" in lines


@pytest.mark.parametrize(
    ("value", "marked"),
    [
        (147.05, False),
        (147.04, True),
        (198.95, False),
        (198.96, True),
        (float("nan"), True),
        (float("inf"), True),
    ],
)
def test_only_what_lies_outside_its_window_is_marked(value: float, marked: bool) -> None:
    assert ("!" in shown(pulse(monitor_a_mj=value)).energy_a) is marked


def test_what_was_not_measured_is_a_dash_and_unknown_pulses_are_loud() -> None:
    lost = pulse(monitor_a_mj=None, monitor_b_mj=None, pulse_width_ps=None, flags=["unknown"], unknown=True)
    assert shown(lost).energy_a == shown(lost).energy_b == shown(lost).width == "-"
    assert "UNKNOWN: counted as given" in pulse_line(lost)


def test_calibration_and_rehearsal_pulses_are_not_held_against_windows_that_are_not_theirs() -> None:
    assert "!" not in pulse_line(pulse(set_energy_mj=0.0, monitor_a_mj=50.0, flags=["calibration"]))
    rehearsed = shown(pulse(monitor_a_mj=10.0, monitor_b_mj=0.0, flags=["shutter_closed"]))
    assert "!" in rehearsed.energy_a
    assert "!" not in rehearsed.energy_b


def test_what_stands_against_arming_is_told_in_standby() -> None:
    latch = {"name": "start_up", "instance": 1, "text": "the daemon was started", "action": "acknowledge"}
    supervisor = {
        "latches": [latch | {"cause_present": True}],
        "arm_refusals": [{"code": "x", "text": "no session is open", "action": "open one"}],
        "heartbeat": "withheld",
        "withheld_because": [{"code": "y", "text": "a latch stands", "action": "acknowledge"}],
    }
    lines = text(
        picture(told(supervisor=supervisor, uncertain=[{"id": "g-1", "kind": "grant", "text": "lost"}]))
    )
    for wanted in (
        "start_up #1",
        "its cause is still there",
        "no session is open: open one",
        "WITHHELD: a latch stands",
        "grant g-1",
        "picolase resolve",
    ):
        assert wanted in lines


def test_text_from_outside_cannot_paint_the_screen() -> None:
    evil = "[bold red]x[/]"
    lines = text(picture(told(session=SESSION | {"name": evil}), {"kind": "event", "text": evil}))
    assert lines.count(evil) == 2


# -- how old it is


def test_silence_becomes_stale_and_says_so_unmistakably() -> None:
    made = picture(told(), now_us=10 * SECOND)
    assert made.stale(10 * SECOND + SILENT_US) == ""
    assert "STALE" not in text(made, 10 * SECOND + SILENT_US)
    assert "nothing heard from the daemon for 1.5 s" in made.stale(10 * SECOND + SILENT_US + 1)
    assert "STALE" in text(made, 10 * SECOND + SILENT_US + 1)


@pytest.mark.parametrize(
    "changes",
    [{"laser": None}, {"laser_quality": "stale"}, {"laser_quality": "bad"}, {"laser_quality": None}],
)
def test_a_laser_that_is_not_heard_is_stale_even_while_the_daemon_talks(changes: dict[str, Any]) -> None:
    assert "STALE" in text(picture(told(**changes)))


def test_the_age_is_the_one_told_and_the_time_since() -> None:
    assert picture(told(laser_age_s=0.25)).age_s(SECOND) == pytest.approx(1.25)
    assert picture(told(laser_age_s=None)).age_s(0) == float("inf")
    assert "of unknown age" in text(picture(told(laser_age_s=None)))


# -- what is new


def test_news_is_told_once_and_line_by_line() -> None:
    made = Picture(0)
    latch = {"name": "stale", "instance": 4, "text": "not known", "action": "look"}
    first = made.apply(told(laser_state="ready"), 0)
    assert any("READY" in line for line in first)
    assert made.apply(told(laser_state="ready"), 0) == []
    supervisor = status()["supervisor"] | {"latches": [latch]}
    news = made.apply(told(laser_state="fault", laser_open_interlocks=["door"], supervisor=supervisor), 0)
    assert any("FAULT" in line for line in news)
    assert any("interlock open: door" in line for line in news)
    assert any("latched: stale #4" in line for line in news)
    news = made.apply(told(laser_state="fault"), 0)
    assert sorted(news) == ["interlock closed: door", "latch cleared: stale #4"]
    assert made.apply(pulse(9), 0)[0].startswith("pulse 9:")
    assert made.apply({"kind": "event", "severity": "warning", "text": "hm"}, 0) == ["warning: hm"]
    assert made.apply({"kind": "telemetry"}, 0) == []
    assert made.apply({"kind": "of a later version"}, 0) == []


# -- when it is over


def test_a_session_is_over_when_it_is_in_hand_no_more() -> None:
    course, made = Course("s-1"), Picture(0)
    steps = [
        (told(), False),  # before the daemon tells of it
        (told(session=SESSION), False),
        (told(session=SESSION | {"state": "armed"}, laser_state="ready"), False),
        (told(session=SESSION | {"state": "armed"}, laser_state="emitting"), False),
        (told(session=None, laser_state="standby"), True),
    ]
    for message, over in steps:
        made.apply(message, 0)
        assert course.over(made, 0) is over
    assert not course.done, "that it vanished does not say how it ended"


@pytest.mark.parametrize("state", ["done", "interrupted", "abandoned"])
def test_a_session_that_says_its_end_is_over(state: str) -> None:
    course = Course("s-1")
    assert course.over(picture(told(session=SESSION | {"state": state})), 0)
    assert course.done is (state == "done")


def test_a_laser_that_left_ready_for_good_ends_the_waiting() -> None:
    course = Course("s-1")
    standby = picture(told(session=SESSION, laser_leave="idle"))
    assert not course.over(standby, 0), "it was not armed yet"
    assert not course.over(picture(told(session=SESSION, laser_state="arming")), SECOND)
    assert not course.over(standby, 2 * SECOND)
    assert not course.over(standby, 2 * SECOND + LEFT_US - 1)
    assert course.over(standby, 2 * SECOND + LEFT_US)
    words, why = course.ending(standby)
    assert "not done" in words
    assert any("idle" in line for line in why)


# -- the view itself


class Clock:
    """A monotonic time that a test sets."""

    us = 0

    def __call__(self) -> int:
        """The time now."""
        return self.us


async def test_without_a_terminal_the_view_is_lines_with_the_time() -> None:
    file, clock = io.StringIO(), Clock()
    view = View(Console(file=file, width=200), Picture(0), clock)
    async with view.shown():
        clock.us = 2_500_000
        view.take(told(laser_state="ready"))
        view.take(pulse(33))
        view.note("pressing [foot]")
    lines = file.getvalue().splitlines()
    assert all(line.startswith("    2.5 s  ") for line in lines)
    assert any("state READY" in line for line in lines)
    assert any("pulse 33" in line for line in lines)
    assert any(line.endswith("pressing [foot]") for line in lines)


async def test_without_a_terminal_staleness_is_told_when_it_begins_and_when_it_ends() -> None:
    file, clock = io.StringIO(), Clock()
    view = View(Console(file=file, width=200), Picture(0), clock)
    async with view.shown():
        view.take(told())
    clock.us = 5 * SECOND
    async with view.shown():
        pass
    async with view.shown():
        pass
    view.take(told())
    async with view.shown():
        pass
    text_ = file.getvalue()
    assert text_.count("STALE") == 1
    assert text_.count("live again") == 1


async def test_what_was_never_heard_does_not_become_stale() -> None:
    file, clock = io.StringIO(), Clock()
    view = View(Console(file=file, width=200), Picture(0), clock)
    clock.us = 60 * SECOND
    async with view.shown():
        pass
    assert file.getvalue() == ""


async def test_on_a_terminal_the_view_is_drawn_and_its_last_state_stays() -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=150, height=50, color_system=None)
    view = View(console, Picture(0), Clock())
    async with view.shown():
        view.take(told(laser_state="emitting"))
    assert "LASER LIGHT" in file.getvalue()


async def test_a_patient_view_goes_on_after_the_daemon_came_back() -> None:
    """The clock of the loop is turned ahead instead of waiting for the next try."""
    calls = 0

    async def stream() -> AsyncGenerator[dict[str, Any], None]:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise NotReachable("gone")
        yield told(laser_state="standby" if calls == 3 else "ready")
        raise NotReachable("gone again")

    file = io.StringIO()
    view = View(Console(file=file, width=200), Picture(0), Clock())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("controller.live.RETRY_S", 0)
        await follow(view, stream, lambda made: made.state == "ready", patient=True)
    assert calls == 4
    assert file.getvalue().count("gone;") == 1, "repeats say nothing new"
    assert file.getvalue().count("gone again;") == 1, "after a word of the daemon it is new"


async def test_an_impatient_view_ends_with_the_daemon() -> None:
    async def stream() -> AsyncGenerator[dict[str, Any], None]:
        yield told()
        raise NotReachable("gone")

    view = View(Console(file=io.StringIO()), Picture(0), Clock())
    with pytest.raises(NotReachable):
        await asyncio.wait_for(follow(view, stream, lambda _: False, patient=False), 50)
