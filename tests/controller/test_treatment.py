"""A plan from confirmation to the last pulse: every count agrees."""

import asyncio
import math
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from controller.store import CommandOutcome, SessionState
from protocols.messages import Shutter
from protocols.states import State
from rig.stack import Stack, plan_text
from tests.controller.treatments import assert_all_agree, lit, of_plan

VIRTUAL_TIME = True
CALIBRATION = 32  # pulses the laser gave into its port before anybody connected: two shutter proofs, thirty


@pytest.mark.shows("REQ-042", "REQ-046")
async def test_a_plan_is_carried_out_and_all_counts_agree(stack: Stack) -> None:
    session = await stack.prepare()
    assert stack.truth.aperture == 0
    await stack.arm()
    await stack.give_all()

    assert_all_agree(stack, 60)
    assert stack.device.pulse_number == CALIBRATION + 60 == stack.truth.total
    pulses = of_plan(stack)
    assert {pulse.session_id for pulse in pulses} == {session["id"]}
    assert sorted(Counter(pulse.permit_id for pulse in pulses).values()) == [20, 20, 20]
    assert [pulse.series for pulse in pulses] == [1] * 20 + [2] * 20 + [3] * 20
    for pulse, true in zip(pulses, lit(stack), strict=True):
        assert pulse.aperture
        assert not pulse.flags
        assert pulse.monitor_b_mj == pytest.approx(true.transmitted_uj / 1e3, rel=0.05)  # REQ-018's meters
        assert pulse.pulse_width_ps == pytest.approx(true.width_ps, rel=0.05)
        assert pulse.set_energy_mj == 173.0
    record = stack.reader.session(str(session["id"]))
    assert (record.state, record.delivered_pulses, record.unknown_pulses) == (SessionState.DONE, 60, 0)
    area_cm2 = math.pi * 0.35**2 / 4
    dose = sum((pulse.monitor_b_mj or math.nan) / 1e3 / area_cm2 for pulse in pulses)
    assert record.dose_j_cm2 == pytest.approx(dose)
    await asyncio.sleep(0.2)
    assert stack.device.shutter is Shutter.CLOSED
    assert stack.latched == set()


@pytest.mark.shows("REQ-046", "HZ-044")
async def test_each_series_has_one_permit_written_down_before_it_was_asked_for(stack: Stack) -> None:
    await stack.prepare()
    await stack.arm()
    await stack.give_all()
    grants = stack.reader.commands("grant")
    assert [grant.body["pulses"] for grant in grants] == [20, 20, 20]
    assert {grant.outcome for grant in grants} == {CommandOutcome.DONE}
    firsts = {pulse.permit_id: pulse.mono_us for pulse in reversed(of_plan(stack))}
    begun = {int(str(grant.body["permit_id"])): grant.begun_mono_us for grant in grants}
    assert begun.keys() == firsts.keys()
    assert all(begun[permit] < firsts[permit] for permit in begun)
    assert [command.outcome for command in stack.reader.commands("arm")] == [CommandOutcome.DONE]


