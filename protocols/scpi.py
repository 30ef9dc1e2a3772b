"""The console dialect for people and PyVISA: SCPI and IEEE 488.2 lines, as a pure state machine.

Theory of operation. `receive` cuts bytes into lines and lines into commands; the firmware hands each command
back to `reply`, in order, together with itself; `outgoing` has the response lines. Nothing is echoed. The
tree is the table `TREE`: parser, interface document and tests read it. Queries are always answered; settings
are carried out in STANDBY while no host holds the laser; nothing here arms or permits; ABORt stops in every
state. The first error in a line ends it: what stands behind it is not carried out, but for ABORt.

A bare number is in the user's units (mJ, Hz, ps, nm). MHZ is no suffix of a rate: SCPI reads it as megahertz,
people as millihertz.
"""

from __future__ import annotations

import enum
import functools
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import fields
from decimal import Decimal
from typing import Any, Final, Protocol

from protocols.fields import USER_UNITS, Int, to_user
from protocols.messages import Message, PulseFlag, PulseReport, Result, Status, Telemetry, layout
from protocols.refusals import REFUSALS, Refusal
from protocols.requests import (
    Calibration,
    CommitSetpoint,
    Counters,
    ReadCalibration,
    ReadCounters,
    ReadIdentity,
    ReadSetpoint,
    Request,
    SetAiming,
    Setpoint,
    StageSetpoint,
)
from protocols.scpi_line import Command, ConsoleError, Grammar, Node, Parameter, failing
from protocols.states import State

LINE_MAX: Final = 256  # [C] the longest useful line has 100 characters; what is longer is noise
ERRORS_MAX: Final = 16  # [C] more than a person reads; then the newest gives way to -350
SCPI_VERSION: Final = "1999.0"
NOT_KNOWN: Final = "9.91E37"  # [P] SCPI-99 vol. 1, 7.2.1.5: not a number

# [P] IEEE 488.2, 11.5.1: bits of the standard event status register
OPERATION_COMPLETE: Final = 0x01
POWER_ON: Final = 0x80
_EVENTS: Final = {1: 0x20, 2: 0x10, 3: 0x08}  # of -1xx, command; -2xx, execution; -3xx, device

# [P] IEEE 488.2, 11.2 and SCPI-99 vol. 1, 9: bits of the status byte
ERRORS_WAIT: Final = 0x04
MESSAGE_AVAILABLE: Final = 0x10
EVENT_SUMMARY: Final = 0x20
MASTER_SUMMARY: Final = 0x40

_RANGES: Final = frozenset({Refusal.ENERGY_RANGE, Refusal.RATE_NOT_OFFERED, Refusal.MODE_NOT_OFFERED})
_READ_BY: Final[dict[type[Message], Request]] = {
    Setpoint: ReadSetpoint(),
    Counters: ReadCounters(),
    Calibration: ReadCalibration(),
}


class Laser(Protocol):
    """What the console needs of the firmware: its own messages, its request handler, its stop."""

    @property
    def host_holds_laser(self) -> bool:
        """A host session is open and its heartbeat lives: settings are the host's."""
        ...

    def latest(self, message: type[Message]) -> Any:
        """The present Status, or the last Telemetry or PulseReport; None before there was one."""
        ...

    def ask(self, request: Request) -> Any:
        """The answer that the class of `request` declares, as the binary port would give it."""
        ...

    def stop(self) -> None:
        """As a Stop that the binary port takes."""
        ...


