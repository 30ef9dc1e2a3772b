"""The table of presets: each bound with its row of treatments.csv, and what is locked for want of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from protocols.messages import Handpiece
from safety.preset import (
    BOUNDS,
    SKIN_TYPES,
    Condition,
    Confidence,
    Locked,
    LockedWavelength,
    Preset,
    SkinRule,
    Source,
    Start,
)

_P, _D, _C = Confidence
_FLAT: Final = (Handpiece.ZOOM, Handpiece.FIXED_6)
_LENS: Final = (Handpiece.LENS_ARRAY_6,)
_WIDE: Final = (550, 825)  # ">= 550 ps"; the upper end is the window of REQ-047
_LOCK: Final = Locked.LOCKED
_STOP: Final = "blister, grey slough or bleeding"  # T024's and T025's signs; no row knows a weaker one
_STACKING: Final = "hazards.csv HZ-044; treatments.csv T006"


def _skin(*rules: SkinRule) -> dict[str, SkinRule]:
    return dict(zip(SKIN_TYPES, rules, strict=True))


def _sources(row: str, **known: tuple[str, Confidence]) -> dict[str, Source]:
    """`row` is the preset's own; what is known better or worse names its evidence."""
    own = f"treatments.csv {row}"
    sources = dict.fromkeys(BOUNDS, Source(own, Confidence.DERIVED))
    return sources | {bound: Source(f"{own}; {rows}", how) for bound, (rows, how) in known.items()}


_TEST_SPOT_FROM_V: Final = _skin(None, None, None, None, Condition.TEST_SPOT, Condition.TEST_SPOT)


def _lens_array(indication: str, family: str, evidence: str) -> Preset:
    """Both presets of T023; `evidence` is the study of this indication."""
    return Preset(
        indication=indication,
        family=family,
        sources=_sources(
            "T023",
            wavelength_nm=(evidence, _P),
            mode_widths_ps=("upper end REQ-047", _D),
            handpieces=(evidence, _P),
            spots_mm=(evidence, _P),
            start_fluence_max_j_cm2=(evidence, _P),
            fluence_ceiling_j_cm2=(evidence, _P),
            rep_rate_max_hz=("T001", _P),
            passes_max=("T006", _P),
            overlap_max_percent=("T006", _P),
            sessions_max=("T001", _P),
            skin=("T001, T002, T006, T007", _D),
            end_point=("T001", _C),
            stop_at=("T024, T025", _C),
            start=("F001 (200.7 mJ), LASER_FACTS", _P),
        ),
        wavelength_nm=755,
        mode_widths_ps=_WIDE,
        handpieces=_LENS,
        spots_mm=(6.0, 6.0),
        least_fluence_j_cm2="0.4",
        start_fluence_max_j_cm2=0.71,
        fluence_ceiling_j_cm2=0.71,
        rep_rate_max_hz=5.0,
        passes_max=7,
        overlap_max_percent=10.0,
        interval_weeks=3,
        interval_weeks_least=3,
        sessions_max=6,
        skin=_TEST_SPOT_FROM_V,
        end_point="mild erythema",
        stop_at=_STOP,
        start=Start(200.0, 6.0, 750, Handpiece.LENS_ARRAY_6),
        note="the fluence is the mean over the spot; the lens array's foci get more of it",
    )


