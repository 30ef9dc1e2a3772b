"""Every message and every kind of frame byte for byte, packed here by hand: `struct`, `zlib`, an own COBS."""

import hashlib
import struct
import zlib

import pytest

from protocols import frame as frames
from protocols import messages as m
from protocols import requests as r
from protocols.faults import Fault
from protocols.interface import BY_OPCODE, INTERFACE_HASH, MESSAGES, definition, describe_kind
from protocols.interlocks import Interlock
from protocols.messages import Channel, Effect, Message, Sender, layout
from protocols.refusals import Refusal
from protocols.states import State

# message, its opcode, its layout as `struct` has it, and the raw numbers in that order
GOLDEN: list[tuple[Message, int, str, tuple[object, ...]]] = [
    (m.Connect(0x01020304, 0x1122334455667788), 0x01, "IQ", (0x01020304, 0x1122334455667788)),
    (m.Connected(5, 6, 7), 0x02, "IIQ", (5, 6, 7)),
    (m.Nak(m.NakReason.SEQUENCE, 9, 0x57), 0x03, "BIB", (7, 9, 0x57)),
    (m.Stop(0xDEADBEEF), 0x10, "I", (0xDEADBEEF,)),
    (m.Heartbeat(0xA5A5A5A5, m.Intent.PERMIT), 0x11, "IB", (0xA5A5A5A5, 2)),
    (m.AckPulses(2**40 + 3), 0x12, "Q", (2**40 + 3,)),
    (
        m.Status(
            device_time_us=123_456_789_012,
            boot=17,
            challenge=0x0A0B0C0D,
            state=State.READY,
            beam=m.Beam.SHUTTER,
            leave=m.Leave.FOOT_HELD,
            open_interlocks=frozenset({Interlock.ESTOP, Interlock.DOOR, Interlock.CHARGER_TEMPERATURE}),
            blocks=frozenset({Refusal.FOOT_HELD, Refusal.BEAM}),
            faults=frozenset({Fault.DOOR, Fault.WARM_UP_TIMEOUT}),
            faults_present=frozenset({Fault.DOOR}),
            first_fault=Fault.DOOR,
            fault_instance=4,
            stop_epoch=5,
            arm_epoch=6,
            permit_id=7,
            permit_pulses_left=20,
            permit_ends_us=123_999_999_999,
            setpoint_hash=0xCAFEF00D,
            handpiece=m.Handpiece.LENS_ARRAY_6,
            spot_um=3_500,
            wavelength_nm=755,
            foot=m.Foot.PRESSED,
            shutter=m.Shutter.CONTRADICTION,
            gate_inhibited=True,
            hv_inhibited=False,
            indicator_on=True,
            aiming_on=False,
            docked=True,
            calibrated=False,
            pulse_number=10_000_000_001,
            reports_waiting=256,
        ),
        0x20,
        "QIIBBBIQQQBIIIIHQIBHHBBBBBBBBQH",
        (
            *(123_456_789_012, 17, 0x0A0B0C0D, 6, 2, 12, 0b1000_0001_0001, 1 << 4 | 1 << 31),
            *(1 << 3 | 1 << 39, 1 << 3, 3, 4, 5, 6, 7, 20, 123_999_999_999, 0xCAFEF00D, 5, 3_500, 755),
            *(1, 3, 1, 0, 1, 0, 1, 0, 10_000_000_001, 256),
        ),
    ),
    (
        m.PulseReport(
            pulse_number=2**33,
            boot=3,
            device_time_us=5_000_000,
            permit_id=9,
            press=2,
            flags=frozenset({m.PulseFlag.UNKNOWN, m.PulseFlag.SKIPPED}),
            set_energy_uj=173_000,
            monitor_a_uj=172_100,
            monitor_b_uj=171_900,
            pulse_width_ps=748,
            mode_width_ps=750,
            wavelength_nm=755,
            handpiece=m.Handpiece.ZOOM,
            spot_um=3_500,
            rep_rate_mhz=5_000,
            lamp_mv=1_250_000,
            coolant_mc=-1,
        ),
        0x21,
        "QIQIIIIIIIHHBHIIi",
        (
            *(
                2**33,
                3,
                5_000_000,
                9,
                2,
                1 << 0 | 1 << 11,
                173_000,
                172_100,
                171_900,
                748,
                750,
                755,
                1,
                3_500,
            ),
            *(5_000, 1_250_000, -1),
        ),
    ),
    (
        m.Telemetry(11, 12, 1_250_000, 60_100, 4_000, 20_000, 1_000, True, False, 98_765, 3, 4),
        0x22,
        "IQIiIIIBBQII",
        (11, 12, 1_250_000, 60_100, 4_000, 20_000, 1_000, 1, 0, 98_765, 3, 4),
    ),
    (m.Stopped(8, 9, 10, True, False, True, False), 0x24, "IIQBBBB", (8, 9, 10, 1, 0, 1, 0)),
    (r.ReadIdentity(), 0x40, "", ()),
    (r.ReadCapabilities(), 0x41, "", ()),
    (r.ReadMode(15), 0x42, "B", (15,)),
    (r.ReadSetpoint(), 0x43, "", ()),
    (r.ReadCounters(), 0x44, "", ()),
    (r.ReadFault(255), 0x45, "B", (255,)),
    (r.ReadCalibration(), 0x46, "", ()),
    (r.ReadCalibrationPoint(63), 0x47, "B", (63,)),
    (
        r.StageSetpoint(755, 750, 173_000, 5_000, m.Handpiece.ZOOM, 3_500),
        0x50,
        "HHIIBH",
        (755, 750, 173_000, 5_000, 1, 3_500),
    ),
    (r.CommitSetpoint(0x12345678), 0x51, "I", (0x12345678,)),
    (r.SetAiming(True), 0x52, "B", (1,)),
    (r.Calibrate(), 0x53, "", ()),
    (r.Acknowledge(1), 0x54, "I", (1,)),
    (r.Standby(), 0x55, "", ()),
    (r.Arm(0x12345678, 3, m.Beam.APERTURE), 0x56, "IIB", (0x12345678, 3, 1)),
    (
        r.Grant(
            permit_id=1,
            boot=2,
            session=3,
            arm_epoch=4,
            stop_epoch=5,
            pulses=20,
            beam=m.Beam.APERTURE,
            trigger=r.Trigger.INTERNAL,
            wavelength_nm=755,
            mode_width_ps=750,
            rep_rate_mhz=2_500,
            handpiece=m.Handpiece.FIXED_10,
            spot_um=10_000,
            setpoint_hash=6,
            ends_us=2**63 - 1,
        ),
        0x57,
        "IIIIIHBBHHIBHIQ",
        (1, 2, 3, 4, 5, 20, 1, 1, 755, 750, 2_500, 4, 10_000, 6, 2**63 - 1),
    ),
    (
        r.Reply(m.Result.REFUSED, frozenset({Refusal.WRONG_STATE, Refusal.DOCKED}), 77),
        0x80,
        "BQI",
        (1, 1 << 0 | 1 << 29, 77),
    ),
    (
        r.Identity("PicoLase 755", "PL755-0001", "1.0.0", "", 2**64 - 1, 1, True),
        0x81,
        "24s16s16s20sQIB",
        (b"PicoLase 755", b"PL755-0001", b"1.0.0", b"", 2**64 - 1, 1, 1),
    ),
    (
        r.Capabilities(
            1_000, 2_500, 5_000, 10_000, 3, 2_000, 10_000, 1_000, 120_000_000, 256, 2_000_000, 100
        ),
        0x82,
        "IIIIBHHHQHQI",
        (1_000, 2_500, 5_000, 10_000, 3, 2_000, 10_000, 1_000, 120_000_000, 256, 2_000_000, 100),
    ),
    (r.Mode(2, 755, 550, 10_000, 165_000), 0x83, "BHHII", (2, 755, 550, 10_000, 165_000)),
    (
        r.Setpoint(755, 750, 173_000, 5_000, m.Handpiece.FIXED_6, 6_000),
        0x84,
        "HHIIBH",
        (755, 750, 173_000, 5_000, 2, 6_000),
    ),
    (r.Counters(2**32, 2**31, 65_535, 7, 8, 9), 0x85, "QQHQII", (2**32, 2**31, 65_535, 7, 8, 9)),
    (
        r.FaultRecord(
            1, Fault.ENERGY_HIGH, 2, 3, 4, State.EMITTING, frozenset({Interlock.COOLANT_FLOW}), -(2**31)
        ),
        0x86,
        "BBIIQBIi",
        (1, 24, 2, 3, 4, 7, 1 << 9, -(2**31)),
    ),
    (
        r.Calibration(True, 5, 6, 7, 1_001_000, 998_000, 12_000, 30),
        0x87,
        "BIQQIIIB",
        (1, 5, 6, 7, 1_001_000, 998_000, 12_000, 30),
    ),
    (
        r.CalibrationPoint(14, 755, 550, 1_180_000, 165_000, 12_345),
        0x88,
        "BHHIII",
        (14, 755, 550, 1_180_000, 165_000, 12_345),
    ),
]
IDS = [type(message).__name__ for message, *_ in GOLDEN]

