"""The C core beside the reference in what takes its time: proofs, pulses, series, days."""

from collections.abc import Iterator
from typing import Any

import pytest

from protocols.faults import Fault
from protocols.messages import Beam, Leave
from protocols.requests import Acknowledge, Calibrate, ReadCalibrationPoint, ReadFault, SetAiming
from protocols.states import State
from tests.sim_device.bench import MS, S
from tests.sim_device.test_native_differs_nowhere import room_at
from tests.sim_device.twins import Pair, benches_of


@pytest.fixture(scope="module", autouse=True)
def _both() -> Iterator[None]:
    with benches_of(Pair):
        yield


@pytest.mark.parametrize(
    "name",
    [
        *("gate_inhibited", "hv_inhibited", "shutter_open_switch", "shutter_closed_switch", "dark_a_uj"),
        *(
            "dark_b_uj",
            "indicator_ua",
            "aiming_uw",
            "simmer_on",
            "hv_mv",
            "charge_done",
            "comparator_tripped",
        ),
        *("flow_ml_min", "light"),
    ],
)
@pytest.mark.parametrize("stage", ["self_test", "calibrating", "set", "granted"])
def test_a_line_that_does_not_follow_is_found_alike(stage: str, name: str) -> None:
    room = room_at(stage)
    room.stuck.add(name)
    room.run(400 * MS)
    if stage == "set":
        room.asked(SetAiming(True))
        room.asked(room.arm_request(Beam.SHUTTER))
    elif stage == "granted":
        room.press()
    room.run(5_500 * MS)
    room.stuck.clear()
    room.release()
    room.asked(Acknowledge(max(1, room.firmware.device.faults.instance)))
    room.run(S)


def test_a_foot_that_is_held_while_arming_is_waited_for_alike() -> None:
    room = room_at("arming")
    room.press()
    room.run(13 * S)
    assert room.state is State.STANDBY


@pytest.mark.parametrize(
    ("a_permille", "b_permille"),
    [(1_000, 1_000), (1_200, 800), (0, 1_000), (3_000, 1_000), (600, 1_000), (200, 1_000), (200, 3_000)],
)
def test_a_calibration_ends_alike(a_permille: int, b_permille: int) -> None:
    room = room_at("standby")
    room.dock(True)
    room.energy_permille, room.gain_b_permille = a_permille, b_permille
    room.asked(Calibrate())
    for _ in range(40):
        room.run(100 * MS)
        room.asked(SetAiming(False))
    assert room.state in (State.STANDBY, State.FAULT)
    for index in range(15):
        room.asked(ReadCalibrationPoint(index))


def test_a_warm_up_that_never_ends_is_given_up_alike() -> None:
    room = room_at("warm_up")
    room.host_alive = False
    room.set(coolant_mc=57_000)
    room.run(1_801 * S)
    assert room.first_fault is Fault.WARM_UP_TIMEOUT


def test_a_laser_that_nobody_uses_goes_to_sleep_alike() -> None:
    room = room_at("ready")
    room.run(301 * S)
    assert room.left is Leave.IDLE
    room = room_at("set")
    room.run(601 * S)
    assert not room.outputs.aiming_on


def test_a_host_that_records_nothing_ends_the_series_alike() -> None:
    room = room_at("ready")
    room.run(S)  # what was told is on its disk
    room.acks = False
    room.grant(200)
    room.run(20 * MS)
    room.press()
    room.run(21 * S)
    assert room.status.reports_waiting == 200
    room.release()
    room.run(100 * MS)
    room.asked(room.grant_request(57, permit_id=2))  # more than there is room for
    room.asked(room.grant_request(56, permit_id=3))
    room.acks = True
    room.run(30 * S)
    assert room.status.reports_waiting == 0


@pytest.mark.parametrize("energy_permille", [1_000, 1_100, 1_200])
def test_another_day_without_the_port_holds_alike(energy_permille: int) -> None:
    room = room_at("standby")
    room.energy_permille = energy_permille
    room.set(key_on=False)
    room.run(S)
    room.set(key_on=True)
    room.until(State.STANDBY)
    room.run(100 * MS)
    assert room.status.calibrated is (energy_permille < 1_150)
    room.set(coolant_mc=54_000)
    room.run(S)


def test_a_history_longer_than_is_kept_is_told_alike() -> None:
    room = room_at("standby")
    for number in range(40):
        name = "mains_ok" if number % 2 else "estop_b_closed"
        room.set(**{name: False})
        room.run(20 * MS)
        room.set(**{name: True})
        room.run(20 * MS)
        room.asked(Acknowledge(max(1, room.firmware.device.faults.instance)))
        room.run(50 * MS)
    for index in range(40):
        room.asked(ReadFault(index))
    room.boot()
    room.connect()
    room.run(S)


@pytest.mark.parametrize(
    ("stage", "levels"),
    [
        *((stage, {"hv_mv": 1_240_000}) for stage in ("standby", "ready", "emitting")),
        *((stage, {"monitor_a_uj": 190_000, "light_count": 999}) for stage in ("off", "standby", "emitting")),
        *(("emitting", {"comparator_tripped": True}), ("ready", {"comparator_tripped": True})),
        *(("emitting", {"simmer_on": False}), ("self_test", {"comparator_tripped": True})),
        *(("self_test", {"shutter_open_switch": True}), ("self_test", {"indicator_ua": 1_000})),
        *(("set", {"aiming_uw": 5_001}), ("standby", {"coolant_mc": 54_999})),
    ],
)
def test_a_line_that_moves_is_judged_alike(stage: str, levels: dict[str, Any]) -> None:
    room = room_at("standby" if stage == "off" else stage)
    if stage == "off":
        room.set(key_on=False)
        room.run(S)
    room.set(**levels)
    room.run(6 * S)
    room.set(key_on=True)
    room.run(S)


@pytest.mark.parametrize(
    "vices",
    [
        {"energy_permille": 700},
        {"gain_b_permille": 850},
        {"gain_b_permille": 1_120},
        {"width_offset_ps": 90},
        {"width_offset_ps": -310},
        {"flashes": 3},
    ],
)
@pytest.mark.parametrize("stage", ["granted", "rehearsal ready"])
def test_a_pulse_is_judged_alike(stage: str, vices: dict[str, int]) -> None:
    room = room_at(stage)
    if stage == "rehearsal ready":
        room.grant(5)
        room.run(20 * MS)
    for name, value in vices.items():
        setattr(room, name, value)
    room.press()
    room.run(700 * MS)
