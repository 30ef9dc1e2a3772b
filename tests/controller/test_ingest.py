"""The ingest example on a real mosquitto: two workers, everything twice, one of them killed in between."""

import asyncio
import contextlib
import json
import random
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from tests.controller.brokers import PATIENCE_S, Mosquitto, without_mosquitto

pytestmark = [pytest.mark.processes, pytest.mark.broker, without_mosquitto]

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "ingest" / "ingest.py"
LASERS = 5
PULSES = 60  # of each laser


class Worker:
    """One worker as a process of its own."""

    def __init__(self, name: str, port: int, database: Path) -> None:
        self.command = [sys.executable, str(EXAMPLE), "--name", name, "--port", str(port)]
        self.command += ["--host", "127.0.0.1", "--database", str(database)]
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(*self.command, stdout=-1, stderr=-1)
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            assert await self.process.stdout.readline() == b"ready\n"

    async def end(self, number: signal.Signals) -> int:
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        async with asyncio.timeout(PATIENCE_S):
            await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode


@contextlib.asynccontextmanager
async def two_workers(broker: Mosquitto, database: Path) -> AsyncIterator[list[Worker]]:
    workers = [Worker(name, broker.port, database) for name in ("worker-1", "worker-2")]
    async with asyncio.timeout(PATIENCE_S):
        await broker.start()
    try:
        for worker in workers:
            await worker.start()
        yield workers
    finally:
        for worker in workers:
            if worker.process is not None and worker.process.returncode is None:
                await worker.end(signal.SIGKILL)
        await broker.kill()


def rows(database: Path, sql: str) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return connection.execute(sql).fetchall()


async def until_there_are(database: Path, count: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while rows(database, "SELECT count(*) FROM messages") != [(count,)]:  # noqa: ASYNC110  # another's file
            await asyncio.sleep(0.05)


def topic(laser: int) -> str:
    return f"laser/v1/site-{laser % 2}/laser-{laser}/pulse"


async def publish(port: int, pulses: Iterable[tuple[int, int]]) -> None:
    async with aiomqtt.Client("127.0.0.1", port, max_inflight_messages=50) as client:
        for laser, seq in pulses:
            payload = {"boot": f"boot-{laser}", "seq": seq, "pulse_number": 1_000 + seq, "late_s": 0}
            await client.publish(topic(laser), json.dumps(payload), qos=1)


async def test_each_pulse_counts_once_whoever_takes_it_and_whoever_dies(tmp_path: Path) -> None:
    database = tmp_path / "pulses.db"
    broker = Mosquitto(tmp_path)
    # Each pulse one to three times; a laser keeps its order, and repeats what was not acknowledged.
    told = [
        (laser, seq)
        for seq in range(PULSES)
        for laser in range(LASERS)
        for _ in range(random.Random(laser * PULSES + seq).randint(1, 3))
    ]
    third = len(told) // 3
    async with two_workers(broker, database) as (first, second):
        await publish(broker.port, told[:third])
        await first.end(signal.SIGKILL)
        await publish(broker.port, told[third : 2 * third])  # its share waits for it at the broker
        await first.start()
        await publish(broker.port, told[2 * third :])
        await until_there_are(database, LASERS * PULSES)
        assert await first.end(signal.SIGTERM) == 0
        assert await second.end(signal.SIGTERM) == 0
    found = rows(database, "SELECT topic, boot, seq FROM messages ORDER BY topic, boot, seq")
    expected = [(topic(laser), f"boot-{laser}", seq) for laser in range(LASERS) for seq in range(PULSES)]
    assert found == sorted(expected)
    taken = dict(rows(database, "SELECT worker, count(*) FROM messages GROUP BY worker"))
    assert set(taken) == {"worker-1", "worker-2"}  # both worked
    assert min(taken.values()) > LASERS


async def test_what_nobody_can_read_is_counted_and_stops_nothing(tmp_path: Path) -> None:
    database = tmp_path / "pulses.db"
    broker = Mosquitto(tmp_path)
    rubbish: list[bytes] = [
        *(b"", b"{", b"[]", b"null", b'"boot"', b"\xff\xfe", b"[" * 100_000, b'{"boot":"b"}', b'{"seq":1}'),
        *(b'{"boot":1,"seq":1}', b'{"boot":"b","seq":true}', b'{"boot":"b","seq":-1}'),
        *(
            b'{"boot":"b","seq":1.0}',
            b'{"boot":"b","seq":9223372036854775808}',
            b'{"boot":"\\ud800","seq":1}',
        ),
    ]
    async with two_workers(broker, database):
        async with aiomqtt.Client("127.0.0.1", broker.port) as client:
            for payload in rubbish:
                await client.publish(topic(0), payload, qos=1)
        await publish(broker.port, [(0, 7)])
        await until_there_are(database, 1)
        async with asyncio.timeout(PATIENCE_S):
            while rows(database, "SELECT sum(unreadable) FROM workers") != [(len(rubbish),)]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    assert rows(database, "SELECT boot, seq FROM messages") == [("boot-0", 7)]


async def test_a_repetition_is_counted_even_if_another_worker_had_the_first(tmp_path: Path) -> None:
    database = tmp_path / "pulses.db"
    broker = Mosquitto(tmp_path)
    async with two_workers(broker, database):
        await publish(broker.port, [(1, 3)] * 10)
        async with asyncio.timeout(PATIENCE_S):
            while rows(database, "SELECT sum(repeated) FROM workers") != [(9,)]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    assert rows(database, "SELECT count(*) FROM messages") == [(1,)]
