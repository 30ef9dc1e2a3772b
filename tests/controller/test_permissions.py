"""Files that hold secrets: too wide permissions, as after a copy, are noticed and taken away."""

import logging
import stat
from pathlib import Path

import pytest

from controller.audit_keys import AuditKeys
from controller.cli import tokens
from controller.client import Endpoint
from controller.store import Role, Store
from controller.store.permissions import withdraw
from tests.controller.stored import now


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


@pytest.mark.parametrize(
    ("before", "after"), [(0o600, 0o600), (0o644, 0o640), (0o660, 0o660), (0o666, 0o660)]
)
def test_a_restored_database_is_closed_to_everybody_who_is_not_of_its_group(
    path: Path, caplog: pytest.LogCaptureFixture, before: int, after: int
) -> None:
    with Store.open(path, wall_clock=now) as store:
        store.insert_operator("anna", Role.OPERATOR, "hash", actor="test", now_us=0)
    path.chmod(before)
    with caplog.at_level(logging.WARNING), Store.open(path, wall_clock=now) as store:
        store.insert_operator("ben", Role.OPERATOR, "hash", actor="test", now_us=0)
        files = {file.name: mode(file) for file in path.parent.iterdir()}
    assert files["picolase.db"] == after
    assert {name for name, bits in files.items() if bits & 0o007} == set()
    told = [record.getMessage() for record in caplog.records]
    assert bool(told) is (before != after)
    assert all(f"permissions {before:o}" in text and "change the passwords" in text for text in told)


def test_what_a_crash_left_beside_the_database_is_closed_with_it(path: Path) -> None:
    with Store.open(path, wall_clock=now) as store:
        store.insert_operator("anna", Role.OPERATOR, "hash", actor="test", now_us=0)
        sides = [path.with_name(f"picolase.db{end}") for end in ("-wal", "-shm", ".lock")]
        for side in sides:
            side.chmod(0o666)
        with Store.open(path, wall_clock=now, exclusive=False):
            assert [mode(side) for side in sides] == [0o660] * 3


@pytest.mark.parametrize("before", [0o644, 0o640, 0o604, 0o666])
def test_a_private_key_that_others_could_read_is_closed_and_told(
    path: Path, caplog: pytest.LogCaptureFixture, before: int
) -> None:
    keys = AuditKeys(path)
    with Store.open(path, wall_clock=now) as store:
        public = keys.signer(store).public
        keys.private.chmod(before)
        with caplog.at_level(logging.WARNING):
            assert keys.signer(store).public == public
            assert mode(keys.private) == 0o600
            assert "rotate the key" in caplog.text
            caplog.clear()
            keys.signer(store)
            assert caplog.text == ""


def test_a_file_that_is_not_there_is_left_to_whoever_opens_it(path: Path) -> None:
    withdraw(path, 0o077, "")
    assert not path.exists()


def test_a_login_is_kept_where_nobody_else_can_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    tokens.save(Endpoint(), "a token")
    tokens.path().chmod(0o666)
    tokens.save(Endpoint(port=9000), "another")
    assert tokens.load(Endpoint()) == "a token"
    assert mode(tokens.path()) == 0o600
    assert mode(tokens.path().parent) == 0o700
