"""No pulse is given twice: a read that fails, lost records, a quick foot; and one rule for its dose."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from controller.declined import Declined
from controller.recorder import record_of
from controller.store import SessionState, Store, StoreError
from protocols.messages import PulseFlag, PulseReport
from protocols.states import State
from rig.records import Records
from rig.stack import BEGAN, Stack, plan_text
from safety.fluence import fluence_j_cm2
from safety.latches import LatchId
from sim_device.vices import Drop
from tests.safety.laser import report

VIRTUAL_TIME = True

TWENTY = plan_text(series=[20])
PERIOD_US = 200_000  # of the plan's 5 Hz


async def unreported(stack: Stack, pulses: int) -> None:
    """Give so many pulses that the daemon does not hear of, then kill it; the laser keeps their reports."""
    stack.line.to_host.vices = (Drop().only(PulseReport),)
    enough = stack.truth.aperture + pulses
    await stack.until(lambda: stack.truth.aperture >= enough, "unreported pulses")
    stack.kill_daemon()
    await asyncio.sleep(1)
    stack.release()
    stack.line.to_host.vices = ()


async def test_a_session_that_cannot_be_looked_up_once_takes_its_pulses_later(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stack.prepare(TWENTY)
    await stack.arm()
    await stack.fire(5)
    await unreported(stack, 4)
    given, recorded = stack.truth.aperture, stack.recorded
    assert given - 5 >= 4
    real, failed = Store.command, list[str]()

    def fails_once(store: Store, command_id: str) -> Any:
        if command_id.startswith("grant-") and not failed:
            failed.append(command_id)
            raise StoreError("disk I/O error", "look at the disk")
        return real(store, command_id)

    monkeypatch.setattr(Store, "command", fails_once)
    stack.start_daemon()
    await stack.until(lambda: LatchId.STORE_FAILED in stack.latched, "the failure latched")
    await stack.until(lambda: stack.recorded > recorded and stack.daemon.recorder.balanced, "all on record")
    assert failed
    [session] = stack.reader.sessions()
    assert session.delivered_pulses == given
    await stack.resume()
    await stack.arm()
    await stack.give_all()
    assert stack.truth.aperture == 20
    under_permits = [pulse for pulse in stack.reader.pulses(stack.serial) if pulse.permit_id]
    assert {pulse.session_id for pulse in under_permits} == {session.id}


async def older_database_put_back(stack: Stack, folder: Path) -> int:
    """Give pulses, end, and start on a backup that has five pulses fewer; returns how many were given."""
    await stack.prepare(TWENTY)
    await stack.arm()
    await stack.fire(5)
    backup = folder / "backup.db"
    stack.reader.backup(backup)
    await stack.fire(5)
    stack.release()
    await stack.end_daemon()
    stack.records.close()
    stack.records = Records(backup, stack.wall_clock)
    stack.start_daemon()
    return stack.truth.aperture


@pytest.mark.shows("REQ-046", "HZ-044")
async def test_a_session_that_may_have_given_lost_pulses_is_not_gone_on_with(tmp_path: Path) -> None:
    async with Stack(folder=tmp_path) as stack:
        given = await older_database_put_back(stack, tmp_path)
        await stack.until(lambda: LatchId.COUNTER_GAP in stack.latched, "the gap latched")
        [session] = stack.reader.sessions()
        assert session.delivered_pulses < given
        assert session.state is SessionState.INTERRUPTED
        who = await stack.login()
        await stack.daemon.console.resolve(who, second=stack.second())
        assert stack.reader.session(session.id).state is SessionState.ABANDONED
        await stack.settled()
        assert (await stack.acknowledge())["kept"] == []
        with pytest.raises(Declined, match="no session to resume"):
            await stack.daemon.console.resume_session(who, 755, checklist=True)
        await stack.daemon.recorder.drain()
        assert [e for e in stack.reader.events() if f"session {session.id} was abandoned" in e.text]
        assert stack.truth.aperture == given


async def test_settling_what_lost_no_pulse_leaves_the_session(stack: Stack) -> None:
    await stack.prepare(TWENTY)
    await stack.arm()
    await stack.fire(5)
    await stack.daemon.console.stop("anna", "test")
    stack.release()
    await asyncio.sleep(1)
    await stack.settled()
    await stack.daemon.console.resolve(await stack.login())
    assert stack.reader.sessions()[0].state is SessionState.INTERRUPTED
    await stack.resume()
    await stack.arm()
    await stack.give_all()
    assert stack.truth.aperture == 20


@pytest.mark.parametrize("before_us", [20, 60, 100])
async def test_a_pulse_whose_permission_went_after_its_trigger_is_given_later(
    stack: Stack, before_us: int
) -> None:
    """The foot comes off between lamp trigger and light: the gate keeps the pulse in."""
    await stack.prepare(plan_text(series=[6]))
    await stack.arm()
    await stack.fire(2)
    light_us = stack.truth.pulses[-1].time_us + PERIOD_US
    await asyncio.sleep((light_us - before_us - stack.laser.now_us) / 1e6)
    lit = stack.truth.aperture
    stack.release()
    await asyncio.sleep(1)
    assert stack.truth.aperture == lit
    withdrawn = stack.reader.pulses(stack.serial)[-1]
    assert withdrawn.flags == {"skipped"}
    assert not withdrawn.delivered
    assert stack.latched == set()
    assert stack.device.state is State.READY
    assert stack.reader.sessions()[0].delivered_pulses == lit
    await stack.give_all()
    assert stack.truth.aperture == 6
    assert stack.reader.sessions()[0].state is SessionState.DONE


@pytest.mark.parametrize("flags", [set(), {PulseFlag.UNKNOWN}, {PulseFlag.COMPARATOR}, {PulseFlag.DOUBLE}])
@pytest.mark.parametrize("behind_uj", [0, 171_000, 5_000_000])
@pytest.mark.parametrize("before_uj", [0, 172_000, 260_000, 5_000_000])
def test_the_dose_of_a_pulse_is_the_fluence_of_the_energy_it_counts_with(
    flags: set[PulseFlag], behind_uj: int, before_uj: int
) -> None:
    one = report(flags=frozenset(flags), monitor_a_uj=before_uj, monitor_b_uj=behind_uj)
    pulse = record_of("PL755-0001", one, None, BEGAN, 0)
    measured = [uj for uj in (before_uj, behind_uj) if uj < 5_000_000 and PulseFlag.UNKNOWN not in flags]
    counted_uj = behind_uj if behind_uj in measured else max([173_000, *measured])
    if PulseFlag.DOUBLE in flags:
        counted_uj += 173_000  # of two flashes the monitors hold the second
    counted_mj = counted_uj / 1e3
    assert pulse.delivered_energy_mj == counted_mj
    expected = fluence_j_cm2(counted_mj, 3.5) if counted_mj else 0.0
    assert pulse.fluence_j_cm2 == pytest.approx(expected)
