"""`picolase fleet` as a process on real brokers: what it shows, what it asks, and how it ends."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from click.testing import CliRunner

from bench.codec import example_status
from controller.cli.main import main
from controller.config import MqttConfig
from controller.fanout import Kind
from controller.fleet import WATCHED, Fleet
from controller.fleet_watch import FleetWatch
from protocols.payloads import (
    HostFacts,
    Stamp,
    about_payload,
    alarm_payload,
    birth_payload,
    encode,
    state_payload,
    telemetry_payload,
    will_payload,
)
from tests.controller.brokers import PATIENCE_S, Broker, Daemon, Mosquitto, without_mosquitto

pytestmark = pytest.mark.processes

ROOT = Path(__file__).parents[2]


class Process:
    """The command as a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def start(cls, *arguments: str) -> "Process":
        program = [sys.executable, "-P", "-m", "controller.cli", "fleet", *arguments]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        return cls(await asyncio.create_subprocess_exec(*program, stdout=-1, stderr=-1, env=environment))

    async def ended(self) -> tuple[int, str, str]:
        async with asyncio.timeout(PATIENCE_S):
            out, errors = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, out.decode(), errors.decode()

    async def line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            told = json.loads(await self.process.stdout.readline())
        assert isinstance(told, dict)
        return told

    async def until(self, **wanted: Any) -> dict[str, Any]:
        """Read lines until one is as wanted."""
        while True:
            told = await self.line()
            if {name: told.get(name) for name in wanted} == wanted:
                return told

    async def error(self) -> str:
        assert self.process.stderr is not None
        async with asyncio.timeout(PATIENCE_S):
            return (await self.process.stderr.readline()).decode()


async def once(port: int, *arguments: str) -> dict[str, Any]:
    process = await Process.start("--broker", f"127.0.0.1:{port}", "--once", "--json", *arguments)
    status, out, errors = await process.ended()
    assert (status, errors) == (0, "")
    told = json.loads(out)
    assert isinstance(told, dict)
    return told


def stamp(boot: str) -> Stamp:
    return Stamp(datetime.now(UTC), 7, boot, sim=True)


def tell_all(daemon: Daemon) -> None:
    """What a daemon with a laser tells, at ten samples a second in its configuration."""
    facts, now = HostFacts(link_up=True), stamp("run-1")
    about = about_payload(
        {"serial": "PL-1"}, now, telemetry_hz=1.0, software_version="1", clock_source="system"
    )
    daemon.fanout.tell(Kind.ABOUT, about)
    daemon.fanout.tell(Kind.STATE, state_payload(example_status(), facts, now))
    daemon.fanout.tell(Kind.TELEMETRY, telemetry_payload(example_status(), None, facts, now))


@contextlib.asynccontextmanager
async def telling(daemon: Daemon) -> AsyncIterator[None]:
    """A daemon that tells five times a second."""

    async def tell() -> None:
        while True:
            tell_all(daemon)
            await asyncio.sleep(0.2)

    async with daemon.running():
        task = asyncio.create_task(tell())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})


async def leave(port: int, *lasers: str, alarm: bool = False, online: bool = True) -> None:
    """Lasers that told all of it just now, retained."""
    at_once = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
    async with aiomqtt.Client("127.0.0.1", port, max_inflight_messages=100, socket_options=at_once) as client:
        client.pending_calls_threshold = 100_000

        async def say(laser: str, suffix: str, payload: Any) -> None:
            told = encode({"seq": 1, **payload})
            await client.publish(f"laser/v1/{laser}/{suffix}", told, qos=1, retain=True)

        async def say_all(laser: str) -> None:
            boot, facts = f"run-{laser}", HostFacts(link_up=True)
            about = about_payload(
                {"serial": laser}, stamp(boot), telemetry_hz=0.1, software_version="1", clock_source="system"
            )
            await say(laser, "about", about)
            await say(laser, "state", state_payload(example_status(), facts, stamp(boot)))
            sample = telemetry_payload(example_status(), None, facts, stamp(boot))
            await say(
                laser, "telemetry", sample
            )  # which no laser has retained: nobody need wait for the next
            status = birth_payload(boot, datetime.now(UTC)) if online else will_payload(boot)
            await say(laser, "status", status)
            if alarm:
                told: dict[str, Any] = {
                    "text": "door opened",
                    "cause": "c",
                    "action": "a",
                    "first": True,
                    "present": True,
                }
                await say(laser, "alarm/door", alarm_payload(stamp(boot), **told))

        for at in range(0, len(lasers), 50):
            await asyncio.gather(*map(say_all, lasers[at : at + 50]))


