"""A violation as a file: shrunk to the least that still fails, and written as a scenario that replays it."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from protocols.messages import Handpiece
from rig.result import Kept
from rig.script import FORMAT, Script
from rig.shrink import Shrinker
from rig.simulate import simulate
from sim_device.firmwares import DEFAULT


def shrink_and_write(result: Kept, invariant: str, folder: Path) -> Path:
    """Shrink the run of `result` for as long as `invariant` is broken; returns the scenario's path."""
    script, seed, firmware = result.script, result.seed, result.firmware
    shrinker = Shrinker(lambda candidate: broken_at_s(candidate, seed, invariant, firmware))
    least = shrinker.shrink(script)
    again = simulate(least, seed, firmware=firmware, clock=time.perf_counter)
    texts = [one.text for one in again.violations if one.invariant == invariant]
    parts = len(script.events) + len(script.faults)
    left = len(least.events) + len(least.faults)
    words = [f"{invariant}: {text}" for text in texts[:1]]
    words.append(f"Shrunk from {parts} events and faults to {left} in {shrinker.runs} runs. To see it again:")
    name = f"{invariant}-seed-{seed}"
    own = "" if firmware == DEFAULT else f" --firmware {firmware}"
    words.append(f"  picolase simulate {shlex.quote(str(folder.resolve() / f'{name}.toml'))}{own}")
    return write(least, seed, folder, name, words)


def broken_at_s(script: Script, seed: int, invariant: str, firmware: str = DEFAULT) -> float | None:
    """When this script breaks the promise, in s since the run began; None if it keeps it."""
    result = simulate(script, seed, firmware=firmware, clock=time.perf_counter)
    for violation in result.violations:
        if violation.invariant == invariant:
            return min((violation.at_us - result.began_us) / 1e6, script.duration_s)
    return None


def write(script: Script, seed: int, folder: Path, name: str, comments: list[str]) -> Path:
    """Write `script` as a scenario file with its plan beside it; returns the scenario's path."""
    folder.mkdir(parents=True, exist_ok=True)
    plan = folder / f"{name}.plan.toml"
    plan.write_text(script.plan, encoding="utf-8")
    path = folder / f"{name}.toml"
    path.write_text(as_toml(script, seed, plan.name, comments), encoding="utf-8")
    return path


def as_toml(script: Script, seed: int, plan: str, comments: list[str]) -> str:
    """`script` in the form of a scenario file."""
    lines = [f"# {line}" for comment in comments for line in comment.splitlines()]
    head = {"format": FORMAT, "name": script.name, "seed": seed, "duration_s": script.duration_s}
    lines += [f"{key} = {_value(value)}" for key, value in head.items()]
    lines += ["", "[laser]", f"start = {_value(script.start)}"]
    lines += [f"{key} = {_value(value)}" for key, value in _stands(script.contacts).items()]
    lines += ["", "[host]", f"plan = {_value(plan)}", f"operator = {_value(script.operator)}"]
    for event in script.events:
        lines += ["", "[[event]]", f"at_s = {_value(event.at_s)}", f"do = {_value(event.do)}"]
        lines += [f"{key} = {_value(value)}" for key, value in event.fields.items()]
    for fault in script.faults:
        lines += ["", "[[fault]]", *(f"{key} = {_value(value)}" for key, value in fault.items())]
    return "\n".join(lines) + "\n"


def _stands(contacts: Mapping[str, Any]) -> dict[str, Any]:
    """Contacts in the words of a scenario's [laser]."""
    words: dict[str, Any] = {}
    for name, value in contacts.items():
        match name:
            case "key_on":
                words["key"] = "on" if value else "off"
            case "internal_trigger_strap":
                words["strap"] = "on" if value else "off"
            case "handpiece":
                words["handpiece"] = Handpiece(value).name
            case "zoom_um":
                words["spot_mm"] = value / 1000
            case "door_closed" | "remote_closed" | "cover_closed":
                words[name.removesuffix("_closed")] = "close" if value else "open"
            case _:
                words[name] = value
    return words


def _value(value: object) -> str:
    """A value as TOML writes it; its strings are JSON's."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return repr(value)