class Console:
    """One console port; give every command of `receive` to `reply` at once and in order."""

    def __init__(self) -> None:
        self.events = POWER_ON  # standard event status register
        self.events_enabled = 0
        self.service_enabled = 0
        self.errors: deque[ConsoleError] = deque()
        self.responses: list[str] = []  # of the line being carried out
        self._line = bytearray()
        self._dropping = False
        self._line_failed = False
        self._out = bytearray()

    def receive(self, data: bytes) -> list[Command]:
        """The commands of the lines that `data` completes."""
        commands: list[Command] = []
        *ended, rest = data.split(b"\n")
        for piece in ended:
            self._take(piece)
            commands += [_OVERRUN] if self._dropping else GRAMMAR.parse(bytes(self._line))
            self._line.clear()
            self._dropping = False
        self._take(rest)
        return commands

    def reply(self, command: Command, laser: Laser) -> None:
        """Carry out one command and keep what it answers for `outgoing`."""
        if command.always or not self._line_failed:
            try:
                response = command.run(self, laser)
            except ConsoleError as error:
                self._line_failed = True
                self._note(error)
            else:
                self.responses += [] if response is None else [response]
        if command.ends_line:
            if self.responses:
                self._out += ";".join(self.responses).encode("ascii") + b"\n"
            self.responses.clear()
            self._line_failed = False

    def outgoing(self) -> bytes:
        """Bytes to put on the wire, handed out once."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def _take(self, piece: bytes) -> None:
        self._line += piece
        if len(self._line) > LINE_MAX:
            self._line.clear()
            self._dropping = True  # until the line ends

    def _note(self, error: ConsoleError) -> None:
        self.events |= _EVENTS[-error.code // 100]
        if len(self.errors) == ERRORS_MAX:
            self.errors[-1] = ConsoleError(-350)
        else:
            self.errors.append(error)


# -- what the commands of IEEE 488.2 do


def _identify(_console: Console, laser: Laser) -> str:
    identity = laser.ask(ReadIdentity())
    parts = ("picolase", identity.model, identity.serial, identity.firmware_version)
    return ",".join(part.replace(",", " ").replace(";", " ") or "0" for part in parts)


def _clear(console: Console, _laser: Laser) -> None:
    console.errors.clear()
    console.events = 0


def _next_error(console: Console, _laser: Laser) -> str:
    return str(console.errors.popleft() if console.errors else ConsoleError(0))


def _read_events(console: Console, _laser: Laser) -> str:
    events, console.events = console.events, 0
    return str(events)


def _enable_events(console: Console, _laser: Laser, mask: int) -> None:
    console.events_enabled = mask


def _enable_service(console: Console, _laser: Laser, mask: int) -> None:
    console.service_enabled = mask & ~MASTER_SUMMARY  # the summary cannot enable itself


def _status_byte(console: Console, _laser: Laser) -> str:
    byte = ERRORS_WAIT if console.errors else 0
    byte |= MESSAGE_AVAILABLE if console.responses else 0
    byte |= EVENT_SUMMARY if console.events & console.events_enabled else 0
    return str(byte | (MASTER_SUMMARY if byte & console.service_enabled else 0))


def _complete(console: Console, _laser: Laser) -> None:
    console.events |= OPERATION_COMPLETE


def _wait(_console: Console, _laser: Laser) -> None:
    """Nothing to wait for: every command is complete when the next one is looked at."""


def _first_fault(_console: Console, laser: Laser) -> str:
    return str(laser.latest(Status).first_fault.value)


# -- what the laser's own commands do


def _read(message: type[Message], name: str, _console: Console, laser: Laser) -> str:
    """The field in the user's units; NOT_KNOWN while there is none, or when its pulse was not measured."""
    present = laser.ask(_READ_BY[message]) if message in _READ_BY else laser.latest(message)
    if present is None or (isinstance(present, PulseReport) and PulseFlag.UNKNOWN in present.flags):
        return NOT_KNOWN
    value = getattr(present, name)
    if isinstance(value, frozenset):
        return ",".join(member.name for member in sorted(value)) or "NONE"
    if isinstance(value, enum.Enum):
        return value.name
    digits = len(str(_base_units(name))) - 1
    return f"{Decimal(int(value)).scaleb(-digits):f}"


def _base_units(name: str) -> int:
    """How many base units of field `name` make one of the user's; a power of ten."""
    return next((int(divisor) for suffix, (_, divisor) in USER_UNITS.items() if name.endswith(suffix)), 1)


def _stop(_console: Console, laser: Laser) -> None:
    laser.stop()


def _set_aiming(_console: Console, laser: Laser, on: int) -> None:
    _demand(laser, SetAiming(bool(on)))


def _reset(_console: Console, laser: Laser) -> None:
    _demand(laser, SetAiming(False))


def _apply(_console: Console, laser: Laser, width_ps: int, energy_uj: int, rate_mhz: int) -> None:
    _commit(laser, mode_width_ps=width_ps, pulse_energy_uj=energy_uj, rep_rate_mhz=rate_mhz)


