"""What may be wrong around the firmware: wires not as they should be, and parts that do not follow."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from protocols.messages import Handpiece
from sim_device.board import Inputs

if TYPE_CHECKING:
    from tests.sim_device.firmware_space import FirmwareSpace

GOOD: dict[str, Any] = {  # what does not follow an output, as it should be
    **dict.fromkeys(("key_on", "mains_ok", "estop_a_closed", "estop_b_closed", "remote_closed"), True),
    **dict.fromkeys(("door_closed", "cover_a_closed", "cover_b_closed", "arm_connected"), True),
    **dict.fromkeys(("defeat_key_out", "charger_cool", "level_ok", "thermostat_closed"), True),
    **dict.fromkeys(("internal_trigger_strap", "docked_a_closed", "docked_b_closed"), False),
    "handpiece": int(Handpiece.ZOOM),
    "spot_um": 3_500,
    "wavelength_nm": 755,
    "coolant_mc": 60_000,
    "comparator_tripped": False,
}


@dataclass(frozen=True)
class Flaw:
    """These lines stand at these levels, whatever is driven, until it is mended."""

    levels: dict[str, Any] = field(default_factory=dict)

    def happen(self, space: FirmwareSpace) -> None:
        self.hold(space.inputs)

    def hold(self, inputs: Inputs) -> None:
        for name, level in self.levels.items():
            setattr(inputs, name, level)

    def mend(self, space: FirmwareSpace) -> None:
        for name in self.levels:
            if name in GOOD:
                setattr(space.inputs, name, GOOD[name])
        if self.levels.keys() & {"foot_a_closed", "foot_b_closed"}:
            space.inputs.foot_a_closed = space.inputs.foot_b_closed = space.facts.pedal


class BrokenMemory(Flaw):
    """Nothing can be written any more."""

    def happen(self, space: FirmwareSpace) -> None:
        space.memory.broken = True

    def mend(self, space: FirmwareSpace) -> None:
        space.memory.broken = False


def _wires(*names: str, level: Any = False) -> Flaw:
    return Flaw(dict.fromkeys(names, level))


FLAWS: dict[str, Flaw] = {
    "key": _wires("key_on"),
    "mains": _wires("mains_ok"),
    "e-stop": _wires("estop_a_closed", "estop_b_closed"),
    "e-stop a": _wires("estop_a_closed"),
    "remote": _wires("remote_closed"),
    "door": _wires("door_closed"),
    "cover": _wires("cover_a_closed", "cover_b_closed"),
    "cover b": _wires("cover_b_closed"),
    "cover defeated": _wires("defeat_key_out"),
    "arm": _wires("arm_connected"),
    "no handpiece": _wires("handpiece", level=0),
    "other handpiece": Flaw({"handpiece": 2, "spot_um": 6_000}),
    "other spot": _wires("spot_um", level=3_501),
    "other wavelength": _wires("wavelength_nm", level=1_064),
    "docked": _wires("docked_a_closed", "docked_b_closed", level=True),
    "docked a": _wires("docked_a_closed", level=True),
    "strap": _wires("internal_trigger_strap", level=True),
    "foot a stuck": _wires("foot_a_closed", level=True),
    "foot b cut": _wires("foot_b_closed"),
    "charger hot": _wires("charger_cool"),
    "level": _wires("level_ok"),
    "thermostat": _wires("thermostat_closed"),
    "no flow": _wires("flow_ml_min", level=0),
    "cool": _wires("coolant_mc", level=57_000),
    "cold": _wires("coolant_mc", level=54_000),
    "hot": _wires("coolant_mc", level=70_000),
    "gate inhibited": _wires("gate_inhibited", level=True),
    "gate open": _wires("gate_inhibited"),
    "charger inhibited": _wires("hv_inhibited", level=True),
    "charger free": _wires("hv_inhibited"),
    "comparator": _wires("comparator_tripped", level=True),
    "shutter shut": Flaw({"shutter_open_switch": False, "shutter_closed_switch": True}),
    "shutter open": Flaw({"shutter_open_switch": True, "shutter_closed_switch": False}),
    "shutter between": Flaw({"shutter_open_switch": False, "shutter_closed_switch": False}),
    "shutter both": Flaw({"shutter_open_switch": True, "shutter_closed_switch": True}),
    "over-voltage": _wires("hv_mv", level=1_300_000),
    "no charge": _wires("charge_done"),
    "no simmer": _wires("simmer_on"),
    "indicator dark": _wires("indicator_ua", level=0),
    "indicator lit": _wires("indicator_ua", level=20_000),
    "aiming dark": _wires("aiming_uw", level=0),
    "aiming bright": _wires("aiming_uw", level=6_000),
    "monitor lit": _wires("dark_a_uj", level=20_000),
    "monitor blind": _wires("dark_b_uj", level=0),
    "memory": BrokenMemory(),
}
