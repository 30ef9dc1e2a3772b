"""Single promises, told by hand what happened."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from controller.store import DeviceRecord, PulseRecord
from protocols.frame import Frame
from protocols.messages import AckPulses, Result
from protocols.requests import Acknowledge, Reply
from rig.invariants import BY_NAME, Witness
from rig.invariants.stops import hung_until_us
from rig.laser import warm_laser
from rig.records import Records
from rig.simulate import simulate
from sim_device.faults import Injector
from sim_device.operator import perform
from tests.controller.stored import SERIAL as RECORDED
from tests.controller.stored import opened, pulse
from tests.rig.broken_device import blind_to_the_door
from tests.rig.scenes import DOOR
from tests.still_laser import status

SESSION, SEQ = 7, 3
NOW = datetime(2030, 1, 1, tzinfo=UTC)
DONE = Reply(Result.DONE, frozenset(), 0)


def witnessed(name: str, pulses: list[PulseRecord]) -> Witness:
    """A witness of one promise, over a database that begins after pulse 100 and has these."""
    records = Records(None, lambda: NOW)
    store = records.open()
    store.save_device(DeviceRecord(RECORDED, "model", "1", simulated=True, identity={}, baseline_pulse=100))
    opened(store, "planned 10", planned=10)
    store.record_pulses(pulses)
    witness = Witness(warm_laser(1), [BY_NAME[name]], reader=records.reader, serial=RECORDED)
    witness.counted_before = 100
    return witness


def gone_after(answer: Frame) -> list[str]:
    """What is told when a fault goes after its acknowledgement was answered so."""
    witness = Witness(warm_laser(1), [BY_NAME["trips-stay"]])
    (promise,) = witness.invariants
    promise.told(0, Frame(0, 0, status(fault_instance=5)))
    promise.heard(1, Frame(SESSION, SEQ, Acknowledge(5)))
    promise.told(2, answer)
    promise.told(3, Frame(0, 0, status(fault_instance=0)))
    return [violation.text for violation in witness.violations]


def test_a_fault_may_go_when_its_acknowledgement_was_done() -> None:
    assert not gone_after(Frame(SESSION, SEQ, DONE))


@pytest.mark.parametrize(
    "answer",
    [
        Frame(SESSION, SEQ, Reply(Result.REFUSED, frozenset(), 0)),
        Frame(SESSION + 1, SEQ, DONE),
        Frame(SESSION, SEQ + 1, DONE),
    ],
    ids=["refused", "of another session", "of another request"],
)
def test_a_fault_may_not_go_by_an_answer_that_is_not_done_or_not_its_own(answer: Frame) -> None:
    assert gone_after(answer) == ["fault instance 5 is gone, and nobody acknowledged it"]


def test_people_are_seen_while_the_processor_hangs_and_while_there_is_no_power() -> None:
    simulator = warm_laser(1)
    witness = Witness(simulator, [])
    for stop in (simulator.hang, lambda now_us: simulator.set_power(False, now_us)):
        stop(simulator.now_us)
        for door in ("open", "close"):
            perform(simulator, "door", {"to": door}, simulator.now_us + 1_000)
            simulator.advance(simulator.now_us + 10)
            assert not simulator.running
            assert ("door_closed" in witness.open_since) is (door == "open")
            assert ("door_closed" in witness.seen_since) is (door == "open")
        simulator.advance(simulator.now_us + 1_000_000)


def test_a_hang_gives_the_watchdogs_time_and_an_emergency_stop_none_unless_its_relay_is_welded() -> None:
    simulator = warm_laser(1)
    witness = Witness(simulator, [])
    injector, now_us = Injector.of(simulator), simulator.now_us
    injector.inject("processor-hangs")
    assert hung_until_us(witness, "door_closed is not so any more", now_us) == now_us + 59_000
    assert hung_until_us(witness, "estop_closed is not so any more", now_us) == -1
    injector.inject("estop-relay-welded")
    assert hung_until_us(witness, "estop_closed is not so any more", now_us) == now_us + 59_000


def test_a_bridge_excuses_a_guard_only_while_it_is_there() -> None:
    bridge = {"name": "interlock-bridged", "contact": "door", "at_s": 3.0, "for_s": 2.0}
    script = replace(DOOR, events=(DOOR.events[0],), faults=(bridge,))  # the door opens at 4.5 s
    assert not simulate(script, 1, clock=float).violations
    blind = simulate(script, 1, clock=float, attach=blind_to_the_door)
    found = {one.invariant: one.at_us - blind.began_us for one in reversed(blind.violations)}
    assert {"guard-trips", "interlocks-closed"} <= set(found)
    assert found["guard-trips"] == 5_010_001
    assert found["interlocks-closed"] > 5_010_000


@pytest.mark.parametrize(
    ("number", "wrong"),
    [(0, False), (100, False), (101, False), (102, True)],
    ids=["none", "of another database", "on disk", "nowhere"],
)
def test_what_is_acknowledged_is_on_disk_or_from_before_the_database_began(number: int, wrong: bool) -> None:
    witness = witnessed("acknowledged-after-disk", pulses=[pulse(101)])
    (promise,) = witness.invariants
    promise.heard(0, Frame(SESSION, SEQ, AckPulses(number)))
    assert bool(witness.violations) is wrong


@pytest.mark.parametrize(("recorded", "wrong"), [(10, False), (11, True)])
def test_more_records_than_a_plan_has_pulses_are_told_although_no_such_light_was(
    recorded: int, wrong: bool
) -> None:
    pulses = [pulse(number, "planned 10") for number in range(101, 101 + recorded)]
    witness = witnessed("within-plan", pulses=pulses)
    (promise,) = witness.invariants
    promise.ended()
    assert bool(witness.violations) is wrong
