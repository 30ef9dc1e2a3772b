"""Faults of the laser head, the shutter, the monitors, the indicator and the aiming beam."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, ClassVar, Literal

from pydantic import Field

from sim_device.board import Outputs
from sim_device.faults.knobs import Knob, PulseKnob
from sim_device.plant import TruePulse
from sim_device.plant.head import DUMP_OFFSETS
from sim_device.plant.monitors import FLASH_UJ
from sim_device.simulator import Simulator

Monitor = Literal["a", "b", "port"]


class ModelockLost(PulseKnob):
    """The modulation no longer locks the modes: pulses of nanoseconds instead of picoseconds."""

    name: ClassVar = "modelock-lost"
    hazards: ClassVar = ("HZ-012",)
    knob: ClassVar = "plant.head.locked"

    def value(self, healthy: Any) -> Any:
        """Unlocked."""
        return False


class PulseWide(PulseKnob):
    """Pulses are wider than their mode's nominal width."""

    name: ClassVar = "pulse-wide"
    hazards: ClassVar = ("HZ-012",)
    knob: ClassVar = "plant.head.width_ratio"
    ratio: float = Field(1.3, ge=0.1, le=100, allow_inf_nan=False, description="Width for healthy width.")

    def value(self, healthy: Any) -> Any:
        """Wider."""
        return healthy * self.ratio


class EnergyOff(PulseKnob):
    """Every pulse has another energy for the same pump: dirty optics, a shifted mirror, a gain too high."""

    name: ClassVar = "energy-off"
    hazards: ClassVar = ("HZ-011", "HZ-008")
    knob: ClassVar = "plant.head.slope_ratio"
    ratio: float = Field(0.8, ge=0, le=5, allow_inf_nan=False, description="Energy for healthy energy.")

    def value(self, healthy: Any) -> Any:
        """Another slope."""
        return healthy * self.ratio


class FirstPulseHigh(PulseKnob):
    """The first pulse after a pause is stronger: the rod was pumped longer without lasing, or is cold."""

    name: ClassVar = "first-pulse-high"
    hazards: ClassVar = ("HZ-009",)
    knob: ClassVar = "plant.head.first_pulse_ratio"
    ratio: float = Field(1.3, ge=0, le=5, allow_inf_nan=False, description="Energy for settled energy.")

    def value(self, healthy: Any) -> Any:
        """Stronger."""
        return self.ratio


class DumpMistimed(PulseKnob):
    """The cavity is dumped some round trips late or early: the pulse is stronger or weaker."""

    name: ClassVar = "dump-mistimed"
    hazards: ClassVar = ("HZ-011", "HZ-008")
    knob: ClassVar = "plant.head.dump_offset_trips"
    trips: int = Field(
        -4, ge=int(DUMP_OFFSETS[0]), le=int(DUMP_OFFSETS[1]), description="Round trips late; negative: early."
    )

    def value(self, healthy: Any) -> Any:
        """Late."""
        return self.trips


class DoublePulse(PulseKnob):
    """The Pockels cell rings: more than one pulse leaves the cavity for one trigger."""

    name: ClassVar = "double-pulse"
    hazards: ClassVar = ("HZ-013",)
    knob: ClassVar = "plant.head.pulses_per_trigger"
    pulses: int = Field(2, ge=1, le=10, description="Pulses for each trigger.")

    def value(self, healthy: Any) -> Any:
        """More."""
        return self.pulses


class HoldOffLost(PulseKnob):
    """The Pockels cell does not hold off: the rod lases by itself while the lamp fires, gate or no gate."""

    name: ClassVar = "hold-off-lost"
    hazards: ClassVar = ("HZ-046",)
    knob: ClassVar = "plant.head.hold_off"

    def value(self, healthy: Any) -> Any:
        """Lost."""
        return False

    def alters(self, pulse: TruePulse) -> bool:
        """Light by itself."""
        return pulse.free_running


class ShutterStuck(Knob):
    """The shutter's blade is stuck where it is."""

    name: ClassVar = "shutter-stuck"
    hazards: ClassVar = ("HZ-005",)
    knob: ClassVar = "plant.shutter.stuck"

    def situation(self, simulator: Simulator, outputs: Outputs) -> Hashable:
        """It should be elsewhere."""
        position = simulator.plant.shutter.position(simulator.now_us)
        return outputs.shutter_open if position != outputs.shutter_open else None


class ShutterWelded(Knob):
    """The shutter's driver is welded: the shutter is driven open whatever is commanded."""

    name: ClassVar = "shutter-driver-welded"
    hazards: ClassVar = ("HZ-005",)
    knob: ClassVar = "plant.shutter.driver_welded"

    def situation(self, simulator: Simulator, outputs: Outputs) -> Hashable:
        """It should be closed."""
        return True if not outputs.shutter_open and simulator.plant.estop_relay else None


class _Travel(Knob):
    """A time of the shutter's travel: each travel counts."""

    opens: ClassVar[bool]

    def situation(self, simulator: Simulator, outputs: Outputs) -> Hashable:
        """It is on its way."""
        position = simulator.plant.shutter.position(simulator.now_us)
        return True if outputs.shutter_open is self.opens and position != self.opens else None


