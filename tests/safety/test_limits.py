"""The ceilings and what the class of device can give, against the figures of their sources."""

import math

import pytest

from protocols.messages import Handpiece
from safety import limits
from safety.limits import DeviceLimits, ModeLimits, above_ceiling

WIDE_UM = 20_000  # so wide that no fluence is near its ceiling


def test_the_ceilings_are_those_of_their_sources() -> None:
    """fluence_cases.csv F011, F001; REQ-023; treatments.csv T006; the [C] choices of this project."""
    assert 4 * 0.2 / (math.pi * 0.2**2) < limits.FLUENCE_CEILING_J_CM2 == 6.4
    assert limits.ENERGY_CEILING_MJ == {532: 100.0, 755: 200.0, 1064: 100.0}
    assert limits.RATE_CEILING_HZ == 10.0
    assert (limits.SERIES_PER_PASS_MAX, limits.PULSES_PER_SESSION_MAX) == (200, 20_000)
    assert (limits.PASSES_MAX, limits.OVERLAP_MAX_PERCENT, limits.AREA_MAX_CM2) == (7, 10.0, 2_000.0)


def test_the_handpieces_give_the_spots_and_the_divergence_of_the_class() -> None:
    """LASER_FACTS, "The device class": zoom 2 to 6 mm, fixed 6, 8 and 10 mm, lens array 6 mm."""
    spots_mm = {
        Handpiece.ZOOM: (2.0, 6.0),
        Handpiece.FIXED_6: (6.0, 6.0),
        Handpiece.FIXED_8: (8.0, 8.0),
        Handpiece.FIXED_10: (10.0, 10.0),
        Handpiece.LENS_ARRAY_6: (6.0, 6.0),
    }
    assert spots_mm == limits.HANDPIECE_SPOTS_MM
    assert dict.fromkeys(spots_mm, 5.0) == limits.HANDPIECE_DIVERGENCE_MRAD


def test_the_class_of_device_is_the_one_of_the_facts() -> None:
    """LASER_FACTS, "The device class": three modes at 755 nm, two at 532 nm, one at 1064 nm."""
    assert (
        DeviceLimits(
            modes=(
                ModeLimits(755, 750, 10.0, 200.0),
                ModeLimits(755, 650, 10.0, 180.0),
                ModeLimits(755, 550, 10.0, 165.0),
                ModeLimits(532, 450, 10.0, 100.0),
                ModeLimits(532, 500, 10.0, 100.0),
                ModeLimits(1064, 750, 10.0, 100.0),
            ),
            rates_hz=(1.0, 2.5, 5.0, 10.0),
            spot_min_mm=2.0,
            spot_max_mm=10.0,
            permit_pulses_max=1_000,
            permit_max_us=120_000_000,
            energy_step_mj=0.1,
        )
        == limits.DEVICE_CLASS
    )


@pytest.mark.shows("REQ-023")
@pytest.mark.parametrize(("wavelength_nm", "most_uj"), [(532, 100_000), (755, 200_000), (1064, 100_000)])
def test_energy_and_rate_are_allowed_up_to_their_ceiling_and_no_further(
    wavelength_nm: int, most_uj: int
) -> None:
    assert above_ceiling(wavelength_nm, most_uj, 10_000, WIDE_UM) == ""
    above = f"{most_uj / 1e3 + 0.001:g} mJ is above {most_uj / 1e3:g} mJ at {wavelength_nm} nm"
    assert above_ceiling(wavelength_nm, most_uj + 1, 10_000, WIDE_UM) == above
    assert above_ceiling(wavelength_nm, most_uj, 10_001, WIDE_UM) == "10.001 Hz is above 10 Hz"


@pytest.mark.parametrize("spot_um", [1_000, 1_500, 1_994, 1_995, 2_000, 3_000])
def test_the_fluence_is_allowed_up_to_its_ceiling_and_no_further(spot_um: int) -> None:
    most_uj = int(6.4e6 * math.pi * (spot_um / 1e4) ** 2 / 4)
    if most_uj <= 200_000:
        assert above_ceiling(755, most_uj, 5_000, spot_um) == ""
        assert above_ceiling(755, most_uj + 1, 5_000, spot_um).endswith("mm is above 6.4 J/cm2")
    assert (above_ceiling(755, 200_000, 5_000, spot_um) == "") == (most_uj >= 200_000)


def test_everything_above_a_ceiling_is_told_at_once() -> None:
    assert above_ceiling(755, 300_000, 12_000, 2_000) == (
        "300 mJ is above 200 mJ at 755 nm; 12 Hz is above 10 Hz; 300 mJ in 2 mm is above 6.4 J/cm2"
    )
    assert above_ceiling(694, 1_000, 1_000, WIDE_UM) == "no ceiling is known for 694 nm"


def test_a_fluence_of_exactly_the_ceiling_is_allowed() -> None:
    """16,046 uJ in 565 um is 6.4 J/cm2 to the last bit, with pi as 355/113."""
    assert above_ceiling(755, 16_046, 5_000, 565) == ""
    assert above_ceiling(755, 16_047, 5_000, 565) != ""
