"""The publisher and the real store against broker processes: killed, frozen, started again, refusing."""

import asyncio
import contextlib
import json
import os
import pwd
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import aiomqtt
import pytest

from controller import mqtt
from controller.config import MqttConfig
from controller.fanout import Fanout, Kind
from controller.mqtt import MqttPublisher, StoreOutbox
from controller.store.records import DeviceRecord, EventKind, OutboxMessage, PulseRecord, Severity
from controller.store.store import Store
from controller.store.writer import StoreWriter

pytestmark = pytest.mark.processes

ROOT = "laser/v1/room-1/laser-1/"
PATIENCE_S = 20
MOSQUITTO = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")

PULSE = PulseRecord(
    device_serial="PL-1",
    pulse_number=1,
    device_boot=1,
    permit_id=1,
    series=1,
    device_time_us=1_000_000,
    set_energy_mj=173.0,
    monitor_a_mj=172.0,
    monitor_b_mj=171.5,
    pulse_width_ps=740.0,
    wavelength_nm=755,
    mode_width_ps=750,
    spot_mm=3.5,
    handpiece="zoom",
    flags=frozenset(),
    aperture=True,
    unknown=False,
    fluence_j_cm2=1.8,
    session_id=None,
    wall_time=datetime(2026, 3, 1, tzinfo=UTC),
    mono_us=1,
)


def now() -> datetime:
    return datetime.now(UTC)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Broker(Protocol):
    """A broker process on a port of its own, which it has again after a restart."""

    port: int

    async def start(self) -> None: ...
    async def kill(self) -> None: ...
    def freeze(self) -> None: ...
    def thaw(self) -> None: ...


class ProcessBroker:
    """What both brokers have in common."""

    def __init__(self) -> None:
        self.port = free_port()
        self.process: asyncio.subprocess.Process | None = None

    async def spawn(self, *command: str) -> asyncio.subprocess.Process:
        self.process = await asyncio.create_subprocess_exec(*command, stdin=-1, stdout=-1, stderr=-1)
        return self.process

    async def kill(self) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.process.communicate()

    def freeze(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)


class Embedded(ProcessBroker):
    async def start(self) -> None:
        program = await self.spawn(
            sys.executable, "-m", "controller.broker", "--port", str(self.port), "--until-stdin-closes"
        )
        assert program.stdout is not None
        assert json.loads(await program.stdout.readline())["port"] == self.port


class Mosquitto(ProcessBroker):
    def __init__(self, folder: Path, *lines: str) -> None:
        super().__init__()
        self.config = folder / "mosquitto.conf"
        user = pwd.getpwuid(os.getuid()).pw_name  # started by root it would become another user
        text = [f"listener {self.port} 127.0.0.1", "persistence false", f"user {user}", "log_dest stderr"]
        self.config.write_text("\n".join([*text, *(lines or ["allow_anonymous true"]), ""]))

    async def start(self) -> None:
        assert MOSQUITTO is not None
        program = await self.spawn(MOSQUITTO, "-c", str(self.config))
        assert program.stderr is not None
        seen = b""
        while b" running" not in seen:
            line = await program.stderr.readline()
            assert line, f"mosquitto ended: {seen.decode()}"
            seen += line


without_mosquitto = pytest.mark.skipif(
    MOSQUITTO is None,
    reason="no mosquitto: apt-get install mosquitto, brew install mosquitto, or mosquitto.org/download",
)


@pytest.fixture(params=["embedded", pytest.param("mosquitto", marks=[pytest.mark.broker, without_mosquitto])])
async def broker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Broker]:
    made = Embedded() if request.param == "embedded" else Mosquitto(tmp_path)
    async with asyncio.timeout(PATIENCE_S):
        await made.start()
    yield made
    async with asyncio.timeout(PATIENCE_S):
        await made.kill()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter waits than in the field, so that a test need not take the field's time."""
    monkeypatch.setattr("controller.mqtt_link.ANSWER_S", 0.6)
    monkeypatch.setattr(mqtt, "BACKOFF_S", (0.05, 0.1))
    monkeypatch.setattr(mqtt, "REFRESH_S", 0.5)


async def hung_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


