"""The one command over MQTT, off by default: stop. Nothing else is listened to, and nothing here permits.

Theory of operation. Every message on `cmd/stop` that is not retained stops, whatever it says and however
often it comes: the first at once, and for those that follow within `SPACING_S` one more at its end. In that
time no laser that was stopped can have become READY again, so nothing is missed, and a flood does not drown
the record. A retained message is nobody's word now: it is refused and reported. Who gives a name is told what
became of the stop; replies that find no room are dropped, since the stop itself never waits for them.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, NamedTuple

from controller.answers import stop_answer
from controller.mqtt_link import Incoming, LinkTrouble, MqttLink, Outgoing
from hal.stopping import StopResult
from protocols.payloads import Payload, Stamp, encode, reply_payload
from protocols.topics import REPLY, STOP, TopicTree, is_id

SPACING_S: Final = 0.2  # [D] a tenth of the 2 s that arming takes at the least
ASKERS_MAX: Final = 8  # [C] replies to one stop: with SPACING_S, at most 40 in a second
WAITING_MAX: Final = 64  # [C] replies on their way to the broker
REPORT_EVERY_S: Final = 10.0  # [C] a retained message comes again with each connection
READ_MAX: Final = 4_096  # [C] bytes; who has more to say is stopped for, and not answered

RETAINED: Final = (
    "a retained message on cmd/stop was refused, since nobody says it now: clear it at the broker, "
    "and stop by a message that is not retained"
)

_log = logging.getLogger(__name__)


class Asker(NamedTuple):
    """Who asked for a stop and wants to be told: last level of the reply's topic, and their number for it."""

    client: str
    id: str | None


class RemoteStop:
    """Stops by `stop`, which must have sent the stop when it returns; `report` takes refusals in words."""

    def __init__(
        self,
        tree: TopicTree,
        *,
        boot: str,
        stop: Callable[[], asyncio.Future[StopResult]],
        report: Callable[[str], None],
        wall_clock: Callable[[], datetime],
    ) -> None:
        self._tree = tree
        self._boot = boot
        self._stop = stop
        self._report = report
        self._wall_clock = wall_clock
        self._free_s = 0.0  # from then on the next message stops at once
        self._due: asyncio.TimerHandle | None = None
        self._askers: list[Asker] = []
        self._answering: set[asyncio.Task[None]] = set()
        self._replies = asyncio.Queue[tuple[str, Payload]](WAITING_MAX)
        self._told_s: dict[str, float] = {}
        # Of all replies: as many counters as names that somebody makes up would fill the memory.
        self._seq = 0
        self._simulated: Callable[[], bool | None] = lambda: None

    async def serve(self, link: MqttLink, simulated: Callable[[], bool | None]) -> None:
        """Listen by this connection and bring replies to it; raises LinkTrouble when it is lost.

        One whose broker does not let us listen goes on without: what is published matters more.
        """
        try:
            await link.listen_to(self._tree.name(STOP))
        except LinkTrouble as trouble:
            if trouble.kind != "refused":
                raise
            self._tell(f"nobody can stop the laser over MQTT: {trouble}")
        self._simulated = simulated
        while True:
            client, payload = await self._replies.get()
            await link.send([self._numbered(client, payload)])

    def heard(self, message: Incoming) -> None:
        """Take what came in: the stop is sent before this returns, unless one was just before."""
        if message.topic != self._tree.name(STOP):
            return
        asker = _asker(message.payload)
        if message.retained:
            self._tell(RETAINED)
            if asker is not None:
                self._reply(asker, outcome="refused", text=RETAINED)
            return
        if asker is not None and asker not in self._askers and len(self._askers) < ASKERS_MAX:
            self._askers.append(asker)
        loop = asyncio.get_running_loop()
        if loop.time() >= self._free_s:
            self._stop_now()
        elif self._due is None:
            self._due = loop.call_at(self._free_s, self._stop_now)

    def close(self) -> None:
        """Nothing is heard any more; a stop that is due is still sent."""
        if self._due is not None:
            self._stop_now()
        for task in self._answering:
            task.cancel()

    def _stop_now(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None
        stopping = self._stop()
        self._free_s = asyncio.get_running_loop().time() + SPACING_S
        askers, self._askers = self._askers, []
        if askers:
            task = asyncio.create_task(self._answer(stopping, askers), name="mqtt-stop-answer")
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)

    async def _answer(self, stopping: asyncio.Future[StopResult], askers: list[Asker]) -> None:
        told = stop_answer(await asyncio.shield(stopping))
        for asker in askers:
            self._reply(asker, outcome="done" if told["confirmed"] else "uncertain", **told)

    def _reply(self, asker: Asker, **facts: Any) -> None:
        stamp = Stamp(self._wall_clock(), _now_us(), self._boot, self._simulated())
        try:
            self._replies.put_nowait((asker.client, reply_payload(stamp, id=asker.id, **facts)))
        except asyncio.QueueFull:
            _log.warning("a reply to %s on cmd/stop found no room", asker.client)

    def _numbered(self, client: str, payload: Payload) -> Outgoing:
        topic, told = self._tree.name(REPLY, client), encode({**payload, "seq": self._seq})
        self._seq += 1
        return Outgoing(topic, told, REPLY.qos, REPLY.retain, REPLY.expiry_s)

    def _tell(self, text: str) -> None:
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._told_s.get(text, now_s):
            self._told_s[text] = now_s + REPORT_EVERY_S
            self._report(text)


def _now_us() -> int:
    return round(asyncio.get_running_loop().time() * 1e6)


def _asker(payload: bytes) -> Asker | None:
    """Who wants a reply; None for what names nobody that can be a level of a topic."""
    if len(payload) > READ_MAX:
        return None
    try:
        told = json.loads(payload)
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
        return None
    if not isinstance(told, dict):
        return None
    named = [told.get(name) for name in ("client", "id")]
    client, id_ = (name if isinstance(name, str) and is_id(name) else None for name in named)
    return Asker(client or id_ or "", id_) if client or id_ else None
