"""Which rows each bound of each preset rests on, and how far they are known, kept word for word.

They are shown with every refusal. The table was written down from the presets: it keeps them from changing by
a slip. Who changes a bound's evidence on purpose reads the rows again and changes it here too.
"""

import pytest

from protocols.messages import Handpiece
from safety.preset import Start
from safety.presets import LOCKED_WAVELENGTHS, PRESETS

OWN = ""  # the preset's own row alone
PUBLISHED, DERIVED, CHOICE = "published", "derived", "choice, to be confirmed"

SOURCES: dict[str, tuple[str, dict[str, tuple[str, str]]]] = {
    "acne_scars": (
        "treatments.csv T023",
        {
            "wavelength_nm": ("T001", PUBLISHED),
            "mode_widths_ps": ("upper end REQ-047", DERIVED),
            "handpieces": ("T001", PUBLISHED),
            "spots_mm": ("T001", PUBLISHED),
            "least_fluence_j_cm2": (OWN, DERIVED),
            "start_fluence_max_j_cm2": ("T001", PUBLISHED),
            "fluence_ceiling_j_cm2": ("T001", PUBLISHED),
            "rep_rate_max_hz": ("T001", PUBLISHED),
            "passes_max": ("T006", PUBLISHED),
            "overlap_max_percent": ("T006", PUBLISHED),
            "interval_weeks": (OWN, DERIVED),
            "interval_weeks_least": (OWN, DERIVED),
            "sessions_max": ("T001", PUBLISHED),
            "skin": ("T001, T002, T006, T007", DERIVED),
            "end_point": ("T001", CHOICE),
            "stop_at": ("T024, T025", CHOICE),
            "start": ("F001 (200.7 mJ), LASER_FACTS", PUBLISHED),
        },
    ),
    "rejuvenation": (
        "treatments.csv T023",
        {
            "wavelength_nm": ("T006", PUBLISHED),
            "mode_widths_ps": ("upper end REQ-047", DERIVED),
            "handpieces": ("T006", PUBLISHED),
            "spots_mm": ("T006", PUBLISHED),
            "least_fluence_j_cm2": (OWN, DERIVED),
            "start_fluence_max_j_cm2": ("T006", PUBLISHED),
            "fluence_ceiling_j_cm2": ("T006", PUBLISHED),
            "rep_rate_max_hz": ("T001", PUBLISHED),
            "passes_max": ("T006", PUBLISHED),
            "overlap_max_percent": ("T006", PUBLISHED),
            "interval_weeks": (OWN, DERIVED),
            "interval_weeks_least": (OWN, DERIVED),
            "sessions_max": ("T001", PUBLISHED),
            "skin": ("T001, T002, T006, T007", DERIVED),
            "end_point": ("T001", CHOICE),
            "stop_at": ("T024, T025", CHOICE),
            "start": ("F001 (200.7 mJ), LASER_FACTS", PUBLISHED),
        },
    ),
    "epidermal_pigment": (
        "treatments.csv T024",
        {
            "wavelength_nm": (OWN, DERIVED),
            "mode_widths_ps": ("upper end REQ-047", DERIVED),
            "handpieces": (OWN, DERIVED),
            "spots_mm": (OWN, DERIVED),
            "least_fluence_j_cm2": (OWN, DERIVED),
            "start_fluence_max_j_cm2": ("T013, T014 at 730 nm", DERIVED),
            "fluence_ceiling_j_cm2": ("T013 at 730 nm, 200 mJ in 3 mm", DERIVED),
            "rep_rate_max_hz": (OWN, DERIVED),
            "passes_max": (OWN, DERIVED),
            "overlap_max_percent": (OWN, DERIVED),
            "interval_weeks": ("T014", PUBLISHED),
            "interval_weeks_least": ("T014", PUBLISHED),
            "sessions_max": ("T013", PUBLISHED),
            "skin": (OWN, DERIVED),
            "end_point": ("T014", PUBLISHED),
            "stop_at": (OWN, DERIVED),
            "start": ("200 mJ in 6 mm, LASER_FACTS", DERIVED),
        },
    ),
    "dermal_pigment": (
        "treatments.csv T025",
        {
            "wavelength_nm": ("T015", PUBLISHED),
            "mode_widths_ps": ("upper end REQ-047", DERIVED),
            "handpieces": (OWN, DERIVED),
            "spots_mm": ("T015", DERIVED),
            "least_fluence_j_cm2": ("T015", DERIVED),
            "start_fluence_max_j_cm2": (OWN, DERIVED),
            "fluence_ceiling_j_cm2": ("T015", DERIVED),
            "rep_rate_max_hz": (OWN, DERIVED),
            "passes_max": (OWN, DERIVED),
            "overlap_max_percent": ("hazards.csv HZ-044; treatments.csv T006", CHOICE),
            "interval_weeks": ("T015", PUBLISHED),
            "interval_weeks_least": ("T015", PUBLISHED),
            "sessions_max": (OWN, DERIVED),
            "skin": ("T015", DERIVED),
            "end_point": (OWN, DERIVED),
            "stop_at": (OWN, DERIVED),
            "start": ("F003, LASER_FACTS (180 mJ, 650 ps)", PUBLISHED),
        },
    ),
    "melasma": (
        "treatments.csv T026",
        {
            "wavelength_nm": ("T018", PUBLISHED),
            "mode_widths_ps": ("no row states it: as its neighbours", CHOICE),
            "handpieces": ("T018", PUBLISHED),
            "spots_mm": ("T018", PUBLISHED),
            "least_fluence_j_cm2": (OWN, DERIVED),
            "start_fluence_max_j_cm2": ("T018", PUBLISHED),
            "fluence_ceiling_j_cm2": ("T018", PUBLISHED),
            "rep_rate_max_hz": ("T018", PUBLISHED),
            "passes_max": ("T018", PUBLISHED),
            "overlap_max_percent": ("T018", PUBLISHED),
            "interval_weeks": (OWN, DERIVED),
            "interval_weeks_least": (OWN, DERIVED),
            "sessions_max": ("T018", PUBLISHED),
            "skin": (OWN, DERIVED),
            "end_point": (OWN, DERIVED),
            "stop_at": ("T024, T025", CHOICE),
            "start": ("T018; F017 (200 mJ in 8 mm), LASER_FACTS", PUBLISHED),
        },
    ),
    "tattoo": (
        "treatments.csv T027",
        {
            "wavelength_nm": ("T008", PUBLISHED),
            "mode_widths_ps": ("upper end REQ-047", DERIVED),
            "handpieces": (OWN, DERIVED),
            "spots_mm": (OWN, DERIVED),
            "least_fluence_j_cm2": (OWN, DERIVED),
            "start_fluence_max_j_cm2": (OWN, DERIVED),
            "fluence_ceiling_j_cm2": (OWN, DERIVED),
            "rep_rate_max_hz": (OWN, DERIVED),
            "passes_max": (OWN, DERIVED),
            "overlap_max_percent": ("hazards.csv HZ-044; treatments.csv T006", CHOICE),
            "interval_weeks": ("T008", PUBLISHED),
            "interval_weeks_least": ("T008", PUBLISHED),
            "sessions_max": ("T008", PUBLISHED),
            "skin": (OWN, DERIVED),
            "end_point": ("T008", CHOICE),
            "stop_at": (OWN, DERIVED),
            "start": ("200 mJ in 4 mm, LASER_FACTS", DERIVED),
        },
    ),
    "red_tattoo": (
        "treatments.csv T028",
        {
            "wavelength_nm": ("T009", PUBLISHED),
            "mode_widths_ps": ("T009", PUBLISHED),
            "handpieces": (OWN, DERIVED),
            "spots_mm": ("T009", PUBLISHED),
            "least_fluence_j_cm2": ("T009", PUBLISHED),
            "start_fluence_max_j_cm2": ("T009", PUBLISHED),
            "fluence_ceiling_j_cm2": ("T009", PUBLISHED),
            "rep_rate_max_hz": ("T009", PUBLISHED),
            "passes_max": ("T009", PUBLISHED),
            "overlap_max_percent": ("hazards.csv HZ-044; treatments.csv T006", CHOICE),
            "interval_weeks": ("T009", PUBLISHED),
            "interval_weeks_least": ("T009", PUBLISHED),
            "sessions_max": ("T009", PUBLISHED),
            "skin": ("510(k) K143105", PUBLISHED),
            "end_point": (OWN, DERIVED),
            "stop_at": ("T024, T025", CHOICE),
            "start": ("the least of T009's fluences", CHOICE),
        },
    ),
}


