"""The date of the calibration in force, and a computer's clock that was wrong."""

from datetime import timedelta

import pytest

from rig.stack import Stack, plan_text

VIRTUAL_TIME = True


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
        assert stack.daemon.calibrations.record is None
