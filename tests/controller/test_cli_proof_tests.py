"""What was seen of the interlocks, in the words of the commands."""

from pathlib import Path
from typing import Any

import pytest

from safety.checklist import INTERLOCKS, ITEMS
from tests.controller.cli_standin import DONE, SESSION, Picolase, StandIn, status

pytestmark = pytest.mark.shows("HZ-039")

PLAN = Path(__file__).parents[2] / "plans" / "tattoo-forearm.toml"
SUMMARY = {"name": "Tattoo", "wavelength_nm": 755, "spot_mm": 3.5, "pulse_energy_mj": 173.0}
SEEN = "on record: the door was not seen open for 31 days"
EYEWEAR = ["--confirm-eyewear", "755"]


def proof(standing: str, name: str = "door") -> dict[str, Any]:
    return {
        "interlock": name,
        "standing": standing,
        "text": f"the {name} was not seen open for 31 days",
        "action": "open it",
    }


@pytest.fixture
def asked(daemon: StandIn) -> StandIn:
    """A daemon that knows a plan, and what it saw of the door."""
    known = {"due": "door", "words": SEEN, "inputs": [proof("due")]}
    daemon.answers |= {
        "plan/check": {"ok": True, "refusals": [], "summary": SUMMARY, "interlocks_seen": SEEN},
        "sessions": SESSION,
        "sessions/resume": SESSION,
        "status": status(proof_tests=known),
        "stop": {"confirmed": True, "level": "stop", "took_ms": 2.0, "text": ""},
        "arm": DONE,
    }
    return daemon


def test_the_status_names_each_proof_test_that_is_due_and_no_other(
    picolase: Picolase, daemon: StandIn
) -> None:
    inputs = [proof("due"), proof("overdue", "key"), proof("good", "remote"), proof("unwired", "cover")]
    daemon.answers["status"] = status(proof_tests={"due": "door,key", "words": "", "inputs": inputs})
    told = picolase("status").stdout
    assert told.count("proof test due: ") == 2
    assert "proof test due: the door was not seen open for 31 days: open it" in told
    assert "proof test due: the key was not seen open for 31 days: open it" in told


def test_an_older_daemon_that_tells_nothing_of_it_is_shown_as_before(
    picolase: Picolase, daemon: StandIn
) -> None:
    daemon.answers["status"] = status()
    result = picolase("status")
    assert result.exit_code == 0
    assert "proof test" not in result.stdout


@pytest.mark.parametrize("command", [["run", str(PLAN)], ["resume"]])
def test_the_question_for_the_interlocks_says_what_was_seen(
    picolase: Picolase, asked: StandIn, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    # click's runner replaces the standard input; only whether it is a terminal is pretended here.
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True, raising=False)
    result = picolase("plan", *command, *EYEWEAR, "--arm", typed="y\n" * len(ITEMS))
    assert f"{INTERLOCKS}: {ITEMS[INTERLOCKS].statement} ({SEEN})" in result.stderr
    assert result.stderr.count(SEEN) == 1


@pytest.mark.parametrize("command", [["run", str(PLAN)], ["resume"]])
def test_where_all_is_confirmed_at_once_it_is_said_all_the_same(
    picolase: Picolase, asked: StandIn, command: list[str]
) -> None:
    told = picolase("plan", *command, *EYEWEAR, "--confirm-checklist").stderr
    assert f"{INTERLOCKS}, {SEEN}." in told


def test_a_service_plan_has_other_confirmations(picolase: Picolase, asked: StandIn) -> None:
    asked.answers["plan/check"] |= {"summary": SUMMARY | {"service": True}}
    assert SEEN not in picolase("plan", "run", str(PLAN), *EYEWEAR, "--confirm-service").stderr