class Wire:
    """A line between publisher and broker that can be cut and can hold back what the broker says."""

    def __init__(self, broker_port: int) -> None:
        self.broker_port = broker_port
        self.port = 0
        self.whole = True
        self.answers = asyncio.Event()
        self.answers.set()
        self._lines: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def laid(self) -> AsyncIterator["Wire"]:
        server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        yield self
        server.close()
        self.cut()
        if self._lines:
            await asyncio.wait(self._lines)

    def cut(self) -> None:
        self.whole = False
        for line in self._lines:
            line.cancel()

    def mend(self) -> None:
        self.whole = True
        self.answers.set()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.whole:
            await hung_up(writer)
            return
        try:
            from_broker, to_broker = await asyncio.open_connection("127.0.0.1", self.broker_port)
        except OSError:
            await hung_up(writer)
            return
        line = asyncio.create_task(self._carry(reader, to_broker, from_broker, writer))
        self._lines.add(line)
        line.add_done_callback(self._lines.discard)
        await asyncio.wait({line})

    async def _carry(
        self,
        reader: asyncio.StreamReader,
        to_broker: asyncio.StreamWriter,
        from_broker: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        async def there() -> None:
            while data := await reader.read(4096):
                to_broker.write(data)

        async def back() -> None:
            while data := await from_broker.read(4096):
                await self.answers.wait()
                writer.write(data)

        ways = [asyncio.create_task(there()), asyncio.create_task(back())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.wait(ways)
            await hung_up(writer)
            await hung_up(to_broker)


class Watcher:
    """An independent subscriber."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, Any] | None]] = []
        self._news = asyncio.Event()

    def of(self, topic: str) -> list[dict[str, Any]]:
        return [payload for name, payload in self.seen if name == ROOT + topic and payload is not None]

    def seqs(self, topic: str) -> list[int]:
        """Sequence numbers in the order of their first arrival."""
        return list(dict.fromkeys(payload["seq"] for payload in self.of(topic)))

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not true():
                self._news.clear()
                await self._news.wait()

    async def listen(self, client: aiomqtt.Client) -> None:
        with contextlib.suppress(aiomqtt.MqttError):  # the broker was killed
            async for message in client.messages:
                payload = json.loads(bytes(message.payload)) if message.payload else None
                self.seen.append((str(message.topic), payload))
                self._news.set()


@contextlib.asynccontextmanager
async def watching(port: int) -> AsyncIterator[Watcher]:
    watcher = Watcher()
    client = aiomqtt.Client("127.0.0.1", port)
    await client.__aenter__()
    await client.subscribe("#", qos=1)
    task = asyncio.create_task(watcher.listen(client))
    yield watcher
    task.cancel()
    await asyncio.wait({task})
    with contextlib.suppress(aiomqtt.MqttError):
        await client.__aexit__(None, None, None)


class Daemon:
    """What a daemon does with its store and publisher: record, then tell."""

    def __init__(self, port: int) -> None:
        store = Store.in_memory(wall_clock=now)
        store.save_device(DeviceRecord("PL-1", "PL-200", "1.0", True, {}, 0))
        self.writer = StoreWriter(store)
        self.fanout = Fanout()
        self.pulses = 0
        self.publisher = MqttPublisher(
            MqttConfig(host="127.0.0.1", port=port, site="room-1", device_id="laser-1", telemetry_hz=10.0),
            fanout=self.fanout,
            outbox=StoreOutbox(self.writer),
            boot="run-1",
            wall_clock=now,
            jitter=lambda: 0.5,
        )

    async def fire(self, count: int) -> None:
        """Record pulses, and an event with every fifth."""
        for _ in range(count):
            self.pulses += 1
            pulse = replace(PULSE, pulse_number=self.pulses, mono_us=self.pulses)
            await self.writer.run(Store.record_pulses, [pulse])
            self.fanout.tell(Kind.PULSE, {})
            if self.pulses % 5 == 0:
                await self.writer.run(
                    Store.record_event,
                    EventKind.STATE,
                    Severity.INFO,
                    "x",
                    actor="device",
                    now_us=self.pulses,
                )
                self.fanout.tell(Kind.EVENT, {})

    async def waiting(self) -> int:
        return await self.writer.run(Store.outbox_depth)

    async def emptied(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while await self.waiting():
                pass

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.publisher.run())
        async with self.writer:
            try:
                yield
            finally:
                self.publisher.stop()
                async with asyncio.timeout(PATIENCE_S):
                    await task


async def test_of_pulses_fired_while_the_broker_is_killed_and_restarted_none_is_lost(
    broker: Broker, quick: None
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        wire = await stack.enter_async_context(Wire(broker.port).laid())
        daemon = Daemon(wire.port)
        before = await stack.enter_async_context(watching(broker.port))
        await stack.enter_async_context(daemon.running())

        await daemon.fire(20)
        await before.until(lambda: len(before.seqs("pulse")) == 20)
        await daemon.emptied()
        wire.answers.clear()  # from here on nothing is acknowledged: it is in flight when the broker dies
        await daemon.fire(20)
        await before.until(lambda: len(before.seqs("pulse")) > 20)
        await broker.kill()
        wire.cut()
        await daemon.fire(20)
        assert await daemon.waiting() >= 20
        await broker.start()
        after = await stack.enter_async_context(watching(broker.port))
        wire.mend()  # a broker that keeps nothing can only bring it to those who have come back before us
        await daemon.fire(20)
        await after.until(lambda: after.seqs("pulse")[-1:] == [80] and after.seqs("event")[-1:] == [16])

        for topic, count in (("pulse", 80), ("event", 16)):
            assert set(before.seqs(topic)) | set(after.seqs(topic)) == set(range(1, count + 1))
            for watcher in (before, after):
                assert watcher.seqs(topic) == sorted(watcher.seqs(topic))
        again = set(before.seqs("pulse")) & set(after.seqs("pulse"))
        assert again, "what was in flight must come again"
        numbers = {(p["boot"], p["seq"]): p["pulse_number"] for p in before.of("pulse") + after.of("pulse")}
        assert numbers == {("run-1", n): n for n in range(1, 81)}
        await after.until(lambda: bool(after.of("status")) and after.of("status")[-1]["online"])
    assert (after.of("status") or before.of("status"))[-1]["boot"] == "run-1"


async def test_a_frozen_broker_never_makes_the_daemon_wait_and_gets_all_when_it_thaws(
    broker: Broker, quick: None
) -> None:
    daemon = Daemon(broker.port)
    loop = asyncio.get_running_loop()
    async with watching(broker.port) as watcher, daemon.running():
        await daemon.fire(5)
        await watcher.until(lambda: len(watcher.seqs("pulse")) == 5)
        broker.freeze()
        try:
            worst_s, fired, gave_up_s = 0.0, 0, loop.time() + PATIENCE_S
            # Until the publisher has noticed and has tried in vain to come back, and 100 pulses at the least.
            while fired < 100 or "no broker answers" not in str(daemon.publisher.health.trouble):
                assert loop.time() < gave_up_s
                began_s = loop.time()
                await daemon.fire(1)
                daemon.fanout.tell(Kind.TELEMETRY, {"n": fired})
                daemon.fanout.tell(Kind.STATE, {"n": fired})
                worst_s = max(worst_s, loop.time() - began_s)
                fired += 1
                await asyncio.sleep(0.002)  # the pace of the laser, not a wait for anything
            assert worst_s < 0.3  # half of what any wait for the broker takes here
        finally:
            broker.thaw()
        await watcher.until(lambda: watcher.seqs("pulse")[-1] == daemon.pulses)
        assert watcher.seqs("pulse") == list(range(1, daemon.pulses + 1))
        # The will of the connection that was given up may come late; the truth stands at the end.
        births = len(watcher.of("status"))
        await watcher.until(lambda: len(watcher.of("status")) > births and watcher.of("status")[-1]["online"])
        assert daemon.publisher.health.samples_dropped > 0


SCRIPT = """
import asyncio, sys
from datetime import UTC, datetime
from controller.config import MqttConfig
from controller.fanout import Fanout
from controller.mqtt import MqttPublisher

class Empty:
    async def next(self, limit, *, after_id): return []
    async def done(self, ids): raise AssertionError

async def main():
    await MqttPublisher(
        MqttConfig(host="127.0.0.1", port=int(sys.argv[1]), site="room-1", device_id="laser-1"),
        fanout=Fanout(), outbox=Empty(), boot="run-9", jitter=lambda: 0.5,
        wall_clock=lambda: datetime.now(UTC),
    ).run()

asyncio.run(main())
"""


async def test_the_broker_tells_that_a_killed_daemon_is_lost_also_to_those_who_come_later(
    broker: Broker,
) -> None:
    async with watching(broker.port) as watcher:
        daemon = await asyncio.create_subprocess_exec(sys.executable, "-c", SCRIPT, str(broker.port))
        await watcher.until(lambda: bool(watcher.of("status")))
        assert watcher.of("status")[0]["online"] is True
        daemon.kill()
        await daemon.wait()
        await watcher.until(lambda: len(watcher.of("status")) == 2)
    async with watching(broker.port) as late:
        await late.until(lambda: bool(late.of("status")))
        assert late.of("status") == [{"online": False, "reason": "lost", "boot": "run-9"}]


async def test_a_second_run_tells_another_boot_and_clears_the_alarms_of_the_first(broker: Broker) -> None:
    async with watching(broker.port) as watcher:
        daemon = Daemon(broker.port)
        async with daemon.running():
            daemon.fanout.tell(Kind.ALARMS, {"door": {"text": "door opened"}})
            await watcher.until(lambda: bool(watcher.of("alarm/door")))
        script = await asyncio.create_subprocess_exec(sys.executable, "-c", SCRIPT, str(broker.port))
        await watcher.until(lambda: any(status["boot"] == "run-9" for status in watcher.of("status")))
        async with watching(broker.port) as late:
            await late.until(lambda: bool(late.of("status")))
            assert [name for name, _ in late.seen if "/alarm/" in name] == []
        script.kill()
        await script.wait()
    assert [(s["boot"], s["online"]) for s in watcher.of("status")][:3] == [
        ("run-1", True),
        ("run-1", False),
        ("run-9", True),
    ]


@pytest.mark.broker
@without_mosquitto
async def test_certificates_of_both_sides_are_checked(tmp_path: Path, quick: None) -> None:
    name = "laser-1"
    openssl = shutil.which("openssl")
    assert openssl is not None, "openssl comes with mosquitto's TLS library"
    for who in ("broker", name):
        made = await asyncio.create_subprocess_exec(
            *(openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-subj", f"/CN={who}", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"),
            *("-keyout", str(tmp_path / f"{who}.key"), "-out", str(tmp_path / f"{who}.pem")),
            stderr=-3,
        )
        assert await made.wait() == 0
    broker = Mosquitto(
        tmp_path,
        f"certfile {tmp_path / 'broker.pem'}",
        f"keyfile {tmp_path / 'broker.key'}",
        f"cafile {tmp_path / f'{name}.pem'}",
        "require_certificate true",
        "use_identity_as_username true",
    )
    files: dict[str, Any] = {"ca_file": tmp_path / "broker.pem", "cert_file": tmp_path / f"{name}.pem"}
    own = MqttConfig(host="127.0.0.1", port=broker.port, tls=True, **files, key_file=tmp_path / f"{name}.key")
    stranger = MqttConfig(
        host="127.0.0.1", port=broker.port, tls=True
    )  # trusts only the system's authorities
    try:
        async with asyncio.timeout(PATIENCE_S):
            await broker.start()
            for config, trouble in ((own, None), (stranger, "no trusted connection")):
                publisher = lonely_publisher(config)
                task = asyncio.create_task(publisher.run())
                while not publisher.health.connected and publisher.health.trouble is None:  # noqa: ASYNC110
                    await asyncio.sleep(0)
                assert publisher.health.connected is (trouble is None)
                assert trouble is None or trouble in str(publisher.health.trouble)
                publisher.stop()
                await task
    finally:
        await broker.kill()


class EmptyOutbox:
    async def next(self, limit: int, *, after_id: int) -> list[OutboxMessage]:
        return []

    async def done(self, ids: Sequence[int]) -> None:
        raise AssertionError(ids)


def lonely_publisher(config: MqttConfig) -> MqttPublisher:
    """One that has nothing to tell but that it is there."""
    return MqttPublisher(
        config,
        fanout=Fanout(),
        outbox=EmptyOutbox(),
        boot="run-1",
        wall_clock=now,
        jitter=lambda: 0.5,
    )


@pytest.mark.broker
@without_mosquitto
async def test_a_password_is_demanded_and_a_corrected_one_is_taken_without_a_restart(
    tmp_path: Path, quick: None, caplog: pytest.LogCaptureFixture
) -> None:
    # "secret", as `mosquitto_passwd` writes it: PBKDF2-SHA512, 101 rounds.
    passwords = tmp_path / "passwords"
    tool = shutil.which("mosquitto_passwd")
    assert tool is not None, "mosquitto_passwd comes with mosquitto"
    made = await asyncio.create_subprocess_exec(
        tool, "-b", "-c", str(passwords), "laser", "secret", stderr=-3
    )
    assert await made.wait() == 0
    broker = Mosquitto(tmp_path, "allow_anonymous false", f"password_file {passwords}")
    async with asyncio.timeout(PATIENCE_S):
        await broker.start()
    file = tmp_path / "mine"
    file.write_text("wrong\n")
    try:
        publisher = lonely_publisher(
            MqttConfig(host="127.0.0.1", port=broker.port, username="laser", password_file=file)
        )
        task = asyncio.create_task(publisher.run())
        async with asyncio.timeout(PATIENCE_S):
            while "refused us" not in str(publisher.health.trouble):  # noqa: ASYNC110  # health is no event
                await asyncio.sleep(0)
            file.write_text("secret\n")
            while not publisher.health.connected:  # noqa: ASYNC110
                await asyncio.sleep(0)
            assert publisher.health.trouble is None
            publisher.stop()
            await task
    finally:
        await broker.kill()
    warnings = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "Not authorized" in warnings[0]
