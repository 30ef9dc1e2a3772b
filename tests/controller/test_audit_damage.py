"""A real database file whose audit was tampered with: whatever was done is found, and where is told."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from controller.store import AuditProof, Reader, Store
from safety.audit import AuditEntry, BreakKind, Head, append, canonical_json
from safety.checkpoints import CHECKPOINT, Signer
from tests.controller.stored import ROOT, now

SIGNER = Signer.from_secret(bytes(range(32)))


def record(store: Store, count: int, *, every: int = 3) -> None:
    """So many entries, each `every`-th followed by a checkpoint."""
    for number in range(count):
        store.append_audit("set_point", "änn", {"n": number, "energy_mj": 1.5 * number}, now_us=number)
        if number % every == every - 1:
            store.append_checkpoint(SIGNER, "PL-0001", actor="daemon", now_us=number)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A database with six entries, of which the fourth and the last are checkpoints' neighbours."""
    path = tmp_path / "picolase.db"
    with Store.open(path, wall_clock=now) as store:
        record(store, 5)
        store.append_audit("end", "ann", {}, now_us=9)
    return path


def prove(path: Path, *anchors: Head, keys: tuple[str, ...] = (SIGNER.public,)) -> AuditProof:
    with Reader.open(path) as reader:
        return reader.prove_audit(anchors, keys)


def found(proof: AuditProof) -> bool:
    return bool(proof.breaks or proof.file)


def entries_of(path: Path) -> list[AuditEntry]:
    with Reader.open(path) as reader:
        return list(reader.audit_entries())


def write(path: Path, entries: list[AuditEntry]) -> None:
    """Put these in the place of the audit, as somebody with an SQLite shell could."""
    with closing(sqlite3.connect(path)) as shell:
        for trigger in ("audit_is_never_changed", "audit_is_never_removed", "audit_only_grows"):
            shell.execute(f"DROP TRIGGER IF EXISTS {trigger}")
        shell.execute("DELETE FROM audit")
        for entry in entries:
            values = [getattr(entry, name) for name in AuditEntry.__dataclass_fields__]
            shell.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
        shell.commit()


def cells(path: Path) -> list[tuple[int, int, int]]:
    """Where each row begins in the file, where its values begin, and where it ends, by file offset.

    Read by the file format alone (sqlite.org/fileformat2.html, table leaf cells), not by SQLite.
    """
    with closing(sqlite3.connect(path)) as shell:
        (page_size,) = shell.execute("PRAGMA page_size").fetchone()
        (root,) = shell.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'audit'").fetchone()
    base = (root - 1) * page_size
    content = path.read_bytes()
    assert content[base] == 0x0D, "the audit of this test must fit on one leaf page"
    count = int.from_bytes(content[base + 3 : base + 5], "big")
    rows = []
    for number in range(count):
        pointer = base + 8 + 2 * number
        at = base + int.from_bytes(content[pointer : pointer + 2], "big")
        size, place = 0, at
        while True:  # a varint: seven bits to the byte
            size = size << 7 | content[place] & 0x7F
            place += 1
            if content[place - 1] < 0x80:
                break
        place += 1  # the row's number is a varint of one byte here
        rows.append((at, place + content[place], place + size))
    return rows


def test_the_file_as_it_was_written_is_whole(file: Path) -> None:
    proof = prove(file)
    assert not found(proof)
    assert (proof.entries, proof.checkpoints, proof.sealed) == (7, 1, 2)
    assert proof.head == Head(6, entries_of(file)[-1].hash)


@pytest.mark.shows("REQ-042")
def test_every_byte_of_every_row_in_the_file_when_changed_is_found_and_those_of_values_in_their_row(
    file: Path,
) -> None:
    rows = cells(file)
    assert len(rows) == 7
    content = file.read_bytes()
    unfound, elsewhere, late, swept = [], [], [], 0
    with file.open("r+b", buffering=0) as raw:
        for position, (begin, values, end) in enumerate(rows):
            for offset in range(begin, end):
                changed = content[offset] ^ 1 << offset % 8
                os.pwrite(raw.fileno(), bytes([changed]), offset)
                proof = prove(file)
                os.pwrite(raw.fileno(), content[offset : offset + 1], offset)
                swept += 1
                if not found(proof):
                    unfound.append((position, offset - begin))
                elif offset >= values and proof.breaks[0].position != position:
                    elsewhere.append((position, offset - begin, proof))
                elif min(broken.position for broken in proof.breaks) > position + 1:
                    late.append((position, offset - begin, proof))  # SQLite may miss what follows, too
    assert swept == sum(end - begin for begin, _, end in rows) > 1_500
    assert unfound == []
    assert elsewhere == []
    assert late == []
    assert not found(prove(file)), "put back, it is whole again"


