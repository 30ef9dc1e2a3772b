"""Exposure limits as asked and answered: one emission, every number that follows from it, and what binds.

MPEs protect staff and bystanders; the treated site is meant to be above them. What is left out of the
question leaves out of the answer only what needs it. Without a rate the emission is one pulse.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from safety.exposure_class import CLASSES, Classes, classes
from safety.exposure_limits import (
    LEAST_NM,
    LEAST_S,
    MOST_NM,
    MOST_S,
    Edition,
    Kind,
    Limit,
    circle_m2,
    eye_limits,
    factor,
    skin_limit,
    t_i_s,
)
from safety.exposure_train import PULSE_SHAPES, Rule, Share, Train, peak_power_w, share
from safety.eyewear import Mode, Scale, adjustment, optical_density, protection, strictest
from safety.hazard_distance import (
    Beam,
    BeamAt,
    distance_from_waist_to_m,
    distance_to_m,
    nohd_m,
    part_through,
    safe_diameter_1e2_m,
)

TRAIN_S: Final = 10.0  # [C] a train's exposure when none is given: T_2, after which pulses count no more

# [C] Beyond every laser, yet far inside what floating point holds.
_ENERGY_J: Final = (1e-15, 1e6)
_BEAM_MM: Final = (1e-3, 1e5)
_DIVERGENCE_MRAD: Final = (1e-6, 3141.0)
_RATE_HZ: Final = (1e-6, 1e12)
_ROUNDING: Final = 1e-9  # relative; a period that holds just one pulse is light without a pause


class Rules(enum.Enum):
    """Which edition is asked for."""

    NEW = "2014"
    OLD = "2007"
    STRICTER = "stricter"

    @property
    def editions(self) -> tuple[Edition, ...]:
        """The editions that must all be met."""
        return tuple(Edition) if self is Rules.STRICTER else (Edition(self.value),)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a question: field, what it says, and what is allowed."""

    field: str
    value: object
    allowed: str

    def __str__(self) -> str:
        if self.value is None:
            return f"{self.field} is missing: give {self.allowed}"
        return f"{self.field} = {self.value!r} is not allowed: give {self.allowed}"


