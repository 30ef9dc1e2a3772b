"""The C core beside the reference over whole spaces: every request, every field at its limits."""

import struct
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from cobs import cobs

from protocols.fields import Choice, Int, SetOf, Text
from protocols.frame import Frame, encode
from protocols.interface import MESSAGES
from protocols.layout import HEADER, PROTOCOL_VERSION
from protocols.messages import Handpiece, Intent, Message, Sender, layout
from protocols.requests import (
    ReadCalibrationPoint,
    ReadFault,
    ReadMode,
    Request,
    StageSetpoint,
)
from sim_device.firmware.limits import MODES, RATES_MHZ, SPOTS_UM
from tests.sim_device.bench import MS, S
from tests.sim_device.test_native_differs_nowhere import STAGES, Room, room_at, typed
from tests.sim_device.twins import Pair, benches_of

REQUESTS = [message for message in MESSAGES if issubclass(message, Request)]


@pytest.fixture(scope="module", autouse=True)
def _both() -> Iterator[None]:
    with benches_of(Pair):
        yield


def least(kind: Any) -> Any:
    match kind:
        case Int():
            return kind.low
        case Choice():
            return next(iter(kind.type))
        case SetOf():
            return frozenset()
        case Text():
            return ""
        case _:
            return False


def plain(message: type[Message]) -> Message:
    return message(*(least(kind) for _, kind in layout(message).fields))


@pytest.mark.parametrize("stage", STAGES)
def test_every_request_is_answered_alike_in_every_state(stage: str) -> None:
    for message in REQUESTS:
        room = room_at(stage)
        answers = len(room.answers)
        room.asked(plain(message))
        room.step(encode(Frame(room.session, room._seq, plain(message))))  # once more, as after a lost answer
        assert len(room.answers) == answers + 2
        room.run(40 * MS)


def test_every_index_is_answered_alike() -> None:
    room = room_at("ready")
    for kind, count in ((ReadMode, 16), (ReadFault, 256), (ReadCalibrationPoint, 64)):
        for index in range(count):
            room.asked(kind(index))


def test_every_set_point_is_judged_alike() -> None:
    room = room_at("standby")
    for width_ps in (0, *(mode.mode_width_ps for mode in MODES), 700):
        for energy_uj in (0, 9_999, 10_000, 165_000, 165_001, 180_000, 180_001, 200_000, 200_001):
            for rate_mhz in (0, *RATES_MHZ, 20_000):
                room.asked(StageSetpoint(755, width_ps, energy_uj, rate_mhz, Handpiece.ZOOM, 3_500))
    for handpiece in Handpiece:
        low_um, high_um = SPOTS_UM.get(handpiece, (1, 1))
        for spot_um in (low_um - 1, low_um, high_um, high_um + 1):
            room.set(handpiece=int(handpiece), spot_um=spot_um)
            room.asked(StageSetpoint(755, 750, 100_000, 10_000, handpiece, spot_um))
            room.asked(StageSetpoint(1_064, 750, 100_000, 10_000, handpiece, 3_500))


def framed(
    opcode: int, payload: bytes, *, session: int = 0, version: int = PROTOCOL_VERSION, length: int = -1
) -> bytes:
    """A frame that the codec would refuse to make."""
    raw = HEADER.pack(version, opcode, len(payload) if length < 0 else length, session, 1) + payload
    return bytes(cobs.encode(raw + struct.pack("<I", zlib.crc32(raw)))) + b"\0"


def test_every_field_is_refused_alike_at_its_limits() -> None:
    room = room_at("ready")
    sent = 0
    for message in MESSAGES:
        good = plain(message).encode()
        at = 0
        for _, kind in layout(message).fields:
            size = struct.calcsize("<" + kind.code)
            for raw in edges(kind, size):
                payload = good[:at] + raw + good[at + size :]
                room.step(framed(message.opcode, payload, session=room.session))
                room.step(
                    framed(message.opcode, payload) + encode(Frame(room.session, 1_000 + sent, plain_free()))
                )
                sent += 1
            at += size
    assert sent > 500


def plain_free() -> Message:
    """An out-of-band message that does nothing but end the silence after a NAK."""
    return plain(next(m for m in MESSAGES if m.sender is Sender.HOST and m.__name__ == "AckPulses"))


