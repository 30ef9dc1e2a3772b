"""One connection to the MQTT broker: opened once, used, closed in order or dropped; the seam around aiomqtt.

Dropping matters: after DISCONNECT a broker forgets the last will, and if we then cannot come back, the
retained status would say "online" for ever. So DISCONNECT is sent only at an orderly end; after any trouble
we just hang up.

MQTT 5 adds what the contract does not need but readers like: expiry, content type, the schema's version, and
the broker's word when it does not take a message. A broker that has only 3.1.1 refuses the first packet of
MQTT 5, hangs up, or waits for ever (amqtt): all three mean the same here.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import aiomqtt
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.client import MQTT_ERR_SUCCESS, MQTTMessage
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from controller.config import MqttConfig
from protocols.topics import SCHEMA

KEEPALIVE_S: Final = 5  # [P] a silent broker is noticed after two of them
ANSWER_S: Final = 2.0  # [P] for TCP, CONNACK and each PUBACK; beyond it the broker counts as frozen
PENDING_MAX: Final = 256  # [C] an outbox batch, all alarms and the retained topics at once
RECEIVED_MAX: Final = 64  # [C] what waits to be looked at: of the one topic listened to, each says the same

FAILURE: Final = 0x80  # [P] MQTT 3.1.1, 3.9.3: of a subscription
UNSUPPORTED_VERSION: Final = 0x84  # reason code of MQTT 5; paho gives it for the answer of a 3.1.1 broker too

VERSIONS: Final = {"5": aiomqtt.ProtocolVersion.V5, "3.1.1": aiomqtt.ProtocolVersion.V311}
"""By their names in the configuration, in the order in which `auto` tries them."""

# What paho and aiomqtt tell is told by the publisher already, once and in words.
_library_log = logging.getLogger(f"{__name__}.library")
_library_log.setLevel(logging.CRITICAL)


class LinkTrouble(Exception):
    """The broker cannot be used. `kind`: `settings`, `absent`, `silent`, `version`, `refused` or `lost`."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to publish."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    expiry_s: int | None = None  # told where the broker has MQTT 5


@dataclass(frozen=True, slots=True)
class Incoming:
    """One message that came in."""

    topic: str
    payload: bytes
    retained: bool  # it waited at the broker: nobody says it now


@dataclass(frozen=True, slots=True)
class Secrets:
    """What the files of the configuration hold."""

    password: str | None
    tls: ssl.SSLContext | None


class _Sent:
    """Messages that were published together, and what has become of each."""

    def __init__(self, messages: list[Outgoing]) -> None:
        self._loop = asyncio.get_running_loop()
        self._heard_s = self._loop.time()
        self._all = self._loop.create_future()
        self.results: list[bool | None] = [False] * len(messages)
        self.refused: dict[int, str] = {}  # place -> why
        self.places: dict[int, int] = {}  # packet's number -> place, of those without an answer

    def answer(self, packet: int, refused: str) -> None:
        """One is out or acknowledged, or refused and why."""
        place = self.places.pop(packet)
        self.results[place] = None if refused else True
        if refused:
            self.refused[place] = refused
        self._heard_s = self._loop.time()
        if not self.places and not self._all.done():
            self._all.set_result(None)

    async def answered(self, within_s: float) -> None:
        """Wait until all have an answer, or until for so long none has come."""
        while self.places and (left_s := self._heard_s + within_s - self._loop.time()) > 0:
            await asyncio.wait({self._all}, timeout=left_s)


class _HungUpError(aiomqtt.MqttError):
    """Before it answered."""


class _PackedOnce(Properties):
    """What is told with every message of a kind: paho would pack it anew for each, a sixth of the work."""

    _packed: bytes

    def keep(self) -> None:
        """From now on it is not changed any more."""
        object.__setattr__(self, "_packed", super().pack())  # type: ignore[no-untyped-call]  # paho's

    def pack(self) -> bytes:
        return self._packed


