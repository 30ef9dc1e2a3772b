"""Every preset at, just inside and just outside each bound, by an oracle that reads treatments.csv itself."""

import csv
import itertools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from safety.limits import DeviceLimits, ModeLimits
from safety.plan import TreatmentPlan
from safety.plan_check import check_plan
from safety.preset import BOUNDS, SKIN_TYPES, Condition, Confidence
from safety.presets import LOCKED_WAVELENGTHS, PRESETS

DOCS = Path(__file__).parents[2] / "docs"


def table(name: str) -> dict[str, dict[str, str]]:
    return {row["id"]: row for row in csv.DictReader((DOCS / name).read_text("utf-8").splitlines())}


ROWS = table("reference/treatments.csv")
HAZARDS = table("safety/hazards.csv")
ROW_OF = {
    "acne_scars": "T023",
    "rejuvenation": "T023",
    "epidermal_pigment": "T024",
    "dermal_pigment": "T025",
    "melasma": "T026",
    "tattoo": "T027",
    "red_tattoo": "T028",
}
NUMBER = r"(\d+(?:\.\d+)?)"
CEILINGS_MJ = {532: 100.0, 755: 200.0, 1064: 100.0}

# Modes so wide that the bounds of presets are what decides; the step is left aside in the sweep.
DEVICE = DeviceLimits(
    modes=tuple(
        ModeLimits(nm, ps, 0.001, CEILINGS_MJ[nm])
        for nm in CEILINGS_MJ
        for ps in (449, 450, 500, 501, 549, 550, 750, 825, 826)
    ),
    rates_hz=(1.0, 2.499, 2.5, 2.501, 4.999, 5.0, 5.001, 10.0),
    spot_min_mm=2.0,
    spot_max_mm=10.0,
    permit_pulses_max=1000,
    permit_max_us=120_000_000,
    energy_step_mj=1.0,
)


def found(pattern: str, text: str) -> float | None:
    match = re.search(pattern, text)
    return float(match[1]) if match else None


@dataclass(frozen=True)
class Bounds:
    """What a row says, read from its words."""

    nm: int
    widths_ps: tuple[float, float]
    spots_mm: tuple[float, float]
    handpieces: frozenset[str]
    least: float
    start: float
    ceiling: float
    rate_hz: float
    passes: int
    overlap_percent: float
    skin: dict[str, str]  # "", "test_spot", "skin_risk", "expert", "locked"


def skin_of(text: str) -> dict[str, str]:
    rules = dict.fromkeys(SKIN_TYPES, "locked")
    for low, high, words in re.findall(r"([IV]+)(?:-([IV]+))?([^IV;]*)", text):
        rule = ""
        for words_of, known in (
            ("test spot", "test_spot"),
            ("acknowledgement", "skin_risk"),
            ("expert", "expert"),
            ("locked", "locked"),
        ):
            rule = known if words_of in words else rule
        first, last = SKIN_TYPES.index(low), SKIN_TYPES.index(high or low)
        for skin in SKIN_TYPES[first : last + 1]:
            rules[skin] = rule
    return rules


