"""Certificates and passwords of a real broker, and what the next run tells."""

import asyncio
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from controller.config import MqttConfig
from controller.fanout import Fanout, Kind
from controller.mqtt import MqttPublisher
from controller.store.records import OutboxMessage
from tests.controller.brokers import PATIENCE_S, Broker, Daemon, Mosquitto, now, watching, without_mosquitto

pytestmark = pytest.mark.processes
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
