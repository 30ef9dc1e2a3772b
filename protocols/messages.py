"""Every message of the binary dialect, declared once: opcode, sender, channel, effect, fields.

Codec, interface document, C header, simulator and tests all read these declarations. Times are the
device's monotonic microseconds since boot unless a field says otherwise.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, Self, get_type_hints

from protocols.faults import Fault
from protocols.fields import COUNT_MAX, U32_MAX, Bool, Choice, SetOf, i32, u8, u16, u32, u64
from protocols.frozen import quick
from protocols.interlocks import Interlock
from protocols.layout import CRC, HEADER, Layout
from protocols.refusals import Refusal
from protocols.states import State

PAYLOAD_MAX: Final = 250


class Sender(enum.Enum):
    """Which end sends a message."""

    HOST = "host"
    DEVICE = "device"


class Channel(enum.Enum):
    """How a message travels."""

    LINK = "link"  # sets the link up or reports a rejected frame
    REQUEST = "request"  # stop-and-wait, de-duplicated by the device
    ANSWER = "answer"  # carries the sequence number of its request
    FREE = "free"  # out of band: overtakes requests, not acknowledged by the link


class Effect(enum.Enum):
    """What repeating a message would do; the retry rule follows from it."""

    READS = "reads"  # repeat freely
    SETS = "sets"  # repeat with the same value
    PERMITS = "permits"  # repeat only under the same identity: a lost answer means "unknown"
    STOPS = "stops"  # always allowed, overtakes everything, repeated until confirmed


class Handpiece(enum.IntEnum):
    """Identity of a handpiece, by its chip."""

    NONE = 0  # nothing connected, or what is connected cannot be identified
    ZOOM = 1  # 2 to 6 mm, turned by hand
    FIXED_6 = 2
    FIXED_8 = 3
    FIXED_10 = 4
    LENS_ARRAY_6 = 5  # 6 mm diffractive lens array


class Beam(enum.IntEnum):
    """Where a permit lets the light go."""

    APERTURE = 1
    SHUTTER = 2  # rehearsal: the shutter stays closed, the light ends on it


class Intent(enum.IntEnum):
    """What the host believes it is doing; disagreement with the device ends permission."""

    IDLE = 0  # nothing armed
    ARMED = 1  # arming or ready, no permit granted
    PERMIT = 2  # a permit is granted


class Foot(enum.IntEnum):
    """The footswitch as the firmware judges it."""

    RELEASED = 0  # either contact open
    PRESSED = 1
    DISAGREES = 2  # for longer than allowed


class Shutter(enum.IntEnum):
    """The shutter by its two position switches."""

    CLOSED = 0
    OPEN = 1
    MOVING = 2  # neither switch answers
    CONTRADICTION = 3  # both do


class PulseFlag(enum.IntEnum):
    """What is to be known about one pulse; bit number in the report's set."""

    UNKNOWN = 0  # power was lost between trigger and report: counted as delivered dose, nothing measured
    SHUTTER_CLOSED = 1  # no aperture light: rehearsal or test into the closed shutter
    CALIBRATION = 2  # into the calibration port
    MISSING = 3  # a trigger without light
    DOUBLE = 4  # more than one optical pulse
    ENERGY_HIGH = 5
    ENERGY_LOW = 6
    ENERGY_DRIFT = 7  # beyond 10 %, within 15 %
    WIDTH = 8
    MONITORS_DISAGREE = 9
    COMPARATOR = 10
    SKIPPED = 11  # numbered, but permission was lost before the trigger or just after it: no light


class Leave(enum.IntEnum):
    """Why the laser last left ARMING, READY or EMITTING for STANDBY (a fault says so itself)."""

    NEVER = 0
    STANDBY_ASKED = 1
    STOP = 2
    HANDPIECE = 3
    SPOT = 4
    WAVELENGTH = 5
    SETPOINT = 6
    IDLE = 7
    SESSION = 8
    DRIFT = 9  # three pulses running beyond 10 %
    REPORTS_FULL = 10
    AIMING = 11
    FOOT_HELD = 12  # the foot was down when READY was due
    NOT_CALIBRATED = 13
    INTENT = 14  # the host's heartbeat disagreed about what is armed three times running
    TRIGGER = 15  # the strap of the internal trigger was fitted or removed under a permit
    COVER_DEFEATED = 16  # the key that defeats the cover's interlock was put in


