"""Every reason why a device may not carry out a treatment plan."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from protocols.messages import Handpiece
from protocols.requests import Trigger
from safety import limits
from safety.fluence import FLUENCE_SOURCE, FluenceError, fluence_j_cm2, half_last_digit
from safety.limits import DeviceLimits, ModeLimits
from safety.plan import PlanRefusal, TreatmentPlan
from safety.presets import PRESETS, SERVICE, SKIN_TYPES, Condition, Locked, Preset

_ROUNDING: Final = 1e-9  # relative; a bound itself is inside, however its last bit fell
_STATED_FINEST: Final = 1e-3  # [C] no meter shows finer: more digits than that are not held against a plan
_STATED_COARSEST: Final = 1e-2  # [C] a figure of few digits must still name this treatment and no other
_STEP_ROUNDING: Final = 1e-6  # [C] a millionth of a step is rounding, not a wish
_FINITE: Final = 1e18  # beyond it nothing is a quantity of a laser; also catches NaN and infinity
_NAME_MAX: Final = 80
_TRIGGERS: Final = tuple(trigger.name.lower() for trigger in Trigger)
_PSEUDONYM: Final = re.compile(r"(?=.*[0-9])[A-Za-z0-9-]{1,32}")  # a digit: so that a plain name is refused


def check_plan(plan: TreatmentPlan, device: DeviceLimits) -> tuple[PlanRefusal, ...]:
    """Every reason against the plan on this device, in the order of its fields; empty when it may be done."""
    return tuple(_Check(plan, device).refusals())


class _Check:
    """One plan against one device; a field that is no number at all is refused once and not used further."""

    def __init__(self, plan: TreatmentPlan, device: DeviceLimits) -> None:
        self.plan = plan
        self.device = device
        self.preset = PRESETS.get(plan.indication)
        self.handpiece: Handpiece | None = _HANDPIECES.get(plan.handpiece)
        self.energy_mj = _number(plan.pulse_energy_mj)
        self.spot_mm = _number(plan.spot_mm)
        self.rate_hz = _number(plan.rep_rate_hz)

    def refusals(self) -> Iterator[PlanRefusal]:
        yield from self._words()
        yield from self._skin()
        yield from self._mode()
        yield from self._spot()
        yield from self._energy()
        yield from self._fluence()
        yield from self._rate()
        yield from self._pulses()

    def _refuse(self, code: str, field: str, allowed: str, source: str, action: str) -> PlanRefusal:
        return PlanRefusal(f"plan.{code}", field, getattr(self.plan, field), allowed, source, action)

    def _words(self) -> Iterator[PlanRefusal]:
        name, subject = self.plan.name, self.plan.subject
        if not name.strip() or len(name) > _NAME_MAX or not name.isprintable():
            yield self._refuse(
                "name", "name", f"1 to {_NAME_MAX} printable characters", "project", "name the plan"
            )
        if self.preset is None and not self.plan.service:
            yield self._refuse(
                "indication",
                "indication",
                f"one of {', '.join((*PRESETS, SERVICE))}",
                "treatments.csv T023-T028",
                "choose the indication; without one nothing is known to be safe",
            )
        if type(self.plan.rehearsal) is not bool:
            yield self._refuse("rehearsal", "rehearsal", "true or false", "project", "say which")
        if self.plan.trigger not in (_TRIGGERS if self.plan.service else _TRIGGERS[:1]):
            yield self._refuse(
                "trigger",
                "trigger",
                f"one of {', '.join(_TRIGGERS)}, and internal in a service plan alone",
                "project",
                "take it out: a treatment is fired by the footswitch",
            )
        if subject is not None and not _PSEUDONYM.fullmatch(subject):
            yield self._refuse(
                "subject",
                "subject",
                "up to 32 letters, digits and dashes with at least one digit, or none",
                "project: no personal data",
                "use the subject's pseudonym, never a name",
            )
        unknown = set(self.plan.acknowledged) - {condition.value for condition in Condition}
        if unknown:
            yield self._refuse(
                "acknowledged",
                "acknowledged",
                f"any of {', '.join(condition.value for condition in Condition)}",
                "project",
                "take out what is not in the list",
            )

    def _nobody(self) -> Iterator[PlanRefusal]:
        """A service plan that names anything of a person was meant to be another plan."""
        for field in ("skin_type", "subject", "acknowledged"):
            if getattr(self.plan, field):
                yield self._refuse(
                    "service_person",
                    field,
                    "none in a service plan: it gives light to no person",
                    "project",
                    "take it out; to treat somebody, name the indication",
                )

    def _skin(self) -> Iterator[PlanRefusal]:
        skin = self.plan.skin_type
        if self.plan.service:
            yield from self._nobody()
            return
        if skin not in SKIN_TYPES:
            yield self._refuse(
                "skin_type",
                "skin_type",
                f"one of {', '.join(SKIN_TYPES)}",
                "Fitzpatrick's scale",
                "assess the skin type",
            )
            return
        if self.preset is None:
            return
        rule = self.preset.skin[skin]
        if isinstance(rule, Locked):
            able = ", ".join(
                name for name, other in self.preset.skin.items() if not isinstance(other, Locked)
            )
            yield self._refuse(
                "skin_locked",
                "skin_type",
                f"{self.plan.indication} is locked for it; skin types {able}",
                self.preset.source,
                "do not treat this skin type with this laser and indication",
            )
        elif rule is not None:
            yield from self._needs(rule, "skin_type")

    def _needs(self, condition: Condition, field: str) -> Iterator[PlanRefusal]:
        if self.preset is not None and condition.value not in self.plan.acknowledged:
            yield self._refuse(
                f"needs_{condition.value}",
                field,
                f"only with {condition.value!r} in `acknowledged`",
                self.preset.source,
                _CONFIRM[condition],
            )

    def _mode(self) -> Iterator[PlanRefusal]:
        plan, preset = self.plan, self.preset
        if self._offered_mode() is None:
            offered = ", ".join(
                f"{mode.wavelength_nm} nm/{mode.mode_width_ps} ps" for mode in self.device.modes
            )
            wavelengths = {mode.wavelength_nm for mode in self.device.modes}
            field = "mode_width_ps" if plan.wavelength_nm in wavelengths else "wavelength_nm"
            yield self._refuse(
                "mode_not_offered", field, offered or "nothing", "the device", "choose a mode it offers"
            )
        if preset is None:
            return
        if plan.wavelength_nm != preset.wavelength_nm:
            yield self._refuse(
                "preset_wavelength",
                "wavelength_nm",
                f"{preset.wavelength_nm} nm for {preset.indication}",
                preset.source,
                "choose the wavelength of the indication, and its eyewear",
            )
        width_ps = _number(plan.mode_width_ps)
        low, high = preset.mode_widths_ps
        if width_ps is None or not low <= width_ps <= high:
            yield self._refuse(
                "preset_mode_width",
                "mode_width_ps",
                f"{low} to {high} ps for {preset.indication}",
                preset.source,
                "choose another energy/width mode",
            )

    def _offered_mode(self) -> ModeLimits | None:
        for mode in self.device.modes:
            if (mode.wavelength_nm, mode.mode_width_ps) == (self.plan.wavelength_nm, self.plan.mode_width_ps):
                return mode
        return None

    def _spot(self) -> Iterator[PlanRefusal]:
        spots = None
        if self.handpiece is None:
            yield self._refuse(
                "handpiece",
                "handpiece",
                f"one of {', '.join(_HANDPIECES)}",
                "LASER_FACTS",
                "name the handpiece that will be used",
            )
        else:
            spots = limits.HANDPIECE_SPOTS_MM[self.handpiece]
            if self.preset is not None and self.handpiece not in self.preset.handpieces:
                able = ", ".join(known.name.lower() for known in self.preset.handpieces)
                yield self._refuse(
                    "preset_handpiece", "handpiece", able, self.preset.source, "change the handpiece"
                )
        bounds = [("device", (self.device.spot_min_mm, self.device.spot_max_mm), "the device")]
        if spots:
            bounds.append(("handpiece", spots, "LASER_FACTS"))
        if self.preset:
            bounds.append(("preset", self.preset.spots_mm, self.preset.source))
        for whose, (low, high), source in bounds:
            if self.spot_mm is None or not _within(low, self.spot_mm, high):
                yield self._refuse(
                    f"{whose}_spot", "spot_mm", f"{low:g} to {high:g} mm", source, "choose another spot"
                )

    def _energy(self) -> Iterator[PlanRefusal]:
        energy_mj, mode, step_mj = self.energy_mj, self._offered_mode(), self.device.energy_step_mj
        if mode and (energy_mj is None or not _within(mode.energy_min_mj, energy_mj, mode.energy_max_mj)):
            yield self._refuse(
                "energy_range",
                "pulse_energy_mj",
                f"{mode.energy_min_mj:g} to {mode.energy_max_mj:g} mJ in this mode",
                "the device",
                "choose an energy the mode can give",
            )
        ceiling_mj = limits.ENERGY_CEILING_MJ.get(self.plan.wavelength_nm, 0.0)
        if energy_mj is None or not _within(0.0, energy_mj, ceiling_mj):
            yield self._refuse(
                "energy_ceiling",
                "pulse_energy_mj",
                f"above 0, up to {ceiling_mj:g} mJ at this wavelength",
                "LASER_FACTS, energy ceilings",
                "choose a lower energy, or another wavelength",
            )
        elif not _on_step(energy_mj, step_mj):
            yield self._refuse(
                "energy_step",
                "pulse_energy_mj",
                f"a multiple of {step_mj:g} mJ",
                "the device",
                "choose an energy on its step",
            )

    def _fluence(self) -> Iterator[PlanRefusal]:
        try:
            fluence = fluence_j_cm2(self.plan.pulse_energy_mj, self.plan.spot_mm)
        except FluenceError:
            fluence = None  # energy or spot was refused already; nothing can be said of the fluence
        if self.plan.fluence_j_cm2 is not None:
            yield from self._stated(fluence)
        if fluence is None:
            return
        if not fluence <= limits.FLUENCE_CEILING_J_CM2:
            yield self._too_much(fluence, limits.FLUENCE_CEILING_J_CM2, "200 mJ in 2 mm (F011)", "ceiling")
        if self.preset is not None:
            yield from self._preset_fluence(self.preset, fluence)

    def _preset_fluence(self, preset: Preset, fluence: float) -> Iterator[PlanRefusal]:
        least = preset.least_fluence_j_cm2
        if least and not fluence >= (float(least) - half_last_digit(least)) * (1 - _ROUNDING):
            yield self._refuse(
                "fluence_low",
                "pulse_energy_mj",
                f"at least {least} J/cm2 for {preset.indication}; this gives {fluence:.3g} J/cm2",
                preset.source,
                "choose a higher energy or a smaller spot",
            )
        if not fluence <= preset.fluence_ceiling_j_cm2 * (1 + _ROUNDING):
            yield self._too_much(fluence, preset.fluence_ceiling_j_cm2, preset.source, "high")
        elif not fluence <= preset.start_fluence_max_j_cm2 * (1 + _ROUNDING):
            yield from self._needs(Condition.ABOVE_START, "pulse_energy_mj")

    def _too_much(self, fluence: float, most: float, source: str, which: str) -> PlanRefusal:
        return self._refuse(
            f"fluence_{which}",
            "pulse_energy_mj",
            f"at most {most:g} J/cm2; this gives {fluence:.3g} J/cm2",
            source,
            "choose a lower energy or a larger spot",
        )

    def _stated(self, fluence: float | None) -> Iterator[PlanRefusal]:
        stated = _number(self.plan.fluence_j_cm2)
        if stated is None or not stated > 0:
            yield self._refuse(
                "fluence_stated", "fluence_j_cm2", "a number above 0, or none", FLUENCE_SOURCE, "correct it"
            )
            return
        mode = self._offered_mode()
        try:
            most = fluence_j_cm2(mode.energy_max_mj, self.plan.spot_mm) if mode else math.inf
        except FluenceError:
            most = math.inf  # the spot (or the device's own figure) was refused already
        digits = format(Decimal(repr(stated)), "f")
        tolerance = max(min(half_last_digit(digits), _STATED_COARSEST * stated), _STATED_FINEST * stated)
        if stated - tolerance > most:
            yield self._refuse(
                "fluence_unreachable",
                "fluence_j_cm2",
                f"at most {most:.3g} J/cm2 in this mode and spot",
                FLUENCE_SOURCE,
                "choose a smaller spot or a lower fluence",
            )
        if fluence is not None and not abs(fluence - stated) <= tolerance:
            yield self._refuse(
                "fluence_differs",
                "fluence_j_cm2",
                f"{fluence:.4g} J/cm2, which energy and spot give",
                FLUENCE_SOURCE,
                "correct the energy, the spot or the fluence: they must say the same",
            )

    def _rate(self) -> Iterator[PlanRefusal]:
        rate_hz, preset = self.rate_hz, self.preset
        if rate_hz is None or not any(math.isclose(rate_hz, offered) for offered in self.device.rates_hz):
            rates = ", ".join(f"{offered:g}" for offered in self.device.rates_hz)
            yield self._refuse(
                "rate_not_offered", "rep_rate_hz", f"one of {rates} Hz", "the device", "choose one of them"
            )
        ceilings = [("rate_ceiling", limits.RATE_CEILING_HZ, "REQ-023")]
        if preset:
            ceilings.append(("preset_rate", preset.rep_rate_max_hz, preset.source))
        for code, most_hz, source in ceilings:
            if rate_hz is None or not _within(0.0, rate_hz, most_hz):
                yield self._refuse(
                    code, "rep_rate_hz", f"above 0, up to {most_hz:g} Hz", source, "choose a lower rate"
                )

    def _pulses(self) -> Iterator[PlanRefusal]:
        passes, series, most = self.plan.passes, self.plan.series, limits.PASSES_MAX
        source = "treatments.csv T006"
        if self.preset:
            most, source = self.preset.passes_max, self.preset.source
        passes_ok = type(passes) is int and 1 <= passes <= most
        if not passes_ok:
            yield self._refuse("passes", "passes", f"1 to {most}", source, "plan fewer passes")
        most = self.device.permit_pulses_max
        series_ok = 1 <= len(series) <= limits.SERIES_PER_PASS_MAX and all(
            type(pulses) is int and 1 <= pulses <= most for pulses in series
        )
        if not series_ok:
            yield self._refuse(
                "series",
                "series",
                f"1 to {limits.SERIES_PER_PASS_MAX} series of 1 to {most} pulses each",
                "the device's longest permit; project",
                "split the pulses into series",
            )
        if passes_ok and series_ok and self.plan.pulses > limits.PULSES_PER_SESSION_MAX:
            yield self._refuse(
                "pulses",
                "series",
                f"at most {limits.PULSES_PER_SESSION_MAX} pulses over all passes",
                "project, from treatments.csv T006",
                "split the treatment into sessions",
            )


_CONFIRM: Final[dict[Condition, str]] = {
    Condition.TEST_SPOT: "make a test spot, look at it after its waiting time, then confirm it",
    Condition.SKIN_RISK: "weigh the risk of pigment change with the subject, then confirm it",
    Condition.EXPERT: "only with one's own expertise in this indication: confirm it",
    Condition.ABOVE_START: "begin at the start fluence; above it only after a tolerated session: confirm it",
}


def _number(value: object) -> float | None:
    """The value if it is a finite number, else None (a bool is no number)."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_FINITE < value < _FINITE:
        return None
    return float(value)


def _within(low: float, value: float, high: float) -> bool:
    """Inclusive, with a rounding error of slack; 0 is never within, and nothing is if a bound is NaN."""
    return value > 0 and low * (1 - _ROUNDING) <= value <= high * (1 + _ROUNDING)


def _on_step(value: float, step: float) -> bool:
    if not step > 0:
        return False
    steps = value / step
    return abs(steps - round(steps)) <= _STEP_ROUNDING


_HANDPIECES: Final = {handpiece.name.lower(): handpiece for handpiece in limits.HANDPIECE_SPOTS_MM}
