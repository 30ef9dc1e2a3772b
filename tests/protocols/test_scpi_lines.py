"""The lines of the console: numbers and units, errors, pieces, queues and registers."""

import itertools
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.faults import Fault
from protocols.messages import PulseFlag
from protocols.refusals import Refusal
from protocols.requests import Request
from protocols.scpi_line import ERRORS, Grammar, Node
from protocols.states import State
from tests.protocols.terminal import PULSE, READINGS, READY_TO_SET, SET, ScriptedLaser, Terminal


@pytest.mark.parametrize(
    ("text", "energy_uj"),
    [
        ("173", 173_000),
        ("+173.", 173_000),
        (".5", 500),
        ("1.5E2", 150_000),
        ("150000e-3 MJ", 150_000),
        ("173mJ", 173_000),
        ("173 mj", 173_000),
        ("0.173 J", 173_000),
        ("173001 uJ", 173_001),
        ("0", 0),
        ("-0", 0),
        ("500", 500_000),
    ],
)
def test_numbers_and_their_units(text: str, energy_uj: int) -> None:
    terminal = Terminal()
    terminal.say(f"SOUR:ENER {text}")
    assert terminal.error() == 0
    assert terminal.laser.setpoint.pulse_energy_uj == energy_uj


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("SOUR:ENER", -109),
        ("SOUR:ENER 1,2", -108),
        ("SOUR:APPL 750,100", -109),
        ("SOUR:APPL 750,,5", -104),
        ("SOUR:ENER? 5", -108),
        ("*IDN? 1", -108),
        ("*RST 1", -108),
        ("*IDN", -113),
        ("*RST?", -113),
        ("SOUR:APPL?", -113),
        ("SENS:ENER 5", -113),
        ("SOURC:ENER?", -113),
        ("SOU:ENER?", -113),
        ("SOUR:ENER3?", -113),
        ("ENER?", -113),
        ("*IDN?;ENER?", -113),
        ("SOUR:ENER?;STAT:LAS?", -113),
        ("1SOUR?", -102),
        ("SOUR::ENER?", -102),
        ("?", -102),
        ("*", -102),
        ("SOUR:ENER?x", -102),
        ("SOUR:ENER 'x'", -104),
        ("SOUR:ENER 1.2.3", -104),
        ("SOUR:ENER NaN", -104),
        ("SOUR:ENER INF", -104),
        ("SOUR:ENER ON", -104),
        ("SOUR:ENER 1 Hz", -131),
        ("SOUR:RATE 5 MHz", -131),
        ("SOUR:RATE 5000 mHz", -131),
        ("*ESE 1 J", -131),
        ("SOUR:ENER 1E999999999", -123),
        ("SOUR:ENER 1E99999999999999999999", -123),  # more than a Decimal can hold
        ("SOUR:ENER 1E-99", -123),
        ("SOUR:ENER 1E19", -123),
        ("SOUR:ENER 1E18", -222),
        ("SOUR:ENER -1", -222),
        ("SOUR:ENER 500.001", -222),
        ("SOUR:ENER 173.0005", -222),
        ("SOUR:WIDT 2001", -222),
        ("SOUR:AIM 2", -222),
        ("SOUR:AIM MAYBE", -104),
        ("*ESE 256", -222),
        ("*ESE 1.5", -222),
        ("SOUR:ENER µ", -101),
        ("\x07*IDN?", -101),
    ],
)
def test_what_is_wrong_with_a_line(line: str, code: int) -> None:
    terminal = Terminal()
    terminal.say("*CLS")
    terminal.say(line)
    assert terminal.laser.asked == []
    assert int(terminal.say("*ESR?")) == {1: 32, 2: 16}[-code // 100]
    number, words = terminal.say("SYST:ERR?").split(",", 1)
    assert int(number) == code
    assert words.startswith(f'"{ERRORS[code]}')
    assert words.endswith('"')
    assert words.count('"') == 2
    assert terminal.error() == 0


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("SOUR:ENER 1 Hz", '-131,"Invalid suffix;Hz: give pulse_energy_mj with MJ or UJ or J"'),
        ("SOUR:RATE 5 MHz", '-131,"Invalid suffix;MHz: give rep_rate_hz with HZ"'),
        ("*ESE 1 J", '-131,"Invalid suffix;J: give mask with no suffix"'),
        ("SOUR:AIM 1 J", '-131,"Invalid suffix;J: give switch with no suffix"'),
        ("SOUR:WIDT 1 V", '-131,"Invalid suffix;V: give mode_width_ps with PS or NS"'),
        ("SOUR:WAV 1 V", '-131,"Invalid suffix;V: give wavelength_nm with NM"'),
        (
            "SOUR:ENER 0.501 J",
            '-222,"Data out of range;pulse_energy_mj = 0.501 J: give 0 to 500, no finer than one base unit"',
        ),
    ],
)
def test_what_is_wrong_with_a_number_is_told_with_what_is_allowed(line: str, words: str) -> None:
    terminal = Terminal()
    terminal.say(line)
    assert terminal.say("SYST:ERR?") == words


