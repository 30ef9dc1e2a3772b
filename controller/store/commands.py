"""The write-ahead record of commands: what was about to be sent, and what became of it."""

import json
import sqlite3
from collections.abc import Mapping

from controller.store.audit_log import AuditReads, AuditWrites
from controller.store.errors import RecordRefused
from controller.store.records import CommandOutcome, CommandRecord, moment
from safety.audit import canonical_json


class CommandReads(AuditReads):
    """Looking up commands."""

    def command(self, command_id: str) -> CommandRecord:
        """Return a command; raise `RecordRefused` if there is none of this id."""
        row = self._row("SELECT * FROM command WHERE id = ?", (command_id,))
        if row is None:
            raise RecordRefused(f"there is no command {command_id!r}", "check the id; nothing was changed")
        return _command(row)

    def has_command(self, command_id: str) -> bool:
        """Whether a command of this id was recorded."""
        return self._row("SELECT 1 FROM command WHERE id = ?", (command_id,)) is not None

    def open_commands(self) -> list[CommandRecord]:
        """Return the commands of unknown fate, oldest first: without outcome (after a crash) or uncertain."""
        rows = self._rows(
            "SELECT * FROM command WHERE settled IS NULL AND (outcome IS NULL OR outcome = 'uncertain') "
            "ORDER BY ordinal"
        )
        return [_command(row) for row in rows]

    def commands(self, kind: str, *, limit: int = 100) -> list[CommandRecord]:
        """Return the newest commands of a kind, newest first."""
        rows = self._rows("SELECT * FROM command WHERE kind = ? ORDER BY ordinal DESC LIMIT ?", (kind, limit))
        return [_command(row) for row in rows]


class CommandWrites(CommandReads, AuditWrites):
    """Recording commands; each step is audited in the same transaction."""

    def begin_command(
        self, command_id: str, kind: str, body: Mapping[str, object], *, actor: str, now_us: int
    ) -> None:
        """Record a command. It is on disk when this returns; send its bytes only then."""
        with self.transaction():
            self._run(
                "INSERT INTO command (id, kind, actor, body, begun, begun_mono_us) VALUES (?, ?, ?, ?, ?, ?)",
                (command_id, kind, actor, canonical_json(body), self._now(), now_us),
            )
            told = {"id": command_id, "command": kind, "body": dict(body)}
            self.append_audit("command.begin", actor, told, now_us=now_us)

    def end_command(self, command_id: str, outcome: CommandOutcome, detail: str = "", *, now_us: int) -> None:
        """Record what became of a command. The first outcome stands: a second one is refused."""
        with self.transaction():
            before = self.command(command_id)
            if before.outcome is not None or before.settled is not None:
                ended = before.outcome.value if before.outcome is not None else before.settled_how
                raise RecordRefused(
                    f"command {command_id!r} has ended already: {ended}",
                    "settle it if it was uncertain; its outcome is not rewritten",
                )
            self._run(
                "UPDATE command SET outcome = ?, detail = ?, ended = ? WHERE id = ?",
                (outcome.value, detail, self._now(), command_id),
            )
            told = {"id": command_id, "command": before.kind, "outcome": outcome.value, "detail": detail}
            self.append_audit("command.end", before.actor, told, now_us=now_us)

    def settle_command(self, command_id: str, how: str, *, actor: str, now_us: int) -> None:
        """Record how the fate of an unresolved command became known, and by whom."""
        with self.transaction():
            before = self.command(command_id)
            if not before.unresolved:
                raise RecordRefused(f"command {command_id!r} is not in doubt", "nothing has to be settled")
            self._run(
                "UPDATE command SET settled_how = ?, settled_by = ?, settled = ? WHERE id = ?",
                (how, actor, self._now(), command_id),
            )
            told = {"id": command_id, "command": before.kind, "how": how}
            self.append_audit("command.settled", actor, told, now_us=now_us)


def _command(row: sqlite3.Row) -> CommandRecord:
    values = dict(row)
    del values["ordinal"]
    values["body"] = json.loads(values["body"])
    values["outcome"] = None if values["outcome"] is None else CommandOutcome(values["outcome"])
    for name in ("begun", "ended", "settled"):
        values[name] = None if values[name] is None else moment(values[name])
    return CommandRecord(**values)
