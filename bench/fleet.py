"""A thousand lasers at one mosquitto: how fast what they tell is known to `picolase fleet`, at which load.

The publishers are the daemon's own `MqttPublisher`, all in this process, with the real payloads; the daemon
itself is not there: this tells them what it would, and each has its outbox in memory. The reader is the model
behind `picolase fleet`, in a process of its own. Beside it: how many pulses one publisher brings out of its
outbox, and a bare aiomqtt.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pwd
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from time import monotonic_ns, perf_counter, process_time
from typing import IO, Final

import aiomqtt

from bench.codec import example_status
from bench.figures import Figure, Group, percentile, worked_by
from controller.config import MqttConfig
from controller.fanout import Fanout, Kind
from controller.fleet import Fleet
from controller.fleet_watch import FleetWatch
from controller.mqtt import MqttPublisher
from controller.store import OutboxMessage
from protocols.messages import Telemetry
from protocols.payloads import HostFacts, Stamp, about_payload, state_payload, telemetry_payload, utc_text
from protocols.topics import PULSE, TELEMETRY

LASERS: Final = 1_000
FIRING_EACH: Final = 10  # of so many lasers one fires, once a second
OVER_S: Final = 10.0
TICKS_HZ: Final = 100
STARTED_AT_ONCE: Final = 20
PATIENCE_S: Final = 60.0
HOST: Final = "127.0.0.1"
FIRST_PORTS: Final = range(21_883, 21_893)
FILES_OF_EACH: Final = 4  # a socket and what paho wakes itself with
FILES_BESIDE: Final = 200

PULSES: Final = 3_000  # brought out of one outbox
ROUNDS: Final = 3
AT_ONCE: Final = 64  # as many as the publisher has in flight

SAMPLE: Final = Telemetry(
    sample=1, device_time_us=123_456_789, hv_mv=800_000, coolant_mc=25_000, flow_ml_min=4_000,
    indicator_ua=20_000, aiming_uw=900, simmer_on=True, heater_on=False, lamp_shots=1_000_000,
    frames_rejected=0, skipped_pulses=0,
)  # fmt: skip
FACTS: Final = HostFacts(link_up=True)
MONO: Final = re.compile(rb'"mono_ns":(\d+)')


def measure(folder: Path) -> Group:
    """With a mosquitto of its own in `folder`; without one there is nothing to measure."""
    title = f"{LASERS:,} lasers at one mosquitto"
    program = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if program is None:
        return Group(title, notes=["left out: no mosquitto; apt-get install mosquitto"])
    wanted = LASERS * FILES_OF_EACH + FILES_BESIDE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        return Group(title, notes=[f"left out: {hard} open files are allowed, {wanted} are needed"])
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    with _mosquitto(program, folder) as (broker, port):
        figures = asyncio.run(_fleet(broker, port))
        figures += asyncio.run(_throughput(port))
    return Group(title, figures)


# -- a thousand lasers


class _Outbox:
    """An outbox in memory."""

    def __init__(self) -> None:
        self._rows: dict[int, OutboxMessage] = {}
        self._number = 0
        self.empty = asyncio.Event()

    def put(self, now_ns: int) -> None:
        """A pulse of this moment."""
        self._number += 1
        now = datetime.now(UTC)
        told: dict[str, object] = {
            "wall_time": utc_text(now), "mono_us": now_ns // 1000, "pulse_number": self._number,
            "device_boot": 3, "device_time_us": 123_456_789, "permit_id": 5, "flags": "",
            "set_energy_mj": 173.0, "monitor_a_mj": 173.5, "monitor_b_mj": 172.5, "pulse_width_ps": 751,
            "mode_width_ps": 750, "wavelength_nm": 755, "handpiece": "zoom", "spot_mm": 3.5,
            "device_serial": "BENCH-1", "series": 1, "aperture": True, "unknown": False,
            "fluence_j_cm2": 1.8, "session_id": "bench", "simulated": True,
        }  # fmt: skip
        self._rows[self._number] = OutboxMessage(self._number, PULSE.suffix, self._number, told, now)
        self.empty.clear()

    async def next(self, limit: int, *, after_id: int) -> Sequence[OutboxMessage]:
        """The oldest beyond `after_id`."""
        return list(islice((row for row in self._rows.values() if row.id > after_id), limit))

    async def done(self, ids: Sequence[int]) -> None:
        """Forget these."""
        for number in ids:
            del self._rows[number]
        if not self._rows:
            self.empty.set()


class _Laser:
    """A daemon's publisher, and what it is told."""

    def __init__(self, number: int, port: int) -> None:
        self.number = number
        self.outbox = _Outbox()
        self._fanout = Fanout()
        self._boot = f"bench-{number}"
        config = MqttConfig(
            host=HOST, port=port, site=f"site-{number % 20}", device_id=f"laser-{number}", telemetry_hz=10.0
        )
        self.publisher = MqttPublisher(
            config,
            fanout=self._fanout,
            outbox=self.outbox,
            boot=self._boot,
            wall_clock=lambda: datetime.now(UTC),
            jitter=lambda: 0.5,
            alarm_ids=(),
        )

    def introduce(self) -> None:
        """What it is; a second between its samples."""
        known = {"serial": f"BENCH-{self.number}", "simulated": True}
        about = about_payload(
            known, self._stamp(), telemetry_hz=1.0, software_version="bench", clock_source="system"
        )
        self._fanout.tell(Kind.ABOUT, about)

    def tell(self) -> None:
        """State and a sample of now."""
        status, stamp = example_status(), self._stamp()
        self._fanout.tell(Kind.STATE, state_payload(status, FACTS, stamp))
        self._fanout.tell(Kind.TELEMETRY, telemetry_payload(status, SAMPLE, FACTS, stamp))

    def fire(self, pulses: int = 1) -> None:
        """Pulses of now."""
        for _ in range(pulses):
            self.outbox.put(monotonic_ns())
        self._fanout.tell(Kind.PULSE, {})

    def _stamp(self) -> Stamp:
        return Stamp(datetime.now(UTC), monotonic_ns() // 1000, self._boot, sim=True)


async def _fleet(broker: subprocess.Popen[bytes], port: int) -> list[Figure]:
    lasers = [_Laser(number, port) for number in range(LASERS)]
    running: list[asyncio.Task[None]] = []
    try:
        began_s = perf_counter()
        async with asyncio.timeout(PATIENCE_S * 2):
            for at in range(0, LASERS, STARTED_AT_ONCE):
                running += await _started(lasers[at : at + STARTED_AT_ONCE])
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
        if told["live"] != LASERS:
            raise RuntimeError(f"{told['live']} of {LASERS} lasers were live for the reader")
        dropped = sum(laser.publisher.health.samples_dropped for laser in lasers)
    finally:
        for laser in lasers:
            laser.publisher.stop()
        await asyncio.gather(*running)
    return [
        Figure("until all are connected, one after another", "s", (started_s,)),
        Figure("published", "messages/s", (sent / took_s,)),
        Figure("of the pace that was meant", "ratio", (OVER_S / took_s,), "1"),
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


async def _started(lasers: Sequence[_Laser]) -> list[asyncio.Task[None]]:
    """Start these; all are connected then."""
    running = [asyncio.create_task(laser.publisher.run()) for laser in lasers]
    for laser in lasers:
        laser.introduce()
        while not laser.publisher.health.connected:  # noqa: ASYNC110  # it tells nobody
            await asyncio.sleep(0.005)
    return running


async def _tell(lasers: Sequence[_Laser], for_s: float) -> None:
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


# -- one publisher, and a bare client


async def _throughput(port: int) -> list[Figure]:
    """In turn in each round: by the clock, since who is slower waits for the same broker."""
    ours, together, singly = [], [], []
    worked: list[float] = []  # processor time of the bare one for each second of ours
    for _ in range(ROUNDS):
        began_s = process_time()
        ours.append(await _outbox_rate(port))
        own_s, began_s = process_time() - began_s, process_time()
        together.append(await _bare_rate(port, AT_ONCE))
        worked.append((process_time() - began_s) / own_s)
        singly.append(await _bare_rate(port, 1))
    bare = f"bare aiomqtt, {AT_ONCE} in flight"
    return [
        Figure("one publisher, pulses out of its outbox", "messages/s", tuple(ours)),
        Figure(bare, "messages/s", tuple(together)),
        Figure("bare aiomqtt, one after another", "messages/s", tuple(singly)),
        Figure(f"one publisher, of {bare}", "ratio", _ratios(ours, together)),
        Figure(f"processor time of {bare}, of one publisher's", "ratio", tuple(worked)),
        Figure("one publisher, of one after another", "ratio", _ratios(ours, singly), ">= 0.8"),
    ]


def _ratios(ours: Sequence[float], others: Sequence[float]) -> tuple[float, ...]:
    return tuple(mine / other for mine, other in zip(ours, others, strict=True))


async def _outbox_rate(port: int) -> float:
    laser = _Laser(LASERS, port)
    (running,) = await _started([laser])
    try:
        began_s = perf_counter()
        laser.fire(PULSES)
        async with asyncio.timeout(PATIENCE_S):
            await laser.outbox.empty.wait()
        return PULSES / (perf_counter() - began_s)
    finally:
        laser.publisher.stop()
        await running


async def _bare_rate(port: int, at_once: int) -> float:
    payload = (
        b'{"boot":"bench","seq":1,"ts":"2026-01-01T00:00:00.000000Z","filler":"' + bytes([65]) * 600 + b'"}'
    )
    async with aiomqtt.Client(HOST, port, max_inflight_messages=AT_ONCE) as client:
        client.pending_calls_threshold = AT_ONCE  # else it warns of each
        began_s = perf_counter()
        for _ in range(0, PULSES, at_once):
            sent = (client.publish("laser/v1/bench/bare/pulse", payload, qos=1) for _ in range(at_once))
            await asyncio.gather(*sent)
        return PULSES / (perf_counter() - began_s)


@contextlib.contextmanager
def _mosquitto(program: str, folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A broker on the loopback interface, and its port."""
    user = pwd.getpwuid(os.getuid()).pw_name  # started by root it would become another user
    for port in FIRST_PORTS:
        config = folder / "mosquitto.conf"
        config.write_text(
            f"listener {port} {HOST}\nallow_anonymous true\npersistence false\nuser {user}\n"
            "set_tcp_nodelay true\nlog_dest stderr\nconnection_messages false\n",
            "utf-8",
        )
        with subprocess.Popen([program, "-c", str(config)], stderr=subprocess.PIPE) as broker:  # noqa: S603
            assert broker.stderr is not None
            lines = iter(broker.stderr.readline, b"")
            if any(b" running" in line for line in lines):
                try:
                    yield broker, port
                finally:
                    broker.terminate()
                    broker.stderr.read()
                return
    raise RuntimeError(f"mosquitto could not listen on any of {FIRST_PORTS}")
