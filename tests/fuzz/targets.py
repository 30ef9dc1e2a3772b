"""All that is fuzzed, by name."""

from __future__ import annotations

from types import ModuleType

from tests.fuzz import answers, api, files, firmware, links, orders, records, wire
from tests.fuzz.target import Target

MODULES: tuple[ModuleType, ...] = (wire, links, firmware, files, records, answers, api, orders)
TARGETS: dict[str, Target] = {target.name: target for module in MODULES for target in module.TARGETS}
MODULE_OF: dict[str, str] = {target.name: module.__name__ for module in MODULES for target in module.TARGETS}
