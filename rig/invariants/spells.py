"""When which fault was at work, as the simulator shows it to whoever watches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sim_device.faults import CATALOGUE
from sim_device.plant.watchdog import LONGEST_US
from sim_device.simulator import RESET_US

BEGINS: Final = "fault-begins"
ENDS: Final = "fault-ends"
HANG: Final = "processor-hangs"
HUNG_US: Final = LONGEST_US + RESET_US  # [D] its watchdog bites, and holds it in reset


@dataclass(slots=True, eq=False)
class Spell:
    """One coming of a fault; `end_us` is None while it lasts, and `begin_us` of one that happens at once."""

    name: str
    parameters: Mapping[str, Any]
    begin_us: int
    end_us: int | None


class Spells:
    """Every coming of every fault, in order of time."""

    def __init__(self) -> None:
        self.all: list[Spell] = []

    def take(self, now_us: int, act: str, fields: Mapping[str, Any]) -> bool:
        """Take what `Observer.acted` was told; whether a fault came or went."""
        if act not in {BEGINS, ENDS}:
            return False
        name, parameters = fields["name"], {key: value for key, value in fields.items() if key != "name"}
        if act == BEGINS:
            self.all.append(Spell(name, parameters, now_us, None if CATALOGUE[name].lasting else now_us))
            return True
        for spell in self.active():
            if (spell.name, spell.parameters) == (name, parameters):
                spell.end_us = now_us
                break
        return True

    def active(self) -> list[Spell]:
        """Those that last."""
        return [spell for spell in self.all if spell.end_us is None]

    def is_active(self, name: str) -> bool:
        """Whether a fault of this name lasts."""
        return any(spell.name == name for spell in self.active())

    def hung_until_us(self, since_us: int) -> int:
        """By when a processor that hung at `since_us` or later runs again at the latest; -1: none did."""
        hangs = (spell.begin_us + HUNG_US for spell in self.all if spell.name == HANG)
        return max((until_us for until_us in hangs if until_us >= since_us), default=-1)
