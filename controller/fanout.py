"""The fan-out: what the daemon tells all who listen, each through bounded queues of its own.

A slow listener loses its own oldest items, never anybody else's, and never makes the daemon wait. What must
not be lost (pulses, events) is in the database before it comes here.
"""

import asyncio
import enum
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self


class Kind(enum.StrEnum):  # asked for with every message: a string hashes four times as fast
    """What an item is about."""

    ABOUT = "about"
    STATE = "state"
    TELEMETRY = "telemetry"
    ALARMS = "alarms"  # all that are active now, by id
    PULSE = "pulse"  # recorded already
    EVENT = "event"  # recorded already


LATEST: Final = 1
"""Depth of a queue that holds the newest value only."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing told."""

    kind: Kind
    value: Mapping[str, object]


@dataclass(eq=False)
class Subscription:
    """One listener's queues: `depths` says which kinds it hears, and how many items of each may wait.

    Full queues drop their oldest item and count it in `dropped`. One task takes, with `get` or `async for`;
    items come in the order in which they were told. Closing wakes it and ends the iteration.
    """

    name: str
    depths: Mapping[Kind, int]
    fanout: "Fanout" = field(repr=False)

    def __post_init__(self) -> None:
        if wrong := {kind.value: depth for kind, depth in self.depths.items() if depth < 1}:
            raise ValueError(f"subscription {self.name!r}: depth of {wrong} is not allowed: give 1 or more")
        self.dropped: Counter[Kind] = Counter()
        self.closed = False
        self._queues = {kind: deque[tuple[int, Item]](maxlen=depth) for kind, depth in self.depths.items()}
        self._news = asyncio.Event()

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def offer(self, order: int, item: Item) -> None:
        """Queue an item if its kind is heard; `order` counts up over all kinds."""
        queue = self._queues.get(item.kind)
        if queue is None:
            return
        if len(queue) == queue.maxlen:
            self.dropped[item.kind] += 1
        queue.append((order, item))
        self._news.set()

    async def get(self) -> Item:
        """Wait for the next item; raises StopAsyncIteration once closed and empty."""
        while True:
            waiting = [queue for queue in self._queues.values() if queue]
            if waiting:
                return min(waiting, key=lambda queue: queue[0][0]).popleft()[1]
            if self.closed:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        return await self.get()

    def close(self) -> None:
        """Hear nothing more; what waits may still be taken."""
        self.closed = True
        self.fanout.forget(self)
        self._news.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Fanout:
    """Tells every subscription; telling never waits and never raises."""

    def __init__(self) -> None:
        self._subscriptions: list[Subscription] = []
        self._heard: frozenset[Kind] = frozenset()
        self._told = 0

    @property
    def subscriptions(self) -> tuple[Subscription, ...]:
        """All open subscriptions, for their names, lengths and drop counts."""
        return tuple(self._subscriptions)

    def hears(self, kind: Kind) -> bool:
        """Whether anybody would hear of it: what is costly to put together need not be for nobody."""
        return kind in self._heard

    def subscribe(self, name: str, depths: Mapping[Kind, int]) -> Subscription:
        """Open a subscription; raises ValueError for a depth below 1. Close it when done."""
        subscription = Subscription(name, dict(depths), self)
        self._now_open([*self._subscriptions, subscription])
        return subscription

    def tell(self, kind: Kind, value: Mapping[str, object]) -> None:
        """Hand `value` to all who hear its kind. Nobody may change it afterwards."""
        self._told += 1
        item = Item(kind, value)
        for subscription in self._subscriptions:
            subscription.offer(self._told, item)

    def forget(self, subscription: Subscription) -> None:
        """Take a subscription off the list; one that is gone already is no error."""
        self._now_open([known for known in self._subscriptions if known is not subscription])

    def _now_open(self, subscriptions: list[Subscription]) -> None:
        self._subscriptions = subscriptions
        self._heard = frozenset(kind for one in subscriptions for kind in one.depths)
