"""What may have changed: one bit for each group of the board's lines, and for each matter of the firmware.

Theory of operation. A step looks only at what can have changed. `Lines` compares the inputs with those of the
step before; whoever changes something inside calls `Device.note`; and when a deadline comes, all counts as
changed. Each part names the bits that it depends on. What is noted in a step counts in the next one too,
because parts that come early in the order of a step have not seen it yet. A bit too many costs time and
nothing else, a bit too few would be an error: where the two are hard to tell apart, `ALL` it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from itertools import compress
from operator import attrgetter, ne
from typing import Final

from sim_device.board import Inputs

ALL: Final = (1 << 16) - 1  # anything that is not named here: state, faults, permit, session, settings

# groups of lines
CHAIN: Final = 1 << 0  # every contact and identity that the interlock chain is made of
FOOT: Final = 1 << 1  # footswitch and internal trigger
HEAD: Final = 1 << 2  # handpiece, spot, wavelength, calibration port, strap of the internal trigger
SHUTTER: Final = 1 << 3
STOPS: Final = 1 << 4  # read-back of the stop channels, comparator
VOLTAGE: Final = 1 << 5
CHARGE: Final = 1 << 6  # end of charge
SIMMER: Final = 1 << 7
COOLANT: Final = 1 << 8
LAMPS: Final = 1 << 9  # indicator and aiming beam
LIGHT: Final = 1 << 10  # photodiode and energy monitors
DARK: Final = 1 << 11  # monitors without light
PAIRS: Final = 1 << 15  # contacts of which an actuator has two
# matters of the firmware
DRIVEN: Final = 1 << 12  # an output that is supervised was set to another level
PULSE: Final = 1 << 13  # a pulse was numbered, fired, skipped or judged
RECORDS: Final = 1 << 14  # the host has reports on its disk

_GROUPS: Final = {
    **dict.fromkeys(
        (*("key_on", "mains_ok", "remote_closed", "door_closed", "arm_connected", "charger_cool"),),
        CHAIN,
    ),
    **dict.fromkeys(("estop_a_closed", "estop_b_closed", "cover_a_closed", "cover_b_closed"), CHAIN | PAIRS),
    **dict.fromkeys(("docked_a_closed", "docked_b_closed"), HEAD | PAIRS),
    **dict.fromkeys(("foot_a_closed", "foot_b_closed"), FOOT),
    "internal_trigger_strap": FOOT | HEAD,
    **dict.fromkeys(("handpiece", "spot_um"), HEAD | CHAIN),
    "wavelength_nm": HEAD,
    **dict.fromkeys(("shutter_open_switch", "shutter_closed_switch"), SHUTTER),
    **dict.fromkeys(("gate_inhibited", "hv_inhibited", "comparator_tripped"), STOPS),
    "hv_mv": VOLTAGE,
    "charge_done": CHARGE,
    "simmer_on": SIMMER,
    **dict.fromkeys(("coolant_mc", "flow_ml_min"), COOLANT),
    **dict.fromkeys(("level_ok", "thermostat_closed"), COOLANT | CHAIN),
    **dict.fromkeys(("indicator_ua", "aiming_uw"), LAMPS),
    **dict.fromkeys(
        ("light_count", "pulse_width_ps", "monitor_a_uj", "monitor_b_uj", "port_meter_uj"), LIGHT
    ),
    **dict.fromkeys(("dark_a_uj", "dark_b_uj"), DARK),
}
_LEVELS: Final = tuple(line.name for line in fields(Inputs) if line.name != "hv_mv")
_BITS: Final = tuple(_GROUPS.get(name, ALL) for name in _LEVELS)
_levels_of = attrgetter(*_LEVELS)


def groups() -> Iterator[tuple[str, int]]:
    """Every input with the bits that it sets when it changes."""
    return ((line.name, _GROUPS.get(line.name, ALL)) for line in fields(Inputs))


class Lines:
    """The inputs as they were in the step before."""

    def __init__(self) -> None:
        self._levels: tuple[int | bool, ...] = ()
        self._hv_mv = 0
        self._version: int | None = None

    def changes(self, inputs: Inputs) -> int:
        """The groups in which a line differs from the step before; all of them in the first."""
        found = 0
        if inputs.hv_mv != self._hv_mv:
            self._hv_mv = inputs.hv_mv
            found = VOLTAGE
        version = inputs.version
        if version is not None and version == self._version:
            return found
        self._version = version
        before, levels = self._levels, _levels_of(inputs)
        if levels == before:
            return found
        self._levels = levels
        if not before:
            found = ALL
        for bits in compress(_BITS, map(ne, levels, before)):
            found |= bits
        return found
