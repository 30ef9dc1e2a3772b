"""A script: all that one whole-stack run is made of besides its seed, and its form as a scenario file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Literal, Self

from sim_device.operator import Body, OnOff

Operator = Literal["steady", "tireless", "random", "none"]
Start = Literal["warm", "cold"]

OWN_FIELDS: Final = frozenset({"name", "expected"})
"""What a stated fault has besides its parameters and its trigger."""

FORMAT: Final = 1
"""Version of a scenario file's form."""

HOST_EVENTS: Final[Mapping[str, type[Body]]] = {
    **dict.fromkeys(("acknowledge", "open", "open-wrong", "resume", "abandon", "arm-laser"), Body),
    **dict.fromkeys(("standby", "stop", "calibrate"), Body),
    "aiming": OnOff,
    **dict.fromkeys(("resolve", "login-again", "takeover"), Body),
    **dict.fromkeys(("kill-daemon", "start-daemon", "fill-disk", "free-disk"), Body),
}
"""What can be asked of the daemon or done to it, by the word a scenario uses, with its fields.

`rig.player.Player` has a method for each, of the same name. `arm-laser`, because `arm` is the articulated
arm's contact among the actions of the room.
"""


@dataclass(frozen=True, slots=True)
class Happening:
    """Something people or the room do at a time: an action of `sim_device.operator`, or a host event."""

    at_s: float
    do: str
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Script:
    """What happens in a run. `plan` is a plan's text; `faults` are as a scenario states them.

    The operator: "steady" carries the plan out once, "tireless" again and again, "random" does so too while
    anything may happen around it, "none" leaves everything to the events.
    `contacts` are the laser's contacts at the start, by the names of `sim_device.plant.Contacts`.
    """

    name: str
    duration_s: float
    plan: str
    operator: Operator = "steady"
    start: Start = "warm"
    contacts: Mapping[str, Any] = field(default_factory=dict)
    events: tuple[Happening, ...] = ()
    faults: tuple[Mapping[str, Any], ...] = ()

    @property
    def identity(self) -> str:
        """A hash of everything in it."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True, default=str).encode()).hexdigest()

    def with_parts(self, events: tuple[Happening, ...], faults: tuple[Mapping[str, Any], ...]) -> Self:
        """The same with these events, in order of time, and these faults."""
        return replace(self, events=tuple(sorted(events, key=lambda one: one.at_s)), faults=faults)
