"""A plan in the making: the questions that lead to it, what each may be answered, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from protocols.messages import Handpiece
from safety.fluence import FluenceError, fluence_j_cm2, pulse_energy_mj
from safety.limits import (
    ENERGY_CEILING_MJ,
    FLUENCE_CEILING_J_CM2,
    HANDPIECE_SPOTS_MM,
    PASSES_MAX,
    PULSES_PER_SESSION_MAX,
    RATE_CEILING_HZ,
    SERIES_PER_PASS_MAX,
    DeviceLimits,
    ModeLimits,
)
from safety.plan import PlanRefusal, TreatmentPlan, pulses_to_cover
from safety.plan_check import check_plan
from safety.preset import SERVICE, Condition, Locked, Preset, SkinRule, Start
from safety.presets import PRESETS

SERIES_OF: Final = (
    20  # [C] pulses that a hand places before it rests; more where they would be too many series
)
_SERVICE_START: Final = Start(100.0, 6.0, 750, Handpiece.ZOOM)  # [C] half the mode's most, widely spread
_STEP_ROUNDING: Final = 1e-9


class Draft:
    """Answers so far, over a plan that is good in itself; what was not asked yet holds its default."""

    def __init__(self, device: DeviceLimits) -> None:
        self.device = device
        self.plan = _begin("tattoo", None)
        self._answered: set[str] = set()

    @property
    def preset(self) -> Preset | None:
        """The bounds of the indication; None for a service."""
        return PRESETS.get(self.plan.indication)

    @property
    def modes(self) -> list[ModeLimits]:
        """The modes of the plan's wavelength that the indication allows."""
        low, high = self.preset.mode_widths_ps if self.preset else (0.0, math.inf)
        return [
            mode
            for mode in self.device.modes
            if mode.wavelength_nm == self.plan.wavelength_nm and low <= mode.mode_width_ps <= high
        ]

    @property
    def handpieces(self) -> tuple[Handpiece, ...]:
        """Those that the indication allows."""
        return self.preset.handpieces if self.preset else tuple(HANDPIECE_SPOTS_MM)

    def spots_mm(self) -> tuple[float, float]:
        """From which to which spot the handpiece and the indication allow."""
        low, high = HANDPIECE_SPOTS_MM[Handpiece[self.plan.handpiece.upper()]]
        preset_low, preset_high = self.preset.spots_mm if self.preset else (low, high)
        return max(low, preset_low), min(high, preset_high)

    def energies_mj(self) -> tuple[float, float]:
        """The least and the most pulse energy, on the device's step, of mode, spot and indication.

        The least is above the most where there is none.
        """
        plan, step_mj = self.plan, self.device.energy_step_mj
        mode = next(mode for mode in self.modes if mode.mode_width_ps == plan.mode_width_ps)
        low = mode.energy_min_mj
        high = min(mode.energy_max_mj, ENERGY_CEILING_MJ[plan.wavelength_nm])
        high = min(high, pulse_energy_mj(FLUENCE_CEILING_J_CM2, plan.spot_mm))
        if self.preset:
            bounds = self.preset.energies(plan.spot_mm)
            low, high = max(low, bounds.least_mj), min(high, bounds.most_mj)
        return _step_above(low, step_mj), _step_below(high, step_mj)

    def answer(self, key: str, value: Any) -> list[PlanRefusal]:
        """Take the answer, or return every reason against it; conditions to be confirmed are reasons too."""
        before = self.plan
        if key == "indication":
            self.plan = replace(_begin(str(value), self.plan.skin_type), indication=value)
        else:
            self.plan = replace(self.plan, **{key: value})
        asked = self._answered | {key}  # what was good until now and is no more, is this answer's doing
        refused = [one for one in check_plan(self.plan, self.device) if one.field in asked]
        if not refused:
            self._settle(key)
            refused = list(self._nothing_left(key))
        if refused:
            self.plan = before
        else:
            self._answered = asked
        return refused

    def acknowledge(self, condition: Condition) -> None:
        """The operator has confirmed the condition."""
        self.plan = replace(self.plan, acknowledged=(*self.plan.acknowledged, condition.value))

    def _settle(self, key: str) -> None:
        """Give what is asked after `key` a default that fits."""
        if key == "wavelength_nm" and self.plan.mode_width_ps not in (m.mode_width_ps for m in self.modes):
            self.plan = replace(self.plan, mode_width_ps=self.modes[0].mode_width_ps)
        if key in {"mode_width_ps", "handpiece"}:
            low, high = self.spots_mm()
            held = min(max(self.plan.spot_mm, low), high)
            for tenths in (held * 10, *range(math.floor(held * 10), math.ceil(low * 10) - 1, -1)):
                self.plan = replace(self.plan, spot_mm=tenths / 10)
                if not list(self._nothing_left("spot_mm")):
                    break
        if key in {"indication", "wavelength_nm", "mode_width_ps", "handpiece", "spot_mm"}:
            low, high = self.energies_mj()
            held, most = _SERVICE_START.pulse_energy_mj, high
            if self.preset:
                start_mj = self.preset.energies(self.plan.spot_mm).start_max_mj
                held = self.preset.start.pulse_energy_mj
                most = min(high, _step_below(start_mj, self.device.energy_step_mj))
            self.plan = replace(self.plan, pulse_energy_mj=min(max(held, low), most))

    def _nothing_left(self, key: str) -> Iterator[PlanRefusal]:
        """The reason where no pulse energy is left for the spot."""
        if key != "spot_mm":
            return
        low, high = self.energies_mj()
        if low > high:
            plan, preset = self.plan, self.preset
            yield PlanRefusal(
                "plan.spot_no_energy",
                key,
                plan.spot_mm,
                f"a spot in which some energy of the {plan.mode_width_ps} ps mode gives the fluence of "
                f"{plan.indication}; here it takes {low:g} mJ, and the most is {high:g} mJ",
                preset.source_of("least_fluence_j_cm2") if preset else "the device",
                "choose another spot, or begin anew with another mode",
            )


