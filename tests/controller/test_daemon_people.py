"""People at the daemon: who leaves, who comes, and what they settle by hand."""

import asyncio
from typing import Any

import pytest

from controller.declined import Declined
from controller.lease import Who
from controller.operators import NotAuthorised
from controller.store import Role
from protocols.states import ARMED, State
from rig.records import Records
from rig.stack import Stack, plan_text
from safety.latches import LatchId
from tests.controller.firing import SHORT, firing, last_us, numbers

VIRTUAL_TIME = True


# -- people who leave


@pytest.mark.shows("REQ-045")
async def test_logging_out_while_armed_ends_the_permission(stack: Stack) -> None:
    await firing(stack)
    who = await stack.login()
    stack.daemon.console.logout(who.token)
    out_us = stack.laser.now_us
    await asyncio.sleep(3)
    assert stack.device.state not in ARMED
    assert last_us(stack) <= out_us + 1_250_000  # [C] housekeeping looks once a second
    with pytest.raises(NotAuthorised):
        stack.daemon.logins.require(who.token, Role.OPERATOR)


@pytest.mark.shows("REQ-045")
async def test_a_login_idle_for_too_long_is_locked_and_the_laser_disarmed() -> None:
    async with Stack(safety={"idle_lock_s": 60, "idle_standby_s": 300}) as stack:
        await stack.prepare(SHORT)
        await stack.arm()
        who = await stack.login()
        await stack.until(lambda: stack.device.state is State.STANDBY, "STANDBY", within_s=70)
        assert stack.loop.time() >= 60
        with pytest.raises(NotAuthorised, match="without use"):
            stack.daemon.logins.require(who.token, Role.OPERATOR)
        assert stack.daemon.reporter.report()["lease"] is None


async def test_pulses_keep_the_console_of_whoever_fires_them_open() -> None:
    async with Stack(safety={"idle_lock_s": 60}) as stack:
        await stack.prepare(plan_text(series=[100, 100, 100, 50]))
        await stack.arm()
        await stack.give_all()  # 70 s of treatment without any other command
        assert stack.loop.time() > 70
        assert stack.truth.aperture == 350
        assert stack.daemon.reporter.report()["lease"]["operator"] == "anna"


async def test_the_lease_keeps_another_login_out_until_the_first_logs_out(stack: Stack) -> None:
    await stack.prepare(SHORT)
    bob = await stack.login("bob")
    for asked in (
        stack.daemon.console.arm(bob),
        stack.daemon.console.calibrate(bob),
        stack.daemon.console.aiming(bob, on=True),
        stack.daemon.console.abandon_session(bob),
        stack.daemon.console.acknowledge(bob, [("start_up", 1)]),
        stack.daemon.console.resolve(bob),
        stack.daemon.console.resume_session(bob, 755, checklist=True),
        stack.daemon.console.open_session(bob, SHORT, "plan", 755, checklist=True),
    ):
        with pytest.raises(Declined, match="anna commands the laser"):
            await asked
    assert (await stack.daemon.console.standby(bob))["outcome"] in {"done", "refused"}  # whoever may disarm
    assert (await stack.daemon.console.stop("bob", "anybody may"))["confirmed"]
    stack.daemon.console.logout((await stack.login()).token)
    assert (await stack.daemon.console.resolve(bob))["open"] == []


async def test_anybody_logged_in_may_disarm_what_another_armed(stack: Stack) -> None:
    await firing(stack)
    bob = await stack.login("bob")
    assert (await stack.daemon.console.standby(bob))["outcome"] == "done"
    await asyncio.sleep(1)
    assert stack.device.state is State.STANDBY


# -- calibration, and settling by hand


async def test_the_guided_calibration_runs_into_the_port_and_is_told(stack: Stack) -> None:
    await stack.settled()
    await stack.acknowledge()
    console, who = stack.daemon.console, await stack.login()
    refused = await console.calibrate(who)
    assert refused["outcome"] == "refused"
    assert {reason["code"] for reason in refused["reasons"]} == {"device.not_docked"}
    stack.laser.act("dock")
    await stack.until(lambda: stack.device.docked, "docked")
    port = stack.truth.port
    assert (await console.calibrate(who))["outcome"] == "done"
    await stack.until(lambda: stack.device.state is State.CALIBRATING, "CALIBRATING")
    await stack.until(lambda: stack.device.state is State.STANDBY, "STANDBY", within_s=60)
    assert stack.device.calibrated
    assert stack.truth.port > port
    assert stack.truth.aperture == 0
    await stack.until(lambda: stack.daemon.recorder.balanced, "its pulses recorded")
    assert numbers(stack) == list(range(1, stack.truth.total + 1))
    assert all(not pulse.aperture for pulse in stack.reader.pulses(stack.serial))
    stack.laser.act("undock")
    await stack.until(lambda: not stack.device.docked, "undocked")
    await stack.prepare(SHORT)
    await stack.arm()
    await stack.give_all()
    assert stack.truth.aperture == 20


