"""The console on the firmware: what it reads, what it may set, what it stops, and that it makes no light."""

import copy
import dataclasses
import functools
import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.faults import Fault
from protocols.interface import BY_OPCODE
from protocols.messages import Beam, Handpiece, Leave, Stopped
from protocols.refusals import Refusal
from protocols.requests import (
    Acknowledge,
    Arm,
    Calibrate,
    CommitSetpoint,
    Grant,
    ReadCalibration,
    ReadCalibrationPoint,
    ReadCapabilities,
    ReadCounters,
    ReadFault,
    ReadIdentity,
    ReadMode,
    ReadSetpoint,
    Reply,
    Request,
    SetAiming,
    Setpoint,
    StageSetpoint,
    Standby,
    Trigger,
)
from protocols.scpi import TREE
from protocols.scpi_line import ConsoleError
from protocols.states import ARMED, State
from sim_device.board import Inputs, Step
from sim_device.firmware.console import ConsoleLaser
from tests.sim_device.bench import MS, SETPOINT, Bench, S, at
from tests.sim_device.test_firmware_plant import Laser
from tests.sim_device.test_firmware_states import bench_in

NOT_KNOWN = "9.91E37"
QUERIES = [node.header.replace("[:NEXT]", "") + "?" for node in TREE if node.query]
SETTINGS = [  # every setting of the tree, with values it would take in STANDBY
    "*RST",
    "SOUR:AIM ON",
    "SOUR:AIM OFF",
    "SOUR:ENER 100",
    "SOUR:RATE 5",
    "SOUR:WIDT 750",
    "SOUR:WAV 755",
    "SOUR:APPL 650,50,2.5",
]
BOOKKEEPING = ["*CLS", "*ESE 255", "*SRE 255", "*OPC", "*WAI"]
WISHES = [  # what somebody might try
    *("ARM", "GRANT", "FIRE", "INIT", "INIT:IMM", "TRIG", "*TRG", "OUTP ON", "OUTP:STAT 1", "SOUR:STAT ON"),
    *("CAL", "CAL:RUN", "*CAL?", "FAUL:ACK 1", "SOUR:PULS 10", "STAT:LAS READY", "SHUT OPEN", "*TST"),
]


