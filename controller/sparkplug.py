"""The Sparkplug B edge node: the daemon as a node, its laser as a device, on a connection of its own.

Theory of operation. The broker keeps the node's death as the connection's last will; node and device are born
after each connect, the device again whenever the laser comes back, and it dies when the laser is lost or
nothing is told any more. Between, data: what has changed, and each pulse whole. One number counts all
messages of a connection, so what is sent is made and sent in turn. Sparkplug is the live view, QoS 0: what no
host heard is gone, and whole records come by the outbox's topics. The one thing heard is the request for
another birth; everything else that anybody sends is refused and reported. [P] Eclipse Sparkplug 3.0.0.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from importlib.metadata import version
from typing import Final, cast

from controller.config import MqttConfig
from controller.fanout import LATEST, Fanout, Item, Kind
from controller.mqtt_link import Incoming, LinkTrouble, MqttLink, Outgoing, read_secrets
from controller.mqtt_tries import Tries
from controller.sparkplug_metrics import Image, milliseconds, pulse_of
from controller.sparkplug_payload import (
    DataType,
    Metric,
    NoProtobuf,
    NotSparkplug,
    decode_command,
    encode_payload,
)
from controller.store.errors import StoreError
from protocols.payloads import Payload
from protocols.topics import ABOUT, PULSE, STATE, TELEMETRY

SPACE: Final = "spBv1.0"  # [P]
# Every Sparkplug host's broker has it; what MQTT 5 tells of our topics is not true here.
MQTT: Final = "3.1.1"
REBIRTH: Final = "Node Control/Rebirth"  # [P]
SEQ_COUNT: Final = 256  # [P] of messages and of births
PULSES_WAITING: Final = 256  # [C] 25 s at 10 Hz; what comes after a longer outage is in the outbox
REBIRTH_PAUSE_S: Final = 1.0  # [C] least time between births: who asks meanwhile is served by the next
SILENT_S: Final = 2.5  # [C] state is told each second at the least: one may be late
REPORT_S: Final = 60.0  # [C] nobody fills the record by sending rubbish
COMMAND_BYTES_MAX: Final = 65_536  # [C] a request for a birth has forty

_TOPIC_OF: Final = {Kind.ABOUT: ABOUT, Kind.STATE: STATE, Kind.TELEMETRY: TELEMETRY, Kind.PULSE: PULSE}
_log = logging.getLogger(__name__)


class SparkplugNode:
    """Publishes what `fanout` tells of the laser to Sparkplug hosts; never makes anybody wait.

    `next_birth` numbers the connections from 1, over restarts; it may raise StoreError. `report` takes in
    words what was refused. The configuration has a `sparkplug_group_id`.
    """

    def __init__(
        self,
        config: MqttConfig,
        *,
        fanout: Fanout,
        boot: str,
        next_birth: Callable[[], Awaitable[int]],
        report: Callable[[str], None],
        wall_clock: Callable[[], datetime],
        jitter: Callable[[], float],
    ) -> None:
        self._config = config
        self._node = f"{config.site}.{config.device_id}"  # neither id has a dot: no two read the same
        self._boot = boot
        self._next_birth = next_birth
        self._report = report
        self._wall_clock = wall_clock
        depths = dict.fromkeys((Kind.ABOUT, Kind.STATE, Kind.TELEMETRY), LATEST)
        self._feed = fanout.subscribe("sparkplug", {**depths, Kind.PULSE: PULSES_WAITING})
        self._image = Image(wall_clock())
        self._simulated: bool | None = None
        self._link_up = False  # by the newest state
        self._born = False  # the device, at the hosts of this connection

        self._births = 0
        self._bd_seq: int | None = None  # of the next connection; None: to be taken
        self._seq = 0
        self._turn = asyncio.Lock()
        self._asked = asyncio.Event()
        self._stopping = asyncio.Event()
        self._refused = 0
        self._report_after_s = 0.0
        self._tries = Tries("Sparkplug", _log, stopping=self._stopping, jitter=jitter)

    @property
    def trouble(self) -> str | None:
        """What keeps it from publishing, in words; None: nothing."""
        return str(self._tries.trouble) if self._tries.trouble else None

    def stop(self) -> None:
        """Ask `run` to tell what it has heard, to say that the node dies, and to return."""
        self._feed.close()
        self._stopping.set()

    async def run(self) -> None:
        """Publish until stopped. Raises nothing but cancellation, after which the broker tells the death."""
        await self._tries.run(self._session)

    # -- one connection

    async def _session(self) -> None:
        """Use one connection: return after the node's death was told, or raise what ended it."""
        if self._bd_seq is None:
            self._bd_seq = await self._birth_number()
        bd_seq = self._bd_seq
        try:
            death = self._death(bd_seq)
        except NoProtobuf as error:
            raise LinkTrouble("settings", str(error)) from error
        secrets = await asyncio.to_thread(read_secrets, self._config)
        link = MqttLink(self._config, secrets, f"picolase-{self._node}.sparkplug", death, MQTT)
        try:
            await link.open()
        except LinkTrouble as trouble:
            if trouble.kind != "absent":  # the broker may have read it, and hold a will by this number
                self._bd_seq = None
            raise
        self._bd_seq = None
        try:
            await self._live(link, bd_seq)
            # [P] said before the DISCONNECT, after which the broker forgets the will
            if not all(await link.send([self._death(bd_seq)])):
                raise link.gone()
        except BaseException:
            await link.drop()
            raise
        finally:
            self._born = False
        await link.close()

    async def _birth_number(self) -> int:
        try:
            number = await self._next_birth()
        except StoreError as error:  # hosts only tell two neighbours apart by it
            _log.warning("Sparkplug: the number of this birth cannot be remembered: %s", error)
            number = self._births + 1
        self._births = number
        return (number - 1) % SEQ_COUNT

    async def _live(self, link: MqttLink, bd_seq: int) -> None:
        """Publish until the feed ends; raises LinkTrouble when the connection fails."""
        self._asked.clear()  # the birth that comes serves who asked before
        await link.listen_to(self._topic("NCMD"))
        try:
            async with asyncio.TaskGroup() as tasks:
                endless = [
                    tasks.create_task(link.lost(self._command), name="sparkplug-commands"),
                    tasks.create_task(self._give_births(link, bd_seq), name="sparkplug-births"),
                ]
                await tasks.create_task(self._pump(link, bd_seq), name="sparkplug-data")
                for task in endless:
                    task.cancel()
        except ExceptionGroup as group:
            trouble = group.subgroup(LinkTrouble)
            raise (trouble or group).exceptions[0] from group

    async def _pump(self, link: MqttLink, bd_seq: int) -> None:
        # What waited is told in the birth; pulses, which are not one value, after it.
        waiting = [await self._feed.get() for _ in range(len(self._feed))]
        for item in waiting:
            if item.kind is not Kind.PULSE:
                self._take(item)
        async with self._turn:
            await self._birth(link, bd_seq)
        self._tries.trouble = None
        _log.info("Sparkplug: %s was born", self._node)
        for item in waiting:
            if item.kind is Kind.PULSE:
                await self._tell(link, item)
        while True:
            try:
                async with asyncio.timeout(SILENT_S):
                    item = await self._feed.get()
            except TimeoutError:
                async with self._turn:
                    await self._bury(link)
                continue
            except StopAsyncIteration:
                return
            await self._tell(link, item)

    async def _tell(self, link: MqttLink, item: Item) -> None:
        async with self._turn:
            if not self._take(item):
                return
            if item.kind is Kind.STATE and self._link_up != self._born:
                await (self._bury(link) if self._born else self._bear(link))
            if not self._born:
                return
            topic = _TOPIC_OF[item.kind]
            metrics = self._image.pulse(self._wall_clock()) if topic is PULSE else self._image.data(topic)
            if metrics:
                await self._send(link, "DDATA", metrics)

    def _take(self, item: Item) -> bool:
        """Keep what an item says; false for one that nobody can publish: the others go on."""
        try:
            if item.kind is Kind.PULSE:
                payload = pulse_of(item.value, boot=self._boot, simulated=self._simulated)
            else:
                payload = cast("Payload", item.value)
            if item.kind is Kind.TELEMETRY:
                payload = {**payload, "samples_dropped": self._feed.dropped[Kind.TELEMETRY]}
            self._image.take(_TOPIC_OF[item.kind], payload)
        except (KeyError, ValueError, TypeError) as error:
            _log.error("Sparkplug: what was told of %s cannot be published: %r", item.kind.value, error)
            return False
        if item.kind is Kind.STATE:
            self._link_up = payload.get("link_up") is True
        elif item.kind is Kind.ABOUT:
            self._simulated = payload.get("sim") is True
        return True

    # -- births, deaths, data; in turn

    async def _give_births(self, link: MqttLink, bd_seq: int) -> None:
        """Another birth for who asked, at a bounded rate: never while data goes out."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            async with self._turn:
                await self._birth(link, bd_seq)
            await asyncio.sleep(REBIRTH_PAUSE_S)

    async def _birth(self, link: MqttLink, bd_seq: int) -> None:
        now_ms = milliseconds(self._wall_clock())
        told: dict[str, str] = {
            "Properties/software": f"picolase {version('picolase')}",
            "Properties/boot": self._boot,
        }
        self._seq = 0
        await self._send(
            link,
            "NBIRTH",
            [
                Metric(DataType.UINT64, bd_seq, now_ms, name="bdSeq"),
                Metric(DataType.BOOLEAN, False, now_ms, name=REBIRTH),  # [P] without an alias
                *(Metric(DataType.STRING, value, now_ms, name=name) for name, value in told.items()),
            ],
        )
        if self._link_up:
            await self._bear(link)
        else:
            self._born = False

    async def _bear(self, link: MqttLink) -> None:
        self._born = True
        await self._send(link, "DBIRTH", self._image.birth())

    async def _bury(self, link: MqttLink) -> None:
        """The laser is lost, or nobody tells of it."""
        if self._born:
            self._born = False
            self._link_up = False
            await self._send(link, "DDEATH", [])

    def _death(self, bd_seq: int) -> Outgoing:
        now_ms = milliseconds(self._wall_clock())
        payload = encode_payload(now_ms, [Metric(DataType.UINT64, bd_seq, now_ms, name="bdSeq")], None)
        return Outgoing(self._topic("NDEATH"), payload, 1, False)  # [P] QoS 1, not retained

    async def _send(self, link: MqttLink, verb: str, metrics: Sequence[Metric]) -> None:
        payload = encode_payload(milliseconds(self._wall_clock()), metrics, self._seq)
        self._seq = (self._seq + 1) % SEQ_COUNT
        if not all(await link.send([Outgoing(self._topic(verb), payload, 0, False)])):  # [P] QoS 0
            raise link.gone()

    def _topic(self, verb: str) -> str:
        device = f"/{self._config.device_id}" if verb.startswith("D") else ""
        return f"{SPACE}/{self._config.sparkplug_group_id}/{verb}/{self._node}{device}"

    # -- what others send

    def _command(self, message: Incoming) -> None:
        """A request for another birth is granted; nothing else is acted on, whatever it asks for."""
        if message.retained:
            return self._refuse("it was left at the broker, for nobody knows whom")
        if len(message.payload) > COMMAND_BYTES_MAX:
            return self._refuse("it is too long")
        try:
            asked = decode_command(message.payload)
        except NotSparkplug:
            return self._refuse("it is no Sparkplug payload")
        if any(one.name == REBIRTH and one.value is True for one in asked):
            self._asked.set()
        if others := [one.name for one in asked if one.name != REBIRTH]:
            self._refuse(f"it asks for {others[0][:40]!r}, and nothing is commanded by Sparkplug")
        return None

    def _refuse(self, why: str) -> None:
        self._refused += 1
        now_s = asyncio.get_running_loop().time()
        if now_s < self._report_after_s:
            return
        self._report_after_s = now_s + REPORT_S
        count = f" ({self._refused} since the last report)" if self._refused > 1 else ""
        self._refused = 0
        self._report(f"a Sparkplug command was refused: {why}{count}")
