"""Every guard at every rate, stage and phase: how soon both channels stop the light, and what comes after."""

from __future__ import annotations

import pytest

from protocols.faults import Fault
from protocols.refusals import Refusal
from protocols.requests import Acknowledge
from protocols.states import ARMED, State
from sim_device.operator import perform
from tests.safety_case.ward import GUARDS, MS, RATES_MHZ, S, Ward, staged, ward_at

INHIBIT_US = 10 * MS  # REQ-007: commands and high voltage
CLOSED_US = 50 * MS  # REQ-007, REQ-010, REQ-011
KEY_US = 100 * MS  # REQ-006
SAFE_V, SAFE_US = 60.0, 5 * S  # REQ-026, REQ-027

FAULTS = {
    "estop": Fault.ESTOP,
    "remote": Fault.REMOTE_INTERLOCK,
    "door": Fault.DOOR,
    "cover": Fault.COVER,
    "arm": Fault.ARTICULATED_ARM,
    "mains": Fault.MAINS,
    "handpiece": Fault.HANDPIECE,
}


def opened(guard: str, ward: Ward) -> int:
    """Open it; when."""
    opened_us = ward.now_us
    ward.act(guard, **GUARDS[guard][0])
    return opened_us


def stops_in_time(ward: Ward, since_us: int, closed_us: int = CLOSED_US) -> None:
    """Both channels, each by itself, and no light."""
    outputs = ward.simulator.firmware.outputs
    limit_us = since_us + INHIBIT_US - ward.now_us
    took_us = ward.when(lambda: not ward.gate_open and ward.charger_inhibited, limit_us)
    assert not ward.gate_open
    assert ward.charger_inhibited, took_us
    assert not outputs.shutter_open
    assert not outputs.hv_enable
    ward.when(lambda: ward.closed, since_us + closed_us - ward.now_us)
    assert ward.closed
    ward.run(2 * S)
    assert ward.light_after(since_us + INHIBIT_US) == []
    assert ward.closed
    assert ward.volts < SAFE_V


