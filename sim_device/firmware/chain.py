"""The interlock chain: which contacts are open, in the order in which the first cause is judged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from protocols.faults import Fault
from protocols.interlocks import INTERLOCKS, Interlock
from protocols.messages import Handpiece
from protocols.states import ARMED, State
from sim_device.board import Inputs
from sim_device.firmware.limits import handpiece_of, spot_fits

# Parts whose contact says something only while the pump runs.
_COOLING: Final = (
    1 << Interlock.COOLANT_LEVEL | 1 << Interlock.COOLANT_FLOW | 1 << Interlock.HEATER_THERMOSTAT
)
_LATCHES_ALWAYS: Final = sum(1 << number for number, row in INTERLOCKS.items() if row.latches_always)
_KEY: Final = 1 << Interlock.KEY
ALWAYS_CLOSED: Final = (
    _LATCHES_ALWAYS | _KEY
)  # what must be closed even for light that ends on the closed shutter


def open_contacts(inputs: Inputs, *, flow_low: bool) -> int:
    """Set of open interlocks, one bit each; a pair is open unless both contacts are closed."""
    handpiece = handpiece_of(inputs.handpiece)
    identified = handpiece is not Handpiece.NONE and spot_fits(handpiece, inputs.spot_um)
    return (
        (not (inputs.estop_a_closed and inputs.estop_b_closed)) << Interlock.ESTOP
        | (not inputs.key_on) << Interlock.KEY
        | (not inputs.mains_ok) << Interlock.MAINS
        | (not inputs.remote_closed) << Interlock.REMOTE
        | (not inputs.door_closed) << Interlock.DOOR
        | (not (inputs.cover_a_closed and inputs.cover_b_closed)) << Interlock.COVER
        | (not inputs.arm_connected) << Interlock.ARTICULATED_ARM
        | (not identified) << Interlock.HANDPIECE
        | (not inputs.level_ok) << Interlock.COOLANT_LEVEL
        | flow_low << Interlock.COOLANT_FLOW
        | (not inputs.thermostat_closed) << Interlock.HEATER_THERMOSTAT
        | (not inputs.charger_cool) << Interlock.CHARGER_TEMPERATURE
    )


def faults_of(open_interlocks: int, state: State, *, cooling_runs: bool) -> Iterator[Fault]:
    """The faults that open contacts latch in this state, first cause first."""
    if not open_interlocks & ~_KEY or state is State.OFF:
        return
    if state in ARMED:
        latching = open_interlocks
    else:
        latching = open_interlocks & _LATCHES_ALWAYS & (-1 if cooling_runs else ~_COOLING)
    for number in Interlock:
        fault = INTERLOCKS[number].fault
        if latching >> number & 1 and fault is not None:
            yield fault
