"""The picture of a laser as a watcher sees it: what was told last, how old that is, and the news in it."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from protocols.interlocks import INTERLOCKS, Interlock
from safety.judgement import ENERGY_TRIP_PERCENT, WIDTH_HIGH_PS, WIDTH_LOW_PS, WIDTH_MODE_PERCENT

PULSES_SHOWN: Final = 8
EVENTS_SHOWN: Final = 4

SILENT_US: Final = 1_500_000
"""[C] A status comes at least each second: half a second more is the time a watcher may be misled."""

UNJUDGED: Final = frozenset({"calibration", "skipped", "missing", "unknown"})
"""Flags of pulses whose energy and width are held against no setting."""

Window = tuple[float, float] | None

PERMITS: Final[dict[str, str]] = {
    "off": "key off: no high voltage, shutter closed; emission is not permitted",
    "self_test": "testing itself; emission is not permitted",
    "warm_up": "warming up; emission is not permitted",
    "calibrating": "light only into the calibration port or onto the closed shutter",
    "standby": "emission is not permitted, whatever the foot does; settings may be changed",
    "arming": "proving its safety; wear your eyewear; emission is not permitted yet",
    "ready": "ARMED: the footswitch fires if a permit is held",
    "emitting": "LASER LIGHT: shutter open, pulses while the foot stays down",
    "fault": "latched by a fault: emission is not permitted; keep your eyewear on until its cause is known",
}
"""What each state permits, in the words of `protocols.states`, for people."""


@dataclass(frozen=True, slots=True)
class Lamp:
    """One interlock as shown; `closed` None means that nobody knows."""

    name: str
    closed: bool | None
    first_cause: bool


@dataclass(frozen=True, slots=True)
class Series:
    """One series of the session: pulses done of planned."""

    done: int
    planned: int


@dataclass(slots=True)
class Picture:
    """What is known of one laser. `apply` takes what the stream says; `now_us` is the watcher's own time."""

    started_us: int
    status: Mapping[str, Any] = field(default_factory=dict)
    heard_us: int | None = None
    pulses: deque[Mapping[str, Any]] = field(default_factory=lambda: deque(maxlen=PULSES_SHOWN))
    pulses_seen: int = 0
    events: deque[str] = field(default_factory=lambda: deque(maxlen=EVENTS_SHOWN))
    note: str = ""  # what the one who watches is doing meanwhile

    def apply(self, message: Mapping[str, Any], now_us: int) -> list[str]:
        """Take one message; return the news in it, each in one line, for those who read line by line."""
        self.heard_us = now_us
        match message.get("kind"):
            case "status":
                before, self.status = self.status, {key: message[key] for key in message if key != "kind"}
                return list(_news(before, self.status))
            case "pulse":
                self.pulses.append(message)
                self.pulses_seen += 1
                return [pulse_line(message)]
            case "event":
                text = str(message.get("text", ""))
                self.events.append(text)
                return [f"{message.get('severity', 'info')}: {text}"]
        return []  # telemetry, and kinds of a later version

    @property
    def laser(self) -> Mapping[str, Any]:
        """The laser's last status; empty when there is none."""
        return self.status.get("laser") or {}

    @property
    def session(self) -> Mapping[str, Any]:
        """The treatment session; empty when there is none."""
        return self.status.get("session") or {}

    @property
    def supervisor(self) -> Mapping[str, Any]:
        """What the host's supervisor says; empty when nothing was heard."""
        return self.status.get("supervisor") or {}

    @property
    def state(self) -> str:
        """The laser's state by name; "unknown" without a status."""
        return str(self.laser.get("state", "unknown"))

    def silent_us(self, now_us: int) -> float:
        """How long nothing was heard; infinite when nothing ever was."""
        return math.inf if self.heard_us is None else now_us - self.heard_us

    def age_s(self, now_us: int) -> float:
        """Age of what is shown of the laser: as old as it was when told, and since."""
        age_s = self.laser.get("age_s")
        told_s = age_s if isinstance(age_s, int | float) else math.inf
        return told_s + self.silent_us(now_us) / 1e6

    def stale(self, now_us: int) -> str:
        """Why what is shown must not be believed; empty when it may. Unknown is not good."""
        if self.heard_us is None:
            return "nothing heard from the daemon yet"
        if not self.silent_us(now_us) <= SILENT_US:
            return f"nothing heard from the daemon for {self.silent_us(now_us) / 1e6:.1f} s"
        if not self.laser:
            return "the daemon hears nothing from the laser"
        if self.laser.get("quality") != "good":
            return f"the laser's last status is {self.age_s(now_us):.1f} s old"
        return ""

    def lamps(self) -> list[Lamp]:
        """The interlock chain in its order; the first cause is the latched one, else the first open one."""
        if not self.laser:
            return [Lamp(words(interlock.name), None, False) for interlock in Interlock]
        opened = set(self.laser.get("open_interlocks") or ())
        fault = str(self.laser.get("first_fault", "none"))
        by_fault = [
            interlock.name.lower()
            for interlock in Interlock
            if (latched := INTERLOCKS[interlock].fault) is not None and latched.name.lower() == fault
        ]
        in_order = [interlock.name.lower() for interlock in Interlock if interlock.name.lower() in opened]
        first = (by_fault or in_order)[:1]
        return [
            Lamp(words(interlock.name), interlock.name.lower() not in opened, interlock.name.lower() in first)
            for interlock in Interlock
        ]

    def series(self) -> list[Series]:
        """The session's series; empty without a session."""
        planned = self.session.get("series") or ()
        done = self.session.get("series_done") or ()
        return [Series(*pair) for pair in zip(done, planned, strict=False)]


