"""The presets of treatments, against the published rows written out once more."""

import csv
import itertools
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.messages import Handpiece
from safety.limits import HANDPIECE_SPOTS_MM, ModeLimits
from safety.plan import TreatmentPlan
from safety.plan_check import check_plan
from safety.preset import SKIN_TYPES, Condition, Locked
from safety.presets import PRESETS
from tests.safety.laser import DEVICE, plan
from tests.safety.plans import codes

FINE = replace(
    DEVICE, energy_step_mj=0.001, modes=(*DEVICE.modes, ModeLimits(532, 450, 1.0, 100.0))
)  # so fine that the bounds of presets can be reached
ALL = tuple(condition.value for condition in Condition)


def energy_for(fluence_j_cm2: float, spot_mm: float) -> float:
    return fluence_j_cm2 * math.pi * spot_mm**2 / 0.4


PUBLISHED: dict[str, tuple[str, int, tuple[float, float], set[str], float, float, float, float, int, str]] = {
    # row, nm, spots, handpieces, least (half a digit below), start, ceiling, Hz, passes, rule for I..VI
    "acne_scars": ("T023", 755, (6, 6), {"lens_array_6"}, 0.35, 0.71, 0.71, 5, 7, "....tt"),
    "rejuvenation": ("T023", 755, (6, 6), {"lens_array_6"}, 0.35, 0.71, 0.71, 5, 7, "....tt"),
    "epidermal_pigment": ("T024", 755, (3, 6), {"zoom", "fixed_6"}, 0.705, 1.6, 2.8, 5, 1, "...rxx"),
    "dermal_pigment": ("T025", 755, (2.4, 3), {"zoom", "fixed_6"}, 2.65, 4, 4, 5, 1, "xx..xx"),
    "melasma": ("T026", 755, (8, 8), {"fixed_8"}, 0, 0.4, 0.4, 2.5, 2, "xxeexx"),
    "tattoo": ("T027", 755, (2.5, 4), {"zoom", "fixed_6"}, 1.55, 2.8, 4.1, 5, 1, "....tt"),
    "red_tattoo": ("T028", 532, (2.5, 5), {"zoom", "fixed_6"}, 0.25, 2.2, 2.2, 5, 1, "...xxx"),
}
RULES = {
    ".": set(),
    "t": {"needs_test_spot"},
    "r": {"needs_skin_risk"},
    "e": {"needs_expert"},
    "x": {"skin_locked"},
}


def treated(indication: str, **changes: Any) -> TreatmentPlan:
    """A plan in the middle of the preset's bounds."""
    _, nm, spots, handpieces, least, start, _, _, _, rule = PUBLISHED[indication]
    spot = spots[0]
    allowed = SKIN_TYPES[next(i for i, letter in enumerate(rule) if letter != "x")]
    return plan(
        **{
            "indication": indication,
            "skin_type": allowed,
            "wavelength_nm": nm,
            "mode_width_ps": 750 if nm == 755 else 450,
            "handpiece": sorted(handpieces)[-1],
            "spot_mm": spot,
            "pulse_energy_mj": round(energy_for((max(least, 0.3) + start) / 2, spot), 3),
            "rep_rate_hz": 2.5,
            "series": (5,),
            "fluence_j_cm2": None,
            "acknowledged": ALL,
        }
        | changes
    )


def test_the_presets_are_those_that_were_published() -> None:
    rows = {
        row["id"]: row
        for row in csv.DictReader(
            (Path(__file__).parents[2] / "docs/reference/treatments.csv")
            .read_text(encoding="utf-8")
            .splitlines()
        )
    }
    assert set(PRESETS) == set(PUBLISHED)
    for indication, preset in PRESETS.items():
        row = PUBLISHED[indication][0]
        assert row in preset.source
        assert rows[row]["indication"].startswith("PRESET")
        assert float(rows[row]["wavelength_nm"]) == preset.wavelength_nm
        assert preset.spots_mm == PUBLISHED[indication][2]
        assert {handpiece.name.lower() for handpiece in preset.handpieces} == PUBLISHED[indication][3]
        assert preset.mode_widths_ps == ((550, 825) if preset.wavelength_nm == 755 else (450, 500))


@pytest.mark.parametrize("indication", PUBLISHED)
def test_the_middle_of_every_preset_passes(indication: str) -> None:
    assert check_plan(treated(indication), FINE) == ()


