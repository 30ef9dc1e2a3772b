"""The footswitch before its time: in STANDBY, while arming and through the delay no press makes light."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.messages import Foot
from protocols.refusals import Refusal
from protocols.requests import Standby
from protocols.states import State
from rig.laser import warm_laser
from tests.safety_case.ward import MS, RATES_MHZ, S, Ward, staged, ward_at

PRESSES, PARTS = 10_000, range(4)  # REQ-001: so many in all, in parts that run beside each other
DELAY_US = (2 * S, 4 * S)  # REQ-002: from the indicator to the earliest possible pulse
SHOWN_US = 100 * MS  # REQ-003


class Dark:
    """Looks at every step of the firmware whether light is possible at all."""

    def __init__(self, ward: Ward) -> None:
        self.plant = ward.simulator.plant
        self.before = self.plant.truth.total
        self.triggers = self.plant.truth.triggers

    def check(self) -> None:
        """No pulse, and the hardware holds one channel at least, in the proofs of ARMING too."""
        assert self.plant.truth.total == self.before
        assert self.plant.truth.triggers == self.triggers
        assert not self.plant.gate_open or self.plant.capacitor.volts(self.plant.now_us) < 60


def press(ward: Ward, down: bool) -> None:
    """Move the pedal and nothing else: thousands of presses need no host."""
    simulator = ward.simulator
    simulator.act(lambda plant: plant.foot.move(plant.now_us, down), simulator.now_us)


@pytest.mark.shows("REQ-001", "HZ-001")
@pytest.mark.parametrize("part", PARTS)
def test_no_press_of_ten_thousand_in_standby_makes_light(part: int) -> None:
    ward = Ward.on(warm_laser(11, "native"))
    dark, chance = Dark(ward), random.Random(f"standby/{part}")
    for _ in range(PRESSES // len(PARTS)):
        for down in (True, False):
            press(ward, down)
            ward.simulator.advance(
                ward.now_us + chance.choice((100, 2 * MS, 6 * MS, chance.randrange(60 * MS)))
            )
            dark.check()
    assert ward.state is State.STANDBY


@pytest.mark.shows("REQ-001", "HZ-001")
@pytest.mark.parametrize("part", PARTS)
def test_no_press_of_ten_thousand_while_arming_makes_light(part: int) -> None:
    ward = Ward.on(warm_laser(11, "native"))
    dark, chance, given_presses = Dark(ward), random.Random(f"arming/{part}"), 0
    wanted = PRESSES // len(PARTS)
    while given_presses < wanted:
        ward.arm()
        while ward.state is State.ARMING and given_presses < wanted:
            for down in (True, False):
                press(ward, down)
                ward.run(chance.choice((100, 2 * MS, 6 * MS, 12 * MS)))
                dark.check()
            given_presses += 1
        assert ward.state in {State.ARMING, State.READY}
        ward.do(Standby())
        ward.run(150 * MS)
    assert given_presses == wanted


@pytest.mark.shows("REQ-001")
def test_ready_is_entered_by_an_arm_command_and_by_nothing_that_hands_do() -> None:
    ward = ward_at("standby")
    acts = [
        *(("foot", "press"), ("foot", "release"), ("door", "open"), ("door", "close"), ("remote", "open")),
        *(("remote", "close"), ("estop", "press"), ("estop", "release"), ("key", "off"), ("key", "on")),
    ]
    for action, to in acts:
        ward.act(action, to=to)
        ward.run(300 * MS)
        assert ward.state not in {State.ARMING, State.READY, State.EMITTING}


@pytest.mark.shows("REQ-002", "REQ-012", "HZ-032")
@pytest.mark.parametrize("rate_mhz", RATES_MHZ)
def test_the_earliest_possible_pulse_comes_two_to_four_seconds_after_the_indicator(rate_mhz: int) -> None:
    ward = ward_at("standby", staged(rate_mhz))
    ward.arm()
    indicator = ward.simulator.plant.lights.indicator
    ward.when(lambda: indicator.level, S)
    lit_us = ward.now_us
    ward.when(lambda: ward.state is State.READY, 5 * S)
    ward.grant()
    ward.press()
    before = len(ward.pulses)
    ward.when(lambda: len(ward.pulses) > before, 5 * S)
    assert DELAY_US[0] <= ward.pulses[-1].time_us - lit_us <= DELAY_US[1]
    for _ in range(3):
        before = len(ward.pulses)
        ward.when(lambda: len(ward.pulses) > before, 5 * S)  # noqa: B023 - called at once
        assert indicator.level


@pytest.mark.shows("REQ-002", "HZ-032")
@given(
    pressed_us=st.integers(0, 2_500 * MS), held_us=st.integers(100, 3 * S), granted_us=st.integers(0, 3 * S)
)
def test_no_press_at_any_time_makes_light_within_two_seconds_of_the_indicator(
    pressed_us: int, held_us: int, granted_us: int
) -> None:
    ward = ward_at("standby")
    ward.arm()
    lit_us, before = ward.now_us, len(ward.pulses)
    events = sorted(((pressed_us, "press"), (pressed_us + held_us, "release"), (granted_us, "grant")))
    for at_us, what in events:
        ward.run(max(0, lit_us + at_us - ward.now_us))
        if what == "grant":
            ward.refusals(ward.grant_request())  # refused or not
        else:
            ward.act("foot", to=what)
    ward.run(S)
    for pulse in ward.pulses[before:]:
        assert pulse.time_us - lit_us >= DELAY_US[0]
        assert pulse.foot_pressed or pulse.time_us - lit_us <= pressed_us + held_us + 20 * MS


@pytest.mark.shows("REQ-002", "REQ-003", "HZ-032")
@pytest.mark.parametrize("pressed_ms", [0, 1, 100, 1_000, 1_900, 1_990, 1_996, 1_999])
def test_a_press_held_through_the_delay_does_not_fire_at_its_end(pressed_ms: int) -> None:
    ward = ward_at("standby")
    ward.arm()
    before = len(ward.pulses)
    ward.run(pressed_ms * MS)
    ward.press()
    ward.run(4 * S)
    assert len(ward.pulses) == before
    if ward.state is State.READY:  # pressed in the very last moment, after READY and before any grant
        assert Refusal.FOOT_HELD in ward.refusals(ward.grant_request())
    ward.release()
    ward.until(State.READY)
    ward.run(50 * MS)
    ward.grant()
    ward.run(S)
    assert len(ward.pulses) == before
    ward.press()
    ward.run(S)
    assert len(ward.pulses) > before  # a fresh one does


@pytest.mark.shows("REQ-003")
@pytest.mark.parametrize("stage", ["standby", "arming", "ready"])
def test_a_held_foot_is_shown_as_a_block_within_100_ms_and_its_release_clears_it(stage: str) -> None:
    ward = Ward() if stage == "standby" else ward_at(stage)
    if stage == "ready":
        ward.do(Standby())
        ward.run(200 * MS)
    ward.press()
    ward.run(SHOWN_US)
    assert ward.status is not None
    assert ward.status.foot is Foot.PRESSED
    assert Refusal.FOOT_HELD in ward.status.blocks
    ward.release()
    ward.run(SHOWN_US)
    assert Refusal.FOOT_HELD not in ward.status.blocks
    assert not ward.status.faults  # a block, not a fault
