"""Our driver against the small device: units, fields, outcomes."""

import math
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hal.errors import DeviceError, DeviceKind, LocalError, LocalKind
from hal.laser_values import (
    CommittedSetPoint,
    LaserCapabilities,
    LaserIdentity,
    LaserMode,
    Permit,
    SetPoint,
)
from hal.outcomes import Done, Failed, Refused
from hal.picolase_laser import PicolaseLaser
from hal.ports import open_port
from hal.stopping import StopLevel
from protocols import requests as wire
from protocols.faults import Fault
from protocols.messages import AckPulses, Beam, Handpiece, Heartbeat, Intent
from protocols.refusals import Reason, Refusal
from protocols.states import State
from tests.hal.little_laser import LittleLaser, Witness, memory_line, turns
from tests.still_laser import status

SET_POINT = SetPoint(755, 750, 173.0, 5.0, Handpiece.ZOOM, 3.5)
ON_THE_WIRE = wire.Setpoint(755, 750, 173_000, 5_000, Handpiece.ZOOM, 3_500)


class Bench:
    def __init__(self, laser: PicolaseLaser, device: LittleLaser, witness: Witness) -> None:
        self.laser, self.device, self.witness = laser, device, witness


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    with memory_line() as end:
        device, witness = LittleLaser(end, boot=3), Witness()
        laser = await PicolaseLaser.connect(await open_port("memory://laser"), witness.hooks)
        yield Bench(laser, device, witness)
        laser.close()
        await turns()


async def test_a_laser_says_who_it_is_and_what_it_can_do_in_the_users_units(bench: Bench) -> None:
    assert await bench.laser.identify() == Done(
        LaserIdentity("PL755", "PL755-0001", "1.0", "test", bench.device.interface_hash, 3, True)
    )
    assert await bench.laser.capabilities() == Done(
        LaserCapabilities(
            modes=(
                LaserMode(755, 750, 10.0, 200.0),
                LaserMode(755, 650, 10.0, 180.0),
                LaserMode(755, 550, 10.0, 165.0),
            ),
            rates_hz=(1.0, 2.5, 5.0, 10.0),
            spot_min_mm=2.0,
            spot_max_mm=6.0,
            permit_pulses_max=1000,
            permit_max_us=120_000_000,
            reports_max=256,
            ready_delay_us=2_000_000,
            energy_step_mj=0.1,
        )
    )


async def test_books_calibration_and_fault_history_are_read(bench: Bench) -> None:
    assert await bench.laser.counters() == Done(wire.Counters(7, 5, 2, 100, 3, 1))
    assert await bench.laser.calibration() == Done(
        wire.Calibration(True, 1, 5, 90, 1_000_000, 1_010_000, 20_000, 30)
    )
    assert await bench.laser.fault_history() == Done(())
    bench.device.history = [
        wire.FaultRecord(index, Fault.DOOR, 9 - index, 3, 50, State.READY, frozenset(), 0)
        for index in range(2)
    ]
    assert await bench.laser.fault_history() == Done(tuple(bench.device.history))


async def test_a_set_point_is_staged_committed_and_read_back(bench: Bench) -> None:
    assert await bench.laser.read_setpoint() == Done(None)
    committed = CommittedSetPoint(SET_POINT, ON_THE_WIRE.hash)
    bench.device.asked.clear()
    assert await bench.laser.apply_setpoint(SET_POINT) == Done(committed)
    assert bench.device.committed == ON_THE_WIRE
    assert [type(request) for request in bench.device.asked] == [
        wire.StageSetpoint,
        wire.CommitSetpoint,
        wire.ReadSetpoint,
    ]
    assert await bench.laser.read_setpoint() == Done(committed)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("pulse_energy_mj", math.nan),
        ("pulse_energy_mj", math.inf),
        ("pulse_energy_mj", -1.0),
        ("pulse_energy_mj", 1e9),
        ("pulse_energy_mj", 173.0004),
        ("rep_rate_hz", 2.5001234),
        ("spot_mm", 3.00049),
        ("spot_mm", 90.0),
        ("wavelength_nm", 100_000),
        ("mode_width_ps", -1),
    ],
)
async def test_a_set_point_that_the_wire_cannot_carry_exactly_is_not_sent(
    bench: Bench, field: str, value: float
) -> None:
    values: dict[str, Any] = {name: getattr(SET_POINT, name) for name in SetPoint.__dataclass_fields__}
    bench.device.asked.clear()
    outcome = await bench.laser.apply_setpoint(SetPoint(**(values | {field: value})))
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, LocalError)
    assert outcome.error.kind is LocalKind.VALUE
    assert outcome.error.field.rsplit("_", 1)[0] == field.rsplit("_", 1)[0]
    assert "give " in str(outcome.error)
    assert bench.device.asked == []


@pytest.mark.parametrize("tenth_mj", range(100, 2001, 7))
def test_every_energy_on_the_devices_step_survives_the_way_to_the_wire_and_back(tenth_mj: int) -> None:
    set_point = SetPoint(755, 750, tenth_mj / 10, 2.5, Handpiece.ZOOM, 3.3)
    assert set_point.to_wire().pulse_energy_uj == tenth_mj * 100
    assert SetPoint.from_wire(set_point.to_wire()) == set_point


@pytest.mark.shows("REQ-024", "HZ-019")
async def test_a_set_point_that_reads_back_differently_is_a_device_error(bench: Bench) -> None:
    bench.device.committed = wire.Setpoint(755, 750, 172_900, 5_000, Handpiece.ZOOM, 3_500)
    original = bench.device.answer

    def deaf(request: wire.Request) -> wire.Answer:
        committed = bench.device.committed
        answer = original(request)
        bench.device.committed = committed  # says done, and keeps what it had
        return answer

    bench.device.answer = deaf  # type: ignore[method-assign]  # a vice of this one device
    outcome = await bench.laser.apply_setpoint(SET_POINT)
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, DeviceError)
    assert outcome.error.kind is DeviceKind.READ_BACK
    assert "172900" in outcome.error.text


