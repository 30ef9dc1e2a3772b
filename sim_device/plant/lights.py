"""The two lights that are no laser pulses: emission indicator and aiming beam."""

from __future__ import annotations

from typing import Final

from sim_device.plant.delay import Delayed

LIGHT_UP_US: Final = 1_000  # [C] both
INDICATOR_UA: Final = 20_000  # [C] nominal 20 mA
AIMING_UW: Final = 1_000  # [C] 1 mW class 2 aiming diode


class Lights:
    """Indicator lamp and aiming diode.

    `indicator_ratio` and `aiming_ratio` scale current and power, 1 while healthy; `aiming_offset_mm` is where
    the aiming spot lies beside the laser's, which no sensor tells. Set through `Plant.act`.
    """

    __slots__ = ("aiming", "aiming_offset_mm", "aiming_ratio", "indicator", "indicator_ratio")

    def __init__(self) -> None:
        self.indicator = Delayed(LIGHT_UP_US, LIGHT_UP_US)
        self.aiming = Delayed(LIGHT_UP_US, LIGHT_UP_US)
        self.indicator_ratio = 1.0
        self.aiming_ratio = 1.0
        self.aiming_offset_mm = 0.0

    def drive(self, now_us: int, *, indicator: bool, aiming: bool) -> None:
        """Switch both."""
        self.indicator.drive(now_us, indicator)
        self.aiming.drive(now_us, aiming)

    @property
    def indicator_ua(self) -> int:
        """Current of the indicator, as read."""
        return round(INDICATOR_UA * self.indicator_ratio) if self.indicator.level else 0

    @property
    def aiming_uw(self) -> int:
        """Power of the aiming diode, as read."""
        return round(AIMING_UW * self.aiming_ratio) if self.aiming.level else 0