class NakReason(enum.IntEnum):
    """Why a frame was not taken."""

    CRC = 1
    LENGTH = 2
    VERSION = 3
    OPCODE = 4
    FIELD = 5
    SESSION = 6
    SEQUENCE = 7
    ENCODING = 8


class Result(enum.IntEnum):
    """Outcome of a request that sets or permits."""

    DONE = 0
    REFUSED = 1


class Message:
    """Base of all messages; construction checks every field, so that an illegal message cannot exist."""

    __slots__ = ()
    opcode: ClassVar[int]
    sender: ClassVar[Sender]
    channel: ClassVar[Channel]
    effect: ClassVar[Effect | None] = None
    answer: ClassVar[type[Message] | None] = None
    layout: ClassVar[Layout]  # what the annotations of its fields declare

    def __init_subclass__(cls) -> None:
        # `@dataclass(slots=True)` makes the class a second time, when its fields are known.
        if "__dataclass_fields__" in cls.__dict__:
            hints = get_type_hints(cls, include_extras=True)
            kinds = ((name, getattr(hint, "__metadata__", None)) for name, hint in hints.items())
            cls.layout = Layout(cls, tuple((name, data[0]) for name, data in kinds if data))
            quick(cls)

    def __post_init__(self) -> None:
        self.layout.check(self)

    def encode(self) -> bytes:
        """The payload: packed little-endian fields in declared order."""
        return self.layout.pack(self, 0, 0)[HEADER.size :]

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """The message in `payload`; raises ValueError (FieldError included) for anything illegal."""
        message: Self = cls.layout.unpack(bytes(HEADER.size) + payload + bytes(CRC.size))[2]
        return message


def layout(message: type[Message]) -> Layout:
    """The layout that the annotations of `message` declare."""
    return message.layout


def _u32(meaning: str, unit: str = "") -> Any:
    return u32(unit, 0, U32_MAX, meaning)


def _count(meaning: str, unit: str = "") -> Any:
    return u64(unit, 0, COUNT_MAX, meaning)


# Field kinds that several messages share.
Boot = Annotated[int, u32("", 1, U32_MAX, "number of this start of the device, counted over its life")]
DeviceTime = Annotated[int, _count("device time since boot", "us")]
Wavelength = Annotated[int, u16("nm", 0, 2000, "active wavelength; 0 = no module identified")]
ModeWidth = Annotated[int, u16("ps", 0, 2000, "nominal pulse width of the mode; 0 = none")]
Energy = Annotated[int, u32("uJ", 0, 500_000, "pulse energy")]
MeasuredEnergy = Annotated[
    int, u32("uJ", 0, 5_000_000, "measured pulse energy; the top value means saturated")
]
Rate = Annotated[int, u32("mHz", 0, 20_000, "repetition rate")]
Spot = Annotated[int, u16("um", 0, 20_000, "spot diameter read back from the handpiece; 0 = none")]
HandpieceField = Annotated[Handpiece, Choice(Handpiece, "connected handpiece")]
SetpointHash = Annotated[int, _u32("CRC-32 of the encoded committed Setpoint; 0 = none committed")]
PulseNumber = Annotated[int, _count("number of a pulse over the device's life; the first is 1, 0 = none yet")]
PermitId = Annotated[int, _u32("identity the host gave the permit; 0 = none")]
Refusals = Annotated[frozenset[Refusal], SetOf(Refusal, "every reason against it")]
Faults = Annotated[frozenset[Fault], SetOf(Fault, "set of faults")]


@dataclass(frozen=True, slots=True)
class Connect(Message):
    """Open a session; the one before it is void, and with it every permit."""

    opcode: ClassVar = 0x01
    sender: ClassVar = Sender.HOST
    channel: ClassVar = Channel.LINK

    host_nonce: Annotated[int, u32("", 1, U32_MAX, "fresh for every attempt, echoed in the answer")]
    interface_hash: Annotated[int, u64("", 0, 2**64 - 1, "hash of the host's interface definition")]