@pytest.mark.shows("REQ-007", "REQ-010", "REQ-011", "REQ-035", "HZ-039")
@pytest.mark.parametrize("rate_mhz", RATES_MHZ)
@pytest.mark.parametrize("guard", GUARDS)
def test_an_opened_guard_ends_emission_by_both_channels_in_time(guard: str, rate_mhz: int) -> None:
    period_us = 1_000_000_000 // rate_mhz
    for phase_us in sorted(
        {*range(0, period_us, period_us // 8), *range(period_us - 2 * MS, period_us, 600)}
    ):
        ward = ward_at("emitting", staged(rate_mhz))
        ward.run(phase_us)
        stops_in_time(ward, opened(guard, ward))
        assert ward.state is State.FAULT
        assert ward.fault is FAULTS[guard]


@pytest.mark.shows("REQ-006", "HZ-004")
@pytest.mark.parametrize("stage", ["standby", "arming", "ready", "emitting"])
@pytest.mark.parametrize("way", ["turned", "taken"])
def test_the_key_turned_or_taken_leaves_everything_off_within_100_ms(stage: str, way: str) -> None:
    ward = ward_at(stage)
    off_us = ward.now_us
    if way == "turned":
        ward.act("key", to="off")
    else:
        ward.inject("key-lost")
    ward.when(lambda: ward.state is State.OFF and ward.closed and ward.charger_inhibited, KEY_US)
    assert ward.state is State.OFF
    assert ward.now_us - off_us <= KEY_US
    assert ward.closed
    assert ward.charger_inhibited
    assert not ward.gate_open
    ward.press()
    ward.run(2 * S)
    assert ward.light_after(off_us + INHIBIT_US) == []
    assert ward.volts < SAFE_V


@pytest.mark.shows("REQ-007", "REQ-010")
@pytest.mark.parametrize("guard", GUARDS)
def test_a_guard_that_is_open_at_boot_refuses_ready(guard: str) -> None:
    ward = ward_at("standby")
    simulator = ward.simulator
    ward.act(guard, **GUARDS[guard][0])
    ward.act("power", to="cut")
    ward.run(100 * MS)
    ward.act("power", to="return")
    simulator.advance(simulator.now_us + 150 * S)
    assert simulator.state not in ARMED
    host = ward.reconnected()
    refused = host.refusals(host.arm_request())
    assert {Refusal.INTERLOCK_OPEN, Refusal.FAULT_LATCHED} & refused
    assert simulator.state not in ARMED


@pytest.mark.shows("REQ-008", "HZ-040")
@pytest.mark.parametrize("guard", GUARDS)
def test_a_guard_that_closes_again_brings_nothing_back_nor_does_another_host(guard: str) -> None:
    ward = ward_at("emitting")
    since_us = opened(guard, ward)
    for _ in range(5):  # toggled at 1 Hz, with the foot down all the while
        ward.run(500 * MS)
        ward.act(guard, **GUARDS[guard][1])
        ward.run(500 * MS)
        ward.act(guard, **GUARDS[guard][0])
    ward.act(guard, **GUARDS[guard][1])
    ward.run(5 * S)
    again = ward.reconnected()
    again.run(2 * S)
    again.release()
    again.press()
    again.run(S)
    assert again.device.faults.latched
    assert again.light_after(since_us + INHIBIT_US) == []
    again.release()
    again.do(Acknowledge(again.device.faults.instance))
    again.press()
    again.run(2 * S)
    assert again.state is State.STANDBY  # and no further: arming is an operator's act
    assert again.light_after(since_us + INHIBIT_US) == []


@pytest.mark.shows("REQ-008", "REQ-026", "HZ-003")
def test_mains_that_come_back_after_six_seconds_bring_nothing_back() -> None:
    ward = ward_at("emitting")
    lost_us = ward.now_us
    ward.act("mains", to="bad")
    ward.act("power", to="cut")
    ward.run(6 * S)
    ward.act("power", to="return")
    ward.act("mains", to="good")
    again = ward.reconnected()
    again.simulator.advance(again.now_us + 150 * S)
    assert again.simulator.state not in ARMED
    assert again.light_after(lost_us + INHIBIT_US) == []


@pytest.mark.shows("REQ-011", "REQ-027", "HZ-021")
@pytest.mark.parametrize("dead", ["nothing", "hung", "line-cut", "host-silent", "interlocks-unseen"])
@pytest.mark.parametrize("stage", ["standby", "arming", "ready", "emitting"])
def test_the_emergency_stop_needs_no_software(stage: str, dead: str) -> None:
    ward = ward_at(stage)
    simulator = ward.simulator
    if dead == "hung":
        simulator.hang(simulator.now_us)
    elif dead in {"line-cut", "interlocks-unseen"}:
        ward.inject(dead)
    pressed_us = simulator.now_us
    perform(simulator, "estop", {"to": "press"}, pressed_us)
    plant = simulator.plant
    if dead == "host-silent":
        simulator.advance(pressed_us + CLOSED_US)
    else:
        ward.when(lambda: False, CLOSED_US)
    assert not plant.estop_relay  # it feeds high voltage, trigger, Pockels cell, shutter and dump relay
    assert not plant.gate_open
    assert plant.shutter.position(simulator.now_us) <= 0.02
    assert plant.hv_inhibited.level
    simulator.advance(pressed_us + SAFE_US)
    assert plant.capacitor.volts(simulator.now_us) < SAFE_V
    perform(simulator, "estop", {"to": "release"}, simulator.now_us)
    perform(simulator, "foot", {"to": "press"}, simulator.now_us)
    simulator.advance(simulator.now_us + 5 * S)
    assert ward.light_after(pressed_us + 1) == []  # a pulse of that very microsecond was on its way
    assert simulator.state not in ARMED or dead == "interlocks-unseen"


@pytest.mark.shows("REQ-027", "HZ-027")
@pytest.mark.parametrize(
    ("action", "fields"),
    [("key", {"to": "off"}), ("cover", {"to": "open"}), ("estop", {"to": "press"}), ("power", {"to": "cut"})],
)
@pytest.mark.parametrize("stage", ["ready", "emitting"])
def test_the_capacitor_is_safe_in_time_when_high_voltage_goes_off(
    stage: str, action: str, fields: dict[str, str]
) -> None:
    ward = ward_at(stage, staged(energy_uj=200_000))
    ward.when(lambda: ward.volts > 1_000, S)
    ward.act(action, **fields)
    ward.run(SAFE_US)
    assert ward.volts < SAFE_V


@pytest.mark.shows("REQ-027", "HZ-027")
def test_a_dump_that_fails_is_told_after_five_seconds() -> None:
    ward = ward_at("ready", staged(energy_uj=200_000))
    ward.inject("dump-stuck")
    ward.act("cover", to="open")
    ward.run(SAFE_US + 100 * MS)
    assert ward.device.faults.has(Fault.DUMP_FAILED)


@pytest.mark.shows("REQ-009", "HZ-021", "HZ-039")
@pytest.mark.parametrize("channel", ["a", "b"])
@pytest.mark.parametrize("stage", ["standby", "ready", "emitting"])
def test_one_welded_contact_of_the_cover_is_told_and_hides_nothing(stage: str, channel: str) -> None:
    ward = ward_at(stage)
    ward.inject("cover-contact-welded", channel=channel)
    since_us = opened("cover", ward)
    stops_in_time(ward, since_us)
    assert ward.fault is Fault.COVER
    assert ward.device.faults.has(Fault.COVER_DISAGREES)
    ward.act("cover", to="close")
    ward.run(S)
    assert ward.state is State.FAULT


@pytest.mark.shows("REQ-010", "HZ-017", "HZ-016", "HZ-018")
@pytest.mark.parametrize(
    ("action", "fields"),
    [
        ("handpiece", {"name": "FIXED_6"}),
        ("handpiece", {"name": "LENS_ARRAY_6"}),
        ("spot", {"spot_mm": 3.0}),
        ("spot", {"spot_mm": 2.0}),
        ("wavelength", {"wavelength_nm": 532}),
        ("wavelength", {"wavelength_nm": 0}),
    ],
)
@pytest.mark.parametrize("stage", ["arming", "ready", "emitting"])
def test_what_is_exchanged_while_armed_ends_it_and_arms_no_more_as_it_was_set(
    stage: str, action: str, fields: dict[str, object]
) -> None:
    ward = ward_at(stage)
    since_us = ward.now_us
    ward.act(action, **fields)
    ward.run(CLOSED_US)
    assert ward.state is State.STANDBY
    assert ward.closed
    ward.run(S)
    assert ward.light_after(since_us + INHIBIT_US) == []
    refused = ward.refusals(ward.arm_request())
    assert refused & {Refusal.HANDPIECE_DIFFERS, Refusal.SPOT_DIFFERS, Refusal.WAVELENGTH_DIFFERS}
