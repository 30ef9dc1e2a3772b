"""One connection to the MQTT broker: opened once, used, closed in order or dropped; the seam around aiomqtt.

Dropping matters: after DISCONNECT a broker forgets the last will, and if we then cannot come back, the
retained status would say "online" for ever. So DISCONNECT is sent only at an orderly end; after any trouble
we just hang up.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from dataclasses import dataclass
from typing import Final

import aiomqtt
from aiomqtt.exceptions import MqttConnectError

from controller.config import MqttConfig
from protocols.payloads import encode, will_payload
from protocols.topics import STATUS, TopicTree

KEEPALIVE_S: Final = 5  # [P] a silent broker is noticed after two of them
ANSWER_S: Final = 2.0  # [P] for TCP, CONNACK and each PUBACK; beyond it the broker counts as frozen
PENDING_MAX: Final = 256  # [C] an outbox batch, all alarms and the retained topics at once

# What paho and aiomqtt tell is told by the publisher already, once and in words.
_library_log = logging.getLogger(f"{__name__}.library")
_library_log.setLevel(logging.CRITICAL)


class LinkTrouble(Exception):
    """The broker cannot be used. `kind`: `settings`, `absent`, `refused` or `lost`."""

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


@dataclass(frozen=True, slots=True)
class Secrets:
    """What the files of the configuration hold."""

    password: str | None
    tls: ssl.SSLContext | None


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


class MqttLink(aiomqtt.Client):
    """A connection that leaves the last will of `boot`. Made within a running loop; every wait is bounded."""

    def __init__(self, config: MqttConfig, secrets: Secrets, tree: TopicTree, boot: str) -> None:
        super().__init__(
            config.host,
            config.port,
            username=config.username,
            password=secrets.password,
            tls_context=secrets.tls,
            # The same at every start: a broker that still holds our lost connection then ends it first.
            identifier=f"picolase-{tree.site}-{tree.device}",
            will=aiomqtt.Will(tree.name(STATUS), encode(will_payload(boot)), STATUS.qos, STATUS.retain),
            timeout=ANSWER_S,
            keepalive=KEEPALIVE_S,
            max_inflight_messages=PENDING_MAX,
            # [P] paced small messages: p99 1.5 ms with it, 12 ms without
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
            logger=_library_log,
        )
        self.pending_calls_threshold = PENDING_MAX
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

    async def send(self, messages: list[Outgoing]) -> list[bool]:
        """Publish in this order; return for each whether it is out (QoS 0) or acknowledged (QoS 1)."""
        results = await asyncio.gather(
            *(self.publish(m.topic, m.payload, m.qos, m.retain) for m in messages), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, aiomqtt.MqttError):
                raise result
        return [result is None for result in results]

    async def lost(self) -> None:
        """Wait until the connection is lost, then raise LinkTrouble. Nothing is subscribed to."""
        try:
            async for _ in self.messages:
                pass
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

    def _trouble(self, error: aiomqtt.MqttError) -> LinkTrouble:
        if isinstance(error.__context__, ssl.SSLError):
            return LinkTrouble(
                "refused",
                f"no trusted connection to the broker at {self._where} [{error}]: "
                "check tls, ca_file, cert_file and key_file in [mqtt], and the broker's certificate",
            )
        if isinstance(error, MqttConnectError):
            return LinkTrouble(
                "refused",
                f"the broker at {self._where} refused us [{error}]: "
                "check username, password_file and certificates in [mqtt], and what the broker allows",
            )
        return LinkTrouble(
            "absent",
            f"no broker answers at {self._where} [{error}]: start it, or correct host, port, tls in [mqtt]",
        )
