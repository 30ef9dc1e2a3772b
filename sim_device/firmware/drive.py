"""What the outputs are: a pure function of the state and of what its sequence wants.

Each state has a mask of what may be driven at all; a sequence that wants more gets nothing. A state that is
not named here drives the safe level, and a change of state clears all wants.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from protocols.states import ARMED, State
from sim_device.board import Outputs
from sim_device.firmware.limits import COMPARATOR_MAX_UJ, HV_MAX_MV


@dataclass(slots=True)
class Wants:
    """What the sequence of the present state asks for; the default asks for nothing."""

    hv_mv: int = 0  # hold the capacitor at this voltage; 0 = dumped
    charge: bool = False  # the charger may run now
    prove_charger: bool = False  # enable the charger with nothing set and the dump in
    gate: bool = False
    shutter_open: bool = False
    mode_width_ps: int = 0
    comparator_uj: int = COMPARATOR_MAX_UJ
    comparator_reset: bool = False
    indicator: bool = False
    monitor_test: bool = False
    aiming: bool = False
    simmer: bool = False
    pump: bool = False
    heater: bool = False


_HV: Final = frozenset({State.CALIBRATING, State.READY, State.EMITTING})
_PROOF: Final = frozenset({State.ARMING})
_GATE: Final = frozenset({State.CALIBRATING, State.ARMING, State.EMITTING})
_SHUTTER: Final = frozenset({State.CALIBRATING, State.ARMING, State.EMITTING})
_TEST: Final = frozenset({State.SELF_TEST, State.ARMING})
_AIMING: Final = ARMED | {State.STANDBY}
_SIMMER: Final = ARMED | {State.WARM_UP, State.CALIBRATING, State.STANDBY}
_LIT: Final = ARMED | {State.CALIBRATING}  # on before and during every pulse
_COOLED: Final = frozenset(State) - {State.OFF}  # FAULT too: a hot laser must cool


def drive(state: State, wants: Wants, outputs: Outputs) -> None:
    """Set every output but the two counters and the lamp of the defeat key, which is of no state."""
    held = state in _HV and wants.hv_mv > 0
    outputs.hv_set_mv = min(wants.hv_mv, HV_MAX_MV) if held else 0
    outputs.dump_hold = held
    outputs.hv_enable = (held and wants.charge) or (state in _PROOF and wants.prove_charger)
    outputs.simmer_start = state in _SIMMER and wants.simmer
    outputs.gate_enable = state in _GATE and wants.gate
    outputs.mode_width_ps = wants.mode_width_ps if state in _HV else 0
    outputs.comparator_uj = wants.comparator_uj
    outputs.comparator_reset = state in _TEST and wants.comparator_reset
    outputs.shutter_open = state in _SHUTTER and wants.shutter_open
    outputs.indicator_on = state in _LIT or (state is State.SELF_TEST and wants.indicator)
    outputs.aiming_on = state in _AIMING and wants.aiming
    outputs.pump_on = state in _COOLED and wants.pump
    outputs.heater_on = outputs.pump_on and wants.heater
    outputs.monitor_test = state in _TEST and wants.monitor_test
    outputs.buzzer_on = state in (State.ARMING, State.EMITTING)