def _step_above(energy_mj: float, step_mj: float) -> float:
    return round(math.ceil(energy_mj / step_mj - _STEP_ROUNDING) * step_mj, 9)


def _step_below(energy_mj: float, step_mj: float) -> float:
    return round(math.floor(energy_mj / step_mj + _STEP_ROUNDING) * step_mj, 9)


def _begin(indication: str, skin_type: str | None) -> TreatmentPlan:
    """A plan that holds what the preset holds."""
    preset = PRESETS.get(indication)
    start = preset.start if preset else _SERVICE_START
    return TreatmentPlan(
        name=indication.replace("_", " ").capitalize(),
        indication=indication,
        skin_type=skin_type,
        wavelength_nm=preset.wavelength_nm if preset else 755,
        mode_width_ps=start.mode_width_ps,
        handpiece=start.handpiece.name.lower(),
        spot_mm=start.spot_mm,
        pulse_energy_mj=start.pulse_energy_mj,
        rep_rate_hz=2.5,
        passes=1,
        series=(SERIES_OF,),
    )


@dataclass(frozen=True, slots=True)
class Question:
    """One thing that is asked: `words` and `default` look at the draft; no default: it must be given."""

    key: str
    words: Callable[[Draft], str]
    parse: Callable[[str], Any]
    default: Callable[[Draft], str | None]
    of_service: bool = True  # whether a service plan is asked it too


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError("a number is wanted") from None


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError("a whole number is wanted") from None


