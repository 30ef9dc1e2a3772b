"""What happens while a defect is looked for: short runs, one matter each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rig.script import Happening, Script
from rig.stack import plan_text

PLAN = plan_text(series=[15, 15, 15])  # 5 Hz: light from some 3 s on


def scene(name: str, duration_s: float, *events: Happening) -> Script:
    """A steady operator, and this."""
    return Script(name, duration_s, PLAN, events=events)


def at(at_s: float, do: str, **fields: Any) -> Happening:
    return Happening(at_s, do, fields)


SERIES = scene("series", 10.0)
STOP = scene("stop", 8.0, at(4.5, "stop"))
DOOR = scene("door", 12.0, at(4.5, "door", to="open"), at(5.5, "door", to="close"))
DOOR_HELD = scene("door held", 12.0, at(4.5, "door", to="open"), at(11.0, "door", to="close"))
ESTOP = scene("emergency stop", 12.0, at(4.5, "estop", to="press"), at(10.5, "estop", to="release"))
FOOT = scene("foot", 8.0, at(4.5, "foot", to="release"), at(5.5, "foot", to="press"))
CUT = scene("cut line", 12.0, at(4.5, "cable", to="cut"), at(6.5, "cable", to="mend"))
SPOT = scene("spot", 8.0, at(4.5, "spot", spot_mm=2.5), at(6.5, "spot", spot_mm=3.5))
STUCK_LATER = replace(DOOR, name="shutter sticks later", faults=(
    {"name": "shutter-stuck", "at_s": 11.9, "expected": False},))  # fmt: skip
BRIDGED_LATER = replace(DOOR, name="door bridged later", faults=(
    {"name": "interlock-bridged", "contact": "door", "at_s": 11.9, "expected": False},))  # fmt: skip
HANGS_LATER = replace(STOP, name="hangs later", faults=(
    {"name": "processor-hangs", "at_s": 7.9, "expected": False},))  # fmt: skip
HANGS = {"name": "processor-hangs", "at_s": 4.5}
HUNG_ESTOP = scene("emergency stop of a hung processor", 12.0, at(4.501, "estop", to="press"),
                   at(8.0, "estop", to="release"))  # fmt: skip
HUNG_ESTOP = replace(HUNG_ESTOP, faults=(HANGS,))
HUNG_FOOT = scene("foot lifted of a hung processor", 9.0, at(4.501, "foot", to="release"))
HUNG_FOOT = replace(HUNG_FOOT, faults=(HANGS,))
HUNG_DOOR = replace(DOOR, name="door opened of a hung processor", faults=({**HANGS, "at_s": 4.499},))
NOBODY = Script("nobody acknowledges", 9.0, PLAN, operator="none", events=(
    at(1.0, "acknowledge"), at(2.0, "open"), at(3.0, "arm-laser"),
    at(7.0, "door", to="open"), at(8.0, "door", to="close"),
))  # fmt: skip
ASKED = scene("asked too often", 12.0, at(4.0, "arm-laser"), at(4.2, "arm-laser"), *DOOR.events)
RESTART = scene("daemon started anew", 16.0, at(4.5, "kill-daemon"), at(6.0, "start-daemon"))
TWICE = scene("two trips", 22.0, at(4.5, "door", to="open"), at(4.7, "door", to="close"),
              at(8.7, "door", to="open"), at(20.0, "door", to="close"))  # fmt: skip
CALIBRATION = Script("calibration", 8.0, PLAN, operator="none", events=(
    at(2.0, "acknowledge"), at(3.0, "dock"), at(3.5, "calibrate"), at(7.0, "undock"),
))  # fmt: skip
SCENES = (
    SERIES, STOP, DOOR, DOOR_HELD, ESTOP, FOOT, CUT, SPOT, CALIBRATION, STUCK_LATER, BRIDGED_LATER,
    HANGS_LATER, HUNG_ESTOP, HUNG_FOOT, HUNG_DOOR, NOBODY, ASKED, RESTART, TWICE,
)  # fmt: skip
