"""A thousand lasers at one mosquitto: how fast what they tell is known to `picolase fleet`, at which load.

The publishers are the daemon's own `MqttPublisher`, all in this process, with the real payloads; the daemon
itself is not there: this tells them what it would, and each has its outbox in memory. The reader is the model
behind `picolase fleet`, in a process of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import resource
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic_ns, perf_counter, process_time
from typing import IO, Final

from bench.broker import ABSENT, HOST, program, serving
from bench.figures import Figure, Group, percentile, worked_by
from bench.publishers import Laser, started
from controller.config import MqttConfig
from controller.fleet import Fleet
from controller.fleet_watch import FleetWatch
from protocols.topics import PULSE, TELEMETRY

LASERS: Final = 1_000
FIRING_EACH: Final = 10  # of so many lasers one fires, once a second
OVER_S: Final = 10.0
TICKS_HZ: Final = 100
STARTED_AT_ONCE: Final = 20
PATIENCE_S: Final = 60.0
FILES_OF_EACH: Final = 4  # a socket and what paho wakes itself with
FILES_BESIDE: Final = 200

MONO: Final = re.compile(rb'"mono_ns":(\d+)')


def measure(folder: Path) -> Group:
    """With a mosquitto of its own in `folder`; without one there is nothing to measure."""
    title = f"{LASERS:,} lasers at one mosquitto"
    mosquitto = program()
    if mosquitto is None:
        return Group(title, notes=[ABSENT])
    wanted = LASERS * FILES_OF_EACH + FILES_BESIDE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        return Group(title, notes=[f"left out: {hard} open files are allowed, {wanted} are needed"])
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    with serving(mosquitto, folder) as (broker, port):
        return Group(title, asyncio.run(_fleet(broker, port)))


async def _fleet(broker: subprocess.Popen[bytes], port: int) -> list[Figure]:
    lasers = [Laser(number, port) for number in range(LASERS)]
    running: list[asyncio.Task[None]] = []
    try:
        began_s = perf_counter()
        async with asyncio.timeout(PATIENCE_S * 2):
            for at in range(0, LASERS, STARTED_AT_ONCE):
                running += await started(lasers[at : at + STARTED_AT_ONCE])
        started_s = perf_counter() - began_s
        async with _reader(port) as reader:
            await _tell(lasers, 1.0)  # each has told something
            before = sum(laser.publisher.health.sent for laser in lasers)
            broker_s, own_s, began_s = worked_by(broker.pid), process_time(), perf_counter()
            _say(reader)
            await _tell(lasers, OVER_S)
            took_s = perf_counter() - began_s
            sent = sum(laser.publisher.health.sent for laser in lasers) - before
            loads = [(worked_by(broker.pid) - broker_s) / took_s, (process_time() - own_s) / took_s]
            _say(reader)
            told = json.loads(await asyncio.to_thread(_line, reader))
        dropped = sum(laser.publisher.health.samples_dropped for laser in lasers)
    finally:
        for laser in lasers:
            laser.publisher.stop()
        await asyncio.gather(*running)
    return [
        Figure("until all are connected, one after another", "s", (started_s,)),
        Figure("published", "messages/s", (sent / took_s,)),
        Figure("of the pace that was meant", "ratio", (OVER_S / took_s,), "1"),
        Figure("live for the reader at the end", "lasers", (told["live"],), f"{LASERS:,}"),
        Figure("samples replaced before they were sent", "samples", (dropped,)),
        *(
            Figure(f"from told to known to the reader, {name}, {what}", "ms", (told["took_ms"][name][what],))
            for name in (TELEMETRY.suffix, PULSE.suffix)
            for what in ("p50", "p99")
        ),
        Figure("load of mosquitto", "cores", (loads[0],)),
        Figure("load of all publishers", "cores", (loads[1],)),
        Figure("load of the reader", "cores", (told["load"],)),
        Figure("memory of the reader", "MiB", (told["memory_mib"],)),
    ]


async def _tell(lasers: Sequence[Laser], for_s: float) -> None:
    """Each laser tells once a second, at a time of its own."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    for tick in range(int(for_s * TICKS_HZ)):
        for laser in lasers[tick % TICKS_HZ :: TICKS_HZ]:
            laser.tell()
            if laser.number // TICKS_HZ % FIRING_EACH == 0:
                laser.fire()
        await asyncio.sleep(began_s + (tick + 1) / TICKS_HZ - loop.time())


# -- the reader, a process of its own


class _Timed(Fleet):
    """Notes how old what it takes is, by the clock of this machine."""

    def __init__(self) -> None:
        super().__init__("laser/v1")
        self.took_ns: dict[str, list[int]] = {TELEMETRY.suffix: [], PULSE.suffix: []}

    def take(self, topic: str, payload: bytes) -> None:
        """As the fleet does."""
        super().take(topic, payload)
        suffix = topic.rpartition("/")[2]
        if suffix in self.took_ns and (found := MONO.search(payload)):
            self.took_ns[suffix].append(monotonic_ns() - int(found[1]))


def read() -> None:
    """What the reader's process does: watch from one line on standard input to the next, then tell."""
    asyncio.run(_read(int(sys.argv[1])))


async def _read(port: int) -> None:
    fleet = _Timed()
    watch = FleetWatch(MqttConfig(host=HOST, port=port), fleet, name="bench-fleet")
    watching = asyncio.create_task(watch.run())
    await watch.subscribed.wait()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    for took_ns in fleet.took_ns.values():
        took_ns.clear()
    worked_s, began_s = process_time(), perf_counter()
    await asyncio.to_thread(sys.stdin.readline)
    load = (process_time() - worked_s) / (perf_counter() - began_s)
    rows = fleet.rows(int(datetime.now(UTC).timestamp() * 1e6))
    took_ms = {
        suffix: {f"p{percent}": percentile(took_ns, percent) / 1e6 for percent in (50, 99)}
        for suffix, took_ns in fleet.took_ns.items()
    }
    memory_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    told = {"load": load, "live": sum(row.live for row in rows), "took_ms": took_ms, "memory_mib": memory_mib}
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


@contextlib.asynccontextmanager
async def _reader(port: int) -> AsyncIterator[subprocess.Popen[str]]:
    """Run the reader; it has subscribed."""
    program = "from bench.fleet import read; read()"
    with subprocess.Popen(  # noqa: ASYNC220, S603  # ours; starting it blocks for a moment, before anything is measured
        [sys.executable, "-c", program, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            if await asyncio.to_thread(_line, process) != "ready\n":
                raise RuntimeError("the reader did not start")
            yield process
        finally:
            process.kill()


def _line(process: subprocess.Popen[str]) -> str:
    return _pipe(process.stdout).readline()


def _say(process: subprocess.Popen[str]) -> None:
    pipe = _pipe(process.stdin)
    pipe.write("\n")
    pipe.flush()


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe
