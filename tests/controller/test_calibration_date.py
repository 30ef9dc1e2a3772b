"""The date of the calibration in force, and a computer's clock that was wrong."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from unittest.mock import AsyncMock

import pytest

from hal.outcomes import Done
from protocols.states import State
from rig.stack import Stack, plan_text

VIRTUAL_TIME = True


@pytest.mark.shows("REQ-017")
@pytest.mark.parametrize(
    ("back", "known"),
    [
        (timedelta(0), True),
        (timedelta(minutes=4), True),
        (timedelta(minutes=6), False),
        (timedelta(days=3_650), False),  # its battery died
    ],
)
async def test_the_age_of_a_calibration_dated_in_the_future_is_not_known(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, back: timedelta, known: bool
) -> None:
    await stack.settled()
    await stack.until(lambda: stack.daemon.calibrations.record is not None, "the calibration recorded")
    calibration = stack.daemon.calibrations.record
    assert calibration is not None
    await stack.end_daemon()
    stopped, stopped_us = calibration.calibrated - back, stack.loop.now_us()
    monkeypatch.setattr(
        stack, "wall_clock", lambda: stopped + timedelta(microseconds=stack.loop.now_us() - stopped_us)
    )
    stack.start_daemon()
    await stack.prepare(plan_text(series=[2]))
    answer = await stack.daemon.console.arm(await stack.login())
    assert (answer["outcome"] == "done") == known, answer
    if not known:
        [reason] = answer["reasons"]
        assert reason["code"] == "host.calibration"
        assert "bad: its date lies in the future" in reason["text"]
        assert stack.daemon.calibrations.record is None


async def test_a_calibration_is_known_again_when_the_clock_was_set_right(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stack.settled()
    keeper = stack.daemon.calibrations
    await stack.until(lambda: keeper.record is not None, "the calibration recorded")
    right, behind = stack.wall_clock, [timedelta(hours=1)]
    await stack.end_daemon()
    monkeypatch.setattr(stack, "wall_clock", lambda: right() - behind[0])
    stack.start_daemon()
    await stack.prepare(plan_text(series=[2]))
    assert stack.daemon.calibrations.record is None
    behind[0] = timedelta(0)
    await stack.until(lambda: stack.daemon.calibrations.record is not None, "its date", within_s=6)
    assert (await stack.daemon.console.arm(await stack.login()))["outcome"] == "done"


async def test_a_laser_that_turns_calibrated_unseen_is_asked_since_when(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stack.settled()
    keeper, laser, status = stack.daemon.calibrations, stack.daemon.commands.laser, stack.status
    assert laser is not None
    assert status is not None
    told = await laser.calibration()
    assert isinstance(told, Done)
    monkeypatch.setattr(
        type(laser), "calibration", AsyncMock(return_value=Done(replace(told.value, valid=False)))
    )
    keeper.connected(stack.serial)
    keeper.status(replace(status, calibrated=False))
    await asyncio.sleep(10)
    assert keeper.record is None
    monkeypatch.undo()
    keeper.status(replace(status, calibrated=True))  # and no Status in CALIBRATING was ever seen
    await stack.until(lambda: keeper.record is not None, "the keeper knows its date", within_s=1)


async def test_after_a_stop_in_the_start_up_check_the_stored_calibration_is_checked_again_undocked(
    stack: Stack,
) -> None:
    await stack.settled()
    who = await stack.login()
    stack.laser.act("power", to="cut")
    stack.laser.act("power", to="return")
    await stack.until(lambda: stack.laser.state is State.CALIBRATING, "the start-up check", within_s=600)
    await stack.until(lambda: stack.daemon.commands.laser is not None, "the connection")
    assert stack.laser.state is State.CALIBRATING
    await stack.daemon.console.stop("anna", "something was not right")
    await stack.until(lambda: stack.device.state is State.STANDBY, "STANDBY")
    assert not stack.device.calibrated
    calibrations = stack.daemon.calibrations
    await stack.until(lambda: calibrations.record is None, "the keeper knows")
    await stack.acknowledge()
    answer = await stack.daemon.console.calibrate(who)
    assert answer["outcome"] == "done", answer
    await stack.until(lambda: stack.device.calibrated, "the check")
    await stack.until(lambda: calibrations.record is not None, "the date of the stored calibration")
    await stack.prepare(plan_text(series=[2]))
    assert (await stack.daemon.console.arm(who))["outcome"] == "done"
