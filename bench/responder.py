"""The far end of the request benchmark, a process of its own: a device link and a bare echo, side by side.

`python -m bench.responder pty|tcp REQUEST_BYTES ANSWER_BYTES` prints where both are, as JSON, and ends when
its standard input closes.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tty
from collections.abc import Callable
from typing import Final

from protocols.device_link import Asked, DeviceLink
from protocols.requests import Counters

READ_BYTES: Final = 4_096
COUNTERS: Final = Counters(7, 5, 2, 100, 1, 1)

Answering = Callable[[bytes], bytes]


def device() -> Answering:
    """A device that answers every request with its counters."""
    link = DeviceLink(boot=1)

    def answer(data: bytes) -> bytes:
        for event in link.receive(data):
            if isinstance(event, Asked):
                link.answer(COUNTERS)
        return link.outgoing()

    return answer


def echo(request_bytes: int, answer_bytes: int) -> Answering:
    """Nothing but the right number of bytes for the right number of bytes."""
    held = bytearray()
    reply = bytes(answer_bytes)

    def answer(data: bytes) -> bytes:
        held.extend(data)
        whole, rest = divmod(len(held), request_bytes)
        del held[: len(held) - rest]
        return reply * whole

    return answer


class Serving(asyncio.Protocol):
    """One TCP connection."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer at once."""
        if reply := self._answering(data):
            self._transport.write(reply)


def serve_pty(answering: Answering) -> str:
    """Answer on a new pty; returns its name."""
    master, slave = os.openpty()  # the slave stays open here, so that nobody's close ends the line
    tty.setraw(slave)
    os.set_blocking(master, False)

    def readable() -> None:
        if reply := answering(os.read(master, READ_BYTES)):
            os.write(master, reply)

    asyncio.get_running_loop().add_reader(master, readable)
    return os.ttyname(slave)


async def serve_tcp(answering: Answering) -> str:
    """Answer on a free port of this machine; returns its URL."""
    server = await asyncio.get_running_loop().create_server(lambda: Serving(answering), "127.0.0.1", 0)
    return f"socket://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def main(kind: str, request_bytes: int, answer_bytes: int) -> None:
    """Serve until standard input closes."""
    urls = {}
    for name, answering in (("device", device()), ("echo", echo(request_bytes, answer_bytes))):
        urls[name] = serve_pty(answering) if kind == "pty" else await serve_tcp(answering)
    print(json.dumps(urls), flush=True)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, ended.set)
    await ended.wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
