"""What came of one run, and the same as a campaign keeps it: one line of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Final

from pydantic import ConfigDict, NonNegativeFloat, NonNegativeInt, TypeAdapter

from rig.invariants.invariant import Violation
from rig.script import Script
from sim_device.faults import Report

UNSEEN: Final = "nothing-goes-unseen"
"""Name of the violation that an exception in a callback of the loop, or a loop that stands still, is."""

LOST: Final = "worker-lost"
"""Name of the violation that a run is which kills its workers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What came of one run."""

    __pydantic_config__: ClassVar = ConfigDict(strict=True, allow_inf_nan=False)

    scenario: str
    seed: NonNegativeInt
    firmware: str
    trace_sha256: str
    began_us: NonNegativeInt  # on the clock of the laser, as the times of violations are
    simulated_s: NonNegativeFloat
    wall_s: NonNegativeFloat
    pulses_true: NonNegativeInt
    pulses_recorded: NonNegativeInt
    plans_given: NonNegativeInt
    violations: tuple[Violation, ...]
    excused: Mapping[str, str] = field(default_factory=dict)  # broken with good reason, by name
    faults: tuple[Report, ...] = ()
    refusals: Mapping[str, int] = field(default_factory=dict)  # what people were told, and how often
    turn_ms_max: NonNegativeFloat = field(default=0.0, compare=False)
    """The longest turn of the daemon's loop, in real time; older results have none."""

    @property
    def idle_faults(self) -> tuple[str, ...]:
        """Faults that were expected to fire and never did: the run is worth nothing then."""
        return tuple(one.name for one in self.faults if one.idle)

    @property
    def faults_fired(self) -> int:
        """How many faults really changed something."""
        return sum(one.fired > 0 for one in self.faults)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"faults_fired": self.faults_fired, "idle_faults": list(self.idle_faults)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept(Result):
    """A result with all that names its run, and shows it again."""

    key: str
    code: str  # hash of what ran it
    script: Script

    @property
    def line(self) -> str:
        """As it stands in a file of results."""
        return json.dumps(self.as_dict(), sort_keys=True)

    @classmethod
    def of_line(cls, line: str | bytes) -> Kept:
        """The result in a line, which may hold more; pydantic's ValidationError when there is none in it."""
        return _KEPT.validate_json(line)


_KEPT: Final = TypeAdapter(Kept)