class _TlsSocket(ssl.SSLSocket):
    """One that closes when nobody trusts anybody: paho would leave it to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def read_secrets(config: MqttConfig) -> Secrets:
    """Read password and certificates, which may block; raises LinkTrouble if a file cannot be used."""
    try:
        password = None
        if config.password_file is not None:
            password = (config.password_file.read_text(encoding="utf-8").splitlines() or [""])[0]
        tls = None
        if config.tls:
            tls = ssl.create_default_context(cafile=config.ca_file)
            tls.sslsocket_class = _TlsSocket
            if config.cert_file is not None:
                tls.load_cert_chain(config.cert_file, config.key_file)
        return Secrets(password, tls)
    except (OSError, UnicodeDecodeError) as error:  # an ssl.SSLError is an OSError
        raise LinkTrouble(
            "settings",
            f"a file named in [mqtt] cannot be used [{error}]: "
            "check password_file, ca_file, cert_file and key_file",
        ) from error


async def connect(
    config: MqttConfig, secrets: Secrets, identifier: str, will: Outgoing | None, *, known: str | None = None
) -> "MqttLink":
    """Open a connection by `config.version`, or by the one that is `known` to work; raises LinkTrouble."""
    only = known if config.version == "auto" else config.version
    *newer, oldest = VERSIONS if only is None else (only,)
    for version in newer:
        try:
            return await _opened(MqttLink(config, secrets, identifier, will, version))
        except LinkTrouble as trouble:
            if trouble.kind not in {"version", "silent"}:
                raise
    return await _opened(MqttLink(config, secrets, identifier, will, oldest))


async def _opened(link: "MqttLink") -> "MqttLink":
    await link.open()
    return link


class MqttLink(aiomqtt.Client):
    """A connection, which may leave a last will. Made within a running loop; every wait is bounded.

    `identifier` is to be the same at every start: a broker that still holds our lost connection then ends it
    first. `version` is one of `VERSIONS`.
    """

    def __init__(
        self, config: MqttConfig, secrets: Secrets, identifier: str, will: Outgoing | None, version: str
    ) -> None:
        self.version = version
        self._mqtt5 = VERSIONS[version] is aiomqtt.ProtocolVersion.V5
        self._properties_of: dict[int | None, Properties] = {}
        self._sent: dict[int, _Sent] = {}  # what waits for the broker's word, by its packet's number
        self.not_taken: LinkTrouble | None = None  # the newest message that the broker did not take, in words
        super().__init__(
            config.host,
            config.port,
            username=config.username,
            password=secrets.password,
            tls_context=secrets.tls,
            identifier=identifier,
            protocol=VERSIONS[version],
            # Nothing is kept for us while we are away: a stop that comes late stops nobody it was meant for.
            # With MQTT 5 a client's first start is clean anyway, and every link is a client of its own.
            clean_session=None if self._mqtt5 else True,
            will=self._last_will(will),
            timeout=ANSWER_S,
            keepalive=KEEPALIVE_S,
            max_inflight_messages=PENDING_MAX,  # and see _on_connect
            max_queued_incoming_messages=RECEIVED_MAX,
            # [P] paced small messages: p99 1.5 ms with it, 12 ms without
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
            logger=_library_log,
        )
        self._client.connect_timeout = ANSWER_S
        self._where = f"{config.host}:{config.port}"

    async def open(self) -> None:
        """Connect; raises LinkTrouble, and leaves nothing behind then or when cancelled."""
        attempt = asyncio.ensure_future(self.__aenter__())
        try:
            await asyncio.shield(attempt)
        except aiomqtt.MqttError as error:
            await self.drop()
            raise self._trouble(error) from error
        except asyncio.CancelledError:
            await asyncio.wait({attempt})  # its thread cannot be interrupted; it ends within two ANSWER_S
            with contextlib.suppress(aiomqtt.MqttError):
                attempt.result()
            await self.drop()
            raise

    async def send(self, messages: list[Outgoing]) -> list[bool | None]:
        """Publish in this order; for each: True is out (QoS 0) or acknowledged (QoS 1), False is not known.

        None: the broker says that it does not take it, `not_taken` in its words. The connection is sound.
        """
        # Not by aiomqtt's publish: a task, a timer and an event for each message are half of all the work.
        sent = _Sent(messages)
        packets = []
        try:
            for place, message in enumerate(messages):
                told = self._told_with(PacketTypes.PUBLISH, message.expiry_s)
                info = self._client.publish(message.topic, message.payload, message.qos, message.retain, told)
                if info.rc == MQTT_ERR_SUCCESS:
                    packets.append(info.mid)
                    self._sent[info.mid] = sent
                    sent.places[info.mid] = place
            await sent.answered(ANSWER_S)
        finally:
            for packet in packets:
                self._sent.pop(packet, None)
        for place, why in sent.refused.items():
            self.not_taken = self._refused(f"{messages[place].topic}: {why}")
        return sent.results

    async def listen_to(self, topic: str, *, qos: int = 1, within_s: float = ANSWER_S) -> None:
        """Subscribe to one topic; raises LinkTrouble. `lost` hands over what comes."""
        try:
            granted = await self.subscribe(topic, qos=qos, timeout=within_s)
        except aiomqtt.MqttError as error:
            raise self.gone(f"it does not let us listen to {topic} [{error}]") from error
        if any(code.is_failure if isinstance(code, ReasonCode) else code >= FAILURE for code in granted):
            raise self._refused(f"no subscription to {topic}")

    def hand_over(self, heard: Callable[[Incoming], None]) -> None:
        """Hand over what comes as it is read, past the queue of `lost`: none is dropped here, whoever is slow
        slows the broker down. `heard` raises nothing.
        """

        def read(_client: Any, _userdata: Any, message: MQTTMessage) -> None:
            heard(Incoming(message.topic, bytes(message.payload), message.retain))

        self._client.on_message = read

    async def lost(self, heard: Callable[[Incoming], None] | None = None) -> None:
        """Hand over what comes in, until the connection is lost; then raise LinkTrouble."""
        try:
            async for message in self.messages:
                if heard is not None:
                    heard(Incoming(str(message.topic), bytes(message.payload), message.retain))
        except aiomqtt.MqttError as error:
            raise self.gone("the connection has ended") from error

    def gone(self, how: str = "it does not answer") -> LinkTrouble:
        """What to raise when this connection is of no use any more."""
        return LinkTrouble("lost", f"the broker at {self._where} is gone: {how}")

    async def close(self) -> None:
        """End in order: the broker forgets the last will."""
        with contextlib.suppress(aiomqtt.MqttError):
            await self.__aexit__(None, None, None)
        await self.drop()

    async def drop(self) -> None:
        """Hang up without DISCONNECT: the broker publishes the last will. Does nothing once closed."""
        if isinstance(sock := self._client.socket(), socket.socket):
            with contextlib.suppress(OSError):  # not connected any more
                sock.shutdown(socket.SHUT_RDWR)  # aiomqtt's reader sees the end and cleans up
        if self._misc_task is not None:
            await asyncio.wait({self._misc_task}, timeout=ANSWER_S)
        if self._disconnected.done():
            self._disconnected.exception()  # seen: asyncio need not complain

    def _last_will(self, will: Outgoing | None) -> aiomqtt.Will | None:
        if will is None:
            return None
        told = self._told_with(PacketTypes.WILLMESSAGE, None)
        return aiomqtt.Will(will.topic, will.payload, will.qos, will.retain, told)

    def _told_with(self, packet: int, expiry_s: int | None) -> Properties | None:
        """What MQTT 5 tells of a message beside its payload; made once for each expiry."""
        if not self._mqtt5:
            return None
        if packet == PacketTypes.PUBLISH and expiry_s in self._properties_of:
            return self._properties_of[expiry_s]
        publishing = packet == PacketTypes.PUBLISH
        made = (_PackedOnce if publishing else Properties)(packet)  # type: ignore[no-untyped-call]  # paho's
        made.PayloadFormatIndicator = 1  # UTF-8
        made.ContentType = "application/json"
        made.UserProperty = ("schema", SCHEMA)
        if expiry_s is not None:
            made.MessageExpiryInterval = expiry_s
        if isinstance(made, _PackedOnce):
            made.keep()
            self._properties_of[expiry_s] = made
        return made

    # What aiomqtt passes over, in the callbacks of paho.

    def _on_connect(
        self, client: Any, userdata: Any, flags: Any, reason_code: ReasonCode, properties: Any = None
    ) -> None:
        if (at_once := getattr(properties, "ReceiveMaximum", PENDING_MAX)) < PENDING_MAX:
            # With more the broker may hang up. By its public name paho lets nobody set it from here on.
            self._client._max_inflight_messages = at_once  # noqa: SLF001  # as said
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_disconnect(
        self, client: Any, userdata: Any, flags: Any, reason_code: ReasonCode, properties: Any = None
    ) -> None:
        if not self._connected.done():
            self._connected.set_exception(_HungUpError("the broker hung up"))
            self._connected.exception()  # seen: nobody may be waiting any more
        super()._on_disconnect(client, userdata, flags, reason_code, properties)

    def _on_publish(
        self, client: Any, userdata: Any, mid: int, reason_code: ReasonCode, properties: Any
    ) -> None:
        if (sent := self._sent.pop(mid, None)) is not None:
            sent.answer(mid, str(reason_code) if reason_code.is_failure else "")

    def _refused(self, what: object) -> LinkTrouble:
        return LinkTrouble(
            "refused",
            f"the broker at {self._where} refused us [{what}]: "
            "check username, password_file and certificates in [mqtt], and what the broker allows",
        )

    def _trouble(self, error: aiomqtt.MqttError) -> LinkTrouble:
        if isinstance(error.__context__, ssl.SSLError):
            return LinkTrouble(
                "refused",
                f"no trusted connection to the broker at {self._where} [{error}]: "
                "check tls, ca_file, cert_file and key_file in [mqtt], and the broker's certificate",
            )
        if isinstance(error, MqttConnectError):
            if isinstance(error.rc, ReasonCode) and error.rc.value == UNSUPPORTED_VERSION:
                words = f"the broker at {self._where} has no MQTT {self.version}"
                return LinkTrouble("version", f'{words}: set version = "auto" in [mqtt]')
            return self._refused(error)
        if isinstance(error, _HungUpError):
            return LinkTrouble("silent", str(self._refused(error)))
        return LinkTrouble(
            "silent" if isinstance(error.__context__, TimeoutError) else "absent",
            f"no broker answers at {self._where} [{error}]: start it, or correct host, port, tls in [mqtt]",
        )


async def happens(event: asyncio.Event, within_s: float) -> bool:
    """Wait for the event; return whether it came in time."""
    try:
        async with asyncio.timeout(within_s):
            await event.wait()
    except TimeoutError:
        return False
    return True