def bounds_of(indication: str) -> Bounds:
    row = ROWS[ROW_OF[indication]]
    nm = int(row["wavelength_nm"])
    # T028 names no width, T009 does; T026 and the upper ends are the window of REQ-047.
    widths = (450.0, 500.0) if nm == 532 else (550.0, 825.0)
    assert row["pulse_width"] in {"", ">= 550 ps"}
    spot = re.search(rf"{NUMBER}(?:-{NUMBER})?", row["spot_mm"])
    assert spot
    if "lens array" in row["spot_mm"]:
        handpieces = {"lens_array_6"}
    else:
        handpieces = {"fixed_8"} if spot[1] == "8" else {"zoom", "fixed_6"}
    fluence = row["fluence_J_cm2"].partition("allowed")[2] or row["fluence_J_cm2"]
    least, start = 0.0, found(rf"<= {NUMBER}", fluence)
    if span := re.search(rf"{NUMBER}-{NUMBER}", fluence):
        least = float(span[1]) - 0.5 * 10 ** -len(span[1].partition(".")[2])
        start = float(span[2])
    assert start is not None
    passes = row["passes_or_pulses"]
    overlap = found(rf"overlap <= {NUMBER}", passes)
    if overlap is None:
        unsaid = found(rf"<= {NUMBER} % overlap", HAZARDS["HZ-044"]["source"] + str(HAZARDS["HZ-044"]))
        nothing = "no overlap" in passes or indication == "melasma"  # T018: "2 passes, no overlap"
        overlap = 0.0 if nothing else unsaid
    assert overlap is not None
    rate = found(rf"<= {NUMBER}", row["rep_rate_Hz"])
    assert rate is not None
    return Bounds(
        nm,
        widths,
        (float(spot[1]), float(spot[2] or spot[1])),
        frozenset(handpieces),
        least,
        start,
        found(rf"ceiling {NUMBER}", fluence) or start,
        rate,
        1 if "single pass" in passes else int(found(rf"<= {NUMBER} passes", passes) or 0),
        overlap,
        skin_of(row["fitzpatrick"]),
    )


ORACLE = {indication: bounds_of(indication) for indication in ROW_OF}


def expected(plan: TreatmentPlan) -> bool:
    """Whether the row allows the plan."""
    row = ORACLE[plan.indication]
    fluence = plan.pulse_energy_mj * 0.4 / (math.pi * plan.spot_mm**2)
    rule = row.skin[str(plan.skin_type)]
    handpiece_mm = {"zoom": (2, 6), "fixed_6": (6, 6), "fixed_8": (8, 8), "fixed_10": (10, 10)}
    low_mm, high_mm = handpiece_mm.get(plan.handpiece, (6, 6))
    slack = 1 + 1e-8
    return (
        plan.wavelength_nm == row.nm
        and row.widths_ps[0] <= plan.mode_width_ps <= row.widths_ps[1]
        and plan.handpiece in row.handpieces
        and max(low_mm, row.spots_mm[0]) <= plan.spot_mm <= min(high_mm, row.spots_mm[1])
        and plan.pulse_energy_mj <= CEILINGS_MJ[row.nm] * slack
        and row.least / slack <= fluence <= row.ceiling * slack
        and (fluence <= row.start * slack or "above_start" in plan.acknowledged)
        and plan.rep_rate_hz <= row.rate_hz
        and 1 <= plan.passes <= row.passes
        and (plan.overlap_percent is None or 0 <= plan.overlap_percent <= row.overlap_percent)
        and rule != "locked"
        and (not rule or rule in plan.acknowledged)
    )


def energy_for(fluence_j_cm2: float, spot_mm: float) -> float:
    return fluence_j_cm2 * math.pi * spot_mm**2 / 0.4


def around(*bounds: float) -> Iterator[float]:
    for bound in bounds:
        yield from (bound * (1 - 1e-6), bound, bound * (1 + 1e-6))


def base(indication: str, **changes: Any) -> TreatmentPlan:
    """Within every bound of its row but the skin type's."""
    row = ORACLE[indication]
    spot_mm = row.spots_mm[0]
    fluence = (max(row.least, row.start / 2) * 1.001 + row.least) / 2 if row.least else row.start / 2
    middle = TreatmentPlan(
        name="sweep",
        indication=indication,
        skin_type="III",
        wavelength_nm=row.nm,
        mode_width_ps=750 if row.nm == 755 else 450,
        handpiece="zoom" if "zoom" in row.handpieces else min(row.handpieces),
        spot_mm=spot_mm,
        pulse_energy_mj=energy_for(max(fluence, row.least * 1.0001), spot_mm),
        rep_rate_hz=1.0,
        passes=1,
        series=(5,),
    )
    return replace(middle, **changes)


