"""Sparkplug and Home Assistant from a real daemon: it fires, is killed, comes back and ends in order."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import aiomqtt
import pytest

from tests.controller.brokers import Mosquitto, without_mosquitto
from tests.controller.sparkplug_host import GROUP, command, hosting
from tests.processes.judge import running
from tests.processes.rig import START_S, Rig, plan

pytestmark = [
    *(pytest.mark.processes, pytest.mark.slow, pytest.mark.broker, pytest.mark.timeout(600)),
    without_mosquitto,
]

PROFILES = """
[mqtt]
enabled = true
host = "127.0.0.1"
port = {port}
site = "room-1"
device_id = "laser-1"
home_assistant = true
sparkplug_group_id = "{group}"
"""
DISCOVERY = "homeassistant/device/picolase_room-1_laser-1/config"


async def test_a_host_sees_every_pulse_the_death_of_a_killed_daemon_and_its_next_birth(rig: Rig) -> None:
    broker = Mosquitto(rig.folder)
    rig.settings = PROFILES.format(port=broker.port, group=GROUP)
    try:
        async with asyncio.timeout(START_S):
            await broker.start()
        async with hosting(broker.port) as host:

            def heard() -> list[int]:
                return [one["value"] for one in host.data("pulse/pulse_number")]

            await rig.start()
            await host.until_seen("DBIRTH")
            before = len(rig.records())
            session = await rig.begin(plan(5))
            await rig.arm()
            await host.ask(command("arm"))  # nobody's to give
            await rig.fire()
            await rig.foot("press")
            await rig.pulses_given(5)
            await rig.foot("release")
            await rig.ended(session)
            given = [pulse.pulse_number for pulse in rig.records()[before:]]
            await host.until(lambda: heard()[-1:] == given[-1:])
            assert heard() == list(
                range(heard()[0], given[-1] + 1)
            )  # with those of the shutter's test before
            assert len(heard()) >= len(given) >= 5

            (birth,) = host.of("NBIRTH")
            await rig.kill(rig.daemon)
            (death,) = await host.until_seen("NDEATH")
            assert death.value("bdSeq") == birth.value("bdSeq")

            await rig.start_daemon()
            _, again = await host.until_seen("NBIRTH", 2)
            assert again.value("bdSeq") == birth.value("bdSeq") + 1
            await host.until(lambda: host.verbs()[-1] in {"DBIRTH", "DDATA"})
            async with aiomqtt.Client("127.0.0.1", broker.port) as client:
                await client.subscribe(DISCOVERY, qos=1)
                document: dict[str, Any] = {"device": {}}
                async with asyncio.timeout(START_S):
                    while "model" not in document["device"]:  # it is told anew once the laser is known
                        document = json.loads(bytes((await anext(client.messages)).payload))
            assert document["device"]["model"] == host.of("DBIRTH")[-1].value("about/model")

            await running(rig.daemon).end()
            await host.until_seen("NDEATH", 2)
            assert host.of("NDEATH")[-1].value("bdSeq") == again.value("bdSeq")
            everything = b"".join(one.data for one in host.heard)
            assert b"operator" not in everything
            refused = [line for line in rig.log().splitlines() if "Sparkplug command was refused" in line]
            assert len(refused) == 1
    finally:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_S):
                await broker.kill()
