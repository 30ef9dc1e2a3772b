"""The example configuration for mosquitto, loaded by mosquitto: who may read and write what."""

import asyncio
import contextlib
import os
import pwd
import shutil
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from controller.config import MqttConfig
from tests.controller.brokers import PATIENCE_S, Mosquitto, free_port, without_mosquitto
from tests.controller.test_mqtt_settings import lonely_publisher

pytestmark = [pytest.mark.broker, pytest.mark.processes, without_mosquitto]

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "mosquitto"
USERS = ("dashboard", "stop-panel", "service")
OWN, OTHER = "laser/v1/site-1/laser-1", "laser/v1/site-1/laser-2"


async def run(*command: object, **options: Any) -> None:
    made = await asyncio.create_subprocess_exec(*map(str, command), stdout=-3, stderr=-3, **options)
    assert await made.wait() == 0, command


async def make_certificates(folder: Path) -> None:
    """An authority, and certificates from it for the broker and two lasers."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    ca = (folder / "ca.pem", folder / "ca.key")
    await run("openssl", "req", "-x509", *key, "-subj", "/CN=authority", "-out", ca[0], "-keyout", ca[1])
    for who in ("broker", "laser-1", "laser-2"):
        out = (folder / f"{who}.pem", folder / f"{who}.key")
        name = ("-subj", f"/CN={who}", "-addext", "subjectAltName=IP:127.0.0.1")
        signed_by = ("-CA", ca[0], "-CAkey", ca[1])
        await run("openssl", "req", "-x509", *key, *name, *signed_by, "-out", out[0], "-keyout", out[1])


class Site:
    """The broker of the example, on ports of its own, and its clients."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.broker = Mosquitto(folder, "allow_anonymous false")
        self.passwords_port = free_port()

    async def start(self) -> None:
        await make_certificates(self.folder)
        passwords = self.folder / "picolase.passwd"
        passwords.touch(mode=0o600)
        for user in USERS:
            await run("mosquitto_passwd", "-b", passwords, user, f"{user}'s")
        text = (EXAMPLE / "mosquitto.conf").read_text(encoding="utf-8")
        for there, here in (
            ("/etc/mosquitto/certs", self.folder),
            ("/etc/mosquitto/picolase.acl", EXAMPLE / "picolase.acl"),
            ("/etc/mosquitto/picolase.passwd", passwords),
            ("/var/lib/mosquitto/", f"{self.folder}/"),
            ("listener 8883", f"listener {self.broker.port} 127.0.0.1"),
            ("listener 8884", f"listener {self.passwords_port} 127.0.0.1"),
        ):
            assert there in text, there
            text = text.replace(there, str(here))
        user = pwd.getpwuid(os.getuid()).pw_name
        self.broker.config.write_text(f"user {user}\nlog_dest stderr\n{text}", encoding="utf-8")
        await self.broker.start()

    def laser(self, name: str) -> aiomqtt.Client:
        tls = ssl.create_default_context(cafile=self.folder / "ca.pem")
        tls.load_cert_chain(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        return aiomqtt.Client("127.0.0.1", self.broker.port, tls_context=tls)

    def user(self, name: str, password: str | None = None) -> aiomqtt.Client:
        tls = ssl.create_default_context(cafile=self.folder / "ca.pem")
        told = password or f"{name}'s"
        return aiomqtt.Client("127.0.0.1", self.passwords_port, username=name, password=told, tls_context=tls)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    assert shutil.which("openssl"), "openssl comes with mosquitto's TLS library"
    site = Site(tmp_path)
    async with asyncio.timeout(PATIENCE_S):
        await site.start()
    try:
        yield site
    finally:
        await site.broker.kill()


@contextlib.asynccontextmanager
async def hearing(client: aiomqtt.Client, *filters: str) -> AsyncIterator[list[str]]:
    """The topics that a client which subscribes to `filters` is given."""
    topics: list[str] = []
    async with client:
        for topic in filters:
            await client.subscribe(topic, qos=1)

        async def listen() -> None:
            async for message in client.messages:
                topics.append(str(message.topic))  # noqa: PERF401  # read while they come in

        task = asyncio.create_task(listen())
        yield topics
        task.cancel()
        await asyncio.wait({task})


async def say(client: aiomqtt.Client, *topics: str) -> None:
    async with client:
        for topic in topics:
            await client.publish(topic, b"{}", qos=1)


async def all_heard(site: Site, *heard: list[str]) -> None:
    """Whatever was let through is there once this last message, which may be written, is."""
    last = f"{OWN}/pulse/last"
    await say(site.user("service"), last)
    async with asyncio.timeout(PATIENCE_S):
        while not all(last in topics for topics in heard):  # noqa: ASYNC110  # a list has no event
            await asyncio.sleep(0.01)
    for topics in heard:
        topics.remove(last)


ALL = [
    *(f"{OWN}/{suffix}" for suffix in ("status", "state", "alarm/door", "cmd/stop", "reply/x")),
    *(f"{OTHER}/{suffix}" for suffix in ("status", "state", "alarm/door", "cmd/stop", "reply/x")),
    *("laser/v1/site-2/x/status", "homeassistant/device/x/config", "anything"),
]


async def test_each_writes_only_what_is_theirs_and_a_dashboard_nothing(site: Site) -> None:
    allowed: dict[str, set[str]] = {
        "laser-1": {topic for topic in ALL if topic.startswith(f"{OWN}/")},
        "laser-2": {topic for topic in ALL if topic.startswith(f"{OTHER}/")},
        "dashboard": set(),
        "stop-panel": {f"{OWN}/cmd/stop", f"{OTHER}/cmd/stop"},
    }
    for who, topics in allowed.items():
        async with hearing(site.user("dashboard"), "#") as seen:
            await say(site.laser(who) if who.startswith("laser") else site.user(who), *ALL)
            await all_heard(site, seen)
            assert set(seen) == topics, who


async def test_a_laser_hears_its_own_stop_only_and_who_stops_hears_their_replies_only(site: Site) -> None:
    async with (
        hearing(site.laser("laser-1"), "#") as laser,
        hearing(site.user("stop-panel"), "#", "laser/v1/+/+/reply/#") as panel,
        hearing(site.user("dashboard"), "#") as dashboard,
    ):
        await say(site.user("stop-panel"), f"{OTHER}/cmd/stop", f"{OWN}/cmd/stop")
        await say(site.laser("laser-1"), f"{OWN}/reply/stop-panel", f"{OWN}/reply/somebody", f"{OWN}/state")
        await all_heard(site, dashboard)
        await say(site.user("stop-panel"), f"{OWN}/cmd/stop")
        async with asyncio.timeout(PATIENCE_S):
            while laser.count(f"{OWN}/cmd/stop") < 2 or not panel:  # noqa: ASYNC110  # a list has no event
                await asyncio.sleep(0.01)
        assert set(laser) == {f"{OWN}/cmd/stop"}
        assert set(panel) == {f"{OWN}/reply/stop-panel"}


async def test_nobody_gets_in_without_certificate_or_password(site: Site) -> None:
    for wrong in (site.user("dashboard", "wrong"), site.user("laser-1")):
        with pytest.raises(aiomqtt.MqttError, match=r"(?i)not authori[sz]ed|bad user"):
            await say(wrong, "x")
    tls = ssl.create_default_context(cafile=site.folder / "ca.pem")
    bare = aiomqtt.Client("127.0.0.1", site.broker.port, tls_context=tls, timeout=1)
    with pytest.raises(aiomqtt.MqttError):
        await say(bare, "x")


@pytest.mark.parametrize("version", ["auto", "3.1.1"])
async def test_the_publisher_is_at_home_there_with_its_own_certificate(site: Site, version: str) -> None:
    folder = site.folder
    files: dict[str, Any] = {
        "ca_file": folder / "ca.pem",
        "cert_file": folder / "laser-1.pem",
        "key_file": folder / "laser-1.key",
        "version": version,
    }
    where: dict[str, Any] = {"host": "127.0.0.1", "port": site.broker.port, "tls": True}
    config = MqttConfig(**where, **files, site="site-1", device_id="laser-1")
    async with hearing(site.user("dashboard"), "laser/v1/#") as seen:
        publisher = lonely_publisher(config)
        task = asyncio.create_task(publisher.run())
        async with asyncio.timeout(PATIENCE_S):
            while f"{OWN}/status" not in seen:  # noqa: ASYNC110  # a list has no event
                await asyncio.sleep(0.01)
        publisher.stop()
        await task
        assert publisher.health.trouble is None
