"""The fleet on the page, from real brokers by the real process: drawn only while somebody looks."""

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from controller.config import MqttConfig
from controller.declined import Declined
from controller.web import fleet_view
from controller.web.fleet_view import FleetView
from hal.time import now_us
from tests.controller.brokers import Broker, Mosquitto, free_port, without_mosquitto
from tests.controller.test_fleet_cli import leave

pytestmark = pytest.mark.processes
PATIENCE_S = 40


@contextlib.asynccontextmanager
async def shown(config: MqttConfig | None) -> AsyncIterator[FleetView]:
    view = FleetView(config, now_us)
    task = asyncio.create_task(view.run(), name="fleet")
    try:
        yield view
    finally:
        task.cancel()
        await asyncio.wait({task})


async def until(view: FleetView, true: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """Look as the page looks, until it shows what is waited for."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            told: dict[str, Any] = json.loads(view.picture())
            if told["picture"] is not None and true(told["picture"]):
                return told
            await asyncio.sleep(0.1)


def of(port: int) -> MqttConfig:
    return MqttConfig(host="127.0.0.1", port=port)


async def test_all_lasers_are_shown_and_those_that_ask_for_a_look_stand_first(broker: Broker) -> None:
    await leave(broker.port, "a/1", "c/1")
    await leave(broker.port, "b/2", alarm=True)
    await leave(broker.port, "b/3", online=False)
    async with shown(of(broker.port)) as view:
        told = await until(view, lambda picture: picture["settled"])
    picture = told["picture"]
    assert (told["trouble"], picture["trouble"], picture["left_out"]) == (None, "", 0)
    assert 0 <= told["age_s"] < PATIENCE_S
    assert [f"{one['site']}/{one['device']}" for one in picture["lasers"]][:2] == ["b/2", "b/3"]
    assert {one["site"] for one in picture["lasers"]} == {"a", "b", "c"}
    assert (picture["counts"]["lasers"], picture["counts"]["with_alarms"]) == (4, 1)


async def test_a_daemon_that_is_not_told_to_shows_no_fleet_and_starts_no_process() -> None:
    async with shown(None) as view:
        with pytest.raises(Declined) as declined:
            view.picture()
    assert (declined.value.status, declined.value.code) == (404, "fleet.off")


async def test_without_a_broker_the_page_says_so_and_shows_the_fleet_once_there_is_one(
    tmp_path: Path,
) -> None:
    port = free_port()
    async with shown(of(port)) as view:
        told = await until(view, lambda picture: picture["trouble"])
        assert str(port) in told["picture"]["trouble"]
        assert told["picture"]["lasers"] == []


@without_mosquitto
async def test_a_broker_that_is_killed_is_told_and_its_return_too(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path)
    await broker.start()
    try:
        await leave(broker.port, "a/1")
        async with shown(of(broker.port)) as view:
            await until(view, lambda picture: picture["counts"]["lasers"] == 1)
            await broker.kill()
            told = await until(view, lambda picture: picture["trouble"])
            assert len(told["picture"]["lasers"]) == 1  # still there, and said to be old
            await broker.start()
            await leave(broker.port, "a/2")
            await until(view, lambda picture: not picture["trouble"] and len(picture["lasers"]) == 2)
    finally:
        await broker.kill()


async def test_rubbish_at_the_broker_is_counted_and_the_picture_stays_whole(broker: Broker) -> None:
    await leave(broker.port, "a/1")
    async with aiomqtt.Client("127.0.0.1", broker.port) as client, shown(of(broker.port)) as view:
        await until(view, lambda picture: picture["counts"]["lasers"] == 1)
        for suffix in ("state", "status", "about", "telemetry", "pulse", "alarm/door"):
            for text in (b"\xff\n\n", b"{", b"[]", b"{}", b'{"state":"</script>\n"}', b"9" * 5000):
                await client.publish(f"laser/v1/a/1/{suffix}", text)
        told = await until(view, lambda picture: picture["counts"]["unreadable"] >= 36)
    (laser,) = told["picture"]["lasers"]
    assert (laser["device"], laser["state"]) == ("1", "standby")


async def test_nobody_looks_no_process_and_the_next_who_does_gets_a_new_one(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet_view, "LOOKED_AT_US", 3_000_000)
    started: list[asyncio.subprocess.Process] = []
    real = asyncio.create_subprocess_exec

    async def noted(*given: Any, **options: Any) -> asyncio.subprocess.Process:
        started.append(await real(*given, **options))
        return started[-1]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", noted)
    async with shown(of(broker.port)) as view:
        await asyncio.sleep(0)
        assert started == []
        await until(view, lambda picture: True)
        async with asyncio.timeout(PATIENCE_S):
            await started[0].wait()
            while view._picture:  # noqa: ASYNC110  # looking would be what keeps it
                await asyncio.sleep(0.05)
        await until(view, lambda picture: True)
        assert len(started) == 2
        last = started[1]
    async with asyncio.timeout(PATIENCE_S):
        assert await last.wait() == -signal.SIGKILL


async def test_a_reader_whose_daemon_is_gone_goes_too(broker: Broker) -> None:
    program = [sys.executable, "-P", "-m", "controller.web.fleet_reading"]
    reader = await asyncio.create_subprocess_exec(*program, stdin=-1, stdout=-1)
    assert reader.stdin is not None
    assert reader.stdout is not None
    reader.stdin.write(of(broker.port).model_dump_json().encode() + b"\n")
    async with asyncio.timeout(PATIENCE_S):
        assert json.loads(await reader.stdout.readline())["broker"] == f"mqtt://127.0.0.1:{broker.port}"
        reader.stdin.close()
        assert await reader.wait() == 0
        await reader.stdout.read()
