"""How faults of the room, the processor and the serial line bite."""

from __future__ import annotations

import pytest

from protocols.faults import Fault
from protocols.messages import Leave
from protocols.refusals import Refusal
from protocols.requests import ReadCounters, Standby
from protocols.states import ARMED, State
from sim_device.faults import Injection, Injector
from sim_device.firmware.memory import NonVolatile
from tests.sim_device.bites import (
    GATED_US,
    RELEASED_US,
    bites,
    latched,
    leaves,
    trips,
)
from tests.sim_device.desk import ENERGY_UJ, MS, Desk, S

# -- room

trips("mains-dip", "ready", Fault.MAINS)
trips("charger-hot", "ready", Fault.CHARGER_HOT)


@bites("module-exchanged", "ready")
def an_exchanged_module_ends_ready(desk: Desk, _: Injection) -> None:
    leaves(desk, Leave.WAVELENGTH)


@bites("spot-turned", "ready")
def a_turned_ring_ends_ready(desk: Desk, _: Injection) -> None:
    leaves(desk, Leave.SPOT)


@bites("foot-held", "standby")
def a_foot_that_is_down_keeps_the_laser_from_ready(desk: Desk, _: Injection) -> None:
    desk.run(100 * MS)
    assert Refusal.FOOT_HELD in desk.refusals(desk.arm_request())


@bites("contact-flutters", "ready")
def a_door_that_closes_again_restarts_nothing(desk: Desk, injection: Injection) -> None:
    desk.press()
    opened_us = desk.simulator.now_us
    desk.run(5 * S)
    assert desk.fault is Fault.DOOR
    assert desk.state is State.FAULT
    assert desk.light_after(opened_us + GATED_US) == []
    assert injection.report().fired == 6


# -- processor


@bites("processor-reset", "emitting")
def a_reset_ends_emission_for_good(desk: Desk, _: Injection) -> None:
    reset_us = desk.simulator.now_us
    desk.run(3 * S)
    assert desk.light_after(reset_us) == []
    assert desk.state not in ARMED


@bites("processor-hangs", "emitting")
def a_hung_processor_is_reset_by_its_watchdog(desk: Desk, _: Injection) -> None:
    hung_us = desk.simulator.now_us
    desk.run(3 * S)
    assert desk.fault is Fault.WATCHDOG_RESET
    assert desk.light_after(hung_us) == []


@bites("clock-drifts", "standby", ppm=100_000)
def a_fast_clock_is_fast(desk: Desk, _: Injection) -> None:
    before_us = desk.device.now_us
    desk.run(10 * S)
    assert desk.device.now_us - before_us == pytest.approx(11 * S, abs=50 * MS)


@bites("power-cut", "emitting", for_s=1.0)
def nothing_is_restored_when_the_power_returns(desk: Desk, _: Injection) -> None:
    cut_us = desk.simulator.now_us
    desk.run(500 * MS)
    assert not desk.simulator.plant.powered
    desk.run(5 * S)
    assert desk.simulator.running
    assert desk.state not in ARMED
    assert desk.light_after(cut_us) == []


@bites("memory-corrupted", "standby")
def corrupted_books_are_found_at_the_next_start(desk: Desk, _: Injection) -> None:
    desk.inject("power-cut", for_s=0.5)
    desk.run(2 * S)
    assert Fault.NONVOLATILE.value in latched(desk)
    assert desk.state is State.FAULT


@bites("memory-fails", "emitting")
def a_pulse_that_cannot_be_numbered_is_not_fired(desk: Desk, _: Injection) -> None:
    broken_us = desk.simulator.now_us
    desk.until(State.FAULT, S)
    assert Fault.NONVOLATILE.value in latched(desk)
    assert desk.light_after(broken_us + RELEASED_US) == []


@bites("counters-near-their-end", "standby", remaining=0)
def a_boot_counter_wraps_past_zero(desk: Desk, _: Injection) -> None:
    desk.inject("power-cut", for_s=0.5)
    desk.run(3 * S)
    assert NonVolatile(desk.simulator.memory).books.boots == 1
    assert desk.state is State.WARM_UP


# -- line

trips("line-drops", "ready", Fault.LINK_LOST)
trips("line-delays", "ready", Fault.LINK_LOST)
trips("line-falls-silent", "ready", Fault.LINK_LOST)
trips("line-garbled", "ready", Fault.LINK_LOST)
trips("line-cut", "ready", Fault.LINK_LOST)
trips("line-unplugged", "ready", Fault.LINK_LOST)


def still_works(desk: Desk, _: Injection) -> None:
    before = len(desk.pulses)
    desk.press()
    desk.run(2 * S)
    assert desk.state is State.EMITTING
    assert desk.ask(ReadCounters()) is not None
    desk.release()
    desk.run(3 * S)
    assert len(desk.pulses) > before + 10
    assert set(desk.reports) == {*range(desk.pulses[0].number, desk.pulses[-1].number + 1)}


bites("line-reorders", "ready", message="PulseReport", share=0.5)(still_works)
bites("line-splits", "ready")(still_works)
bites("line-glues", "ready")(still_works)
bites("line-echoes", "ready")(still_works)


@bites("line-repeats", "ready", direction="to_device", message="Grant", after_ms=3000.0)
def a_grant_from_a_buffer_is_no_second_permit(desk: Desk, _: Injection) -> None:
    desk.do(Standby())
    desk.run(S)
    desk.arm()
    desk.until(State.READY)
    desk.grant(pulses=1, permit_id=2)
    desk.press()
    desk.run(S)
    desk.release()
    fired = len(desk.pulses)
    desk.press()
    desk.run(5 * S)
    assert len(desk.pulses) == fired


@bites("line-noise", "ready", byte_probability=0.02)
def noise_loses_frames_and_alters_none(desk: Desk, _: Injection) -> None:
    desk.run(5 * S)
    setpoint = desk.device.setpoints.committed
    assert setpoint.pulse_energy_uj == ENERGY_UJ
    assert desk.fault in {Fault.NONE, Fault.LINK_LOST}


@bites("line-lamp-noise", "ready", rings_ms=5.0)  # longer than the laser waits
def the_lamps_noise_alters_no_record(desk: Desk, injection: Injection) -> None:
    before = len(desk.pulses)
    desk.press()
    desk.run(3 * S)
    assert desk.fault in {Fault.NONE, Fault.LINK_LOST}
    desk.release()
    Injector.of(desk.simulator).clear(injection)
    desk.run(3 * S)
    for pulse in desk.pulses[before:]:
        assert desk.reports[pulse.number].monitor_a_uj == pytest.approx(pulse.energy_uj, rel=0.1)