def test_a_tabulator_is_a_blank() -> None:
    terminal = Terminal()
    assert terminal.say("\tSOUR:ENER\t100\tMJ;RATE?\t") == "5.000"
    assert terminal.laser.setpoint.pulse_energy_uj == 100_000


def test_a_line_without_end_is_never_held() -> None:
    terminal = Terminal()
    for _ in range(100):
        assert terminal.type(b"x" * 97) == ""
        assert len(terminal.console._line) <= 256
    terminal.type(b"\n")
    assert [terminal.error() for _ in range(2)] == [-363, 0]


def test_what_the_laser_does_not_know_of_itself_is_a_zero_in_its_identity() -> None:
    """[P] IEEE 488.2, 10.14: the character 0 stands for what is not available."""

    class Nameless(ScriptedLaser):
        def ask(self, request: Request) -> Any:
            return replace(super().ask(request), model="", serial="")

    assert Terminal(Nameless()).say("*IDN?") == "picolase,0,0,1.0.0"


def test_an_error_ends_its_line_and_not_the_next() -> None:
    terminal = Terminal()
    assert terminal.say("*IDN?;BAD;:SOUR:ENER 1") == READINGS["*IDN?"]
    assert terminal.laser.asked == []
    assert terminal.say("STAT:LAS?") == "STANDBY"
    terminal.laser.refusals = frozenset({Refusal.ENERGY_RANGE})
    assert terminal.say("SOUR:ENER 1;RATE 1;:STAT:LAS?") == ""
    assert len(terminal.laser.asked) == 1
    assert [terminal.error() for _ in range(3)] == [-113, -222, 0]


@pytest.mark.parametrize("refusal", Refusal)
def test_what_the_laser_refuses_is_told_with_its_reason(refusal: Refusal) -> None:
    ranges = {"ENERGY_RANGE", "RATE_NOT_OFFERED", "MODE_NOT_OFFERED"}
    terminal = Terminal(ScriptedLaser(refusals=frozenset({refusal})))
    terminal.say("SOUR:ENER 100")
    answer = terminal.say("SYST:ERR?")
    assert answer.startswith("-222" if refusal.name in ranges else "-221")
    assert terminal.laser.setpoint == SET


def test_long_reasons_are_cut_to_what_scpi_allows() -> None:
    terminal = Terminal(ScriptedLaser(refusals=frozenset(Refusal)))
    terminal.say("SOUR:ENER 100")
    words = terminal.say("SYST:ERR?").split(",", 1)[1]
    assert len(words) == 255 + 2


def test_quotes_in_what_was_typed_do_not_break_the_error() -> None:
    terminal = Terminal()
    terminal.say('SOUR:ENER "5"')
    assert terminal.say("SYST:ERR?") == "-104,\"Data type error;'5' is no number\""


def test_several_commands_in_a_line_answer_in_one() -> None:
    terminal = Terminal()
    assert (
        terminal.say("SOUR:ENER?;RATE?;*OPC?;WIDT?;:SENS:TEMP?;CHAR?;")
        == "173.000;5.000;1;750;-40.001;1250.500"
    )
    assert terminal.type(b"STAT:LAS?\nFAUL?\r\n\n ;; \n") == "STANDBY\nNONE\n"


@given(st.data())
def test_lines_may_come_in_any_pieces(data: st.DataObject) -> None:
    text = b"*IDN?\r\nSOUR:ENER 100 mJ;RATE?\n" + b"x" * 300 + b"\nBAD\n\nSTAT:LAS?\nSYST:ERR?\nSYST:ERR?\n"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    whole, pieces = Terminal(), Terminal()
    expected = whole.type(text)
    assert "".join(pieces.type(text[a:b]) for a, b in itertools.pairwise([0, *cuts, len(text)])) == expected
    assert expected.splitlines()[2:] == [
        "STANDBY",
        '-363,"Input buffer overrun;more than 256 characters"',
        '-113,"Undefined header;BAD"',
    ]


@given(st.lists(st.binary(max_size=80), max_size=6))
def test_any_bytes_leave_the_console_usable_and_the_setpoint_alone(noise: list[bytes]) -> None:
    terminal = Terminal()
    for data in noise:
        terminal.type(data)
        assert len(terminal.console._line) <= 256
    terminal.type(b"\n*CLS\n")
    assert terminal.say("*STB?;:STAT:LAS?") == "0;STANDBY"
    assert terminal.laser.setpoint == SET


