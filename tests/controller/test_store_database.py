"""The file: opening, the lock, permissions, readers, versions, backups."""

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from controller.store import (
    DeviceRecord,
    Reader,
    Role,
    Store,
    StoreError,
    StoreLocked,
    StoreReadOnly,
    StoreUnreadable,
    schema,
)
from tests.controller.stored import ROOT, fill, now


def test_what_was_recorded_is_there_after_opening_again(path: Path) -> None:
    with Store.open(path, wall_clock=now) as store:
        fill(store)
        head = store.audit_head()
    with Store.open(path, wall_clock=now) as store:
        assert len(store.events()) == 3
        assert store.verify_audit(head) == []
        assert store.check() == []


def test_a_commit_has_reached_the_disk_and_references_are_kept(kept: Store) -> None:
    def pragma(name: str) -> object:
        return kept._rows(f"PRAGMA {name}")[0][0]

    assert pragma("journal_mode") == "wal"
    assert pragma("synchronous") == 2  # FULL
    assert pragma("foreign_keys") == 1
    assert pragma("busy_timeout") == 2000
    assert pragma("user_version") == len(schema.MIGRATIONS)


def test_only_the_owner_can_read_the_file(kept: Store, path: Path) -> None:
    fill(kept)
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


# --- who else


def test_a_second_daemon_is_refused_and_told_which_is_the_first(kept: Store, path: Path) -> None:
    with pytest.raises(StoreLocked, match=f"process {os.getpid()}"):
        Store.open(path, wall_clock=now)
    kept.close()
    Store.open(path, wall_clock=now).close()