# -- what it shows


async def test_a_laser_is_shown_as_its_daemon_tells_it_and_as_old_when_that_has_ended(broker: Broker) -> None:
    daemon = Daemon(broker.port)
    async with telling(daemon):
        await daemon.fire(7)
        await daemon.emptied()
        told = await once(broker.port)
    (laser,) = told["lasers"]
    assert (laser["site"], laser["device"], laser["serial"]) == ("room-1", "laser-1", "PL-1")
    assert (laser["live"], laser["why"], laser["state"], laser["simulated"]) == (True, "", "standby", True)
    assert told["counts"]["live"] == told["counts"]["lasers"] == 1
    assert told["counts"]["states"] == {"standby": 1}
    assert told["counts"]["unreadable"] == 0
    ended = (await once(broker.port))["lasers"][0]
    assert (ended["live"], ended["why"]) == (False, "ended in order")


async def test_pulses_that_come_while_it_watches_make_the_energy(broker: Broker) -> None:
    daemon = Daemon(broker.port)
    process = await Process.start("--broker", f"127.0.0.1:{broker.port}", "--json")
    async with telling(daemon):
        await process.until(live=True, energy=None)
        await daemon.fire(6)
        told = await process.line()
        while told["energy"] is None or told["energy"]["pulses"] < 6:
            told = await process.line()
    assert told["energy"]["set_mj"] == 200.0
    assert told["pulses"] >= 6
    await process.until(live=False)
    process.process.send_signal(signal.SIGINT)
    assert (await process.ended())[0] == 130


async def test_sites_are_chosen_and_trouble_can_stand_first(broker: Broker) -> None:
    await leave(broker.port, "a/1", "b/1", "c/1")
    await leave(broker.port, "b/2", alarm=True)
    await leave(broker.port, "b/3", online=False)
    told = await once(broker.port, "--sort", "trouble")
    assert [f"{one['site']}/{one['device']}" for one in told["lasers"]] == ["b/2", "b/3", "a/1", "b/1", "c/1"]
    assert told["lasers"][0]["alarms"] == {"door": "door opened"}
    assert told["counts"]["with_alarms"] == 1
    chosen = await once(broker.port, "--site", "b", "--site", "c")
    assert [f"{one['site']}/{one['device']}" for one in chosen["lasers"]] == ["b/1", "b/2", "b/3", "c/1"]


async def test_the_table_for_people_says_the_same(broker: Broker) -> None:
    await leave(broker.port, "a/1")
    await leave(broker.port, "b/2", alarm=True, online=False)
    process = await Process.start("--broker", f"127.0.0.1:{broker.port}", "--once")
    status, out, _ = await process.ended()
    assert status == 0
    head, _, first, second = out.splitlines()
    assert head == (
        f"2 lasers at mqtt://127.0.0.1:{broker.port}; 1 live (1 standby); 1 not live; 1 with alarms"
    )
    assert first.split()[:3] == ["a/1", "LIVE", "standby"]
    assert second.split()[:5] == ["b/2", "not", "live", "was", "standby"]
    assert "lost: its broker does not hear it; door opened" in second


@pytest.mark.broker
@without_mosquitto
async def test_a_lost_laser_and_a_lost_broker_are_told_and_so_is_their_return(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path)
    async with asyncio.timeout(PATIENCE_S):
        await broker.start()
    process = await Process.start("--broker", f"127.0.0.1:{broker.port}", "--json")
    try:
        async with telling(Daemon(broker.port)):
            await process.until(live=True)
            await broker.kill()
            assert "STALE: the broker at" in await process.error()
            assert (await process.until(live=False))["state"] == "standby"  # an old word
            async with asyncio.timeout(PATIENCE_S):
                await broker.start()
            await process.until(live=True)
            while (error := await process.error()) != "the broker is there again\n":
                assert error.startswith("STALE: ")
        await process.until(live=False)
        process.process.send_signal(signal.SIGTERM)
        assert (await process.ended())[0] == 143
    finally:
        await broker.kill()


