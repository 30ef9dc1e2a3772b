"""`picolase plan new`: asks its way to a plan that `plan check` accepts, and writes it as a file."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from controller.cli.app import json_option, note, print_json
from controller.cli.exits import CommandFailed, Exit

if TYPE_CHECKING:
    from controller.plan_draft import Draft, Question
    from safety.plan import PlanRefusal


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option(
    "--answers",
    type=click.Path(path_type=Path),
    metavar="JSON",
    help="Answers by the name of their question; what is not in it takes its default.",
)
@json_option
def new(file: Path | None, answers: Path | None, as_json: bool) -> None:
    """Ask for a plan, question by question, and write it to FILE.

    Each question shows what is allowed, and an answer that is not is refused with the reason. Bounds are
    those of the indication and of a device with every module; `picolase plan check` asks the laser.
    Ctrl-C writes nothing, and no file is ever overwritten. Needs no daemon.

    \b
    With --answers nothing is asked: JSON like {"indication": "tattoo", "skin_type": "II", "series": [20]},
    with any of: indication, skin_type, wavelength_nm, mode_width_ps, handpiece, spot_mm, pulse_energy_mj,
    rep_rate_hz, area_cm2, overlap_percent, series, passes, subject, rehearsal, name, acknowledged.
    Status 3: an answer is refused or missing. Status 7: JSON cannot be used.

    \b
    Example:  picolase plan new forearm.toml
    """
    from controller.plan_draft import QUESTIONS, Draft
    from controller.plans import parse_plan, plan_toml
    from safety.limits import DEVICE_CLASS
    from safety.plan_check import check_plan

    _free(file)
    draft = Draft(DEVICE_CLASS)
    scripted = None if answers is None else _Scripted(answers, [question.key for question in QUESTIONS])
    for question in QUESTIONS:
        if question.of_service or not draft.plan.service:
            if scripted is None:
                _ask(draft, question)
            else:
                scripted.answer(draft, question)
    if scripted is not None:
        scripted.done(draft)
    plan = draft.plan
    path = file or Path((re.sub(r"[^a-z0-9]+", "-", plan.name.lower()).strip("-") or "plan") + ".toml")
    text = plan_toml(plan)
    written = parse_plan(text, path)
    if refused := check_plan(written.plan, DEVICE_CLASS):  # would be this program's own fault
        raise CommandFailed(
            Exit.FAILED, "The plan is refused as a whole. Nothing was written.", _told(refused)
        )
    _free(path)
    try:
        with path.open("x", encoding="utf-8") as out:
            out.write(text)
    except OSError as error:
        raise CommandFailed(Exit.FAILED, f"{path} cannot be written: {error.strerror}.") from error
    if as_json:
        print_json({"file": str(path), "sha256": written.sha256, "plan": asdict(written.plan)})
    note(f"Written: {path}. Next: `picolase plan check {path}`, with the laser connected.")


def _free(path: Path | None) -> None:
    if path is not None and path.exists():
        raise CommandFailed(Exit.REFUSED, f"{path} exists, and no file is overwritten. Give another name.")


def _ask(draft: Draft, question: Question) -> None:
    """Ask until the answer is taken; each refusal says why."""
    from safety.preset import CONDITION_WORDS

    while True:
        raw = _prompt(question.words(draft), question.default(draft), question.key)
        try:
            value = question.parse(raw)
        except ValueError as error:
            note(f"  refused: {error}")
            continue
        refused = draft.answer(question.key, value)
        needed = _conditions(refused)
        for condition in needed:
            # The answer stands only if all of it is confirmed; the reason is shown before it is asked.
            note(f"  {_told(refused)[0]}")
            if not click.confirm(f"  {condition.value}: {CONDITION_WORDS[condition]}. Is it so", err=True):
                break
            draft.acknowledge(condition)
            refused = draft.answer(question.key, value)
        if not refused:
            if question.key == "pulse_energy_mj":
                _say_fluence(draft)
            return
        for told in _told(refused):
            note(f"  refused: {told}")


def _prompt(words: str, default: str | None, key: str) -> str:
    try:
        return str(click.prompt(words, default=default, show_default=bool(default), type=str, err=True))
    except click.Abort:
        if sys.stdin.isatty():
            raise
        raise CommandFailed(Exit.REFUSED, f"There is no answer for {key}. Nothing was written.") from None


def _say_fluence(draft: Draft) -> None:
    from controller.plan_draft import fluence_words

    note(f"  = {fluence_words(draft.plan.pulse_energy_mj, draft.plan.spot_mm)}")


def _conditions(refused: list[PlanRefusal]) -> list[Any]:
    """The conditions to be confirmed, where nothing else stands against the answer."""
    from safety.preset import Condition

    by_code = {f"plan.needs_{condition.value}": condition for condition in Condition}
    if any(one.code not in by_code for one in refused):
        return []
    return [by_code[one.code] for one in refused]


def _told(refused: Any) -> list[str]:
    return [
        f"{one.field} = {one.value!r}: allowed {one.allowed} [{one.source}]; {one.action}" for one in refused
    ]


class _Scripted:
    """Answers from a file, each used once; whatever is refused ends it all, with every reason against it."""

    def __init__(self, path: Path, keys: list[str]) -> None:
        self._path = path
        try:
            self._given = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise CommandFailed(Exit.BAD_INPUT, f"{path} cannot be used: {error}.") from error
        if not isinstance(self._given, dict):
            raise CommandFailed(Exit.BAD_INPUT, f"{path} cannot be used: it is no JSON object.")
        if strangers := sorted(set(self._given) - {*keys, "acknowledged"}):
            raise CommandFailed(
                Exit.BAD_INPUT,
                f"{path}: nobody asks for {', '.join(strangers)}.",
                [f"known: {', '.join(keys)}"],
            )
        acknowledged = self._given.pop("acknowledged", [])
        if not isinstance(acknowledged, list) or not all(isinstance(one, str) for one in acknowledged):
            raise CommandFailed(Exit.BAD_INPUT, f"{path}: acknowledged is a list of names.")
        self._acknowledged: list[str] = acknowledged

    def answer(self, draft: Draft, question: Question) -> None:
        """Answer one question; raises CommandFailed with every reason against the answer."""
        if question.key in self._given:
            value = self._value(question)
        else:
            default = question.default(draft)
            if default is None:
                raise CommandFailed(
                    Exit.REFUSED,
                    f"{self._path}: there is no answer for {question.key}. Nothing was written.",
                    [question.words(draft)],
                )
            value = question.parse(default)
        refused = draft.answer(question.key, value)
        for condition in _conditions(refused):
            if condition.value in self._acknowledged:
                draft.acknowledge(condition)
                refused = draft.answer(question.key, value)
        if refused:
            raise CommandFailed(
                Exit.REFUSED, f"{self._path}: {question.key} is refused. Nothing was written.", _told(refused)
            )

    def _value(self, question: Question) -> Any:
        """The answer as the question reads it: JSON's own kinds, or the text that a person would type."""
        value = self._given.pop(question.key)
        if value is None:
            text = ""
        elif isinstance(value, list):
            text = ", ".join(map(str, value))
        else:
            text = str(value)
        try:
            return question.parse(text)
        except ValueError as error:
            raise CommandFailed(
                Exit.REFUSED,
                f"{self._path}: {question.key} = {value!r} is refused: {error}. Nothing was written.",
            ) from None

    def done(self, draft: Draft) -> None:
        """Refuse what was answered and not asked: it belongs to another kind of plan."""
        strangers = [*self._given, *(one for one in self._acknowledged if one not in draft.plan.acknowledged)]
        if strangers:
            raise CommandFailed(
                Exit.REFUSED,
                f"{self._path}: {', '.join(strangers)} is not asked for this plan. Nothing was written.",
                ["take it out: what is confirmed without need was meant for another plan"],
            )