@pytest.mark.shows("REQ-050")
@pytest.mark.parametrize("indication", SOURCES)
def test_each_bound_names_the_rows_that_it_rests_on(indication: str) -> None:
    own, expected = SOURCES[indication]
    told = {
        bound: (source.rows, source.confidence.value) for bound, source in PRESETS[indication].sources.items()
    }
    assert told == {
        bound: (f"{own}; {rows}" if rows else own, how) for bound, (rows, how) in expected.items()
    }


def test_no_preset_is_left_out() -> None:
    assert set(SOURCES) == set(PRESETS)


FAMILIES = {
    "acne_scars": "acne scars",
    "rejuvenation": "skin rejuvenation",
    "epidermal_pigment": "pigmentation",
    "dermal_pigment": "pigmentation",
    "melasma": "pigmentation",
    "tattoo": "tattoo",
    "red_tattoo": "tattoo",
}


def test_each_preset_belongs_to_the_indication_that_people_speak_of() -> None:
    assert {preset.indication: preset.family for preset in PRESETS.values()} == FAMILIES


STARTS = {
    "acne_scars": Start(200.0, 6.0, 750, Handpiece.LENS_ARRAY_6),
    "rejuvenation": Start(200.0, 6.0, 750, Handpiece.LENS_ARRAY_6),
    "epidermal_pigment": Start(200.0, 6.0, 750, Handpiece.ZOOM),
    "dermal_pigment": Start(180.0, 2.9, 650, Handpiece.ZOOM),
    "melasma": Start(200.0, 8.0, 750, Handpiece.FIXED_8),
    "tattoo": Start(200.0, 4.0, 750, Handpiece.ZOOM),
    "red_tattoo": Start(38.0, 4.0, 450, Handpiece.ZOOM),
}


def test_each_preset_begins_where_it_did() -> None:
    assert {preset.indication: preset.start for preset in PRESETS.values()} == STARTS


LOCKED = {
    ("acne_scars", 532): "treatments.csv T004",
    ("acne_scars", 1064): "treatments.csv T004",
    ("melasma", 1064): "treatments.csv T019, T021",
    ("tattoo", 532): "treatments.csv T012",
    ("tattoo", 1064): "treatments.csv T012, T027",
}


@pytest.mark.shows("HZ-043")
def test_the_wavelengths_with_evidence_and_no_figures_stay_locked() -> None:
    assert {where: locked.source for where, locked in LOCKED_WAVELENGTHS.items()} == LOCKED
    assert all((one.indication, one.wavelength_nm) == where for where, one in LOCKED_WAVELENGTHS.items())