@pytest.mark.shows("REQ-042")
def test_every_row_that_is_deleted_is_found_where_it_was(file: Path) -> None:
    whole = entries_of(file)
    for gone in range(len(whole) - 1):
        write(file, whole[:gone] + whole[gone + 1 :])
        breaks = prove(file).breaks
        assert breaks[0].position == gone
        assert {BreakKind.MISNUMBERED, BreakKind.UNLINKED} <= {broken.kind for broken in breaks}


@pytest.mark.shows("REQ-042")
def test_a_row_put_in_anywhere_is_found_at_the_row_behind_it(file: Path) -> None:
    whole = entries_of(file)
    for place in range(1, len(whole)):
        forged = append(
            whole[place - 1], wall_time="2026", mono_us=0, kind="end", actor="eve", body_json="{}"
        )  # well linked
        behind = [renumbered(entry, entry.index + 1) for entry in whole[place:]]
        write(file, [*whole[:place], forged, *behind])
        breaks = prove(file).breaks
        assert breaks[0].position == place + 1
        assert str(breaks[0]).startswith(
            f"entry {place + 1} (at position {place + 1}, {behind[0].kind} of 2026"
        )


def test_every_two_rows_that_change_places_are_found(file: Path) -> None:
    whole = entries_of(file)
    for first in range(len(whole)):
        for second in range(first + 1, len(whole)):
            moved = list(whole)
            moved[first] = renumbered(whole[second], first)
            moved[second] = renumbered(whole[first], second)
            write(file, moved)
            assert prove(file).breaks[0].position == first


@pytest.mark.shows("REQ-042")
def test_a_tail_cut_off_behind_the_checkpoint_is_found_with_a_head_kept_elsewhere_only(file: Path) -> None:
    whole = entries_of(file)
    head = Head(whole[-1].index, whole[-1].hash)
    for length in range(len(whole)):
        write(file, whole[:length])
        (cut,) = [broken for broken in prove(file, head).breaks if broken.kind is BreakKind.CUT_OFF]
        assert (cut.position, cut.index) == (length, head.index)
        signed = any(entry.kind == CHECKPOINT for entry in whole[:length])
        kinds = {broken.kind for broken in prove(file).breaks}
        assert kinds == (set() if signed else {BreakKind.UNSIGNED})


@pytest.mark.shows("REQ-042")
def test_a_chain_calculated_anew_is_found_by_the_signature_and_by_a_head(file: Path) -> None:
    whole = entries_of(file)
    head = Head(whole[-1].index, whole[-1].hash)
    for place in range(len(whole)):
        forged = whole[:place]
        for entry in whole[place:]:
            body = json.loads(entry.body) | ({"n": 99} if entry.index == place else {})
            previous = forged[-1] if forged else None
            made = append(
                previous,
                wall_time=entry.wall_time,
                mono_us=entry.mono_us,
                kind=entry.kind,
                actor="eve",
                body_json=canonical_json(body),
            )
            forged.append(made)
        write(file, forged)
        signed = place <= 3  # the checkpoint is entry 3
        breaks = prove(file).breaks
        assert bool(breaks) is signed
        assert all(broken.position == 3 for broken in breaks if broken.kind is not BreakKind.UNSIGNED)
        assert [broken.kind for broken in prove(file, head).breaks][-1:] in (
            [BreakKind.REPLACED],
            [BreakKind.UNSIGNED],
        )
        assert any(broken.kind is BreakKind.REPLACED for broken in prove(file, head).breaks)


def test_a_large_chain_is_found_out_wherever_one_bit_changes(tmp_path: Path) -> None:
    path = tmp_path / "large.db"
    with Store.open(path, wall_clock=now) as store, store.transaction():
        record(store, 600, every=100)
    entries = entries_of(path)
    content = path.read_bytes()
    for entry in entries[::29]:
        needle = entry.hash.encode()  # once in its own row, once in the next as its predecessor
        for offset in {content.index(needle), content.rindex(needle)}:
            damaged = bytearray(content)
            damaged[offset + entry.index % 64] ^= 1 << entry.index % 8
            path.write_bytes(damaged)
            proof = prove(path)
            assert proof.breaks[0].position in {entry.index, entry.index + 1}
    path.write_bytes(content)
    assert not found(prove(path))