@pytest.mark.broker
@without_mosquitto
async def test_a_thousand_lasers_that_are_retained_are_all_shown(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path)
    async with asyncio.timeout(PATIENCE_S):
        await broker.start()
    try:
        names = [f"site-{n % 9}/laser-{n}" for n in range(1_200)]
        await leave(broker.port, *names)
        told = await once(broker.port)
        assert told["counts"]["lasers"] == told["counts"]["live"] == 1_200
        assert {one["serial"] for one in told["lasers"]} == set(names)  # not one `about` was left out
    finally:
        await broker.kill()


# -- what it asks


@pytest.mark.broker
@without_mosquitto
async def test_it_subscribes_to_what_lasers_tell_and_to_no_command_and_publishes_nothing(
    tmp_path: Path,
) -> None:
    log = tmp_path / "log"
    broker = Mosquitto(tmp_path, "allow_anonymous true", "log_type all", f"log_dest file {log}")
    async with asyncio.timeout(PATIENCE_S):
        await broker.start()
    try:
        await leave(broker.port, "a/1")
        await once(broker.port)
        async with aiomqtt.Client("127.0.0.1", broker.port) as client:
            await client.publish("end", b"")  # written behind all that the broker has done before
        async with asyncio.timeout(PATIENCE_S):
            while "'end'" not in log.read_text():  # noqa: ASYNC110  # mosquitto's own file
                await asyncio.sleep(0.05)
    finally:
        await broker.kill()
    lines = [line for line in log.read_text().splitlines() if "picolase-fleet-" in line]
    assert not [line for line in lines if "Received PUBLISH" in line]
    subscribed = [line.split()[-1] for line in lines if line.split()[1].startswith("picolase-fleet-")]
    assert sorted(subscribed) == [
        f"laser/v1/+/+/{one}" for one in ("about", "alarm/+", "pulse", "state", "status", "telemetry")
    ]


@pytest.mark.broker
@without_mosquitto
async def test_an_about_that_did_not_come_is_asked_for_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.fleet_watch.ASK_S", 0.1)
    monkeypatch.setattr("controller.fleet_watch.WATCHED", WATCHED[1:])  # as if the broker had left it out
    broker = Mosquitto(tmp_path)
    async with asyncio.timeout(PATIENCE_S):
        await broker.start()
    fleet = Fleet("laser/v1")
    watch = FleetWatch(MqttConfig(host="127.0.0.1", port=broker.port), fleet, name="fleet")
    watching = asyncio.create_task(watch.run())
    try:
        await leave(broker.port, "a/1", "a/2")
        async with asyncio.timeout(PATIENCE_S):
            while len(fleet) < 2 or fleet.without_about():  # noqa: ASYNC110  # the model tells nobody
                await asyncio.sleep(0.05)
        rows = fleet.rows(int(datetime.now(UTC).timestamp() * 1e6))
        assert [one.serial for one in rows] == ["a/1", "a/2"]
    finally:
        watching.cancel()
        await asyncio.wait({watching})
        await broker.kill()


# -- how it ends


async def test_without_a_broker_it_says_so() -> None:
    process = await Process.start("--broker", "127.0.0.1:1", "--once")
    status, out, errors = await process.ended()
    assert (status, out) == (5, "")
    assert "127.0.0.1:1" in errors
    assert "Traceback" not in errors


@pytest.mark.broker
@without_mosquitto
async def test_a_broker_that_refuses_us_is_another_end(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path, "allow_anonymous false")
    async with asyncio.timeout(PATIENCE_S):
        await broker.start()
    try:
        process = await Process.start("--broker", f"127.0.0.1:{broker.port}")
        status, _, errors = await process.ended()
        assert status == 6
        assert "refused us" in errors
    finally:
        await broker.kill()


@pytest.mark.parametrize("broker", ["", ":", "host:", "host:x", "host:0", "host:70000", ":1883"])
def test_a_broker_that_cannot_be_one_is_a_wrong_command(broker: str) -> None:
    result = CliRunner().invoke(main, ["fleet", "--broker", broker])
    assert result.exit_code == 2
    assert "HOST:PORT" in result.stderr


def test_the_broker_of_the_configuration_is_taken(tmp_path: Path) -> None:
    config = tmp_path / "picolase.toml"
    config.write_text('[device]\nurl = "/dev/null"\n[mqtt]\nhost = "127.0.0.1"\nport = 1\n')
    result = CliRunner().invoke(main, ["--config", str(config), "fleet", "--once"])
    assert result.exit_code == 5
    assert "127.0.0.1:1 " in result.stderr
