"""The firmware and light: what its sensors say of a pulse, and what none of its triggers explains."""

import pytest

from protocols.faults import Fault
from protocols.messages import PulseFlag
from protocols.states import State
from tests.sim_device.bench import MS, at


@pytest.mark.shows("REQ-019", "HZ-008")
def test_the_comparator_ends_emission_and_marks_its_pulse() -> None:
    bench = at("emitting")
    bench.run(50 * MS)
    bench.advance(bench.triggers[-1] + 100 * MS + 300)
    bench.set(comparator_tripped=True)
    bench.run(50 * MS)
    assert bench.first_fault is Fault.OVER_ENERGY_COMPARATOR
    assert PulseFlag.COMPARATOR in bench.last_report.flags
    assert at("ready").outputs.comparator_uj == 207_600  # 1.2 x 173 mJ


@pytest.mark.shows("REQ-051", "HZ-046")
@pytest.mark.parametrize(
    "stage", ["standby", "set", "arming", "ready", "granted", "emitting", "fault", "off"]
)
def test_light_without_a_trigger_is_caught_in_every_state(stage: str) -> None:
    bench = at("ready" if stage in ("fault", "off") else stage)
    if stage == "fault":
        bench.set(door_closed=False)
    if stage == "off":
        bench.set(key_on=False)
    bench.run(50 * MS)
    bench.set(light_count=bench.inputs.light_count + 1)
    assert bench.firmware.device.faults.has(Fault.LIGHT_WITHOUT_TRIGGER)
    assert bench.dark
    assert bench.state is (State.OFF if stage == "off" else State.FAULT)
    if stage == "off":
        bench.set(key_on=True)
        assert bench.state is State.FAULT


@pytest.mark.shows("REQ-051", "HZ-046")
@pytest.mark.parametrize("stage", ["standby", "arming", "ready", "granted", "fault", "off"])
@pytest.mark.parametrize("sensor", ["monitor_a_uj", "monitor_b_uj", "pulse_width_ps", "port_meter_uj"])
def test_any_sensor_that_sees_light_without_a_trigger_is_enough(sensor: str, stage: str) -> None:
    bench = at("ready" if stage in ("fault", "off") else stage)
    if stage == "fault":
        bench.set(door_closed=False)
    if stage == "off":
        bench.set(key_on=False)
    bench.run(50 * MS)
    assert not bench.firmware.device.faults.has(Fault.LIGHT_WITHOUT_TRIGGER)
    bench.set(**{sensor: getattr(bench.inputs, sensor) + 50})
    assert bench.firmware.device.faults.has(Fault.LIGHT_WITHOUT_TRIGGER)
    assert bench.dark
    assert not bench.outputs.simmer_start


def test_a_pulse_that_only_the_monitors_saw_is_booked_with_their_energies_and_without_a_width() -> None:
    bench = at("emitting")
    bench.run(50 * MS)
    fired = len(bench.triggers)
    bench.stuck.add("light")
    bench.energy_permille = 1_010  # so that the monitors show another pulse
    bench.run(200 * MS)
    assert len(bench.triggers) == fired + 1
    report = bench.last_report
    assert report.flags == {PulseFlag.WIDTH}
    assert report.pulse_width_ps == 0
    assert 173_000 < report.monitor_a_uj == report.monitor_b_uj < 176_000
    assert bench.first_fault is Fault.PULSE_WIDTH
    assert not bench.firmware.device.faults.has(Fault.LIGHT_WITHOUT_TRIGGER)


@pytest.mark.parametrize("sensor", ["monitor_a_uj", "monitor_b_uj", "port_meter_uj", "pulse_width_ps"])
def test_light_that_any_one_sensor_saw_after_a_trigger_is_never_booked_as_missing(sensor: str) -> None:
    bench = at("granted")
    bench.flashes = 0
    fired = len(bench.triggers)
    bench.press()
    while len(bench.triggers) == fired:
        bench.run(10)
    bench.run(300)
    bench.set(**{sensor: getattr(bench.inputs, sensor) + 50})
    bench.run(50 * MS)
    flags = bench.last_report.flags
    assert PulseFlag.WIDTH in flags
    assert not flags & {PulseFlag.MISSING, PulseFlag.SKIPPED}
    assert not bench.firmware.device.faults.has(Fault.LIGHT_WITHOUT_TRIGGER)


@pytest.mark.shows("REQ-051", "HZ-046")
def test_light_is_watched_from_self_test_on() -> None:
    for stage in ("self_test", "warm_up", "calibrating"):
        bench = at(stage)
        bench.run(1)
        bench.set(light_count=bench.inputs.light_count + 1)
        assert bench.first_fault is Fault.LIGHT_WITHOUT_TRIGGER
