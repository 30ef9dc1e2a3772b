"""Faults of charger, capacitor, dump relay, emergency-stop relay and lamp."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, ClassVar

from pydantic import Field

from sim_device.board import Outputs
from sim_device.faults.knobs import CountedKnob, Knob, PulseKnob
from sim_device.plant.capacitor import SAFE_V
from sim_device.simulator import Simulator


class _WhileCharging(Knob):
    """A knob of the charger: each new charge counts."""

    def situation(self, simulator: Simulator, outputs: Outputs) -> Hashable:
        """The charger runs towards this voltage, for the lamp's next shot."""
        if outputs.hv_enable and outputs.hv_set_mv:
            return outputs.hv_set_mv, simulator.plant.lamp.shots
        return None


class ChargerWeak(_WhileCharging):
    """The charger gives less power than it should, or none: charging takes longer, or does not end."""

    name: ClassVar = "charger-weak"
    hazards: ClassVar = ("HZ-028", "HZ-025")
    knob: ClassVar = "plant.capacitor.charger_ratio"
    ratio: float = Field(
        0.3, ge=0, le=1, allow_inf_nan=False, description="Power for healthy power; 0: dead."
    )

    def value(self, healthy: Any) -> Any:
        """Less power."""
        return healthy * self.ratio


class VoltageHigh(_WhileCharging):
    """The charger charges to another voltage than it is set to: its reference has drifted."""

    name: ClassVar = "voltage-high"
    hazards: ClassVar = ("HZ-008",)
    knob: ClassVar = "plant.capacitor.set_ratio"
    ratio: float = Field(1.2, ge=0, le=3, allow_inf_nan=False, description="True voltage for set voltage.")

    def value(self, healthy: Any) -> Any:
        """Another reference."""
        return healthy * self.ratio


class DumpStuck(Knob):
    """The dump relay does not close: the capacitor keeps its charge but for the bleeder."""

    name: ClassVar = "dump-stuck"
    hazards: ClassVar = ("HZ-027",)
    knob: ClassVar = "plant.capacitor.dump_stuck"

    def situation(self, simulator: Simulator, outputs: Outputs) -> Hashable:
        """It should dump a charge that can hurt."""
        charged = simulator.plant.capacitor.volts(simulator.now_us) > SAFE_V
        return True if charged and not outputs.dump_hold else None


class BleederChanged(Knob):
    """The bleeder's resistance has changed: it is open (0), or a leak pulls the capacitor down."""

    name: ClassVar = "bleeder-changed"
    hazards: ClassVar = ("HZ-027", "HZ-028")
    knob: ClassVar = "plant.capacitor.bleed_ratio"
    ratio: float = Field(0.0, ge=0, le=10_000, allow_inf_nan=False, description="Conductance for healthy.")

    def value(self, healthy: Any) -> Any:
        """Another conductance."""
        return healthy * self.ratio

    def situation(self, simulator: Simulator, outputs: Outputs) -> Hashable:
        """There is charge to bleed, and the dump relay does not do it."""
        charged = simulator.plant.capacitor.volts(simulator.now_us) > SAFE_V
        return True if charged and outputs.dump_hold else None


class EstopRelayWelded(Knob):
    """The emergency stop's relay is welded: pressing the button cuts nothing but tells the firmware."""

    name: ClassVar = "estop-relay-welded"
    hazards: ClassVar = ("HZ-021",)
    knob: ClassVar = "plant.contacts.estop_relay_welded"

    def situation(self, simulator: Simulator, outputs: Outputs) -> Hashable:
        """The relay should have dropped."""
        return True if simulator.plant.contacts.estop_pressed else None


class LampWeak(PulseKnob):
    """The lamp gives less light for the same charge: it has aged."""

    name: ClassVar = "lamp-weak"
    hazards: ClassVar = ("HZ-011",)
    knob: ClassVar = "plant.lamp.output_ratio"
    ratio: float = Field(0.8, ge=0, le=1, allow_inf_nan=False, description="Light for a new lamp's.")

    def value(self, healthy: Any) -> Any:
        """Less light."""
        return healthy * self.ratio


class SimmerFails(Knob):
    """The simmer supply fails: the lamp's arc goes out, or does not start."""

    name: ClassVar = "simmer-fails"
    hazards: ClassVar = ("HZ-026", "HZ-025")
    knob: ClassVar = "plant.lamp.simmer_fails"

    def situation(self, simulator: Simulator, outputs: Outputs) -> Hashable:
        """It should burn."""
        return True if outputs.simmer_start else None


class _PerShot(CountedKnob):
    """A knob of the lamp's shots."""

    def count(self, simulator: Simulator) -> int:
        """The lamp's shots."""
        return simulator.plant.lamp.shots


class LampMisfires(CountedKnob):
    """A trigger now and then strikes no arc in the lamp."""

    name: ClassVar = "lamp-misfires"
    hazards: ClassVar = ("HZ-026", "HZ-011")
    knob: ClassVar = "plant.lamp.misfire_probability"
    share: float = Field(0.1, gt=0, le=1, allow_inf_nan=False, description="Of the triggers.")

    def value(self, healthy: Any) -> Any:
        """So often."""
        return self.share

    def count(self, simulator: Simulator) -> int:
        """Triggers that struck no arc."""
        return simulator.plant.truth.misfired


class LampWears(_PerShot):
    """The lamp wears faster than its life law says, up to its explosion."""

    name: ClassVar = "lamp-wears"
    hazards: ClassVar = ("HZ-031", "HZ-011")
    knob: ClassVar = "plant.lamp.wear_ratio"
    ratio: float = Field(1000.0, ge=0, le=1e7, allow_inf_nan=False, description="Wear of a shot for healthy.")

    def value(self, healthy: Any) -> Any:
        """Faster."""
        return healthy * self.ratio


class LampOverloaded(_PerShot):
    """A lamp of too small an explosion energy is fitted: each shot takes more of its life."""

    name: ClassVar = "lamp-overloaded"
    hazards: ClassVar = ("HZ-031",)
    knob: ClassVar = "plant.lamp.explosion_j"
    explosion_j: float = Field(
        86.0,
        ge=1,
        le=10_000,
        allow_inf_nan=False,
        description="In J; 86 J are twice the largest pulse's 43 J.",
    )

    def value(self, healthy: Any) -> Any:
        """Less glass."""
        return self.explosion_j


class LampBroken(Knob):
    """The lamp is broken: no simmer, no light."""

    name: ClassVar = "lamp-broken"
    hazards: ClassVar = ("HZ-031", "HZ-025")
    knob: ClassVar = "plant.lamp.broken"

    def situation(self, simulator: Simulator, outputs: Outputs) -> Hashable:
        """It should burn."""
        return True if outputs.simmer_start else None
