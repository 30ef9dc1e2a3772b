"""What is confirmed in person before light: the eyewear's wavelength, each item of the checklist by name."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from controller.cli.app import note, sentence
from controller.cli.exits import CommandFailed, Exit
from safety import checklist

if TYPE_CHECKING:
    from controller.client import Answer


def confirm_options(command: click.decorators.FC) -> click.decorators.FC:
    """Give a command the options that answer its questions."""
    for option in (
        click.option(
            "--confirm-eyewear",
            "eyewear_nm",
            type=int,
            metavar="NM",
            help="Eyewear for this wavelength is worn.",
        ),
        click.option(
            "--confirm",
            "confirmed",
            multiple=True,
            type=click.Choice(list(checklist.ITEMS)),
            metavar="ITEM",
            help=f"This item of the checklist is so; once for each of: {', '.join(checklist.ITEMS)}.",
        ),
        click.option(
            "--confirm-checklist",
            "all_confirmed",
            is_flag=True,
            help="The checklist was gone through, all of it.",
        ),
        click.option(
            "--confirm-course",
            "course",
            multiple=True,
            metavar="NAME",
            help="What stands against it in the subject's course, by the name that the refusal tells; "
            "once for each.",
        ),
        click.option(
            "--confirm-service",
            "service",
            is_flag=True,
            help="Service plan: beam into a dump or power meter, nobody in its way, room controlled.",
        ),
        click.option("--arm", "arm_now", is_flag=True, help="Arm without asking."),
    ):
        command = option(command)
    return command


def confirm(
    wavelength_nm: int | None,
    eyewear_nm: int | None,
    confirmed: Sequence[str],
    *,
    all_confirmed: bool,
    service: bool,
    serves: bool,
    seen: str = "",
) -> tuple[int, list[str]]:
    """The wavelength the eyewear is for and the items that are so, once all that applies is confirmed.

    Raises otherwise.

    `seen` is what the daemon saw of the interlocks, said with the item that asks for them. `serves`: the list
    is that of a service plan. Every item of a treatment is asked by its own name, and each
    that is not so is named in the refusal.
    """
    interactive = sys.stdin.isatty()
    so = set(checklist.ITEMS) if all_confirmed else set(confirmed)
    complete = service if serves else not checklist.missing(so)
    if (eyewear_nm is None or not complete) and not interactive:
        option = "--confirm-service" if serves else "--confirm-checklist"
        raise CommandFailed(
            Exit.REFUSED,
            "Eyewear and checklist are not confirmed, and there is no terminal to ask. Nothing was done. "
            f"Give --confirm-eyewear {wavelength_nm or 'NM'} {option} once both are true"
            f"{'' if serves else ', or --confirm ITEM for each item'}.",
            [] if serves else _missing(so),
        )
    if eyewear_nm is None:
        eyewear_nm = click.prompt(
            "For which wavelength, in nm, is the eyewear everybody wears", type=int, err=True
        )
    if wavelength_nm is not None and eyewear_nm != wavelength_nm:
        raise CommandFailed(
            Exit.REFUSED,
            f"The eyewear is for {eyewear_nm} nm, the laser emits {wavelength_nm} nm. Nothing was done. "
            "Put on the right eyewear, then start again.",
        )
    if not complete:
        _ask_service() if serves else _ask_items(so, seen)
    elif seen and not serves:
        note(f"{checklist.INTERLOCKS}, {seen}.")
    return eyewear_nm, [] if serves else [key for key in checklist.ITEMS if key in so]


def ask_course(ask: Callable[[Sequence[str]], Answer], given: Sequence[str]) -> Answer:
    """Ask for a session on what is confirmed of the subject's course; what else stands against it is shown.

    At a terminal each of it can be confirmed, and the session is asked for once more.
    """
    from controller.client import ApiRefusal

    try:
        return ask(given)
    except ApiRefusal as error:
        if error.code != "course":
            raise
        names = [str(one["code"]).removeprefix("course.") for one in error.reasons]
        lines = [f"{name}: {sentence(one)}" for name, one in zip(names, error.reasons, strict=True)]
    if "unknown" in names or not sys.stdin.isatty():
        raise CommandFailed(
            Exit.REFUSED,
            "The subject's course stands against this session. Nothing was done. Look at each; what you "
            "decide to treat with is confirmed by --confirm-course NAME, once for each name.",
            lines,
        )
    note("The subject's course:")
    for name, line in zip(names, lines, strict=True):
        if not click.confirm(f"  {line}\n  Confirm {name}", err=True):
            raise CommandFailed(Exit.REFUSED, "The course is not confirmed. Nothing was done.", [line])
    return ask([*given, *names])


def _ask_service() -> None:
    from controller.session import SERVICE_CONDITIONS

    note("Service, on no person:")
    for condition in SERVICE_CONDITIONS:
        note(f"  - {condition}")
    if not click.confirm("All of it is so", err=True):
        raise CommandFailed(Exit.REFUSED, "The checklist is not confirmed. Nothing was done.")


def _ask_items(so: set[str], seen: str) -> None:
    """Ask for each item that is missing; raises CommandFailed for those that are not so."""
    note("Checklist:")
    for item in checklist.missing(so):
        known = f" ({seen})" if seen and item.key == checklist.INTERLOCKS else ""
        if click.confirm(f"  {item.key}: {item.statement}{known}", err=True):
            so.add(item.key)
    if checklist.missing(so):
        raise CommandFailed(Exit.REFUSED, "The checklist is not confirmed. Nothing was done.", _missing(so))


def _missing(so: set[str]) -> list[str]:
    return [f"{item.key}: {item.statement}; else {item.action}" for item in checklist.missing(so)]
