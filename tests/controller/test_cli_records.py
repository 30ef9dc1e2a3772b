"""The commands that work on the database itself: operators, log, pulses, incidents, backup, audit."""

import csv
import io
import json
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from controller.cli.main import main
from controller.operators import password_matches
from controller.store import (
    DeviceRecord,
    EventKind,
    PulseRecord,
    Reader,
    Role,
    Severity,
    Store,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SERIAL = "PL755-0001"

Picolase = Callable[..., Result]


def pulse(number: int, session: str | None) -> PulseRecord:
    """A good pulse; those without a session are calibration pulses."""
    return PulseRecord(
        device_serial=SERIAL,
        pulse_number=number,
        device_boot=1,
        permit_id=0 if session is None else 7,
        series=1,
        device_time_us=number * 200_000,
        set_energy_mj=173.0,
        monitor_a_mj=170.0 + number,
        monitor_b_mj=None if number == 5 else 171.0 + number,
        pulse_width_ps=751.0,
        wavelength_nm=755,
        mode_width_ps=750,
        spot_mm=3.5,
        handpiece="zoom",
        flags=frozenset({"calibration"} if session is None else {"unknown"} if number == 5 else ()),
        aperture=session is not None and number != 5,
        unknown=number == 5,
        fluence_j_cm2=1.8 if session else 0.0,
        session_id=session,
        wall_time=NOW,
        mono_us=number,
    )


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database with a session, six pulses, an event and an incident."""
    path = tmp_path / "picolase.db"
    (tmp_path / "picolase.toml").write_text('[device]\nurl = "/dev/ttyUSB0"\n')
    with Store.open(path, wall_clock=lambda: NOW) as store:
        store.save_device(DeviceRecord(SERIAL, "PL755", "1.0", True, {}, 0))
        store.open_session(
            "s-1",
            device_serial=SERIAL,
            operator="anna",
            plan={"name": "x"},
            plan_sha256="0" * 64,
            planned_pulses=60,
            now_us=1,
        )
        store.record_pulses([pulse(number, None if number < 3 else "s-1") for number in range(1, 7)])
        store.record_event(
            EventKind.FAULT, Severity.ERROR, "the door opened", {"door": False}, actor="device", now_us=5
        )
        store.save_incident("i-1", "door", {"frames": [1, 2, 3]}, now_us=6)
    return path


@pytest.fixture
def picolase(tmp_path: Path) -> Picolase:
    """Run `picolase ...` with the configuration beside the database."""

    def run(*arguments: str, typed: str | None = None) -> Result:
        env = {"PICOLASE_CONFIG": str(tmp_path / "picolase.toml")}
        return CliRunner(env=env).invoke(main, arguments, input=typed)

    return run


# -- operators


def test_an_operator_is_added_listed_changed_and_barred(picolase: Picolase, database: Path) -> None:
    arguments = ["--trained", "755", "--trained", "532", "--until", "2027-03-01", "--password-stdin"]
    added = picolase("user", "add", "anna", *arguments, typed="correct horse battery\n")
    assert added.exit_code == 0, added.output
    (row,) = json.loads(picolase("user", "list", "--json").stdout)
    assert row["name"] == "anna"
    assert row["role"] == "operator"
    assert row["trained"] == {"755": "2027-03-01", "532": "2027-03-01"}
    assert "hash" not in str(row)
    assert "532 nm until 2027-03-01, 755 nm until 2027-03-01" in picolase("user", "list").stdout

    assert picolase("user", "password", "anna", "--password-stdin", typed="another good one\n").exit_code == 0
    assert picolase("user", "train", "anna", "1064", "--until", "2028-01-01").exit_code == 0
    assert picolase("user", "remove", "anna").exit_code == 0
    with Reader.open(database) as reader:
        operator = reader.operator("anna")
        assert operator is not None
        assert password_matches(operator.password_hash, "another good one")
        assert not password_matches(operator.password_hash, "correct horse battery")
        assert operator.training[1064] == datetime(2028, 1, 1, tzinfo=UTC)
        assert not operator.active
        kinds = [entry.kind for entry in reader.audit_entries() if entry.kind.startswith("operator")]
        actors = {entry.actor for entry in reader.audit_entries() if entry.kind.startswith("operator")}
    assert kinds == [
        "operator.add",
        "operator.training",
        "operator.training",
        "operator.password",
        "operator.training",
        "operator.deactivate",
    ]
    assert all(actor.startswith("cli:") for actor in actors)


def test_typed_passwords_are_asked_for_twice_and_not_shown(picolase: Picolase, database: Path) -> None:
    different = picolase("user", "add", "anna", typed="correct horse\nother horse 1\n")
    assert different.exit_code == 2  # the input, which is no terminal, ended while it asked again
    assert "Give it on standard input" in different.stderr
    assert picolase("user", "add", "anna", typed="correct horse\ncorrect horse\n").exit_code == 0
    with Reader.open(database) as reader:
        assert [operator.name for operator in reader.operators()] == ["anna"]


def test_a_refused_operator_leaves_nothing_and_all_reasons_are_told(
    picolase: Picolase, database: Path
) -> None:
    result = picolase("user", "add", "Änna!", "--trained", "755", "--password-stdin", typed="short\n")
    assert result.exit_code == 3
    assert "name" in result.stderr
    assert "5 characters" in result.stderr
    with Reader.open(database) as reader:
        assert reader.operators() == []


def test_what_is_wrong_with_an_operator_is_told(picolase: Picolase, database: Path) -> None:
    for command in (
        ["remove", "nobody"],
        ["password", "nobody", "--password-stdin"],
        ["train", "nobody", "755"],
    ):
        result = picolase("user", *command, typed="correct horse battery\n")
        assert result.exit_code == 1, command
        assert "nobody" in result.stderr
    picolase("user", "add", "anna", "--password-stdin", typed="correct horse battery\n")
    assert picolase("user", "add", "anna", "--password-stdin", typed="correct horse battery\n").exit_code == 1


def test_a_role_is_kept(picolase: Picolase, database: Path) -> None:
    for role in ("viewer", "operator", "service", "administrator"):
        arguments = ["--role", role, "--password-stdin"]
        assert picolase("user", "add", f"u-{role}", *arguments, typed="correct horse\n").exit_code == 0
    with Reader.open(database) as reader:
        assert {operator.role for operator in reader.operators()} == set(Role)


# -- what was recorded


def test_the_log_shows_the_newest_events_oldest_first(picolase: Picolase, database: Path) -> None:
    with Store.open(database, wall_clock=lambda: NOW) as store:
        for number in range(3):
            store.record_event(EventKind.SYSTEM, Severity.INFO, f"event {number}", actor="x", now_us=number)
    events = json.loads(picolase("log", "-n", "2", "--json").stdout)
    assert [event["text"] for event in events] == ["event 1", "event 2"]
    text = picolase("log").stdout
    assert text.index("the door opened") < text.index("event 0") < text.index("event 2")
    assert "2026-01-02T03:04:05.000000Z" in text


def test_pulses_come_as_table_csv_and_json(picolase: Picolase, database: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(picolase("pulses", "--csv").stdout)))
    assert list(rows[0]) == [field.name for field in fields(PulseRecord)]
    assert [int(row["pulse_number"]) for row in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[0]["flags"] == "calibration"
    assert rows[4]["monitor_b_mj"] == ""
    objects = json.loads(picolase("pulses", "--json").stdout)
    assert [item["pulse_number"] for item in objects] == [1, 2, 3, 4, 5, 6]
    assert objects[4]["monitor_b_mj"] is None
    assert objects[4]["flags"] == ["unknown"]
    table = picolase("pulses").stdout
    assert "UNKNOWN: counted as given" in table
    assert "calibration" in table


def test_pulses_can_be_chosen_by_session_laser_and_number(picolase: Picolase, database: Path) -> None:
    def numbers(*arguments: str) -> list[int]:
        result = picolase("pulses", "--json", *arguments)
        assert result.exit_code == 0, result.output
        return [item["pulse_number"] for item in json.loads(result.stdout)]

    assert numbers("--session", "s-1") == [3, 4, 5, 6]
    assert numbers("--session", "s-1", "-n", "1") == [6]
    assert numbers("-n", "2") == [5, 6]
    assert numbers("--device", SERIAL) == [1, 2, 3, 4, 5, 6]
    assert numbers("--device", "other") == []
    wrong = picolase("pulses", "--session", "none")
    assert wrong.exit_code == 1
    assert "no session 'none'" in wrong.stderr


def test_incidents_are_listed_and_shown(picolase: Picolase, database: Path) -> None:
    (row,) = json.loads(picolase("incident", "list", "--json").stdout)
    assert row == {"id": "i-1", "time": "2026-01-02T03:04:05.000000Z", "first_cause": "door"}
    assert "i-1" in picolase("incident", "list").stdout
    assert json.loads(picolase("incident", "show", "i-1", "--json").stdout)["body"] == {"frames": [1, 2, 3]}
    assert picolase("incident", "show", "other").exit_code == 1


@pytest.mark.parametrize(
    "command", ["log", "pulses", "incident list", "user list", "db check", "audit verify", "db backup x"]
)
def test_without_a_database_the_message_says_so(picolase: Picolase, database: Path, command: str) -> None:
    database.unlink()
    result = picolase(*command.split())
    assert result.exit_code == 1
    assert "there is no database here" in result.stderr


# -- the database and its proof


def test_a_backup_is_whole_and_its_head_proves_that_nothing_was_cut_off(
    picolase: Picolase, database: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.db"
    backed_up = picolase("db", "backup", str(copy))
    assert backed_up.exit_code == 0, backed_up.output
    head = backed_up.stderr.split("--head ")[1].strip()
    assert picolase("audit", "verify", "--head", head).exit_code == 0
    told = json.loads(picolase("audit", "verify", "--json").stdout)
    assert (told["ok"], told["breaks"], told["head"]) == (True, [], head)
    assert picolase("db", "backup", str(copy)).exit_code == 1, "an existing file is never overwritten"
    with sqlite3.connect(copy) as connection:
        connection.execute("DROP TRIGGER audit_is_never_removed")
        connection.execute("DELETE FROM audit WHERE idx = (SELECT max(idx) FROM audit)")
    connection.close()
    shutil.copy(copy, database)
    assert picolase("audit", "verify").exit_code == 0, "a chain alone does not see its tail cut off"
    cut = picolase("audit", "verify", "--head", head)
    assert cut.exit_code == 1
    assert "ends before the expected head" in cut.stderr


def test_a_changed_record_is_found(picolase: Picolase, database: Path) -> None:
    assert picolase("db", "check").exit_code == 0
    with sqlite3.connect(database) as connection:
        connection.execute("DROP TRIGGER pulse_is_never_changed")
        connection.execute("UPDATE pulse SET set_energy_mj = 1 WHERE pulse_number = 4")
    connection.close()
    result = picolase("db", "check", "--json")
    assert result.exit_code == 1
    assert "pulse 4" in result.stderr
    assert json.loads(result.stdout)["sound"] is False
    assert picolase("audit", "verify").exit_code == 0
    with sqlite3.connect(database) as connection:
        connection.execute("DROP TRIGGER audit_is_never_changed")
        connection.execute("UPDATE audit SET actor = 'nobody' WHERE idx = 2")
    connection.close()
    broken = picolase("audit", "verify")
    assert broken.exit_code == 1
    assert "entry 2" in broken.stderr


def test_a_head_must_be_written_as_it_was_printed(picolase: Picolase, database: Path) -> None:
    for head in ("7", "x:y", ":", "3:"):
        result = picolase("audit", "verify", "--head", head)
        assert result.exit_code == 2, head


def test_migrating_is_allowed_beside_a_sound_database_and_refused_for_another(
    picolase: Picolase, database: Path
) -> None:
    assert picolase("db", "migrate").exit_code == 0
    database.unlink()
    database.write_bytes(b"this is no database, but it is long enough to look like a file" * 20)
    result = picolase("db", "migrate")
    assert result.exit_code == 1
    assert "not a sound database" in result.stderr
