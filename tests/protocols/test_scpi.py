"""The console as a person or PyVISA meets it: lines in, lines out, against a scripted laser."""

import itertools
import re
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.faults import Fault
from protocols.interlocks import Interlock
from protocols.messages import Handpiece, Message, PulseFlag, PulseReport, Result, Status, Telemetry
from protocols.refusals import Refusal
from protocols.requests import (
    Calibration,
    CommitSetpoint,
    Counters,
    Identity,
    ReadCalibration,
    ReadCounters,
    ReadIdentity,
    ReadSetpoint,
    Reply,
    Request,
    SetAiming,
    Setpoint,
    StageSetpoint,
)
from protocols.scpi import TREE, Console
from protocols.scpi_line import ERRORS, Grammar, Node
from protocols.states import State
from tests.protocols.wires import status

NOTHING_SET = Setpoint(0, 0, 0, 0, Handpiece.NONE, 0)
SET = Setpoint(755, 750, 173_000, 5_000, Handpiece.ZOOM, 3_500)
READY_TO_SET = status(handpiece=Handpiece.ZOOM, spot_um=3_500, wavelength_nm=755)
PULSE = PulseReport(
    *(41, 1, 5, 1, 1, frozenset(), 173_000, 172_345, 171_001, 748, 750, 755, Handpiece.ZOOM, 3_500),
    *(5_000, 1_250_000, 60_000),
)
SLOW = Telemetry(1, 1, 1_250_500, -40_001, 4_000, 20_000, 950, True, False, 9, 0, 0)


@dataclass
class ScriptedLaser:
    """Answers from memory; carries out what is staged and committed; refuses with `refusals`."""

    now: Status = READY_TO_SET
    slow: Telemetry | None = SLOW
    pulse: PulseReport | None = PULSE
    setpoint: Setpoint = SET
    host_holds_laser: bool = False
    refusals: frozenset[Refusal] = frozenset()
    asked: list[Request] = field(default_factory=list)
    stops: int = 0
    _staged: StageSetpoint | None = None

    def latest(self, message: type[Message]) -> Any:
        return {Status: self.now, Telemetry: self.slow, PulseReport: self.pulse}[message]

    def ask(self, request: Request) -> Any:
        match request:
            case ReadIdentity():
                return Identity("Alex, 755; x", "PL755-0001", "1.0.0", "", 1, 1, True)
            case ReadSetpoint():
                return self.setpoint
            case ReadCounters():
                return Counters(2**62 + 1, 40, 1, 98_765, 7, 2)
            case ReadCalibration():
                return Calibration(True, 1, 2, 3, 1_001_000, 998_500, 12_000, 30)
        self.asked.append(request)
        if self.refusals:
            return Reply(Result.REFUSED, self.refusals, 0)
        if isinstance(request, StageSetpoint):
            self._staged = request
        if isinstance(request, CommitSetpoint) and self._staged:
            setpoint = Setpoint.decode(self._staged.encode())
            assert setpoint.hash == request.setpoint_hash
            self.setpoint = setpoint
        return Reply(Result.DONE, frozenset(), 0)

    def stop(self) -> None:
        self.stops += 1


class Terminal:
    """A person at the console."""

    def __init__(self, laser: ScriptedLaser | None = None) -> None:
        self.laser = laser or ScriptedLaser()
        self.console = Console()

    def type(self, data: bytes) -> str:
        for command in self.console.receive(data):
            self.console.reply(command, self.laser)
        return self.console.outgoing().decode("ascii")

    def say(self, line: str) -> str:
        return self.type(line.encode() + b"\n").removesuffix("\n")

    def error(self) -> int:
        return int(self.say("SYST:ERR?").split(",")[0])