class Terminal:
    """Somebody at the console of a bench."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.heard = ""
        self.sent: list[tuple[int, bytes]] = []  # what left the binary port, and when
        self.answered_in_step: list[int] = []  # bytes
        self._typed = b""
        self._step = bench.firmware.step
        bench.firmware.step = self._with_console  # type: ignore[method-assign] # a bench has no console of its own

    def _with_console(self, now_us: int, inputs: Inputs, received: bytes, console: bytes) -> Step:
        assert console == b""
        typed, self._typed = self._typed, b""
        done = self._step(now_us, inputs, received, typed)
        self.heard += done.console.decode("ascii")
        self.answered_in_step.append(len(done.console))
        if done.sent:
            self.sent.append((now_us, done.sent))
        return done

    def type(self, data: bytes) -> str:
        """Type now; what is answered in the same step."""
        self._typed = data
        self.heard = ""
        self.bench.step()
        return self.heard

    def say(self, line: str) -> str:
        return self.type(line.encode() + b"\n").removesuffix("\n")

    def error(self) -> int:
        return int(self.say("SYST:ERR?").split(",")[0])


def without_host(stage: str) -> Bench:
    """A bench whose host has been silent for long: its session is open, its heartbeat dead."""
    bench = at(stage)
    bench.host_alive = False
    bench.run(300 * MS)
    return bench


@functools.cache
def _never_connected() -> Bench:
    bench = Bench()
    bench.until(State.STANDBY)
    return bench


def setpoint_of(bench: Bench) -> Setpoint:
    return bench.firmware.device.setpoints.committed


# --- reading


def names(members: frozenset[Any]) -> str:
    return ",".join(member.name for member in sorted(members)) or "NONE"


def milli(base_units: int) -> str:
    return f"{base_units / 1_000:.3f}"


def expected_answers(bench: Bench) -> dict[str, str]:
    """What the console must answer, from the binary port and the board's own lines."""
    status, inputs = bench.status, bench.inputs
    setpoint, books, calibration = (
        bench.ask(request) for request in (ReadSetpoint(), ReadCounters(), ReadCalibration())
    )
    pulse = bench.reports[max(bench.reports)] if bench.reports else None
    return {
        "*IDN?": "picolase,PicoLase 755,PL755-0001,0.1.0",
        "*ESR?": "128",
        "*ESE?": "0",
        "*STB?": "0",
        "*SRE?": "0",
        "*OPC?": "1",
        "*TST?": str(int(status.first_fault)),
        "SYSTem:ERRor?": '0,"No error"',
        "SYSTem:ERRor:COUNt?": "0",
        "SYSTem:VERSion?": "1999.0",
        "STATus:LASer?": bench.state.name,
        "STATus:LEAVe?": bench.left.name,
        "STATus:BLOCks?": names(status.blocks),
        "STATus:CALibrated?": str(int(status.calibrated)),
        "STATus:DOCKed?": str(int(inputs.docked_a_closed and inputs.docked_b_closed)),
        "STATus:FOOT?": "PRESSED" if inputs.foot_a_closed and inputs.foot_b_closed else "RELEASED",
        "STATus:SHUTter?": "OPEN" if inputs.shutter_open_switch else "CLOSED",
        "STATus:HANDpiece?": "ZOOM",
        "STATus:SPOT?": milli(inputs.spot_um),
        "STATus:WAVelength?": str(inputs.wavelength_nm),
        "INTerlock?": names(status.open_interlocks),
        "FAULt?": bench.first_fault.name,
        "FAULt:LIST?": names(status.faults),
        "FAULt:PRESent?": names(status.faults_present),
        "FAULt:INSTance?": str(status.fault_instance),
        "SOURce:ENERgy?": milli(setpoint.pulse_energy_uj),
        "SOURce:RATE?": milli(setpoint.rep_rate_mhz),
        "SOURce:WIDTh?": str(setpoint.mode_width_ps),
        "SOURce:WAVelength?": str(setpoint.wavelength_nm),
        "SOURce:SPOT?": milli(setpoint.spot_um),
        "SOURce:HANDpiece?": setpoint.handpiece.name,
        "SOURce:AIMing?": str(int(inputs.aiming_uw >= 100)),
        "SENSe:ENERgy?": milli(pulse.monitor_a_uj) if pulse else NOT_KNOWN,
        "SENSe:ENERgy2?": milli(pulse.monitor_b_uj) if pulse else NOT_KNOWN,
        "SENSe:WIDTh?": str(pulse.pulse_width_ps) if pulse else NOT_KNOWN,
        "SENSe:TEMPerature?": milli(inputs.coolant_mc),
        "SENSe:FLOW?": milli(inputs.flow_ml_min),
        "SENSe:CHARge?": milli(inputs.hv_mv),
        "SENSe:INDicator?": milli(inputs.indicator_ua),
        "SENSe:AIMing?": milli(inputs.aiming_uw),
        "COUNt:PULSes?": str(books.pulse_number),
        "COUNt:ACKNowledged?": str(books.acknowledged),
        "COUNt:WAITing?": str(books.reports_waiting),
        "COUNt:LAMP?": str(books.lamp_shots),
        "COUNt:BOOTs?": "1",
        "COUNt:TRIPs?": str(books.trips),
        "CALibration:VALid?": str(int(calibration.valid)),
        "CALibration:GAIN?": f"{calibration.gain_a_ppm / 1e6:.6f}",
        "CALibration:GAIN2?": f"{calibration.gain_b_ppm / 1e6:.6f}",
    }


