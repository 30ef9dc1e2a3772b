"""Shrinking: the least script that still fails, found by leaving parts out and making the rest plainer.

Theory of operation: delta debugging. Ever smaller parts of events and faults are left out for as long as the
same promise is broken without them; then the run is cut short after the violation; then each fault that is
left loses the parameters it does not need, and times become round. Every candidate is a whole run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from rig.script import Happening, Script

RUNS_MAX: Final = 300  # [C] some minutes; what is left by then is small enough to be read
AFTER_S: Final = 1.0  # [C] a run goes on for this long after its violation

Fails = Callable[[Script], float | None]
"""Plays a script; the time of the violation in s since the run began, or None if the promise was kept."""

_KEPT: Final = frozenset({"name", "expected", "at_s", "on"})


@dataclass(frozen=True, slots=True)
class Part:
    """An event or a fault."""

    event: Happening | None = None
    fault: Mapping[str, Any] | None = None


class Shrinker:
    """Shrinks one script; `runs` counts what it took."""

    def __init__(self, fails: Fails) -> None:
        self.runs = 0
        self._fails = fails

    def shrink(self, script: Script) -> Script:
        """The least script found; the given one if it does not fail at all."""
        if self._at_s(script) is None:
            return script
        script = self._fewer(script)
        script = self._shorter(script)
        return self._plainer(script)

    def _at_s(self, script: Script) -> float | None:
        self.runs += 1
        return self._fails(script)

    def _plainer_fault(self, script: Script, number: int, name: str) -> Script:
        before = script.faults[number]
        for fault in _without(before, name):
            faults = (*script.faults[:number], fault, *script.faults[number + 1 :])
            candidate = script.with_parts(script.events, faults)
            if fault != before and self._try(candidate):
                return candidate
        return script

    def _try(self, script: Script) -> bool:
        return self.runs < RUNS_MAX and self._at_s(script) is not None

    def _fewer(self, script: Script) -> Script:
        """Leave out parts, in halves first."""
        parts = [Part(event=one) for one in script.events] + [Part(fault=one) for one in script.faults]
        pieces = 2
        while parts and self.runs < RUNS_MAX:
            size = math.ceil(len(parts) / pieces)
            for start in range(0, len(parts), size):
                left = parts[:start] + parts[start + size :]
                if self._try(_with(script, left)):
                    parts, pieces = left, max(2, pieces - 1)
                    break
            else:
                if size == 1:
                    break
                pieces = min(len(parts), pieces * 2)
        return _with(script, parts)

    def _shorter(self, script: Script) -> Script:
        """End soon after the violation."""
        at_s = self._at_s(script)
        if at_s is None:
            return script
        shorter = replace(script, duration_s=math.ceil(at_s + AFTER_S))
        shorter = shorter.with_parts(
            tuple(one for one in shorter.events if one.at_s < shorter.duration_s),
            tuple(one for one in shorter.faults if _due_s(one) < shorter.duration_s),
        )
        return shorter if shorter.duration_s < script.duration_s and self._try(shorter) else script

    def _plainer(self, script: Script) -> Script:
        """Leave out parameters, and round times."""
        for number in range(len(script.faults)):
            for name in script.faults[number]:
                script = self._plainer_fault(script, number, name)
        for number in range(len(script.events)):
            for digits in (0, 1):
                event = script.events[number]
                rounder = replace(event, at_s=round(event.at_s, digits))
                events = (*script.events[:number], rounder, *script.events[number + 1 :])
                candidate = script.with_parts(events, script.faults)
                if rounder != event and self._try(candidate):
                    script = candidate
                    break
        return script


def _without(fault: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    """The fault without this field, or with a rounder number in it; the plainest first."""
    if name not in _KEPT:
        yield {key: value for key, value in fault.items() if key != name}
    value = fault[name]
    if isinstance(value, float):
        for digits in (0, 1):
            yield {**fault, name: round(value, digits)}


def _due_s(fault: Mapping[str, Any]) -> float:
    """When it comes at the earliest."""
    return float(fault.get("at_s", 0)) + float(fault.get("after_s", 0))


def _with(script: Script, parts: Sequence[Part]) -> Script:
    events = tuple(part.event for part in parts if part.event is not None)
    return script.with_parts(events, tuple(part.fault for part in parts if part.fault is not None))
