"""The console as a person or PyVISA meets it: every query, every setting, and what is refused."""

import itertools
import re
from dataclasses import replace

import pytest

from protocols.interlocks import Interlock
from protocols.messages import Handpiece
from protocols.refusals import Refusal
from protocols.requests import CommitSetpoint, SetAiming, Setpoint, StageSetpoint
from protocols.scpi import TREE
from protocols.states import State
from tests.protocols.terminal import READINGS, READY_TO_SET, ScriptedLaser, Terminal

NOTHING_SET = Setpoint(0, 0, 0, 0, Handpiece.NONE, 0)
SETTINGS = {
    "*RST": SetAiming(False),
    "SOURce:AIMing ON": SetAiming(True),
    "SOURce:ENERgy 100": StageSetpoint(755, 750, 100_000, 5_000, Handpiece.ZOOM, 3_500),
    "SOURce:RATE 2.5": StageSetpoint(755, 750, 173_000, 2_500, Handpiece.ZOOM, 3_500),
    "SOURce:WIDTh 550": StageSetpoint(755, 550, 173_000, 5_000, Handpiece.ZOOM, 3_500),
    "SOURce:WAVelength 755 nm": StageSetpoint(755, 750, 173_000, 5_000, Handpiece.ZOOM, 3_500),
    "SOURce:APPLy 650,20,10": StageSetpoint(755, 650, 20_000, 10_000, Handpiece.ZOOM, 3_500),
}
UNITS = {
    "mJ": "SOURce:ENERgy? SENSe:ENERgy? SENSe:ENERgy2?",
    "ps": "SOURce:WIDTh? SENSe:WIDTh?",
    "nm": "STATus:WAVelength? SOURce:WAVelength?",
    "mm": "STATus:SPOT? SOURce:SPOT?",
    "Hz": "SOURce:RATE?",
    "degC": "SENSe:TEMPerature?",
    "l/min": "SENSe:FLOW?",
    "V": "SENSe:CHARge?",
    "mA": "SENSe:INDicator?",
    "mW": "SENSe:AIMing?",
    "1": "CALibration:GAIN? CALibration:GAIN2?",
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


def test_every_answer_is_declared_in_the_unit_that_its_reading_has() -> None:
    expected = {query: unit for unit, queries in UNITS.items() for query in queries.split()}
    declared = {node.header.replace("[", "").replace("]", "") + "?": node.unit for node in TREE if node.query}
    assert declared == {query: expected.get(query, "") for query in READINGS}


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


@pytest.mark.shows("REQ-024")
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


@pytest.mark.shows("REQ-023")
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


@pytest.mark.parametrize(
    ("word", "on"), [("ON", True), ("1", True), ("OFF", False), ("off", False), ("0", False)]
)
def test_the_aiming_beam_is_switched_by_a_word_or_its_number(word: str, on: bool) -> None:
    terminal = Terminal()
    assert terminal.say(f"SOUR:AIM {word}") == ""
    assert terminal.laser.asked == [SetAiming(on)]
    assert terminal.error() == 0


def test_a_whole_setpoint_is_set_at_once_for_what_is_connected_now() -> None:
    now = replace(READY_TO_SET, handpiece=Handpiece.FIXED_8, spot_um=8_000)
    terminal = Terminal(ScriptedLaser(setpoint=NOTHING_SET, now=now))
    assert terminal.say("SOUR:ENER 100") == ""
    assert terminal.say("SYST:ERR?") == (
        '-221,"Settings conflict;no set-point is committed: begin with SOURce:APPLy"'
    )
    terminal.say("SOUR:APPL 750 ps, 0.1J ,2.5")
    assert terminal.laser.setpoint == Setpoint(755, 750, 100_000, 2_500, Handpiece.FIXED_8, 8_000)
