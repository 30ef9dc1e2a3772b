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
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, replace

from rig.code_hash import code_hash
from rig.invariants.invariant import Violation
from rig.result import LOST, Kept, Result
from rig.results import CampaignError, Results
from rig.schedule import random_events, random_faults
from rig.script import Script
from rig.simulate import simulate
from rig.workers import Lost, Workers
from sim_device import firmwares

_SHARD = re.compile(r"([1-9][0-9]*)/([1-9][0-9]*)")


@dataclass(frozen=True, slots=True)
class Job:
    """One run to do."""

    key: str
    seed: int
    script: Script
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

    @property
    def name(self) -> str:
        """For its file of results."""
        return f"{self.part}of{self.parts}"

    def seeds(self, first: int, count: int) -> range:
        """Its seeds out of `count` from `first` on."""
        return range(first + self.part - 1, first + count, self.parts)


def jobs_of(
    script: Script, seeds: Iterable[int], *, chaos: bool, firmware: str = firmwares.DEFAULT
) -> Iterator[Job]:
    """One run for each seed; with `chaos` each has random events and random faults of its own."""
    for seed in seeds:
        played = disturbed(script, seed) if chaos else script
        key = hashlib.sha256(f"{played.identity} {seed} {firmware} {code_hash()}".encode()).hexdigest()[:32]
        yield Job(key, seed, played, firmware)


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
    on_result: Callable[[Kept], None] = lambda _: None,
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
        if told.code != code_hash():
            raise CampaignError(f"a worker has other code ({told.code}) than this process ({code_hash()})")
        results.add(told)
        on_result(told)
    return keys


def do(job: Job) -> Kept:
    """Carry one run out, in whatever process this is."""
    _leave_imports_alone()
    result = simulate(job.script, job.seed, firmware=job.firmware, clock=time.perf_counter)
    told = {one.name: getattr(result, one.name) for one in fields(Result)}
    return Kept(**told, key=job.key, code=code_hash(), script=job.script)


@functools.cache
def _leave_imports_alone() -> None:
    """Let Python's collector look through what runs make, and not each time through what was imported."""
    gc.collect()
    gc.freeze()


def lost(job: Job, why: Lost) -> Kept:
    """The result of a run that nobody survived."""
    return Kept(
        key=job.key, code=code_hash(), script=job.script,
        scenario=job.script.name, seed=job.seed, firmware=job.firmware,
        trace_sha256="", began_us=0, simulated_s=0.0, wall_s=0.0,
        pulses_true=0, pulses_recorded=0, plans_given=0,
        violations=(Violation(LOST, 0, str(why)),),
    )  # fmt: skip
