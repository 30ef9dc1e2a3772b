"""The host's books of permits over restarts and reconnections: what is recalled, judged, never used twice."""

import asyncio

import pytest

from controller.recorder import grant_id
from controller.store import CommandOutcome
from protocols.messages import PulseReport
from protocols.requests import ReadCounters
from rig.stack import Stack, plan_text
from safety.latches import LatchId
from sim_device.vices import Drop

VIRTUAL_TIME = True


@pytest.mark.parametrize("outcome", [None, *CommandOutcome])
@pytest.mark.parametrize("ours", [True, False])
async def test_only_what_this_device_may_have_been_granted_is_recalled(
    stack: Stack, outcome: CommandOutcome | None, ours: bool
) -> None:
    await stack.settled()
    await stack.end_daemon()
    store = stack.records.open()
    body = {"permit_id": 77, "pulses": 20, "session_id": "x", "serial": stack.serial if ours else "other"}
    store.begin_command(grant_id(77), "grant", body, actor="daemon", now_us=0)
    if outcome is not None:
        store.end_command(grant_id(77), outcome, "", now_us=0)
    stack.start_daemon()
    await stack.until(lambda: stack.status is not None, "taken in")
    refused = outcome in {CommandOutcome.REFUSED, CommandOutcome.FAILED}
    assert stack.daemon.supervisor._known.books.used(77) == (ours and not refused)


async def test_pulses_reported_while_the_laser_is_taken_in_are_judged_before_they_are_recorded(
    stack: Stack,
) -> None:
    await stack.prepare(plan_text(series=[20]))
    await stack.arm()
    await stack.fire(5)
    stack.line.to_host.vices = (Drop().only(PulseReport),)
    enough = stack.truth.aperture + 3
    await stack.until(lambda: stack.truth.aperture >= enough, "unreported pulses")
    stack.line.unplug()
    stack.release()
    await asyncio.sleep(1)
    seen = stack.daemon.supervisor.view(stack.loop.now_us()).pulses_seen
    recorded = stack.recorded
    stack.line.to_host.vices = ()
    stack.line.to_device.vices = (Drop().only(ReadCounters, times=2),)  # 0.6 s, in which the reports come in
    stack.line.plug_in()
    await stack.until(lambda: stack.recorded > recorded and stack.daemon.recorder.balanced, "all recorded")
    judged = stack.daemon.supervisor.view(stack.loop.now_us()).pulses_seen - seen
    assert judged == stack.recorded - recorded >= 3
    assert LatchId.UNPERMITTED_LIGHT not in stack.latched


async def test_a_permit_never_has_the_number_of_an_earlier_one(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The numbers are 32 bits of chance, and the record keeps every one for ever."""
    await stack.prepare(plan_text(series=[2, 2]))
    chance = [12345, 12345, 12345, 54321]
    monkeypatch.setattr(stack.daemon.treatment, "_new_permit_id", lambda: chance.pop(0))
    await stack.arm()
    await stack.give_all()
    assert chance == []
    given = [p.permit_id for p in stack.reader.pulses(stack.serial) if p.session_id is not None]
    assert given == [12345, 12345, 54321, 54321]
    assert stack.truth.aperture == 4
    assert stack.latched == set()
