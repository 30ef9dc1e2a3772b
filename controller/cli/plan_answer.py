"""Whether a plan may be carried out: asked of the daemon, or checked here without one; and in words."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from controller.cli.app import App, console, note, print_json, table
from controller.cli.exits import CommandFailed, Exit

if TYPE_CHECKING:
    from controller.client import Answer
    from controller.plans import LoadedPlan
    from controller.tomlfile import TomlError

LASER = "laser"
DEVICE_CLASS = "device_class"
"""What a plan was checked against: the laser that is connected, or the class of device with every module."""


def checked(app: App, file: Path, *, as_json: bool, alone: bool = False) -> tuple[str, Answer]:
    """The plan's text and the answer; raises for a wrong file (7) and for refusals (3), having shown them.

    With `alone` a daemon that is not there, or has no laser, is no hindrance: the plan is checked here.
    """
    from controller import tomlfile
    from controller.plans import parse_plan

    try:
        text = tomlfile.read(file)
        loaded = parse_plan(text, file)  # what is wrong with the file itself needs no daemon to be told
    except tomlfile.TomlError as error:
        if as_json:
            print_json(_of_the_file(error))
        raise
    answer = _asked(app, loaded, file, alone=alone)
    answer["summary"] = _added(loaded) | dict(answer.get("summary") or {})
    refusals = answer.get("refusals") or ()
    if answer.get("ok") is True and not refusals:
        return text, answer
    if as_json:
        print_json(answer)
    else:
        columns = ("field", "value", "allowed", "action", "source")
        rows = [[refusal.get(column) for column in columns] for refusal in refusals]
        console().print(table(f"{file} is refused", columns, rows))
    raise CommandFailed(
        Exit.REFUSED, f"{file}: refused for {len(refusals)} reason(s), all shown above. Nothing was done."
    )


def _asked(app: App, loaded: LoadedPlan, file: Path, *, alone: bool) -> Answer:
    from controller.client import ApiRefusal, NotReachable
    from controller.commands import NO_LASER

    if alone and not _configured(app):
        return check_alone(loaded)
    try:
        return {"checked_against": LASER} | app.ask(lambda client: client.check_plan(loaded.text, str(file)))
    except (NotReachable, ApiRefusal) as error:
        if not alone or (isinstance(error, ApiRefusal) and error.code != NO_LASER.code):
            raise
        return check_alone(loaded)


def _configured(app: App) -> bool:
    """Whether there is a configuration: named, or in one of the usual places."""
    from controller.config import DEFAULT_PATHS

    return app.config_path is not None or any(path.expanduser().exists() for path in DEFAULT_PATHS)


def check_alone(loaded: LoadedPlan) -> Answer:
    """The same answer as the daemon's, against the ceilings and the class of device with all its modules."""
    from controller.plans import verdict
    from safety.limits import DEVICE_CLASS as DEVICE
    from safety.plan_check import check_plan

    return {"checked_against": DEVICE_CLASS} | verdict(loaded, check_plan(loaded.plan, DEVICE))


def _added(loaded: LoadedPlan) -> dict[str, Any]:
    """What follows from the plan alone: fluence, dose over the area, and what the preset says to watch."""
    from safety.fluence import FluenceError, fluence_j_cm2
    from safety.presets import PRESETS

    plan, added = loaded.plan, dict[str, Any]()
    with contextlib.suppress(FluenceError):  # refused for the same value, in the plan's own words
        added["derived_fluence_j_cm2"] = fluence_j_cm2(plan.pulse_energy_mj, plan.spot_mm)
    if plan.dose_j_cm2 is not None:
        added["area_dose_j_cm2"] = plan.dose_j_cm2
    if preset := PRESETS.get(plan.indication):
        added |= {
            "end_point": preset.end_point,
            "stop_at": preset.stop_at,
            "interval_weeks": preset.interval_weeks,
            "sessions_max": preset.sessions_max,
        }
    return added


def _of_the_file(error: TomlError) -> Answer:
    """A file that is no plan, in the form that a refused plan has."""
    refusals = [
        {
            "code": "plan.file",
            "field": problem.path,
            "value": problem.plain_value,
            "allowed": problem.allowed or "what the plan's form has",
            "source": "docs/plans.md",
            "action": problem.action,
            "line": problem.line,
        }
        for problem in error.problems
    ]
    return {"checked_against": None, "ok": False, "refusals": refusals}