@pytest.mark.parametrize("state", State)
def test_every_query_answers_in_every_state_what_binary_port_and_board_say(state: State) -> None:
    bench = bench_in(state)
    bench.run(150 * MS)  # between two shots of a calibration, where nothing is on its way
    while bench.statuses[-1].device_time_us != bench.now_us - bench.boot_us:
        bench.advance(bench._wake_us)
    expected = expected_answers(bench)
    assert set(expected) == set(QUERIES)
    terminal = Terminal(bench)
    for query, answer in expected.items():
        assert terminal.say(query) == answer, query
    assert terminal.error() == 0
    assert bench.state is state


def test_readings_need_no_host_and_no_pulse() -> None:
    bench = Bench()
    bench.until(State.WARM_UP)
    terminal = Terminal(bench)
    assert terminal.say("STAT:LAS?;:SENS:TEMP?;ENER?;WIDT?") == f"WARM_UP;60.000;{NOT_KNOWN};{NOT_KNOWN}"
    bench.until(State.STANDBY)
    bench.run(100 * MS)
    assert terminal.say("SENS:FLOW?;CHAR?;:COUN:PULS?;:STAT:CAL?") == "4.000;0.000;32;1"


def test_a_pulse_of_which_only_the_number_is_known_is_not_measured() -> None:
    bench = at("emitting")
    bench.until(State.EMITTING)
    while bench.firmware.device.pulser.shot is None:
        bench.run(MS // 10)
    bench.boot()
    terminal = Terminal(bench)
    assert terminal.say("SENS:ENER?;ENER2?;WIDT?") == ";".join([NOT_KNOWN] * 3)


@pytest.mark.parametrize("state", State)
def test_reading_changes_nothing_however_often(state: State) -> None:
    """The twin that nobody reads sends the same bytes at the same times; no challenge is used up."""
    read, left_alone = bench_in(state), bench_in(state)
    reader, witness = Terminal(read), Terminal(left_alone)
    queries = itertools.cycle(QUERIES)
    for _ in range(100):
        for _ in range(12):  # more than the challenges that are kept
            reader.say(next(queries))
        for bench in (read, left_alone):
            bench.run(10 * MS)
    assert reader.sent == witness.sent
    assert read.triggers == left_alone.triggers
    assert read.memory.data == left_alone.memory.data
    outputs = [dataclasses.replace(bench.outputs, watchdog_kicks=0) for bench in (read, left_alone)]
    assert outputs[0] == outputs[1]
    assert read.state is left_alone.state


# --- setting


@pytest.mark.parametrize(
    "bench_of", [lambda: without_host("standby"), lambda: copy.deepcopy(_never_connected())]
)
def test_settings_work_in_standby_without_a_host(bench_of: Callable[[], Bench]) -> None:
    bench = bench_of()
    terminal = Terminal(bench)
    assert terminal.say("SOUR:ENER 100") == ""
    assert "begin with SOURce:APPLy" in terminal.say("SYST:ERR?")
    terminal.say("SOUR:APPL 750 ps, 173 mJ, 10 Hz")
    assert setpoint_of(bench) == Setpoint(755, 750, 173_000, 10_000, Handpiece.ZOOM, 3_500)
    terminal.say("SOUR:ENER 120.5;RATE 2.5;WIDT 650;WAV 755")
    assert setpoint_of(bench) == Setpoint(755, 650, 120_500, 2_500, Handpiece.ZOOM, 3_500)
    assert terminal.say("SOUR:ENER?;RATE?;WIDT?") == "120.500;2.500;650"
    for command, on in (
        ("SOUR:AIM ON", True),
        ("SOUR:AIM OFF", False),
        ("SOUR:AIM 1", True),
        ("*RST", False),
    ):
        terminal.say(command)
        bench.run(10 * MS)
        assert bench.outputs.aiming_on is on
        assert terminal.say("SOUR:AIM?") == str(int(on))
    assert terminal.error() == 0
    assert setpoint_of(bench).pulse_energy_uj == 120_500  # *RST leaves the set-point alone
    assert bench.state is State.STANDBY


@pytest.mark.parametrize("line", SETTINGS)
@pytest.mark.parametrize("state", State)
def test_settings_are_refused_while_a_host_holds_the_laser_in_every_state(state: State, line: str) -> None:
    bench = bench_in(state)
    before, aiming = setpoint_of(bench), bench.firmware.device.aiming_on
    terminal = Terminal(bench)
    assert terminal.say(line) == ""
    assert terminal.error() == -221
    assert (setpoint_of(bench), bench.firmware.device.aiming_on) == (before, aiming)


@pytest.mark.parametrize("line", SETTINGS)
@pytest.mark.parametrize("state", [s for s in State if s is not State.STANDBY and s not in ARMED])
def test_settings_are_refused_outside_standby_without_a_host_too(state: State, line: str) -> None:
    bench = bench_in(state)
    bench.host_alive = False
    bench.firmware.device.host.alive_until_us = 0
    before = setpoint_of(bench)
    terminal = Terminal(bench)
    terminal.say(line)
    words = terminal.say("SYST:ERR?")
    assert words.startswith(f'-221,"Settings conflict;the laser is in {state.name}')
    assert setpoint_of(bench) == before
    assert not bench.firmware.device.aiming_on


def test_a_host_holds_the_laser_until_its_heartbeat_is_dead_to_the_microsecond() -> None:
    bench = at("set")
    bench.host_alive = False
    bench.run(10 * MS)
    terminal = Terminal(bench)
    bench.advance(bench.firmware.device.host.alive_until_us + bench.boot_us - 1)
    terminal.say("SOUR:ENER 50")
    assert "a host holds the laser" in terminal.say("SYST:ERR?")
    bench.advance(bench.now_us + 1)
    terminal.say("SOUR:ENER 50")
    assert terminal.error() == 0
    assert setpoint_of(bench).pulse_energy_uj == 50_000
    bench.host_alive = True
    bench.connect()
    bench.run(200 * MS)
    terminal.say("SOUR:ENER 60")
    assert terminal.error() == -221
    assert bench.ask(ReadSetpoint()).pulse_energy_uj == 50_000


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("SOUR:ENER 9.999", -222),
        ("SOUR:ENER 200.001", -222),
        ("SOUR:ENER 501", -222),
        ("SOUR:ENER -1", -222),
        ("SOUR:RATE 20", -222),
        ("SOUR:RATE 3", -222),
        ("SOUR:RATE 0", -222),
        ("SOUR:WIDT 600", -222),
        ("SOUR:WIDT 550", -222),  # does not give the 173 mJ that are set
        ("SOUR:WAV 532", -222),
        ("SOUR:APPL 750,5,10", -222),
        ("SOUR:AIM 2", -222),
        ("SOUR:ENER 100 Hz", -131),
        ("SOUR:ENER LOTS", -104),
    ],
)
def test_what_the_laser_cannot_do_is_refused_whole(line: str, code: int) -> None:
    bench = without_host("set")
    before = setpoint_of(bench)
    terminal = Terminal(bench)
    terminal.say(line)
    assert terminal.error() == code
    assert setpoint_of(bench) == before
    assert not bench.firmware.device.setpoints.staged_hash


