"""Somebody writes rubbish on every topic while the laser fires: nothing changes, and the fleet says so."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from controller.config import MqttConfig
from controller.fleet import Fleet
from controller.fleet_watch import FleetWatch
from controller.processes import Child
from controller.stage import PYTHON
from controller.store import Reader
from controller.telling import ALARM_IDS
from protocols.topics import TOPICS
from tests.controller.brokers import ROOT, Mosquitto, without_mosquitto
from tests.processes.flaky_broker import SETTINGS
from tests.processes.rig import START_S, Rig, plan

pytestmark = [
    *(pytest.mark.processes, pytest.mark.slow, pytest.mark.broker, pytest.mark.timeout(300)),
    without_mosquitto,
]

PULSES = 15
FLEET_S = 60.0
PAUSE_S = 0.1  # after each kind of rubbish: the laser shares its machine with this

RUBBISH = [
    *(b"x", b"\x00", b"\xff\xfe", b"null", b"[]", b"{}", b'""', b"1e999", b"[" * 20_000, b"A" * 70_000),
    b'{"ts":"noon","boot":7,"seq":-1,"state":["emitting"],"online":"yes","mono_ns":NaN}',
    '{"ts":"2026-01-01T00:00:00Z","boot":"\u001b[2J","seq":1,"state":"\u001b[31m","online":1}'.encode(),
]  # fmt: skip
"""None of it is a message of ours, so that whoever reads may know."""

ALARM = f"alarm/{min(ALARM_IDS)}"
OURS = [*(suffix for suffix in TOPICS if suffix not in {"alarm", "reply"}), ALARM, "alarm/nobodys", "reply/x"]
OTHERS = [
    *(f"{ROOT}{one}" for one in ("cmd/arm", "cmd/stop", "cmd", "state/deeper", "", "Alarm")),
    *(f"laser/v1/{one}" for one in ("room-1", "room-1/laser-2/state", "Room/Laser/state", "room-2/x/pulse")),
    *("homeassistant/device/picolase_room-1_laser-1/config", "homeassistant/status"),
    *("spBv1.0/plant/NCMD/room-1.laser-1", "spBv1.0/plant/STATE/host", "$SYS/broker/uptime"),
]
EVERY = [*(ROOT + one for one in OURS), *OTHERS]


@contextlib.asynccontextmanager
async def writing(port: int) -> AsyncIterator[asyncio.Event]:
    """Write all of it on every topic, again and again; the event tells of each round.

    Retained: who is there hears it as it comes, who comes later finds it.
    """
    around = asyncio.Event()

    async def write() -> None:
        async with aiomqtt.Client("127.0.0.1", port, timeout=FLEET_S) as client:
            while True:
                for payload in RUBBISH:
                    for topic in EVERY:
                        await client.publish(topic, payload, qos=0, retain=True)
                    await asyncio.sleep(PAUSE_S)
                around.set()

    task = asyncio.create_task(write(), name="rubbish")
    try:
        yield around
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.wait({task})


@contextlib.asynccontextmanager
async def watched(port: int) -> AsyncIterator[Fleet]:
    """A fleet that was watching before anybody wrote rubbish."""
    fleet = Fleet("laser/v1")
    watch = FleetWatch(MqttConfig(host="127.0.0.1", port=port), fleet, name="before")
    watching = asyncio.create_task(watch.run(), name="fleet")
    try:
        await asyncio.wait_for(watch.subscribed.wait(), START_S)
        yield fleet
    finally:
        watching.cancel()
        await asyncio.wait({watching})


async def shown(port: int, log: Path) -> dict[str, Any]:
    """What `picolase fleet` says, in a process of its own."""
    command = [*PYTHON, "controller.cli", "fleet", "--once", "--json", "--broker", f"127.0.0.1:{port}"]
    child = await Child.start("fleet", command, log)
    try:
        told: dict[str, Any] = json.loads(await child.first_line(FLEET_S))
    finally:
        await child.end()
    return told


@pytest.mark.shows("REQ-034")
async def test_rubbish_on_every_topic_changes_nothing_and_the_fleet_says_that_it_comes(rig: Rig) -> None:
    broker = Mosquitto(rig.folder)
    rig.settings = SETTINGS.format(port=broker.port)
    try:
        async with asyncio.timeout(START_S):
            await broker.start()
        await rig.start()
        await rig.until("the broker is reached", lambda now: now["mqtt"]["state"] == "up", 30)
        async with watched(broker.port) as fleet:
            await rig.wait("the laser is live for the fleet", lambda: is_live(fleet))
            async with writing(broker.port) as around:
                session = await rig.begin(plan(PULSES))
                await rig.arm()
                await rig.finish(session)
                around.clear()
                await asyncio.wait_for(around.wait(), FLEET_S)
                late = await shown(broker.port, rig.folder / "fleet.log")
                now = await rig.client.status()
            (row,) = fleet.rows(wall_us())
            records = await rig.balanced()
            await rig.wait("all is published", lambda: nothing_waits(rig))

        assert rig.session(session).state.value == "done"
        assert (now["mqtt"]["state"], now["mqtt"]["trouble"]) == ("up", None)
        assert not now["supervisor"]["latches"]
        assert (row.site, row.device, row.live, row.serial) == ("room-1", "laser-1", True, "PL755-0001")
        assert row.pulses == records[-1].pulse_number
        assert not row.alarms
        assert fleet.unreadable >= len(RUBBISH)
        # Who comes when status and `about` are written over does not call it live, and says why.
        (one,) = late["lasers"]
        assert (one["device"], one["live"]) == ("laser-1", False)
        assert one["why"] in {"its period is not known", "nobody says that it is there"}
        assert late["counts"]["unreadable"] > 0
    finally:
        await broker.kill()


async def is_live(fleet: Fleet) -> bool:
    return any(row.live for row in fleet.rows(wall_us()))


async def nothing_waits(rig: Rig) -> bool:
    with Reader.open(rig.database) as reader:
        return not reader.outbox_depth()


def wall_us() -> int:
    return int(datetime.now(UTC).timestamp() * 1e6)
