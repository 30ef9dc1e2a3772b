"""The database is read-only, locked, full, garbage or too new, at start and in mid-series."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.store import Reader
from tests.processes.judge import ARMED, back_to_standby, lit, running
from tests.processes.rig import SERIAL, START_S, STOP_US, Rig, plan
from tests.processes.status import latched, state

pytestmark = [pytest.mark.processes, pytest.mark.slow, pytest.mark.timeout(600)]

SERIES = 400  # 80 s: it is not over before, however slow the machine
DISK = "4m"  # the database of a calibration and a session takes a tenth of it
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk: run as root")


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)


@pytest.fixture
def disk(folder: Path) -> Iterator[Path]:
    """A small disk; the rig that is to use it must be asked for after it, so that it ends before."""
    place = folder / "disk"
    place.mkdir()
    mount("-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(place))
    yield place
    subprocess.run(["umount", str(place)], check=True)


def put_on(disk: Path, rig: Rig) -> None:
    """The rig's database is on the small disk from now on."""
    shutil.move(rig.database, disk)
    rig.database = disk / "picolase.db"


async def refuses_to_start(rig: Rig) -> str:
    """The daemon ends with status 1 and leaves no socket; returns what it said."""
    rig.daemon = await rig.launch_daemon()
    done, _ = await asyncio.wait({rig.daemon.ended}, timeout=START_S)
    assert done, "it did not end by itself"
    assert await rig.daemon.end() == 1
    assert not rig.api.exists()
    assert "Traceback" not in rig.log()
    return rig.log()


async def test_a_file_that_is_no_database_is_left_as_it_is(rig: Rig) -> None:
    rig.database.write_bytes(b"my thesis\n" * 1000)
    said = await refuses_to_start(rig)
    assert str(rig.database) in said
    assert "database" in said
    assert rig.database.read_bytes() == b"my thesis\n" * 1000


async def test_a_database_of_another_program_is_left_as_it_is(rig: Rig) -> None:
    rig.database.unlink()
    with sqlite3.connect(rig.database) as other:
        other.execute("CREATE TABLE bookmark (url TEXT)")
    other.close()
    before = rig.database.read_bytes()
    said = await refuses_to_start(rig)
    assert "the file is a database, but not one of picolase" in said
    assert "correct [store] path" in said
    assert rig.database.read_bytes() == before


async def test_a_database_of_a_newer_program_is_told_with_both_schemas(rig: Rig) -> None:
    newer = sqlite3.connect(rig.database)
    (version,) = newer.execute("PRAGMA user_version").fetchone()
    newer.execute(f"PRAGMA user_version = {version + 1}")
    newer.close()
    said = await refuses_to_start(rig)
    assert f"the database has schema {version + 1}, this program knows up to {version}" in said


async def test_a_database_locked_by_another_writer_is_told_at_start(rig: Rig) -> None:
    other = sqlite3.connect(rig.database, isolation_level=None)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    assert "locked by another process" in await refuses_to_start(rig)
    other.close()


async def test_a_folder_that_does_not_exist_is_told(rig: Rig) -> None:
    rig.database = rig.folder / "absent" / "picolase.db"
    assert f"the folder {rig.folder / 'absent'} does not exist" in await refuses_to_start(rig)


@needs_root
async def test_a_read_only_disk_is_told_at_start(disk: Path, rig: Rig) -> None:
    put_on(disk, rig)
    mount("-o", "remount,ro", str(disk))
    said = await refuses_to_start(rig)
    assert "for writing [Read-only file system]" in said
    assert "mounted for writing" in said


@needs_root
async def test_a_full_disk_is_told_at_start(disk: Path, rig: Rig) -> None:
    put_on(disk, rig)
    rig.database.unlink()
    _fill(disk)
    said = await refuses_to_start(rig)
    assert "disk" in said
    assert "full" in said


def _fill(disk: Path) -> Path:
    """Fill the disk to its last byte."""
    filler = disk / "filler"
    with filler.open("ab", buffering=0) as file:
        for size in (4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return filler


async def _fires_no_more(rig: Rig, session: str) -> int:
    """The database has just become unusable in mid-series; returns how many pulses there were in the end."""
    await rig.until("the failure is latched", lambda now: "store_failed" in latched(now))
    await rig.until("the laser is disarmed", lambda now: state(now).upper() not in {"", *ARMED})
    truth = await rig.truth()
    await rig.device_time(truth.now_us + 4 * STOP_US)
    later = await rig.truth()
    assert later.aperture == truth.aperture, "light without a record"
    device = await rig.control.device()
    with Reader.open(rig.database) as reader:
        on_disk = reader.highest_pulse(SERIAL) or 0
    assert device["acknowledged"] <= on_disk, "acknowledged without being on disk"
    assert later.aperture < SERIES, "the series was over before: the test tests nothing"
    assert not running(rig.daemon).ended.done()
    return later.aperture


async def _goes_on(rig: Rig, session: str, given: int) -> None:
    """The database can be used again: everything is recorded, and what remains can be given."""
    records = await rig.balanced()
    assert lit([pulse for pulse in records if pulse.session_id == session]) == given
    await rig.ended(session)
    await back_to_standby(rig, session, given, store_failed=True)
    await rig.arm()
    await rig.foot("press")
    await rig.pulses_given(given + 2)
    await rig.foot("release")
    await rig.client.stop()
    await rig.until_standby()
    await rig.balanced()


async def test_a_writer_that_locks_the_database_in_mid_series_stops_the_laser(rig: Rig) -> None:
    await rig.start()
    session = await rig.begin(plan(SERIES))
    await rig.arm()
    await rig.foot("press")
    await rig.pulses_given(3)
    other = sqlite3.connect(rig.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    given = await _fires_no_more(rig, session)
    other.execute("ROLLBACK")
    other.close()
    await _goes_on(rig, session, given)


@pytest.mark.shows("REQ-042", "HZ-035")
@needs_root
async def test_a_disk_that_fills_up_in_mid_series_stops_the_laser(disk: Path, rig: Rig) -> None:
    put_on(disk, rig)
    await rig.start()
    session = await rig.begin(plan(SERIES))
    await rig.arm()
    await rig.foot("press")
    await rig.pulses_given(3)
    filler = _fill(disk)
    given = await _fires_no_more(rig, session)
    filler.unlink()
    await _goes_on(rig, session, given)
