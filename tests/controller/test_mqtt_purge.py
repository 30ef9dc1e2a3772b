"""`picolase mqtt purge` on real brokers: a retired laser's topics go, and only those."""

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from click.testing import CliRunner, Result

from controller.cli.main import main
from controller.fanout import Kind
from tests.controller.brokers import PATIENCE_S, ROOT, Broker, Daemon, Mosquitto, watching, without_mosquitto

pytestmark = pytest.mark.processes

BIRTH = {"online": True, "boot": "x", "seq": 0, "ts": "2026-03-01T12:00:00.000000Z", "schema": "1.0"}
DISCOVERY = "homeassistant/device/picolase_room-1_laser-1/config"


async def purge(folder: Path, port: int, *arguments: str, device: str = "laser-1", more: str = "") -> Result:
    config = folder / "picolase.toml"
    config.write_text(f'[device]\nurl = "/dev/null"\n[mqtt]\nhost = "127.0.0.1"\nport = {port}\n{more}')
    command = ["--config", str(config), "mqtt", "purge", "--site", "room-1", "--device", device, *arguments]
    return await asyncio.to_thread(CliRunner().invoke, main, command)


async def assert_retained(port: int, names: set[str]) -> None:
    """One who comes now is given these; and no others in the time that a later message takes, and more."""
    async with watching(port) as watcher:
        await watcher.until(lambda: {name for name, _ in watcher.seen} >= names)
        async with aiomqtt.Client("127.0.0.1", port) as marking:
            await marking.publish("zz-marker", b"{}", qos=1)
        await watcher.until(lambda: any(name == "zz-marker" for name, _ in watcher.seen))
        await asyncio.sleep(0.2)  # MQTT does not say that it is the last one
        assert {name for name, payload in watcher.seen if payload is not None} - {"zz-marker"} == names


async def lived(port: int, *, ended: bool = True) -> None:
    """A laser that had an alarm, at room-1; and a neighbour's topic."""
    daemon = Daemon(port)
    async with watching(port) as watcher, daemon.running():
        daemon.fanout.tell(Kind.ABOUT, {"serial": "PL-1"})
        daemon.fanout.tell(Kind.STATE, {"state": "standby"})
        daemon.fanout.tell(Kind.ALARMS, {"door": {"text": "door opened"}})
        await watcher.until(lambda: bool(watcher.of("alarm/door")) and bool(watcher.of("status")))
    async with aiomqtt.Client("127.0.0.1", port) as neighbour:
        await neighbour.publish("laser/v1/room-1/laser-12/status", b'{"online":true}', qos=1, retain=True)
        await neighbour.publish(DISCOVERY, b"{}", qos=1, retain=True)
        if not ended:
            await neighbour.publish(ROOT + "status", json.dumps(BIRTH), qos=1, retain=True)


OWN = {ROOT + suffix for suffix in ("about", "state", "status", "alarm/door")}
NEIGHBOUR = {"laser/v1/room-1/laser-12/status"}


async def test_a_retired_laser_leaves_nothing_and_its_neighbour_everything(
    broker: Broker, tmp_path: Path
) -> None:
    await lived(broker.port)
    await assert_retained(broker.port, OWN | NEIGHBOUR | {DISCOVERY})
    result = await purge(tmp_path, broker.port, "--json")
    assert result.exit_code == 0, result.output
    told: dict[str, Any] = json.loads(result.stdout)
    assert told == {
        **{"site": "room-1", "device": "laser-1", "online": False, "refused": False, "left": []},
        "cleared": sorted(OWN | {DISCOVERY}),
    }
    await assert_retained(broker.port, NEIGHBOUR)
    again = await purge(tmp_path, broker.port)
    assert (again.exit_code, again.stdout) == (0, "")
    assert "Nothing was retained" in again.stderr


async def test_one_that_says_it_is_online_is_left_alone_unless_that_is_said_too(
    broker: Broker, tmp_path: Path
) -> None:
    await lived(broker.port, ended=False)
    before = OWN | NEIGHBOUR | {DISCOVERY}
    await assert_retained(broker.port, before)
    refused = await purge(tmp_path, broker.port, "--json")
    assert refused.exit_code == 3
    assert json.loads(refused.stdout)["refused"] is True
    assert json.loads(refused.stdout)["cleared"] == []
    assert "--even-online" in refused.stderr
    await assert_retained(broker.port, before)
    forced = await purge(tmp_path, broker.port, "--even-online")
    assert forced.exit_code == 0, forced.output
    assert set(forced.stdout.split()) == OWN | {DISCOVERY}
    await assert_retained(broker.port, NEIGHBOUR)


@pytest.mark.parametrize("count", [63, 64, 65, 300])
@pytest.mark.broker
@without_mosquitto
async def test_however_many_there_are_they_go(count: int, tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path)
    async with asyncio.timeout(PATIENCE_S):
        await broker.start()
    try:
        async with aiomqtt.Client("127.0.0.1", broker.port) as laser:
            for n in range(count):
                await laser.publish(f"{ROOT}alarm/n-{n}", b"{}", qos=1, retain=True)
        result = await purge(tmp_path, broker.port, "--json")
        assert len(json.loads(result.stdout)["cleared"]) == count
        await assert_retained(broker.port, set())
    finally:
        await broker.kill()


@pytest.mark.parametrize(("version", "exit_status"), [("3.1.1", 1), ("5", 6)])
@pytest.mark.broker
@without_mosquitto
async def test_what_the_broker_does_not_let_us_clear_is_told(
    version: str, exit_status: int, tmp_path: Path
) -> None:
    lists = tmp_path / "acl"
    lists.write_text("topic readwrite #\n")
    broker = Mosquitto(tmp_path, "allow_anonymous true", f"acl_file {lists}")
    async with asyncio.timeout(PATIENCE_S):
        await broker.start()
    try:
        async with aiomqtt.Client("127.0.0.1", broker.port) as laser:
            for suffix in ("state", "about"):
                await laser.publish(ROOT + suffix, b"{}", qos=1, retain=True)
        lists.write_text(f"topic read #\ntopic write {ROOT}state\n")
        assert broker.process is not None
        broker.process.send_signal(signal.SIGHUP)  # read the lists again
        result = await purge(tmp_path, broker.port, "--json", more=f'version = "{version}"\n')
        assert result.exit_code == exit_status, result.output
        if version == "3.1.1":  # the broker keeps silent about it: only looking again tells
            assert json.loads(result.stdout)["cleared"] == [ROOT + "state"]
            assert json.loads(result.stdout)["left"] == [ROOT + "about"]
            assert ROOT + "about" in result.stderr
        else:
            assert "Not authorized" in result.stderr
    finally:
        await broker.kill()


async def test_bad_names_and_absent_brokers_are_told_apart(tmp_path: Path) -> None:
    wrong = await purge(tmp_path, 1, device="Laser/1")
    assert wrong.exit_code == 2
    assert "device = 'Laser/1' is not allowed" in wrong.stderr
    absent = await purge(tmp_path, 1)
    assert absent.exit_code == 5
    assert "no broker answers at 127.0.0.1:1" in absent.stderr
