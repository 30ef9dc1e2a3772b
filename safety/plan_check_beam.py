"""What of a plan is light: mode, handpiece, spot, pulse energy and the fluence that follows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from safety import limits
from safety.fluence import FLUENCE_SOURCE, FluenceError, fluence_j_cm2, half_last_digit, stated_tolerance
from safety.plan import PlanRefusal
from safety.plan_case import HANDPIECES, ROUNDING, Case, number, within
from safety.preset import Condition, Preset
from safety.presets import LOCKED_WAVELENGTHS

_STEP_ROUNDING: Final = 1e-6  # [C] a millionth of a step is rounding, not a wish


def beam_refusals(case: Case) -> Iterator[PlanRefusal]:
    """Every reason against the plan's mode, spot, energy and fluence."""
    yield from _mode(case)
    yield from _spot(case)
    yield from _energy(case)
    try:
        fluence = fluence_j_cm2(case.plan.pulse_energy_mj, case.plan.spot_mm)
    except FluenceError:
        fluence = None  # energy or spot was refused already; nothing can be said of the fluence
    if case.plan.fluence_j_cm2 is not None:
        yield from _stated(case, fluence)
    if fluence is not None:
        yield from _fluence(case, fluence)


def _mode(case: Case) -> Iterator[PlanRefusal]:
    plan, preset, modes = case.plan, case.preset, case.device.modes
    if case.offered_mode is None:
        offered = ", ".join(f"{mode.wavelength_nm} nm/{mode.mode_width_ps} ps" for mode in modes)
        wavelengths = {mode.wavelength_nm for mode in modes}
        field = "mode_width_ps" if plan.wavelength_nm in wavelengths else "wavelength_nm"
        yield case.refuse(
            "mode_not_offered", field, offered or "nothing", "the device", "choose a mode it offers"
        )
    if preset is None:
        return
    if plan.wavelength_nm != preset.wavelength_nm:
        allowed, source = f"{preset.wavelength_nm} nm for {preset.indication}", "wavelength_nm"
        locked = LOCKED_WAVELENGTHS.get((plan.indication, plan.wavelength_nm))
        if locked is not None:
            allowed += f"; {locked.wavelength_nm} nm is locked, since {locked.source} know too little of it"
            allowed += f": {locked.unknown}"
        yield case.refuse(
            "preset_wavelength",
            "wavelength_nm",
            allowed,
            preset.source_of(source),
            "choose the wavelength of the indication, and its eyewear",
        )
    width_ps = number(plan.mode_width_ps)
    low, high = preset.mode_widths_ps
    if width_ps is None or not low <= width_ps <= high:
        yield case.refuse(
            "preset_mode_width",
            "mode_width_ps",
            f"{low} to {high} ps for {preset.indication}",
            preset.source_of("mode_widths_ps"),
            "choose another energy/width mode",
        )


def _spot(case: Case) -> Iterator[PlanRefusal]:
    bounds = [("device", (case.device.spot_min_mm, case.device.spot_max_mm), "the device")]
    if case.handpiece is None:
        yield case.refuse(
            "handpiece",
            "handpiece",
            f"one of {', '.join(HANDPIECES)}",
            "LASER_FACTS",
            "name the handpiece that will be used",
        )
    else:
        bounds.append(("handpiece", limits.HANDPIECE_SPOTS_MM[case.handpiece], "LASER_FACTS"))
        if case.preset is not None and case.handpiece not in case.preset.handpieces:
            able = ", ".join(known.name.lower() for known in case.preset.handpieces)
            source = case.preset.source_of("handpieces")
            yield case.refuse("preset_handpiece", "handpiece", able, source, "change the handpiece")
    if case.preset is not None:
        bounds.append(("preset", case.preset.spots_mm, case.preset.source_of("spots_mm")))
    for whose, (low, high), source in bounds:
        if case.spot_mm is None or not within(low, case.spot_mm, high):
            yield case.refuse(
                f"{whose}_spot", "spot_mm", f"{low:g} to {high:g} mm", source, "choose another spot"
            )


