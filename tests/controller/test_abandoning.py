"""A session that is abandoned: the laser is stopped, and told is what was planned and what was given."""

import asyncio

import pytest

from controller.store import SessionState
from protocols.frame import Frame
from protocols.messages import Stop
from protocols.states import State
from rig.stack import Stack, plan_text
from sim_device.vices import Tap

VIRTUAL_TIME = True


@pytest.mark.parametrize("phase_ms", [0, 50, 100, 150, 165, 180])
async def test_abandoning_while_emitting_stops_at_once_at_every_phase_of_a_pulse(
    stack: Stack, phase_ms: int
) -> None:
    await stack.prepare(plan_text(series=[60]))
    await stack.arm()
    await stack.fire(3)
    await asyncio.sleep(phase_ms / 1e3)
    moved: list[SessionState] = []

    def listen(piece: bytes, frame: Frame | None) -> list[bytes]:
        if frame is not None and isinstance(frame.message, Stop):
            moved.append(stack.reader.sessions()[0].state)
        return [piece]

    stack.line.to_device.vices = (Tap(listen),)
    asked_us = stack.laser.now_us
    answer = await stack.daemon.console.abandon_session(await stack.login())
    assert moved[0] is SessionState.OPEN  # first stopped, then written down
    assert stack.device.state is State.STANDBY
    await asyncio.sleep(1)
    late = [pulse for pulse in stack.truth.pulses if pulse.time_us > asked_us + 20_000]
    assert late == []
    assert answer["state"] == "abandoned"


async def test_abandoning_what_is_not_armed_stops_nothing_and_tells_how_far_it_came(stack: Stack) -> None:
    await stack.prepare(plan_text(series=[10, 10]))
    await stack.arm()
    await stack.give_series()
    await stack.until(lambda: stack.daemon.recorder.balanced, "every pulse recorded")
    await stack.daemon.console.standby(await stack.login())
    await stack.standby()
    epoch = stack.device.stop_epoch
    answer = await stack.daemon.console.abandon_session(await stack.login())
    assert (answer["planned"], answer["delivered"], answer["state"]) == (20, 10, "abandoned")
    await asyncio.sleep(1)
    assert stack.device.stop_epoch == epoch
