"""A source tree of its own to trace: two requirements, one hazard, one module, and tests as wanted."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

REQUIREMENT = {
    "id": "REQ-001",
    "topic": "mode",
    "requirement": "no light in STANDBY",
    "clause": "some 1.2",
    "acceptance_criterion": "presses -> 0 pulses",
    "source": "a page",
    "wording": "published",
    "met_by": "device",
    "modules": "made/module.py",
    "note": "",
}
HAZARD = {
    "id": "HZ-001",
    "hazard": "light",
    "cause": "a relay",
    "effect": "burn",
    "control": "two channels",
    "fault_injection_test": "force it",
    "severity_1_5": "5",
    "real_event": "",
    "source": "a page",
    "wording": "to be confirmed",
    "requirements": "REQ-001",
    "note": "",
}
OTHER = REQUIREMENT | {"id": "REQ-002", "requirement": "a <b>delay</b> | before light"}


def make_tree(
    root: Path,
    tests: str = "",
    requirements: tuple[dict[str, Any], ...] = (REQUIREMENT, OTHER),
    hazards: tuple[dict[str, Any], ...] = (HAZARD,),
) -> Path:
    """Write the tree below `root` and return it; `tests` is the text of tests/test_it.py."""
    for folder in ("docs/safety", "tests", "made"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "made" / "module.py").touch()
    (root / "tests" / "test_it.py").write_text(tests, "utf-8")
    for name, rows in (("requirements", requirements), ("hazards", hazards)):
        with (root / "docs" / "safety" / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    return root
