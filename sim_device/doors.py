"""Doors into a simulator: disturbances of its wires, and observers of all that happens.

All that hangs on a simulator must survive `copy.deepcopy`, because a snapshot is a copy.
"""

from __future__ import annotations

from typing import ClassVar

from sim_device.board import Inputs, Outputs
from sim_device.plant.truth import TruePulse


class Disturbance:
    """A fault on the board's wires: alters copies of the lines, never what plant or firmware hold."""

    def alter_inputs(self, now_us: int, lines: Inputs) -> None:
        """Change what the firmware is about to see."""

    def alter_outputs(self, now_us: int, lines: Outputs) -> None:
        """Change what the plant is about to get."""


class Observer:
    """Sees what happens, in order of time; what it is given is live, so it copies what it keeps."""

    watches_only: ClassVar[bool] = False  # true: no part of the device's state, and of none of its snapshots

    def entered(self, now_us: int, port: str, data: bytes) -> None:
        """The host wrote bytes into its end of the line of `port`, "wire" or "console"."""

    def left(self, now_us: int, port: str, data: bytes) -> None:
        """Bytes came out at the host's end."""

    def received(self, now_us: int, port: str, data: bytes) -> None:
        """Bytes reached the firmware on `port`."""

    def sent(self, now_us: int, port: str, data: bytes) -> None:
        """The firmware sent bytes."""

    def stepped(self, now_us: int, inputs: Inputs, outputs: Outputs) -> None:
        """The firmware took a step with these inputs, and the plant has these outputs."""

    def rewired(self, now_us: int, outputs: Outputs) -> None:
        """Without a step of the firmware, the plant has these outputs: a wire has changed."""

    def pulsed(self, pulse: TruePulse) -> None:
        """Light, as it truly was; it comes no later than the next call of any other method."""

    def acted(self, now_us: int, name: str, fields: dict[str, object]) -> None:
        """A person or the room did something (`sim_device.operator`), or a fault came or went."""

    def booted(self, now_us: int, *, watchdog_reset: bool) -> None:
        """The processor starts."""
