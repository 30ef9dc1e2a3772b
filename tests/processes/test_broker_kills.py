"""The broker killed again and again while the laser fires: every pulse and event arrives, in order."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
from pathlib import Path

import pytest

from tests.controller.brokers import without_mosquitto
from tests.processes.flaky_broker import FlakyBroker
from tests.processes.rig import Rig, plan
from tests.safety_case.ward import SWEEP

KILLS = 20 if SWEEP > 1 else 4
"""Twenty in a soak."""
pytestmark = [
    *(pytest.mark.processes, pytest.mark.slow, pytest.mark.broker, pytest.mark.timeout(120 + 30 * KILLS)),
    without_mosquitto,
]

PERIOD_US = 200_000
JITTER_US = 2_000  # of the device's own timing; nothing of the host's enters it
SERIES = [100] * KILLS  # more than are given: a kill and what belongs to it take some seconds
BETWEEN = 5  # pulses that are delivered between one kill and the next, at the least
BACK_S = 60  # the longest pause between two tries is 5 s


@pytest.mark.shows("REQ-034")
async def test_of_a_broker_that_is_killed_again_and_again_everybody_hears_everything(rig: Rig) -> None:
    async with FlakyBroker(rig.folder) as broker:
        await under_fire(rig, broker)


async def under_fire(rig: Rig, broker: FlakyBroker) -> None:
    heard = broker.witness
    rig.settings = broker.settings
    earlier = len(rig.records())
    await rig.start()
    session = await rig.begin(plan(*SERIES))
    treating = asyncio.create_task(treat(rig, session), name="treat")
    try:
        for _ in range(KILLS):
            await heard_more(rig, broker, BETWEEN)
            await broker.kill()
            await fired_more(rig, BETWEEN)  # nobody is there to hear them
            await broker.start()
        await heard_more(rig, broker, BETWEEN)
    finally:
        assert not treating.done(), treating
        treating.cancel()
        await asyncio.wait({treating})
    await rig.foot("release")
    await rig.client.stop()
    await rig.ended(session)

    records = (await rig.balanced())[earlier:]
    given = [pulse.pulse_number for pulse in records]
    events = last_event(rig.database)
    await rig.wait(
        "every pulse and every event is published",
        lambda: told(heard.seqs("pulse")[-1:] == [len(given)] and heard.seqs("event")[-1:] >= [events]),
        lambda: f"{heard.seqs('pulse')[-3:]} of {len(given)}, {heard.seqs('event')[-3:]} of {events}",
        BACK_S,
    )
    assert heard.seqs("pulse") == list(range(1, len(given) + 1)), "each of them, in order"
    assert heard.seqs("event") == list(range(1, len(heard.seqs("event")) + 1))
    first: dict[tuple[str, int], int] = {}
    for one in heard.of("pulse"):  # what came twice says the same
        assert first.setdefault((one["boot"], one["seq"]), one["pulse_number"]) == one["pulse_number"]
    assert list(first.values()) == given
    assert heard.breaches == []
    treated = [pulse for pulse in records if pulse.session_id == session and pulse.aperture]
    assert len(treated) >= 2 * BETWEEN * KILLS
    for before, after in itertools.pairwise(treated):
        if before.permit_id == after.permit_id:
            away_us = after.device_time_us - before.device_time_us
            assert abs(away_us - PERIOD_US) <= JITTER_US, "no pulse waits for a broker"


async def treat(rig: Rig, session: str) -> None:
    """Give series after series, until cancelled."""
    await rig.arm()
    await rig.finish(session)


async def heard_more(rig: Rig, broker: FlakyBroker, pulses: int) -> None:
    """Wait until so many more pulses were delivered."""
    wanted = len(broker.witness.seqs("pulse")) + pulses
    await rig.wait(
        f"{wanted} pulses are heard",
        lambda: told(len(broker.witness.seqs("pulse")) >= wanted),
        lambda: str(broker.witness.seqs("pulse")[-3:]),
        BACK_S,
    )


async def fired_more(rig: Rig, pulses: int) -> None:
    """Wait until so many more pulses were recorded, unheard."""
    wanted = (await rig.client.status())["books"]["device_counter"] + pulses
    await rig.until(f"pulse {wanted}", lambda now: now["books"]["device_counter"] >= wanted, BACK_S)


async def told(true: bool) -> bool:
    return true


def last_event(database: Path) -> int:
    """Number of the newest event that was ever put up for publishing."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as records:
        ((last,),) = records.execute("SELECT last_seq FROM topic_seq WHERE topic = 'event'").fetchall()
    records.close()
    return int(last)