def _change(name: str, _console: Console, laser: Laser, number: int) -> None:
    _commit(laser, **{name: number})


def _commit(laser: Laser, **changes: int) -> None:
    """Put the set-point in force with `changes`, for what is connected now; all of it or nothing."""
    status, committed = laser.latest(Status), laser.ask(ReadSetpoint())
    values = {field.name: getattr(committed, field.name) for field in fields(StageSetpoint)}
    values |= {name: getattr(status, name) for name in ("wavelength_nm", "handpiece", "spot_um")}
    values |= changes
    if not values["mode_width_ps"]:
        raise ConsoleError(-221, "no set-point is committed: begin with SOURce:APPLy")
    stage = StageSetpoint(**values)
    _demand(laser, stage)
    _demand(laser, CommitSetpoint(zlib.crc32(stage.encode())))


def _demand(laser: Laser, request: Request) -> None:
    """Have `request` carried out, or raise with every reason against it."""
    reply = laser.ask(request)
    if reply.result is not Result.DONE:
        words = ", ".join(REFUSALS[refusal].text for refusal in sorted(reply.reasons))
        raise ConsoleError(-222 if reply.reasons & _RANGES else -221, words)


def _guarded(action: Callable[..., None]) -> Callable[..., None]:
    """`action` in STANDBY while no host holds the laser; else refused. The firmware judges again."""

    def act(console: Console, laser: Laser, *numbers: int) -> None:
        state = laser.latest(Status).state
        if state is not State.STANDBY:
            raise ConsoleError(-221, f"the laser is in {state.name}: settings change in STANDBY only")
        if laser.host_holds_laser:
            raise ConsoleError(-221, "a host holds the laser: disconnect it first")
        action(console, laser, *numbers)

    return act


# -- the tree


def _reading(header: str, message: type[Message], name: str, setting: Parameter | None = None) -> Node:
    """A node that answers a field of the wire, under the meaning declared there; settable with `setting`."""
    kind = dict(layout(message).fields)[name]
    meaning = f"`{message.__name__}.{name}`: {kind.meaning}"
    query = functools.partial(_read, message, name)
    unit = _USER_UNIT_NAMES.get(kind.unit, kind.unit)
    if setting is None:
        return Node(header, meaning, query, unit=unit)
    action = _guarded(functools.partial(_change, name))
    return Node(header, meaning, query, action, (setting,), unit)


def _setting(name: str, **suffixes: int) -> Parameter:
    """A field of the set-point with its wire range; a bare number is in the user's units."""
    kind = dict(layout(StageSetpoint).fields)[name]
    high = kind.high if isinstance(kind, Int) else 0
    return Parameter(to_user(name, 0)[0], high, {"": _base_units(name), **suffixes})


_USER_UNIT_NAMES: Final = {
    "uJ": "mJ",
    "mHz": "Hz",
    "um": "mm",
    "mV": "V",
    "mC": "degC",
    "uA": "mA",
    "uW": "mW",
    "ml/min": "l/min",
    "ppm": "1",
}
_MASK: Final = Parameter("mask", 255, {"": 1})
_SWITCH: Final = Parameter("switch", 1, {"": 1}, {"ON": 1, "OFF": 0})
_WIDTH: Final = _setting("mode_width_ps", PS=1, NS=1_000)
_ENERGY: Final = _setting("pulse_energy_uj", MJ=1_000, UJ=1, J=1_000_000)  # MJ: milli, as SCPI has it
_RATE: Final = _setting("rep_rate_mhz", HZ=1_000)
_WAVELENGTH: Final = _setting("wavelength_nm", NM=1)

