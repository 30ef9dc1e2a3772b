"""A campaign: one script under many seeds, each with its own chance, and results that add up.

Theory of operation. A run is named by script, seed, firmware and the code that ran it (`rig.code_hash`). Its
result is kept when it comes (`rig.results`), so whoever continues a campaign does no run again that is there.
"""

from __future__ import annotations

import functools
import gc
import hashlib
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from rig.code_hash import code_hash
from rig.results import CampaignError, Results
from rig.schedule import random_events, random_faults
from rig.script import Happening, Script
from rig.simulate import simulate
from rig.workers import Lost, Workers
from sim_device import firmwares

LOST: Final = "worker-lost"
"""Name of the violation that a run is which kills its workers."""

_SHARD = re.compile(r"([1-9][0-9]*)/([1-9][0-9]*)")


@dataclass(frozen=True, slots=True)
class Job:
    """One run to do."""

    key: str
    seed: int
    script: Mapping[str, Any]
    firmware: str = firmwares.DEFAULT


@dataclass(frozen=True, slots=True)
class Shard:
    """Which share of the seeds: the `part`th of `parts`."""

    part: int = 1
    parts: int = 1

    @classmethod
    def parse(cls, text: str) -> Shard:
        """The shard "i/n"."""
        match = _SHARD.fullmatch(text)
        if match is None or int(match[1]) > int(match[2]):
            raise CampaignError(f"shard {text!r} is none: give i/n with 1 <= i <= n, such as 1/4")
        return cls(int(match[1]), int(match[2]))

    def seeds(self, first: int, count: int) -> Iterator[int]:
        """Its seeds out of `count` from `first` on."""
        return iter(range(first + self.part - 1, first + count, self.parts))


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

    @property
    def good(self) -> bool:
        """Nothing was violated, and every fault that should have fired did."""
        return not self.violations and not self.idle_faults

    def add(self, result: Mapping[str, Any]) -> None:
        """Add one run; CampaignError for one of other code."""
        if self.seeds and result["code"] != self.code:
            raise CampaignError(f"results of different code do not add up: {self.code} and {result['code']}")
        self.code = result["code"]
        self.seeds += 1
        self.simulated_s += result["simulated_s"]
        self.wall_s += result["wall_s"]
        self.turn_ms_max = max(self.turn_ms_max, result.get("turn_ms_max", 0.0))  # older results have none
        self.pulses += result["pulses_true"]
        self.violations += len(result["violations"])
        self.faults_fired += result["faults_fired"]
        self.idle_faults += len(result["idle_faults"])
        for violation in result["violations"]:
            name = violation["invariant"]
            self.invariants[name] = self.invariants.get(name, 0) + 1
        for name in result["excused"]:
            self.excused[name] = self.excused.get(name, 0) + 1
        for fault in result["faults"]:
            counts = self.faults.setdefault(fault["name"], FaultTotals())
            counts.injected += 1
            counts.injected_that_fired += fault["fired"] > 0
            counts.times_fired += fault["fired"]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def jobs_of(
    script: Script, seeds: Iterable[int], *, chaos: bool, firmware: str = firmwares.DEFAULT
) -> Iterator[Job]:
    """One run for each seed; with `chaos` each has random events and random faults of its own."""
    for seed in seeds:
        played = disturbed(script, seed) if chaos else script
        key = hashlib.sha256(f"{played.identity} {seed} {firmware} {code_hash()}".encode()).hexdigest()[:32]
        yield Job(key, seed, asdict(played), firmware)


def disturbed(script: Script, seed: int) -> Script:
    """The script with the random events and faults of this seed, all of them spelled out."""
    events = (*script.events, *random_events(seed, script.duration_s))
    faults = (*script.faults, *random_faults(seed, script.duration_s))
    operator = "tireless" if script.operator == "random" else script.operator
    return replace(script, operator=operator).with_parts(events, faults)


def run(
    jobs: Iterable[Job],
    results: Results,
    workers: Workers,
    *,
    on_result: Callable[[Mapping[str, Any]], None] = lambda _: None,
) -> list[str]:
    """Do what is not there yet, and keep it; returns the keys of all of them, in the order of `jobs`."""
    keys: list[str] = []

    def missing() -> Iterator[Job]:
        for job in jobs:
            keys.append(job.key)
            if job.key not in results:
                yield job
            else:
                on_result(results[job.key])

    for job, result in workers.run(do, missing()):
        told = lost(job, result) if isinstance(result, Lost) else result
        if told["code"] != code_hash():
            raise CampaignError(f"a worker has other code ({told['code']}) than this process ({code_hash()})")
        results.add(told)
        on_result(told)
    return keys


def do(job: Job) -> dict[str, Any]:
    """Carry one run out, in whatever process this is."""
    _leave_imports_alone()
    result = simulate(script_of(job.script), job.seed, firmware=job.firmware, clock=time.perf_counter)
    return result.as_dict() | {"key": job.key, "script": dict(job.script), "code": code_hash()}


@functools.cache
def _leave_imports_alone() -> None:
    """Let Python's collector look through what runs make, and not each time through what was imported."""
    gc.collect()
    gc.freeze()


def lost(job: Job, why: Lost) -> dict[str, Any]:
    """The result of a run that nobody survived."""
    return {
        "key": job.key, "scenario": job.script["name"], "seed": job.seed, "firmware": job.firmware,
        "script": dict(job.script),
        "code": code_hash(), "trace_sha256": "", "began_us": 0, "simulated_s": 0.0, "wall_s": 0.0,
        "pulses_true": 0, "pulses_recorded": 0, "plans_given": 0, "excused": {}, "faults": [], "refusals": {},
        "faults_fired": 0, "idle_faults": [],
        "violations": [{"invariant": LOST, "at_us": 0, "text": str(why)}],
    }  # fmt: skip


def script_of(data: Mapping[str, Any]) -> Script:
    """The script that `asdict` took apart."""
    events = tuple(Happening(one["at_s"], one["do"], one["fields"]) for one in data["events"])
    return Script(**{**data, "events": events, "faults": tuple(data["faults"])})


def totals(results: Iterable[Mapping[str, Any]]) -> Totals:
    """What these add up to."""
    sums = Totals()
    for result in results:
        sums.add(result)
    return sums
