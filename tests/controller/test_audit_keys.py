"""The key that signs: its files, its rotation, and the commands about it."""

import itertools
import json
import os
import shutil
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import Result

from controller.audit_keys import AuditKeys
from controller.store import Reader, Store, StoreError
from safety.audit import BreakKind, Head
from tests.controller.stored import now

Picolase = Callable[..., Result]


def counted() -> Callable[[int], bytes]:
    """Secrets that tell their order."""
    numbers = itertools.count(1)
    return lambda length: bytes([next(numbers)]) * length


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "picolase.db"


@pytest.fixture
def keys(path: Path) -> AuditKeys:
    return AuditKeys(path, counted())


def test_the_key_is_made_once_and_is_its_owners_alone(path: Path, keys: AuditKeys) -> None:
    with Store.open(path, wall_clock=now) as store:
        first = keys.signer(store).public
        assert keys.signer(store).public == first == keys.known()
        assert AuditKeys(path).signer(store).public == first
    assert keys.private.stat().st_mode & 0o777 == 0o600
    assert keys.public.stat().st_mode & 0o777 == 0o644
    assert keys.public.read_text().strip() == first
    assert sorted(item.name for item in path.parent.iterdir() if "key" in item.name) == [
        "picolase.db.audit-key",
        "picolase.db.audit-key.pub",
    ]


