"""The audit: proving it, its key, and handing it over. All but `rotate` only read."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from controller.cli.app import (
    App,
    actor,
    config_option,
    json_option,
    note,
    now_us,
    pass_app,
    print_json,
    wall_clock,
)
from controller.cli.exits import CommandFailed, Exit
from controller.cli.group import Group

if TYPE_CHECKING:
    from controller.audit_keys import AuditKeys
    from controller.store import AuditProof
    from safety.audit import Break, Head

HEAD_FORM = "INDEX:HASH"
_HEAD = re.compile(r"\b(\d{1,18}):([0-9a-f]{64})\b")
_STATE = re.compile(r'"audit_index":\s*(\d{1,18})\s*,\s*"audit_hash":\s*"([0-9a-f]{64})"')


@click.group(cls=Group)
def audit() -> None:
    """Prove the record of who did what, and hand it over."""


@audit.command()
@click.argument("export", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--head", "heads", metavar=HEAD_FORM, multiple=True, help="A head kept elsewhere; repeatable.")
@click.option(
    "--key",
    "keys",
    metavar="PUB",
    multiple=True,
    help="A public key kept elsewhere; repeatable.  [default: the one beside the database]",
)
@click.option(
    "--anchors",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with heads in it: the daemon's log, or retained states as MQTT gave them.",
)
@config_option
@json_option
@pass_app
def verify(
    app: App,
    export: Path | None,
    heads: tuple[str, ...],
    keys: tuple[str, ...],
    anchors: Path | None,
    *,
    as_json: bool,
) -> None:
    """Verify the audit: its hash chain, its signed checkpoints, the file that holds it; or an EXPORT of it.

    Alone it finds every change, deletion, insertion and re-ordering, and a tail that was cut off with the
    last checkpoint in it, whose head lies beside the database. A later cut, or one by somebody who changed
    that head, too, and a chain signed with another key, show only against what was kept elsewhere: a head, a
    public key.
    Exit status 1 and the places, when it is not whole.

    \b
    Examples:  picolase audit verify --key PUB --head INDEX:HASH
               journalctl -u picolase > log && picolase audit verify --anchors log
               picolase audit verify audit.jsonl --key PUB
    """
    from controller.audit_export import prove_export
    from controller.audit_head import HeadFile
    from controller.store import Reader

    expected = [_head(text) for text in heads]
    if anchors is not None:
        expected += _heads_in(anchors)
    wanted = {_key(text) for text in keys}
    if export is not None:
        proof = prove_export(export, expected, wanted)
    else:
        if (kept := HeadFile(app.config.store.path).known()) is not None:  # before the database is read
            expected.append(kept)
        with Reader.open(app.config.store.path) as reader:
            if not wanted and reader.signed:
                wanted = set(filter(None, [_keys(app).known()]))
            proof = reader.prove_audit(expected, wanted)
    whole = not (proof.breaks or proof.file)
    if as_json:
        print_json(_plain(proof, ok=whole))
    if not whole:
        raise CommandFailed(
            Exit.FAILED,
            "The audit is not whole: the records were changed from outside, or the disk failed. "
            "Keep a copy and find out why.",
            [*map(str, proof.breaks), *(f"the file: {fault}" for fault in proof.file)],
        )
    signed = f"signed to entry {proof.sealed} with {proof.key}" if proof.checkpoints else "not signed yet"
    note(f"The audit is whole: {proof.entries} entries, {signed}.\nHead: {_shown(proof.head) or 'none yet'}")


@audit.command()
@config_option
@json_option
@pass_app
def key(app: App, as_json: bool) -> None:
    """Print the public key that signs the audit: keep it where nobody who can reach the database can."""
    keys = _keys(app)
    public = keys.known()
    if not public:
        raise CommandFailed(
            Exit.FAILED, f"{keys.public} holds no key yet: the daemon makes one at its first start."
        )
    if as_json:
        print_json({"key": public, "file": str(keys.public)})
    else:
        click.echo(public)


@audit.command()
@config_option
@json_option
@pass_app
def rotate(app: App, as_json: bool) -> None:
    """Sign with a new key from now on, which the old one vouches for. The daemon may run on.

    Who has the old public key can still verify everything; keep the new one, too.
    """
    from controller.store import Store

    with Store.open(app.config.store.path, wall_clock=wall_clock, exclusive=False) as store:
        devices = store.devices()
        new = _keys(app).rotate(store, devices[0] if devices else "", actor=actor(), now_us=now_us())
    if as_json:
        print_json({"key": new.public})
    else:
        click.echo(new.public)
    note("From now on this key signs the audit. Keep it elsewhere.")


@audit.command()
@click.option("--since", metavar="TIME|INDEX", help="From this RFC 3339 time or entry number on.")
@click.option("--jsonl", is_flag=True, default=True, help="As JSON lines, which is the only form.")
@config_option
@pass_app
def export(app: App, since: str | None, *, jsonl: bool) -> None:
    """Print the audit as JSON lines, one entry each, that anybody can verify: see docs/records.md.

    \b
    Example:  picolase audit export --since 2026-05-01T00:00:00Z > audit.jsonl
    """
    del jsonl
    from controller.audit_export import line_of
    from controller.store import Reader

    first, after = _since(since)
    with Reader.open(app.config.store.path) as reader:
        started = after is None
        for entry in reader.audit_entries(first=first):
            # A clock can be set back: from the first entry of that time on, all follow, so that they link.
            started = started or (after is not None and entry.wall_time >= after)
            if started:
                sys.stdout.write(line_of(entry) + "\n")


def _since(text: str | None) -> tuple[int, str | None]:
    """The first number, and the first time, to be exported."""
    from datetime import datetime

    from controller.store import rfc3339

    if text is None or text.isdigit():
        return int(text or 0), None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter(f"--since {text!r} is neither an entry's number nor a time") from error
    if moment.tzinfo is None:
        raise click.BadParameter(f"--since {text!r} has no time zone: add Z or an offset such as +02:00")
    return 0, rfc3339(moment)


def _keys(app: App) -> AuditKeys:
    from controller.audit_keys import AuditKeys

    return AuditKeys(app.config.store.path)


def _head(text: str) -> Head:
    from safety.audit import Head

    found = _HEAD.fullmatch(text)
    if found is None:
        raise click.BadParameter(f"--head {text!r} is not {HEAD_FORM}, as an earlier run printed it")
    return Head(int(found[1]), found[2])


def _key(text: str) -> str:
    from safety.checkpoints import is_public_key

    if not is_public_key(text.lower()):
        raise click.BadParameter(f"--key {text!r} is not the 64 hexadecimal digits of `picolase audit key`")
    return text.lower()


def _heads_in(file: Path) -> list[Head]:
    """Every head that the file's text tells of, in the form of the log or of a retained state."""
    from safety.audit import Head

    text = file.read_text("utf-8", "replace")
    found = [*_HEAD.findall(text), *_STATE.findall(text)]
    if not found:
        raise CommandFailed(
            Exit.BAD_INPUT,
            f'{file} holds no head: neither {HEAD_FORM} nor "audit_index" and "audit_hash" of a state.',
        )
    return [Head(int(index), digest) for index, digest in found]


def _plain(proof: AuditProof, *, ok: bool) -> dict[str, Any]:
    return {
        "ok": ok,
        "entries": proof.entries,
        "head": _shown(proof.head) or None,
        "checkpoints": proof.checkpoints,
        "key": proof.key or None,
        "signed_to": proof.sealed if proof.sealed >= 0 else None,
        "breaks": [_plain_break(broken) for broken in proof.breaks],
        "file": list(proof.file),
    }


def _plain_break(broken: Break) -> dict[str, Any]:
    entry = broken.entry
    return {
        "break": broken.kind.name.lower(),
        "index": broken.index,
        "position": broken.position,
        "kind": None if entry is None else _printable(entry.kind),
        "time": None if entry is None else _printable(entry.wall_time),
        "text": str(broken),
    }


def _printable(value: object) -> str:
    """Text as it can be printed: a damaged file gives anything."""
    return str(value).encode(errors="backslashreplace").decode()


def _shown(head: Head | None) -> str:
    return "" if head is None else f"{head.index}:{head.hash}"
