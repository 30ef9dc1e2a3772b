"""The times of a stop, and what follows light that nothing triggered."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from typing import Final

from protocols.states import ARMED, State
from rig.invariants.invariant import Invariant, Light
from rig.invariants.witness import FOOT_US, INHIBIT_US, SHUTTER_US, TRIPPED, Witness, is_contact
from sim_device.simulator import Simulator

CLOSED: Final = 0.02  # of the travel: the closed switch answers
SAFE_V: Final = 60.0  # IEC 60601-1 8.4.3
DUMP_US: Final = 5_000_000  # REQ-026: discharged within 5 s
ESTOP: Final = "estop_closed"
ESTOP_WELDED: Final = "estop-relay-welded"  # the fault that takes the hardware's way from an emergency stop


class _Deadline(Invariant, ABC):
    """Looks at the plant itself when the time after a stop is over: once for each cause.

    A processor that hangs meanwhile has its watchdog's time on top. What an emergency stop does needs no
    processor, so there nothing is on top, unless its relay is welded.
    """

    within_us: int

    def stopped(self, now_us: int, cause: str) -> None:
        """Look again when the time is over."""
        if is_contact(cause) and self.witness.state not in ARMED:
            return  # there an open contact refuses, and ends nothing
        self.look_at(now_us + self.within_us + 1, cause, now_us)

    def look_at(self, when_us: int, cause: str, since_us: int) -> None:
        """Judge then."""
        self.witness.simulator.at(when_us, partial(self._look, cause, since_us))

    def applies(self, since_us: int) -> bool:
        """Whether nothing has made the promise void since."""
        return self.witness.arming_us <= since_us and self.witness.state is not State.CALIBRATING

    def _look(self, cause: str, since_us: int, simulator: Simulator) -> None:
        wrong = self.judge(simulator) if self.applies(since_us) else ""
        if not wrong:
            return
        passed_us = simulator.now_us - since_us - 1
        later_us = hung_until_us(self.witness, cause, since_us) + self.within_us + 1
        if later_us > simulator.now_us:
            self.look_at(later_us, cause, since_us)
        else:
            self.broken(f"{wrong} {passed_us} us after this: {cause}", since_us=since_us)

    @abstractmethod
    def judge(self, simulator: Simulator) -> str:
        """What is not as it should be now; empty when all is well."""


class TriggerInhibited(_Deadline):
    """The first channel."""

    name = "trigger-inhibited"
    rule = "10 ms after a stop no trigger can reach lamp and Pockels cell"
    within_us = INHIBIT_US

    def judge(self, simulator: Simulator) -> str:
        """Look at the gate, behind the hardware that can close it too."""
        return "the trigger gate is open" if simulator.plant.gate_open else ""


class ShutterClosed(_Deadline):
    """The second channel."""

    name = "shutter-closed"
    rule = "50 ms after a stop the shutter is closed"
    within_us = SHUTTER_US

    def judge(self, simulator: Simulator) -> str:
        """Look at the blade."""
        position = simulator.plant.shutter.position(simulator.now_us)
        return f"the shutter stands at {position:.2f}" if position > CLOSED else ""


class FootReleased(Invariant):
    """The foot: released, no trigger is let through and the shutter goes."""

    name = "foot-released"
    rule = "20 ms after the foot was released the gate is closed, and 50 ms after it the shutter"

    def released(self, now_us: int) -> None:
        """Look again when each time is over."""
        if self.witness.state is State.EMITTING:
            for within_us in (FOOT_US, SHUTTER_US):
                self._look_at(now_us + within_us + 1, within_us, now_us)

    def _look_at(self, when_us: int, within_us: int, since_us: int) -> None:
        work = partial(self._look, self.witness.pressed_us, within_us, since_us)
        self.witness.simulator.at(when_us, work)

    def _look(self, pressed_us: int, within_us: int, since_us: int, simulator: Simulator) -> None:
        witness, plant = self.witness, simulator.plant
        elsewhere = witness.pressed_us != pressed_us or witness.state is State.CALIBRATING
        if elsewhere or (witness.permit is not None and witness.permit.internal):
            return
        wrong = ["trigger gate"] if plant.gate_open else []
        if within_us == SHUTTER_US and plant.shutter.position(simulator.now_us) > CLOSED:
            wrong.append("shutter")
        later_us = hung_until_us(witness, "", since_us) + within_us + 1
        if wrong and later_us > simulator.now_us:
            self._look_at(later_us, within_us, since_us)
            return
        for part in wrong:
            passed_us = simulator.now_us - since_us - 1
            self.broken(f"the {part} is open {passed_us} us after the foot was released", since_us=since_us)


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
            since_us = light.pulse.time_us
            self.look_at(since_us + self.within_us + 1, "light without a trigger", since_us)

    def applies(self, since_us: int) -> bool:
        """In every state."""
        del since_us
        return True

    def judge(self, simulator: Simulator) -> str:
        """Look at state and gate; a processor that does not run can only be inhibited."""
        if simulator.plant.gate_open:
            return "the trigger gate is open"
        astray = simulator.running and self.witness.state not in {State.FAULT, State.OFF, None}
        return f"the laser is in {simulator.state}" if astray else ""


class ChargeGone(_Deadline):
    """The shock: what is stored is dumped."""

    name = "charge-gone"
    rule = "5 s after a trip the capacitor is below 60 V"
    within_us = DUMP_US

    def __init__(self, witness: Witness) -> None:
        super().__init__(witness)
        self._tripped_us = -1

    def stopped(self, now_us: int, cause: str) -> None:
        """A trip."""
        if cause == TRIPPED:
            self._tripped_us = now_us
            super().stopped(now_us, cause)

    def applies(self, since_us: int) -> bool:
        """Only for as long as it stays tripped, and this is the latest trip."""
        return self.witness.state is State.FAULT and self._tripped_us == since_us

    def judge(self, simulator: Simulator) -> str:
        """Measure."""
        volts = simulator.plant.capacitor.volts(simulator.now_us)
        return f"the capacitor holds {volts:.0f} V" if volts > SAFE_V else ""


def hung_until_us(witness: Witness, cause: str, since_us: int) -> int:
    """By when a processor that hung since must run again; -1: none did, or none is needed for this cause."""
    if cause.startswith(ESTOP) and not witness.spells.is_active(ESTOP_WELDED):
        return -1
    return witness.spells.hung_until_us(since_us)