class ShutterSlowToClose(_Travel):
    """The shutter closes slowly: friction, or a tired spring."""

    name: ClassVar = "shutter-slow-to-close"
    hazards: ClassVar = ("HZ-006",)
    knob: ClassVar = "plant.shutter.close_travel_us"
    opens: ClassVar = False
    travel_ms: float = Field(200.0, ge=1, le=60_000, allow_inf_nan=False, description="Full travel, in ms.")

    def value(self, healthy: Any) -> Any:
        """Slower."""
        return round(self.travel_ms * 1000)


class ShutterSlowToOpen(_Travel):
    """The shutter opens slowly: friction, or a weak coil."""

    name: ClassVar = "shutter-slow-to-open"
    hazards: ClassVar = ("HZ-006",)
    knob: ClassVar = "plant.shutter.open_travel_us"
    opens: ClassVar = True
    travel_ms: float = Field(200.0, ge=1, le=60_000, allow_inf_nan=False, description="Full travel, in ms.")

    def value(self, healthy: Any) -> Any:
        """Slower."""
        return round(self.travel_ms * 1000)


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


class MonitorGain(_OfMonitor):
    """An energy monitor reads a fixed factor too high or too low."""

    name: ClassVar = "monitor-gain"
    hazards: ClassVar = ("HZ-014", "HZ-015")
    knob: ClassVar = "gain"
    ratio: float = Field(0.5, ge=0, le=10, allow_inf_nan=False, description="Reading for healthy reading.")

    def value(self, healthy: Any) -> Any:
        """Another gain."""
        return healthy * self.ratio


class MonitorFrozen(_OfMonitor):
    """An energy monitor goes on reading what it read when the fault came."""

    name: ClassVar = "monitor-frozen"
    hazards: ClassVar = ("HZ-014",)
    knob: ClassVar = "frozen"


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


class MonitorDrifts(_OfMonitor):
    """An energy monitor drifts away from its calibration."""

    name: ClassVar = "monitor-drifts"
    hazards: ClassVar = ("HZ-014", "HZ-015")
    knob: ClassVar = "drift_ratio_per_s"
    percent_per_s: float = Field(
        1.0, ge=-100, le=100, allow_inf_nan=False, description="Of its gain, in %/s."
    )

    def value(self, healthy: Any) -> Any:
        """A slope."""
        return self.percent_per_s / 100


class PhotodiodeDead(PulseKnob):
    """The photodiode sees nothing any more: no pulse is counted, no width measured."""

    name: ClassVar = "photodiode-dead"
    hazards: ClassVar = ("HZ-014", "HZ-012")
    knob: ClassVar = "plant.monitors.photodiode_dead"


class PhotodiodeWeak(PulseKnob):
    """The photodiode's signal is weak: widths read long, weak pulses are missed."""

    name: ClassVar = "photodiode-weak"
    hazards: ClassVar = ("HZ-014", "HZ-012")
    knob: ClassVar = "plant.monitors.photodiode_ratio"
    ratio: float = Field(0.5, gt=0, le=10, allow_inf_nan=False, description="Signal for healthy signal.")

    def value(self, healthy: Any) -> Any:
        """Weaker."""
        return healthy * self.ratio


class IndicatorFails(Knob):
    """The emission indicator is dark or dim."""

    name: ClassVar = "indicator-fails"
    hazards: ClassVar = ("HZ-032", "HZ-025")
    knob: ClassVar = "plant.lights.indicator_ratio"
    ratio: float = Field(0.0, ge=0, le=10, allow_inf_nan=False, description="Current for healthy current.")

    def value(self, healthy: Any) -> Any:
        """Dimmer."""
        return healthy * self.ratio

    def situation(self, simulator: Simulator, outputs: Outputs) -> Hashable:
        """It should shine."""
        return True if outputs.indicator_on else None


class AimingFails(Knob):
    """The aiming beam is dark, dim or too bright."""

    name: ClassVar = "aiming-fails"
    hazards: ClassVar = ("HZ-041",)
    knob: ClassVar = "plant.lights.aiming_ratio"
    ratio: float = Field(0.0, ge=0, le=100, allow_inf_nan=False, description="Power for healthy power.")

    def value(self, healthy: Any) -> Any:
        """Another power."""
        return healthy * self.ratio

    def situation(self, simulator: Simulator, outputs: Outputs) -> Hashable:
        """It should shine."""
        return True if outputs.aiming_on else None


class AimingOffset(PulseKnob):
    """The aiming beam points beside the treatment beam; no sensor tells, only the truth does."""

    name: ClassVar = "aiming-offset"
    hazards: ClassVar = ("HZ-041",)
    knob: ClassVar = "plant.lights.aiming_offset_mm"
    offset_mm: float = Field(3.0, ge=0, le=50, allow_inf_nan=False, description="How far beside, in mm.")

    def value(self, healthy: Any) -> Any:
        """Beside."""
        return self.offset_mm

    def alters(self, pulse: TruePulse) -> bool:
        """Light on the skin."""
        return pulse.aperture