def begin_database(stack: Stack, known_to: int = 0) -> None:
    """Another database for the next daemon, which knows the laser's pulses up to `known_to` only."""
    known, device = (
        stack.reader.pulses(stack.serial, limit=max(1, known_to)),
        stack.reader.device(stack.serial),
    )
    stack.records.close()
    stack.records = Records(None, stack.wall_clock)
    if known_to:
        assert device is not None
        store = stack.records.open()
        store.save_device(device)
        assert store.record_pulses(known) == known_to


async def test_a_new_database_takes_a_laser_with_a_past_from_where_it_is(stack: Stack) -> None:
    """The pulses that another host has acknowledged are its matter; the counting begins after them."""
    await stack.settled()
    await stack.until(lambda: stack.device.reports_waiting == 0, "every report acknowledged")
    await stack.end_daemon()
    begin_database(stack)
    stack.start_daemon()
    await stack.settled()
    assert numbers(stack) == []
    assert stack.reader.missing_pulses(stack.serial) == []
    await stack.prepare(plan_text(series=[3]))
    await stack.arm()
    await stack.give_all()
    assert numbers(stack) == [33, 34, 35]
    assert stack.reader.check() == []


async def test_resolve_gives_up_pulses_that_can_never_come_and_only_then_arming_goes_on(stack: Stack) -> None:
    """Somebody told the device to forget reports that this database never saw: a person must settle it."""
    await stack.settled()
    device = stack.laser.simulator.firmware.device  # type: ignore[attr-defined]  # the reference's inside
    await stack.end_daemon()
    begin_database(stack, known_to=20)
    stack.start_daemon()
    await stack.until(lambda: LatchId.COUNTER_GAP in stack.latched, "the gap latched")
    assert device.memory.acknowledged == 32
    await asyncio.sleep(3)
    assert stack.daemon.recorder.books.missing == 12
    kept = (await stack.acknowledge())["kept"]
    assert "counter_gap" in {latch["name"] for latch in kept}
    with pytest.raises(Declined, match="giving up pulses that have no record needs a second person"):
        await stack.daemon.console.resolve(await stack.login())
    assert stack.daemon.recorder.books.missing == 12
    await stack.daemon.console.resolve(await stack.login(), second=stack.second())
    assert stack.daemon.recorder.balanced
    assert (await stack.acknowledge())["kept"] == []
    await stack.prepare(plan_text(series=[2]))
    await stack.arm()
    await stack.give_all()
    assert numbers(stack)[-2:] == [33, 34]


# -- the black box, and listeners


@pytest.mark.shows("REQ-045")
async def test_a_viewer_may_look_and_nothing_else(stack: Stack) -> None:
    await stack.settled()
    viewer: Who = await stack.login("vera", Role.VIEWER)
    with pytest.raises(NotAuthorised, match="needs operator"):
        stack.daemon.logins.require(viewer.token, Role.OPERATOR)
    await stack.daemon.console.acknowledge(viewer, [])  # the API would not let it come so far
    assert "host.operator" in {reason["code"] for reason in arm_refusals(stack)}


def arm_refusals(stack: Stack) -> list[dict[str, Any]]:
    refused: list[dict[str, Any]] = stack.daemon.reporter.report()["supervisor"]["arm_refusals"]
    return refused


async def test_the_same_operator_at_another_console_takes_over_and_nothing_stays_armed(stack: Stack) -> None:
    await firing(stack)
    again = await stack.login_again()
    assert (await stack.daemon.console.aiming(again, on=False))["outcome"] in {"done", "refused"}
    await stack.until(lambda: stack.status is not None and stack.status.state not in ARMED, "disarmed", 1.0)
    stack.release()
