"""A bench at every stage at which a request may come, and every request there is."""

from protocols.interface import BY_OPCODE
from protocols.messages import Beam
from protocols.requests import (
    Acknowledge,
    Calibrate,
    CommitSetpoint,
    ReadCalibration,
    ReadCalibrationPoint,
    ReadCapabilities,
    ReadCounters,
    ReadFault,
    ReadIdentity,
    ReadMode,
    ReadSetpoint,
    Request,
    SetAiming,
    Standby,
)
from tests.sim_device.bench import SETPOINT, Bench, at

STAGES = [
    "self_test",
    "warm_up",
    "calibrating",
    "standby",
    "set",
    "arming",
    "ready",
    "granted",
    "emitting",
    "fault",
    "off",
]


def bench_at(stage: str) -> Bench:
    if stage == "fault":
        bench = at("ready")
        bench.set(door_closed=False)
        bench.set(door_closed=True)
        return bench
    if stage == "off":
        bench = at("standby")
        bench.set(key_on=False)
        return bench
    return at(stage)


def every_request(bench: Bench) -> list[Request]:
    """Each there is, as it may be made at this bench now."""
    requests: list[Request] = [
        ReadIdentity(),
        ReadCapabilities(),
        ReadMode(0),
        ReadSetpoint(),
        ReadCounters(),
        ReadFault(0),
        ReadCalibration(),
        ReadCalibrationPoint(0),
        SETPOINT,
        CommitSetpoint(1),
        SetAiming(True),
        Calibrate(),
        Acknowledge(max(1, bench.firmware.device.faults.instance)),
        Standby(),
        bench.arm_request(),
        bench.arm_request(Beam.SHUTTER),
        bench.grant_request(),
    ]
    assert {type(request) for request in requests} == {
        m for m in BY_OPCODE.values() if issubclass(m, Request)
    }
    return requests
