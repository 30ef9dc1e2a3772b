"""The console on the firmware: what it reads, what it may set, and that it stops."""

import copy
import dataclasses
import functools
import itertools
from collections.abc import Callable
from typing import Any

import pytest

from protocols.messages import Handpiece, Leave, Stopped
from protocols.refusals import Refusal
from protocols.requests import ReadCalibration, ReadCounters, ReadSetpoint, Setpoint
from protocols.states import ARMED, State
from tests.sim_device.bench import MS, Bench, S, at
from tests.sim_device.terminal import QUERIES, SETTINGS, Terminal, setpoint_of, without_host
from tests.sim_device.test_firmware_states import bench_in

NOT_KNOWN = "9.91E37"


@functools.cache
def _never_connected() -> Bench:
    bench = Bench()
    bench.until(State.STANDBY)
    return bench


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
    pulse = bench.last_report if bench.reports else None
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


@pytest.mark.shows("REQ-024", "HZ-019")
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


@pytest.mark.shows("REQ-023")
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
