"""The requests of the binary dialect and their answers."""

from __future__ import annotations

import enum
import zlib
from dataclasses import dataclass
from typing import Annotated, ClassVar

from protocols.faults import Fault
from protocols.fields import COUNT_MAX, U32_MAX, Bool, Choice, SetOf, Text, i32, u8, u16, u32, u64
from protocols.interlocks import Interlock
from protocols.messages import (
    Beam,
    Boot,
    Channel,
    DeviceTime,
    Effect,
    Energy,
    HandpieceField,
    MeasuredEnergy,
    Message,
    ModeWidth,
    PulseNumber,
    Rate,
    Refusals,
    Result,
    Sender,
    SetpointHash,
    Spot,
    Wavelength,
)
from protocols.states import State


class Trigger(enum.IntEnum):
    """What may fire under a permit."""

    FOOT = 0  # a fresh press of the footswitch
    INTERNAL = 1  # the permit itself, while the strap of the internal trigger is fitted: rigs and service


class Request(Message):
    """Base of all requests: stop-and-wait, one answer each."""

    __slots__ = ()
    sender: ClassVar = Sender.HOST
    channel: ClassVar = Channel.REQUEST


class Answer(Message):
    """Base of all answers."""

    __slots__ = ()
    sender: ClassVar = Sender.DEVICE
    channel: ClassVar = Channel.ANSWER


@dataclass(frozen=True, slots=True)
class Reply(Answer):
    """Outcome of a request that sets or permits: done, or refused with every reason."""

    opcode: ClassVar = 0x80

    result: Annotated[Result, Choice(Result, "DONE or REFUSED; nothing is half-applied")]
    reasons: Refusals
    epoch: Annotated[int, u32("", 0, U32_MAX, "arm epoch after an Arm, stop epoch otherwise")]


@dataclass(frozen=True, slots=True)
class Identity(Answer):
    """Who the device is."""

    opcode: ClassVar = 0x81

    model: Annotated[str, Text(24, "model")]
    serial: Annotated[str, Text(16, "serial number, unique for the maker")]
    firmware_version: Annotated[str, Text(16, "version of the firmware")]
    build_id: Annotated[str, Text(20, "identity of the firmware image")]
    interface_hash: Annotated[
        int, u64("", 0, 2**64 - 1, "hash of the interface definition it was built from")
    ]
    boot: Boot
    simulated: Annotated[bool, Bool("a simulated laser says so")]


@dataclass(frozen=True, slots=True)
class Capabilities(Answer):
    """What the device can do; rates and modes that are not used are 0."""

    opcode: ClassVar = 0x82

    rate_1_mhz: Rate
    rate_2_mhz: Rate
    rate_3_mhz: Rate
    rate_4_mhz: Rate
    modes: Annotated[int, u8("", 1, 16, "how many energy/width modes ReadMode tells")]
    spot_min_um: Spot
    spot_max_um: Spot
    permit_pulses_max: Annotated[int, u16("", 1, 65_535, "most pulses in one permit")]
    permit_max_us: Annotated[int, u64("us", 1, COUNT_MAX, "longest permit")]
    reports_max: Annotated[int, u16("", 1, 65_535, "pulse reports it can keep")]
    ready_delay_us: Annotated[int, u64("us", 0, COUNT_MAX, "least time from ARMING, indicator on, to READY")]
    energy_step_uj: Annotated[int, u32("uJ", 1, 500_000, "resolution of the pulse energy")]

    @property
    def rates_mhz(self) -> tuple[int, ...]:
        """The offered rates."""
        return tuple(r for r in (self.rate_1_mhz, self.rate_2_mhz, self.rate_3_mhz, self.rate_4_mhz) if r)


@dataclass(frozen=True, slots=True)
class Mode(Answer):
    """One energy/width mode of one wavelength."""

    opcode: ClassVar = 0x83

    index: Annotated[int, u8("", 0, 15, "which of the device's modes")]
    wavelength_nm: Wavelength
    mode_width_ps: ModeWidth
    energy_min_uj: Energy
    energy_max_uj: Energy


@dataclass(frozen=True, slots=True)
class Setpoint(Answer):
    """The committed set-point as the device holds it; all zero when none is committed."""

    opcode: ClassVar = 0x84

    wavelength_nm: Wavelength
    mode_width_ps: ModeWidth
    pulse_energy_uj: Energy
    rep_rate_mhz: Rate
    handpiece: HandpieceField
    spot_um: Spot

    @property
    def hash(self) -> int:
        """CRC-32 of the encoded set-point, the identity that Arm and Grant carry."""
        return zlib.crc32(self.encode())


