"""Faults of what the firmware reads: contacts, switches, sensors, identity chips, by their service names."""

from __future__ import annotations

from typing import Any, Final, Literal

from protocols.messages import Handpiece
from sim_device.board import Inputs
from sim_device.faults.declare import number, one_of
from sim_device.faults.wires import misread

HandpieceName = Literal["NONE", "ZOOM", "FIXED_6", "FIXED_8", "FIXED_10", "LENS_ARRAY_6"]
Contact = Literal[
    "key", "mains", "remote", "door", "cover", "arm", "level", "thermostat", "charger_temperature"
]
_LINES: Final[dict[str, tuple[str, ...]]] = {
    "key": ("key_on",),
    "mains": ("mains_ok",),
    "remote": ("remote_closed",),
    "door": ("door_closed",),
    "cover": ("cover_a_closed", "cover_b_closed"),
    "arm": ("arm_connected",),
    "level": ("level_ok",),
    "thermostat": ("thermostat_closed",),
    "charger_temperature": ("charger_cool",),
}
_EVERY_LINE: Final = ("estop_a_closed", "estop_b_closed", *(line for one in _LINES.values() for line in one))
_CONTACT: Final = one_of(Contact, "door", "Which contact; of the cover both.")
_CHANNEL: Final = one_of(Literal["a", "b"], "a", "Which of its two contacts.")


def _swapped(lines: Inputs, _: None) -> dict[str, Any]:
    """Each switch of the shutter at the other's level."""
    opened, closed = lines.shutter_open_switch, lines.shutter_closed_switch
    return {"shutter_open_switch": closed, "shutter_closed_switch": opened}


# fmt: off
InterlockBridged = misread(
    __name__, "interlock-bridged",
    "A contact of the interlock chain is bridged, as by a shorting plug left in: it reads closed.",
    hazards="HZ-039 HZ-021", reads=lambda _, contact: dict.fromkeys(_LINES[contact], True), contact=_CONTACT)
InterlockOpen = misread(
    __name__, "interlock-open", "A wire of the interlock chain is broken: the contact reads open.",
    hazards="HZ-025", reads=lambda _, contact: dict.fromkeys(_LINES[contact], False), contact=_CONTACT)
InterlocksUnseen = misread(
    __name__, "interlocks-unseen",
    "The firmware sees every interlock and emergency stop closed: only the hardware channels are left.",
    hazards="HZ-021", reads=lambda *_: dict.fromkeys(_EVERY_LINE, True))
EstopContactWelded = misread(
    __name__, "estop-contact-welded",
    "One contact of the emergency stop is welded: it reads closed when the button is pressed.",
    hazards="HZ-021", reads=lambda _, channel: {f"estop_{channel}_closed": True}, channel=_CHANNEL)
CoverContactWelded = misread(
    __name__, "cover-contact-welded",
    "One contact of the housing cover is welded: it reads closed when the cover is open.",
    hazards="HZ-021 HZ-039", reads=lambda _, channel: {f"cover_{channel}_closed": True}, channel=_CHANNEL)
DockContactWelded = misread(
    __name__, "dock-contact-welded",
    "One contact of the calibration port is welded: it reads in the port when the handpiece is out of it.",
    hazards="HZ-021", reads=lambda _, channel: {f"docked_{channel}_closed": True}, channel=_CHANNEL)
StrapBridged = misread(
    __name__, "strap-bridged",
    "The strap of the internal trigger reads fitted, and is not: a stray conductor on the board.",
    hazards="HZ-001 HZ-021", reads=lambda *_: {"internal_trigger_strap": True})
FootContactWelded = misread(
    __name__, "foot-contact-welded",
    "A contact of the footswitch is welded: it reads pressed when the foot is lifted.",
    hazards="HZ-002", reads=lambda _, channel: {f"foot_{channel}_closed": True}, channel=_CHANNEL)
FootContactOpen = misread(
    __name__, "foot-contact-open",
    "A wire of the footswitch is broken: one contact reads released when the foot is down.",
    hazards="HZ-002 HZ-025", reads=lambda _, channel: {f"foot_{channel}_closed": False}, channel=_CHANNEL)
KeyLost = misread(
    __name__, "key-lost", "The key can be taken out, and its contact opens, while the laser is on.",
    hazards="HZ-004", reads=lambda *_: {"key_on": False})
ShutterSwitchesSwapped = misread(
    __name__, "shutter-switches-swapped", "The two position switches of the shutter are exchanged.",
    hazards="HZ-007", reads=_swapped)
SpotMisread = misread(
    __name__, "spot-misread",
    "The spot is read wrong: zoom encoder or identity chip tell another diameter than the true one.",
    hazards="HZ-016", reads=lambda _, spot_mm: {"spot_um": round(spot_mm * 1000)},
    spot_mm=number(3.0, 0, 20, "What is read, in mm."))
HandpieceMisread = misread(
    __name__, "handpiece-misread", "The handpiece is read as another one: its identity chip was swapped.",
    hazards="HZ-017 HZ-015", reads=lambda _, handpiece: {"handpiece": int(Handpiece[handpiece])},
    handpiece=one_of(HandpieceName, "LENS_ARRAY_6", "What is read."))
WavelengthMisread = misread(
    __name__, "wavelength-misread", "The wavelength module is read as another one.",
    hazards="HZ-018", reads=lambda _, wavelength_nm: {"wavelength_nm": wavelength_nm},
    wavelength_nm=one_of(Literal[0, 532, 755, 1064], 532, "What is read, in nm; 0 for none."))
EndOfChargeStuck = misread(
    __name__, "end-of-charge-stuck", "The end of charge is reported although the capacitor is not full.",
    hazards="HZ-028 HZ-011", reads=lambda *_: {"charge_done": True})
VoltageMisread = misread(
    __name__, "voltage-misread",
    "The capacitor's voltage divider reads another voltage than the true one.",
    hazards="HZ-008 HZ-027", reads=lambda lines, ratio: {"hv_mv": round(lines.hv_mv * ratio)},
    ratio=number(0.5, 0, 10, "Read for true."))
CoolantSensorOffset = misread(
    __name__, "coolant-sensor-offset", "The coolant's temperature is read wrong.",
    hazards="HZ-010 HZ-030",
    reads=lambda lines, kelvin: {"coolant_mc": lines.coolant_mc + round(kelvin * 1000)},
    kelvin=number(5.0, -100, 100, "Read minus true, in K."))
CoolantSensorCut = misread(
    __name__, "coolant-sensor-cut",
    "The wire of the coolant's temperature sensor is cut: it reads -50 degC.",
    hazards="HZ-030", reads=lambda *_: {"coolant_mc": -50_000})
CoolantLevelLow = misread(
    __name__, "coolant-level-low", "The coolant's level switch opens: a leak, or a broken wire.",
    hazards="HZ-029", reads=lambda *_: {"level_ok": False})
# fmt: on
