"""A campaign: one script under many seeds, each with its own chance, and results that add up.

Theory of operation. A run is named by script, seed and the code that ran it; its result is one line of JSON
in the campaign's directory, written when it comes. Whoever continues a campaign, another shard of it or a
merge reads those lines: a run that is there is not done again, and a line cut off by a crash does not count.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from rig.schedule import random_events, random_faults
from rig.script import Happening, Script
from rig.simulate import simulate
from rig.workers import Lost, Workers

PACKAGES: Final = ("controller", "hal", "protocols", "rig", "safety", "sim_device")
ROOT: Final = Path(__file__).parents[1]
LOST: Final = "worker-lost"
"""Name of the violation that a run is which kills its workers."""

_SHARD = re.compile(r"([1-9][0-9]*)/([1-9][0-9]*)")


class CampaignError(ValueError):
    """A campaign that cannot be: names what was given and what is allowed."""


@dataclass(frozen=True, slots=True)
class Job:
    """One run to do."""

    key: str
    seed: int
    script: Mapping[str, Any]


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
class Totals:
    """What a campaign adds up to."""

    seeds: int = 0
    simulated_s: float = 0.0
    wall_s: float = 0.0  # of all runs together
    pulses: int = 0
    violations: int = 0
    faults_fired: int = 0
    faults: dict[str, dict[str, int]] = field(default_factory=dict)  # by name: runs, fired
    invariants: dict[str, int] = field(default_factory=dict)  # violations by name
    excused: dict[str, int] = field(default_factory=dict)
    idle_faults: int = 0  # expected and never fired

    @property
    def good(self) -> bool:
        """Nothing was violated, and every fault that should have fired did."""
        return not self.violations and not self.idle_faults

    def add(self, result: Mapping[str, Any]) -> None:
        """Add one run."""
        self.seeds += 1
        self.simulated_s += result["simulated_s"]
        self.wall_s += result["wall_s"]
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
            counts = self.faults.setdefault(fault["name"], {"runs": 0, "fired": 0})
            counts["runs"] += 1
            counts["fired"] += fault["fired"] > 0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


class Results:
    """The results in a directory: every `*.jsonl` is read, one is written."""

    def __init__(self, folder: Path, writer: str = "1of1") -> None:
        self._folder = folder
        self._file = folder / f"results-{writer}.jsonl"
        self._by_key: dict[str, dict[str, Any]] = {}
        folder.mkdir(parents=True, exist_ok=True)
        for file in sorted(folder.glob("*.jsonl")):
            self._by_key |= {result["key"]: result for result in _lines(file)}
        _mend(self._file)

    def __contains__(self, key: str) -> bool:
        return key in self._by_key

    def __getitem__(self, key: str) -> dict[str, Any]:
        return self._by_key[key]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(sorted(self._by_key.values(), key=lambda one: (one["scenario"], one["seed"], one["key"])))

    def __len__(self) -> int:
        return len(self._by_key)

    def add(self, result: dict[str, Any]) -> None:
        """Keep one; it is in the file when this returns."""
        if result["key"] in self._by_key:
            return
        line = json.dumps(result, sort_keys=True)
        with self._file.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        self._by_key[result["key"]] = json.loads(line)  # as whoever continues will read it

    def take(self, folder: Path) -> int:
        """Take over what another directory has; returns how many are new. CampaignError if it has nothing."""
        files = sorted(folder.glob("*.jsonl"))
        if not files:
            raise CampaignError(f"{folder}: there are no results to merge (*.jsonl)")
        before = len(self)
        for file in files:
            for result in _lines(file):
                self.add(result)
        return len(self) - before


def jobs_of(script: Script, seeds: Iterable[int], *, chaos: bool) -> Iterator[Job]:
    """One run for each seed; with `chaos` each has random events and random faults of its own."""
    for seed in seeds:
        played = disturbed(script, seed) if chaos else script
        key = hashlib.sha256(f"{played.identity} {seed} {code_hash()}".encode()).hexdigest()[:32]
        yield Job(key, seed, asdict(played))


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
    result = simulate(script_of(job.script), job.seed, clock=time.perf_counter)
    return result.as_dict() | {"key": job.key, "script": dict(job.script), "code": code_hash()}


def lost(job: Job, why: Lost) -> dict[str, Any]:
    """The result of a run that nobody survived."""
    return {
        "key": job.key, "scenario": job.script["name"], "seed": job.seed, "script": dict(job.script),
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


@functools.cache
def code_hash() -> str:
    """Hash of all the code that a run depends on."""
    summed = hashlib.sha256()
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            summed.update(f"{file.relative_to(ROOT)} ".encode() + file.read_bytes())
    return summed.hexdigest()[:16]


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    """Each whole line of a file; one that a crash cut off is left out."""
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            result = json.loads(line)
        except ValueError:
            continue
        if isinstance(result, dict) and "key" in result:
            yield result


def _mend(file: Path) -> None:
    """End a line that a crash cut off, so that the next one does not continue it."""
    if file.exists() and (data := file.read_bytes()) and not data.endswith(b"\n"):
        file.write_bytes(data + b"\n")
