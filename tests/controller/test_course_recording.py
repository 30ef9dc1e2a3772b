"""Adverse effects told at the command line: what is asked of the daemon, as whom, and what is shown of it."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from controller.client import Client, Endpoint
from tests.controller.cli_standin import Picolase, StandIn

EFFECT = {"id": 7, "text": "oedema, mild, since 2026-03-14, not resolved", "subject": "P-7"}
FOUND = {"session": "s-1", "kind": "oedema", "severity": 1, "onset": None, "resolved": None}
WRONGLY = ("correct", "7", "--reason", "recorded_wrongly")


@pytest.mark.parametrize(
    ("arguments", "route", "body"),
    [
        (("effect", "s-1", "--kind", "oedema", "--severity", "mild"), "effects", FOUND),
        (("effect", "s-1", "--kind", "oedema", "--severity", "1"), "effects", FOUND),
        (
            ("effect", "s-1", "--kind", "pain", "--severity", "10", "--onset", "2026-03-04", "--resolved",
             "2026-03-05"),
            "effects",
            {"session": "s-1", "kind": "pain", "severity": 10, "onset": "2026-03-04",
             "resolved": "2026-03-05"},
        ),
        (("resolve", "7"), "effects/resolve", {"effect": 7, "on": None}),
        (("resolve", "7", "--on", "2026-03-12"), "effects/resolve", {"effect": 7, "on": "2026-03-12"}),
        (
            ("correct", "7", "--reason", "recorded_twice"),
            "effects/correct",
            {"effect": 7, "reason": "recorded_twice", "instead": None},
        ),
        (
            (*WRONGLY, "--kind", "pain", "--severity", "0", "--session", "s-2"),
            "effects/correct",
            {"effect": 7, "reason": "recorded_wrongly",
             "instead": {"kind": "pain", "severity": 0, "onset": None, "resolved": None, "session": "s-2"}},
        ),
        (
            (*WRONGLY, "--kind", "crusting", "--severity", "severe", "--onset", "2026-03-05"),
            "effects/correct",
            {"effect": 7, "reason": "recorded_wrongly",
             "instead": {"kind": "crusting", "severity": 3, "onset": "2026-03-05", "resolved": None}},
        ),
    ],
)  # fmt: skip
def test_what_is_told_of_an_effect_goes_to_the_daemon_with_the_login(
    picolase: Picolase, daemon: StandIn, arguments: tuple[str, ...], route: str, body: dict[str, Any]
) -> None:
    daemon.answers[route] = EFFECT
    result = picolase("course", *arguments, "--json", environment={"PICOLASE_TOKEN": "of anna"})
    assert result.exit_code == 0, result.output
    assert daemon.asked == [(route, body, "Bearer of anna")]
    assert json.loads(result.stdout) == EFFECT
    assert "umber 7: oedema, mild, since 2026-03-14, not resolved" in result.stderr
    assert "names no subject" not in result.stderr


def test_of_a_session_without_a_subject_it_is_said_that_nobody_will_be_shown_it(
    picolase: Picolase, daemon: StandIn
) -> None:
    daemon.answers["effects"] = EFFECT | {"subject": None}
    result = picolase("course", "effect", "s-2", "--kind", "oedema", "--severity", "1")
    assert "names no subject" in result.stderr
    assert result.stdout == ""


def test_what_stands_instead_of_a_mistaken_one_is_told_with_it(picolase: Picolase, daemon: StandIn) -> None:
    new = {"id": 8, "text": "pain, 0/10; instead of number 7", "subject": "P-7"}
    daemon.answers["effects/correct"] = EFFECT | {"recorded": new}
    result = picolase("course", *WRONGLY, "--kind", "pain", "--severity", "0")
    assert "Number 7: oedema" in result.stderr
    assert "Recorded as number 8: pain, 0/10; instead of number 7." in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("effect", "s-1", "--kind", "itching", "--severity", "mild"), "is not one of"),
        (("effect", "s-1", "--kind", "pain", "--severity", "awful"), "pain: 0 to 10"),
        (("effect", "s-1", "--kind", "pain"), "--severity"),
        (("effect", "s-1", "--kind", "pain", "--severity", "1", "--onset", "yesterday"), "--onset"),
        (("resolve", "0"), "0"),
        (("correct", "7"), "--reason"),
        (("correct", "7", "--reason", "sorry"), "is not one of"),
        (WRONGLY, "needs --kind and --severity"),
        ((*WRONGLY, "--kind", "pain"), "needs --kind and --severity"),
        ((*WRONGLY, "--severity", "0"), "needs --kind and --severity"),
        ((*WRONGLY, "--session", "s-2"), "needs --kind and --severity"),
        (("correct", "7", "--reason", "not_there", "--kind", "pain", "--severity", "0"), "no other reason"),
        (("correct", "7", "--reason", "recorded_twice", "--onset", "2026-03-04"), "no other reason"),
        (("correct", "7", "--reason", "not_there", "--severity", "0"), "no other reason"),
    ],
)
def test_a_command_that_was_written_wrongly_asks_for_nothing(
    picolase: Picolase, daemon: StandIn, arguments: tuple[str, ...], words: str
) -> None:
    result = picolase("course", *arguments)
    assert result.exit_code == 2, result.output
    assert words in result.stderr
    assert daemon.asked == []


@pytest.mark.parametrize(("status_", "exit_"), [(422, 3), (401, 6), (403, 6), (503, 1)])
def test_what_the_daemon_refuses_is_told_with_a_status_of_its_own(
    picolase: Picolase, daemon: StandIn, status_: int, exit_: int
) -> None:
    refusal = {"error": "effect", "message": "there is no such effect", "reasons": [], "problems": []}
    daemon.answers["effects/resolve"] = (status_, refusal)
    result = picolase("course", "resolve", "7")
    assert result.exit_code == exit_
    assert "there is no such effect" in result.stderr
    assert result.stdout == ""


def test_without_a_daemon_nothing_can_be_recorded_and_it_is_said_how_to_start_one(
    picolase: Picolase, config: Path
) -> None:
    for arguments in (
        ("effect", "s-1", "--kind", "pain", "--severity", "1"),
        ("resolve", "1"),
        ("correct", "1", "--reason", "not_there"),
    ):
        result = picolase("course", *arguments)
        assert result.exit_code == 5
        assert "run`, then try again" in result.stderr
    assert not (config.parent / "picolase.db").exists()


def test_the_client_asks_for_the_course_of_a_subject_whatever_its_letters(daemon: StandIn) -> None:
    daemon.answers["courses/P 7/é?"] = {"subject": "P 7/É?"}

    async def asked() -> dict[str, Any]:
        async with Client(Endpoint(daemon.socket), "of vera") as client:
            return await client.course("P 7/é?")

    assert asyncio.run(asked()) == {"subject": "P 7/É?"}
    assert daemon.asked == [("courses/P 7/é?", None, "Bearer of vera")]
