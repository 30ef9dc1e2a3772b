"""Nothing typed on the console makes light or a permit, in any state."""

import copy
import functools
from collections.abc import Callable

import pytest

from protocols.messages import Beam, Handpiece
from protocols.requests import (
    Arm,
    CommitSetpoint,
    Grant,
    ReadCalibration,
    ReadCounters,
    ReadIdentity,
    ReadSetpoint,
    Reply,
    SetAiming,
    Setpoint,
    StageSetpoint,
    Trigger,
)
from protocols.scpi import TREE
from protocols.scpi_line import ConsoleError
from protocols.states import ARMED, State
from sim_device.firmware.console import ConsoleLaser
from tests.sim_device.bench import MS, Bench, S, at
from tests.sim_device.stages import every_request
from tests.sim_device.terminal import QUERIES, SETTINGS
from tests.sim_device.test_firmware_plant import Laser
from tests.sim_device.test_firmware_states import bench_in

BOOKKEEPING = ["*CLS", "*ESE 255", "*SRE 255", "*OPC", "*WAI"]
WISHES = [  # what somebody might try
    *("ARM", "GRANT", "FIRE", "INIT", "INIT:IMM", "TRIG", "*TRG", "OUTP ON", "OUTP:STAT 1", "SOUR:STAT ON"),
    *("CAL", "CAL:RUN", "*CAL?", "FAUL:ACK 1", "SOUR:PULS 10", "STAT:LAS READY", "SHUT OPEN", "*TST"),
]
ALLOWED = {
    ReadIdentity,
    ReadSetpoint,
    ReadCounters,
    ReadCalibration,
    StageSetpoint,
    CommitSetpoint,
    SetAiming,
}


def laser_of(bench: Bench) -> ConsoleLaser:
    return ConsoleLaser(bench.firmware.device, bench.firmware._comms)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("host", [True, False])
def test_a_request_that_is_not_for_the_console_is_out_of_its_reach(state: State, host: bool) -> None:
    bench = bench_in(state)
    requests = every_request(bench)
    if not host:
        bench.firmware.device.host.alive_until_us = 0
    laser = laser_of(bench)
    assert set(laser._handlers) == ALLOWED
    held, pulses = bench.firmware.device.permit.held, bench.firmware.device.memory.pulse_number
    for request in requests:
        if type(request) not in ALLOWED:
            with pytest.raises(ConsoleError, match="is not for the console"):
                laser.ask(request)
        elif not type(request).__name__.startswith("Read") and (host or state is not State.STANDBY):
            with pytest.raises(ConsoleError, match="in STANDBY only, while no host"):
                laser.ask(request)
        else:
            assert type(laser.ask(request)) is request.answer
    assert bench.state is state
    assert bench.firmware.device.permit.held is held
    assert bench.firmware.device.memory.pulse_number == pulses


@pytest.mark.parametrize(
    ("stage", "request_of", "state"),
    [
        ("set", Bench.arm_request, State.ARMING),
        ("ready", Bench.grant_request, State.READY),
    ],
)
def test_the_very_request_that_the_console_cannot_make_works_on_the_binary_port(
    stage: str, request_of: Callable[[Bench], Arm | Grant], state: State
) -> None:
    """Control case: arming and granting were refused above for being typed, not for another reason."""
    bench = at(stage)
    request = request_of(bench)
    with pytest.raises(ConsoleError, match="is not for the console"):
        laser_of(bench).ask(request)
    assert bench.state is not State.ARMING
    assert not bench.firmware.device.permit.held
    reply = bench.ask(request)
    assert isinstance(reply, Reply)
    assert not reply.reasons
    assert bench.state is state
    assert bench.firmware.device.permit.held is isinstance(request, Grant)


def everything_typed() -> list[str]:
    """Every command, bare and with every kind of parameter; what stops comes last."""
    lines = [*QUERIES, *BOOKKEEPING, *WISHES, *SETTINGS]
    for node in TREE:
        header = node.header.replace("[:NEXT]", "")
        lines += [header, *(f"{header} {value}" for value in ("0", "1", "ON", "173", "1E9", "NaN", "1,1,1"))]
    return [line for line in lines if not line.startswith("ABOR")] + ["ABOR 1", "ABOR?", "ABOR"]