def _optional(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    return lambda text: parse(text) if text.strip() else None


def _series(text: str) -> tuple[int, ...]:
    return tuple(_whole(part) for part in text.replace(",", " ").split())


def _yes(text: str) -> bool:
    known = {"y": True, "yes": True, "true": True, "n": False, "no": False, "false": False}
    if text.strip().lower() not in known:
        raise ValueError("yes or no is wanted")
    return known[text.strip().lower()]


def _text(text: str) -> str:
    return text.strip()


def _skin_words(draft: Draft) -> str:
    rules: Mapping[str, SkinRule] = draft.preset.skin if draft.preset else {}
    words = [name for name, rule in rules.items() if rule is None]
    for name, rule in rules.items():
        if isinstance(rule, Condition):
            words.append(f"{name} ({rule.value})")
        elif isinstance(rule, Locked):
            words.append(f"{name} (locked)")
    return f"Fitzpatrick skin type: {', '.join(words)}"


def _energy_words(draft: Draft) -> str:
    low, high = draft.energies_mj()
    spot_mm = draft.plan.spot_mm
    fluences = f"{fluence_words(low, spot_mm)} to {fluence_words(high, spot_mm)}"
    words = f"Pulse energy, {low:g} to {high:g} mJ = {fluences}"
    if draft.preset:
        start_mj = _step_below(draft.preset.energies(spot_mm).start_max_mj, draft.device.energy_step_mj)
        if start_mj < high:
            words += f"; above {start_mj:g} mJ only after a tolerated session"
    return words


def fluence_words(energy_mj: float, spot_mm: float) -> str:
    """The fluence that an energy gives, for a prompt."""
    try:
        return f"{fluence_j_cm2(energy_mj, spot_mm):.3g} J/cm2"
    except FluenceError:
        return "no fluence"


def _rates(draft: Draft) -> list[float]:
    most = draft.preset.rep_rate_max_hz if draft.preset else RATE_CEILING_HZ
    return [rate for rate in draft.device.rates_hz if rate <= most]


def _covering(draft: Draft) -> int | None:
    plan = draft.plan
    if plan.area_cm2 is None:
        return None
    most = draft.preset.overlap_max_percent if draft.preset else 0.0
    overlap = most if plan.overlap_percent is None else plan.overlap_percent
    return pulses_to_cover(plan.area_cm2, plan.spot_mm, overlap)


def _series_words(draft: Draft) -> str:
    covering = _covering(draft)
    cover = "" if covering is None else f", together at most {covering} for the area"
    most = draft.device.permit_pulses_max
    return f"Pulses of each series of a pass, 1 to {SERIES_PER_PASS_MAX} numbers of 1 to {most}{cover}"


def _series_default(draft: Draft) -> str | None:
    covering = _covering(draft)
    if covering is None:
        return None
    pulses = min(covering, PULSES_PER_SESSION_MAX)
    each = max(SERIES_OF, math.ceil(pulses / SERIES_PER_PASS_MAX))
    whole, rest = divmod(pulses, each)
    return ", ".join(map(str, [each] * whole + [rest] * bool(rest)))


def _listed(names: Any) -> str:
    return ", ".join(map(str, names))


QUESTIONS: Final = (
    Question("indication", lambda _: f"Indication: {_listed((*PRESETS, SERVICE))}", _text, lambda _: None),
    Question("skin_type", _skin_words, lambda text: text.strip().upper(), lambda _: None, of_service=False),
    Question(
        "wavelength_nm",
        lambda draft: (
            "Wavelength, nm: "
            + _listed(
                [draft.preset.wavelength_nm]
                if draft.preset
                else sorted({m.wavelength_nm for m in draft.device.modes})
            )
        ),
        _whole,
        lambda draft: str(draft.plan.wavelength_nm),
    ),
    Question(
        "mode_width_ps",
        lambda draft: (
            "Mode, pulse width in ps: "
            + _listed(f"{mode.mode_width_ps} (to {mode.energy_max_mj:g} mJ)" for mode in draft.modes)
        ),
        _whole,
        lambda draft: str(draft.plan.mode_width_ps),
    ),
    Question(
        "handpiece",
        lambda draft: f"Handpiece: {_listed(one.name.lower() for one in draft.handpieces)}",
        lambda text: text.strip().lower(),
        lambda draft: draft.plan.handpiece,
    ),
    Question(
        "spot_mm",
        lambda draft: "Spot, {:g} to {:g} mm".format(*draft.spots_mm()),
        _number,
        lambda draft: f"{draft.plan.spot_mm:g}",
    ),
    Question("pulse_energy_mj", _energy_words, _number, lambda draft: f"{draft.plan.pulse_energy_mj:g}"),
    Question(
        "rep_rate_hz",
        lambda draft: f"Repetition rate, Hz: {_listed(f'{rate:g}' for rate in _rates(draft))}",
        _number,
        lambda draft: f"{draft.plan.rep_rate_hz:g}",
    ),
    Question(
        "area_cm2",
        lambda _: "Area that one pass covers, cm2 (nothing: not stated)",
        _optional(_number),
        lambda _: "",
        of_service=False,
    ),
    Question(
        "overlap_percent",
        lambda draft: (
            "Overlap of neighbouring spots, 0 to "
            f"{draft.preset.overlap_max_percent if draft.preset else 0:g} % of the diameter (nothing: unsaid)"
        ),
        _optional(_number),
        lambda _: "",
        of_service=False,
    ),
    Question("series", _series_words, _series, _series_default),
    Question(
        "passes",
        lambda draft: f"Passes, 1 to {draft.preset.passes_max if draft.preset else PASSES_MAX}",
        _whole,
        lambda _: "1",
    ),
    Question(
        "subject",
        lambda _: "Pseudonym of the subject, never a name (nothing: none)",
        _optional(_text),
        lambda _: "",
        of_service=False,
    ),
    Question("rehearsal", lambda _: "Rehearsal, the shutter stays closed (y/n)", _yes, lambda _: "n"),
    Question("name", lambda _: "Name of the plan", _text, lambda draft: draft.plan.name),
)
"""In the order in which they are asked."""