def edges(kind: Any, size: int) -> Iterator[bytes]:
    if isinstance(kind, Text):
        texts = (b"\xff", b" a", b"a ", b"a\0b", b"\x1f", b"\x7f", b"~!", b"x" * size)
        yield from (text.ljust(size, b"\0")[:size] for text in texts)
        return
    top = 2 ** (8 * size)
    numbers = {0, 1, top - 1, top // 2, top // 2 - 1}
    if isinstance(kind, Int):
        numbers |= {kind.low - 1, kind.low, kind.high, kind.high + 1}
    elif isinstance(kind, Choice):
        numbers |= {max(kind.type), max(kind.type) + 1}
    elif isinstance(kind, SetOf):
        numbers |= {1 << bit for bit in range(8 * size)}
    else:
        numbers |= {2, 128}
    yield from ((number % top).to_bytes(size, "little") for number in sorted(numbers))


def test_every_kind_of_bad_frame_is_refused_alike() -> None:
    room = room_at("standby")
    stop = encode(Frame(0, 0, plain(MESSAGES[3])))
    bad = [
        *(framed(opcode, b"") for opcode in range(256)),
        *(framed(0x40, b"", version=version) for version in (0, 2, 255)),
        *(framed(0x40, b"", length=length) for length in (1, 250, 255)),
        *(framed(0x11, bytes(length)) for length in (0, 4, 6, 250)),
        *(bytes([1]) * length + b"\0" for length in (1, 14, 15, 265, 266, 267, 268, 269, 600)),
        *(b"\xff" * length + b"\0" for length in (1, 2, 254, 255, 256, 266, 267, 268)),
        *(stop[:length] + b"\0" for length in range(len(stop))),
        b"\x05ab\0",
        b"\0\0\0",
    ]
    for data in bad:
        room.step(data + stop)
        room.step(data)
    assert room.status.stop_epoch >= 1


def test_a_grant_is_answered_once_and_its_identity_is_for_one_alike() -> None:
    room = room_at("ready")
    grant = room.grant_request(20, permit_id=7)
    for request in (grant, grant, room.grant_request(21, permit_id=7), grant):
        room.asked(request)
    for permit_id in range(100, 140):  # more than are kept
        room.asked(room.grant_request(5, permit_id=permit_id))
    room.asked(grant)
    room.stop()
    room.asked(grant)


def test_a_host_that_means_something_else_is_left_alike() -> None:

    for stage in ("ready", "granted"):
        for intent in Intent:
            room = room_at(stage)
            room.intent = intent
            room.run(900 * MS)


NUMBERS = (
    *(
        "1",
        "+1",
        "-1",
        "-0",
        "0",
        "00750",
        "750.",
        ".5",
        "5.5.5",
        "1e2",
        "1E+2",
        "1E-2",
        "1E",
        "1EE",
        "1E+",
        "E1",
    ),
    *("7.5E2", "75000E-2", "0.00075E6", "1E18", "1E19", "0E18", "0E19", "0E-18", "0E-19", "1E-18", "1E-19"),
    *("749.9999", "750.0000000000000000000000001", "750.00000000000000000000000000001"),
    *(
        "749.99999999999999999999999999999",
        "9" * 28,
        "9" * 29,
        "0." + "9" * 40,
        "1" + "0" * 60,
        "0" * 200 + "75",
    ),
    *(
        "100.00000000000000000000000005",
        "100.0000000000000000000000000500001",
        "100.0001",
        "100.001",
        "500.001",
    ),
    *(
        "500",
        "500.0005",
        "2000",
        "2001",
        "20",
        "20.0001",
        "750 PS",
        "0.75 NS",
        "750ps",
        "0.1J",
        "100 MJ",
        "1 kg",
    ),
    *(
        "100000UJ",
        "5 HZ",
        "5MHZ",
        "5 H Z",
        "755 NM",
        "ON",
        "on",
        "OFF",
        "TRUE",
        "1,2",
        ",",
        "",
        " ",
        "'",
        '"',
        "1;2",
    ),
)


@pytest.mark.parametrize(
    "header", ["SOUR:ENER", "SOUR:RATE", "SOUR:WIDT", "SOUR:WAV", "SOUR:AIM", "*ESE", "*SRE"]
)
def test_every_number_is_read_alike(header: str) -> None:
    room = room_at("set")
    room.host_alive = False
    room.run(300 * MS)
    for number in NUMBERS:
        answered = typed(room, f"{header} {number}\nSYST:ERR?;:{header}?\n".encode())
        assert answered.endswith(b"\n")


def test_a_write_that_is_torn_anywhere_is_read_alike() -> None:
    """Counters, calibration, history and ring with each part spoilt, as the next start finds them."""
    for at in (0, 4, 20, 60, 130, 150, 256, 300, 512, 600, 1_024, 1_056, 4_096, 4_170, 4_176, 4_250):
        for spoilt in (b"\0", b"\xff", bytes(200)):
            room = room_at("standby")
            room.corrupt(at, spoilt)
            room.boot()
            room.connect()
            room.run(300 * MS)


def test_the_consoles_tell_a_latched_laser_alike() -> None:
    room = room_at("emitting")
    room.run(300 * MS)
    room.set(door_closed=False, estop_a_closed=False, level_ok=False)
    room.run(S)
    for header in (
        "FAULt",
        "FAULt:LIST",
        "FAULt:PRESent",
        "INTerlock",
        "STATus:BLOCks",
        "*TST",
        "SENSe:ENERgy",
    ):
        assert typed(room, f"{header}?\n".encode()).strip()
    for odd in (
        b"\\a\xe9'\"",
        b"a\rb\x80",
        b"'\x01'",
        b"*",
        b":",
        b"a:",
        b"a::b",
        b"*1",
        b"a?b",
        b"\xa0\x85*IDN?",
    ):
        typed(room, odd + b"\nSYST:ERR?\n")
    room = Room()  # one that has given no pulse yet
    room.connect()
    assert typed(room, b"SENS:ENER?;WIDT?\n") == b"9.91E37;9.91E37\n"
