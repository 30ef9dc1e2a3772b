"""The Sparkplug node against a real mosquitto, under the eyes of a host that shares nothing with it."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from controller import sparkplug
from controller.fanout import Kind
from protocols.topics import TOPICS
from tests.controller.brokers import Mosquitto, without_mosquitto
from tests.controller.sparkplug_host import command, hosting
from tests.controller.sparkplugging import REBIRTH, Bench, eventually
from tests.controller.told import OPERATOR, PLAN_NAME, SUBJECT, told_by_a_laser

pytestmark = [pytest.mark.broker, without_mosquitto, pytest.mark.usefixtures("quick_node")]


async def test_births_come_before_data_and_a_death_before_the_end(mosquitto: Mosquitto) -> None:
    bench = Bench(mosquitto.port)
    bench.state()
    bench.sample(hv_v=812.5, lamp_shots=7)
    async with hosting(mosquitto.port) as host:
        async with bench.running():
            (birth,) = await host.until_seen("DBIRTH")
            assert birth.value("state/state") == "standby"
            assert (birth.value("telemetry/hv_v"), birth.value("telemetry/lamp_shots")) == (812.5, 7)
            assert birth.value("pulse/pulse_number") is None  # nobody fired yet
            bench.state("ready")
            bench.sample(hv_v=812.5, lamp_shots=8)
            await host.until_seen("DDATA", 2)
        await host.until_seen("NDEATH")
        assert host.verbs() == ["NBIRTH", "DBIRTH", "DDATA", "DDATA", "NDEATH"]
        assert [one["value"] for one in host.data("state/state")] == ["ready"]
        assert [one["value"] for one in host.data("telemetry/lamp_shots")] == [8]
        assert host.data("telemetry/hv_v") == []  # has not changed
        (node,) = host.of("NBIRTH")
        assert node.value("Properties/boot") == "run-1"
        assert bench.node.trouble is None
        assert bench.reported == []


async def test_numbers_of_messages_wrap_after_255_without_a_gap(mosquitto: Mosquitto) -> None:
    bench = Bench(mosquitto.port)
    bench.state()
    async with hosting(mosquitto.port) as host, bench.running():
        await host.until_seen("DBIRTH")
        for number in range(1, 601):
            bench.pulse(number)
            if number % 50 == 0:  # the feed is bounded, and TCP is no queue of ours
                await host.until(lambda n=number: len(host.of("DDATA")) >= n)  # type: ignore[misc]  # bound now
        assert [one["value"] for one in host.data("pulse/pulse_number")] == list(range(1, 601))
        seqs = [one.payload["seq"] for one in host.heard]
        assert seqs == [number % 256 for number in range(602)]


async def test_each_pulse_is_told_whole_with_its_own_time_and_a_late_one_as_history(
    mosquitto: Mosquitto,
) -> None:
    bench = Bench(mosquitto.port)
    bench.state()
    long_ago = bench.now - timedelta(seconds=60)
    async with hosting(mosquitto.port) as host, bench.running():
        await host.until_seen("DBIRTH")
        bench.pulse(1)
        bench.pulse(2, long_ago, unknown=True)
        bench.pulse(3)
        bench.fanout.tell(Kind.PULSE, {"no": "record"})  # loses itself, not the others
        bench.pulse(4)
        await host.until(lambda: len(host.data("pulse/pulse_number")) >= 4)
        numbers, energies = host.data("pulse/pulse_number"), host.data("pulse/set_energy_mj")
        assert [one["value"] for one in numbers] == [1, 2, 3, 4]
        assert [one["value"] for one in energies] == [100.0] * 4
        assert [one.get("is_historical", 0) for one in numbers] == [0, 1, 0, 0]
        noon_ms = 1_772_366_400_000
        assert [one["timestamp"] for one in numbers] == [noon_ms, noon_ms - 60_000, noon_ms, noon_ms]
        qualities = [one.get("properties", {}).get("Quality") for one in numbers]
        assert qualities == [(3, 192), (3, 0), (3, 192), None]  # good now, bad, good again, still good


async def test_a_stale_value_says_so_and_an_impossible_one_is_null_and_bad(mosquitto: Mosquitto) -> None:
    bench = Bench(mosquitto.port)
    bench.state()
    async with hosting(mosquitto.port) as host, bench.running():
        await host.until_seen("DBIRTH")
        bench.state("standby", q="stale")
        await host.until_seen("DDATA")
        (stale,) = host.data("state/state")
        assert (stale["value"], stale["properties"]) == ("standby", {"Quality": (3, 500)})
        bench.sample(lamp_shots=-1, pulse_number=2**64, hv_v="high", simmer_on=1, coolant_c=20.5)
        await host.until_seen("DDATA", 2)
        for name in ("lamp_shots", "pulse_number", "hv_v", "simmer_on"):
            # no change in value: null it was at birth too, and bad
            assert host.data(f"telemetry/{name}") == []
        assert [one["value"] for one in host.data("telemetry/coolant_c")] == [20.5]


async def test_the_laser_dies_with_its_link_and_is_born_with_it(mosquitto: Mosquitto) -> None:
    bench = Bench(mosquitto.port)
    bench.state("unknown", link_up=False)
    async with hosting(mosquitto.port) as host, bench.running():
        await host.until_seen("NBIRTH")
        bench.pulse(1)
        bench.sample(hv_v=1.0)
        bench.state()
        (first,) = await host.until_seen("DBIRTH")
        assert first.value("pulse/pulse_number") == 1  # heard while there was nobody to tell
        bench.state("unknown", link_up=False)
        await host.until_seen("DDEATH")
        bench.sample(hv_v=2.0)
        bench.state("off")
        _, second = await host.until_seen("DBIRTH", 2)
        assert (second.value("telemetry/hv_v"), second.value("state/state")) == (2.0, "off")
        assert [v for v in host.verbs() if v != "DDATA"] == ["NBIRTH", "DBIRTH", "DDEATH", "DBIRTH"]


async def test_the_laser_is_declared_dead_when_nobody_tells_of_it(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sparkplug, "SILENT_S", 0.1)
    bench = Bench(mosquitto.port)
    bench.state()
    async with hosting(mosquitto.port) as host, bench.running():
        await host.until_seen("DDEATH")
        bench.state()
        await host.until_seen("DBIRTH", 2)
        assert len(host.of("NBIRTH")) == 1


@pytest.mark.shows("REQ-034", "HZ-038")
async def test_a_host_may_ask_for_another_birth_and_for_nothing_else(mosquitto: Mosquitto) -> None:
    bench = Bench(mosquitto.port)
    bench.state()
    async with hosting(mosquitto.port) as host, bench.running():
        await host.until_seen("DBIRTH")
        bench.sample(hv_v=1.0)
        await host.until_seen("DDATA")
        await host.ask(command(REBIRTH))
        first, again = await host.until_seen("NBIRTH", 2)
        assert again.payload["seq"] == 0
        assert first.value("bdSeq") == again.value("bdSeq")  # the will stands for it still
        (_, birth) = await host.until_seen("DBIRTH", 2)
        assert birth.value("telemetry/hv_v") == 1.0

        await host.ask(command(REBIRTH, value=False))
        for asked in ("Node Control/Reboot", "state/state", "arm"):
            await host.ask(command(asked))
        await host.ask(b"\xff\xff rubbish")
        await host.ask(b"\x08" * 100_000)
        await host.ask(command(REBIRTH), retain=True)  # as it goes by, it is a request like any other
        await host.until_seen("NBIRTH", 3)
        bench.sample(hv_v=2.0)
        await host.until(lambda: host.heard[-1].verb == "DDATA")
        assert len(host.of("NBIRTH")) == 3
        assert len(bench.reported) == 1  # the first; the others are counted until the next
        assert "Node Control/Reboot" in bench.reported[0]
        assert bench.node._refused == 4
        assert bench.node.trouble is None


async def test_a_request_that_was_left_at_the_broker_is_refused(mosquitto: Mosquitto) -> None:
    async with hosting(mosquitto.port) as host:
        await host.ask(command(REBIRTH), retain=True)
        bench = Bench(mosquitto.port)
        bench.state()
        async with bench.running():
            await host.until_seen("DBIRTH")
            await eventually(lambda: bench.reported)
            assert "left at the broker" in bench.reported[0]
            bench.sample(hv_v=1.0)
            await host.until_seen("DDATA")
        assert len(host.of("NBIRTH")) == 1


async def test_births_that_are_asked_for_without_end_come_at_a_bounded_rate(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sparkplug, "REBIRTH_PAUSE_S", 60.0)
    bench = Bench(mosquitto.port)
    bench.state()
    async with hosting(mosquitto.port) as host, bench.running():
        await host.until_seen("DBIRTH")
        for _ in range(50):
            await host.ask(command(REBIRTH))
        await host.until_seen("DBIRTH", 2)
        bench.sample(hv_v=1.0)
        await host.until_seen("DDATA")
        assert len(host.of("NBIRTH")) == 2


@pytest.fixture(scope="module")
def a_treatment() -> Any:
    return told_by_a_laser()


async def test_a_treatment_is_told_by_declared_names_only_and_says_nothing_of_anybody(
    a_treatment: Any, mosquitto: Mosquitto
) -> None:
    bench = Bench(mosquitto.port)
    async with hosting(mosquitto.port) as host:
        async with bench.running():
            await host.until_seen("NBIRTH")
            for number, item in enumerate(a_treatment):
                bench.fanout.tell(item.kind, item.value)
                if number % 20 == 0:
                    await asyncio.sleep(0)
                await asyncio.sleep(0)
            pulses = sum(item.kind is Kind.PULSE for item in a_treatment)
            assert pulses >= 5  # those of the calibration are pulses too
            await host.until(lambda: len(host.data("pulse/pulse_number")) >= pulses)
        declared = {f"{topic.suffix}/{one.name}" for topic in TOPICS.values() for one in topic.fields} | {
            f"{topic}/{name}" for topic in TOPICS for name in ("sim", "q", "boot")
        }
        births = host.of("DBIRTH")
        assert births
        assert all(set(birth.names) <= declared for birth in births)
        everything = b"".join(one.data for one in host.heard)
        for secret in (OPERATOR, SUBJECT, PLAN_NAME):
            assert secret.encode() not in everything
        aliases = {one["alias"]: one["name"] for one in births[-1].payload["metrics"]}
        assert len(aliases) == len(births[-1].payload["metrics"])
        energies = [one["value"] for one in host.data("pulse/monitor_a_mj")]
        assert len(energies) == pulses
        assert all(isinstance(energy, float) and energy > 1 for energy in energies)
        assert {one["value"] for one in host.data("telemetry/coolant_c")}
