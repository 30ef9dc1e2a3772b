"""Plan files: a treatment plan as people write it, in TOML, checked key by key and turned into a plan."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from controller.tomlfile import Table, parse
from safety.plan import TreatmentPlan

HandpieceName = Literal["zoom", "fixed_6", "fixed_8", "fixed_10", "lens_array_6"]
SkinType = Literal["I", "II", "III", "IV", "V", "VI"]


class BeamTable(Table):
    """What each pulse shall be."""

    wavelength_nm: int = Field(ge=400, le=1400, description="Wavelength, in nm.")
    mode_width_ps: int = Field(ge=100, le=2000, description="Nominal pulse width of the mode, in ps.")
    handpiece: HandpieceName = Field(description="The handpiece.")
    spot_mm: float = Field(gt=0, le=20, allow_inf_nan=False, description="Spot diameter, in mm.")
    pulse_energy_mj: float = Field(gt=0, le=500, allow_inf_nan=False, description="Pulse energy, in mJ.")
    fluence_j_cm2: float | None = Field(
        None,
        gt=0,
        le=100,
        allow_inf_nan=False,
        description="Fluence, in J/cm2, to be checked against energy and spot.",
    )
    rep_rate_hz: float = Field(gt=0, le=20, allow_inf_nan=False, description="Repetition rate, in Hz.")


class TreatmentTable(Table):
    """How many pulses, and how they are divided."""

    passes: int = Field(ge=1, le=20, description="Passes over the area.")
    series: list[int] = Field(
        min_length=1, max_length=1000, description="Pulses of each series; the foot is released between."
    )


class PlanFile(Table):
    """The whole file."""

    # Not Literal[1]: to that, `true` is 1.
    format: int = Field(ge=1, le=1, description="Version of this form.")
    name: str = Field(min_length=1, max_length=80, description="What the operator reads.")
    indication: str = Field(min_length=1, max_length=40, description="What is treated; or service.")
    skin_type: SkinType | None = Field(None, description="Fitzpatrick skin type; none in a service plan.")
    trigger: Literal["foot", "internal"] = Field(
        "foot", description="What fires; internal, without a foot, in a service plan alone."
    )
    rehearsal: bool = Field(False, description="Whether the shutter stays closed.")
    subject: str | None = Field(None, min_length=1, max_length=32, description="Pseudonym of who is treated.")
    acknowledged: list[str] = Field(
        default_factory=list,
        max_length=10,
        description="Conditions the operator has confirmed (test_spot, ...).",
    )
    beam: BeamTable
    treatment: TreatmentTable


@dataclass(frozen=True, slots=True)
class LoadedPlan:
    """A plan and the text it was read from, by its hash."""

    plan: TreatmentPlan
    text: str
    sha256: str


def parse_plan(text: str, path: Path) -> LoadedPlan:
    """The plan in `text`; raises TomlError with everything that is wrong with the file.

    Only the form is checked here. Whether the plan may be carried out is `safety.plan_check`'s question.
    """
    file = parse(text, path, PlanFile)
    plan = TreatmentPlan(
        name=file.name,
        indication=file.indication,
        skin_type=file.skin_type,
        wavelength_nm=file.beam.wavelength_nm,
        mode_width_ps=file.beam.mode_width_ps,
        handpiece=file.beam.handpiece,
        spot_mm=file.beam.spot_mm,
        pulse_energy_mj=file.beam.pulse_energy_mj,
        fluence_j_cm2=file.beam.fluence_j_cm2,
        rep_rate_hz=file.beam.rep_rate_hz,
        passes=file.treatment.passes,
        series=tuple(file.treatment.series),
        rehearsal=file.rehearsal,
        trigger=file.trigger,
        subject=file.subject,
        acknowledged=tuple(file.acknowledged),
    )
    return LoadedPlan(plan, text, hashlib.sha256(text.encode()).hexdigest())
