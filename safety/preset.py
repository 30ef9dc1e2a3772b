"""A treatment preset: what bounds an indication has, where each comes from, and the energies they mean.

What a preset holds is pulse energy: fluence bounds are published figures and become energies with a spot. A
least fluence counts as met within half of its last digit (200 mJ in 6 mm is 0.707 J/cm2 and published as
0.71); a ceiling is taken as it stands, since only the ceiling can burn. The figures are in
`safety.presets`. Where a row says nothing, the stricter reading holds: locked, or as its neighbours.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from protocols.messages import Handpiece
from safety.fluence import half_last_digit, pulse_energy_mj

SKIN_TYPES: Final = ("I", "II", "III", "IV", "V", "VI")
"""Fitzpatrick's scale."""

SERVICE: Final = "service"
"""The indication of a service plan: light for maintenance and tests, on no person, so no bounds but the
device's own hold. Only the service role carries it out."""


class Condition(enum.Enum):
    """What an operator must have confirmed, by this name in the plan, before a bound allows a treatment."""

    TEST_SPOT = "test_spot"  # a test spot was made and looked at after its waiting time
    SKIN_RISK = "skin_risk"  # the raised risk of pigment change for this skin type was accepted
    EXPERT = "expert"  # the operator treats this indication on their own expertise
    ABOVE_START = "above_start"  # an earlier session at the start fluence was tolerated


CONDITION_WORDS: Final[Mapping[Condition, str]] = {
    # [C] four weeks: T024's interval; pigment changes show late, and no row states the waiting time.
    Condition.TEST_SPOT: "make a test spot, look at it after its waiting time (4 weeks), then confirm it",
    Condition.SKIN_RISK: "weigh the risk of pigment change with the subject, then confirm it",
    Condition.EXPERT: "only with one's own expertise in this indication: confirm it",
    Condition.ABOVE_START: "begin at the start fluence; above it only after a tolerated session: confirm it",
}
"""What to do for each, in the words of a refusal."""


class Locked(enum.Enum):
    """This skin type is not treated with this preset at all."""

    LOCKED = "locked"


SkinRule = Condition | Locked | None  # None: allowed without more ado


class Confidence(enum.Enum):
    """How far a bound is known."""

    PUBLISHED = "published"
    DERIVED = "derived"  # from published rows, by the row of the preset
    CHOICE = "choice, to be confirmed"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a bound comes from."""

    rows: str
    confidence: Confidence

    def __str__(self) -> str:
        return f"{self.rows} ({self.confidence.value})"


BOUNDS: Final = (
    "wavelength_nm",
    "mode_widths_ps",
    "handpieces",
    "spots_mm",
    "least_fluence_j_cm2",
    "start_fluence_max_j_cm2",
    "fluence_ceiling_j_cm2",
    "rep_rate_max_hz",
    "passes_max",
    "overlap_max_percent",
    "interval_weeks",
    "interval_weeks_least",
    "sessions_max",
    "skin",
    "end_point",
    "stop_at",
    "start",
)
"""The fields of a preset that need a source."""


@dataclass(frozen=True, slots=True)
class Start:
    """The set-point that a preset holds: where a first treatment begins."""

    pulse_energy_mj: float
    spot_mm: float
    mode_width_ps: int
    handpiece: Handpiece


@dataclass(frozen=True, slots=True)
class Energies:
    """The pulse energies that a preset's fluences mean in one spot, in mJ."""

    least_mj: float  # 0: no lower bound
    start_max_mj: float  # beyond it, up to the most, only with Condition.ABOVE_START
    most_mj: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """Bounds of one indication; all inclusive."""

    indication: str
    family: str  # of the four kinds of treatment that the laser is for
    sources: Mapping[str, Source]  # of each of BOUNDS
    wavelength_nm: int
    mode_widths_ps: tuple[int, int]
    handpieces: tuple[Handpiece, ...]
    spots_mm: tuple[float, float]
    least_fluence_j_cm2: str  # as published, since its last digit matters; empty = no lower bound
    start_fluence_max_j_cm2: float  # beyond it, up to the ceiling, only with Condition.ABOVE_START
    fluence_ceiling_j_cm2: float
    rep_rate_max_hz: float
    passes_max: int
    overlap_max_percent: float
    interval_weeks: int  # between sessions, as planned
    interval_weeks_least: int  # earlier than that no study treated
    sessions_max: int
    skin: Mapping[str, SkinRule]
    end_point: str  # what to see when it is enough
    stop_at: str  # what to stop at
    start: Start
    note: str = ""  # for who plans

    @property
    def source(self) -> str:
        """Where the preset as a whole comes from."""
        return self.source_of("skin")

    def source_of(self, bound: str) -> str:
        """Where one of BOUNDS comes from, and how far it is known."""
        return str(self.sources[bound])

    def energies(self, spot_mm: float) -> Energies:
        """The pulse energies that the fluence bounds mean in this spot; raises FluenceError for none."""
        least = self.least_fluence_j_cm2
        return Energies(
            pulse_energy_mj(float(least) - half_last_digit(least), spot_mm) if least else 0.0,
            pulse_energy_mj(self.start_fluence_max_j_cm2, spot_mm),
            pulse_energy_mj(self.fluence_ceiling_j_cm2, spot_mm),
        )


@dataclass(frozen=True, slots=True)
class LockedWavelength:
    """An indication that was treated at this wavelength by somebody, with figures too few to bound it."""

    indication: str
    wavelength_nm: int
    source: str
    unknown: str  # what its rows do not say