@pytest.mark.processes
def test_the_lock_of_a_killed_daemon_is_gone_with_it(path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from datetime import *\n"
        "from controller.store import Store\n"
        "store = Store.open(Path(sys.argv[1]), wall_clock=lambda: datetime.now(UTC))\n"
        "print('open', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, path], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as daemon:
        assert daemon.stdout is not None
        assert daemon.stdout.readline() == b"open\n"
        with pytest.raises(StoreLocked, match=f"process {daemon.pid}"):
            Store.open(path, wall_clock=now)
        daemon.kill()
        daemon.wait()
    Store.open(path, wall_clock=now).close()


def test_a_tool_works_beside_the_daemon(kept: Store, path: Path) -> None:
    fill(kept)
    with Store.open(path, wall_clock=now, exclusive=False) as tool:
        tool.insert_operator("ann", Role.OPERATOR, "hash", actor="root", now_us=0)
        fill(kept)
        tool.deactivate_operator("ann", actor="root", now_us=0)
    assert [person.name for person in kept.operators()] == ["ann"]
    assert kept.verify_audit() == []
    with pytest.raises(StoreLocked):  # The tool did not take the daemon's lock with it.
        Store.open(path, wall_clock=now)


def test_a_tool_may_make_the_database_before_the_daemon_first_starts(path: Path) -> None:
    with Store.open(path, wall_clock=now, exclusive=False) as tool:
        tool.insert_operator("ann", Role.OPERATOR, "hash", actor="root", now_us=0)
        with Store.open(path, wall_clock=now) as daemon:
            assert daemon.operator("ann") is not None


def test_a_tool_does_not_change_the_schema_under_a_daemon(path: Path) -> None:
    with Store.open(path, wall_clock=now) as daemon:
        daemon._run("PRAGMA user_version = 1")  # As if the daemon were of the version before.
        with pytest.raises(StoreLocked, match="another picolase daemon"):
            Store.open(path, wall_clock=now, exclusive=False)


def test_a_write_lock_held_by_another_program_is_told_after_two_seconds(kept: Store, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreLocked, match="close the program") as caught:
            fill(kept, 1)
        assert caught.value.path == str(path)
        other.execute("ROLLBACK")
    fill(kept, 1)
    assert len(kept.events()) == 1


# --- reading


def test_a_reader_sees_what_is_committed_and_cannot_write(kept: Store, path: Path) -> None:
    with Reader.open(path) as reader:
        assert reader.events() == []
        with kept.transaction():
            fill(kept)
            assert reader.events() == []
        assert len(reader.events()) == 3
        for sql in ("DELETE FROM event", "PRAGMA user_version = 9", "CREATE TABLE x (y)"):
            with pytest.raises(StoreReadOnly, match="cannot be written"):
                reader._run(sql)
    assert len(kept.events()) == 3


def test_a_reader_of_nothing_is_told_and_makes_nothing(path: Path) -> None:
    with pytest.raises(StoreError, match="there is no database here"):
        Reader.open(path)
    assert not path.exists()


def test_a_reader_of_an_older_schema_is_told(path: Path) -> None:
    with Store.open(path, wall_clock=now) as store:
        store._run("PRAGMA user_version = 1")
    with pytest.raises(StoreError, match="start the daemon of this version once"):
        Reader.open(path)


@pytest.mark.parametrize("name", ["a b.db", "a?b.db", "a#b%20.db", "ä.db"])
def test_any_file_name_will_do(tmp_path: Path, name: str) -> None:
    with Store.open(tmp_path / name, wall_clock=now) as store:
        fill(store)
        with Reader.open(tmp_path / name) as reader:
            assert len(reader.events()) == 3
    assert (tmp_path / name).is_file()


# --- versions


def test_a_database_of_the_first_schema_is_brought_up_to_date_with_its_records(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        for statement in schema.MIGRATIONS[0]:
            old.execute(statement)
        old.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        old.execute("PRAGMA user_version = 1")
        old.execute("INSERT INTO device VALUES ('PL-1', 'm', 'f', 1, '{}', 0, 't', 't')")
    with Store.open(path, wall_clock=now) as store:
        assert store.device("PL-1") == DeviceRecord("PL-1", "m", "f", True, {}, 0)
        store.insert_operator("ann", Role.OPERATOR, "h", actor="root", now_us=0)
        assert store.check() == []


def test_a_migration_that_fails_leaves_the_schema_before_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.open(path, wall_clock=now) as store:
        fill(store)
    broken = (*schema.MIGRATIONS, ("CREATE TABLE half (x)", "CREATE TABEL done (x)"))
    monkeypatch.setattr("controller.store.database.MIGRATIONS", broken)
    with pytest.raises(StoreError, match="syntax error"):
        Store.open(path, wall_clock=now)
    monkeypatch.undo()
    with Store.open(path, wall_clock=now) as store:  # Opens with the old schema; the lock was given back.
        assert len(store.events()) == 3
        assert store._rows("SELECT count(*) FROM sqlite_schema WHERE name = 'half'")[0][0] == 0


def test_an_sqlite_that_is_too_old_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sqlite3.sqlite_version_info", (3, 36, 9))
    with pytest.raises(StoreError, match=r"SQLite 3\.37\.0 or newer"):
        Store.open(path, wall_clock=now)
    assert not path.exists()


# --- backup


def test_a_backup_is_one_file_with_everything_in_it(kept: Store, path: Path, tmp_path: Path) -> None:
    fill(kept)
    copy = tmp_path / "copy.db"
    with Reader.open(path) as reader:
        reader.backup(copy)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert {file.name for file in tmp_path.iterdir() if "copy" in file.name} == {"copy.db"}
    with Reader.open(copy) as restored:
        assert restored.events() == kept.events()
        assert restored.verify_audit(kept.audit_head()) == []
    with Store.open(copy, wall_clock=now) as restored:  # It can be worked with.
        fill(restored)
        assert restored.check() == []


def test_a_backup_goes_on_while_the_daemon_writes(kept: Store, path: Path, tmp_path: Path) -> None:
    fill(kept, 50)
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            fill(kept, 5)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with Reader.open(path) as reader:
            for number in range(3):
                reader.backup(tmp_path / f"{number}.db")
    finally:
        stop.set()
        writer.join()
    with Reader.open(tmp_path / "2.db") as restored:
        assert restored.check() == []
        assert len(restored.events(limit=100_000)) >= 50


def test_a_backup_does_not_replace_a_file(kept: Store, path: Path, tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_text("precious")
    for destination in (tmp_path / "copy.db", path):
        with pytest.raises(StoreError, match="exists already"):
            kept.backup(destination)
    assert (tmp_path / "copy.db").read_text() == "precious"
    with pytest.raises(StoreError, match="No such file"):
        kept.backup(tmp_path / "nowhere" / "copy.db")


def test_a_backup_of_records_that_do_not_prove_themselves_is_refused(kept: Store, tmp_path: Path) -> None:
    fill(kept)
    kept._run("DROP TRIGGER audit_is_never_changed")
    kept._run("UPDATE audit SET actor = 'eve' WHERE idx = 1")
    with pytest.raises(StoreUnreadable, match="audit: entry 1"):
        kept.backup(tmp_path / "copy.db")
    assert not list(tmp_path.glob("copy*"))


def test_a_store_in_memory_can_be_backed_up(tmp_path: Path) -> None:
    with Store.in_memory(wall_clock=now) as store:
        fill(store)
        store.backup(tmp_path / "copy.db")
    with Reader.open(tmp_path / "copy.db") as restored:
        assert len(restored.events()) == 3
