"""People at the command line: the first administrator, those who are barred, locked out, and second."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from controller.cli import second as cli_second
from controller.operators import password_matches
from controller.store import Reader, Store
from tests.controller.cli_standin import SESSION, Picolase, StandIn, status

PASSWORD = "correct horse battery"
CONFIRMED = ("--confirm-eyewear", "755", "--confirm-checklist")
NEEDED = (
    403,
    {"error": "second.needed", "message": "it needs a second person: ask one", "reasons": [], "problems": []},
)


@pytest.fixture
def database(config: Path) -> Path:
    return config.parent / "picolase.db"


def add(picolase: Picolase, name: str, *arguments: str) -> str:
    result = picolase("user", "add", name, *arguments, "--password-stdin", typed=f"{PASSWORD}\n")
    assert result.exit_code == 0, result.output
    return result.stderr


def listed(picolase: Picolase) -> dict[str, dict[str, object]]:
    return {row["name"]: row for row in json.loads(picolase("user", "list", "--json").stdout)}


def test_the_first_administrator_is_made_on_the_machine_and_missing_ones_are_told_of(
    picolase: Picolase, database: Path
) -> None:
    assert "there is no administrator" in add(picolase, "anna")
    assert "Note" not in add(picolase, "ada", "--role", "administrator")
    assert "Note" not in add(picolase, "bert")
    assert listed(picolase)["ada"]["role"] == "administrator"
    gone = picolase("user", "disable", "ada")
    assert gone.exit_code == 0
    assert "there is no administrator" in gone.stderr
    with Reader.open(database) as reader:
        ada = reader.operator("ada")
        assert ada is not None
        assert password_matches(ada.password_hash, PASSWORD)
        assert PASSWORD not in str([entry.body for entry in reader.audit_entries()])


@pytest.mark.parametrize("word", ["disable", "remove"])
def test_who_is_disabled_can_be_enabled_again(picolase: Picolase, word: str) -> None:
    add(picolase, "anna")
    assert picolase("user", word, "anna").exit_code == 0
    assert listed(picolase)["anna"]["active"] is False
    assert picolase("user", "enable", "anna").exit_code == 0
    assert listed(picolase)["anna"]["active"] is True


def test_a_lock_out_is_shown_and_ended(picolase: Picolase, database: Path) -> None:
    add(picolase, "anna")
    for failures, locked in ((4, False), (5, True), (6, True)):
        with Store.open(database, wall_clock=lambda: datetime.now(UTC)) as store:
            store.note_login("anna", accepted=False, failed_logins=failures, now_us=0)
        assert listed(picolase)["anna"]["locked_out"] is locked
    assert picolase("user", "unlock", "anna").exit_code == 0
    assert listed(picolase)["anna"]["locked_out"] is False
    with Reader.open(database) as reader:
        *_, last = reader.audit_entries()
    assert (last.kind, last.actor[:4]) == ("operator.unlock", "cli:")


@pytest.mark.parametrize("command", ["disable", "enable", "unlock"])
def test_a_name_that_nobody_has_is_told(picolase: Picolase, command: str) -> None:
    add(picolase, "anna")
    result = picolase("user", command, "nobody")
    assert result.exit_code == 1
    assert "nobody" in result.stderr


def test_a_training_that_ends_is_told_in_the_list(picolase: Picolase) -> None:
    soon = datetime.now(UTC) + timedelta(days=10)
    add(picolase, "anna", "--trained", "755", "--until", f"{soon:%Y-%m-%d}")
    add(picolase, "bert", "--trained", "755")
    add(picolase, "carl", "--trained", "755", "--until", "2020-01-01")
    people = listed(picolase)
    assert [one["days_left"] for one in people["anna"]["ending"]] == [9]  # type: ignore[attr-defined]
    assert people["bert"]["ending"] == []
    text = picolase("user", "list").stderr
    assert f"anna's training for 755 nm ends on {soon:%Y-%m-%d}, in 9 days" in text
    assert "carl's training for 755 nm ended on 2020-01-01" in text
    assert "bert" not in text
    picolase("user", "disable", "carl")
    assert "carl" not in picolase("user", "list").stderr


@pytest.mark.parametrize("wavelength_nm", ["399", "1401", "0", "-755", "755.5", "red"])
def test_a_wavelength_beyond_what_is_known_here_is_refused(picolase: Picolase, wavelength_nm: str) -> None:
    add(picolase, "anna")
    result = picolase("user", "train", "anna", "--", wavelength_nm)
    assert result.exit_code == 2
    assert listed(picolase)["anna"]["trained"] == {}


def test_a_training_that_is_over_already_is_told_when_it_is_recorded(picolase: Picolase) -> None:
    """A wrong year is a slip; to end a training is meant. Both are recorded, and said."""
    late = add(picolase, "anna", "--trained", "755", "--until", "2020-01-01")
    assert "anna's training for 755 nm is over since 2020-01-01" in late
    again = picolase("user", "train", "anna", "532", "--until", "2020-01-01")
    assert "anna's training for 532 nm is over" in again.stderr
    assert "is over" not in picolase("user", "train", "anna", "1064").stderr


def test_without_a_terminal_the_way_to_give_a_password_is_told(picolase: Picolase) -> None:
    for command in (("user", "add", "anna"), ("login", "anna")):
        result = picolase(*command, typed="")
        assert result.exit_code == 2
        assert "no terminal to ask for a password" in result.stderr


# -- what the daemon tells


def test_login_and_status_say_what_the_daemon_tells_of_people(picolase: Picolase, daemon: StandIn) -> None:
    training = {"name": "anna", "text": "anna's training for 755 nm ends on 2026-03-09, in 9 days"}
    daemon.answers["login"] = {
        "token": "t0ken", "name": "anna", "role": "operator", "idle_lock_s": 900, "training": [training],
    }  # fmt: skip
    result = picolase("login", "anna", "--password-stdin", typed="x\n")
    assert "ends on 2026-03-09, in 9 days." in result.stderr
    daemon.answers["status"] = status() | {
        "people": {"operators": 1, "administrators": 0, "lacking": ["nobody is it"], "training": [training]}
    }
    shown = picolase("status").stdout
    assert "people: nobody is it" in shown
    assert "people: anna's training" in shown
    daemon.answers["status"] = status() | {"people": None}
    assert picolase("status").exit_code == 0


# -- the second person


@pytest.fixture(params=["resolve", "plan abandon", "plan resume"])
def act(request: pytest.FixtureRequest, daemon: StandIn) -> tuple[list[str], str]:
    """A command that may need two persons, and its route."""
    command = request.param.split()
    daemon.answers["status"] = status()
    route = {"resolve": "resolve", "abandon": "sessions/abandon", "resume": "sessions/resume"}[command[-1]]
    return (command + list(CONFIRMED) if command[-1] == "resume" else command), route


DONE = {"settled": [], "open": []} | SESSION | {"state": "abandoned"}


def test_without_a_terminal_the_missing_second_person_is_told(
    picolase: Picolase, daemon: StandIn, act: tuple[list[str], str]
) -> None:
    command, route = act
    daemon.answers[route] = NEEDED
    result = picolase(*command)
    assert result.exit_code == 6
    assert "needs a second person" in result.stderr
    assert "picolase login" not in result.stderr, "whoever asks is logged in"
    assert daemon.routes().count(route) == 1


def test_a_second_person_is_named_beforehand_with_the_password_from_a_pipe(
    picolase: Picolase, daemon: StandIn, act: tuple[list[str], str]
) -> None:
    command, route = act
    daemon.answers[route] = DONE
    picolase(*command, "--second", "sam", "--second-password-stdin", typed="hush\n")
    ((_, body, _),) = [one for one in daemon.asked if one[0] == route]
    assert body["second"] == {"name": "sam", "password": "hush"}


def test_at_a_terminal_the_second_person_is_asked_when_the_daemon_wants_one(
    picolase: Picolase, daemon: StandIn, act: tuple[list[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command, route = act

    class Terminal:
        @staticmethod
        def isatty() -> bool:
            return True

    class System:
        stdin = Terminal

    monkeypatch.setattr(cli_second, "sys", System)
    daemon.answers[route] = [NEEDED, DONE]
    result = picolase(*command, typed="sam\nhush\n")
    asked = [body for came, body, _ in daemon.asked if came == route]
    assert len(asked) == 2
    assert "second" not in asked[0]
    assert asked[1] == asked[0] | {"second": {"name": "sam", "password": "hush"}}
    assert "needs a second person" in result.stderr
    assert "hush" not in result.output


def test_any_other_refusal_asks_for_nobody(
    picolase: Picolase, daemon: StandIn, act: tuple[list[str], str]
) -> None:
    command, route = act
    daemon.answers[route] = (403, NEEDED[1] | {"error": "second.role", "message": "sam is viewer"})
    result = picolase(*command, "--second", "sam", "--second-password-stdin", typed="hush\n")
    assert result.exit_code == 6
    assert "sam is viewer" in result.stderr
    assert daemon.routes().count(route) == 1