@dataclass(frozen=True, slots=True)
class Counters(Answer):
    """The device's own books, from non-volatile memory."""

    opcode: ClassVar = 0x85

    pulse_number: PulseNumber
    acknowledged: PulseNumber
    reports_waiting: Annotated[int, u16("", 0, 65_535, "pulse reports not yet acknowledged")]
    lamp_shots: Annotated[int, u64("", 0, COUNT_MAX, "triggers of this lamp")]
    boots: Annotated[int, u32("", 0, U32_MAX, "starts of the device")]
    trips: Annotated[int, u32("", 0, U32_MAX, "latched trips over the device's life")]


@dataclass(frozen=True, slots=True)
class FaultRecord(Answer):
    """One entry of the fault history; index 0 is the newest."""

    opcode: ClassVar = 0x86

    index: Annotated[int, u8("", 0, 255, "which entry")]
    fault: Annotated[Fault, Choice(Fault, "first cause; NONE where the history ends")]
    instance: Annotated[int, u32("", 0, U32_MAX, "number of the trip")]
    boot: Annotated[int, u32("", 0, U32_MAX, "boot in which it happened")]
    device_time_us: DeviceTime
    state: Annotated[State, Choice(State, "state in which it happened")]
    open_interlocks: Annotated[frozenset[Interlock], SetOf(Interlock, "open at that moment", "I")]
    value: Annotated[
        int,
        i32("", -(2**31), 2**31 - 1, "the measured value that tripped, in the channel's base unit; else 0"),
    ]


@dataclass(frozen=True, slots=True)
class Calibration(Answer):
    """The energy calibration in force."""

    opcode: ClassVar = 0x87

    valid: Annotated[bool, Bool("treatment may use it")]
    boot: Annotated[int, u32("", 0, U32_MAX, "boot in which it was made; 0 = never")]
    device_time_us: DeviceTime
    lamp_shots: Annotated[int, u64("", 0, COUNT_MAX, "lamp shots when it was made")]
    gain_a_ppm: Annotated[int, u32("ppm", 0, 10_000_000, "factor of monitor A; 1,000,000 = 1")]
    gain_b_ppm: Annotated[int, u32("ppm", 0, 10_000_000, "factor of monitor B")]
    worst_residual_ppm: Annotated[int, u32("ppm", 0, U32_MAX, "largest deviation of a point from the fit")]
    points: Annotated[int, u8("", 0, 255, "points measured")]


@dataclass(frozen=True, slots=True)
class CalibrationPoint(Answer):
    """One level of one mode as the calibration in force measured it."""

    opcode: ClassVar = 0x88

    index: Annotated[int, u8("", 0, 63, "which point")]
    wavelength_nm: Wavelength
    mode_width_ps: ModeWidth
    lamp_mv: Annotated[int, u32("mV", 0, 2_000_000, "capacitor voltage of the level")]
    reference_uj: MeasuredEnergy
    residual_ppm: Annotated[
        int, u32("ppm", 0, U32_MAX, "larger deviation of the two monitors from the reference")
    ]


@dataclass(frozen=True, slots=True)
class ReadIdentity(Request):
    """Who are you?"""

    opcode: ClassVar = 0x40
    effect: ClassVar = Effect.READS
    answer: ClassVar = Identity


@dataclass(frozen=True, slots=True)
class ReadCapabilities(Request):
    """What can you do?"""

    opcode: ClassVar = 0x41
    effect: ClassVar = Effect.READS
    answer: ClassVar = Capabilities


@dataclass(frozen=True, slots=True)
class ReadMode(Request):
    """Tell one energy/width mode; an index past the last is answered with the last."""

    opcode: ClassVar = 0x42
    effect: ClassVar = Effect.READS
    answer: ClassVar = Mode

    index: Annotated[int, u8("", 0, 15, "which of the device's modes")]


@dataclass(frozen=True, slots=True)
class ReadSetpoint(Request):
    """Read the committed set-point back."""

    opcode: ClassVar = 0x43
    effect: ClassVar = Effect.READS
    answer: ClassVar = Setpoint


@dataclass(frozen=True, slots=True)
class ReadCounters(Request):
    """Read the device's books."""

    opcode: ClassVar = 0x44
    effect: ClassVar = Effect.READS
    answer: ClassVar = Counters


@dataclass(frozen=True, slots=True)
class ReadFault(Request):
    """Read one entry of the fault history."""

    opcode: ClassVar = 0x45
    effect: ClassVar = Effect.READS
    answer: ClassVar = FaultRecord

    index: Annotated[int, u8("", 0, 255, "0 is the newest")]


