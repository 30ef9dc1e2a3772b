"""What the node publishes, read by other people's decoder (npm sparkplug-payload), and its requests to us."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from controller.config import MqttConfig
from controller.fanout import Fanout, Item, Kind
from controller.sparkplug import SparkplugNode
from controller.sparkplug_metrics import CATALOGUE
from controller.sparkplug_payload import decode_command
from tests.controller.brokers import PATIENCE_S, Mosquitto, now, without_mosquitto
from tests.controller.sparkplug_host import GROUP, hosting
from tests.controller.told import payloads_told, told_by_a_laser

HERE = Path(__file__).parent
INSTALL_S = 600
TYPES = {8: "UInt64", 10: "Double", 11: "Boolean", 12: "String"}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.processes,
    pytest.mark.broker,
    pytest.mark.timeout(900),
    without_mosquitto,
    pytest.mark.skipif(shutil.which("npm") is None, reason="no npm: apt-get install nodejs npm"),
]


async def run(*command: str, given: str = "") -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(*command, cwd=HERE, stdin=-1, stdout=-1, stderr=-1)
    async with asyncio.timeout(INSTALL_S):
        out, err = await process.communicate(given.encode())
    return process.returncode, out.decode(), err.decode()


async def others(*asked: dict[str, Any]) -> list[Any]:
    """What the other library makes of payloads to decode, or of what it is to encode."""
    installed = HERE / "node_modules" / ".package-lock.json"  # npm writes it last
    if not installed.exists() or installed.stat().st_mtime < (HERE / "package-lock.json").stat().st_mtime:
        status, _, err = await run("npm", "ci", "--no-progress")
        if status != 0:
            pytest.skip(f"npm ci in tests/sparkplug needs the npm registry: {err[-300:]}")
    status, out, err = await run("node", "decode.mjs", given="".join(json.dumps(one) + "\n" for one in asked))
    assert status == 0, err
    return [json.loads(line) for line in out.splitlines()]


@pytest.fixture(scope="module")
def a_treatment() -> tuple[Item, ...]:
    payloads_told(Kind.PULSE)
    return told_by_a_laser()


async def test_another_decoder_reads_a_whole_treatment_as_it_was_told(
    a_treatment: tuple[Item, ...], tmp_path: Path
) -> None:
    mosquitto = Mosquitto(tmp_path)
    async with asyncio.timeout(PATIENCE_S):
        await mosquitto.start()
    fanout = Fanout()
    node = SparkplugNode(
        MqttConfig(
            host="127.0.0.1",
            port=mosquitto.port,
            site="room-1",
            device_id="laser-1",
            sparkplug_group_id=GROUP,
        ),
        fanout=fanout,
        boot="run-1",
        next_birth=lambda: asyncio.sleep(0, 7),
        report=pytest.fail,
        wall_clock=now,
        jitter=lambda: 0.0,
    )
    pulses = payloads_told(Kind.PULSE)
    async with hosting(mosquitto.port) as host:
        task = asyncio.create_task(node.run())
        await host.until_seen("NBIRTH")
        for item in a_treatment:
            fanout.tell(item.kind, item.value)
            await asyncio.sleep(0)
        await host.until(lambda: len(host.data("pulse/pulse_number")) >= len(pulses))
        node.stop()
        await task
        (request,) = await others(
            {
                "encode": {
                    "timestamp": 1,
                    "metrics": [{"name": "Node Control/Rebirth", "type": "Boolean", "value": True}],
                }
            }
        )
        heard = list(host.heard)
    await mosquitto.kill()

    assert [(one.name, one.value) for one in decode_command(bytes.fromhex(request))] == [
        ("Node Control/Rebirth", True)
    ]
    read = await others(*({"decode": one.data.hex()} for one in heard))
    assert len(read) == len(heard) > len(pulses)

    # Each alias is resolved by the birth, as a host does it; then the values are those that were told.
    declared = {one.alias: one for of_topic in CATALOGUE.values() for one in of_topic}
    names: dict[int, str] = {}
    told: dict[str, list[Any]] = {}
    seqs = []
    for message, payload in zip(heard, read, strict=True):
        if message.verb == "NDEATH":
            assert "seq" not in payload
        else:
            seqs.append(payload["seq"])
        for metric in payload["metrics"]:
            if message.verb in {"NBIRTH", "NDEATH"}:
                continue
            if message.verb == "DBIRTH":
                names[metric["alias"]] = metric["name"]
                assert metric["properties"]["readOnly"]["value"] is True
            else:
                assert "name" not in metric or metric["name"] is None
            of = declared[metric["alias"]]
            assert metric["type"] == TYPES[of.datatype]
            assert names[metric["alias"]] == of.name
            told.setdefault(of.name, []).append(metric["value"])
    assert seqs == [number % 256 for number in range(len(seqs))]
    assert read[0]["metrics"][0] == {
        **{"name": "bdSeq", "type": "UInt64", "value": 6, "timestamp": read[0]["metrics"][0]["timestamp"]}
    }
    for name in ("pulse_number", "monitor_a_mj", "pulse_width_ps", "wavelength_nm", "handpiece", "flags"):
        wanted = [pulse[name] for pulse in pulses]
        assert told[f"pulse/{name}"][-len(wanted) :] == wanted, name
    states = [item.value for item in a_treatment if item.kind is Kind.STATE]
    live = [state["state"] for state in states if state["link_up"]]
    assert set(told["state/state"]) <= set(live)
    assert told["state/state"][-1] == live[-1]
    assert states[-1]["link_up"] is False
    assert [message.verb for message in heard][-2:] == ["DDEATH", "NDEATH"]