# A mutation of any declaration shows here. Change it deliberately: both ends must then be rebuilt together.
FROZEN_INTERFACE_HASH = 8137581888245081722


def packed(shape: str, raw: tuple[object, ...]) -> bytes:
    return struct.pack("<" + shape, *raw)


def cobs_encoded(data: bytes) -> bytes:
    """Consistent overhead byte stuffing, written from its definition."""
    out = bytearray()
    blocks = data.split(b"\0")
    for index, block in enumerate(blocks):
        full = len(block) // 254
        for start in range(0, 254 * full, 254):
            out += b"\xff" + block[start : start + 254]
        rest = block[254 * full :]
        if rest or not full or index < len(blocks) - 1:  # a full run at the very end needs no more
            out += bytes([len(rest) + 1]) + rest
    return bytes(out)


def framed(opcode: int, session: int, seq: int, payload: bytes) -> bytes:
    body = struct.pack("<BBBII", 1, opcode, len(payload), session, seq) + payload
    return cobs_encoded(body + struct.pack("<I", zlib.crc32(body))) + b"\0"


def test_every_message_has_its_golden_bytes() -> None:
    assert [type(message) for message, *_ in GOLDEN] == list(MESSAGES)


@pytest.mark.parametrize(("message", "opcode", "shape", "raw"), GOLDEN, ids=IDS)
def test_golden_payload(message: Message, opcode: int, shape: str, raw: tuple[object, ...]) -> None:
    payload = packed(shape, raw)
    assert message.opcode == opcode
    assert message.encode() == payload
    assert type(message).decode(payload) == message
    assert len(payload) <= 250


