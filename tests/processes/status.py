"""What the daemon's status says, in the words of the tests."""

import json
from typing import Any

from controller.course import ENDED

Status = dict[str, Any]


def state(now: Status) -> str:
    """The laser's state, empty when it is not known."""
    laser = now.get("laser")
    return str(laser["state"]) if laser and laser["quality"] == "good" else ""


def permitted(now: Status) -> bool:
    """Whether the foot would fire."""
    return state(now) in {"ready", "emitting"} and bool(now["laser"]["permit_pulses_left"])


def in_hand(now: Status) -> bool:
    """Whether a session is carried out; the last one stays shown after its end."""
    return now["session"] is not None and now["session"]["state"] not in ENDED


def at_rest(now: Status) -> bool:
    """Whether the daemon is connected and knows every pulse to be on disk."""
    books = now["books"]
    return bool(state(now)) and not books["missing"] and not books["waiting"]


def latched(now: Status) -> set[str]:
    """The names of what is latched."""
    return {latch["name"] for latch in now["supervisor"]["latches"]}


def short(told: Status) -> str:
    """What a test that waited in vain wants to see."""
    if not told:
        return ""
    laser = told["laser"] or {}
    return json.dumps(
        {
            "state": laser.get("state"),
            "leave": laser.get("leave"),
            "link": told["link"],
            "latches": told["supervisor"]["latches"],
            "arm_refusals": [reason["text"] for reason in told["supervisor"]["arm_refusals"]],
            "books": told["books"],
            "session": told["session"],
            "uncertain": told["uncertain"],
            "store": told["store"],
            "mqtt": told["mqtt"],
        }
    )
