"""What of a plan adds up: rate, passes, pulses, and how often one place is met (HZ-044)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from safety import limits
from safety.plan import PlanRefusal, pulses_to_cover
from safety.plan_case import ROUNDING, Case, number, within

_SPOT_LEAST_MM: Final = 1.0  # [C] every handpiece's spot is larger: what is below was refused


def dose_refusals(case: Case) -> Iterator[PlanRefusal]:
    """Every reason against the plan's rate, pulses, area and overlap."""
    yield from _rate(case)
    passes_ok, series_ok = _passes_ok(case), _series_ok(case)
    if not passes_ok:
        most, source = _passes_max(case)
        yield case.refuse("passes", "passes", f"1 to {most}", source, "plan fewer passes")
    if not series_ok:
        yield case.refuse(
            "series",
            "series",
            f"1 to {limits.SERIES_PER_PASS_MAX} series of 1 to {case.device.permit_pulses_max} pulses each",
            "the device's longest permit; project",
            "split the pulses into series",
        )
    if passes_ok and series_ok and case.plan.pulses > limits.PULSES_PER_SESSION_MAX:
        yield case.refuse(
            "pulses",
            "series",
            f"at most {limits.PULSES_PER_SESSION_MAX} pulses over all passes",
            "project, from treatments.csv T006",
            "split the treatment into sessions",
        )
    yield from _cover(case, series_ok=series_ok)


def _rate(case: Case) -> Iterator[PlanRefusal]:
    rate_hz, preset = case.rate_hz, case.preset
    if rate_hz is None or not any(math.isclose(rate_hz, offered) for offered in case.device.rates_hz):
        rates = ", ".join(f"{offered:g}" for offered in case.device.rates_hz)
        yield case.refuse(
            "rate_not_offered", "rep_rate_hz", f"one of {rates} Hz", "the device", "choose one of them"
        )
    ceilings = [("rate_ceiling", limits.RATE_CEILING_HZ, "REQ-023")]
    if preset is not None:
        ceilings.append(("preset_rate", preset.rep_rate_max_hz, preset.source_of("rep_rate_max_hz")))
    for code, most_hz, source in ceilings:
        if rate_hz is None or not within(0.0, rate_hz, most_hz):
            yield case.refuse(
                code, "rep_rate_hz", f"above 0, up to {most_hz:g} Hz", source, "choose a lower rate"
            )


def _passes_max(case: Case) -> tuple[int, str]:
    if case.preset is None:
        return limits.PASSES_MAX, "treatments.csv T006"
    return case.preset.passes_max, case.preset.source_of("passes_max")


def _passes_ok(case: Case) -> bool:
    passes = case.plan.passes
    return type(passes) is int and 1 <= passes <= _passes_max(case)[0]


def _series_ok(case: Case) -> bool:
    series, most = case.plan.series, case.device.permit_pulses_max
    return 1 <= len(series) <= limits.SERIES_PER_PASS_MAX and all(
        type(pulses) is int and 1 <= pulses <= most for pulses in series
    )


def _cover(case: Case, *, series_ok: bool) -> Iterator[PlanRefusal]:
    """Overlap and area, and whether the pulses of a pass fit on the area without stacking."""
    plan = case.plan
    if case.preset is None:
        most_percent, source = limits.OVERLAP_MAX_PERCENT, "treatments.csv T006; hazards.csv HZ-044"
    else:
        most_percent = case.preset.overlap_max_percent
        source = case.preset.source_of("overlap_max_percent")
    overlap_percent = most_percent if plan.overlap_percent is None else number(plan.overlap_percent)
    if overlap_percent is None or not 0 <= overlap_percent <= most_percent * (1 + ROUNDING):
        overlap_percent = None
        yield case.refuse(
            "overlap",
            "overlap_percent",
            f"0 to {most_percent:g} %, or none",
            source,
            "place the spots further apart",
        )
    if plan.area_cm2 is None:
        return
    area_cm2 = number(plan.area_cm2)
    if area_cm2 is None or not within(0.0, area_cm2, limits.AREA_MAX_CM2):
        allowed = f"above 0, up to {limits.AREA_MAX_CM2:g} cm2, or none"
        yield case.refuse("area", "area_cm2", allowed, "project", "state the area that is treated")
        return
    if overlap_percent is None or not series_ok or case.spot_mm is None or case.spot_mm < _SPOT_LEAST_MM:
        return  # refused already
    most = pulses_to_cover(area_cm2, case.spot_mm, overlap_percent)
    if sum(plan.series) > most:
        yield case.refuse(
            "stacked",
            "series",
            f"at most {most} pulses a pass: so many cover {area_cm2:g} cm2 with {case.spot_mm:g} mm spots at "
            f"{overlap_percent:g} % overlap",
            source,
            "plan fewer pulses a pass, or a larger area: pulses would be stacked",
        )