@functools.cache
def _laser_in(stage: str) -> Laser:
    laser = Laser(5)
    if stage == "OFF":
        return laser
    laser.act("dock")
    laser.act("key", to="on")
    laser.connect()
    if stage == "WARM_UP":
        laser.until(State.WARM_UP)
        return laser
    if stage == "SELF_TEST":
        laser.run(10 * MS)  # the key's contact has settled
        return laser
    laser.until(State.WARM_UP)
    laser.simulator.act(lambda plant: plant.coolant.set_celsius(plant.now_us, 59.5), laser.now_us)
    if stage == "CALIBRATING":
        laser.until(State.CALIBRATING)
        return laser
    laser.until(State.STANDBY)
    laser.act("undock")
    laser.run(20 * MS)
    laser.ask(SetAiming(True))
    setpoint = Setpoint(755, 750, 173_000, 10_000, Handpiece.ZOOM, 3_500)
    laser.ask(StageSetpoint.decode(setpoint.encode()))
    laser.ask(CommitSetpoint(setpoint.hash))
    laser.run(50 * MS)
    if stage == "STANDBY":
        return laser
    laser.ask(Arm(setpoint.hash, 0, Beam.APERTURE))
    if stage == "ARMING":
        laser.run(MS)
        return laser
    laser.until(State.READY)
    laser.run(50 * MS)
    if stage == "FAULT":
        laser.act("door", to="open")
        laser.act("door", to="close")
    return laser


@pytest.mark.shows("REQ-001", "REQ-023", "HZ-001")
@pytest.mark.parametrize("host", [True, False])
@pytest.mark.parametrize("stage", [state.name for state in State if state is not State.EMITTING])
def test_nothing_typed_in_any_state_with_the_foot_down_makes_light_or_a_permit(
    stage: str, host: bool
) -> None:
    laser = copy.deepcopy(_laser_in(stage))
    assert laser.state() is State[stage]
    laser.alive = host
    truth = laser.simulator.plant.truth
    before, calibrates = truth.total, stage in ("WARM_UP", "CALIBRATING")
    firmware = laser.simulator.firmware
    laser.act("foot", to="press")
    for line in everything_typed():
        laser.simulator.receive_console(line.encode() + b"\n", laser.now_us)
        assert not firmware.device.permit.held, line  # type: ignore[attr-defined] # it is the reference
        laser.run(2 * MS)
        assert truth.aperture == 0, line
    laser.run(S)
    laser.act("foot", to="release")
    laser.run(20 * MS)
    laser.act("foot", to="press")
    laser.run(500 * MS)
    assert truth.aperture == 0
    assert calibrates or truth.total == before
    assert laser.state() not in ARMED
    assert b"PicoLase 755" in laser.simulator.console_sent()  # it was listening


def test_an_abort_ends_emission_in_the_plant_and_nothing_typed_brings_it_back() -> None:
    laser = copy.deepcopy(_laser_in("READY"))
    status = laser.status
    assert status is not None
    setpoint = laser.ask(ReadSetpoint())
    grant = Grant(
        *(
            9,
            status.boot,
            laser.session,
            status.arm_epoch,
            status.stop_epoch,
            500,
            Beam.APERTURE,
            Trigger.FOOT,
        ),
        *(755, 750, 10_000, Handpiece.ZOOM, 3_500, setpoint.hash, laser.now_us + 60 * S),
    )
    laser.ask(grant)
    laser.act("foot", to="press")
    laser.run(S)
    truth = laser.simulator.plant.truth
    assert truth.aperture >= 8
    abort_us = laser.now_us
    laser.simulator.receive_console(b"ABOR\n", abort_us)
    assert not laser.simulator.firmware.outputs.gate_enable
    assert not laser.simulator.firmware.outputs.shutter_open
    for line in everything_typed():
        laser.simulator.receive_console(line.encode() + b"\n", laser.now_us)
        laser.run(5 * MS)
    laser.run(S)
    assert all(pulse.time_us <= abort_us for pulse in truth.pulses if pulse.aperture)
    assert laser.state() is State.STANDBY