async def test_no_series_is_granted_before_the_one_before_is_on_disk(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stack.prepare(plan_text(series=[3, 3]))
    await stack.arm()
    write = stack.daemon.recorder._write

    async def slow(batch: list[Any]) -> bool:
        await asyncio.sleep(0.7)  # a disk that takes its time
        return await write(batch)

    monkeypatch.setattr(stack.daemon.recorder, "_write", slow)
    await stack.give_series()
    await asyncio.sleep(0.2)
    counted = stack.device.pulse_number
    assert stack.recorded < counted
    assert stack.device.permit_id == 0
    await stack.permitted()
    assert stack.recorded == counted


async def test_the_pulses_keep_the_rate_of_the_plan(stack: Stack) -> None:
    await stack.prepare(plan_text(series=[30]))
    await stack.arm()
    await stack.give_all()
    times_us = [pulse.time_us for pulse in lit(stack)]
    gaps_us = [late - early for early, late in pairwise(times_us)]
    assert min(gaps_us) >= 200_000 - 100
    assert max(gaps_us) <= 400_000  # one trigger may be skipped while the capacitor charges


@pytest.mark.shows("REQ-003", "REQ-046", "HZ-044")
async def test_a_foot_held_over_the_end_of_a_series_fires_nothing_more(stack: Stack) -> None:
    await stack.prepare()
    await stack.arm()
    stack.press()
    await stack.until(lambda: stack.truth.aperture == 20, "the first series")
    await asyncio.sleep(5)
    assert stack.truth.aperture == 20
    assert stack.device.permit_id == 0
    assert len(stack.reader.commands("grant")) == 1
    stack.release()
    await stack.permitted()
    await asyncio.sleep(1)
    assert stack.truth.aperture == 20  # a permit alone makes no light: a fresh press does
    await stack.give_all()
    assert_all_agree(stack, 60)


async def test_a_foot_taken_off_in_mid_series_and_put_back_goes_on(stack: Stack) -> None:
    await stack.prepare(plan_text(series=[10, 5]))
    await stack.arm()
    await stack.fire(4)
    stack.release()
    released_us = stack.laser.now_us
    await asyncio.sleep(3)
    given = stack.truth.aperture
    assert lit(stack)[-1].time_us <= released_us + 20_000  # DESIGN: foot to last pulse
    assert stack.device.permit_pulses_left == 10 - given
    await stack.give_series()
    await stack.until(lambda: stack.recorded == CALIBRATION + 10, "the series recorded")
    await stack.give_all()
    assert_all_agree(stack, 15)
    assert len(stack.reader.commands("grant")) == 2


@pytest.mark.shows("REQ-046")
async def test_several_passes_repeat_the_series(stack: Stack) -> None:
    stack.laser.act("handpiece", name="LENS_ARRAY_6")
    changes = {
        "indication": '"acne_scars"',
        "handpiece": '"lens_array_6"',
        "spot_mm": 6.0,
        "pulse_energy_mj": 200.0,
        "passes": 3,
    }
    await stack.prepare(plan_text(series=[2, 3], **changes))
    await stack.arm()
    await stack.give_all()
    assert_all_agree(stack, 15)
    grants = [grant.body["pulses"] for grant in reversed(stack.reader.commands("grant"))]
    assert grants == [2, 3, 2, 3, 2, 3]


@pytest.mark.shows("REQ-045")
async def test_an_idle_ready_returns_to_standby_and_the_session_can_be_armed_again() -> None:
    async with Stack(safety={"idle_standby_s": 30}) as stack:
        await stack.prepare(plan_text(series=[3]))
        await stack.arm()
        began_s = stack.loop.time()
        await stack.until(lambda: stack.device.state is State.STANDBY, "STANDBY", within_s=60)
        assert 27 <= stack.loop.time() - began_s <= 32
        assert stack.device.permit_id == 0
        assert stack.latched == set()
        await stack.arm()
        await stack.give_all()
        assert_all_agree(stack, 3)


async def test_ready_is_idle_from_the_last_pulse_on() -> None:
    async with Stack(safety={"idle_standby_s": 30}) as stack:
        await stack.prepare(plan_text(series=[10]))
        await stack.arm()
        await asyncio.sleep(20)
        await stack.fire(2)
        stack.release()
        last_s = stack.loop.time()
        await stack.until(lambda: stack.device.state is State.STANDBY, "STANDBY", within_s=60)
        assert 27 <= stack.loop.time() - last_s <= 32


async def test_a_session_is_done_only_when_every_pulse_the_laser_counted_is_on_record(stack: Stack) -> None:
    session = await stack.prepare(plan_text(series=[2]))
    await stack.arm()
    one_more = stack.device.pulse_number + 3
    stack.daemon.recorder.device_counter(one_more)
    await stack.give_series()
    await asyncio.sleep(3)
    assert stack.reader.session(str(session["id"])).remaining_pulses == 0
    assert stack.reader.session(str(session["id"])).state is SessionState.OPEN
    stack.daemon.recorder.accept_gap(one_more)
    await stack.until(lambda: stack.daemon.treatment.session is None, "the session done")
    assert stack.reader.session(str(session["id"])).state is SessionState.DONE
