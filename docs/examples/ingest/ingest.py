"""A worker that takes pulses and events of all lasers into SQLite: each once, whatever comes twice.

Several of these share the work: each message goes to one of them (`$share/ingest/...`). A message is
acknowledged only when it is committed; what a worker had not acknowledged when it died comes again, to it or
to another. Broker and lasers repeat: the key (topic, boot, seq) makes each of them count once, whoever takes
it. The order between workers is lost: read by `ORDER BY topic, boot, seq`, not by time of arrival.

    python ingest.py --host broker.example --name worker-1 --database pulses.db
    python ingest.py --host broker.example --name worker-2 --database pulses.db

Each needs a name of its own and always the same: the broker keeps what comes while it is away. A worker that
is gone for good is to be taken off the broker, or its share waits for it in vain.
"""

from __future__ import annotations

import argparse
import json
import signal
import sqlite3
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

SUBSCRIBED = ("pulse", "event")
SESSION_S = 86_400  # how long the broker keeps what comes while this worker is away
AT_ONCE = 100  # not yet acknowledged: as many come again when this worker dies
BUSY_MS = 10_000  # how long one worker waits for another that writes
SEQ_MAX = 2**63 - 1

TABLES = """
CREATE TABLE IF NOT EXISTS messages (
    topic TEXT NOT NULL, boot TEXT NOT NULL, seq INTEGER NOT NULL,
    payload TEXT NOT NULL, worker TEXT NOT NULL,
    PRIMARY KEY (topic, boot, seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS workers (
    worker TEXT PRIMARY KEY, repeated INTEGER NOT NULL DEFAULT 0, unreadable INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
"""


class Books:
    """The database of all workers; `worker` writes here."""

    def __init__(self, path: Path, worker: str) -> None:
        self._worker = worker
        self._database = sqlite3.connect(path, isolation_level=None, timeout=BUSY_MS / 1000)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")  # what is acknowledged is on the disk
        self._database.executescript(TABLES)
        self._database.execute("INSERT OR IGNORE INTO workers (worker) VALUES (?)", (worker,))

    def take(self, topic: str, payload: bytes) -> None:
        """Commit one message. What is none of ours is counted: it must not stop the others."""
        key = _key(payload)
        if key is None:
            self._count("unreadable")
            return
        row = (topic, *key, payload.decode(), self._worker)
        if not self._database.execute("INSERT OR IGNORE INTO messages VALUES (?, ?, ?, ?, ?)", row).rowcount:
            self._count("repeated")

    def close(self) -> None:
        """End."""
        self._database.close()

    def _count(self, what: str) -> None:
        sql = f"UPDATE workers SET {what} = {what} + 1 WHERE worker = ?"  # noqa: S608  # two words of ours
        self._database.execute(sql, (self._worker,))


def _key(payload: bytes) -> tuple[str, int] | None:
    """Boot and seq; None if it has none."""
    try:
        told = json.loads(payload)
        boot, seq = told["boot"], told["seq"]
        boot.encode()  # half a surrogate can be written in JSON, and in no database
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return (boot, seq) if type(seq) is int and 0 <= seq <= SEQ_MAX else None


def main() -> None:
    """Work until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--name", required=True, help="of this worker, as the broker knows it")
    parser.add_argument("--group", default="ingest", help="the workers that share")
    parser.add_argument("--prefix", default="laser/v1")
    parser.add_argument("--database", type=Path, required=True)
    given = parser.parse_args()

    books = Books(given.database, given.name)
    client = Client(CallbackAPIVersion.VERSION2, given.name, protocol=MQTTv5)

    def connected(
        client: Client,
        _userdata: Any,
        _flags: ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            sys.stderr.write(f"the broker refuses: {reason}\n")
            return
        client.subscribe([(f"$share/{given.group}/{given.prefix}/+/+/{one}", 1) for one in SUBSCRIBED])

    def subscribed(
        _client: Client, _userdata: Any, _id: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        refused = [str(reason) for reason in reasons if reason.is_failure]
        sys.stdout.write(f"refused: {', '.join(refused)}\n" if refused else "ready\n")
        sys.stdout.flush()

    def heard(_client: Client, _userdata: Any, message: MQTTMessage) -> None:
        books.take(message.topic, bytes(message.payload))  # paho acknowledges when this returns, not before

    def ended(_number: int, _frame: FrameType | None) -> None:
        client.disconnect()

    def disconnected(
        _client: Client,
        _userdata: Any,
        _flags: DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        sys.stderr.write(f"disconnected: {reason}\n")

    client.on_connect, client.on_subscribe = connected, subscribed
    client.on_message, client.on_disconnect = heard, disconnected
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ended)
    session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho's
    session.SessionExpiryInterval = SESSION_S
    session.ReceiveMaximum = AT_ONCE
    client.connect(given.host, given.port, keepalive=10, clean_start=False, properties=session)
    client.loop_forever()  # connects again by itself
    books.close()


if __name__ == "__main__":
    main()
