"""Pairs of contacts that one actuator moves: e-stop, cover, calibration port; how long the two may differ."""

from __future__ import annotations

from typing import Final

from protocols.faults import Fault
from sim_device.board import Inputs
from sim_device.firmware.limits import NEVER_US, PAIR_DISAGREE_US

PAIRS: Final = {
    Fault.ESTOP_DISAGREES: ("estop_a_closed", "estop_b_closed"),
    Fault.COVER_DISAGREES: ("cover_a_closed", "cover_b_closed"),
    Fault.DOCK_DISAGREES: ("docked_a_closed", "docked_b_closed"),
}
"""The contacts of each pair, by the fault of a pair that disagrees."""


class Pairs:
    """Watches them in every state; what a disagreement leads to is decided elsewhere."""

    def __init__(self) -> None:
        self._now_us = 0
        self._since_us = dict.fromkeys(PAIRS, -1)  # -1: they agree

    def update(self, now_us: int, inputs: Inputs) -> None:
        """Take all of them as they are now."""
        self._now_us = now_us
        for fault, since_us in self._since_us.items():
            if not differ(inputs, fault):
                self._since_us[fault] = -1
            elif since_us < 0:
                self._since_us[fault] = now_us

    def disagree(self, fault: Fault) -> bool:
        """Whether the contacts of this pair have differed for longer than allowed."""
        since_us = self._since_us[fault]
        return since_us >= 0 and self._now_us - since_us > PAIR_DISAGREE_US

    @property
    def deadline_us(self) -> int:
        """When the first of those that differ has done so for too long."""
        waiting = (
            since_us + PAIR_DISAGREE_US + 1
            for fault, since_us in self._since_us.items()
            if since_us >= 0 and not self.disagree(fault)
        )
        return min(waiting, default=NEVER_US)


def differ(inputs: Inputs, fault: Fault) -> bool:
    """Whether the contacts of this pair are unlike now."""
    a, b = PAIRS[fault]
    return bool(getattr(inputs, a) != getattr(inputs, b))
