"""Faults of the laser head, the shutter, the monitors, the indicator and the aiming beam."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, ClassVar, Final, Literal

from pydantic import Field

from sim_device.board import Outputs
from sim_device.faults.declare import number, whole
from sim_device.faults.knobs import (
    EACH_PULSE,
    PulseKnob,
    Shows,
    each_pulse,
    exactly,
    knob,
    thousandfold,
    times,
    to,
    when,
)
from sim_device.plant import TruePulse
from sim_device.plant.head import DUMP_OFFSETS
from sim_device.plant.monitors import FLASH_UJ
from sim_device.simulator import Simulator

Monitor = Literal["a", "b", "port"]
_EARLIEST, _LATEST = (int(trips) for trips in DUMP_OFFSETS)


def _elsewhere(simulator: Simulator, outputs: Outputs) -> str | None:
    """Where the shutter should be, if it is not there."""
    if simulator.plant.shutter.position(simulator.now_us) == outputs.shutter_open:
        return None
    return "open" if outputs.shutter_open else "closed"


# fmt: off
ModelockLost = knob(
    __name__, "modelock-lost",
    "The modulation no longer locks the modes: pulses of nanoseconds instead of picoseconds.",
    hazards="HZ-012", at="plant.head.locked", turned=to(False), shows=EACH_PULSE)
PulseWide = knob(
    __name__, "pulse-wide", "Pulses are wider than their mode's nominal width.",
    hazards="HZ-012", at="plant.head.width_ratio", turned=times, shows=EACH_PULSE,
    ratio=number(1.3, 0.1, 100, "Width for healthy width."))
EnergyOff = knob(
    __name__, "energy-off",
    "Every pulse has another energy for the same pump: dirty optics, a shifted mirror, a gain too high.",
    hazards="HZ-011 HZ-008", at="plant.head.slope_ratio", turned=times, shows=EACH_PULSE,
    ratio=number(0.8, 0, 5, "Energy for healthy energy."))
FirstPulseHigh = knob(
    __name__, "first-pulse-high",
    "The first pulse after a pause is stronger: the rod was pumped longer without lasing, or is cold.",
    hazards="HZ-009", at="plant.head.first_pulse_ratio", turned=exactly, shows=EACH_PULSE,
    ratio=number(1.3, 0, 5, "Energy for settled energy."))
DumpMistimed = knob(
    __name__, "dump-mistimed",
    "The cavity is dumped some round trips late or early: the pulse is stronger or weaker.",
    hazards="HZ-011 HZ-008", at="plant.head.dump_offset_trips", turned=exactly, shows=EACH_PULSE,
    trips=whole(-4, _EARLIEST, _LATEST, "Round trips late; negative: early."))
DoublePulse = knob(
    __name__, "double-pulse",
    "The Pockels cell rings: more than one pulse leaves the cavity for one trigger.",
    hazards="HZ-013", at="plant.head.pulses_per_trigger", turned=exactly, shows=EACH_PULSE,
    pulses=whole(2, 1, 10, "Pulses for each trigger."))
HoldOffLost = knob(
    __name__, "hold-off-lost",
    "The Pockels cell does not hold off: the rod lases by itself while the lamp fires, gate or no gate.",
    hazards="HZ-046", at="plant.head.hold_off", turned=to(False),
    shows=each_pulse(lambda pulse: pulse.free_running))
ShutterStuck = knob(
    __name__, "shutter-stuck", "The shutter's blade is stuck where it is.",
    hazards="HZ-005", at="plant.shutter.stuck", turned=to(True), shows=when(_elsewhere))
ShutterDriverWelded = knob(
    __name__, "shutter-driver-welded",
    "The shutter's driver is welded: the shutter is driven open whatever is commanded.",
    hazards="HZ-005", at="plant.shutter.driver_welded", turned=to(True),
    shows=when(lambda simulator, out: not out.shutter_open and simulator.plant.estop_relay))
ShutterSlowToClose = knob(
    __name__, "shutter-slow-to-close", "The shutter closes slowly: friction, or a tired spring.",
    hazards="HZ-006", at="plant.shutter.close_travel_us", turned=thousandfold,
    shows=when(lambda simulator, out: _elsewhere(simulator, out) == "closed"),
    travel_ms=number(200.0, 1, 60_000, "Full travel, in ms."))
ShutterSlowToOpen = knob(
    __name__, "shutter-slow-to-open", "The shutter opens slowly: friction, or a weak coil.",
    hazards="HZ-006", at="plant.shutter.open_travel_us", turned=thousandfold,
    shows=when(lambda simulator, out: _elsewhere(simulator, out) == "open"),
    travel_ms=number(200.0, 1, 60_000, "Full travel, in ms."))
# fmt: on


class _OfMonitor(PulseKnob):
    """A knob of one energy monitor: each pulse it reads counts."""

    monitor: Monitor = Field("a", description="Before the shutter, after it, or in the calibration port.")

    @property
    def path(self) -> str:
        """The knob of that monitor."""
        return f"plant.monitors.{self.monitor}.{self.knob}"

    def situation(self, simulator: Simulator, outputs: Outputs) -> Hashable:
        """It should see the reference flash; the port has none."""
        return True if outputs.monitor_test and self.monitor != "port" else None

    def alters(self, pulse: TruePulse) -> bool:
        """Light that it sees."""
        if self.monitor == "a":
            return True
        return pulse.transmitted_uj > 0 if self.monitor == "b" else pulse.port


_OF_MONITOR: Final = Shows(_OfMonitor)

# fmt: off
MonitorGain = knob(
    __name__, "monitor-gain", "An energy monitor reads a fixed factor too high or too low.",
    hazards="HZ-014 HZ-015", at="gain", turned=times, shows=_OF_MONITOR,
    ratio=number(0.5, 0, 10, "Reading for healthy reading."))
MonitorFrozen = knob(
    __name__, "monitor-frozen", "An energy monitor goes on reading what it read when the fault came.",
    hazards="HZ-014", at="frozen", turned=to(True), shows=_OF_MONITOR)
# fmt: on


class MonitorSaturates(_OfMonitor):
    """An energy monitor reads no more than a low ceiling."""

    name: ClassVar = "monitor-saturates"
    hazards: ClassVar = ("HZ-014",)
    knob: ClassVar = "top_uj"
    top_mj: float = Field(100.0, ge=0, le=2000, allow_inf_nan=False, description="The ceiling, in mJ.")

    def value(self, healthy: Any) -> Any:
        """A lower ceiling."""
        return round(self.top_mj * 1000)

    def situation(self, simulator: Simulator, outputs: Outputs) -> Hashable:
        """The reference flash is beyond the ceiling."""
        return super().situation(simulator, outputs) if self.top_mj * 1000 < FLASH_UJ else None

    def alters(self, pulse: TruePulse) -> bool:
        """Light beyond the ceiling."""
        seen_uj = pulse.energy_uj if self.monitor == "a" else pulse.transmitted_uj
        return super().alters(pulse) and seen_uj > self.top_mj * 1000


class MonitorDark(_OfMonitor):
    """An energy monitor has an offset: it does not read dark without light."""

    name: ClassVar = "monitor-dark"
    hazards: ClassVar = ("HZ-014",)
    knob: ClassVar = "dark_uj"
    dark_mj: float = Field(5.0, ge=0, le=2000, allow_inf_nan=False, description="What it reads dark, in mJ.")

    def value(self, healthy: Any) -> Any:
        """An offset."""
        return self.dark_mj * 1000

    def situation(self, simulator: Simulator, outputs: Outputs) -> Hashable:
        """It reads light where there is none."""
        return True


class MonitorNoisy(_OfMonitor):
    """An energy monitor has become noisy."""

    name: ClassVar = "monitor-noisy"
    hazards: ClassVar = ("HZ-014",)
    knob: ClassVar = "sigma"
    sigma: float = Field(0.1, ge=0, le=2, allow_inf_nan=False, description="Standard deviation for reading.")

    def value(self, healthy: Any) -> Any:
        """More noise."""
        return self.sigma

    def situation(self, simulator: Simulator, outputs: Outputs) -> Hashable:
        """The reference flash reads without noise."""
        return None


# fmt: off
MonitorDrifts = knob(
    __name__, "monitor-drifts", "An energy monitor drifts away from its calibration.",
    hazards="HZ-014 HZ-015", at="drift_ratio_per_s", turned=lambda _, percent: percent / 100,
    shows=_OF_MONITOR, percent_per_s=number(1.0, -100, 100, "Of its gain, in %/s."))
PhotodiodeDead = knob(
    __name__, "photodiode-dead",
    "The photodiode sees nothing any more: no pulse is counted, no width measured.",
    hazards="HZ-014 HZ-012", at="plant.monitors.photodiode_dead", turned=to(True), shows=EACH_PULSE)
PhotodiodeWeak = knob(
    __name__, "photodiode-weak", "The photodiode's signal is weak: widths read long, weak pulses are missed.",
    hazards="HZ-014 HZ-012", at="plant.monitors.photodiode_ratio", turned=times, shows=EACH_PULSE,
    ratio=number(0.5, 0, 10, "Signal for healthy signal.", above=True))
IndicatorFails = knob(
    __name__, "indicator-fails", "The emission indicator is dark or dim.",
    hazards="HZ-032 HZ-025", at="plant.lights.indicator_ratio", turned=times,
    shows=when(lambda _, out: out.indicator_on), ratio=number(0.0, 0, 10, "Current for healthy current."))
AimingFails = knob(
    __name__, "aiming-fails", "The aiming beam is dark, dim or too bright.",
    hazards="HZ-041", at="plant.lights.aiming_ratio", turned=times, shows=when(lambda _, out: out.aiming_on),
    ratio=number(0.0, 0, 100, "Power for healthy power."))
AimingOffset = knob(
    __name__, "aiming-offset",
    "The aiming beam points beside the treatment beam; no sensor tells, only the truth does.",
    hazards="HZ-041", at="plant.lights.aiming_offset_mm", turned=exactly,
    shows=each_pulse(lambda pulse: pulse.aperture), offset_mm=number(3.0, 0, 50, "How far beside, in mm."))
# fmt: on
