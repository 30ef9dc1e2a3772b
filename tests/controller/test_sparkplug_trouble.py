"""The Sparkplug node when the broker is killed, frozen or absent, or something else is missing."""

import asyncio
import itertools
from datetime import timedelta
from typing import Any

import pytest

from tests.controller.brokers import PATIENCE_S, Mosquitto, without_mosquitto
from tests.controller.sparkplug_host import command, hosting
from tests.controller.sparkplugging import REBIRTH, Bench, eventually

pytestmark = [pytest.mark.broker, without_mosquitto, pytest.mark.usefixtures("quick_node")]


async def test_the_broker_restarted_sees_a_new_birth_with_the_next_number(mosquitto: Mosquitto) -> None:
    bench = Bench(mosquitto.port)
    bench.state()
    async with bench.running():
        async with hosting(mosquitto.port) as before:
            await before.until_seen("DBIRTH")
            first = before.of("NBIRTH")[0].value("bdSeq")
        await mosquitto.kill()
        bench.state("fault")
        for number in (1, 2, 3):  # while nobody hears
            bench.pulse(number)
        await eventually(lambda: bench.node.trouble)
        async with asyncio.timeout(PATIENCE_S):
            await mosquitto.start()
        async with hosting(mosquitto.port, late=True) as after:
            await after.ask(command(REBIRTH))  # it may have been born before we were there
            await after.until_seen("NBIRTH")
            birth = (await after.until_seen("DBIRTH"))[-1]
            assert birth.value("state/state") == "fault"
            assert after.of("NBIRTH")[-1].value("bdSeq") > first
            await eventually(lambda: bench.node.trouble is None)


async def test_a_number_of_a_birth_is_used_up_by_a_connection_and_not_by_a_try(mosquitto: Mosquitto) -> None:
    await mosquitto.kill()
    bench = Bench(mosquitto.port)
    async with bench.running():
        await eventually(lambda: bench.tries >= 3)
        assert "no broker answers" in (bench.node.trouble or "")
        assert bench.births == 1
        async with asyncio.timeout(PATIENCE_S):
            await mosquitto.start()
        await eventually(lambda: bench.node.trouble is None)
        assert bench.births == 1
        await mosquitto.kill()
        await eventually(lambda: bench.tries >= 7)
        assert bench.births == 2


async def test_pulses_of_an_outage_come_after_the_birth(mosquitto: Mosquitto) -> None:
    bench = Bench(mosquitto.port)
    bench.state()
    bench.pulse(1, bench.now - timedelta(minutes=1))
    bench.pulse(2)
    async with hosting(mosquitto.port) as host, bench.running():
        await host.until_seen("DDATA", 2)
        assert host.verbs()[:4] == ["NBIRTH", "DBIRTH", "DDATA", "DDATA"]
        numbers = host.data("pulse/pulse_number")
        assert [(one["value"], one.get("is_historical", 0)) for one in numbers] == [(1, 1), (2, 0)]


async def test_the_broker_tells_the_death_of_who_hangs_up(mosquitto: Mosquitto) -> None:
    bench = Bench(mosquitto.port)
    bench.state()
    async with hosting(mosquitto.port) as host:
        task = asyncio.create_task(bench.node.run())
        await host.until_seen("DBIRTH")
        task.cancel()
        await asyncio.wait({task})
        (death,) = await host.until_seen("NDEATH")
        assert death.value("bdSeq") == host.of("NBIRTH")[0].value("bdSeq")


async def test_a_frozen_broker_is_left_and_found_again(mosquitto: Mosquitto) -> None:
    bench = Bench(mosquitto.port)
    bench.state()
    async with hosting(mosquitto.port) as host, bench.running():
        await host.until_seen("DBIRTH")
        mosquitto.freeze()
        try:
            big = "x" * 500_000  # more than the sockets between us hold
            said = itertools.count()

            def troubled() -> str | None:
                bench.state("fault", host_latches=f"{big}{next(said)}")
                return bench.node.trouble

            await eventually(troubled)
        finally:
            mosquitto.thaw()
        bench.state("standby", host_latches="")
        await host.until_seen("NBIRTH", 2)
        await host.until(lambda: host.of("DBIRTH")[-1].value("state/state") == "standby")


async def test_a_database_that_fails_keeps_nobody_from_being_born(mosquitto: Mosquitto) -> None:
    bench = Bench(mosquitto.port)
    bench.store_fails = True
    bench.state()
    async with hosting(mosquitto.port) as host, bench.running():
        await host.until_seen("DBIRTH")
        assert host.of("NBIRTH")[0].value("bdSeq") == 0


async def test_without_the_library_it_says_what_to_install_and_goes_on_trying(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from controller import sparkplug_payload

    def absent(name: str) -> Any:
        raise ImportError(name)

    sparkplug_payload._classes.cache_clear()
    with monkeypatch.context() as without:
        without.setattr("controller.sparkplug_payload.importlib.import_module", absent)
        bench = Bench(mosquitto.port)
        async with bench.running():
            await eventually(lambda: bench.tries >= 3)
            assert "pip install 'picolase[sparkplug]'" in (bench.node.trouble or "")
    told = [record for record in caplog.records if record.levelname == "WARNING"]
    assert len(told) == 1  # not with each try
    assert sparkplug_payload.decode_command(command(REBIRTH))
