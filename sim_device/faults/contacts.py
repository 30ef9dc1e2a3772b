"""Faults of what the firmware reads: contacts, switches, sensors, identity chips, by their service names."""

from __future__ import annotations

from typing import Any, ClassVar, Final, Literal

from pydantic import Field

from protocols.messages import Handpiece
from sim_device.board import Inputs
from sim_device.faults.wires import Misread

Channel = Literal["a", "b"]
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


class InterlockBridged(Misread):
    """A contact of the interlock chain is bridged, as by a shorting plug left in: it reads closed."""

    name: ClassVar = "interlock-bridged"
    hazards: ClassVar = ("HZ-039", "HZ-021")
    contact: Contact = Field("door", description="Which contact; of the cover both.")

    def read(self, lines: Inputs) -> dict[str, Any]:
        """Closed."""
        return dict.fromkeys(_LINES[self.contact], True)


class InterlockOpen(Misread):
    """A wire of the interlock chain is broken: the contact reads open."""

    name: ClassVar = "interlock-open"
    hazards: ClassVar = ("HZ-025",)
    contact: Contact = Field("door", description="Which contact; of the cover both.")

    def read(self, lines: Inputs) -> dict[str, Any]:
        """Open."""
        return dict.fromkeys(_LINES[self.contact], False)


class InterlocksUnseen(Misread):
    """The firmware sees every interlock and emergency stop closed: only the hardware channels are left."""

    name: ClassVar = "interlocks-unseen"
    hazards: ClassVar = ("HZ-021",)
    levels: ClassVar = dict.fromkeys(_EVERY_LINE, True)


class EstopContactWelded(Misread):
    """One contact of the emergency stop is welded: it reads closed when the button is pressed."""

    name: ClassVar = "estop-contact-welded"
    hazards: ClassVar = ("HZ-021",)
    channel: Channel = Field("a", description="Which of its two contacts.")

    def read(self, lines: Inputs) -> dict[str, Any]:
        """Closed."""
        return {f"estop_{self.channel}_closed": True}


class CoverContactWelded(Misread):
    """One contact of the housing cover is welded: it reads closed when the cover is open."""

    name: ClassVar = "cover-contact-welded"
    hazards: ClassVar = ("HZ-021", "HZ-039")
    channel: Channel = Field("a", description="Which of its two contacts.")

    def read(self, lines: Inputs) -> dict[str, Any]:
        """Closed."""
        return {f"cover_{self.channel}_closed": True}


class DockContactWelded(Misread):
    """One contact of the calibration port is welded: it reads in the port when the handpiece is out of it."""

    name: ClassVar = "dock-contact-welded"
    hazards: ClassVar = ("HZ-021",)
    channel: Channel = Field("a", description="Which of its two contacts.")

    def read(self, lines: Inputs) -> dict[str, Any]:
        """Closed."""
        return {f"docked_{self.channel}_closed": True}


class StrapBridged(Misread):
    """The strap of the internal trigger reads fitted, and is not: a stray conductor on the board."""

    name: ClassVar = "strap-bridged"
    hazards: ClassVar = ("HZ-001", "HZ-021")
    levels: ClassVar = {"internal_trigger_strap": True}


class FootContactWelded(Misread):
    """A contact of the footswitch is welded: it reads pressed when the foot is lifted."""

    name: ClassVar = "foot-contact-welded"
    hazards: ClassVar = ("HZ-002",)
    channel: Channel = Field("a", description="Which of its two contacts.")

    def read(self, lines: Inputs) -> dict[str, Any]:
        """Pressed."""
        return {f"foot_{self.channel}_closed": True}


class FootContactOpen(Misread):
    """A wire of the footswitch is broken: one contact reads released when the foot is down."""

    name: ClassVar = "foot-contact-open"
    hazards: ClassVar = ("HZ-002", "HZ-025")
    channel: Channel = Field("a", description="Which of its two contacts.")

    def read(self, lines: Inputs) -> dict[str, Any]:
        """Released."""
        return {f"foot_{self.channel}_closed": False}