class ExposureError(ValueError):
    """A question that cannot be answered; `problems` has everything that is wrong with it."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Inquiry:
    """An emission, and the exposure to it; raise ExposureError with all problems unless it is in range.

    `beam_mm` is the beam's diameter where it leaves, `divergence_mrad` its full angle; `beam_at` says at
    which share of the peak both were told. Not said, NOHD takes 1/e2, which is the longer, and EN 207 takes
    an evenly lit spot, as its published examples do.
    """

    wavelength_nm: float
    pulse_s: float
    rate_hz: float | None = None
    duration_s: float | None = None
    energy_j: float | None = None
    beam_mm: float | None = None
    divergence_mrad: float | None = None
    beam_at: BeamAt | None = None
    rules: Rules = Rules.STRICTER

    def __post_init__(self) -> None:
        problems = tuple(self._problems())
        if problems:
            raise ExposureError(problems)

    def _problems(self) -> list[Problem]:
        found = [
            Problem(field, value, f"{least:g} to {most:g} {unit}")
            for field, value, least, most, unit in (
                ("wavelength_nm", self.wavelength_nm, LEAST_NM, MOST_NM, "nm"),
                ("pulse_s", self.pulse_s, LEAST_S, MOST_S, "s"),
                ("rate_hz", None if self.rate_hz == 0 else self.rate_hz, *_RATE_HZ, "Hz, or 0 for one pulse"),
                ("duration_s", self.duration_s, LEAST_S, MOST_S, "s"),
                ("energy_j", self.energy_j, *_ENERGY_J, "J"),
                ("beam_mm", self.beam_mm, *_BEAM_MM, "mm"),
                ("divergence_mrad", self.divergence_mrad, *_DIVERGENCE_MRAD, "mrad"),
            )
            if not _within(least, value, most, optional=field not in _NEEDED)
        ]
        wrong = {problem.field for problem in found}
        if "pulse_s" in wrong:
            return found
        rate_hz = 0.0 if "rate_hz" in wrong else self.rate_hz or 0.0
        if rate_hz * self.pulse_s > 1 + _ROUNDING:
            allowed = f"at most {1 / self.pulse_s:g} Hz for pulses of {self.pulse_s:g} s"
            found.append(Problem("rate_hz", self.rate_hz, allowed))
        duration_s = self.pulse_s if "duration_s" in wrong else self.duration_s or self.pulse_s
        if duration_s < self.pulse_s:
            allowed = f"at least the {self.pulse_s:g} s of one pulse"
            found.append(Problem("duration_s", self.duration_s, allowed))
        return found

    @property
    def train(self) -> Train:
        """The pulses of the exposure; one where no rate is given."""
        if not self.rate_hz:
            return Train(self.pulse_s, 0.0, self.pulse_s)
        duration_s = max(TRAIN_S, self.pulse_s) if self.duration_s is None else self.duration_s
        return Train(self.pulse_s, self.rate_hz, duration_s)


_NEEDED: Final = ("wavelength_nm", "pulse_s")


@dataclass(frozen=True, slots=True)
class Bound:
    """One limit on each pulse of the exposure.

    `share.value` is in J/m2; `energy_j` is the most that a pulse may bring through the limiting aperture,
    which for the front of the eye is tied to another time than the strictest radiant exposure.
    """

    limit: Limit
    share: Share
    energy_j: float
    aperture_m: float

    @property
    def why(self) -> str:
        """The rule that binds, in words."""
        return f"{_RULES[self.share.rule]}; {self.limit.kind.value}; {self.limit.source}"


_RULES: Final = {
    Rule.SINGLE: "rule 1: a single pulse",
    Rule.GROUP: "rule 2: the mean of a group",
    Rule.TRAIN: "rule 3: C_P on each pulse",
}


@dataclass(frozen=True, slots=True)
class Hazard:
    """What follows from the energy of a pulse: class, and the density that eyewear needs.

    `od` is for the whole pulse into the pupil, `od_at_beam` for what of a Gaussian beam of this width passes
    the pupil in its middle; a Gaussian beam of `safe_diameter_1e2_m` and above is within the eye's limits.
    """

    laser_class: str
    class_edition: Edition
    od: float
    od_at_beam: float | None
    safe_diameter_1e2_m: float
    peak_power_w: dict[str, float]


@dataclass(frozen=True, slots=True)
class Goggles:
    """EN 207's scales by letter and the highest of them, EN 208's, and EN 207's if the beam is Gaussian."""

    scales: dict[Mode, Scale]
    lb: Scale
    lb_if_gaussian: Scale | None
    rb: Scale | None


@dataclass(frozen=True, slots=True)
class Distance:
    """How far the beam is a hazard to the eye: by the standards' formula, and by averaging over the pupil."""

    nohd_m: float
    nohd_averaged_m: float
    nohd_waist_m: float


@dataclass(frozen=True, slots=True)
class Answer:
    """Everything that follows from an inquiry; None is what needs more than was given."""

    inquiry: Inquiry
    eye: Bound
    skin: Bound
    eye_energy_j: float
    c_a: float
    c_b: float | None
    c_c: float
    c_p: float | None
    t_i_s: float
    class_limits: tuple[Classes, ...]
    hazard: Hazard | None
    goggles: Goggles | None
    distance: Distance | None


def assess(inquiry: Inquiry) -> Answer:
    """Answer an inquiry, by the strictest of the editions it asks for."""
    train, editions, nm = inquiry.train, inquiry.rules.editions, inquiry.wavelength_nm
    bounds = [_bound(limit, train) for edition in editions for limit in eye_limits(nm, edition)]
    eye = min(bounds, key=_radiant_exposure)
    edition = eye.limit.edition
    heat = next(
        bound for bound in bounds if bound.limit.kind is Kind.THERMAL and bound.limit.edition is edition
    )
    class_limits = tuple(classes(nm, inquiry.pulse_s, inquiry.rate_hz or 0.0, one) for one in editions)
    hazard = _hazard(inquiry, bounds, class_limits)
    return Answer(
        inquiry,
        eye,
        min((_bound(skin_limit(nm, one), train) for one in editions), key=_radiant_exposure),
        min(bound.energy_j for bound in bounds),
        factor("A", nm, edition),
        factor("B", nm, edition) if any(one.limit.kind is Kind.PHOTOCHEMICAL for one in bounds) else None,
        factor("C", nm, edition),
        None if inquiry.rate_hz is None else heat.share.c_p,
        t_i_s(nm, edition),
        class_limits,
        hazard,
        _goggles(inquiry),
        _distance(inquiry, eye, hazard),
    )