def tell_where(answer: Mapping[str, Any]) -> str:
    """Against what the plan was checked, in a sentence."""
    if answer.get("checked_against") == DEVICE_CLASS:
        return (
            "Checked without a laser, for the class of device with every module; the laser has the last word."
        )
    return "The plan can be carried out."


def show(answer: Answer, *, as_json: bool) -> None:
    """Print the answer of a plan that is not refused."""
    if as_json:
        print_json(answer)
    else:
        console().print(in_words(answer["summary"]), markup=False)
    note(tell_where(answer))


def in_words(summary: Mapping[str, Any]) -> str:
    """A plan in a few lines, for whoever carries it out."""
    from safety.fluence import fluence_j_cm2

    # What the plan states was checked against energy and spot; where it states nothing, they say it.
    stated = summary.get("fluence_j_cm2")
    fluence = stated or fluence_j_cm2(summary["pulse_energy_mj"], summary["spot_mm"])

    def number(key: str, form: str = "g") -> str:
        value = summary.get(key)
        return format(value, form) if isinstance(value, int | float) else "?"

    series = ", ".join(map(str, summary.get("series") or ()))
    whom = f"{summary.get('indication')}, skin type {summary.get('skin_type')}"
    if summary.get("service"):
        whom = "SERVICE: light on no person"
    rehearsal = "REHEARSAL: the shutter stays closed.\n" if summary.get("rehearsal") else ""
    rehearsal += f"INTERNAL TRIGGER: {fires(summary)}.\n" if summary.get("trigger") == "internal" else ""
    return (
        f"{summary.get('name')} ({whom})\n"
        f"{rehearsal}"
        f"  {number('wavelength_nm')} nm, {number('mode_width_ps')} ps mode, "
        f"{summary.get('handpiece')} handpiece at {number('spot_mm')} mm\n"
        f"  {number('pulse_energy_mj')} mJ a pulse = {fluence:.2f} J/cm2, "
        f"{number('rep_rate_hz')} Hz\n"
        f"  {number('planned_pulses')} pulses: {number('passes')} pass(es) in series of {series}; "
        f"about {number('duration_s', '.0f')} s of pulses"
        f"{_dose(summary)}"
        f"{_watch(summary)}"
        f"{_course(summary)}"
        f"{_eyewear(summary)}"
    )


def _dose(summary: Mapping[str, Any]) -> str:
    if "area_dose_j_cm2" not in summary:
        return ""
    overlap = summary.get("overlap_percent")
    at = "" if overlap is None else f" at {overlap:g} % overlap"
    dose = f"{summary['area_dose_j_cm2']:.3g} J/cm2"
    return f"\n  {summary['area_cm2']:g} cm2{at}: {dose} in the mean over all passes"


def _watch(summary: Mapping[str, Any]) -> str:
    if "end_point" not in summary:
        return ""
    return f"\n  end point: {summary['end_point']}; STOP at {summary['stop_at']}"


def _course(summary: Mapping[str, Any]) -> str:
    """Whose course the session belongs to: of nobody's, nothing is known before the next."""
    if summary.get("service") or "subject" not in summary:
        return ""
    return f"\n  subject: {summary['subject'] or 'none named, so the session belongs to no course'}"


def _eyewear(summary: Mapping[str, Any]) -> str:
    """What the eyes of everybody need, where it is known (REQ-043)."""
    if "od" not in summary:
        return ""
    od = math.ceil(summary["od"] * 10) / 10  # a density is rounded up
    return (
        f"\n  eyewear for {summary['wavelength_nm']} nm: OD {od:.1f}, EN 207 {summary['lb']}; "
        f"the beam is a hazard to the eye up to {summary['nohd_m']:.0f} m (divergence to be confirmed)"
    )


def fires(told: Mapping[str, Any]) -> str:
    """What makes light once a laser that carries out this plan or session is READY."""
    if told.get("trigger") == "internal":
        return "the laser fires by itself, without a foot"
    return "the footswitch fires; release it after each series"
