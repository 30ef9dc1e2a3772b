"""The file: opening, the lock, permissions, full disk, damage, versions, backup. All for real."""

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller.store import (
    DeviceRecord,
    EventKind,
    Reader,
    Role,
    Severity,
    Store,
    StoreError,
    StoreFull,
    StoreLocked,
    StoreReadOnly,
    StoreTooNew,
    StoreUnreadable,
    schema,
)

ROOT = Path(__file__).parents[2]


def now() -> datetime:
    return datetime(2026, 3, 4, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "picolase.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store.open(path, wall_clock=now) as made:
        yield made


def fill(store: Store, count: int = 3) -> None:
    for number in range(count):
        store.record_event(EventKind.STATE, Severity.INFO, "x" * 500, {"n": number}, actor="x", now_us=number)


def test_what_was_recorded_is_there_after_opening_again(path: Path) -> None:
    with Store.open(path, wall_clock=now) as store:
        fill(store)
        head = store.audit_head()
    with Store.open(path, wall_clock=now) as store:
        assert len(store.events()) == 3
        assert store.verify_audit(head) == []
        assert store.check() == []


def test_a_commit_has_reached_the_disk_and_references_are_kept(store: Store) -> None:
    def pragma(name: str) -> object:
        return store._rows(f"PRAGMA {name}")[0][0]

    assert pragma("journal_mode") == "wal"
    assert pragma("synchronous") == 2  # FULL
    assert pragma("foreign_keys") == 1
    assert pragma("busy_timeout") == 2000
    assert pragma("user_version") == len(schema.MIGRATIONS)


def test_only_the_owner_can_read_the_file(store: Store, path: Path) -> None:
    fill(store)
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


# --- who else


def test_a_second_daemon_is_refused_and_told_which_is_the_first(store: Store, path: Path) -> None:
    with pytest.raises(StoreLocked, match=f"process {os.getpid()}"):
        Store.open(path, wall_clock=now)
    store.close()
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


def test_a_tool_works_beside_the_daemon(store: Store, path: Path) -> None:
    fill(store)
    with Store.open(path, wall_clock=now, exclusive=False) as tool:
        tool.insert_operator("ann", Role.OPERATOR, "hash", actor="root", now_us=0)
        fill(store)
        tool.deactivate_operator("ann", actor="root", now_us=0)
    assert [person.name for person in store.operators()] == ["ann"]
    assert store.verify_audit() == []
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


def test_a_write_lock_held_by_another_program_is_told_after_two_seconds(store: Store, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreLocked, match="close the program") as caught:
            fill(store, 1)
        assert caught.value.path == str(path)
        other.execute("ROLLBACK")
    fill(store, 1)
    assert len(store.events()) == 1


# --- reading


def test_a_reader_sees_what_is_committed_and_cannot_write(store: Store, path: Path) -> None:
    with Reader.open(path) as reader:
        assert reader.events() == []
        with store.transaction():
            fill(store)
            assert reader.events() == []
        assert len(reader.events()) == 3
        for sql in ("DELETE FROM event", "PRAGMA user_version = 9", "CREATE TABLE x (y)"):
            with pytest.raises(StoreReadOnly, match="cannot be written"):
                reader._run(sql)
    assert len(store.events()) == 3


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


# --- what can be wrong with the file


def test_a_file_that_is_no_database_is_told_and_left_alone(path: Path) -> None:
    content = b"these are the holiday photographs " * 100
    path.write_bytes(content)
    for opening in (lambda: Store.open(path, wall_clock=now), lambda: Reader.open(path)):
        with pytest.raises(StoreUnreadable, match="not a sound database"):
            opening()
    assert path.read_bytes() == content


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_database_of_another_program_is_told_and_left_alone(path: Path, exclusive: bool) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE photographs (x)")
    before = path.read_bytes()
    with pytest.raises(StoreUnreadable, match="not one of picolase"):
        Store.open(path, wall_clock=now, exclusive=exclusive)
    assert path.read_bytes() == before


def test_a_newer_schema_is_told_and_left_alone(path: Path) -> None:
    newer = len(schema.MIGRATIONS) + 1
    with Store.open(path, wall_clock=now) as store:
        fill(store)
        store._run(f"PRAGMA user_version = {newer}")
    for opening in (lambda: Store.open(path, wall_clock=now), lambda: Reader.open(path)):
        with pytest.raises(StoreTooNew, match=f"schema {newer}, this program knows up to {newer - 1}"):
            opening()
    with closing(sqlite3.connect(path)) as look:
        assert look.execute("PRAGMA user_version").fetchone() == (newer,)
        assert look.execute("SELECT count(*) FROM event").fetchone() == (3,)


def test_a_damaged_page_is_told(path: Path) -> None:
    with Store.open(path, wall_clock=now) as store:
        fill(store, 200)
    with path.open("r+b") as file:
        size = path.stat().st_size
        for page in range(2 * 4096, size, 4096):
            file.seek(page)
            file.write(b"\xa5" * 512)

    def read_everything() -> None:
        with Store.open(path, wall_clock=now) as store:
            list(store.audit_entries())
            store.events(limit=1000)

    with pytest.raises(StoreUnreadable, match="restore the last backup"):
        read_everything()


def test_a_folder_that_is_not_there_is_told_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"the folder .*nowhere does not exist"):
        Store.open(tmp_path / "nowhere" / "p.db", wall_clock=now)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_place_of_the_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreReadOnly, match="Is a directory"):
        Store.open(tmp_path, wall_clock=now)


