"""The key that defeats the open cover's interlock: it is told, it ends light and lets none begin."""

from __future__ import annotations

import pytest

from protocols.faults import Fault
from protocols.messages import Beam, Leave
from protocols.refusals import Refusal
from protocols.requests import Acknowledge, Calibrate
from protocols.states import State
from sim_device.operator import ActionError, perform
from sim_device.plant.contacts import Contacts
from tests.safety_case.ward import MS, S, Ward, staged, ward_at

pytestmark = pytest.mark.shows("REQ-009", "HZ-039")

GATED_US = 10 * MS  # REQ-007


def in_service() -> Ward:
    """A laser with its cover open and the key in, its trip acknowledged: what service sees."""
    ward = ward_at("standby")
    ward.act("cover", to="open")
    ward.run(100 * MS)
    assert ward.fault is Fault.COVER
    ward.act("defeat-key", to="in")
    ward.run(100 * MS)
    ward.do(Acknowledge(ward.device.faults.instance))
    ward.run(100 * MS)
    return ward


def blocks(ward: Ward) -> frozenset[Refusal]:
    assert ward.status is not None
    return ward.status.blocks


def test_with_the_key_in_the_chain_reads_closed_and_the_cover_is_open_in_truth() -> None:
    ward = in_service()
    assert ward.state is State.STANDBY
    assert ward.device.open_interlocks == 0
    assert ward.simulator.plant.contacts.open_names() == ("cover_closed",)


def test_the_defeat_is_told_by_a_lamp_at_the_laser_and_by_the_status_as_long_as_the_key_is_in() -> None:
    ward = ward_at("standby")
    plant = ward.simulator.plant
    assert not plant.defeat_lamp_lit
    assert Refusal.COVER_DEFEATED not in blocks(ward)
    ward = in_service()
    plant = ward.simulator.plant
    assert plant.defeat_lamp_lit
    assert Refusal.COVER_DEFEATED in blocks(ward)
    ward.run(20 * S)
    assert plant.defeat_lamp_lit
    ward.act("defeat-key", to="out")
    ward.run(100 * MS)
    assert not plant.defeat_lamp_lit
    assert Refusal.COVER_DEFEATED not in blocks(ward)
    assert ward.fault is Fault.COVER  # nobody bridges it any more


@pytest.mark.parametrize("to", ["off", "on"])
def test_the_lamp_is_lit_in_off_and_in_fault_too(to: str) -> None:
    ward = ward_at("standby")
    ward.act("cover", to="open")
    ward.act("key", to=to)
    ward.act("defeat-key", to="in")
    ward.run(S)
    assert ward.state is (State.OFF if to == "off" else State.FAULT)
    assert ward.simulator.plant.defeat_lamp_lit
    ward.act("power", to="cut")
    assert not ward.simulator.plant.defeat_lamp_lit


@pytest.mark.parametrize("beam", Beam)
def test_with_the_key_in_arming_is_refused_by_name_whatever_the_beam(beam: Beam) -> None:
    ward = in_service()
    ward.commit(staged())
    ward.run(100 * MS)
    assert Refusal.COVER_DEFEATED in ward.refusals(ward.arm_request(beam))
    ward.run(5 * S)
    assert ward.state is State.STANDBY
    assert ward.pulses_since(0) == ward_at("standby").pulses_since(0)


def test_with_the_key_in_no_calibration_begins() -> None:
    ward = in_service()
    ward.act("dock")
    ward.run(100 * MS)
    before = len(ward.pulses)
    assert Refusal.COVER_DEFEATED in ward.refusals(Calibrate())
    ward.run(5 * S)
    assert len(ward.pulses) == before


def test_once_the_key_is_out_and_the_cover_closed_the_laser_treats_again() -> None:
    ward = in_service()
    ward.act("defeat-key", to="out")
    ward.act("cover", to="close")
    ward.run(100 * MS)
    ward.do(Acknowledge(ward.device.faults.instance))
    ward.run(S)
    assert Refusal.COVER_DEFEATED not in blocks(ward)
    ward.prepare()
    ward.to_ready()
    assert ward.state is State.READY


@pytest.mark.parametrize("stage", ["arming", "ready", "emitting"])
def test_the_key_put_in_while_armed_ends_it_and_there_is_no_light_after_it(stage: str) -> None:
    """By its own line alone: the cover reads closed, as if the key had been put in through a closed one."""
    ward = ward_at(stage)
    since_us = ward.now_us
    ward.inject("input-stuck", line="defeat_key_out", to=False)
    ward.when(lambda: not ward.gate_open and ward.charger_inhibited, GATED_US)
    assert not ward.gate_open
    assert ward.charger_inhibited
    ward.run(2 * S)
    assert (ward.state, ward.device.leave) == (State.STANDBY, Leave.COVER_DEFEATED)
    assert ward.closed
    assert ward.light_after(since_us + GATED_US) == []
    assert Refusal.COVER_DEFEATED in ward.refusals(ward.arm_request())


@pytest.mark.parametrize("shots", [1, 4], ids=["onto the shutter", "into the port"])
def test_the_key_put_in_while_calibrating_ends_it_without_a_fault_and_without_more_light(shots: int) -> None:
    ward = ward_at("standby")
    ward.act("dock")
    ward.run(100 * MS)
    ward.do(Calibrate())
    before = len(ward.pulses)
    ward.when(lambda: len(ward.pulses) >= before + shots, 20 * S)
    assert ward.state is State.CALIBRATING
    ward.run(5 * MS)  # in which the last is measured and judged
    ward.inject("input-stuck", line="defeat_key_out", to=False)
    fired = len(ward.pulses)
    ward.run(2 * S)
    assert len(ward.pulses) == fired
    assert (ward.state, ward.fault) == (State.STANDBY, Fault.NONE)
    assert not ward.device.calibrator.valid


def test_the_cover_cannot_be_closed_over_the_key_nor_the_key_put_in_under_it() -> None:
    ward = ward_at("standby")
    simulator = ward.simulator
    with pytest.raises(ActionError, match="open the cover first"):
        perform(simulator, "defeat-key", {"to": "in"}, simulator.now_us)
    assert simulator.plant.contacts.defeat_key_out
    ward = in_service()
    with pytest.raises(ActionError, match="take it out first"):
        perform(ward.simulator, "cover", {"to": "close"}, ward.simulator.now_us)
    assert not ward.simulator.plant.contacts.cover_closed


@pytest.mark.parametrize("cover_closed", [False, True])
@pytest.mark.parametrize("key_out", [False, True])
@pytest.mark.parametrize("forced", [None, "cover_a_closed", "cover_b_closed"])
def test_both_contacts_of_the_cover_conduct_when_it_is_closed_or_bridged(
    cover_closed: bool, key_out: bool, forced: str | None
) -> None:
    contacts = Contacts(cover_closed=cover_closed, defeat_key_out=key_out)
    if forced:
        contacts.forced[forced] = False  # a broken contact stays open, bridged or not
    levels = contacts.levels(level_ok=True, thermostat_closed=True)
    for line in ("cover_a_closed", "cover_b_closed"):
        assert levels[line] is ((cover_closed or not key_out) and line != forced)