def test_a_damaged_page_is_told_with_the_place_where_reading_ends(tmp_path: Path) -> None:
    path = tmp_path / "large.db"
    with Store.open(path, wall_clock=now) as store, store.transaction():
        record(store, 600, every=100)
    entries = entries_of(path)
    with path.open("r+b") as raw:
        raw.seek(path.read_bytes().index(entries[300].body.encode()) // 4096 * 4096)
        raw.write(b"\xa5" * 512)
    proof = prove(path)
    unreadable = [broken for broken in proof.breaks if broken.kind is BreakKind.UNREADABLE]
    assert proof.file
    assert [0 < broken.position <= 300 for broken in unreadable] == [True]
    assert unreadable[0].index == entries[unreadable[0].position - 1].index + 1


def renumbered(entry: AuditEntry, index: int) -> AuditEntry:
    return AuditEntry(
        index,
        entry.prev_hash,
        entry.wall_time,
        entry.mono_us,
        entry.kind,
        entry.actor,
        entry.body,
        entry.hash,
    )


def test_bytes_that_are_no_text_are_found_and_printed(file: Path, picolase: Any) -> None:
    offset = file.read_bytes().rindex("änn".encode())  # rows are laid down from the page's end
    with file.open("r+b") as raw:
        raw.seek(offset)
        raw.write(b"\xff")
    assert prove(file).breaks[0].kind is BreakKind.ALTERED
    result = picolase("audit", "verify", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["breaks"][0]["index"] == 0


@pytest.mark.shows("REQ-042", "HZ-035")
@pytest.mark.processes
def test_a_daemon_killed_while_it_records_leaves_a_chain_that_holds(tmp_path: Path) -> None:
    path = tmp_path / "picolase.db"
    code = (
        "import sys; from pathlib import Path; from datetime import *\n"
        "from controller.store import Store; from safety.checkpoints import Signer\n"
        f"store = Store.open(Path({str(path)!r}), wall_clock=lambda: datetime.now(UTC))\n"
        "signer = Signer.from_secret(bytes(range(32)))\n"
        "while True:\n"
        "    entry = store.append_audit('set_point', 'ann', {'x': 'y' * 300}, now_us=1)\n"
        "    if entry.index % 5 == 0: entry = store.append_checkpoint(signer, 'L', actor='d', now_us=1)\n"
        "    print(f'{entry.index}:{entry.hash}', flush=True)\n"
    )
    told: Head | None = None
    for round_ in range(4):
        process = start(code)
        assert process.stdout is not None
        line = ""
        for _ in range(7 + 11 * round_):
            line = process.stdout.readline()
        process.kill()
        process.wait()
        process.stdout.close()
        index, _, digest = line.strip().partition(":")
        told = Head(int(index), digest)
        proof = prove(path, told)
        assert not found(proof), round_
        assert proof.entries > told.index, "what was told as recorded is on disk"
    assert told is not None
    assert told.index >= 30


@pytest.mark.shows("REQ-042", "HZ-035")
@pytest.mark.processes
def test_a_disk_that_fills_up_leaves_a_chain_that_holds_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "picolase.db"
    code = (
        "import resource, signal; from pathlib import Path; from datetime import *\n"
        "from controller.store import Store, StoreError\n"
        f"store = Store.open(Path({str(path)!r}), wall_clock=lambda: datetime.now(UTC))\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
        "head = None\n"
        "try:\n"
        "    while True: head = store.append_audit('k', 'ann', {'x': 'y' * 300}, now_us=1)\n"
        "except StoreError as error: print(f'{head.index}:{head.hash}', type(error).__name__, flush=True)\n"
        "import os; os._exit(0)\n"
    )
    process = start(code)
    assert process.stdout is not None
    line = process.stdout.read()
    process.wait()
    process.stdout.close()
    index, digest = line.split()[0].split(":")
    proof = prove(path, Head(int(index), digest), keys=())
    assert not found(proof)
    assert proof.entries == int(index) + 1 > 20
    with Store.open(path, wall_clock=now) as store:
        record(store, 4)
    assert not found(prove(path))


def start(code: str) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=env)