@dataclass(frozen=True, slots=True)
class Connected(Message):
    """The session is open; its nonce stands in the frame's header."""

    opcode: ClassVar = 0x02
    sender: ClassVar = Sender.DEVICE
    channel: ClassVar = Channel.LINK

    host_nonce: Annotated[int, u32("", 1, U32_MAX, "the nonce of the Connect that is answered")]
    boot: Boot
    interface_hash: Annotated[int, u64("", 0, 2**64 - 1, "hash of the device's interface definition")]


@dataclass(frozen=True, slots=True)
class Nak(Message):
    """A frame was not taken; one is sent for each reject condition, not for each bad frame."""

    opcode: ClassVar = 0x03
    sender: ClassVar = Sender.DEVICE
    channel: ClassVar = Channel.LINK

    reason: Annotated[NakReason, Choice(NakReason, "why")]
    expected_seq: Annotated[int, _u32("sequence number of the request the device would take next")]
    detail: Annotated[int, u8("", 0, 255, "the offending version, opcode or 0")]


@dataclass(frozen=True, slots=True)
class Stop(Message):
    """End every permission now; taken in any session, without login, lease or sequence."""

    opcode: ClassVar = 0x10
    sender: ClassVar = Sender.HOST
    channel: ClassVar = Channel.FREE
    effect: ClassVar = Effect.STOPS

    stop_id: Annotated[
        int, u32("", 1, U32_MAX, "identity of this stop; a repetition raises no further epoch")
    ]


@dataclass(frozen=True, slots=True)
class Heartbeat(Message):
    """The host lives, knows the device's latest challenge, and says what it means to do."""

    opcode: ClassVar = 0x11
    sender: ClassVar = Sender.HOST
    channel: ClassVar = Channel.FREE

    challenge: Annotated[int, _u32("the latest challenge seen in a Status")]
    intent: Annotated[Intent, Choice(Intent, "what the host believes is armed")]


@dataclass(frozen=True, slots=True)
class AckPulses(Message):
    """All reports up to this pulse are on the host's disk; the device may forget them."""

    opcode: ClassVar = 0x12
    sender: ClassVar = Sender.HOST
    channel: ClassVar = Channel.FREE

    pulse_number: PulseNumber


@dataclass(frozen=True, slots=True)
class Status(Message):
    """The device's state, on every change but of `reports_waiting` alone; every 50 ms if armed, else 100."""

    opcode: ClassVar = 0x20
    sender: ClassVar = Sender.DEVICE
    channel: ClassVar = Channel.FREE

    device_time_us: DeviceTime
    boot: Boot
    challenge: Annotated[int, _u32("answer it in the next Heartbeat")]
    state: Annotated[State, Choice(State, "operating state")]
    beam: Annotated[Beam, Choice(Beam, "beam path of the present or last arming")]
    leave: Annotated[Leave, Choice(Leave, "why it last returned to STANDBY")]
    open_interlocks: Annotated[frozenset[Interlock], SetOf(Interlock, "open interlocks", "I")]
    blocks: Annotated[frozenset[Refusal], SetOf(Refusal, "why arming would be refused now")]
    faults: Annotated[frozenset[Fault], SetOf(Fault, "latched faults")]
    faults_present: Annotated[frozenset[Fault], SetOf(Fault, "latched faults whose cause is still there")]
    first_fault: Annotated[Fault, Choice(Fault, "first cause; NONE when nothing is latched")]
    fault_instance: Annotated[int, _u32("number of the present trip, named by Acknowledge; 0 = none latched")]
    stop_epoch: Annotated[int, _u32("raised by every stop")]
    arm_epoch: Annotated[int, _u32("raised by every arming")]
    permit_id: PermitId
    permit_pulses_left: Annotated[int, u16("", 0, 65_535, "pulses the permit still allows")]
    permit_ends_us: DeviceTime
    setpoint_hash: SetpointHash
    handpiece: HandpieceField
    spot_um: Spot
    wavelength_nm: Wavelength
    foot: Annotated[Foot, Choice(Foot, "footswitch")]
    shutter: Annotated[Shutter, Choice(Shutter, "shutter by its position switches")]
    gate_inhibited: Annotated[bool, Bool("read back: no trigger can reach lamp and Pockels cell")]
    hv_inhibited: Annotated[bool, Bool("read back: the charger cannot run")]
    indicator_on: Annotated[bool, Bool("emission indicator lit, by its measured current")]
    aiming_on: Annotated[bool, Bool("aiming beam on, by its measured power")]
    docked: Annotated[bool, Bool("handpiece in the calibration port, by both of its contacts")]
    calibrated: Annotated[bool, Bool("a valid energy calibration holds")]
    pulse_number: PulseNumber
    reports_waiting: Annotated[int, u16("", 0, 65_535, "pulse reports not yet acknowledged")]


