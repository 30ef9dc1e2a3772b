"""The settings of the device's modes: pump, modulation and dump; everything else is the resonator's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sim_device.optics.resonator import Resonator, Setting

RESONATOR: Final = Resonator()
PUMP_J: Final = 43.0  # [C] LASER_FACTS: lamp energy of the published pulses
CELSIUS: Final = 60.0  # [C] coolant set point


@dataclass(frozen=True, slots=True)
class Published:
    """What a mode gives at `PUMP_J` and `CELSIUS`."""

    energy_j: float
    width_s: float


# [P -> D] 200 and 180 mJ from published fluences and spots, [C] 165 mJ
PUBLISHED: Final = {
    750: Published(0.200, 750e-12),
    650: Published(0.180, 650e-12),
    550: Published(0.165, 550e-12),
}
# [D] fitted to these: a deeper modulation makes the pulse shorter, a smaller charge dumps it earlier
SETTINGS: Final = {
    750: Setting(depth_rad=0.462, dump_charge_j=1.695),
    650: Setting(depth_rad=0.589, dump_charge_j=1.443),
    550: Setting(depth_rad=0.806, dump_charge_j=1.312),
}