@dataclass(frozen=True, slots=True)
class ReadCalibration(Request):
    """Read the energy calibration in force."""

    opcode: ClassVar = 0x46
    effect: ClassVar = Effect.READS
    answer: ClassVar = Calibration


@dataclass(frozen=True, slots=True)
class ReadCalibrationPoint(Request):
    """Read one point of the calibration; an index past the last is answered with the last."""

    opcode: ClassVar = 0x47
    effect: ClassVar = Effect.READS
    answer: ClassVar = CalibrationPoint

    index: Annotated[int, u8("", 0, 63, "which point")]


@dataclass(frozen=True, slots=True)
class StageSetpoint(Request):
    """Put a set-point beside the one in force; nothing changes until it is committed. STANDBY only."""

    opcode: ClassVar = 0x50
    effect: ClassVar = Effect.SETS
    answer: ClassVar = Reply

    wavelength_nm: Wavelength
    mode_width_ps: ModeWidth
    pulse_energy_uj: Energy
    rep_rate_mhz: Rate
    handpiece: HandpieceField
    spot_um: Spot


@dataclass(frozen=True, slots=True)
class CommitSetpoint(Request):
    """Put the staged set-point in force if its hash is this one. STANDBY only."""

    opcode: ClassVar = 0x51
    effect: ClassVar = Effect.SETS
    answer: ClassVar = Reply

    setpoint_hash: SetpointHash


@dataclass(frozen=True, slots=True)
class SetAiming(Request):
    """Switch the aiming beam."""

    opcode: ClassVar = 0x52
    effect: ClassVar = Effect.SETS
    answer: ClassVar = Reply

    on: Annotated[bool, Bool("on or off")]


@dataclass(frozen=True, slots=True)
class Calibrate(Request):
    """Run the energy calibration into the calibration port, handpiece docked; STANDBY only.

    Undocked it checks a stored calibration again that does not hold, as after a stop during start-up.
    """

    opcode: ClassVar = 0x53
    effect: ClassVar = Effect.SETS
    answer: ClassVar = Reply


@dataclass(frozen=True, slots=True)
class Acknowledge(Request):
    """Acknowledge the latched trip of this instance; refused while its cause is present."""

    opcode: ClassVar = 0x54
    effect: ClassVar = Effect.SETS
    answer: ClassVar = Reply

    fault_instance: Annotated[int, u32("", 1, U32_MAX, "the instance that was read")]


@dataclass(frozen=True, slots=True)
class Standby(Request):
    """Return to STANDBY and void the permit."""

    opcode: ClassVar = 0x55
    effect: ClassVar = Effect.SETS
    answer: ClassVar = Reply


@dataclass(frozen=True, slots=True)
class Arm(Request):
    """Leave STANDBY for ARMING with this set-point, provided no stop came since `stop_epoch`."""

    opcode: ClassVar = 0x56
    effect: ClassVar = Effect.PERMITS
    answer: ClassVar = Reply

    setpoint_hash: SetpointHash
    stop_epoch: Annotated[int, u32("", 0, U32_MAX, "the epoch the host saw last")]
    beam: Annotated[Beam, Choice(Beam, "aperture, or rehearsal into the closed shutter")]


@dataclass(frozen=True, slots=True)
class Grant(Request):
    """Permit pulses; everything it names must be as the device has it, or it is refused."""

    opcode: ClassVar = 0x57
    effect: ClassVar = Effect.PERMITS
    answer: ClassVar = Reply

    permit_id: Annotated[int, u32("", 1, U32_MAX, "fresh for every permit")]
    boot: Boot
    session: Annotated[int, u32("", 1, U32_MAX, "the live session")]
    arm_epoch: Annotated[int, u32("", 0, U32_MAX, "the arming it belongs to")]
    stop_epoch: Annotated[int, u32("", 0, U32_MAX, "the epoch the host saw last")]
    pulses: Annotated[int, u16("", 1, 65_535, "pulses it allows")]
    beam: Annotated[Beam, Choice(Beam, "aperture, or rehearsal into the closed shutter")]
    trigger: Annotated[Trigger, Choice(Trigger, "what may fire; INTERNAL if and only if its strap is fitted")]
    wavelength_nm: Wavelength
    mode_width_ps: ModeWidth
    rep_rate_mhz: Rate
    handpiece: HandpieceField
    spot_um: Spot
    setpoint_hash: SetpointHash
    ends_us: DeviceTime
