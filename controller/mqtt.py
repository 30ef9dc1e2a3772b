"""The MQTT publisher: brings what the daemon tells to the broker, whatever the broker does.

Theory of operation. The publisher hears the fan-out like any other listener and never makes the daemon wait.
Retained topics (about, state, alarms, status) are a picture of now: the newest content is kept here and
brought to the broker after each connect, on change, and state and status every `REFRESH_S`. Samples are
latest-value; those replaced before they were published are counted. Pulses and events come from the store's
outbox, in its order, and leave it once the broker has acknowledged them: at least once, told apart by
`(boot, seq)`. One connection is used until its first trouble; then the next is tried, ever more slowly.
Nothing is subscribed to but `cmd/stop`, where that is allowed (see `mqtt_stop`).
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final, Protocol, cast

from controller.config import MqttConfig
from controller.fanout import LATEST, Fanout, Item, Kind
from controller.mqtt_link import LinkTrouble, MqttLink, Outgoing, connect, happens, read_secrets
from controller.mqtt_rows import Outbox, message_of
from controller.mqtt_stop import RemoteStop
from controller.mqtt_tries import Tries
from controller.store.errors import StoreError
from controller.store.records import OutboxMessage
from hal.time import now_us
from protocols import payloads
from protocols.payloads import Payload, Quality, encode
from protocols.topics import (
    ABOUT,
    ALARM,
    FAULT_ALARM_IDS,
    STATE,
    STATUS,
    TELEMETRY,
    Topic,
    TopicTree,
)

REFRESH_S: Final = 5.0  # [P] state on change and every 5 s
REPEAT_EACH: Final = 12  # [C] refreshes: what stands retained for long is said again each minute
HEAD: Final = ("audit_index", "audit_hash")  # grows with each pulse: waits for the refresh
STALE_S: Final = 2.5  # [C] the daemon tells state and samples once a second at the least: one may be late
IN_FLIGHT: Final = 64  # [P] outbox messages published and not yet acknowledged
OUTBOX_POLL_S: Final = 1.0  # [C] for rows that another program wrote; the daemon's own wake us
DRAIN_S: Final = 3.0  # [C] at the end, for what is still in the outbox; what remains keeps for the next start

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MqttHealth:
    """How publishing stands."""

    connected: bool
    trouble: str | None  # in words; None: none
    sent: int
    samples_dropped: int
    since_s: float  # so long it has been connected, or not


class Beside(Protocol):
    """What else is to stand retained at the broker, beside the topics."""

    async def keep(
        self,
        about: Payload | None,
        shown: dict[str, object],
        send: Callable[[list[Outgoing]], Awaitable[None]],
    ) -> None:
        """Send what is missing; `shown` is what this connection has shown. Raises what `send` raises."""


@dataclass(frozen=True, slots=True)
class _Heard:
    """A payload and when the daemon told it, in loop seconds."""

    payload: Payload
    at_s: float


class MqttPublisher:
    """Publishes what `fanout` tells and `outbox` keeps, under the topics of `config`.

    `boot` is the random identity of this run of the daemon; `wall_clock` gives aware times; `jitter` a number
    from 0 to 1, so that a fleet does not come back all at once. `alarm_ids` are those that may still stand at
    the broker from an earlier run: they are cleared unless told. `beside` comes after the birth;
    `remote_stop` is the only one that listens.
    """

    def __init__(
        self,
        config: MqttConfig,
        *,
        fanout: Fanout,
        outbox: Outbox,
        boot: str,
        wall_clock: Callable[[], datetime],
        jitter: Callable[[], float],
        alarm_ids: Collection[str] = FAULT_ALARM_IDS,
        beside: Beside | None = None,
        remote_stop: RemoteStop | None = None,
    ) -> None:
        self._config = config
        self._outbox = outbox
        self._beside = beside
        self._remote_stop = remote_stop
        self._boot = boot
        self._wall_clock = wall_clock
        self._tree = TopicTree(config.site, config.device_id, config.prefix)
        self._feed = fanout.subscribe("mqtt", dict.fromkeys(Kind, LATEST))

        self._about: _Heard | None = None
        self._state: _Heard | None = None
        self._alarms: dict[str, _Heard | None] = dict.fromkeys(sorted(alarm_ids))  # None: to be cleared
        self._cleared: set[str] = set()  # alarm ids the broker has acknowledged as cleared
        self._sample: _Heard | None = None
        self._seq: Counter[str] = Counter()
        self._unfit: set[Kind] = set()  # kinds of which something told could not be published

        self._retained_news = asyncio.Event()
        self._sample_news = asyncio.Event()
        self._outbox_news = asyncio.Event()
        self._stopping = asyncio.Event()

        self._version: str | None = None  # of MQTT, with which the broker was reached last
        self._connected = False
        self._since_us = now_us()
        self._tries = Tries("MQTT", _log, stopping=self._stopping, jitter=jitter)
        self._sent = 0
        self._replaced = 0

    @property
    def health(self) -> MqttHealth:
        """How publishing stands now."""
        dropped = self._replaced + self._feed.dropped[Kind.TELEMETRY]
        trouble = self._tries.trouble
        since_s = (now_us() - self._since_us) / 1e6
        return MqttHealth(self._connected, str(trouble) if trouble else None, self._sent, dropped, since_s)

    def stop(self) -> None:
        """Ask `run` to publish what it has heard and what the outbox holds, to say goodbye, and to return."""
        self._feed.close()

    async def run(self) -> None:
        """Publish until stopped. Raises nothing but cancellation, after which the broker's word is "lost"."""
        listener = asyncio.create_task(self._listen(), name="mqtt-listen")
        try:
            await self._tries.run(self._serve)
        finally:
            self._feed.close()
            listener.cancel()
            if self._remote_stop is not None:
                self._remote_stop.close()
            await asyncio.wait({listener})

    async def _listen(self) -> None:
        async for item in self._feed:
            try:
                self._hear(item)
            except Exception as error:  # noqa: BLE001  # top of the task: one bad item must not make it deaf
                level = logging.DEBUG if item.kind in self._unfit else logging.ERROR
                _log.log(level, "MQTT: what was told of %s cannot be published: %r", item.kind.value, error)
                self._unfit.add(item.kind)
        self._stopping.set()
        for news in (self._retained_news, self._outbox_news):
            news.set()

    def _hear(self, item: Item) -> None:
        heard = _Heard(cast("Payload", item.value), asyncio.get_running_loop().time())
        if item.kind in {Kind.ABOUT, Kind.STATE, Kind.TELEMETRY}:
            encode(heard.payload)  # what is no payload must fail here, not in the midst of publishing
        match item.kind:
            case Kind.ABOUT:
                self._about = heard
                self._retained_news.set()
            case Kind.STATE:
                before, self._state = self._state, heard
                if before is None or _content(before.payload, *HEAD) != _content(heard.payload, *HEAD):
                    self._retained_news.set()
            case Kind.ALARMS:
                self._hear_alarms(cast("Mapping[str, Payload]", item.value), heard.at_s)
            case Kind.TELEMETRY:
                self._replaced += self._sample is not None
                self._sample = heard
                self._sample_news.set()
            case Kind.PULSE | Kind.EVENT:
                self._outbox_news.set()

    def _hear_alarms(self, active: Mapping[str, Payload], at_s: float) -> None:
        for name, payload in active.items():
            self._tree.name(ALARM, name)
            encode(payload)
        for name in self._alarms.keys() | active.keys():
            known, told = self._alarms.get(name), active.get(name)
            self._alarms[name] = None if told is None else _Heard(told, at_s)
            if (known and _content(known.payload)) != (told and _content(told)):
                self._retained_news.set()
        self._cleared -= active.keys()

    async def _serve(self) -> None:
        try:
            await self._session()
        finally:
            if self._connected:
                self._connected, self._since_us = False, now_us()

    async def _session(self) -> None:
        """Use one connection: return after a goodbye, or raise what ended it."""
        secrets = await asyncio.to_thread(read_secrets, self._config)
        will = self._outgoing(STATUS, encode(payloads.will_payload(self._boot)))
        name = f"picolase-{self._tree.site}-{self._tree.device}"
        known, self._version = self._version, None  # one that fails is asked anew which version it has
        link = await connect(self._config, secrets, name, will, known=known)
        self._version = link.version
        try:
            await self._publish_all(link)
            goodbye = payloads.goodbye_payload(self._boot, self._wall_clock())
            await self._send_now(link, [self._numbered(STATUS, goodbye)])
        except BaseException:
            await link.drop()
            raise
        await link.close()

    async def _publish_all(self, link: MqttLink) -> None:
        """Return when stopped and all is out; raises LinkTrouble when the connection fails."""
        try:
            async with asyncio.TaskGroup() as tasks:
                remote = self._remote_stop
                endless = [
                    tasks.create_task(link.lost(remote.heard if remote else None), name="mqtt-watch"),
                    tasks.create_task(self._stream_samples(link), name="mqtt-samples"),
                ]
                if remote is not None:
                    listening = remote.serve(link, lambda: self._simulated)
                    endless.append(tasks.create_task(listening, name="mqtt-stop"))
                ending = [
                    tasks.create_task(self._keep_retained(link), name="mqtt-retained"),
                    tasks.create_task(self._empty_outbox(link), name="mqtt-outbox"),
                ]
                await self._stopping.wait()
                await asyncio.wait(ending, timeout=DRAIN_S)
                for task in endless + ending:
                    task.cancel()
        except ExceptionGroup as group:
            trouble = group.subgroup(LinkTrouble)
            raise (trouble or group).exceptions[0] from group

    async def _keep_retained(self, link: MqttLink) -> None:
        shown: dict[str, object] = {}
        loop = asyncio.get_running_loop()
        refresh_s = loop.time() + REFRESH_S
        refreshed = 0
        while True:
            self._retained_news.clear()
            messages, cleared = [], []
            for topic, name, heard in self._retained():
                payload = None if heard is None else self._fresh(heard) if topic is STATE else heard.payload
                content = None if payload is None else _content(payload)
                full_name = self._tree.name(topic, name)
                if (payload is None and name in self._cleared) or shown.get(full_name, self) == content:
                    continue
                if payload is None:
                    cleared.append(name)
                shown[full_name] = content
                messages.append(self._numbered(topic, payload, name))
            if self._tree.name(STATUS) not in shown:
                shown[self._tree.name(STATUS)] = True
                birth = payloads.birth_payload(self._boot, self._wall_clock())
                messages.append(self._numbered(STATUS, birth))
            await self._send_now(link, messages)
            if self._beside is not None:
                about = self._about.payload if self._about else None
                await self._beside.keep(about, shown, partial(self._send_now, link))
            self._cleared.update(name for name in cleared if self._alarms[name] is None)
            if not self._connected:
                self._connected, self._since_us = True, now_us()
                self._tries.trouble = self._tries.trouble if link.not_taken else None
                _log.info("MQTT %s: connected to %s:%d", link.version, self._config.host, self._config.port)
            if self._stopping.is_set():
                return
            await happens(self._retained_news, max(0.0, refresh_s - loop.time()))
            if loop.time() >= refresh_s:
                refresh_s = loop.time() + REFRESH_S
                refreshed += 1
                for again in self._again(refreshed):
                    shown.pop(again, None)

    def _again(self, refreshed: int) -> list[str]:
        """Names of the topics that are to be said again, though nothing has changed."""
        # A broker slow to notice our lost connection may have published its will after our birth.
        names = [self._tree.name(topic) for topic in (STATE, STATUS)]
        if refreshed % REPEAT_EACH == 0:  # somebody else may have written over it
            told = [(topic, name) for topic, name, heard in self._retained() if heard is not None]
            names += [self._tree.name(topic, name) for topic, name in told]
        return names

    def _retained(self) -> list[tuple[Topic, str, _Heard | None]]:
        known = [(ABOUT, "", self._about), (STATE, "", self._state)]
        return [(topic, name, heard) for topic, name, heard in known if heard is not None] + [
            (ALARM, name, heard) for name, heard in self._alarms.items()
        ]

    async def _stream_samples(self, link: MqttLink) -> None:
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            await self._sample_news.wait()
            self._sample_news.clear()
            sample, self._sample = self._sample, None
            if sample is not None:
                payload = {**self._fresh(sample), "samples_dropped": self.health.samples_dropped}
                await self._send_now(link, [self._numbered(TELEMETRY, payload)])
            due_s = max(due_s + 1 / self._config.telemetry_hz, loop.time())
            await asyncio.sleep(due_s - loop.time())

    async def _empty_outbox(self, link: MqttLink) -> None:
        after_id = 0
        failing = False
        while True:
            self._outbox_news.clear()
            try:
                rows = await self._outbox.next(IN_FLIGHT, after_id=after_id)
                if rows:
                    after_id = rows[-1].id
                    await self._send_rows(link, rows)
                    continue
                failing = False
            except StoreError as error:
                level = logging.DEBUG if failing else logging.ERROR
                _log.log(level, "MQTT: the outbox cannot be read or emptied: %s", error)
                failing = True
            if self._stopping.is_set():
                return
            await happens(self._outbox_news, OUTBOX_POLL_S)

    async def _send_rows(self, link: MqttLink, rows: Sequence[OutboxMessage]) -> None:
        messages = [(row.id, message) for row in rows if (message := self._from_row(row)) is not None]
        taken = await self._send(link, [message for _, message in messages])
        await self._outbox.done([row_id for (row_id, _), ok in zip(messages, taken, strict=True) if ok])
        if False in taken:
            raise link.gone()

    def _from_row(self, row: OutboxMessage) -> Outgoing | None:
        """The message of a row; None for one that nobody can publish: it stays, the others go on."""
        try:
            return message_of(
                row,
                self._tree,
                boot=self._boot,
                simulated=self._simulated,
                now=self._wall_clock(),
            )
        except (KeyError, ValueError, TypeError) as error:
            _log.error("MQTT: outbox row %d of topic %r cannot be published: %r", row.id, row.topic, error)
            return None

    @property
    def _simulated(self) -> bool | None:
        sim = self._about.payload.get("sim") if self._about else None
        return None if sim is None else bool(sim)

    def _fresh(self, heard: _Heard) -> Payload:
        """The payload, marked as stale if the daemon has not told it again for too long."""
        if asyncio.get_running_loop().time() - heard.at_s <= STALE_S:
            return heard.payload
        return {**heard.payload, "q": Quality.STALE.value}

    def _numbered(self, topic: Topic, payload: Payload | None, name: str = "") -> Outgoing:
        if payload is None:
            return self._outgoing(topic, b"", name)
        full_name = self._tree.name(topic, name)
        seq = self._seq[full_name]
        self._seq[full_name] += 1
        return self._outgoing(topic, encode({**payload, "seq": seq}), name)

    def _outgoing(self, topic: Topic, payload: bytes, name: str = "") -> Outgoing:
        full_name = self._tree.name(topic, name)
        return Outgoing(full_name, payload, topic.qos, topic.retain, topic.expiry_s)

    async def _send_now(self, link: MqttLink, messages: list[Outgoing]) -> None:
        if False in await self._send(link, messages):
            raise link.gone()

    async def _send(self, link: MqttLink, messages: list[Outgoing]) -> list[bool | None]:
        """As the link does; what the broker does not take is told, and all else goes on."""
        taken = await link.send(messages)
        self._sent += taken.count(True)
        if None in taken and link.not_taken is not None:
            self._tries.complain(link.not_taken)
        return taken


def _content(payload: Payload, *but: str) -> dict[str, object]:
    """What a change of is news: all but the time."""
    return {name: value for name, value in payload.items() if name not in {"ts", "mono_ns", *but}}