def test_another_handpiece_or_none_is_a_conflict_until_the_setpoint_is_made_for_it() -> None:
    bench = without_host("set")
    terminal = Terminal(bench)
    bench.set(handpiece=int(Handpiece.NONE), spot_um=0)
    terminal.say("SOUR:ENER 100")
    assert terminal.error() == -221
    bench.set(handpiece=int(Handpiece.FIXED_8), spot_um=8_000)
    terminal.say("SOUR:ENER 100")
    assert terminal.error() == 0
    assert setpoint_of(bench) == Setpoint(755, 750, 100_000, 10_000, Handpiece.FIXED_8, 8_000)


# --- stopping


@pytest.mark.parametrize("state", State)
def test_abort_does_what_a_binary_stop_does_in_every_state(state: State) -> None:
    typed, told = bench_in(state), bench_in(state)
    epoch = typed.firmware.device.stop_epoch
    terminal = Terminal(typed)
    assert terminal.say("ABOR") == ""
    told.stop(77)
    for _ in range(2):
        mine, other = typed.firmware.device, told.firmware.device
        assert mine.state is other.state
        assert mine.leave is other.leave
        assert mine.stop_epoch == other.stop_epoch == epoch + 1
        assert not mine.permit.held
        assert mine.state not in ARMED
        assert typed.triggers == told.triggers
        assert typed.first_fault is told.first_fault
        for bench in (typed, told):
            bench.run(S)
    assert terminal.error() == 0
    if state in ARMED:
        assert typed.left is Leave.STOP
        assert typed.dark
    assert not any(isinstance(message, Stopped) for message in typed.heard[len(bench_in(state).heard) :])
    assert typed.status.stop_epoch == epoch + 1  # so the host learns of it