def _energy(case: Case) -> Iterator[PlanRefusal]:
    energy_mj, mode, step_mj = case.energy_mj, case.offered_mode, case.device.energy_step_mj
    if mode and (energy_mj is None or not within(mode.energy_min_mj, energy_mj, mode.energy_max_mj)):
        yield case.refuse(
            "energy_range",
            "pulse_energy_mj",
            f"{mode.energy_min_mj:g} to {mode.energy_max_mj:g} mJ in this mode",
            "the device",
            "choose an energy the mode can give",
        )
    ceiling_mj = limits.ENERGY_CEILING_MJ.get(case.plan.wavelength_nm, 0.0)
    if energy_mj is None or not within(0.0, energy_mj, ceiling_mj):
        yield case.refuse(
            "energy_ceiling",
            "pulse_energy_mj",
            f"above 0, up to {ceiling_mj:g} mJ at this wavelength",
            "LASER_FACTS, energy ceilings",
            "choose a lower energy, or another wavelength",
        )
    elif not _on_step(energy_mj, step_mj):
        yield case.refuse(
            "energy_step",
            "pulse_energy_mj",
            f"a multiple of {step_mj:g} mJ",
            "the device",
            "choose an energy on its step",
        )


def _fluence(case: Case, fluence: float) -> Iterator[PlanRefusal]:
    if not fluence <= limits.FLUENCE_CEILING_J_CM2:
        yield _too_much(case, fluence, limits.FLUENCE_CEILING_J_CM2, "200 mJ in 2 mm (F011)", "ceiling")
    if case.preset is not None:
        yield from _preset_fluence(case, case.preset, fluence)


def _preset_fluence(case: Case, preset: Preset, fluence: float) -> Iterator[PlanRefusal]:
    least = preset.least_fluence_j_cm2
    if least and not fluence >= (float(least) - half_last_digit(least)) * (1 - ROUNDING):
        yield case.refuse(
            "fluence_low",
            "pulse_energy_mj",
            f"at least {least} J/cm2 for {preset.indication}; this gives {fluence:.3g} J/cm2",
            preset.source_of("least_fluence_j_cm2"),
            "choose a higher energy or a smaller spot",
        )
    if not fluence <= preset.fluence_ceiling_j_cm2 * (1 + ROUNDING):
        source = preset.source_of("fluence_ceiling_j_cm2")
        yield _too_much(case, fluence, preset.fluence_ceiling_j_cm2, source, "high")
    elif not fluence <= preset.start_fluence_max_j_cm2 * (1 + ROUNDING):
        source = preset.source_of("start_fluence_max_j_cm2")
        yield from case.needs(Condition.ABOVE_START, "pulse_energy_mj", source)


def _too_much(case: Case, fluence: float, most: float, source: str, which: str) -> PlanRefusal:
    return case.refuse(
        f"fluence_{which}",
        "pulse_energy_mj",
        f"at most {most:g} J/cm2; this gives {fluence:.3g} J/cm2",
        source,
        "choose a lower energy or a larger spot",
    )


def _stated(case: Case, fluence: float | None) -> Iterator[PlanRefusal]:
    stated = number(case.plan.fluence_j_cm2)
    if stated is None or not stated > 0:
        yield case.refuse(
            "fluence_stated", "fluence_j_cm2", "a number above 0, or none", FLUENCE_SOURCE, "correct it"
        )
        return
    mode = case.offered_mode
    try:
        most = fluence_j_cm2(mode.energy_max_mj, case.plan.spot_mm) if mode else math.inf
    except FluenceError:
        most = math.inf  # the spot (or the device's own figure) was refused already
    tolerance = stated_tolerance(stated)
    if stated - tolerance > most:
        yield case.refuse(
            "fluence_unreachable",
            "fluence_j_cm2",
            f"at most {most:.3g} J/cm2 in this mode and spot",
            FLUENCE_SOURCE,
            "choose a smaller spot or a lower fluence",
        )
    if fluence is not None and not abs(fluence - stated) <= tolerance:
        yield case.refuse(
            "fluence_differs",
            "fluence_j_cm2",
            f"{fluence:.4g} J/cm2, which energy and spot give",
            FLUENCE_SOURCE,
            "correct the energy, the spot or the fluence: they must say the same",
        )


def _on_step(value: float, step: float) -> bool:
    if not step > 0:
        return False
    steps = value / step
    return abs(steps - round(steps)) <= _STEP_ROUNDING
