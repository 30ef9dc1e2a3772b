"""A thousand simulated lasers in one process, answering over TCP: memory of each, time of an answer, load.

The lasers stand with the key off, and their process is `picolase sim` itself. "With Status" every laser has a
session and sends its Status and Telemetry to a client that throws them away.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Final

from bench.figures import Figure, Group, percentile, worked_by
from protocols.frame import DELIMITER, Frame, decode, encode
from protocols.interface import INTERFACE_HASH
from protocols.messages import Connect, Connected, Message, Status
from protocols.requests import Counters, Identity, ReadCounters, ReadIdentity, Request

LASERS: Final = 1_000
ROUNDS: Final = 3
ASKED_EVERY: Final = 5  # one laser in so many is asked by itself; all are asked at once
REST_S: Final = 3.0  # over which the load of lasers that nobody asks is measured
FIRST_PORTS: Final = (20_000, 30_000, 40_000)  # a range may be taken
HOST: Final = "127.0.0.1"
OPCODE_PLACE: Final = 2  # in an encoded frame: COBS' code, version, opcode
REQUESTS: Final = ((ReadIdentity(), Identity), (ReadCounters(), Counters))
PAGE_KIB: Final = os.sysconf("SC_PAGE_SIZE") // 1024

_nonces: Final = itertools.count(1)  # each session's must be fresh


def measure(_folder: Path) -> Group:
    """Memory by the growth over a process with one laser, times with and without Status traffic."""
    with _lasers(1) as (process, _):
        one_kib = _memory_kib(process)
    with _lasers(LASERS) as (process, first_port):
        each_kib = (_memory_kib(process) - one_kib) / (LASERS - 1)
        figures = asyncio.run(_measure(process, first_port))
        used_kib = (_memory_kib(process) - one_kib) / (LASERS - 1)
    return Group(
        f"{LASERS:,} simulated lasers in one process, over TCP",
        [
            Figure("memory of a laser, just switched on", "KiB", (each_kib,)),
            Figure("memory of a laser, after all of this", "KiB", (used_kib,)),
            *figures,
        ],
    )


async def _measure(process: subprocess.Popen[str], first_port: int) -> list[Figure]:
    quiet = await _load(process)
    silent = []
    for number in range(0, LASERS, ASKED_EVERY):  # only the laser that is asked has a session
        client = await _connected(first_port + number)
        silent += [await client.ask(*request) for request in REQUESTS]
        client.close()
        await client.closed
    clients = await asyncio.gather(*(_connected(first_port + number) for number in range(LASERS)))
    await asyncio.sleep(1)  # until each has sent some Status
    told, began_us, began_s = [client.told for client in clients], clients[-1].device_us, perf_counter()
    busy = await _load(process)
    pace = (clients[-1].device_us - began_us) / 1e6 / (perf_counter() - began_s)
    if not all(client.told > before for client, before in zip(clients, told, strict=True)):
        raise RuntimeError("a laser with a session sent no Status: that is no traffic")
    rounds, all_at_once = [], []
    for _ in range(ROUNDS):
        asked = clients[::ASKED_EVERY]
        rounds.append([await client.ask(*request) for client in asked for request in REQUESTS])
        began_s = perf_counter()
        await asyncio.gather(*(client.ask(*REQUESTS[0]) for client in clients))
        all_at_once.append(perf_counter() - began_s)
    for client in clients:
        client.close()
    return [
        Figure("answer, no Status, p50", "ms", (1e3 * percentile(silent, 50),)),
        Figure("answer, no Status, p99", "ms", (1e3 * percentile(silent, 99),)),
        Figure("answer, with Status, p50", "ms", tuple(1e3 * percentile(one, 50) for one in rounds)),
        Figure("answer, with Status, p99", "ms", tuple(1e3 * percentile(one, 99) for one in rounds)),
        Figure("all asked at once, until the last answer", "ms", tuple(1e3 * one for one in all_at_once)),
        Figure("load without sessions", "cores", (quiet,), "< 1"),
        Figure("load with Status", "cores", (busy,), "< 1"),
        Figure("device time, of real time, with Status", "ratio", (pace,), "1"),
    ]


@contextmanager
def _lasers(count: int) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process with so many lasers, and the port of the first."""
    for port in FIRST_PORTS:
        program = "from rig.cli.sim import sim; sim()"
        options = ["--lasers", str(count), "--tcp", f"{HOST}:{port}", "--until-stdin-closes"]
        with subprocess.Popen(  # noqa: S603 # ours
            [sys.executable, "-c", program, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            if process.stdout.readline():  # it serves
                yield process, port
                return
    raise RuntimeError(f"no range of {count} free TCP ports from any of {FIRST_PORTS}")


async def _connected(port: int) -> _Client:
    """A client with a session."""
    _, client = await asyncio.get_running_loop().create_connection(_Client, HOST, port)
    await client.open()
    return client


async def _load(process: subprocess.Popen[str]) -> float:
    """Cores that the process keeps busy while nobody asks."""
    before, began_s = worked_by(process.pid), perf_counter()
    await asyncio.sleep(REST_S)
    return (worked_by(process.pid) - before) / (perf_counter() - began_s)


def _memory_kib(process: subprocess.Popen[str]) -> float:
    """Resident memory of the process."""
    return int(Path(f"/proc/{process.pid}/statm").read_text("utf-8").split()[1]) * PAGE_KIB


class _Client(asyncio.Protocol):
    """One session, by hand: what a client costs is not what is measured."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.told = 0  # Status that came
        self.closed: asyncio.Future[None] = loop.create_future()
        self._answer: asyncio.Future[Frame] = loop.create_future()
        self._awaited = 0  # opcode
        self._status = b""  # the latest
        self._half = b""
        self._session = self._seq = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    @property
    def device_us(self) -> int:
        """The laser's own time when it sent the latest Status."""
        status = decode(self._status).message
        assert isinstance(status, Status)
        return status.device_time_us

    async def open(self) -> None:
        """Open a session."""
        answer = await self._exchange(Connect(next(_nonces), INTERFACE_HASH), Connected)
        self._session = answer.session

    async def ask(self, request: Request, answer: type[Message]) -> float:
        """Seconds until the answer."""
        self._seq += 1
        began_s = perf_counter()
        told = await self._exchange(request, answer)
        took_s = perf_counter() - began_s
        if told.seq != self._seq:
            raise RuntimeError(f"request {self._seq} was answered by {told}")
        return took_s

    def close(self) -> None:
        """Hang up."""
        self._transport.close()

    async def _exchange(self, message: Message, answer: type[Message]) -> Frame:
        self._answer = asyncio.get_running_loop().create_future()
        self._awaited = answer.opcode
        self._transport.write(encode(Frame(self._session, self._seq, message)))
        return await self._answer

    def data_received(self, data: bytes) -> None:
        """Pick out what is waited for."""
        *whole, self._half = (self._half + data).split(DELIMITER)
        for piece in whole:
            opcode = piece[OPCODE_PLACE]
            if opcode == self._awaited and not self._answer.done():
                self._answer.set_result(decode(piece))
            elif opcode == Status.opcode:
                self.told += 1
                self._status = piece

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self.closed.set_result(None)
        if not self._answer.done():
            self._answer.set_exception(exc or EOFError("the laser hung up"))