TREE: Final[tuple[Node, ...]] = (
    Node("*IDN", "maker, model, serial number, firmware version", _identify),
    Node("*RST", "aiming beam off; the set-point stays", action=_guarded(_reset)),
    Node("*CLS", "forget errors and events", action=_clear),
    Node("*ESR", "standard event status, cleared by reading", _read_events),
    Node("*ESE", "events that show in *STB?", lambda c, _: str(c.events_enabled), _enable_events, (_MASK,)),
    Node("*STB", "4 errors wait, 16 answer waits, 32 event, 64 summary", _status_byte),
    Node(
        "*SRE",
        "bits of *STB? that make its summary",
        lambda c, _: str(c.service_enabled),
        _enable_service,
        (_MASK,),
    ),
    Node("*OPC", "always 1: a command is complete when the next begins", lambda _c, _l: "1", _complete),
    Node("*WAI", "nothing to wait for", action=_wait),
    Node("*TST", "0, or the number of the latched fault; the test runs at power-on", _first_fault),
    Node("SYSTem:ERRor[:NEXT]", "oldest error, taken out of the queue", _next_error),
    Node("SYSTem:ERRor:COUNt", "errors in the queue", lambda c, _: str(len(c.errors))),
    Node("SYSTem:VERSion", "SCPI version", lambda _c, _l: SCPI_VERSION),
    Node("ABORt", "stop: taken in every state, whoever holds the laser", action=_stop, always=True),
    _reading("STATus:LASer", Status, "state"),
    _reading("STATus:LEAVe", Status, "leave"),
    _reading("STATus:BLOCks", Status, "blocks"),
    _reading("STATus:CALibrated", Status, "calibrated"),
    _reading("STATus:DOCKed", Status, "docked"),
    _reading("STATus:FOOT", Status, "foot"),
    _reading("STATus:SHUTter", Status, "shutter"),
    _reading("STATus:HANDpiece", Status, "handpiece"),
    _reading("STATus:SPOT", Status, "spot_um"),
    _reading("STATus:WAVelength", Status, "wavelength_nm"),
    _reading("INTerlock", Status, "open_interlocks"),
    _reading("FAULt", Status, "first_fault"),
    _reading("FAULt:LIST", Status, "faults"),
    _reading("FAULt:PRESent", Status, "faults_present"),
    _reading("FAULt:INSTance", Status, "fault_instance"),
    _reading("SOURce:ENERgy", Setpoint, "pulse_energy_uj", _ENERGY),
    _reading("SOURce:RATE", Setpoint, "rep_rate_mhz", _RATE),
    _reading("SOURce:WIDTh", Setpoint, "mode_width_ps", _WIDTH),
    _reading("SOURce:WAVelength", Setpoint, "wavelength_nm", _WAVELENGTH),
    _reading("SOURce:SPOT", Setpoint, "spot_um"),
    _reading("SOURce:HANDpiece", Setpoint, "handpiece"),
    Node(
        "SOURce:APPLy",
        "whole set-point: pulse width, energy, rate; for the connected handpiece, spot and wavelength",
        action=_guarded(_apply),
        parameters=(_WIDTH, _ENERGY, _RATE),
    ),
    Node(
        "SOURce:AIMing",
        "aiming beam; the query answers what its measured power says",
        functools.partial(_read, Status, "aiming_on"),
        _guarded(_set_aiming),
        (_SWITCH,),
    ),
    _reading("SENSe:ENERgy", PulseReport, "monitor_a_uj"),
    _reading("SENSe:ENERgy2", PulseReport, "monitor_b_uj"),
    _reading("SENSe:WIDTh", PulseReport, "pulse_width_ps"),
    _reading("SENSe:TEMPerature", Telemetry, "coolant_mc"),
    _reading("SENSe:FLOW", Telemetry, "flow_ml_min"),
    _reading("SENSe:CHARge", Telemetry, "hv_mv"),
    _reading("SENSe:INDicator", Telemetry, "indicator_ua"),
    _reading("SENSe:AIMing", Telemetry, "aiming_uw"),
    _reading("COUNt:PULSes", Counters, "pulse_number"),
    _reading("COUNt:ACKNowledged", Counters, "acknowledged"),
    _reading("COUNt:WAITing", Counters, "reports_waiting"),
    _reading("COUNt:LAMP", Counters, "lamp_shots"),
    _reading("COUNt:BOOTs", Counters, "boots"),
    _reading("COUNt:TRIPs", Counters, "trips"),
    _reading("CALibration:VALid", Calibration, "valid"),
    _reading("CALibration:GAIN", Calibration, "gain_a_ppm"),
    _reading("CALibration:GAIN2", Calibration, "gain_b_ppm"),
)
GRAMMAR: Final = Grammar(TREE)
_OVERRUN: Final = failing("", ConsoleError(-363, f"more than {LINE_MAX} characters"), ends_line=True)