@pytest.mark.shows("REQ-050", "HZ-043")
@pytest.mark.parametrize(
    ("indication", "number", "acknowledged"),
    list(itertools.product(PUBLISHED, range(6), [(), *[(c,) for c in ALL], ALL])),
)
def test_skin_types_are_allowed_conditional_or_locked_as_published(
    indication: str, number: int, acknowledged: tuple[str, ...]
) -> None:
    expected = {
        code
        for code in RULES[PUBLISHED[indication][-1][number]]
        if code.removeprefix("needs_") not in acknowledged
    }
    found = codes(treated(indication, skin_type=SKIN_TYPES[number], acknowledged=acknowledged), FINE)
    assert found == expected


@pytest.mark.shows("REQ-050", "HZ-042")
@pytest.mark.parametrize("indication", PUBLISHED)
@pytest.mark.parametrize("ppm", [-1, 0, 1])
def test_fluence_bounds_of_every_preset_hold_at_just_inside_and_just_outside(
    indication: str, ppm: int
) -> None:
    _, _, spots, _, least, start, ceiling, *_ = PUBLISHED[indication]
    spot, device = spots[0], replace(FINE, energy_step_mj=1e-9)
    for bound, code, refused_when in (
        (least, "fluence_low", ppm < 0),
        (start, "needs_above_start", ppm > 0 and start < ceiling),
        (ceiling, "fluence_high", ppm > 0),
    ):
        energy_mj = energy_for(bound * (1 + ppm / 1e6), spot)
        if bound == 0:
            continue
        found = codes(treated(indication, pulse_energy_mj=energy_mj, acknowledged=("expert",)), device)
        assert (code in found) == refused_when, (bound, ppm, found)


@pytest.mark.shows("REQ-046", "HZ-044")
@pytest.mark.parametrize("indication", PUBLISHED)
def test_spot_rate_and_pass_bounds_of_every_preset_hold(indication: str) -> None:
    _, _, (low, high), _, _, _, _, rate, passes, _ = PUBLISHED[indication]
    for spot, refused in ((low, False), (high, False), (low * 0.999999, True), (high * 1.000001, True)):
        assert ("preset_spot" in codes(treated(indication, spot_mm=spot), FINE)) == refused
    any_rate = replace(FINE, rates_hz=(rate, rate * 0.999999, rate * 1.000001))
    for hz, refused in ((rate, False), (rate * 0.999999, False), (rate * 1.000001, True)):
        assert ("preset_rate" in codes(treated(indication, rep_rate_hz=hz), any_rate)) == refused
    for count in range(10):
        assert ("passes" in codes(treated(indication, passes=count), FINE)) == (not 1 <= count <= passes)


@pytest.mark.parametrize(("indication", "handpiece"), list(itertools.product(PUBLISHED, HANDPIECE_SPOTS_MM)))
def test_only_the_handpieces_of_a_preset_are_taken(indication: str, handpiece: Handpiece) -> None:
    found = codes(treated(indication, handpiece=handpiece.name.lower()), FINE)
    assert ("preset_handpiece" in found) == (handpiece.name.lower() not in PUBLISHED[indication][3])


@pytest.mark.shows("REQ-050", "HZ-042")
@given(
    spot=st.sampled_from([2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 8.0]),
    energy=st.integers(min_value=1, max_value=250),
    indication=st.sampled_from(sorted(PUBLISHED)),
    width=st.sampled_from([550, 650, 750]),
)
def test_whatever_passes_is_within_every_bound(spot: float, energy: int, indication: str, width: int) -> None:
    row = PUBLISHED[indication]
    candidate = treated(indication, spot_mm=spot, pulse_energy_mj=float(energy), mode_width_ps=width)
    if check_plan(candidate, FINE):
        return
    fluence = energy * 0.4 / math.pi / spot**2
    assert row[4] <= fluence <= row[6] <= 6.4
    assert energy <= {550: 165, 650: 180, 750: 200}[width]
    assert row[2][0] <= spot <= row[2][1]


def test_every_skin_type_has_a_rule_in_every_preset() -> None:
    for preset in PRESETS.values():
        assert tuple(preset.skin) == SKIN_TYPES
        for rule in preset.skin.values():
            assert rule is None or isinstance(rule, Condition | Locked)
