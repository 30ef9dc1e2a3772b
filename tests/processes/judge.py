"""What must hold after whatever was done to a stack: how emission ends, and how it comes back."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from controller.processes import Child
from controller.store import PulseRecord
from tests.processes.rig import STOP_US, Rig, Truth
from tests.processes.status import state

ARMED = {"READY", "EMITTING", "ARMING"}


def lit(records: Sequence[PulseRecord]) -> int:
    """Recorded pulses that left the aperture for certain."""
    return sum(pulse.aperture and not pulse.flags & {"skipped", "missing", "unknown"} for pulse in records)


def unknown(records: Sequence[PulseRecord]) -> int:
    return sum(pulse.unknown for pulse in records)


async def emission_ends(rig: Rig, act: Callable[[], object], *, to_us: int = STOP_US) -> tuple[Truth, int]:
    """Do `act` while the laser may fire; its truth a second later, and the device time just before the act.

    Between the act and a quarter of a second of the device's time after it, everything must have ended.
    """
    at_us = await rig.stop_dating(act)
    armed_us = at_us
    while True:
        seen = await rig.control.state()
        if seen["state"] in ARMED:
            armed_us = seen["now_us"]
        elif seen["plant"]["shutter_position"] == 0.0:
            break
        assert seen["now_us"] < at_us + 4 * STOP_US, f"{seen['state']} a second after the act"
    assert armed_us - at_us <= to_us, "the laser stayed armed"
    await rig.device_time(at_us + 4 * STOP_US)
    truth = await rig.truth()
    assert truth.last_us - at_us <= to_us, "light after the time in which emission must have ended"
    return truth, at_us


async def back_to_standby(rig: Rig, session_id: str, counted: int, *, store_failed: bool = False) -> None:
    """From a daemon that has connected again, to a resumed session with `counted` pulses given."""
    now = await rig.until("the laser is heard", lambda now: bool(state(now)))
    assert state(now).upper() not in ARMED, "READY came back by itself"
    await rig.login_again()
    await rig.foot("release")
    names = await rig.acknowledge()
    assert names, "the trip was not latched"
    assert ("store_failed" in names) is store_failed, rig.log_tail()
    await rig.until_standby()
    session = rig.session(session_id)
    assert session.state.value == "interrupted"
    assert session.delivered_pulses == counted
    assert (await rig.resume())["remaining"] == session.planned_pulses - counted


def running(child: Child | None) -> Child:
    assert child is not None
    return child
