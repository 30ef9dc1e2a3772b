"""What can be wrong with the file: told, and nothing half-written."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from controller.store import (
    Reader,
    Store,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreTooNew,
    StoreUnreadable,
    schema,
)
from tests.controller.stored import ROOT, fill, now


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


def test_a_full_disk_is_told_and_nothing_is_half_written(kept: Store) -> None:
    fill(kept)
    pages = kept._rows("PRAGMA page_count")[0][0]
    kept._rows(f"PRAGMA max_page_count = {pages + 3}")
    head = kept.audit_head()
    recorded = 3
    for _ in range(1000):
        try:
            fill(kept, 1)
        except StoreFull as error:
            told = str(error)
            break
        recorded += 1
        head = kept.audit_head()
    else:
        pytest.fail("the disk never filled")
    assert "free space" in told
    assert len(kept.events(limit=10_000)) == recorded
    assert kept.audit_head() == head
    assert kept.check() == []
    kept._rows("PRAGMA max_page_count = 1000000")  # Space was freed: it goes on.
    fill(kept, 1)
    assert kept.check() == []


def test_a_full_disk_within_a_group_undoes_the_group(kept: Store) -> None:
    fill(kept)
    pages = kept._rows("PRAGMA page_count")[0][0]
    kept._rows(f"PRAGMA max_page_count = {pages + 2}")
    head = kept.audit_head()
    with pytest.raises(StoreFull), kept.transaction():
        fill(kept, 1000)
    assert len(kept.events(limit=10_000)) == 3
    assert kept.audit_head() == head
