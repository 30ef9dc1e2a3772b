"""What runs add up to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from rig.result import Kept
from rig.results import CampaignError


@dataclass(slots=True)
class FaultTotals:
    """What the faults of one name add up to."""

    injected: int = 0
    injected_that_fired: int = 0  # at least once
    times_fired: int = 0


@dataclass(slots=True)
class Totals:
    """What a campaign adds up to; only results of the same code are added."""

    code: str = ""  # its hash
    seeds: int = 0
    simulated_s: float = 0.0
    wall_s: float = 0.0  # of all runs together
    turn_ms_max: float = 0.0  # the longest turn of a daemon's loop in real time, of all runs
    pulses: int = 0
    violations: int = 0
    faults_fired: int = 0  # how many faults fired, however often each
    faults: dict[str, FaultTotals] = field(default_factory=dict)  # by name
    invariants: dict[str, int] = field(default_factory=dict)  # violations by name
    excused: dict[str, int] = field(default_factory=dict)
    idle_faults: int = 0  # expected and never fired
    workers_lost: int = 0  # how often a worker died, in this command's runs; what it had was done again

    @property
    def good(self) -> bool:
        """Nothing was violated, and every fault that should have fired did."""
        return not self.violations and not self.idle_faults

    def add(self, result: Kept) -> None:
        """Add one run; CampaignError for one of other code."""
        if self.seeds and result.code != self.code:
            raise CampaignError(f"results of different code do not add up: {self.code} and {result.code}")
        self.code = result.code
        self.seeds += 1
        self.simulated_s += result.simulated_s
        self.wall_s += result.wall_s
        self.turn_ms_max = max(self.turn_ms_max, result.turn_ms_max)
        self.pulses += result.pulses_true
        self.violations += len(result.violations)
        self.faults_fired += result.faults_fired
        self.idle_faults += len(result.idle_faults)
        for violation in result.violations:
            self.invariants[violation.invariant] = self.invariants.get(violation.invariant, 0) + 1
        for name in result.excused:
            self.excused[name] = self.excused.get(name, 0) + 1
        for fault in result.faults:
            counts = self.faults.setdefault(fault.name, FaultTotals())
            counts.injected += 1
            counts.injected_that_fired += fault.fired > 0
            counts.times_fired += fault.fired

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def totals(results: Iterable[Kept]) -> Totals:
    """What these add up to."""
    sums = Totals()
    for result in results:
        sums.add(result)
    return sums