PRESETS: Final[Mapping[str, Preset]] = {
    preset.indication: preset
    for preset in (
        _lens_array("acne_scars", "acne scars", "T001"),
        _lens_array("rejuvenation", "skin rejuvenation", "T006"),
        Preset(
            indication="epidermal_pigment",
            family="pigmentation",
            sources=_sources(
                "T024",
                mode_widths_ps=("upper end REQ-047", _D),
                start_fluence_max_j_cm2=("T013, T014 at 730 nm", _D),
                fluence_ceiling_j_cm2=("T013 at 730 nm, 200 mJ in 3 mm", _D),
                interval_weeks=("T014", _P),
                interval_weeks_least=("T014", _P),
                sessions_max=("T013", _P),
                end_point=("T014", _P),
                start=("200 mJ in 6 mm, LASER_FACTS", _D),
            ),
            wavelength_nm=755,
            mode_widths_ps=_WIDE,
            handpieces=_FLAT,
            spots_mm=(3.0, 6.0),
            least_fluence_j_cm2="0.71",
            start_fluence_max_j_cm2=1.6,
            fluence_ceiling_j_cm2=2.8,
            rep_rate_max_hz=5.0,
            passes_max=1,
            overlap_max_percent=0.0,
            interval_weeks=4,
            interval_weeks_least=4,
            sessions_max=4,
            skin=_skin(None, None, None, Condition.SKIN_RISK, _LOCK, _LOCK),
            end_point="darkening or faint frosting",
            stop_at="blister or grey slough",
            start=Start(200.0, 6.0, 750, Handpiece.ZOOM),
        ),
        Preset(
            indication="dermal_pigment",
            family="pigmentation",
            sources=_sources(
                "T025",
                wavelength_nm=("T015", _P),
                mode_widths_ps=("upper end REQ-047", _D),
                spots_mm=("T015", _D),
                least_fluence_j_cm2=("T015", _D),
                fluence_ceiling_j_cm2=("T015", _D),
                overlap_max_percent=(_STACKING, _C),
                interval_weeks=("T015", _P),
                interval_weeks_least=("T015", _P),
                skin=("T015", _D),
                start=("F003, LASER_FACTS (180 mJ, 650 ps)", _P),
            ),
            wavelength_nm=755,
            mode_widths_ps=_WIDE,
            handpieces=_FLAT,
            spots_mm=(2.4, 3.0),
            least_fluence_j_cm2="2.7",
            start_fluence_max_j_cm2=4.0,
            fluence_ceiling_j_cm2=4.0,
            rep_rate_max_hz=5.0,
            passes_max=1,
            overlap_max_percent=10.0,
            interval_weeks=4,
            interval_weeks_least=4,
            sessions_max=6,
            skin=_skin(_LOCK, _LOCK, None, None, _LOCK, _LOCK),
            end_point="immediate whitening without bleeding",
            stop_at=_STOP,
            start=Start(180.0, 2.9, 650, Handpiece.ZOOM),
        ),
        Preset(
            indication="melasma",
            family="pigmentation",
            sources=_sources(
                "T026",
                wavelength_nm=("T018", _P),
                mode_widths_ps=("no row states it: as its neighbours", _C),
                handpieces=("T018", _P),
                spots_mm=("T018", _P),
                start_fluence_max_j_cm2=("T018", _P),
                fluence_ceiling_j_cm2=("T018", _P),
                rep_rate_max_hz=("T018", _P),
                passes_max=("T018", _P),
                overlap_max_percent=("T018", _P),
                sessions_max=("T018", _P),
                stop_at=("T024, T025", _C),
                start=("T018; F017 (200 mJ in 8 mm), LASER_FACTS", _P),
            ),
            wavelength_nm=755,
            mode_widths_ps=_WIDE,
            handpieces=(Handpiece.FIXED_8,),
            spots_mm=(8.0, 8.0),
            least_fluence_j_cm2="",
            start_fluence_max_j_cm2=0.4,
            fluence_ceiling_j_cm2=0.4,
            rep_rate_max_hz=2.5,
            passes_max=2,
            overlap_max_percent=0.0,
            interval_weeks=4,
            interval_weeks_least=4,
            sessions_max=5,
            skin=_skin(_LOCK, _LOCK, Condition.EXPERT, Condition.EXPERT, _LOCK, _LOCK),
            end_point="nothing to be seen, or faint erythema",
            stop_at=_STOP,
            start=Start(200.0, 8.0, 750, Handpiece.FIXED_8),
            note="recurrence or worsening in 59 % at two years (T020)",
        ),
        Preset(
            indication="tattoo",
            family="tattoo",
            sources=_sources(
                "T027",
                wavelength_nm=("T008", _P),
                mode_widths_ps=("upper end REQ-047", _D),
                overlap_max_percent=(_STACKING, _C),
                interval_weeks=("T008", _P),
                interval_weeks_least=("T008", _P),
                sessions_max=("T008", _P),
                end_point=("T008", _C),
                start=("200 mJ in 4 mm, LASER_FACTS", _D),
            ),
            wavelength_nm=755,
            mode_widths_ps=_WIDE,
            handpieces=_FLAT,
            spots_mm=(2.5, 4.0),
            least_fluence_j_cm2="1.6",
            start_fluence_max_j_cm2=2.8,
            fluence_ceiling_j_cm2=4.1,
            rep_rate_max_hz=5.0,
            passes_max=1,
            overlap_max_percent=10.0,
            interval_weeks=6,
            interval_weeks_least=4,
            sessions_max=10,
            skin=_TEST_SPOT_FROM_V,
            end_point="whitening, no bleeding",
            stop_at=_STOP,
            start=Start(200.0, 4.0, 750, Handpiece.ZOOM),
            note="skin types V and VI: 1064 nm is preferred (T027), and locked here for want of figures",
        ),
        Preset(
            indication="red_tattoo",
            family="tattoo",
            sources=_sources(
                "T028",
                wavelength_nm=("T009", _P),
                mode_widths_ps=("T009", _P),
                spots_mm=("T009", _P),
                least_fluence_j_cm2=("T009", _P),
                start_fluence_max_j_cm2=("T009", _P),
                fluence_ceiling_j_cm2=("T009", _P),
                rep_rate_max_hz=("T009", _P),
                passes_max=("T009", _P),
                overlap_max_percent=(_STACKING, _C),
                interval_weeks=("T009", _P),
                interval_weeks_least=("T009", _P),
                sessions_max=("T009", _P),
                skin=("510(k) K143105", _P),
                stop_at=("T024, T025", _C),
                start=("the least of T009's fluences", _C),
            ),
            wavelength_nm=532,
            mode_widths_ps=(450, 500),
            handpieces=_FLAT,
            spots_mm=(2.5, 5.0),
            least_fluence_j_cm2="0.3",
            start_fluence_max_j_cm2=2.2,
            fluence_ceiling_j_cm2=2.2,
            rep_rate_max_hz=5.0,
            passes_max=1,
            overlap_max_percent=10.0,
            interval_weeks=4,
            interval_weeks_least=4,
            sessions_max=10,
            skin=_skin(None, None, None, _LOCK, _LOCK, _LOCK),
            end_point="whitening",
            stop_at=_STOP,
            start=Start(38.0, 4.0, 450, Handpiece.ZOOM),
            note="one paradoxical darkening in 17 (T009): a test spot first in skin-coloured or white ink",
        ),
    )
}

LOCKED_WAVELENGTHS: Final[Mapping[tuple[str, int], LockedWavelength]] = {
    (row.indication, row.wavelength_nm): row
    for row in (
        LockedWavelength(
            "acne_scars",
            532,
            "treatments.csv T004",
            "its holographic optics, 10 x 10 foci, are not this lens array; no fluence, no skin type",
        ),
        LockedWavelength(
            "acne_scars",
            1064,
            "treatments.csv T004",
            "its holographic optics, 10 x 10 foci, are not this lens array; no fluence, no skin type",
        ),
        LockedWavelength("melasma", 1064, "treatments.csv T019, T021", "no fluence, no spot"),
        LockedWavelength("tattoo", 532, "treatments.csv T012", "no fluence, no spot, no skin type"),
        LockedWavelength("tattoo", 1064, "treatments.csv T012, T027", "no fluence, no spot, no skin type"),
    )
}
"""Evidence that a wavelength was used, without figures that would bound it: locked until they are known."""