@pytest.mark.processes
@pytest.mark.parametrize(("file_mode", "folder_mode"), [(0o444, 0o755), (0o644, 0o555)])
def test_a_file_or_folder_that_may_not_be_written_is_told(
    path: Path, file_mode: int, folder_mode: int
) -> None:
    Store.open(path, wall_clock=now).close()
    path.with_name(path.name + ".lock").unlink()
    path.chmod(file_mode)
    path.parent.chmod(folder_mode)
    # Root may write everything, so the attempt is made as nobody, from inside: the way there may be closed.
    code = (
        "import os, sys; from pathlib import Path; from datetime import *\n"
        "from controller.store import Store, StoreReadOnly\n"
        "if os.getuid() == 0: os.setuid(65534)\n"
        "try: Store.open(Path('picolase.db'), wall_clock=lambda: datetime.now(UTC))\n"
        "except StoreReadOnly as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=path.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    path.parent.chmod(0o755)
    assert "check owner and permissions" in done.stdout, done.stderr


def test_a_full_disk_is_told_and_nothing_is_half_written(store: Store) -> None:
    fill(store)
    pages = store._rows("PRAGMA page_count")[0][0]
    store._rows(f"PRAGMA max_page_count = {pages + 3}")
    head = store.audit_head()
    recorded = 3
    for _ in range(1000):
        try:
            fill(store, 1)
        except StoreFull as error:
            told = str(error)
            break
        recorded += 1
        head = store.audit_head()
    else:
        pytest.fail("the disk never filled")
    assert "free space" in told
    assert len(store.events(limit=10_000)) == recorded
    assert store.audit_head() == head
    assert store.check() == []
    store._rows("PRAGMA max_page_count = 1000000")  # Space was freed: it goes on.
    fill(store, 1)
    assert store.check() == []


def test_a_full_disk_within_a_group_undoes_the_group(store: Store) -> None:
    fill(store)
    pages = store._rows("PRAGMA page_count")[0][0]
    store._rows(f"PRAGMA max_page_count = {pages + 2}")
    head = store.audit_head()
    with pytest.raises(StoreFull), store.transaction():
        fill(store, 1000)
    assert len(store.events(limit=10_000)) == 3
    assert store.audit_head() == head


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


def test_a_backup_is_one_file_with_everything_in_it(store: Store, path: Path, tmp_path: Path) -> None:
    fill(store)
    copy = tmp_path / "copy.db"
    with Reader.open(path) as reader:
        reader.backup(copy)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert {file.name for file in tmp_path.iterdir() if "copy" in file.name} == {"copy.db"}
    with Reader.open(copy) as restored:
        assert restored.events() == store.events()
        assert restored.verify_audit(store.audit_head()) == []
    with Store.open(copy, wall_clock=now) as restored:  # It can be worked with.
        fill(restored)
        assert restored.check() == []


def test_a_backup_goes_on_while_the_daemon_writes(store: Store, path: Path, tmp_path: Path) -> None:
    fill(store, 50)
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            fill(store, 5)

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


def test_a_backup_does_not_replace_a_file(store: Store, path: Path, tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_text("precious")
    for destination in (tmp_path / "copy.db", path):
        with pytest.raises(StoreError, match="exists already"):
            store.backup(destination)
    assert (tmp_path / "copy.db").read_text() == "precious"
    with pytest.raises(StoreError, match="No such file"):
        store.backup(tmp_path / "nowhere" / "copy.db")


def test_a_backup_of_records_that_do_not_prove_themselves_is_refused(store: Store, tmp_path: Path) -> None:
    fill(store)
    store._run("DROP TRIGGER audit_is_never_changed")
    store._run("UPDATE audit SET actor = 'eve' WHERE idx = 1")
    with pytest.raises(StoreUnreadable, match="audit: entry 1"):
        store.backup(tmp_path / "copy.db")
    assert not list(tmp_path.glob("copy*"))


def test_a_store_in_memory_can_be_backed_up(tmp_path: Path) -> None:
    with Store.in_memory(wall_clock=now) as store:
        fill(store)
        store.backup(tmp_path / "copy.db")
    with Reader.open(tmp_path / "copy.db") as restored:
        assert len(restored.events()) == 3
