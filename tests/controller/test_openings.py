"""Interlocks that nobody was seen to open: recorded openings, and reminders by their age."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import NoReturn

import pytest

from controller.fanout import LATEST, Kind
from controller.openings import EVERY_US
from controller.recorder import Event
from controller.store import EventKind, Severity, Store, StoreError
from controller.store.journal import KEPT_EVENTS
from safety.latches import LatchId
from sim_device.faults.injection import Injector
from sim_device.simulator import Simulator
from tests.controller.dated import BY_HAND, OPENED, Dated

VIRTUAL_TIME = True

pytestmark = pytest.mark.shows("HZ-039")


@pytest.fixture
async def stack() -> AsyncIterator[Dated]:
    async with Dated() as stack:
        yield stack


@pytest.mark.parametrize("name", OPENED)
async def test_an_opening_and_its_closing_are_on_record_and_begin_the_time_anew(
    stack: Dated, name: str
) -> None:
    await stack.known()
    await stack.days_pass(10)
    assert not stack.input(name)["seen_open"]
    assert stack.input(name)["days"] == pytest.approx(10, abs=0.01)
    await stack.open_and_close(name)
    seen = stack.input(name)
    assert seen["seen_open"]
    assert seen["days"] == 0
    assert seen["standing"] == "good"
    since = datetime.fromisoformat(seen["since"])
    assert timedelta(0) <= stack.wall_clock() - since < timedelta(seconds=3)
    for code in ("interlock_open", "interlock_closed"):
        [event] = [one for one in stack.told(code) if one.body["interlock"] == name]
        assert (event.kind, event.severity) == (EventKind.STATE, Severity.INFO)
        assert event.body["serial"] == stack.serial
    assert {one["interlock"] for one in stack.daemon.console.status()["proof_tests"]["inputs"]} == set(OPENED)


async def test_a_laser_that_was_never_seen_is_looked_at_from_then_on_and_that_is_said(stack: Dated) -> None:
    await stack.known()
    assert stack.due == []
    [event] = [one for one in stack.reader.events() if one.body.get("proof_test") == "looking"]
    assert "are looked at from now on: no opening before is known" in event.text
    assert stack.serial in event.text
    assert stack.input("door")["text"] == "the door was never seen open, in 0 days of looking"
    await stack.end_daemon()
    stack.start_daemon()
    await stack.known()
    assert len([one for one in stack.reader.events() if one.body.get("proof_test") == "looking"]) == 1


async def test_days_without_an_opening_bring_a_reminder_that_goes_with_the_opening(stack: Dated) -> None:
    await stack.known()
    await stack.open_and_close("door")
    await stack.days_pass(29.9)
    assert stack.due == []
    assert stack.told("proof_test_due") == []
    await stack.days_pass(0.2)
    assert stack.due == BY_HAND
    [reminder] = stack.told("proof_test_due")
    assert (reminder.kind, reminder.severity) == (EventKind.SYSTEM, Severity.WARNING)
    assert "the door was not seen open for 30 days: open it in STANDBY" in reminder.text
    assert "the remote interlock was never seen open, in 30 days of looking" in reminder.text
    await stack.open_and_close("door")
    assert stack.due == ["estop", "key", "remote"]
    await stack.open_and_close("estop", "remote", "key")
    assert stack.due == []


def bridged_door(simulator: Simulator) -> None:
    Injector.of(simulator).inject("interlock-bridged", contact="door")


async def test_of_a_bridged_door_the_reminder_stays_however_often_it_is_opened(stack: Dated) -> None:
    await stack.known()
    stack.laser.work(bridged_door)
    await stack.days_pass(31)
    await stack.open_and_close("door", "remote")
    assert "door" in stack.due
    assert "remote" not in stack.due
    assert not [one for one in stack.told("interlock_open") if one.body["interlock"] == "door"]


async def test_what_stands_open_is_seen_open_until_it_closes(stack: Dated) -> None:
    await stack.known()
    stack.laser.act("door", to="open")
    await stack.days_pass(40)
    assert "door" not in stack.due
    assert stack.input("door")["days"] == 0
    stack.laser.act("door", to="close")
    await asyncio.sleep(2)
    await stack.end_daemon()
    stack.start_daemon()
    await stack.known()
    assert stack.input("door")["days"] == 0
    await stack.days_pass(31)
    assert "door" in stack.due


@pytest.mark.parametrize("killed", [False, True])
async def test_a_restart_keeps_what_was_seen_and_since_when(stack: Dated, killed: bool) -> None:
    await stack.known()
    await stack.open_and_close("remote")
    since = stack.input("remote")["since"]
    await stack.days_pass(20)
    if killed:
        stack.kill_daemon()
    else:
        await stack.end_daemon()
    stack.moved += timedelta(days=11)
    stack.start_daemon()
    await stack.known()
    assert stack.due == BY_HAND
    remote = stack.input("remote")
    assert (remote["seen_open"], remote["since"]) == (True, since)
    assert remote["days"] == pytest.approx(31, abs=0.01)
    assert remote["text"] == "the remote interlock was not seen open for 31 days"


async def test_the_log_is_reminded_once_a_day_and_a_restart_does_not_repeat_it(stack: Dated) -> None:
    await stack.known()
    await stack.days_pass(31)
    for restarts in range(3):
        await stack.end_daemon()
        stack.start_daemon()
        await stack.known()
        await asyncio.sleep(61)
        assert len(stack.told("proof_test_due")) == 1, restarts
    await stack.days_pass(0.9)
    assert len(stack.told("proof_test_due")) == 1
    await stack.days_pass(0.2)
    assert len(stack.told("proof_test_due")) == 2


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_clock_that_was_put_back_silences_no_reminder(stack: Dated, restarted: bool) -> None:
    await stack.known()
    await stack.open_and_close("door")
    await stack.days_pass(31)
    assert "door" in stack.due
    if restarted:
        await stack.end_daemon()
    stack.moved -= timedelta(days=25)
    if restarted:
        stack.start_daemon()
        await stack.known()
    await asyncio.sleep(61)
    assert "door" in stack.due
    assert stack.input("door")["days"] >= 31
    stack.moved -= timedelta(days=10_000)
    await asyncio.sleep(61)
    assert "door" in stack.due


async def test_an_opening_in_the_future_is_none_and_a_new_one_is_believed(stack: Dated) -> None:
    await stack.known()
    stack.moved = timedelta(days=3_650)
    await stack.open_and_close("door")
    stack.moved = timedelta(0)
    await stack.end_daemon()
    stack.start_daemon()
    await stack.known()
    assert "door" in stack.due
    door = stack.input("door")
    assert door["text"] == "the door was last open in the future, by this computer's clock"
    assert door["action"].startswith("check this computer's clock; open it in STANDBY")
    await stack.open_and_close("door")
    assert "door" not in stack.due


async def test_the_housing_cover_is_asked_for_once_a_year_and_refuses_nothing(stack: Dated) -> None:
    await stack.known()
    for day in (360, 6):
        await stack.days_pass(day)
        await stack.open_and_close("estop", "remote", "door", "key")
    assert stack.due == ["cover"]
    await stack.days_pass(3_000)
    await stack.open_and_close("estop", "remote", "door", "key")
    assert stack.due == ["cover"]
    assert stack.daemon.openings.evidence().against == ()
    assert stack.input("cover")["action"].startswith("at the next service")


async def test_a_contact_that_is_not_wired_is_never_asked_for_and_is_said_to_be_none() -> None:
    async with Dated(safety={"door_wired": False, "remote_wired": False, "proof_test_days": 2}) as stack:
        await stack.known()
        await stack.days_pass(3)
        assert stack.due == ["estop", "key"]
        words = stack.daemon.openings.evidence().words
        assert "the door is not in use here" in words
        assert "the remote interlock is not in use here" in words


async def test_a_failing_mains_opens_no_contact_for_anybody(stack: Dated) -> None:
    await stack.known()
    stack.laser.act("mains", to="bad")
    await asyncio.sleep(1)
    await stack.open_and_close("door")
    assert not stack.input("door")["seen_open"]
    assert [one.body["interlock"] for one in stack.told("interlock_open")] == ["door"]
    stack.laser.act("mains", to="good")
    await stack.open_and_close("door")
    assert stack.input("door")["seen_open"]


async def test_a_loose_contact_does_not_fill_the_record(stack: Dated) -> None:
    await stack.known()
    began_us = stack.loop.now_us()
    for _ in range(50):
        stack.laser.act("door", to="open")
        await asyncio.sleep(0.05)
        stack.laser.act("door", to="close")
        await asyncio.sleep(0.05)
    await asyncio.sleep(2)
    lasted = (stack.loop.now_us() - began_us) // EVERY_US
    changes = [*stack.told("interlock_open"), *stack.told("interlock_closed")]
    assert 2 <= len(changes) <= lasted + 1
    assert stack.told("interlock_closed")[-1].id > stack.told("interlock_open")[-1].id
    assert stack.input("door")["days"] == 0


async def test_what_a_laser_does_while_nobody_hears_it_proves_nothing(stack: Dated) -> None:
    await stack.known()
    stack.laser.act("door", to="open")
    await asyncio.sleep(2)
    since = stack.input("door")["since"]
    stack.laser.act("cable", to="cut")
    await asyncio.sleep(5)
    stack.laser.act("door", to="close")
    await stack.days_pass(31)
    stack.laser.act("cable", to="mend")
    await stack.settled()
    await asyncio.sleep(2)
    assert "door" in stack.due
    assert datetime.fromisoformat(stack.input("door")["since"]) - datetime.fromisoformat(since) < timedelta(
        seconds=5
    )
    [closed] = stack.told("interlock_closed")
    assert "proof_test" not in closed.body


async def test_records_that_cannot_be_read_are_read_again_and_nothing_is_claimed_meanwhile(
    stack: Dated,
) -> None:
    await stack.known()
    await stack.open_and_close("door")
    await stack.end_daemon()
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(Store, "proof_moments", no_answer)
        stack.start_daemon()
        await stack.standby()
        await asyncio.sleep(3)
        assert stack.daemon.openings.findings == ()
        assert stack.daemon.openings.evidence().words == "on record: what was seen of them is not known"
        assert LatchId.STORE_FAILED in stack.latched
    await stack.known()
    assert stack.input("door")["seen_open"]


def no_answer(*_: object) -> NoReturn:
    raise StoreError("the disk does not answer", "look at it")


async def test_retention_leaves_what_proves_a_contact_and_takes_the_rest(stack: Dated) -> None:
    await stack.known()
    await stack.open_and_close("door", "remote")
    since = {name: stack.input(name)["since"] for name in ("door", "remote")}
    for number in range(KEPT_EVENTS):
        event = Event(EventKind.SYSTEM, Severity.INFO, f"filler {number}", "rig", stack.loop.now_us())
        stack.daemon.recorder.event(event)
    await stack.daemon.recorder.drain()
    before = len(stack.reader.events(limit=5_000))
    await stack.end_daemon()
    stack.moved += timedelta(days=800)
    stack.start_daemon()
    await stack.known()
    await stack.until(lambda: any(one.kind == "retention" for one in stack.reader.audit_entries()), "pruned")
    texts = [one.text for one in stack.reader.events(limit=5_000)]
    assert "interlock closed: the door" in texts
    assert len(texts) < before
    await stack.end_daemon()
    stack.start_daemon()
    await stack.known()
    assert {name: stack.input(name)["since"] for name in since} == since
    assert stack.input("remote")["days"] == pytest.approx(800, abs=0.01)


async def test_listeners_are_told_what_is_due(stack: Dated) -> None:
    await stack.known()
    await stack.days_pass(31)
    with stack.daemon.fanout.subscribe("listener", {Kind.STATE: LATEST}) as feed:
        await asyncio.sleep(2)
        assert (await feed.get()).value["proof_tests_due"] == ",".join(BY_HAND)
        await stack.open_and_close("estop", "remote", "door", "key")
        await asyncio.sleep(2)
        assert (await feed.get()).value["proof_tests_due"] == ""