READINGS = {
    "*IDN?": "picolase,Alex  755  x,PL755-0001,1.0.0",
    "*TST?": "0",
    "*OPC?": "1",
    "*ESR?": "128",
    "*ESE?": "0",
    "*SRE?": "0",
    "*STB?": "0",
    "SYSTem:ERRor:NEXT?": '0,"No error"',
    "SYSTem:ERRor:COUNt?": "0",
    "SYSTem:VERSion?": "1999.0",
    "STATus:LASer?": "STANDBY",
    "STATus:LEAVe?": "NEVER",
    "STATus:BLOCks?": "FOOT_HELD,NOT_WARM",
    "STATus:CALibrated?": "0",
    "STATus:DOCKed?": "1",
    "STATus:FOOT?": "RELEASED",
    "STATus:SHUTter?": "CLOSED",
    "STATus:HANDpiece?": "ZOOM",
    "STATus:SPOT?": "3.500",
    "STATus:WAVelength?": "755",
    "INTerlock?": "DOOR,COVER",
    "FAULt?": "NONE",
    "FAULt:LIST?": "NONE",
    "FAULt:PRESent?": "NONE",
    "FAULt:INSTance?": "0",
    "SOURce:ENERgy?": "173.000",
    "SOURce:RATE?": "5.000",
    "SOURce:WIDTh?": "750",
    "SOURce:WAVelength?": "755",
    "SOURce:SPOT?": "3.500",
    "SOURce:HANDpiece?": "ZOOM",
    "SOURce:AIMing?": "0",
    "SENSe:ENERgy?": "172.345",
    "SENSe:ENERgy2?": "171.001",
    "SENSe:WIDTh?": "748",
    "SENSe:TEMPerature?": "-40.001",
    "SENSe:FLOW?": "4.000",
    "SENSe:CHARge?": "1250.500",
    "SENSe:INDicator?": "20.000",
    "SENSe:AIMing?": "0.950",
    "COUNt:PULSes?": "4611686018427387905",
    "COUNt:ACKNowledged?": "40",
    "COUNt:WAITing?": "1",
    "COUNt:LAMP?": "98765",
    "COUNt:BOOTs?": "7",
    "COUNt:TRIPs?": "2",
    "CALibration:VALid?": "1",
    "CALibration:GAIN?": "1.001000",
    "CALibration:GAIN2?": "0.998500",
}
SETTINGS = {
    "*RST": SetAiming(False),
    "SOURce:AIMing ON": SetAiming(True),
    "SOURce:ENERgy 100": StageSetpoint(755, 750, 100_000, 5_000, Handpiece.ZOOM, 3_500),
    "SOURce:RATE 2.5": StageSetpoint(755, 750, 173_000, 2_500, Handpiece.ZOOM, 3_500),
    "SOURce:WIDTh 550": StageSetpoint(755, 550, 173_000, 5_000, Handpiece.ZOOM, 3_500),
    "SOURce:WAVelength 755": StageSetpoint(755, 750, 173_000, 5_000, Handpiece.ZOOM, 3_500),
    "SOURce:APPLy 650,20,10": StageSetpoint(755, 650, 20_000, 10_000, Handpiece.ZOOM, 3_500),
}
OTHERS = {"*CLS", "*ESE 0", "*SRE 0", "*OPC", "*WAI", "ABORt"}


def spelled(header: str) -> set[str]:
    """Every mix of short and long forms of a header without brackets, in upper and lower case."""
    forms = [
        {word, re.sub("[a-z]", "", word)} if not word.startswith("*") else {word}
        for word in header.split(":")
    ]
    mixes = {":".join(mix) for mix in itertools.product(*forms)}
    return {case(mix) for mix in mixes for case in (str.upper, str.lower, str)}


def test_every_node_of_the_tree_is_tried_below() -> None:
    queries = {node.header.replace("[", "").replace("]", "") + "?" for node in TREE if node.query}
    assert queries == set(READINGS)
    actions = {node.header for node in TREE if node.action}
    assert actions == {line.split()[0] for line in [*SETTINGS, *OTHERS]}
    assert all(node.meaning for node in TREE)
    spellings = [spelling for node in TREE for spelling in node.spellings()]
    assert len(spellings) == len(set(spellings))


def test_short_forms_follow_the_rule_of_scpi() -> None:
    """The first four letters, or three if the fourth is a vowel; short words as they are."""
    for word in {word for node in TREE for word in re.findall(r"[A-Za-z]+", node.header)}:
        if not word.isupper():
            long = word.upper()
            assert re.sub("[a-z]", "", word) == (long[:3] if long[3] in "AEIOU" else long[:4])