@dataclass(frozen=True, slots=True)
class PulseReport(Message):
    """One numbered pulse, repeated until acknowledged."""

    opcode: ClassVar = 0x21
    sender: ClassVar = Sender.DEVICE
    channel: ClassVar = Channel.FREE

    pulse_number: PulseNumber
    boot: Boot
    device_time_us: DeviceTime
    permit_id: PermitId
    press: Annotated[int, u32("", 0, U32_MAX, "number of the press within the arming; 0 = internal")]
    flags: Annotated[frozenset[PulseFlag], SetOf(PulseFlag, "judgement", "I")]
    set_energy_uj: Energy
    monitor_a_uj: MeasuredEnergy
    monitor_b_uj: MeasuredEnergy
    pulse_width_ps: Annotated[int, u32("ps", 0, U32_MAX, "measured width; the top value means saturated")]
    mode_width_ps: ModeWidth
    wavelength_nm: Wavelength
    handpiece: HandpieceField
    spot_um: Spot
    rep_rate_mhz: Rate
    lamp_mv: Annotated[int, u32("mV", 0, 2_000_000, "capacitor voltage at the trigger")]
    coolant_mc: Annotated[int, i32("mC", -50_000, 150_000, "coolant temperature at the trigger")]


@dataclass(frozen=True, slots=True)
class Telemetry(Message):
    """Slow analog values, every second; lost ones are counted by the host from `sample`."""

    opcode: ClassVar = 0x22
    sender: ClassVar = Sender.DEVICE
    channel: ClassVar = Channel.FREE

    sample: Annotated[int, _u32("counts up by one for each sample of a session")]
    device_time_us: DeviceTime
    hv_mv: Annotated[int, u32("mV", 0, 2_000_000, "capacitor voltage")]
    coolant_mc: Annotated[int, i32("mC", -50_000, 150_000, "coolant temperature")]
    flow_ml_min: Annotated[int, u32("ml/min", 0, 100_000, "coolant flow")]
    indicator_ua: Annotated[int, u32("uA", 0, 10_000_000, "emission indicator current")]
    aiming_uw: Annotated[int, u32("uW", 0, 1_000_000, "aiming beam power")]
    simmer_on: Annotated[bool, Bool("lamp simmer current present")]
    heater_on: Annotated[bool, Bool("coolant heater commanded on")]
    lamp_shots: Annotated[int, _count("triggers of this lamp")]
    frames_rejected: Annotated[int, _u32("frames the device did not take since boot")]
    skipped_pulses: Annotated[int, _u32("triggers skipped since boot, no end of charge")]


@dataclass(frozen=True, slots=True)
class Stopped(Message):
    """Answer to a Stop, sent again for every repetition and when the condition is reached."""

    opcode: ClassVar = 0x24
    sender: ClassVar = Sender.DEVICE
    channel: ClassVar = Channel.FREE

    stop_id: Annotated[int, u32("", 1, U32_MAX, "the stop that is answered")]
    stop_epoch: Annotated[int, _u32("epoch that it raised")]
    device_time_us: DeviceTime
    no_permit: Annotated[bool, Bool("no permit is held")]
    not_emitting: Annotated[bool, Bool("neither READY nor EMITTING")]
    gate_inhibited: Annotated[bool, Bool("trigger gate read back as inhibited")]
    shutter_closed: Annotated[bool, Bool("closed switch answers, open switch does not")]

    @property
    def confirmed(self) -> bool:
        """No permit, not READY or EMITTING, gate inhibited and shutter closed; no light is not enough."""
        return self.no_permit and self.not_emitting and self.gate_inhibited and self.shutter_closed
