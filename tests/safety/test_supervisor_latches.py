"""Every latch of the supervisor: what sets it, that it stays while its cause is there, how it goes."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from protocols.faults import Fault
from protocols.messages import Intent, PulseFlag
from protocols.requests import Acknowledge
from protocols.states import State
from safety.freshness import Input
from safety.latches import LATCHES, LatchId
from safety.reactions import LatchCleared, LatchSet, Reaction, StopNow
from tests.safety.desk import Desk, latched, stops
from tests.safety.laser import COUNTERS, GRANT, TELEMETRY

L = LatchId


def _fault(desk: Desk) -> list[Reaction]:
    return desk.status(state=State.FAULT, first_fault=Fault.DOOR, fault_instance=5)


def _no_fault(desk: Desk) -> None:
    desk.status(state=State.STANDBY, first_fault=Fault.NONE, fault_instance=0)


def _restart(desk: Desk) -> list[Reaction]:
    desk.take(desk.supervisor.link_down("silent", desk.now_us))
    reactions = desk.connect(boot=8, session=78)
    desk.last = replace(desk.last, boot=8, device_time_us=0, state=State.STANDBY, permit_id=0)
    return reactions


def _stale(desk: Desk) -> list[Reaction]:
    desk.wait(200_000)
    desk.take(desk.supervisor.tick(desk.now_us))
    desk.wait(100_001)
    desk.supervisor._known.freshness.note(Input.TICK, desk.now_us)
    return desk.take(desk.supervisor.tick(desk.now_us))


def _lag(desk: Desk) -> list[Reaction]:
    return desk.take(desk.supervisor.loop_lag(100_001, desk.now_us))


def _gap(desk: Desk) -> list[Reaction]:
    return desk.fire(101) + desk.fire(101, monitor_a_uj=172_000)


def _missing_report(desk: Desk) -> list[Reaction]:
    desk.fire(102)
    for _ in range(16):
        desk.wait(100_000)
        desk.refresh()
    return [reaction for reaction in desk.reactions if isinstance(reaction, LatchSet | StopNow)]


def _nothing(desk: Desk) -> None:
    """The event is over as soon as the laser is disarmed."""


SETTERS: list[tuple[str, LatchId, Callable[[Desk], list[Reaction]], Callable[[Desk], None] | None]] = [
    ("reconnected", L.RECONNECTED, Desk.reconnect, _nothing),
    ("restarted", L.DEVICE_RESTARTED, _restart, _nothing),
    ("stale", L.STALE, _stale, _nothing),
    (
        "uncertain",
        L.UNCERTAIN,
        lambda desk: desk.take(desk.supervisor.uncertain("cmd-9", "no answer to Grant", desk.now_us)),
        lambda desk: desk.supervisor.settled("cmd-9"),
    ),
    (
        "unknown pulse",
        L.UNCERTAIN,
        lambda desk: desk.fire(101, flags=frozenset({PulseFlag.UNKNOWN})),
        lambda desk: [desk.observe(replace(COUNTERS, pulse_number=101))].clear(),
    ),
    (
        "unknown pulse, settled by hand",
        L.UNCERTAIN,
        lambda desk: desk.fire(101, flags=frozenset({PulseFlag.UNKNOWN})),
        lambda desk: desk.supervisor.pulses_settled(101, desk.now_us),
    ),
    ("unknown permit", L.UNPERMITTED_LIGHT, lambda desk: desk.fire(101, permit_id=5), _nothing),
    ("no permit", L.UNPERMITTED_LIGHT, lambda desk: desk.fire(101, permit_id=0), _nothing),
    (
        "emitting under another permit",
        L.UNPERMITTED_LIGHT,
        lambda desk: desk.status(state=State.EMITTING, permit_id=4),
        _nothing,
    ),
    ("other permit", L.UNEXPECTED_STATE, lambda desk: desk.status(permit_id=4), _nothing),
    ("other arming", L.UNEXPECTED_STATE, lambda desk: desk.status(arm_epoch=13), _nothing),
    ("energy", L.PULSE_JUDGEMENT, lambda desk: desk.fire(101, monitor_a_uj=220_000), _nothing),
    ("saturated", L.PULSE_JUDGEMENT, lambda desk: desk.fire(101, monitor_a_uj=5_000_000), _nothing),
    ("width", L.PULSE_JUDGEMENT, lambda desk: desk.fire(101, pulse_width_ps=4_000_000_000), _nothing),
    ("other spot", L.PULSE_JUDGEMENT, lambda desk: desk.fire(101, spot_um=2_000), _nothing),
    ("other energy", L.PULSE_JUDGEMENT, lambda desk: desk.fire(101, set_energy_uj=170_000), _nothing),
    (
        "changed repetition",
        L.COUNTER_GAP,
        _gap,
        lambda desk: desk.supervisor.pulses_settled(101, desk.now_us),
    ),
    (
        "jump",
        L.COUNTER_GAP,
        lambda desk: desk.fire(150),
        lambda desk: desk.supervisor.pulses_settled(150, desk.now_us),
    ),
    (
        "missing report",
        L.COUNTER_GAP,
        _missing_report,
        lambda desk: [desk.fire(101)].clear(),
    ),
    (
        "counter back",
        L.COUNTER_GAP,
        lambda desk: desk.status(pulse_number=99),
        lambda desk: desk.supervisor.pulses_settled(99, desk.now_us),
    ),
    (
        "counters forgot",
        L.COUNTER_GAP,
        lambda desk: desk.observe(replace(COUNTERS, pulse_number=104, acknowledged=104)),
        lambda desk: desk.supervisor.pulses_settled(104, desk.now_us),
    ),
    (
        "cut sensor",
        L.BAD_INPUT,
        lambda desk: desk.observe(replace(TELEMETRY, coolant_mc=-50_000)),
        lambda desk: [desk.observe(TELEMETRY)].clear(),
    ),
    ("device clock back", L.BAD_INPUT, lambda desk: desk.status(device_time_us=1), _nothing),
    ("lag", L.LOOP_LAG, _lag, lambda desk: [desk.supervisor.loop_lag(0, desk.now_us)].clear()),
    (
        "task",
        L.TASK_ENDED,
        lambda desk: desk.take(desk.supervisor.task_ended("writer", desk.now_us)),
        None,  # it ends the daemon
    ),
    (
        "store",
        L.STORE_FAILED,
        lambda desk: desk.take(desk.supervisor.store_state(False, "disk full", desk.now_us)),
        lambda desk: [desk.supervisor.store_state(True, "written", desk.now_us)].clear(),
    ),
]
STAYS = {  # the cause outlives the disarming, so that an acknowledgement must be refused for it
    "uncertain",
    "unknown pulse",
    "unknown pulse, settled by hand",
    "changed repetition",
    "jump",
    "missing report",
    "counter back",
    "counters forgot",
    "cut sensor",
    "lag",
    "task",
    "store",
}


@pytest.mark.shows("REQ-037")
@pytest.mark.parametrize(("name", "which", "happens", "cured"), SETTERS, ids=[row[0] for row in SETTERS])
def test_a_latch_is_set_stays_while_its_cause_is_there_and_goes_afterwards(
    name: str,
    which: LatchId,
    happens: Callable[[Desk], list[Reaction]],
    cured: Callable[[Desk], None] | None,
) -> None:
    desk = Desk().with_permit()
    reactions = happens(desk)
    assert which in latched(reactions)
    latch = desk.latches()[which]
    assert LATCHES[which].text in latch.text
    assert latch.action == LATCHES[which].action
    if which not in {L.RECONNECTED, L.DEVICE_RESTARTED}:  # nobody hears a stop on a link that is gone
        assert stops(reactions)
    # permission is gone at once, by heartbeat, by gate and in the books
    assert desk.supervisor.heartbeat(desk.now_us) is None
    assert "latched" in desk.refused(replace(GRANT, permit_id=950))
    assert desk.supervisor.view(desk.now_us).intent is Intent.IDLE
    # while the laser is armed, or not known not to be, nothing is acknowledged
    assert "host.still_armed" in desk.acknowledge_all()
    assert which in desk.latches()
    # the device follows the stop
    settled_time = max(desk.last.device_time_us, 5_000_000)
    number = max(desk.last.pulse_number, 100)
    quiet: dict[str, Any] = {
        "state": State.STANDBY,
        "permit_id": 0,
        "stop_epoch": 4,
        "device_time_us": settled_time,
        "pulse_number": number,
    }
    desk.status(**quiet)
    if name in STAYS:
        assert "host.cause_present" in desk.acknowledge_all()
        assert which in desk.latches()
        desk.status()  # the mere passing of time and messages takes nothing off
        assert which in desk.latches()
    if cured is None:
        return
    cured(desk)
    assert which in desk.latches()
    assert desk.acknowledge_all() == ()
    assert desk.latches() == {}
    # and leads nowhere near READY
    view = desk.supervisor.view(desk.now_us)
    assert view.state is State.STANDBY
    assert view.intent is Intent.IDLE
    assert "wrong_state" in desk.refused(GRANT)


def test_every_latch_is_provoked() -> None:
    shown_elsewhere = {L.START_UP, L.DEVICE_FAULT}
    assert {which for _, which, _, _ in SETTERS} | shown_elsewhere == set(LatchId) == set(LATCHES)
    assert {name for name, *_ in SETTERS} >= STAYS


@pytest.mark.shows("REQ-008")
def test_the_start_of_the_process_counts_as_a_trip() -> None:
    desk = Desk()
    assert set(desk.latches()) == {L.START_UP}
    assert desk.supervisor.heartbeat(desk.now_us) is None
    assert desk.acknowledge_all() == ("host.still_armed",)  # nothing is known of the laser
    desk.connect()
    assert desk.acknowledge_all() == ("host.still_armed",)
    desk.refresh()
    assert desk.supervisor.heartbeat(desk.now_us) is None
    assert "latched" in desk.arm_refused()
    assert desk.acknowledge_all() == ()
    assert desk.supervisor.heartbeat(desk.now_us) is not None


def test_a_fault_of_the_device_is_mirrored_and_goes_with_the_devices_own_acknowledgement() -> None:
    desk = Desk().emitting()
    reactions = _fault(desk)
    assert latched(reactions) == [L.DEVICE_FAULT]
    assert stops(reactions)
    assert "host.cause_present" in desk.acknowledge_all()
    first = desk.latches()[L.DEVICE_FAULT]
    assert "door" in first.text
    assert latched(_fault(desk)) == []
    second = desk.status(first_fault=Fault.ESTOP, fault_instance=6)
    assert [type(reaction) for reaction in second] == [LatchCleared, LatchSet]
    assert desk.latches()[L.DEVICE_FAULT].instance > first.instance
    assert desk.refused(Acknowledge(6)) == set()
    _no_fault(desk)
    assert desk.latches() == {}
    assert desk.supervisor.view(desk.now_us).state is State.STANDBY


def test_a_fault_seen_first_at_connecting_is_latched_without_a_stop() -> None:
    desk = Desk()
    desk.connect()
    assert latched(_fault(desk)) == [L.DEVICE_FAULT]
    assert not stops(desk.reactions)


def test_a_status_of_another_start_is_not_taken_for_fresh() -> None:
    desk = Desk().in_ready()
    desk.wait(290_000)
    desk.daemon()
    reactions = desk.status(boot=8)
    assert latched(reactions) == [L.DEVICE_RESTARTED]
    assert stops(reactions)
    desk.wait(20_000)
    assert "status" in desk.arm_refused()
    assert "host.still_armed" in desk.acknowledge_all()


@pytest.mark.shows("REQ-037")
def test_a_second_cause_neither_renews_the_latch_nor_hides_the_first() -> None:
    desk = Desk().in_standby()
    desk.take(desk.supervisor.task_ended("writer", desk.now_us))
    first = desk.latches()[L.TASK_ENDED]
    assert latched(desk.take(desk.supervisor.task_ended("mqtt", desk.now_us + 5))) == []
    assert desk.latches()[L.TASK_ENDED] == first
    assert desk.acknowledge_all() == ("host.cause_present",)


@pytest.mark.shows("REQ-037", "REQ-041")
def test_an_acknowledgement_names_the_instance_and_is_all_or_nothing() -> None:
    desk = Desk().in_standby()
    desk.take(desk.supervisor.store_state(False, "disk full", desk.now_us))
    desk.take(desk.supervisor.store_state(True, "written", desk.now_us))
    old = desk.latches()[L.STORE_FAILED].instance
    assert desk.acknowledge_all() == ()
    desk.take(desk.supervisor.store_state(False, "disk full", desk.now_us))
    desk.take(desk.supervisor.store_state(True, "written", desk.now_us))
    new = desk.latches()[L.STORE_FAILED].instance
    assert new > old
    for instances in ([old], [new, old], [0]):
        refused = desk.supervisor.acknowledge(instances, desk.now_us)
        assert [why.code for why in refused] == ["host.other_latch"]
        assert L.STORE_FAILED in desk.latches()
    desk.take(desk.supervisor.task_ended("mqtt", desk.now_us))
    assert desk.acknowledge_all() == ("host.cause_present",)
    assert set(desk.latches()) == {L.STORE_FAILED, L.TASK_ENDED}
    assert desk.supervisor.acknowledge([new], desk.now_us) == ()
    assert set(desk.latches()) == {L.TASK_ENDED}
