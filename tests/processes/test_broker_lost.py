"""The broker is refused, killed and frozen while the laser fires: no pulse is late, none is unpublished."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
from pathlib import Path

import aiomqtt
import pytest

from controller.processes import Child
from controller.stage import PYTHON
from controller.witnesses import Subscriber, WitnessError
from tests.processes.judge import running
from tests.processes.lines import TcpRelay
from tests.processes.rig import START_S, TRIES, Rig, plan

pytestmark = [pytest.mark.processes, pytest.mark.slow, pytest.mark.timeout(600)]

SERIES = 10
PERIOD_US = 200_000
JITTER_US = 2_000  # of the device's own timing; nothing of the host's enters it


class Broker:
    """A broker that only the witness reaches directly; the daemon comes to it by a line that can be down."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.line = TcpRelay(0, port)
        self.witness = Subscriber("laser/v1/site/laser")
        self._child: Child | None = None
        self._listening: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it, let the witness subscribe, and only then let the daemon in."""
        command = [*PYTHON, "controller.broker", "--port", "0", "--until-stdin-closes"]
        self._child = await Child.start("broker", command, self.folder / "broker.log")
        port = int(json.loads(await self._child.first_line(START_S))["port"])
        self.witness.connected.clear()
        self._listening = asyncio.create_task(self._listen(port))
        async with asyncio.timeout(START_S):
            await self.witness.connected.wait()
        self.line.target = port
        await self.line.open()

    async def kill(self) -> None:
        """`kill -9`; from then on the daemon is refused.

        Its line is cut a moment before, so that the witness has heard whatever the broker took over from it.
        """
        await self.line.close()
        await self._witness_is_up_to_date()
        os.kill(running(self._child).pid, signal.SIGKILL)
        await self.end()

    async def end(self) -> None:
        await self.line.close()
        await running(self._child).end()
        if self._listening is not None:
            await self._listening

    def signal(self, number: signal.Signals) -> None:
        os.kill(running(self._child).pid, number)

    async def _witness_is_up_to_date(self) -> None:
        """What the broker took in, it has handed on: in their order, so that a last word comes last."""
        last = self.witness.topic + "/last"
        before = self.witness.messages[last]
        async with asyncio.timeout(START_S), aiomqtt.Client("127.0.0.1", self.line.target) as client:
            await client.publish(last, b"{}", qos=1)
            while self.witness.messages[last] == before:
                self.witness.heard.clear()
                await self.witness.heard.wait()

    async def _listen(self, port: int) -> None:
        with contextlib.suppress(WitnessError):
            await self.witness.run("127.0.0.1", port)


@pytest.mark.shows("REQ-034")
async def test_the_broker_is_refused_then_killed_then_frozen_while_the_laser_fires(
    rig: Rig, free_port: int
) -> None:
    broker = Broker(rig.folder, free_port)
    rig.mqtt_port = free_port
    earlier = len(rig.records())
    await rig.start()
    for _ in range(TRIES):
        late = rig.late
        times_us = await _through_three_series(rig, broker)
        if rig.late == late:
            break
        await broker.kill()
        await rig.until_standby()
    else:
        pytest.fail("not once did it fire through all that")
    for series in (times_us[at : at + SERIES] for at in range(0, len(times_us), SERIES)):
        for before_us, after_us in itertools.pairwise(series):
            assert abs(after_us - before_us - PERIOD_US) <= JITTER_US
    # An earlier daemon knew no broker: what it recorded is not to be published.
    given = [pulse.pulse_number for pulse in (await rig.balanced())[earlier:]]
    assert len(given) >= 3 * SERIES, "the plan's, and those of the shutter's test"

    async def all_published() -> bool:
        return sorted(broker.witness.pulses.values()) == given

    try:
        await rig.wait("every pulse is published", all_published, lambda: str(broker.witness.pulses))
        assert broker.witness.unreadable == 0
    finally:
        await broker.end()


async def _through_three_series(rig: Rig, broker: Broker) -> tuple[int, ...]:
    """A whole session with a broker that is absent, comes, is killed, comes again and freezes: its pulses."""
    given = (await rig.truth()).aperture
    session = await rig.begin(plan(SERIES, SERIES, SERIES))
    await rig.until("nobody listens at the broker's port", lambda now: now["mqtt"]["state"] == "down")
    await rig.arm()
    await rig.fire()
    await broker.start()
    await rig.until("the broker is reached", lambda now: now["mqtt"]["state"] == "up")
    await rig.permit()
    await rig.foot("press")
    await rig.pulses_given(given + SERIES + 3)
    await broker.kill()
    await rig.pulses_given(given + 2 * SERIES)
    await rig.foot("release")
    await broker.start()
    await rig.until("the broker is reached again", lambda now: now["mqtt"]["state"] == "up")
    await rig.permit()
    await rig.foot("press")
    await rig.pulses_given(given + 2 * SERIES + 3)
    broker.signal(signal.SIGSTOP)
    try:
        await rig.pulses_given(given + 3 * SERIES)
        await rig.foot("release")
        assert await rig.ended(session) == "done"
    finally:
        broker.signal(signal.SIGCONT)
    times_us = (await rig.truth()).times_us[-3 * SERIES :]
    assert (await rig.truth()).aperture - given == len(times_us) == 3 * SERIES
    return times_us