@pytest.mark.parametrize(("message", "opcode", "shape", "raw"), GOLDEN, ids=IDS)
def test_golden_frame(message: Message, opcode: int, shape: str, raw: tuple[object, ...]) -> None:
    wire = framed(opcode, 0x99887766, 0x01000000, packed(shape, raw))
    frame = frames.Frame(0x99887766, 0x01000000, message)
    assert frames.encode(frame) == wire
    assert frames.decode(wire[:-1]) == frame


def test_golden_frames_as_they_stand_on_the_wire() -> None:
    """Two of them as literal bytes, stuffed by hand."""
    assert frames.encode(frames.Frame(0, 1, m.Stop(1))) == bytes.fromhex(
        "04 011004  01 01 01  02 01  01 01  02 01  01 01  05 0ee935bc  00"
    )
    assert frames.encode(frames.Frame(0x01020304, 5, r.ReadSetpoint())) == bytes.fromhex(
        "03 0143  06 0403020105  01 01  05 61be502d  00"
    )


def test_own_cobs_is_cobs() -> None:
    """The published examples of COBS (Cheshire and Baker 1999; the zero-and-run table)."""
    assert cobs_encoded(b"\0") == b"\x01\x01"
    assert cobs_encoded(b"\0\0") == b"\x01\x01\x01"
    assert cobs_encoded(b"\x11\x22\x00\x33") == b"\x03\x11\x22\x02\x33"
    assert cobs_encoded(b"\x11\x00\x00\x00") == b"\x02\x11\x01\x01\x01"
    run = bytes(range(1, 255))
    assert cobs_encoded(run) == b"\xff" + run
    assert cobs_encoded(b"\0" + run) == b"\x01\xff" + run
    assert cobs_encoded(run + b"\xff") == b"\xff" + run + b"\x02\xff"


