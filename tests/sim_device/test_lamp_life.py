"""HZ-031: what keeps the lamp from its explosion: the charge it can get, and the shots it is used for."""

from __future__ import annotations

import random

import pytest

from sim_device.firmware import limits
from sim_device.plant import capacitor
from sim_device.plant.lamp import EXPLOSION_J, Lamp

pytestmark = pytest.mark.shows("HZ-031")

UNSTOPPED = 1.015  # REQ-028: what is more than 1.5 % above the set voltage is dumped


def energy_j(volts: float) -> float:
    return 0.5 * 60e-6 * volts**2


@pytest.mark.parametrize(
    "volts",
    [capacitor.VOLTAGE_MAX_V, limits.HV_MAX_MV / 1e3, *(mv / 1e3 for mv in limits.CALIBRATION_LEVELS_MV)],
)
def test_no_voltage_that_can_be_set_wears_the_lamp_out_before_a_calibration_is_due(volts: float) -> None:
    lamp = Lamp(random.Random(1))
    lamp.fire(energy_j(volts))
    assert 1 / lamp.wear > 10 * limits.CALIBRATION_SHOTS_MAX
    assert energy_j(UNSTOPPED * volts) / EXPLOSION_J <= 0.2


def test_at_half_of_its_explosion_energy_a_lamp_would_last_some_hundred_shots() -> None:
    lamp = Lamp(random.Random(1))
    lamp.fire(0.5 * EXPLOSION_J)
    assert 1 / lamp.wear == pytest.approx(0.5**-8.5)
