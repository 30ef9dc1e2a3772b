"""The outbox: messages that stay until the broker has acknowledged them."""

import json
from collections.abc import Mapping, Sequence

from controller.store.database import Database
from controller.store.records import OutboxMessage, moment
from safety.audit import canonical_json

_COUNT_UP = (
    "INSERT INTO topic_seq VALUES (?, 1) "
    "ON CONFLICT (topic) DO UPDATE SET last_seq = last_seq + 1 RETURNING last_seq"
)


class OutboxReads(Database):
    """What waits to be published."""

    def outbox_next(self, limit: int, *, after_id: int = 0) -> list[OutboxMessage]:
        """Return the oldest messages, at most `limit`, beyond `after_id` (those before it are in flight)."""
        rows = self._rows("SELECT * FROM outbox WHERE id > ? ORDER BY id LIMIT ?", (after_id, limit))
        return [
            OutboxMessage(
                row["id"], row["topic"], row["seq"], json.loads(row["payload"]), moment(row["created"])
            )
            for row in rows
        ]

    def outbox_depth(self, *, at_most: int = -1) -> int:
        """Return how many messages wait; with `at_most` it counts no further."""
        return self._number("SELECT count(*) FROM (SELECT id FROM outbox LIMIT ?)", (at_most,))

    def counted_topics(self, beginning: str) -> list[str]:
        """Return the topics of which something was counted, and whose names begin so."""
        query = "SELECT topic FROM topic_seq WHERE substr(topic, 1, ?) = ? ORDER BY topic"
        return [row["topic"] for row in self._rows(query, (len(beginning), beginning))]


class OutboxWrites(OutboxReads):
    """Filling and emptying the outbox; one that is not `outbox_wanted` takes nothing in."""

    outbox_wanted = True
    daemon_boot = ""
    """Identity of this run of the daemon: a message that is published twice, by two runs, says the same."""

    def outbox_put(self, topic: str, payload: Mapping[str, object]) -> None:
        """Add a message. Numbers count up from 1 per topic, over restarts and deletions, without a gap."""
        with self.transaction():
            self._outbox_put(topic, canonical_json(payload))

    def _outbox_put(self, topic: str, payload_json: str) -> None:
        """Do it within the caller's transaction, without a step of its own: for the path of every pulse."""
        if not self.outbox_wanted:
            return
        seq = self._number(_COUNT_UP, (topic,))
        self._run(
            "INSERT INTO outbox (topic, seq, payload, created) VALUES (?, ?, ?, ?)",
            (topic, seq, payload_json, self._now()),
        )

    def outbox_done(self, ids: Sequence[int]) -> None:
        """Remove messages the broker has acknowledged; one that is gone already is no error."""
        with self.transaction():
            for message_id in ids:
                self._run("DELETE FROM outbox WHERE id = ?", (message_id,))

    def count_up(self, topic: str) -> int:
        """Return the next number of a topic that is published past the outbox: from 1, over restarts."""
        with self.transaction():
            return self._number(_COUNT_UP, (topic,))

    def forget_topic(self, topic: str) -> None:
        """Forget what was counted of a topic; one that was never counted is no error."""
        with self.transaction():
            self._run("DELETE FROM topic_seq WHERE topic = ?", (topic,))
