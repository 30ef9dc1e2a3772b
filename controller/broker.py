"""The embedded MQTT broker for demo and tests: amqtt, on the loopback interface, as a process of its own.

Its limits (see docs/reference/TELEMETRY.md): MQTT 3.1.1 only, about a tenth of mosquitto's speed, nothing
kept over a restart. Anybody on this machine may connect, nobody else can: we listen ourselves, on 127.0.0.1,
and hand the connections to amqtt, whose own default would be every interface.
"""

import asyncio
import importlib.metadata
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import click

LOOPBACK: Final = "127.0.0.1"
OLDEST: Final = (0, 12, 1)  # [P] before it, a regular expression of the topic filters could be made to hang
INSTALL: Final = "install it with: python -m pip install 'picolase[demo]'"

# [P] MQTT 3.1.1, 3.1 and 3.2: first packet, its protocol's name, the answer to a level that is too new
CONNECT: Final = 0x10
PROTOCOL_NAME: Final = b"\x00\x04MQTT"
MQTT_3_1_1: Final = 4
UNACCEPTABLE_VERSION: Final = bytes([0x20, 2, 0, 1])

_LISTENER: Final = "default"  # amqtt demands one of this name


class BrokerError(Exception):
    """The embedded broker cannot run; the text says why and what to do."""


@asynccontextmanager
async def embedded_broker(port: int = 0) -> AsyncIterator[int]:
    """Run the broker on 127.0.0.1 and yield its port, a free one for 0; raises BrokerError if it cannot."""
    _demand_amqtt()
    # An optional extra, and without types.
    from amqtt.adapters import (  # type: ignore[import-untyped]  # noqa: PLC0415
        StreamReaderAdapter,
        StreamWriterAdapter,
    )
    from amqtt.broker import Broker  # type: ignore[import-untyped]  # noqa: PLC0415
    from amqtt.contexts import (  # type: ignore[import-untyped]  # noqa: PLC0415
        BrokerConfig,
        ListenerConfig,
        ListenerType,
    )

    class RoutingBroker(Broker):  # type: ignore[misc]  # has no types
        """amqtt acknowledges a message before it routes it, and forgets what waits when the client leaves.

        A publisher that ends right after its last acknowledgement would lose its last messages. Here a
        client has left only when all that was acknowledged to it is routed.
        """

        async def _client_message_loop(self, session: Any, handler: Any) -> None:
            left = handler.wait_disconnect

            async def left_and_routed() -> object:
                how = await left()
                while not session.delivered_message_queue.empty():  # noqa: ASYNC110  # amqtt's queue tells nobody
                    await asyncio.sleep(0)
                return how

            handler.wait_disconnect = left_and_routed
            await super()._client_message_loop(session, handler)

    class RepeatingReader(StreamReaderAdapter):  # type: ignore[misc]  # has no types
        """One that gives first what was read before."""

        def __init__(self, before: bytes, reader: asyncio.StreamReader) -> None:
            super().__init__(reader)
            self._before = before

        async def read(self, n: int = -1) -> bytes:
            part, self._before = self._before[:n], self._before[n:]
            return part if len(part) == n else part + bytes(await super().read(n - len(part)))

    broker = RoutingBroker(
        BrokerConfig(
            listeners={_LISTENER: ListenerConfig(type=ListenerType.EXTERNAL)},
            plugins={"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        )
    )
    connections: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(writer)
        try:
            first, version = await _first_bytes(reader)
            if version > MQTT_3_1_1:
                # amqtt would read a will of MQTT 5 wrongly, and wait for ever for the rest of it.
                writer.write(UNACCEPTABLE_VERSION)
                return
            await broker.external_connected(
                RepeatingReader(first, reader), StreamWriterAdapter(writer), _LISTENER
            )
        except (OSError, asyncio.IncompleteReadError):
            pass  # a client that goes away in mid-packet is its own affair
        finally:
            connections.discard(writer)
            writer.close()

    try:
        server = await asyncio.start_server(serve, LOOPBACK, port, start_serving=False)
    except OSError as error:
        raise BrokerError(
            f"the embedded broker cannot listen on {LOOPBACK}:{port} [{error.strerror}]: "
            "another program has the port; give another one, or 0 for any free one"
        ) from error
    await broker.start()
    await server.start_serving()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await broker.shutdown()
        for writer in connections:
            writer.close()


async def _first_bytes(reader: asyncio.StreamReader) -> tuple[bytes, int]:
    """What a client says up to its protocol level, and that level; 0 for what is no CONNECT."""
    read = await reader.readexactly(2)
    if read[0] != CONNECT:
        return read, 0
    while read[-1] & 0x80 and len(read) < 5:  # noqa: PLR2004  # the remaining length: at most four bytes
        read += await reader.readexactly(1)
    read += await reader.readexactly(len(PROTOCOL_NAME) + 1)
    return read, read[-1] if read[:-1].endswith(PROTOCOL_NAME) else 0


def _demand_amqtt() -> None:
    try:
        version = importlib.metadata.version("amqtt")
    except importlib.metadata.PackageNotFoundError:
        raise BrokerError(f"the embedded broker needs amqtt, which is missing: {INSTALL}") from None
    numbers = tuple(int(part) for part in version.split(".")[:3] if part.isdigit())
    if numbers < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise BrokerError(f"amqtt {version} is too old, {oldest} or newer is needed: {INSTALL}")


async def _serve(port: int, until_stdin_closes: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)

    def stdin_speaks() -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            stop.set()

    async with embedded_broker(port) as bound:
        if until_stdin_closes:
            loop.add_reader(sys.stdin.fileno(), stdin_speaks)
        click.echo(json.dumps({"event": "listening", "host": LOOPBACK, "port": bound, "pid": os.getpid()}))
        await stop.wait()
        if until_stdin_closes:
            loop.remove_reader(sys.stdin.fileno())


@click.command()
@click.option("--port", type=click.IntRange(0, 65_535), default=0, show_default=True, help="0: any free one.")
@click.option("--until-stdin-closes", is_flag=True, help="End when standard input does, as a parent's death.")
def main(port: int, until_stdin_closes: bool) -> None:
    """Run an MQTT broker for this machine only. Prints one JSON line when it listens."""
    # amqtt tells every connection, and logs an error for each client that vanishes.
    logging.basicConfig(level=logging.CRITICAL, format="%(name)s: %(message)s")
    try:
        asyncio.run(_serve(port, until_stdin_closes))
    except BrokerError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