def test_setpoint_hash_is_the_crc_of_its_payload() -> None:
    setpoint = r.Setpoint(755, 750, 173_000, 5_000, m.Handpiece.ZOOM, 3_500)
    assert setpoint.hash == zlib.crc32(struct.pack("<HHIIBH", 755, 750, 173_000, 5_000, 1, 3_500))


def test_a_staged_setpoint_is_packed_like_the_committed_one() -> None:
    """So that its payload's CRC is the hash that CommitSetpoint names."""
    assert layout(r.StageSetpoint).fields == layout(r.Setpoint).fields


def test_offered_rates_leave_out_the_unused() -> None:
    unused = r.Capabilities(1_000, 0, 5_000, 0, 1, 0, 0, 1, 1, 1, 0, 1)
    assert unused.rates_mhz == (1_000, 5_000)


def test_a_stop_is_confirmed_by_all_four_conditions_and_no_fewer() -> None:
    for bits in range(16):
        four = [bool(bits >> bit & 1) for bit in range(4)]
        assert m.Stopped(1, 1, 1, *four).confirmed == (bits == 15)


def test_the_interface_definition_is_frozen() -> None:
    assert INTERFACE_HASH == FROZEN_INTERFACE_HASH, (
        "a declaration changed: if on purpose, freeze the new hash here and say so in CHANGELOG.md"
    )
    digest = hashlib.sha256(definition().encode()).digest()
    assert struct.unpack("<Q", digest[:8])[0] == INTERFACE_HASH


def test_the_definition_shows_everything_that_two_ends_must_agree_on() -> None:
    lines = definition().splitlines()
    assert lines[0] == "version 1"
    assert "0x56 host request permits 0x80" in lines
    assert "  challenge Int:I::0..4294967295" in lines
    assert "  pulse_energy_uj Int:I:uJ:0..500000" in lines
    assert "  beam Choice:B:Beam[APERTURE=1,SHUTTER=2]" in lines
    assert "  model Text:24s:" in lines
    assert "  on Bool:B:" in lines
    assert len(lines) == 1 + len(MESSAGES) + sum(len(layout(message).fields) for message in MESSAGES)
    flags = dict(layout(m.PulseReport).fields)["flags"]
    assert describe_kind(flags).startswith("SetOf:I:PulseFlag[UNKNOWN=0,")


def test_every_message_class_is_in_the_interface() -> None:
    declared = {
        thing
        for module in (m, r)
        for thing in vars(module).values()
        if isinstance(thing, type) and issubclass(thing, Message) and "opcode" in vars(thing)
    }
    assert declared == set(MESSAGES)
    assert len(BY_OPCODE) == len(MESSAGES), "two messages share an opcode"
    assert all(BY_OPCODE[message.opcode] is message for message in MESSAGES)
    assert all(message.__doc__ for message in MESSAGES)
    assert all(kind.meaning for message in MESSAGES for _, kind in layout(message).fields)


def test_requests_have_an_effect_and_an_answer_and_nothing_else_has() -> None:
    for message in MESSAGES:
        is_request = message.channel is Channel.REQUEST
        assert issubclass(message, r.Request) == is_request
        assert issubclass(message, r.Answer) == (message.channel is Channel.ANSWER)
        assert (message.answer is not None) == is_request
        if is_request:
            assert message.sender is Sender.HOST
            assert message.effect in {Effect.READS, Effect.SETS, Effect.PERMITS}
            assert message.answer in MESSAGES
            assert (message.answer is r.Reply) == (message.effect is not Effect.READS)
    assert [message for message in MESSAGES if message.effect is Effect.STOPS] == [m.Stop]
    assert [message for message in MESSAGES if message.effect is Effect.PERMITS] == [r.Arm, r.Grant]