def words(name: str) -> str:
    """An enumeration's name as people read it."""
    return name.lower().replace("_", " ")


def flags_of(pulse: Mapping[str, Any]) -> list[str]:
    """The judgement flags of a pulse, sorted."""
    flags = pulse.get("flags") or ()
    return sorted(flags.split(",") if isinstance(flags, str) else flags)


def energy_window_mj(pulse: Mapping[str, Any]) -> Window:
    """Lowest and highest measured energy that is no fault; None for a pulse that is not judged."""
    return (
        None
        if UNJUDGED.intersection(flags_of(pulse))
        else _around(pulse["set_energy_mj"], ENERGY_TRIP_PERCENT)
    )


def width_window_ps(pulse: Mapping[str, Any]) -> Window:
    """Shortest and longest pulse that is no fault; None for a pulse that is not judged."""
    if UNJUDGED.intersection(flags_of(pulse)):
        return None
    low, high = _around(pulse["mode_width_ps"], WIDTH_MODE_PERCENT)
    return max(low, WIDTH_LOW_PS), min(high, WIDTH_HIGH_PS)


def _around(middle: float, percent: int) -> tuple[float, float]:
    return middle * (100 - percent) / 100, middle * (100 + percent) / 100


@dataclass(frozen=True, slots=True)
class Shown:
    """A pulse as text; what lies outside its window is marked with "!"."""

    number: str
    energy_a: str
    energy_b: str
    energy_window: str
    width: str
    width_window: str
    verdict: str


def shown(pulse: Mapping[str, Any]) -> Shown:
    """The pulse as text. Behind a closed shutter nothing is to be measured, so nothing is marked there."""
    energy, width = energy_window_mj(pulse), width_window_ps(pulse)
    behind = None if "shutter_closed" in flags_of(pulse) else energy
    return Shown(
        number=str(pulse.get("pulse_number")),
        energy_a=_measured(pulse.get("monitor_a_mj"), energy, 1),
        energy_b=_measured(pulse.get("monitor_b_mj"), behind, 1),
        energy_window=_window(energy, 1),
        width=_measured(pulse.get("pulse_width_ps"), width, 0),
        width_window=_window(width, 0),
        verdict=verdict(pulse),
    )


def _measured(value: object, window: Window, digits: int) -> str:
    if not isinstance(value, int | float):
        return "-"
    inside = window is None or window[0] <= value <= window[1]  # NaN is outside
    return f"{value:.{digits}f}" + ("" if inside else " !")


def _window(window: Window, digits: int) -> str:
    return "-" if window is None else f"{window[0]:.{digits}f} to {window[1]:.{digits}f}"


def verdict(pulse: Mapping[str, Any]) -> str:
    """What the device judged of a pulse, in words."""
    flags = flags_of(pulse)
    if not flags:
        return "ok"
    if "unknown" in flags:
        return "UNKNOWN: counted as given"
    return ", ".join(words(flag) for flag in flags)


def pulse_line(pulse: Mapping[str, Any]) -> str:
    """A pulse in one line."""
    text = shown(pulse)
    return (
        f"pulse {text.number}: A {text.energy_a} mJ, B {text.energy_b} mJ (window {text.energy_window}), "
        f"{text.width} ps (window {text.width_window}): {text.verdict}"
    )


def latch_line(latch: Mapping[str, Any]) -> str:
    """A latch in one line: which, what, what to do, and whether its cause is still there."""
    present = "; its cause is still there" if latch.get("cause_present") else ""
    return (
        f"{latch.get('name')} #{latch.get('instance')}: {latch.get('text')}: {latch.get('action')}{present}"
    )


def _news(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterable[str]:
    """What differs between two statuses and matters to a reader."""
    link, link_before = after.get("link") or {}, before.get("link") or {}
    if link.get("state") != link_before.get("state"):
        why = f": {link['reason']}" if link.get("reason") and link.get("state") != "up" else ""
        yield f"link {link.get('state')} ({link.get('port')}){why}"
    laser, laser_before = after.get("laser") or {}, before.get("laser") or {}
    if laser and laser.get("state") != laser_before.get("state"):
        state = str(laser.get("state"))
        yield f"state {words(state).upper()}: {PERMITS.get(state, 'a state that this version does not know')}"
    opened, opened_before = (set(side.get("open_interlocks") or ()) for side in (laser, laser_before))
    yield from (f"interlock open: {words(name)}" for name in sorted(opened - opened_before))
    yield from (f"interlock closed: {words(name)}" for name in sorted(opened_before - opened))
    known = {(latch.get("name"), latch.get("instance")) for latch in _latches(before)}
    for latch in _latches(after):
        if (latch.get("name"), latch.get("instance")) not in known:
            yield f"latched: {latch_line(latch)}"
    left = {(latch.get("name"), latch.get("instance")) for latch in _latches(after)}
    yield from (f"latch cleared: {name} #{instance}" for name, instance in sorted(known - left, key=str))
    session, session_before = after.get("session") or {}, before.get("session") or {}
    if session and session.get("state") != session_before.get("state"):
        yield (
            f"session {session.get('state')}: {session.get('name')}, "
            f"{session.get('delivered')} of {session.get('planned')} pulses"
        )


def _latches(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list((status.get("supervisor") or {}).get("latches") or ())
