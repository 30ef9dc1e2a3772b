"""The times that concern people, by the plant's truth and whatever the wall clock does."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from controller.declined import Declined
from controller.operators import LOCK_OUT_US, NotAuthorised, Reason
from controller.store import Role
from controller.training import NOTICE, Today, ending, people_report
from controller.treatment import Treatment
from protocols.messages import Leave
from protocols.states import State
from rig.stack import Stack, plan_text
from tests.controller.people_made import person

VIRTUAL_TIME = True
HOUR = timedelta(hours=1)
STEPS = [HOUR, -HOUR]
SECOND_US = 1_000_000


class Stepped(Stack):
    """A stack whose wall clock somebody steps."""

    step = timedelta(0)

    def wall_clock(self) -> datetime:
        return super().wall_clock() + self.step


async def ready(stack: Stack) -> int:
    """READY with a permit and nobody's foot on the switch; since when, in the plant's time."""
    await stack.prepare(plan_text(series=[60]))
    await stack.daemon.console.arm(await stack.login())
    await stack.until(lambda: stack.device.state is State.READY, "READY")
    return stack.laser.now_us


def pulses_since(stack: Stack, at_us: int) -> int:
    return sum(pulse.aperture for pulse in stack.truth.pulses if pulse.time_us >= at_us)


# -- five minutes in READY


@pytest.mark.shows("REQ-045", "REQ-049", "HZ-037")
@pytest.mark.parametrize(("by", "step"), [("host", HOUR), ("host", -HOUR), ("firmware", HOUR)])
async def test_five_minutes_in_ready_without_a_press_end_it_and_no_foot_gives_light_then(
    by: str, step: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host asks for STANDBY; the firmware does not wait for it: without it, its own five minutes hold."""
    if by == "firmware":

        async def asleep(treatment: Treatment, idle_us: int) -> None:
            del treatment, idle_us

        monkeypatch.setattr(Treatment, "end_idle_ready", asleep)
    async with Stepped() as stack:
        since_us = await ready(stack)
        stack.step = step
        await asyncio.sleep(290)
        assert stack.device.state is State.READY
        await stack.until(lambda: stack.device.state is State.STANDBY, "STANDBY", within_s=20)
        passed_us = stack.laser.now_us - since_us
        assert 295 * SECOND_US < passed_us <= 300 * SECOND_US + 200_000
        assert stack.device.leave is (Leave.STANDBY_ASKED if by == "host" else Leave.IDLE)
        pressed_us = stack.laser.now_us
        stack.press()
        await asyncio.sleep(3)
        assert pulses_since(stack, pressed_us) == 0


@pytest.mark.shows("REQ-045")
async def test_a_press_after_almost_five_minutes_gives_light_and_begins_them_anew() -> None:
    """The control of the test above: it would see light, if there were any."""
    async with Stack() as stack:
        await ready(stack)
        await asyncio.sleep(290)
        pressed_us = stack.laser.now_us
        await stack.fire(3)
        stack.release()
        assert pulses_since(stack, pressed_us) >= 3
        await asyncio.sleep(30)
        assert stack.device.state is State.READY


# -- logins, lock-outs and trainings


@pytest.mark.shows("REQ-049", "HZ-037")
@pytest.mark.parametrize("step", STEPS, ids=str)
async def test_a_login_lasts_as_long_as_it_does_whatever_the_wall_clock_says(step: timedelta) -> None:
    async with Stepped(safety={"idle_lock_s": 60}) as stack:
        await stack.settled()
        token = (await stack.login()).token
        await asyncio.sleep(30)
        stack.step = step
        await asyncio.sleep(29)
        assert stack.daemon.logins.require(token, Role.OPERATOR, in_use=False).name == "anna"
        await asyncio.sleep(1.1)
        with pytest.raises(NotAuthorised, match="without use"):
            stack.daemon.logins.require(token, Role.OPERATOR, in_use=False)


@pytest.mark.shows("REQ-049", "HZ-037")
@pytest.mark.parametrize("step", STEPS, ids=str)
async def test_a_lock_out_lasts_five_minutes_whatever_the_wall_clock_says(step: timedelta) -> None:
    async with Stepped() as stack:
        await stack.login()
        logins = stack.daemon.logins
        for _ in range(5):
            with pytest.raises(NotAuthorised):
                await logins.login("anna", "wrong")
        stack.step = step
        await asyncio.sleep(LOCK_OUT_US / 1e6 - 1)
        with pytest.raises(NotAuthorised) as caught:
            await logins.login("anna", "anna")
        assert caught.value.reason is Reason.LOCKED_OUT
        await asyncio.sleep(1.1)
        assert await logins.login("anna", "anna")