def test_a_key_keeps_its_name_when_the_power_fails(
    path: Path, keys: AuditKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that was given its name is sure to have it once its folder is on disk, and not before."""
    done: list[str] = []
    replace, fsync = os.replace, os.fsync

    def noted_replace(self: Path, target: Path) -> Path:
        done.append("named")
        replace(self, target)
        return target

    def noted_sync(descriptor: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    with Store.open(path, wall_clock=now) as store:
        monkeypatch.setattr(Path, "replace", noted_replace)
        monkeypatch.setattr(os, "fsync", noted_sync)
        keys.signer(store)
        assert done == ["file", "named", "folder"] * 2, "the private and the public one"
        done.clear()
        keys.rotate(store, "PL-1", actor="anna", now_us=1)
        named = [index for index, what in enumerate(done) if what == "named"]
        assert len(named) == 3, "the next one, in place of the old one, and the public one"
        assert all(done[index + 1] == "folder" for index in named)


def test_a_lost_public_key_is_written_again(path: Path, keys: AuditKeys) -> None:
    with Store.open(path, wall_clock=now) as store:
        public = keys.signer(store).public
        for spoil in (keys.public.unlink, lambda: keys.public.write_bytes(b"\xff\n")):
            spoil()
            assert keys.known() == ""
            assert keys.signer(store).public == public == keys.known()


def test_a_key_that_cannot_be_used_is_told(path: Path, keys: AuditKeys, tmp_path: Path) -> None:
    with Store.open(path, wall_clock=now) as store:
        keys.private.write_text("12 monkeys\n")
        with pytest.raises(StoreError, match=r"64 hexadecimal digits.*restore it from a backup"):
            keys.signer(store)
        keys.private.unlink()
        keys.private.mkdir()
        with pytest.raises(StoreError, match="cannot be read"):
            keys.signer(store)
        with pytest.raises(StoreError, match="cannot be written"):
            AuditKeys(tmp_path / "nowhere" / "x.db", counted()).signer(store)


def test_after_a_rotation_the_old_public_key_still_proves_everything(path: Path, keys: AuditKeys) -> None:
    with Store.open(path, wall_clock=now) as store:
        old = keys.signer(store)
        store.append_checkpoint(old, "PL-1", actor="daemon", now_us=1)
        new = keys.rotate(store, "PL-1", actor="cli:root", now_us=2)
        assert new.public != old.public
        assert keys.known() == new.public
        store.append_audit("end", "ann", {}, now_us=3)
        store.append_checkpoint(keys.signer(store), "PL-1", actor="daemon", now_us=4)
        for expected in ([], [old.public], [new.public]):
            proof = store.prove_audit(keys=expected)
            assert proof.breaks == ()
            assert (proof.key, proof.sealed) == (new.public, 3)


@pytest.mark.parametrize("reached", [False, True])
def test_a_rotation_cut_short_leaves_the_key_that_the_audit_names(
    path: Path, keys: AuditKeys, reached: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.open(path, wall_clock=now) as store:
        old = keys.signer(store).public
        with monkeypatch.context() as patch:
            if reached:  # power is lost before the new key gets the old one's name
                patch.setattr(Path, "replace", interrupted_at(".next"))
            else:  # power is lost before the audit knows of the new key
                patch.setattr(store, "append_checkpoint", interrupted)
            with pytest.raises(KeyboardInterrupt):
                keys.rotate(store, "PL-1", actor="cli:root", now_us=2)
        after = AuditKeys(path, counted()).signer(store).public
        assert (after != old) is reached
        store.append_checkpoint(AuditKeys(path).signer(store), "PL-1", actor="daemon", now_us=3)
        assert store.prove_audit(keys=[old]).breaks == ()
    assert not path.with_name("picolase.db.audit-key.next").exists()


def test_a_lost_key_is_replaced_and_told_and_backups_go_on(
    path: Path, keys: AuditKeys, tmp_path: Path
) -> None:
    with Store.open(path, wall_clock=now) as store:
        old = keys.signer(store)
        store.append_checkpoint(old, "PL-1", actor="daemon", now_us=1)
        keys.private.unlink()
        new = keys.signer(store)
        store.append_checkpoint(new, "PL-1", actor="daemon", now_us=2)
        for expected in ([], [old.public]):
            (broken,) = store.prove_audit(keys=expected).breaks
            assert (broken.kind, broken.index) == (BreakKind.UNTRUSTED, 1)
        assert store.prove_audit(keys=[new.public]).breaks == ()
        assert store.check() == []
        store.backup(tmp_path / "backup.db")


@pytest.mark.parametrize("text", ["7", "no JSON"])
def test_a_checkpoint_that_was_tampered_with_does_not_keep_the_daemon_from_starting(
    path: Path, keys: AuditKeys, text: str
) -> None:
    with Store.open(path, wall_clock=now) as store:
        store.append_checkpoint(keys.signer(store), "PL-1", actor="daemon", now_us=1)
        public = keys.known()
        store._run("DROP TRIGGER audit_is_never_changed")
        store._run("UPDATE audit SET body = ?", (text,))
        assert keys.signer(store).public == public
        assert store.prove_audit().breaks != ()


def interrupted(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def interrupted_at(ending: str) -> Callable[[Path, Path], Path]:
    """`Path.replace` that does not come to replace such a file."""
    replace = Path.replace

    def stopping(path: Path, target: Path) -> Path:
        if path.name.endswith(ending):
            raise KeyboardInterrupt
        return replace(path, target)

    return stopping


# -- the commands


@pytest.fixture
def signed(config: Path, keys: AuditKeys, path: Path) -> Path:
    """A database as a daemon leaves it, beside the configuration of the command line."""
    assert config.parent == path.parent
    with Store.open(path, wall_clock=now) as store:
        store.append_checkpoint(keys.signer(store), "PL-1", actor="daemon", now_us=1)
        for number in range(3):
            store.append_audit("set_point", "ann", {"n": number}, now_us=number)
        store.append_checkpoint(keys.signer(store), "PL-1", actor="daemon", now_us=1)
        store.append_audit("end", "ann", {}, now_us=9)
    return path


def head_of(path: Path) -> Head:
    with Reader.open(path) as reader:
        head = reader.audit_head()
    assert head is not None
    return head


def test_verify_tells_all_in_json(signed: Path, picolase: Picolase) -> None:
    head, key = head_of(signed), AuditKeys(signed).known()
    told = json.loads(picolase("audit", "verify", "--json").stdout)
    assert told == {
        "ok": True,
        "entries": 6,
        "head": f"{head.index}:{head.hash}",
        "checkpoints": 2,
        "key": key,
        "signed_to": 3,
        "breaks": [],
        "file": [],
    }
    assert picolase("audit", "key").stdout.strip() == key
    assert json.loads(picolase("audit", "key", "--json").stdout)["key"] == key
    assert picolase("audit", "verify", "--key", key.upper()).exit_code == 0
    other = picolase("audit", "verify", "--key", "ab" * 32, "--json")
    assert other.exit_code == 1
    assert [broken["break"] for broken in json.loads(other.stdout)["breaks"]] == [
        "untrusted",
        "untrusted",
        "unsigned",
    ]


def test_a_change_is_told_with_number_kind_and_time(signed: Path, picolase: Picolase) -> None:
    with closing(sqlite3.connect(signed)) as shell:
        shell.execute("DROP TRIGGER audit_is_never_changed")
        shell.execute("UPDATE audit SET actor = 'eve' WHERE idx = 2")
        shell.commit()
    result = picolase("audit", "verify", "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told["ok"] is False
    (broken,) = told["breaks"]
    assert {name: broken[name] for name in ("break", "index", "position", "kind", "time")} == {
        "break": "altered",
        "index": 2,
        "position": 2,
        "kind": "set_point",
        "time": "2026-03-04T00:00:00.000000Z",
    }
    assert "set_point of 2026-03-04" in result.stderr


def test_heads_are_found_in_a_log_and_in_retained_states(
    signed: Path, picolase: Picolase, tmp_path: Path
) -> None:
    head = head_of(signed)
    with Reader.open(signed) as reader:
        entries = list(reader.audit_entries())
    log = tmp_path / "log"
    log.write_text(
        f"12:00:01 info the audit is signed, its head is {entries[4].index}:{entries[4].hash}\n"
        f'{{"state":"standby","audit_index":{head.index},"audit_hash":"{head.hash}","q":"good"}}\n'
    )
    assert picolase("audit", "verify", "--anchors", str(log)).exit_code == 0
    with closing(sqlite3.connect(signed)) as shell:
        shell.execute("DROP TRIGGER audit_is_never_removed")
        shell.execute("DELETE FROM audit WHERE idx = 5")
        shell.commit()
    assert picolase("audit", "verify").exit_code == 0, "nothing in the file tells of its lost tail"
    cut = picolase("audit", "verify", "--anchors", str(log), "--json")
    assert cut.exit_code == 1
    (broken,) = json.loads(cut.stdout)["breaks"]
    assert (broken["break"], broken["index"]) == ("cut_off", 5)
    log.write_text("nothing of that kind")
    assert picolase("audit", "verify", "--anchors", str(log)).exit_code == 7


@pytest.mark.parametrize("text", ["ab", "x" * 64, ""])
def test_a_key_must_be_written_as_it_was_printed(signed: Path, picolase: Picolase, text: str) -> None:
    assert picolase("audit", "verify", "--key", text).exit_code == 2


def test_rotate_gives_a_new_key_that_the_old_one_vouches_for(signed: Path, picolase: Picolase) -> None:
    old = picolase("audit", "key").stdout.strip()
    new = json.loads(picolase("audit", "rotate", "--json").stdout)["key"]
    assert new != old
    assert picolase("audit", "key").stdout.strip() == new
    for arguments in ([], ["--key", old], ["--key", new]):
        assert picolase("audit", "verify", *arguments).exit_code == 0


def test_without_a_key_the_command_says_when_there_will_be_one(config: Path, picolase: Picolase) -> None:
    result = picolase("audit", "key")
    assert result.exit_code == 1
    assert "at its first start" in result.stderr


def test_a_copy_without_its_key_is_verified_by_the_key_that_it_names(
    signed: Path, picolase: Picolase, tmp_path: Path
) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    shutil.copy(signed, folder / "picolase.db")
    (folder / "picolase.toml").write_text('[device]\nurl = "/dev/ttyUSB0"\n')
    key = AuditKeys(signed).known()
    result = picolase("audit", "verify", "--json", "--config", str(folder / "picolase.toml"))
    assert json.loads(result.stdout)["key"] == key


def test_the_export_is_the_audit_line_by_line(signed: Path, picolase: Picolase) -> None:
    with Reader.open(signed) as reader:
        entries = list(reader.audit_entries())
    lines = [json.loads(line) for line in picolase("audit", "export").stdout.splitlines()]
    assert [line["hash"] for line in lines] == [entry.hash for entry in entries]
    assert list(lines[0]) == ["index", "prev_hash", "wall_time", "mono_us", "kind", "actor", "body", "hash"]

    def numbers(since: str) -> list[int]:
        text = picolase("audit", "export", "--jsonl", "--since", since).stdout
        return [json.loads(line)["index"] for line in text.splitlines()]

    assert numbers("4") == [4, 5]
    assert numbers("2026-03-03T23:00:00-01:00") == [0, 1, 2, 3, 4, 5]
    assert numbers("2026-03-04T00:00:01Z") == []
    for wrong in ("yesterday", "2026-03-04T00:00:00"):
        assert picolase("audit", "export", "--since", wrong).exit_code == 2
