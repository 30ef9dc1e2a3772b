"""The head beside the database: by it `audit verify` finds a tail that was cut off, and the daemon tells."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from controller.audit_head import HeadFile
from controller.store import Reader, Store
from rig.stack import Stack
from safety.audit import AuditEntry, Head
from safety.checkpoints import CHECKPOINT, Signer
from tests.controller.cli_standin import Picolase
from tests.controller.stored import now

VIRTUAL_TIME = True
SIGNER = Signer.from_secret(bytes(32))


def signed_stack(folder: Path) -> Stack:
    return Stack(folder=folder, signer=lambda _: SIGNER)


@pytest.fixture
def database(tmp_path: Path, config: Path) -> Path:
    """Where the stack's records are, and where the command looks for them."""
    path = tmp_path / "picolase.db"
    config.write_text(f'{config.read_text()}[store]\npath = "{path.name}"\n')
    return path


@pytest.fixture
def head_file(database: Path) -> HeadFile:
    return HeadFile(database)


def entries(database: Path) -> list[AuditEntry]:
    with Reader.open(database) as reader:
        return list(reader.audit_entries())


def cut(database: Path, first: int) -> None:
    """Take the entries from this number on away, as somebody with the file in hand can."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("DROP TRIGGER IF EXISTS audit_is_never_removed")
        connection.execute("DELETE FROM audit WHERE idx >= ?", (first,))


async def a_day(folder: Path) -> None:
    """A daemon starts, somebody works, it ends in order."""
    async with signed_stack(folder) as stack:
        await stack.settled()
        await stack.acknowledge()
        await stack.end_daemon()


@pytest.mark.shows("REQ-042")
async def test_the_head_of_the_last_checkpoint_lies_beside_the_database(
    tmp_path: Path, database: Path, head_file: HeadFile
) -> None:
    await a_day(tmp_path)
    last = entries(database)[-1]
    assert last.kind == CHECKPOINT
    assert head_file.known() == Head(last.index, last.hash)


@pytest.mark.shows("REQ-042")
async def test_every_cut_that_takes_the_last_checkpoint_is_found_with_its_place(
    tmp_path: Path, database: Path, picolase: Picolase
) -> None:
    await a_day(tmp_path)
    last = entries(database)[-1].index
    assert picolase("audit", "verify").exit_code == 0
    for first in range(last, -1, -1):
        cut(database, first)
        result = picolase("audit", "verify", "--json")
        assert result.exit_code == 1, first
        told = json.loads(result.stdout)
        (found,) = told["breaks"]
        assert (found["break"], found["position"], found["index"]) == ("cut_off", first, last)


@pytest.mark.shows("REQ-042")
async def test_a_chain_calculated_anew_behind_a_cut_is_found(
    tmp_path: Path, database: Path, picolase: Picolase
) -> None:
    await a_day(tmp_path)
    last = entries(database)[-1].index
    cut(database, last - 3)
    with Store.open(database, wall_clock=now) as store:
        for number in range(10):
            store.append_audit("event", "nobody", {"number": number}, now_us=number)
    result = picolase("audit", "verify", "--json")
    assert result.exit_code == 1
    assert ("replaced", last) in [(one["break"], one["index"]) for one in json.loads(result.stdout)["breaks"]]


async def test_a_daemon_over_a_cut_audit_says_so_records_it_and_goes_on(
    tmp_path: Path, database: Path, head_file: HeadFile, picolase: Picolase
) -> None:
    await a_day(tmp_path)
    lost = head_file.known()
    assert lost is not None
    cut(database, lost.index - 5)
    async with signed_stack(tmp_path) as stack:
        await stack.settled()
        (told,) = [event.text for event in stack.reader.events() if "was its head" in event.text]
        assert f"entry {lost.index}," in told
        (entry,) = [one for one in stack.reader.audit_entries() if one.kind == "audit.cut_off"]
        assert entry.index >= lost.index - 5
        assert json.loads(entry.body) == {"index": lost.index, "hash": lost.hash}
    assert picolase("audit", "verify").exit_code == 0
    await a_day(tmp_path)
    assert [one.kind for one in entries(database)].count("audit.cut_off") == 1


@pytest.mark.parametrize("text", [None, "", "7", "7:abc", "x" * 10_000, "9" * 30 + ":" + "a" * 64, "\xff"])
async def test_a_head_file_that_holds_none_hides_nothing_and_is_made_anew(
    tmp_path: Path, database: Path, head_file: HeadFile, picolase: Picolase, text: str | None
) -> None:
    await a_day(tmp_path)
    assert head_file.file is not None
    head_file.file.unlink()
    if text is not None:
        head_file.file.write_text(text, "latin-1")
    assert head_file.known() is None
    assert picolase("audit", "verify").exit_code == 0
    await a_day(tmp_path)
    last = entries(database)[-1]
    assert head_file.known() == Head(last.index, last.hash)


async def test_a_head_that_cannot_be_written_is_told_once_and_stops_nobody(
    tmp_path: Path, head_file: HeadFile
) -> None:
    assert head_file.file is not None
    head_file.file.with_name(
        head_file.file.name + ".partial"
    ).mkdir()  # in the place of what is written first
    async with signed_stack(tmp_path) as stack:
        await stack.prepare()
        await stack.arm()
        told = [one.text for one in stack.reader.events() if "audit's head cannot be written" in one.text]
        assert len(told) == 1
        assert len([one for one in stack.reader.audit_entries() if one.kind == CHECKPOINT]) == 1


async def test_a_database_in_memory_has_no_file() -> None:
    async with Stack(signer=lambda _: SIGNER) as stack:
        await stack.settled()
        assert HeadFile(stack.records.path).known() is None
        assert HeadFile(stack.records.path).file is None