@pytest.mark.shows("REQ-045", "REQ-049", "HZ-037")
@pytest.mark.parametrize("step", [timedelta(0), *STEPS], ids=str)
@pytest.mark.parametrize("ask", ["open", "resume", "arm"])
async def test_no_step_of_the_wall_clock_lengthens_a_training(ask: str, step: timedelta) -> None:
    async with Stepped() as stack:
        await stack.settled()
        who, console, store = await stack.login(), stack.daemon.console, stack.store
        assert store is not None
        store.record_training("anna", 755, stack.wall_clock() + timedelta(seconds=60), actor="x", now_us=0)
        await stack.acknowledge()
        text = plan_text(series=[5])
        if ask != "open":
            await console.open_session(who, text, "plan", 755, checklist=True)
        stack.step = step
        await asyncio.sleep(61)
        asks: dict[str, Callable[[], Awaitable[object]]] = {
            "open": lambda: console.open_session(who, text, "plan", 755, checklist=True),
            "resume": lambda: console.resume_session(who, 755, checklist=True),
            "arm": lambda: console.arm(who),
        }
        with pytest.raises(Declined) as caught:
            await asks[ask]()
        assert (caught.value.status, caught.value.code) == (403, "operator.training")
        assert stack.device.arm_epoch == 0


@pytest.mark.shows("REQ-049", "HZ-037")
async def test_a_clock_that_was_ahead_and_is_put_right_bars_nobody_for_longer() -> None:
    async with Stepped() as stack:
        await stack.settled()
        who, console, store = await stack.login(), stack.daemon.console, stack.store
        assert store is not None
        store.record_training("anna", 755, stack.wall_clock() + HOUR / 2, actor="x", now_us=0)
        await stack.acknowledge()
        stack.step = HOUR
        with pytest.raises(Declined, match="expired"):
            await console.open_session(who, plan_text(), "plan", 755, checklist=True)
        stack.step = timedelta(0)
        assert (await console.open_session(who, plan_text(), "plan", 755, checklist=True))["state"] == "open"


def test_today_is_never_behind_the_monotonic_clock() -> None:
    began = datetime(2026, 1, 1, tzinfo=UTC)
    wall, mono_us = [began], [5]
    today = Today(lambda: wall[0], lambda: mono_us[0])
    for passed_s in (0, 1, 3600, 86_400):
        mono_us[0] = 5 + passed_s * SECOND_US
        for step in (timedelta(0), HOUR, -HOUR, timedelta(days=-400)):
            true = began + timedelta(seconds=passed_s)
            wall[0] = true + step
            assert today() == max(true, true + step)


# -- a training that ends


def test_a_training_is_told_of_from_thirty_days_before_its_end() -> None:
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    tick = timedelta(microseconds=1)
    for left, told, expired in (
        (NOTICE + tick, False, False),
        (NOTICE, True, False),
        (timedelta(days=1), True, False),
        (tick, True, False),
        (timedelta(0), True, True),
        (-timedelta(days=400), True, True),
    ):
        operator = person("ann", training={755: now + left})
        found = ending(operator, now)
        assert [one["expired"] for one in found] == ([expired] if told else []), left
        assert operator.trained(755, now) is not expired
    many = person("ann", training={1064: now, 532: now + timedelta(days=3, hours=5), 755: now + 2 * NOTICE})
    assert [(one["wavelength_nm"], one["days_left"], one["expired"]) for one in ending(many, now)] == [
        (532, 3, False),
        (1064, 0, True),
    ]
    assert NOTICE.days == 30


def test_the_status_counts_those_who_can_log_in_and_says_who_is_lacking() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    barred = person("bert", Role.ADMINISTRATOR, active=False, training={755: now})
    viewer = person("vic", Role.VIEWER)
    empty = people_report([], now)
    assert (empty["operators"], empty["administrators"], len(empty["lacking"])) == (0, 0, 2)
    assert people_report([barred, viewer], now) == empty
    one = people_report([person("ann", training={755: now}), barred], now)
    assert (one["operators"], one["administrators"]) == (1, 0)
    assert ["--role administrator" in text for text in one["lacking"]] == [True]
    assert [told["name"] for told in one["training"]] == ["ann"]
    both = people_report([person("ada", Role.ADMINISTRATOR)], now)
    assert (both["operators"], both["administrators"], both["lacking"]) == (1, 1, [])


async def test_login_and_status_tell_of_a_training_that_ends() -> None:
    async with Stack() as stack:
        await stack.settled()
        await stack.login()
        assert stack.store is not None
        ends = stack.wall_clock() + timedelta(days=9, hours=1)
        stack.store.record_training("anna", 755, ends, actor="x", now_us=0)
        answer = await stack.daemon.console.login("anna", "anna")
        (told,) = answer["training"]
        assert told["text"] == f"anna's training for 755 nm ends on {ends:%Y-%m-%d}, in 9 days"
        await asyncio.sleep(1.1)
        assert stack.daemon.console.status()["people"]["training"] == [told]