def test_every_abort_raises_the_epoch_and_an_earlier_arm_is_void() -> None:
    bench = at("set")
    arm = bench.arm_request()
    terminal = Terminal(bench)
    terminal.type(b"ABOR\nABOR;ABOR\n")
    assert bench.firmware.device.stop_epoch == arm.stop_epoch + 3
    assert Refusal.STOPPED_SINCE in bench.reasons(arm)


def test_an_abort_leaves_the_answer_to_the_hosts_own_stop_alone() -> None:
    bench = at("emitting")
    assert not bench.stop(5).confirmed  # the shutter is on its way
    terminal = Terminal(bench)
    terminal.say("ABOR")
    bench.run(100 * MS)
    answers = [message for message in bench.heard if isinstance(message, Stopped)]
    assert [(answer.stop_id, answer.confirmed) for answer in answers] == [(5, False), (5, True)]


# --- no light


ALLOWED = {
    ReadIdentity,
    ReadSetpoint,
    ReadCounters,
    ReadCalibration,
    StageSetpoint,
    CommitSetpoint,
    SetAiming,
}


def every_request(bench: Bench) -> list[Request]:
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


# --- the port


def test_a_flood_is_carried_out_in_slices_and_the_binary_port_answers_in_its_own_step() -> None:
    bench = at("ready")
    terminal = Terminal(bench)
    started_us = bench.now_us
    terminal.type(b"FAUL?\n" * 682)  # 4092 bytes
    while terminal.heard.count("NONE\n") < 682:
        assert isinstance(bench.ask(ReadSetpoint()), Setpoint)
        bench.advance(bench._wake_us)
    assert bench.now_us - started_us <= 10 * MS
    assert max(terminal.answered_in_step) <= 86 * len("NONE\n")  # 512 bytes' worth
    assert bench.state is State.READY
    assert terminal.error() == 0


def test_the_slowest_lines_are_bounded_too() -> None:
    """A step that completes one longest line and takes a slice of shortest ones."""
    bench = without_host("set")
    terminal = Terminal(bench)
    line = b";".join([b"*CLS"] * 51) + b";"
    terminal.type(line[:-1])
    terminal.type(b"\n" + b"ABOR\n" * 51)
    assert bench.firmware.device.stop_epoch == 51


def test_an_abort_behind_a_full_buffer_stops_within_10_ms() -> None:
    bench = at("emitting")
    terminal = Terminal(bench)
    started_us = bench.now_us
    terminal.type(b"*IDN?;*IDN?;*IDN?\n" * 227 + b"\n\n\nABOR\n")
    while bench.state is State.EMITTING:
        assert bench.now_us - started_us <= 10 * MS
        bench.advance(bench._wake_us)
    assert bench.left is Leave.STOP