@pytest.mark.parametrize("query", READINGS)
def test_every_query_in_every_spelling_has_its_answer(query: str) -> None:
    blocks = frozenset({Refusal.NOT_WARM, Refusal.FOOT_HELD})
    interlocks = frozenset({Interlock.COVER, Interlock.DOOR})
    now = replace(READY_TO_SET, blocks=blocks, open_interlocks=interlocks, docked=True)
    for spelling in spelled(query.removesuffix("?")):
        for line in (f"{spelling}?", f"  {spelling}?\t\r"):
            terminal = Terminal(ScriptedLaser(now=now))
            assert terminal.say(line) == READINGS[query]
            assert terminal.error() == 0
            assert terminal.laser.asked == []


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("host", [False, True])
@pytest.mark.parametrize("line", SETTINGS)
def test_settings_are_carried_out_in_standby_without_a_host_and_never_else(
    line: str, host: bool, state: State
) -> None:
    for spelling in spelled(line.split(maxsplit=1)[0]):
        terminal = Terminal(ScriptedLaser(now=replace(READY_TO_SET, state=state), host_holds_laser=host))
        assert terminal.say(" ".join([spelling, *line.split()[1:]])) == ""
        if state is State.STANDBY and not host:
            assert terminal.laser.asked[0] == SETTINGS[line]
            assert terminal.error() == 0
        else:
            assert terminal.laser.asked == []
            assert terminal.error() == -221


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("host", [False, True])
def test_queries_and_the_stop_work_in_every_state_whoever_holds_the_laser(host: bool, state: State) -> None:
    terminal = Terminal(ScriptedLaser(now=replace(READY_TO_SET, state=state), host_holds_laser=host))
    assert terminal.say("STAT:LAS?;:SOUR:ENER?") == f"{state.name};173.000"
    assert terminal.say("ABOR") == ""
    assert terminal.say("*CLS;:abort") == ""
    assert terminal.laser.stops == 2
    assert terminal.error() == 0


@pytest.mark.parametrize("before", ["NONSENSE", "SOUR:RATE 999", "SOUR:ENER 1,2", "a b c;NONSENSE", "\x01"])
def test_a_stop_behind_an_error_in_its_line_is_carried_out_and_nothing_else_is(before: str) -> None:
    terminal = Terminal()
    terminal.say(f"{before};*ESE 17;:ABOR;*ESE 18")
    assert terminal.laser.stops == 1
    assert terminal.error() != 0
    assert terminal.error() == 0  # one error a line
    assert terminal.say("*ESE?") == "0"


def test_nothing_on_the_console_arms_or_permits() -> None:
    """Every command of the tree with parameters: only set-points and the aiming beam are asked for."""
    laser = ScriptedLaser()
    terminal = Terminal(laser)
    for node in TREE:
        terminal.say(node.header.replace("[:NEXT]", "") + " " + ",".join("1" for _ in node.parameters))
    for line in ("ARM", "GRANT", "INIT", "FIRE", "OUTP ON", "SOUR:STAT ON", "TRIG", "*TRG", "CAL", "CAL:RUN"):
        terminal.say("*CLS")
        terminal.say(line)
        assert terminal.error() == -113, line
    assert {type(request) for request in laser.asked} == {StageSetpoint, CommitSetpoint, SetAiming}


def test_a_setting_is_staged_committed_and_read_back() -> None:
    terminal = Terminal()
    assert terminal.say("SOUR:ENER 120.5 mJ;RATE 10 Hz;WIDT 0.65 ns;:SOUR:ENER?;RATE?;WIDT?") == (
        "120.500;10.000;650"
    )
    assert terminal.laser.setpoint == Setpoint(755, 650, 120_500, 10_000, Handpiece.ZOOM, 3_500)
    assert [type(request) for request in terminal.laser.asked] == [StageSetpoint, CommitSetpoint] * 3


def test_a_whole_setpoint_is_set_at_once_for_what_is_connected_now() -> None:
    now = replace(READY_TO_SET, handpiece=Handpiece.FIXED_8, spot_um=8_000)
    terminal = Terminal(ScriptedLaser(setpoint=NOTHING_SET, now=now))
    assert terminal.say("SOUR:ENER 100") == ""
    assert terminal.say("SYST:ERR?") == (
        '-221,"Settings conflict;no set-point is committed: begin with SOURce:APPLy"'
    )
    terminal.say("SOUR:APPL 750 ps, 0.1J ,2.5")
    assert terminal.laser.setpoint == Setpoint(755, 750, 100_000, 2_500, Handpiece.FIXED_8, 8_000)


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
