"""The times of a stop, and what follows light that nothing triggered."""

from __future__ import annotations

from functools import partial
from typing import Final

from protocols.states import ARMED, State
from rig.invariants.witness import FOOT_US, INHIBIT_US, SHUTTER_US, Invariant, Light, Witness, is_contact
from sim_device.board import Outputs
from sim_device.simulator import Simulator

CLOSED: Final = 0.02  # of the travel: the closed switch answers
SAFE_V: Final = 60.0  # IEC 60601-1 8.4.3
DUMP_US: Final = 5_000_000  # REQ-026: discharged within 5 s


class _Deadline(Invariant):
    """Looks at the plant itself when the time after a stop is over."""

    within_us: int

    def __init__(self, witness: Witness) -> None:
        super().__init__(witness)
        self._pending_us = -1

    def stopped(self, now_us: int, cause: str) -> None:
        """Look again when the time is over; a second cause meanwhile is covered by the first."""
        if is_contact(cause) and self.witness.state not in ARMED:
            return  # there an open contact refuses, and ends nothing
        if self._pending_us < now_us:
            self._pending_us = now_us + self.within_us + 1
            self.witness.simulator.at(self._pending_us, partial(self._look, cause, now_us))

    def _look(self, cause: str, since_us: int, simulator: Simulator) -> None:
        if self.witness.arming_us <= since_us and self.witness.state is not State.CALIBRATING:
            self.judge(simulator, cause)

    def judge(self, simulator: Simulator, cause: str) -> None:
        """Say what is not as it should be now."""
        raise NotImplementedError


class TriggerInhibited(_Deadline):
    """The first channel."""

    name = "trigger-inhibited"
    rule = "10 ms after a stop no trigger can reach lamp and Pockels cell"
    within_us = INHIBIT_US

    def judge(self, simulator: Simulator, cause: str) -> None:
        """Look at the gate, behind the hardware that can close it too."""
        if simulator.plant.gate_open:
            self.broken(f"the trigger gate is open {self.within_us} us after this: {cause}")


class ShutterClosed(_Deadline):
    """The second channel."""

    name = "shutter-closed"
    rule = "50 ms after a stop the shutter is closed"
    within_us = SHUTTER_US

    def judge(self, simulator: Simulator, cause: str) -> None:
        """Look at the blade."""
        position = simulator.plant.shutter.position(simulator.now_us)
        if position > CLOSED:
            self.broken(f"the shutter stands at {position:.2f} {self.within_us} us after this: {cause}")


class FootReleased(Invariant):
    """The foot: released, no trigger is let through and the shutter goes."""

    name = "foot-released"
    rule = "20 ms after the foot was released the gate is closed, and 50 ms after it the shutter"

    def __init__(self, witness: Witness) -> None:
        super().__init__(witness)
        self._released_us = witness.released_us

    def driven(self, now_us: int, outputs: Outputs) -> None:
        """See the release."""
        del outputs
        if self.witness.released_us != self._released_us:
            self._released_us = self.witness.released_us
            if self.witness.state is State.EMITTING:
                for within_us in (FOOT_US, SHUTTER_US):
                    work = partial(self._look, self.witness.pressed_us, within_us)
                    self.witness.simulator.at(now_us + within_us + 1, work)

    def _look(self, pressed_us: int, within_us: int, simulator: Simulator) -> None:
        witness, plant = self.witness, simulator.plant
        elsewhere = witness.pressed_us != pressed_us or witness.state is State.CALIBRATING
        if elsewhere or plant.contacts.internal_trigger_strap:
            return
        if plant.gate_open:
            self.broken(f"the trigger gate is open {within_us} us after the foot was released")
        if within_us == SHUTTER_US and plant.shutter.position(simulator.now_us) > CLOSED:
            self.broken(f"the shutter is open {within_us} us after the foot was released")


class LightWithoutTrigger(_Deadline):
    """Free running: seen, and cut off, in every state."""

    name = "light-without-trigger"
    rule = "10 ms after light that no trigger explains the laser is in FAULT and its gate closed"
    within_us = INHIBIT_US

    def stopped(self, now_us: int, cause: str) -> None:
        """Only light counts here."""

    def light(self, light: Light) -> None:
        """Look again when the time is over."""
        if not light.trigger:
            super().stopped(light.pulse.time_us, "light without a trigger")

    def _look(self, cause: str, since_us: int, simulator: Simulator) -> None:
        del since_us
        self.judge(simulator, cause)

    def judge(self, simulator: Simulator, cause: str) -> None:
        """Look at state and gate; a processor that does not run can only be inhibited."""
        if simulator.plant.gate_open:
            self.broken(f"the trigger gate is open {self.within_us} us after {cause}")
        if simulator.running and self.witness.state not in {State.FAULT, State.OFF, None}:
            self.broken(f"the laser is in {simulator.state} {self.within_us} us after {cause}")


class ChargeGone(_Deadline):
    """The shock: what is stored is dumped."""

    name = "charge-gone"
    rule = "5 s after a trip the capacitor is below 60 V"
    within_us = DUMP_US

    def judge(self, simulator: Simulator, cause: str) -> None:
        """Measure; unless it was armed anew meanwhile."""
        volts = simulator.plant.capacitor.volts(simulator.now_us)
        if volts > SAFE_V and self.witness.state is State.FAULT:
            self.broken(
                f"the capacitor holds {volts:.0f} V {self.within_us // 1_000_000} s after this: {cause}"
            )
