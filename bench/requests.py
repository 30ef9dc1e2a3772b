"""Request round trips over a real pty and over TCP, beside a bare asyncio echo on the same kind of link."""

from __future__ import annotations

import abc
import asyncio
import json
import os
import subprocess
import sys
import tty
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Final

from bench.figures import Figure, Group, percentile
from bench.responder import COUNTERS, READ_BYTES
from hal.hooks import Hooks
from hal.outcomes import Done
from hal.picolase_laser import PicolaseLaser
from hal.ports import open_port
from protocols.frame import Frame, encode
from protocols.requests import ReadCounters

REPEATS: Final = 9
REQUESTS: Final = 400  # in each repeat, ours and echo in turn
GOAL: Final = ">= 0.8"
REQUEST: Final = encode(Frame(1, 1, ReadCounters()))
ANSWER_BYTES: Final = len(encode(Frame(1, 1, COUNTERS)))


def measure(_folder: Path) -> Group:
    """Both kinds of link."""
    return Group(
        "Request round trip (ReadCounters), device in a process of its own",
        [figure for kind in ("pty", "tcp") for figure in asyncio.run(_measure(kind))],
    )


async def _measure(kind: str) -> list[Figure]:
    with _responder(kind) as urls:
        hooks = Hooks(gate=lambda _: (), on_message=lambda *_: None, on_down=lambda _: None)
        laser = await PicolaseLaser.connect(await open_port(urls["device"]), hooks)
        bare = await (_PtyEcho.open(urls["echo"]) if kind == "pty" else _TcpEcho.open(urls["echo"]))

        async def ask() -> None:
            answer = await laser.counters()
            assert isinstance(answer, Done), answer

        ours, echoes, ratios = list[float](), list[float](), list[float]()
        for _ in range(REPEATS):
            ours_s, echo_s = await _round_trips(ask), await _round_trips(bare.ask)
            ours += ours_s
            echoes += echo_s
            ratios.append(sum(echo_s) / sum(ours_s))
        laser.close()
        bare.close()
    return [
        Figure(f"{kind}: requests/s, of a bare echo's", "ratio", tuple(ratios), GOAL),
        *_latencies(f"{kind}: picolase", ours),
        *_latencies(f"{kind}: echo", echoes),
    ]


async def _round_trips(ask: Callable[[], Awaitable[None]]) -> list[float]:
    """Seconds that each took."""
    took_s = []
    for _ in range(REQUESTS):
        began_s = perf_counter()
        await ask()
        took_s.append(perf_counter() - began_s)
    return took_s


def _latencies(name: str, took_s: list[float]) -> list[Figure]:
    runs = [took_s[at : at + REQUESTS] for at in range(0, len(took_s), REQUESTS)]
    return [
        Figure(f"{name}, p{percent}", "us", tuple(1e6 * percentile(run, percent) for run in runs))
        for percent in (50, 99)
    ]


@contextmanager
def _responder(kind: str) -> Iterator[dict[str, str]]:
    command = [sys.executable, "-m", "bench.responder", kind, str(len(REQUEST)), str(ANSWER_BYTES)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S603 - ours
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
        # the end of the block closes its standard input, which ends it


class _Echo(abc.ABC):
    """Counts bytes until an answer is whole."""

    def __init__(self) -> None:
        self._missing = 0
        self._whole: asyncio.Future[None] | None = None

    async def ask(self) -> None:
        """One round trip."""
        self._missing = ANSWER_BYTES
        self._whole = asyncio.get_running_loop().create_future()
        self._send(REQUEST)
        await self._whole

    @abc.abstractmethod
    def _send(self, data: bytes) -> None:
        """Write to the line."""

    def _take(self, data: bytes) -> None:
        self._missing -= len(data)
        if not self._missing and self._whole is not None:
            self._whole.set_result(None)


class _PtyEcho(_Echo):
    """On a pty, by the loop's own reader."""

    @classmethod
    async def open(cls, path: str) -> _PtyEcho:
        """Open the pty."""
        return cls(path)

    def __init__(self, path: str) -> None:
        super().__init__()
        self._fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self._fd)
        asyncio.get_running_loop().add_reader(self._fd, lambda: self._take(os.read(self._fd, READ_BYTES)))

    def _send(self, data: bytes) -> None:
        os.write(self._fd, data)

    def close(self) -> None:
        """End it."""
        asyncio.get_running_loop().remove_reader(self._fd)
        os.close(self._fd)


class _TcpEcho(_Echo, asyncio.Protocol):
    """Over TCP, by asyncio's transport."""

    @classmethod
    async def open(cls, url: str) -> _TcpEcho:
        """Connect."""
        host, _, number = url.removeprefix("socket://").partition(":")
        _, made = await asyncio.get_running_loop().create_connection(cls, host, int(number))
        return made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Count."""
        self._take(data)

    def _send(self, data: bytes) -> None:
        self._transport.write(data)

    def close(self) -> None:
        """End it."""
        self._transport.close()