class KeyLost(Misread):
    """The key can be taken out, and its contact opens, while the laser is on."""

    name: ClassVar = "key-lost"
    hazards: ClassVar = ("HZ-004",)
    levels: ClassVar = {"key_on": False}


class ShutterSwitchesSwapped(Misread):
    """The two position switches of the shutter are exchanged."""

    name: ClassVar = "shutter-switches-swapped"
    hazards: ClassVar = ("HZ-007",)

    def read(self, lines: Inputs) -> dict[str, Any]:
        """Each the other's level."""
        return {
            "shutter_open_switch": lines.shutter_closed_switch,
            "shutter_closed_switch": lines.shutter_open_switch,
        }


class SpotMisread(Misread):
    """The spot is read wrong: zoom encoder or identity chip tell another diameter than the true one."""

    name: ClassVar = "spot-misread"
    hazards: ClassVar = ("HZ-016",)
    spot_mm: float = Field(3.0, ge=0, le=20, allow_inf_nan=False, description="What is read, in mm.")

    def read(self, lines: Inputs) -> dict[str, Any]:
        """Another diameter."""
        return {"spot_um": round(self.spot_mm * 1000)}


class HandpieceMisread(Misread):
    """The handpiece is read as another one: its identity chip was swapped."""

    name: ClassVar = "handpiece-misread"
    hazards: ClassVar = ("HZ-017", "HZ-015")
    handpiece: HandpieceName = Field("LENS_ARRAY_6", description="What is read.")

    def read(self, lines: Inputs) -> dict[str, Any]:
        """Another identity."""
        return {"handpiece": int(Handpiece[self.handpiece])}


class WavelengthMisread(Misread):
    """The wavelength module is read as another one."""

    name: ClassVar = "wavelength-misread"
    hazards: ClassVar = ("HZ-018",)
    wavelength_nm: Literal[0, 532, 755, 1064] = Field(532, description="What is read, in nm; 0 for none.")

    def read(self, lines: Inputs) -> dict[str, Any]:
        """Another module."""
        return {"wavelength_nm": self.wavelength_nm}


class EndOfChargeStuck(Misread):
    """The end of charge is reported although the capacitor is not full."""

    name: ClassVar = "end-of-charge-stuck"
    hazards: ClassVar = ("HZ-028", "HZ-011")
    levels: ClassVar = {"charge_done": True}


class VoltageMisread(Misread):
    """The capacitor's voltage divider reads another voltage than the true one."""

    name: ClassVar = "voltage-misread"
    hazards: ClassVar = ("HZ-008", "HZ-027")
    ratio: float = Field(0.5, ge=0, le=10, allow_inf_nan=False, description="Read for true.")

    def read(self, lines: Inputs) -> dict[str, Any]:
        """Another voltage."""
        return {"hv_mv": round(lines.hv_mv * self.ratio)}


class CoolantSensorOffset(Misread):
    """The coolant's temperature is read wrong."""

    name: ClassVar = "coolant-sensor-offset"
    hazards: ClassVar = ("HZ-010", "HZ-030")
    kelvin: float = Field(5.0, ge=-100, le=100, allow_inf_nan=False, description="Read minus true, in K.")

    def read(self, lines: Inputs) -> dict[str, Any]:
        """Another temperature."""
        return {"coolant_mc": lines.coolant_mc + round(self.kelvin * 1000)}


class CoolantSensorCut(Misread):
    """The wire of the coolant's temperature sensor is cut: it reads -50 degC."""

    name: ClassVar = "coolant-sensor-cut"
    hazards: ClassVar = ("HZ-030",)
    levels: ClassVar = {"coolant_mc": -50_000}


class CoolantLevelLow(Misread):
    """The coolant's level switch opens: a leak, or a broken wire."""

    name: ClassVar = "coolant-level-low"
    hazards: ClassVar = ("HZ-029",)
    levels: ClassVar = {"level_ok": False}
