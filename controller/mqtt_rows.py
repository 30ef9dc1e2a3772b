"""The outbox: what keeps messages until the broker has them, and its rows as the messages they become."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol

from controller.mqtt_link import Outgoing
from controller.store.records import OutboxMessage
from controller.store.store import Store
from controller.store.writer import StoreWriter
from protocols.payloads import Quality, Stamp, encode, event_payload, pulse_payload
from protocols.topics import EVENT, PULSE, TopicTree

_TOPICS: Final = {PULSE.suffix: (PULSE, pulse_payload), EVENT.suffix: (EVENT, event_payload)}


class Outbox(Protocol):
    """What keeps messages until the broker has acknowledged them."""

    async def next(self, limit: int, *, after_id: int) -> Sequence[OutboxMessage]:
        """Return the oldest messages beyond `after_id`, at most `limit`."""

    async def done(self, ids: Sequence[int]) -> None:
        """Forget these."""


class StoreOutbox:
    """The outbox in the daemon's store, used through its writer."""

    def __init__(self, writer: StoreWriter) -> None:
        self._writer = writer

    async def next(self, limit: int, *, after_id: int) -> Sequence[OutboxMessage]:
        """Return the oldest messages beyond `after_id`, at most `limit`; raises StoreError."""
        return await self._writer.run(Store.outbox_next, limit, after_id=after_id)

    async def done(self, ids: Sequence[int]) -> None:
        """Remove messages from the store; raises StoreError."""
        await self._writer.run(Store.outbox_done, ids)


def message_of(
    row: OutboxMessage, tree: TopicTree, *, boot: str, simulated: bool | None, now: datetime
) -> Outgoing:
    """The message of a row; raises KeyError, ValueError or TypeError for one that nobody can publish.

    A record says by which run of the daemon it was made (`daemon_boot`) and of which laser (`simulated`);
    where it does not, `boot` and `simulated` stand in.
    """
    topic, build = _TOPICS[row.topic]
    late_s = max(0.0, (now - row.created).total_seconds())
    payload = build(row.payload, stamp_of(row.payload, boot, simulated))
    told = {**payload, "late_s": round(late_s, 3), "seq": row.seq}
    return Outgoing(tree.name(topic), encode(told), topic.qos, topic.retain, topic.expiry_s)


def stamp_of(record: Mapping[str, object], boot: str, simulated: bool | None) -> Stamp:
    """When and of which laser a record was made; raises KeyError or ValueError for what is none."""
    sim = record.get("simulated", simulated)
    return Stamp(
        wall_time=datetime.fromisoformat(str(record["wall_time"])),
        mono_us=int(str(record["mono_us"])),
        boot=str(record.get("daemon_boot") or boot),
        sim=None if sim is None else bool(sim),
        quality=Quality.BAD if record.get("unknown") else Quality.GOOD,
    )