def variations(indication: str) -> Iterator[TreatmentPlan]:
    row = ORACLE[indication]
    yield base(indication)
    for spot_mm in around(*row.spots_mm):
        fluence = max(row.least * 1.0001, 0.2)
        yield base(indication, spot_mm=spot_mm, pulse_energy_mj=energy_for(fluence, spot_mm))
        for bound in {row.least, row.start, row.ceiling} - {0.0}:
            for energy_mj in around(energy_for(bound, spot_mm)):
                yield base(indication, spot_mm=spot_mm, pulse_energy_mj=energy_mj)
    for energy_mj in around(CEILINGS_MJ[row.nm]):
        yield base(indication, spot_mm=row.spots_mm[1], pulse_energy_mj=energy_mj)
    for handpiece in ("zoom", "fixed_6", "fixed_8", "fixed_10", "lens_array_6"):
        yield base(indication, handpiece=handpiece)
    for nm, width_ps in itertools.product(CEILINGS_MJ, (449, 450, 500, 501, 549, 550, 750, 825, 826)):
        yield base(indication, wavelength_nm=nm, mode_width_ps=width_ps)
    for rate_hz in DEVICE.rates_hz:
        yield base(indication, rep_rate_hz=rate_hz)
    for passes in range(10):
        yield base(indication, passes=passes)
    for overlap in (None, -1e-6, 0.0, 1e-6, *around(row.overlap_percent), 10.0, 10.001, 100.0):
        yield base(indication, overlap_percent=overlap)


ALL = tuple(condition.value for condition in Condition)


@pytest.mark.shows("REQ-046", "REQ-050", "HZ-042", "HZ-043", "HZ-044")
@pytest.mark.parametrize(("indication", "skin_type"), list(itertools.product(ROW_OF, SKIN_TYPES)))
def test_every_field_at_just_inside_and_just_outside_its_bound_is_judged_as_the_row_says(
    indication: str, skin_type: str
) -> None:
    verdicts = set()
    for plan, acknowledged in itertools.product(variations(indication), ((), *((one,) for one in ALL), ALL)):
        candidate = replace(plan, skin_type=skin_type, acknowledged=acknowledged)
        refused = [one for one in check_plan(candidate, DEVICE) if one.code != "plan.energy_step"]
        assert (not refused) == expected(candidate), (candidate, refused)
        verdicts.add(not refused)
    assert verdicts == ({False} if ORACLE[indication].skin[skin_type] == "locked" else {False, True})


def test_the_oracle_reads_the_skin_types_as_a_person_would() -> None:
    short = {"": ".", "test_spot": "t", "skin_risk": "r", "expert": "e", "locked": "x"}
    read = {name: "".join(short[rule] for rule in row.skin.values()) for name, row in ORACLE.items()}
    assert read == {
        "acne_scars": "....tt",
        "rejuvenation": "....tt",
        "epidermal_pigment": "...rxx",
        "dermal_pigment": "xx..xx",
        "melasma": "xxeexx",
        "tattoo": "....tt",
        "red_tattoo": "...xxx",
    }


@pytest.mark.parametrize("indication", ROW_OF)
def test_sessions_and_interval_are_those_of_the_row(indication: str) -> None:
    row, preset = ROWS[ROW_OF[indication]], PRESETS[indication]
    assert preset.sessions_max == found(rf"<= {NUMBER}", row["sessions"])
    assert preset.interval_weeks == found(rf">= {NUMBER}", row["interval_weeks"])
    least = found(rf"\({NUMBER} minimum\)", row["interval_weeks"])
    assert preset.interval_weeks_least == (preset.interval_weeks if least is None else least)
    words = set(re.findall(r"\w+", row["end_point"].lower())) - {"visible", "end", "point", "no"}
    assert words <= set(re.findall(r"\w+", (preset.end_point + " no").lower())), "the end point in its words"


