"""Plan files: a treatment plan as people write it, in TOML, checked key by key; and a plan written as one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from controller.tomlfile import Table, parse
from safety.exposure_plan import plan_hazard
from safety.fluence import fluence_j_cm2
from safety.plan import PlanRefusal, TreatmentPlan
from safety.presets import PRESETS

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
    area_cm2: float | None = Field(
        None, gt=0, le=20_000, allow_inf_nan=False, description="Area that one pass covers, in cm2."
    )
    overlap_percent: float | None = Field(
        None,
        ge=0,
        le=100,
        allow_inf_nan=False,
        description="Overlap of neighbouring spots, in percent of their diameter.",
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
        area_cm2=file.treatment.area_cm2,
        overlap_percent=file.treatment.overlap_percent,
    )
    return LoadedPlan(plan, text, hashlib.sha256(text.encode()).hexdigest())


def plan_toml(plan: TreatmentPlan) -> str:
    """The text of a plan file that says this plan, with comments for whoever reads it.

    For a plan without refusals; `parse_plan` reads the same plan from it.
    """
    fluence = float(f"{fluence_j_cm2(plan.pulse_energy_mj, plan.spot_mm):.4g}")
    preset = PRESETS.get(plan.indication)
    lines = ["# `picolase plan check FILE` looks at this plan, `picolase plan run FILE` carries it out."]
    if preset is not None:
        lines += [
            f"# Bounds: {preset.source}.",
            f"# End point: {preset.end_point}. STOP at {preset.stop_at}.",
            f"# Up to {preset.sessions_max} sessions, {preset.interval_weeks} weeks or more between them.",
        ]
        lines += [f"# Note: {preset.note}."] * bool(preset.note)
    lines += ["format = 1", f"name = {_quoted(plan.name)}", f"indication = {_quoted(plan.indication)}"]
    if plan.skin_type is not None:
        lines.append(_line("skin_type", _quoted(plan.skin_type), "Fitzpatrick"))
    if plan.subject is not None:
        lines.append(_line("subject", _quoted(plan.subject), "a pseudonym, never a name"))
    if plan.acknowledged:
        named = f"[{', '.join(map(_quoted, plan.acknowledged))}]"
        lines.append(_line("acknowledged", named, "confirmed by name when this plan was made"))
    if plan.trigger != "foot":
        lines.append(_line("trigger", _quoted(plan.trigger), "fires by itself, without a foot"))
    lines += [
        _line("rehearsal", str(plan.rehearsal).lower(), "true: the shutter stays closed"),
        "",
        "[beam]",
        f"wavelength_nm = {plan.wavelength_nm}",
        f"mode_width_ps = {plan.mode_width_ps}",
        f"handpiece = {_quoted(plan.handpiece)}",
        f"spot_mm = {float(plan.spot_mm)!r}",
        _line("pulse_energy_mj", float(plan.pulse_energy_mj), "what is held; the fluence follows"),
        _line("fluence_j_cm2", fluence, "for people; checked against energy and spot"),
        f"rep_rate_hz = {float(plan.rep_rate_hz)!r}",
        "",
        "[treatment]",
        f"passes = {plan.passes}",
        _line("series", list(plan.series), "pulses of each; the foot is released between them"),
    ]
    if plan.area_cm2 is not None:
        lines.append(_line("area_cm2", float(plan.area_cm2), "that one pass covers"))
    if plan.overlap_percent is not None:
        lines.append(_line("overlap_percent", float(plan.overlap_percent), "of neighbouring spots' diameter"))
    return "\n".join(lines) + "\n"


def _line(key: str, value: object, comment: str) -> str:
    return f"{f'{key} = {value}':<28} # {comment}"


def _quoted(text: str) -> str:
    """A basic string of TOML: of printable text it is JSON's own."""
    return json.dumps(text, ensure_ascii=False)


def verdict(loaded: LoadedPlan, refused: Sequence[PlanRefusal]) -> dict[str, Any]:
    """Whether a plan may be carried out, every reason against it, and its summary, as JSON knows them."""
    plan = loaded.plan
    summary = asdict(plan) | {"service": plan.service, "planned_pulses": plan.pulses, "sha256": loaded.sha256}
    if not refused:
        summary["duration_s"] = plan.pulses / plan.rep_rate_hz
    summary |= plan_hazard(plan)
    return {"ok": not refused, "refusals": [asdict(one) for one in refused], "summary": summary}