words = st.sampled_from(
    [
        "SOUR",
        "ENER",
        "RATE",
        "APPL",
        "AIM",
        "*ESE",
        "SYST",
        "ERR",
        "ABOR",
        ":",
        ";",
        "?",
        " ",
        ",",
        "1",
        "E9",
        "mJ",
        "-",
    ]
)


@given(st.lists(words, max_size=14).map("".join))
def test_any_words_bring_an_answer_or_an_error_and_no_exception(line: str) -> None:
    terminal = Terminal()
    terminal.say(line)
    assert terminal.say("STAT:LAS?") == "STANDBY"


def test_the_longest_line_is_taken_and_one_more_character_is_not() -> None:
    terminal = Terminal()
    longest = b"*IDN?".ljust(256)
    assert terminal.type(longest + b"\n").startswith("picolase,")
    assert terminal.type(longest + b" \n") == ""
    assert int(terminal.say("*ESR?")) == 128 | 8
    assert terminal.error() == -363


def test_the_error_queue_says_when_it_overflowed() -> None:
    terminal = Terminal()
    for number in range(20):
        terminal.say(f"BAD{number}")
    assert terminal.say("SYST:ERR:COUN?") == "16"
    errors = [terminal.say("SYST:ERR?") for _ in range(17)]
    assert errors[0] == '-113,"Undefined header;BAD0"'
    assert errors[14] == '-113,"Undefined header;BAD14"'
    assert errors[15:] == ['-350,"Queue overflow"', '0,"No error"']


def test_status_byte_and_registers_follow_ieee_488_2() -> None:
    terminal = Terminal()
    assert terminal.say("*ESR?;*ESR?") == "128;0"
    assert terminal.say("*ESE 36;*ESE?;*SRE 255;*SRE?") == "36;191"
    assert terminal.say("*IDN?;*STB?").split(";")[-1] == str(16 | 64)
    terminal.say("BAD")
    assert terminal.say("*STB?") == str(4 | 32 | 64)
    terminal.say("*SRE 0")
    assert terminal.say("*STB?") == str(4 | 32)
    assert terminal.error() == -113
    assert terminal.say("*STB?;*ESR?;*STB?") == "32;32;16"
    terminal.say("BAD;*CLS")
    assert terminal.say("*STB?") == "36"
    terminal.say("*CLS")
    assert terminal.say("*STB?;*ESR?") == "0;0"
    terminal.say("*OPC;*WAI")
    assert terminal.say("*ESR?") == "1"


def test_a_latched_fault_is_the_result_of_the_self_test() -> None:
    faults = frozenset({Fault.DOOR, Fault.ESTOP})
    now = replace(READY_TO_SET, state=State.FAULT, first_fault=Fault.DOOR, faults=faults, fault_instance=4)
    terminal = Terminal(ScriptedLaser(now=now))
    assert terminal.say("*TST?;:FAUL?;FAUL:LIST?;INST?") == "3;DOOR;ESTOP,DOOR;4"


def test_what_was_not_measured_is_not_a_number() -> None:
    terminal = Terminal(ScriptedLaser(pulse=None, slow=None))
    assert terminal.say("SENS:ENER?;WIDT?;TEMP?") == "9.91E37;9.91E37;9.91E37"
    terminal.laser.pulse = replace(PULSE, flags=frozenset({PulseFlag.UNKNOWN}), monitor_a_uj=0)
    assert terminal.say("SENS:ENER?") == "9.91E37"
    terminal.laser.pulse = replace(PULSE, flags=frozenset({PulseFlag.ENERGY_LOW}), monitor_a_uj=0)
    assert terminal.say("SENS:ENER?") == "0.000"


def test_nothing_is_echoed() -> None:
    terminal = Terminal()
    assert terminal.type(b"*IDN") == ""
    assert terminal.type(b"?") == ""
    assert terminal.type(b"\n").count("IDN") == 0


def test_a_tree_of_its_own_is_read_by_the_same_grammar() -> None:
    """Optional mnemonics in any place, each command where it stands in the line."""
    grammar = Grammar([Node("[:ALPha]:BETa[:GAMMa]", "", lambda _c, _l: "x")])
    for line in ("ALP:BET:GAMM?", "BET?", "beta:gamma?", ":ALPHA:BETA?"):
        (command,) = grammar.parse(line.encode())
        assert (command.text, command.run(None, None), command.ends_line) == (line, "x", True)
    first, second = grammar.parse(b"BET?; BET?")
    assert (first.ends_line, second.ends_line) == (False, True)
    assert grammar.parse(b" \t\r") == []