def _bound(limit: Limit, train: Train) -> Bound:
    through = share(limit, limit.energy_j, train)
    bound_s = train.group_s(through.group_pulses) if through.rule is Rule.GROUP else train.pulse_s
    exposure = share(limit, limit.radiant_exposure_j_m2, train)
    return Bound(limit, exposure, through.value, limit.aperture_m(bound_s))


def _radiant_exposure(bound: Bound) -> float:
    return bound.share.value


def _hazard(inquiry: Inquiry, bounds: list[Bound], limits: tuple[Classes, ...]) -> Hazard | None:
    energy_j = inquiry.energy_j
    if energy_j is None:
        return None
    highest = max(limits, key=lambda one: CLASSES.index(one.of(energy_j)))
    od_at_beam = None
    if inquiry.beam_mm is not None:
        wide_m = _beam(inquiry.beam_mm, 1.0, inquiry.beam_at).diameter_1e2_m
        od_at_beam = max(
            optical_density(energy_j * part_through(one.aperture_m, wide_m), one.energy_j) for one in bounds
        )
    return Hazard(
        highest.of(energy_j),
        highest.edition,
        max(optical_density(energy_j, one.energy_j) for one in bounds),
        od_at_beam,
        max(safe_diameter_1e2_m(energy_j, one.energy_j, one.aperture_m) for one in bounds),
        {shape: peak_power_w(energy_j, inquiry.pulse_s, shape) for shape in PULSE_SHAPES},
    )


def _goggles(inquiry: Inquiry) -> Goggles | None:
    if inquiry.energy_j is None or inquiry.beam_mm is None:
        return None
    stated_m2 = circle_m2(inquiry.beam_mm / 1e3)
    gaussian_m2 = circle_m2(_beam(inquiry.beam_mm, 1.0, BeamAt.ONE_OVER_E2).diameter_1e_m)
    area_m2 = gaussian_m2 if inquiry.beam_at is BeamAt.ONE_OVER_E2 else stated_m2
    emitted = (inquiry.pulse_s, inquiry.rate_hz or 0.0, inquiry.energy_j)
    scales = protection(*emitted, area_m2)
    gaussian = None
    if inquiry.beam_at is None:
        gaussian = strictest(protection(*emitted, gaussian_m2).values())
    rb = adjustment(inquiry.wavelength_nm, *emitted, area_m2)
    return Goggles(scales, strictest(scales.values()), gaussian, rb)


def _distance(inquiry: Inquiry, eye: Bound, hazard: Hazard | None) -> Distance | None:
    if inquiry.energy_j is None or hazard is None:
        return None
    if inquiry.beam_mm is None or inquiry.divergence_mrad is None:
        return None
    beam = _beam(inquiry.beam_mm, inquiry.divergence_mrad, inquiry.beam_at)
    return Distance(
        nohd_m(inquiry.energy_j, eye.share.value, beam),
        distance_to_m(hazard.safe_diameter_1e2_m, beam),
        distance_from_waist_to_m(hazard.safe_diameter_1e2_m, beam),
    )


def _beam(beam_mm: float, divergence_mrad: float, at: BeamAt | None) -> Beam:
    return Beam.of(beam_mm / 1e3, divergence_mrad / 1e3, at or BeamAt.ONE_OVER_E2)


def _within(least: float, value: object, most: float, *, optional: bool) -> bool:
    if value is None:
        return optional
    return not isinstance(value, bool) and isinstance(value, int | float) and least <= value <= most
