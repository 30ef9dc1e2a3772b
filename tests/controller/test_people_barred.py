"""People who are barred, get another password or another role while they are logged in."""

import asyncio

import pytest

from controller.operators import NotAuthorised
from controller.store import Role
from protocols.states import ARMED, State
from rig.stack import Stack, plan_text

VIRTUAL_TIME = True
pytestmark = pytest.mark.shows("REQ-045")


async def emitting(stack: Stack) -> None:
    await stack.prepare(plan_text(series=[60]))
    await stack.arm()
    await stack.fire(3)


@pytest.mark.parametrize("change", ["disable", "password", "role"])
async def test_whoever_is_barred_while_firing_is_stopped_within_a_second(stack: Stack, change: str) -> None:
    await emitting(stack)
    store = stack.store
    assert store is not None
    if change == "disable":
        store.deactivate_operator("anna", actor="root", now_us=0)
    elif change == "password":
        store.update_password("anna", "another", actor="root", now_us=0)
    else:
        store._run("UPDATE operator SET role = 'viewer' WHERE name = 'anna'")
    at_us = stack.laser.now_us
    await asyncio.sleep(3)
    late = [pulse for pulse in stack.truth.pulses if pulse.time_us > at_us + 1_020_000]
    assert late == []
    assert stack.device.state not in ARMED
    assert stack.daemon.reporter.report()["lease"] is None


async def test_what_changes_nothing_of_the_person_stops_nothing(stack: Stack) -> None:
    await emitting(stack)
    assert stack.store is not None
    stack.store.insert_operator("bert", Role.OPERATOR, "bert", actor="root", now_us=0)
    stack.store.deactivate_operator("bert", actor="root", now_us=0)
    stack.store.note_login("anna", accepted=False, failed_logins=5, now_us=0)
    await asyncio.sleep(3)
    assert stack.device.state is State.EMITTING


async def test_a_barred_person_logs_in_again_once_they_are_let(stack: Stack) -> None:
    await stack.settled()
    who, logins, store = await stack.login(), stack.daemon.logins, stack.store
    assert store is not None
    store.deactivate_operator("anna", actor="root", now_us=0)
    await logins.refresh()
    with pytest.raises(NotAuthorised, match="log in first"):
        logins.require(who.token, Role.VIEWER)
    with pytest.raises(NotAuthorised, match="wrong"):
        await logins.login("anna", "anna")
    store.reactivate_operator("anna", actor="root", now_us=0)
    await logins.refresh()
    with pytest.raises(NotAuthorised, match="log in first"):
        logins.require(who.token, Role.VIEWER)
    assert await logins.login("anna", "anna")


async def test_a_higher_role_holds_at_once_and_a_lower_one_too(stack: Stack) -> None:
    await stack.settled()
    who, console, store = await stack.login(), stack.daemon.console, stack.store
    assert store is not None
    for role, may in (("service", True), ("operator", False), ("administrator", True), ("viewer", False)):
        store._run("UPDATE operator SET role = ? WHERE name = 'anna'", (role,))
        if may:
            assert (await console.who(who.token, Role.SERVICE)).operator.role is Role(role)
        else:
            with pytest.raises(NotAuthorised, match=f"you are {role}"):
                await console.who(who.token, Role.SERVICE)


async def test_a_disk_that_does_not_answer_keeps_no_idle_login(monkeypatch: pytest.MonkeyPatch) -> None:
    """The people cannot be read any more: an idle operator is locked at their time all the same."""
    async with Stack(safety={"idle_lock_s": 60}) as stack:
        await stack.prepare(plan_text(series=[60]))
        await stack.arm()

        async def never() -> None:
            await asyncio.Event().wait()

        await asyncio.sleep(2)
        monkeypatch.setattr(stack.daemon.logins, "refresh", never)
        await stack.until(lambda: stack.device.state is State.STANDBY, "STANDBY", within_s=65)
        assert stack.daemon.reporter.report()["lease"] is None