@pytest.mark.parametrize("request_type", [wire.StageSetpoint, wire.CommitSetpoint])
async def test_a_refused_set_point_ends_there(bench: Bench, request_type: type[wire.Request]) -> None:
    bench.device.refuses[request_type] = frozenset({Refusal.ENERGY_RANGE})
    outcome = await bench.laser.apply_setpoint(SET_POINT)
    assert isinstance(outcome, Refused)
    assert [reason.code for reason in outcome.reasons] == ["device.energy_range"]
    assert type(bench.device.asked[-1]) is request_type


async def test_the_plain_commands_reach_the_device(bench: Bench) -> None:
    bench.device.asked.clear()
    assert await bench.laser.set_aiming(on=True) == Done(None)
    assert await bench.laser.calibrate() == Done(None)
    assert await bench.laser.acknowledge(4) == Done(None)
    assert await bench.laser.standby() == Done(None)
    assert bench.device.asked == [
        wire.SetAiming(True),
        wire.Calibrate(),
        wire.Acknowledge(4),
        wire.Standby(),
    ]
    nobody = await bench.laser.acknowledge(0)
    assert isinstance(nobody, Failed)
    assert isinstance(nobody.error, LocalError)
    assert nobody.error.field == "fault_instance"
    assert bench.laser.heartbeat(Heartbeat(8, Intent.ARMED)) == Done(None)
    assert bench.laser.acknowledge_pulses(12) == Done(None)
    await turns()
    assert bench.device.heard == [Heartbeat(8, Intent.ARMED), AckPulses(12)]


async def test_arming_names_the_hash_and_the_stop_epoch_that_was_seen(bench: Bench) -> None:
    seen = status(boot=3, stop_epoch=6)
    assert await bench.laser.arm(99, Beam.SHUTTER, seen) == Done(1)
    assert bench.device.asked[-1] == wire.Arm(99, 6, Beam.SHUTTER)


async def test_a_permit_carries_everything_it_is_bound_to(bench: Bench) -> None:
    bench.device.tell(status(boot=3, device_time_us=5_000_000, arm_epoch=2, stop_epoch=6))
    await turns()
    seen, heard_us = bench.witness.seen[-1]
    committed = CommittedSetPoint(SET_POINT, ON_THE_WIRE.hash)
    permit = Permit(41, 20, Beam.APERTURE, wire.Trigger.INTERNAL, committed, heard_us + 10_000_000)
    assert await bench.laser.grant(permit, seen) == Done(None)  # type: ignore[arg-type]  # a Status, as told
    assert bench.device.asked[-1] == wire.Grant(
        permit_id=41,
        boot=3,
        session=bench.device.link.session,
        arm_epoch=2,
        stop_epoch=6,
        pulses=20,
        beam=Beam.APERTURE,
        trigger=wire.Trigger.INTERNAL,
        wavelength_nm=755,
        mode_width_ps=750,
        rep_rate_mhz=5_000,
        handpiece=Handpiece.ZOOM,
        spot_um=3_500,
        setpoint_hash=ON_THE_WIRE.hash,
        ends_us=15_000_000,
    )


async def test_nothing_is_granted_or_armed_by_what_is_not_known_or_of_an_earlier_start(bench: Bench) -> None:
    bench.device.asked.clear()
    permit = Permit(41, 20, Beam.APERTURE, wire.Trigger.FOOT, CommittedSetPoint(SET_POINT, 1), 10_000_000)
    unknown_clock = await bench.laser.grant(permit, status(boot=3))
    assert isinstance(unknown_clock, Failed)
    assert unknown_clock.error.kind is LocalKind.CLOCK
    for outcome in (
        await bench.laser.grant(permit, status(boot=2)),
        await bench.laser.arm(1, Beam.APERTURE, status(boot=2)),
    ):
        assert isinstance(outcome, Failed)
        assert outcome.error.kind is DeviceKind.RESTARTED
    bench.device.tell(status(boot=3, device_time_us=5_000_000))
    await turns()
    too_many = Permit(
        41, 70_000, Beam.APERTURE, wire.Trigger.FOOT, CommittedSetPoint(SET_POINT, 1), 10_000_000
    )
    outcome = await bench.laser.grant(too_many, status(boot=3))
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, LocalError)
    assert (outcome.error.field, outcome.error.value) == ("pulses", 70_000)
    assert bench.device.asked == []


async def test_the_gate_judges_what_the_driver_sends(bench: Bench) -> None:
    no = (Reason("host.test", "no", "wait"),)
    bench.witness.reasons = {wire.Arm: no, wire.CommitSetpoint: no, wire.ReadMode: no, wire.ReadFault: no}
    assert await bench.laser.arm(1, Beam.APERTURE, status(boot=3)) == Refused(no)
    assert await bench.laser.apply_setpoint(SET_POINT) == Refused(no)
    assert await bench.laser.capabilities() == Refused(no)
    assert await bench.laser.fault_history() == Refused(no)
    assert bench.device.committed.mode_width_ps == 0
    result = await bench.laser.stop()
    assert (result.level, result.confirmed) == (StopLevel.STOP, True)


async def test_traffic_and_the_black_box_are_there_for_the_daemon(bench: Bench) -> None:
    assert bench.laser.traffic.bytes_sent == len(bench.device.received) > 0
    assert sum(len(chunk.data) for chunk in bench.laser.recent_traffic()) == len(bench.device.received) + len(
        bench.device.sent
    )
    assert bench.laser.session.boot == 3
