"""The console's port: floods, slow lines, lost bytes, pieces, restarts."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.faults import Fault
from protocols.messages import Leave
from protocols.requests import ReadSetpoint, Setpoint
from protocols.states import State
from tests.sim_device.bench import MS, at
from tests.sim_device.terminal import Terminal, setpoint_of, without_host
from tests.sim_device.test_firmware_states import bench_in


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