@pytest.mark.parametrize("extra", [1, 2, 300, 5_000, 100_000])
def test_lost_bytes_are_told_and_the_line_that_lost_them_is_not_carried_out(extra: int) -> None:
    bench = without_host("set")
    terminal = Terminal(bench)
    whole = b"*CLS\n" * 815 + b"SOUR:APPL 750,100,5\n"
    assert len(whole) == 4_095
    terminal.type(whole + b"SOUR:ENER 150\n"[: 1 + extra] + b"x" * (extra - 13))
    bench.run(20 * MS)
    assert setpoint_of(bench).pulse_energy_uj == 100_000
    assert terminal.say("SYST:ERR:COUN?") == ""  # the end of the line that lost bytes
    assert terminal.say("SYST:ERR?") == '-363,"Input buffer overrun;more than 256 characters"'
    assert terminal.error() == 0
    assert terminal.say("SOUR:ENER 120;ENER?") == "120.000"


def test_losing_bytes_again_and_again_takes_no_more_memory() -> None:
    bench = at("standby")
    terminal = Terminal(bench)
    for _ in range(400):  # were each loss marked anew, a byte a step would be left over
        terminal.type(b"y" * 10_000)
        assert len(bench.firmware._console._waiting) <= 4_096 + 257
    bench.run(20 * MS)
    assert terminal.type(b"\n*IDN?\n").startswith("picolase,")


def test_an_overlong_line_is_refused_and_the_next_is_taken() -> None:
    bench = at("standby")
    terminal = Terminal(bench)
    terminal.type(b"*IDN?" + b" " * 300 + b"\n*OPC?\n")
    bench.run(10 * MS)
    assert terminal.heard == "1\n"
    assert terminal.error() == -363


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_text_may_come_in_any_pieces_at_any_times(data: st.DataObject) -> None:
    text = b"*IDN?\r\nSTAT:LAS?;BLOC?\nNO\n" + b"z" * 300 + b"\nSYST:ERR?\nSYST:ERR?\nSYST:ERR?;*ESR?\n"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    terminal = Terminal(without_host("set"))
    heard = ""
    for start, end in itertools.pairwise([0, *cuts, len(text)]):
        heard += terminal.type(text[start:end])
        terminal.heard = ""
        terminal.bench.run(data.draw(st.integers(0, 3 * MS)))
        heard += terminal.heard
    terminal.heard = ""
    terminal.bench.run(10 * MS)
    assert (heard + terminal.heard).splitlines() == [
        "picolase,PicoLase 755,PL755-0001,0.1.0",
        "STANDBY;HOST_SILENT",
        '-113,"Undefined header;NO"',
        '-363,"Input buffer overrun;more than 256 characters"',
        '0,"No error";168',
    ]


@given(st.lists(st.binary(max_size=300), max_size=5))
@settings(max_examples=40, deadline=None)
def test_any_bytes_leave_laser_and_console_in_order(noise: list[bytes]) -> None:
    terminal = Terminal(at("granted"))
    permit_id = terminal.bench.firmware.device.permit.id
    for data in noise:
        terminal.type(data)
        terminal.bench.run(MS)
    terminal.type(b"\n*CLS\n")
    terminal.bench.run(5 * MS)
    assert terminal.say("STAT:LAS?;*STB?") == "READY;16"
    assert terminal.bench.firmware.device.permit.id == permit_id


def test_a_restart_forgets_half_a_line_and_the_errors() -> None:
    bench = at("standby")
    terminal = Terminal(bench)
    terminal.say("BAD")
    terminal.type(b"SYST:ERR:CO")
    bench.boot()
    assert terminal.type(b"UN?\n") == ""
    assert terminal.error() == -113
    assert terminal.say("SYST:ERR:COUN?;:COUN:BOOT?") == "0;2"
    assert terminal.say("*ESR?") == str(128 | 32)


def test_a_latched_fault_is_named() -> None:
    bench = bench_in(State.FAULT)
    terminal = Terminal(bench)
    assert (
        terminal.say("*TST?;:FAUL?;FAUL:LIST?")
        == f"{int(Fault.REMOTE_INTERLOCK)};REMOTE_INTERLOCK;REMOTE_INTERLOCK"
    )
