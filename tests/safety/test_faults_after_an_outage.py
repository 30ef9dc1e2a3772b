"""The device's fault as it was before the line was lost, and as it is afterwards."""

from dataclasses import replace

from protocols.faults import Fault
from protocols.states import State
from safety.latches import LatchId
from safety.reactions import LatchCleared, LatchSet
from tests.safety.desk import Desk

FAULT = LatchId.DEVICE_FAULT


def lost_with_a_fault() -> Desk:
    desk = Desk().in_standby()
    desk.status(state=State.FAULT, first_fault=Fault.DOOR, fault_instance=5)
    desk.take(desk.supervisor.link_down("silent", desk.now_us))
    desk.wait(10_000_000)
    desk.connect(session=78)
    return desk


def test_another_fault_that_came_during_an_outage_is_another_latch() -> None:
    desk = lost_with_a_fault()
    first = desk.latches()[FAULT]
    reactions = desk.status(first_fault=Fault.ESTOP, fault_instance=6)
    assert [type(one) for one in reactions if getattr(one, "latch", None)] == [LatchCleared, LatchSet]
    second = desk.latches()[FAULT]
    assert second.instance > first.instance
    assert "estop, instance 6" in second.text
    assert desk.supervisor.acknowledge([first.instance], desk.now_us)  # the old name acknowledges nothing
    assert desk.latches()[FAULT] == second


def test_the_same_fault_after_an_outage_is_the_same_latch() -> None:
    desk = lost_with_a_fault()
    first = desk.latches()[FAULT]
    desk.status()
    assert desk.latches()[FAULT] == first


def test_a_fault_that_went_during_an_outage_is_latched_no_more() -> None:
    desk = lost_with_a_fault()
    desk.last = replace(desk.last, state=State.STANDBY)
    desk.status(first_fault=Fault.NONE, fault_instance=0)
    assert FAULT not in desk.latches()