@pytest.mark.shows("REQ-050")
@pytest.mark.parametrize("indication", ROW_OF)
def test_what_a_preset_holds_can_be_given_and_lies_within_its_own_bounds(indication: str) -> None:
    start = PRESETS[indication].start
    held = base(
        indication,
        spot_mm=start.spot_mm,
        mode_width_ps=start.mode_width_ps,
        handpiece=start.handpiece.name.lower(),
        pulse_energy_mj=start.pulse_energy_mj,
    )
    device = replace(DEVICE, modes=(*DEVICE.modes, ModeLimits(755, 650, 10.0, 180.0)))
    skin = next(skin for skin, rule in ORACLE[indication].skin.items() if rule != "locked")
    asked = tuple(rule for rule in (ORACLE[indication].skin[skin],) if rule)
    assert check_plan(replace(held, skin_type=skin, acknowledged=asked), device) == ()


@pytest.mark.shows("REQ-050")
@pytest.mark.parametrize("indication", ROW_OF)
@pytest.mark.parametrize("bound", BOUNDS)
def test_every_bound_names_a_row_that_exists_and_how_far_it_is_known(indication: str, bound: str) -> None:
    source = PRESETS[indication].sources[bound]
    named = re.findall(r"\bT\d{3}\b", source.rows)
    assert named[0] == ROW_OF[indication]
    assert set(named) <= set(ROWS)
    assert set(re.findall(r"HZ-\d{3}", source.rows)) <= set(HAZARDS)
    assert source.confidence in Confidence
    assert set(PRESETS[indication].sources) == set(BOUNDS)
    assert source.confidence.value in PRESETS[indication].source_of(bound)


@pytest.mark.parametrize("indication", ROW_OF)
def test_what_is_refused_names_the_source_of_the_bound(indication: str) -> None:
    wrong = base(indication, passes=99, spot_mm=9.0, rep_rate_hz=10.0, overlap_percent=50.0)
    for refusal in check_plan(wrong, DEVICE):
        if refusal.code.startswith("plan.preset_") or refusal.field in {"passes", "overlap_percent"}:
            assert ROW_OF[indication] in refusal.source


@pytest.mark.shows("REQ-050", "HZ-043")
def test_a_wavelength_with_evidence_and_no_figures_is_locked_and_says_which_row() -> None:
    for (indication, nm), locked in LOCKED_WAVELENGTHS.items():
        assert nm != PRESETS[indication].wavelength_nm
        evidence = re.findall(r"T\d{3}", locked.source)
        assert evidence
        for row in evidence:
            assert not ROWS[row]["fluence_J_cm2"] or ROWS[row]["indication"].startswith("PRESET")
        refused = check_plan(base(indication, wavelength_nm=nm), DEVICE)
        (told,) = [one for one in refused if one.code == "plan.preset_wavelength"]
        assert locked.source in told.allowed
        assert locked.unknown in told.allowed


@pytest.mark.shows("REQ-022", "REQ-050")
def test_energies_of_a_preset_are_those_of_its_fluences() -> None:
    for indication, preset in PRESETS.items():
        row = ORACLE[indication]
        for spot_mm in row.spots_mm:
            energies = preset.energies(spot_mm)
            found_mj = (energies.least_mj, energies.start_max_mj, energies.most_mj)
            wanted = [energy_for(one, spot_mm) for one in (row.least, row.start, row.ceiling)]
            assert found_mj == pytest.approx(wanted)


def test_a_bound_of_which_nothing_better_is_known_is_derived() -> None:
    bounds = {
        bound for bound, source in PRESETS["tattoo"].sources.items() if source.rows == "treatments.csv T027"
    }
    assert {"spots_mm", "handpieces"} <= bounds
    assert {PRESETS["tattoo"].sources[bound].confidence for bound in bounds} == {Confidence.DERIVED}


def test_a_lens_array_tells_that_its_fluence_is_a_mean() -> None:
    for indication in ("acne_scars", "rejuvenation"):
        assert PRESETS[indication].note.startswith("the fluence is the mean over the spot")
