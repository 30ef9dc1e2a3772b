"""Targets of the wire: a stream of frames, and any payload under a right CRC."""

from __future__ import annotations

import struct
import zlib
from itertools import pairwise

from protocols.frame import ENCODED_MAX, RAW_MAX, RAW_MIN, Decoder, Frame, ParseError, encode
from protocols.interface import MESSAGES
from protocols.messages import Message, NakReason, Sender
from tests.fuzz.given import Given
from tests.fuzz.target import Target
from tests.protocols.test_golden import GOLDEN, cobs_encoded, framed

SIZES = {opcode: struct.calcsize("<" + shape) for _, opcode, shape, _ in GOLDEN}  # written down by hand there
PAYLOADS = {opcode: struct.pack("<" + shape, *raw) for _, opcode, shape, raw in GOLDEN}
HOST_KINDS = [message for message in MESSAGES if message.sender is Sender.HOST]
DEVICE_KINDS = [message for message in MESSAGES if message.sender is Sender.DEVICE]


def cobs_decoded(data: bytes) -> bytes | None:
    """What consistent overhead byte stuffing hides; None for what it cannot have written."""
    out, at = bytearray(), 0
    while at < len(data):
        code = data[at]
        block = data[at + 1 : at + code]
        if len(block) != code - 1:
            return None
        out += block
        at += code
        if code < 255 and at < len(data):
            out.append(0)
    return bytes(out)


def reason_of(chunk: bytes) -> NakReason | tuple[int, int, int, bytes]:
    """What a chunk between delimiters is, read by hand: opcode, session, sequence, payload, or why not."""
    raw = cobs_decoded(chunk)
    if raw is None:
        return NakReason.ENCODING
    if not 15 <= len(raw) <= 265:
        return NakReason.LENGTH
    body, crc = raw[:-4], int.from_bytes(raw[-4:], "little")
    if zlib.crc32(body) != crc:
        return NakReason.CRC
    version, opcode, length, session, seq = struct.unpack_from("<BBBII", body)
    if version != 1:
        return NakReason.VERSION
    if length != len(body) - 11:
        return NakReason.LENGTH
    if opcode not in SIZES:
        return NakReason.OPCODE
    return (opcode, session, seq, body[11:]) if length == SIZES[opcode] else NakReason.FIELD


def judged(chunk: bytes, found: Frame | ParseError) -> None:
    """The decoder says of the chunk what an independent reader says."""
    expected = reason_of(chunk)
    if isinstance(expected, NakReason):
        assert isinstance(found, ParseError), (expected, found)
        assert found.reason is expected, (expected, found)
    elif isinstance(found, ParseError):
        assert found.reason is NakReason.FIELD
        assert found.detail == expected[0]
    else:
        opcode, session, seq, payload = expected
        message = found.message
        assert (message.opcode, found.session, found.seq, message.encode()) == (opcode, session, seq, payload)
        assert encode(found)[:-1] == cobs_encoded(cobs_decoded(chunk) or b"")
        for name, kind in type(message).layout.fields:
            kind.check(name, getattr(message, name))


def frames(data: bytes) -> None:
    """A stream gives the same frames and errors however it is cut, as an independent reader finds them."""
    given = Given(data)
    cut = given.number(0, 255)
    stream = given.rest()
    whole = Decoder().feed(stream)
    decoder = Decoder()
    places = [0, *range(cut % 7 + 1, len(stream), cut + 1), len(stream)]
    assert [one for a, b in pairwise(places) for one in decoder.feed(stream[a:b])] == whole
    assert len(decoder._buffer) <= ENCODED_MAX
    chunks = [chunk for chunk in stream.split(b"\0")[:-1] if chunk]
    unended = len(stream.split(b"\0")[-1]) > ENCODED_MAX
    assert len(whole) == len(chunks) + unended
    for chunk, found in zip(chunks, whole, strict=False):
        if len(chunk) > ENCODED_MAX:
            assert isinstance(found, ParseError)
            assert found.reason is NakReason.LENGTH
        else:
            judged(chunk, found)


def sealed_payload(opcode: int, payload: bytes) -> bytes:
    """A frame with a right CRC."""
    return framed(opcode, 1, 1, payload)


def payloads(data: bytes) -> None:
    """A payload under a right CRC is its message, byte for byte, or is refused naming the opcode."""
    given = Given(data)
    opcode = given.number(0, 255)
    opcode = opcode if opcode in SIZES or opcode > 200 else list(SIZES)[opcode % len(SIZES)]
    size = SIZES.get(opcode, 0)
    session, seq = given.number(0, 2**32 - 1), given.number(0, 2**32 - 1)
    payload = given.rest()
    payload = payload[:size].ljust(size, b"\0") if len(payload) < 2 * size else payload[:250]
    wire = framed(opcode, session, seq, payload)
    (found,) = Decoder().feed(wire)
    judged(wire[:-1], found)


def wire_of(given: Given, session: int, seq: int, kinds: list[type[Message]]) -> bytes:
    """Bytes as somebody else may send them: noise, or a frame of any message with any payload."""
    form = given.number(0, 7)
    if form == 0:
        return given.piece() + b"\0" * given.number(0, 1)
    kind = given.pick(kinds)
    size = SIZES[kind.opcode]
    payload = PAYLOADS[kind.opcode] if form < 4 else given.take(size)
    if form == 1:
        session, seq = given.number(0, 2**32 - 1), given.number(0, 2**32 - 1)
    elif form == 2:
        seq = max(0, seq + given.number(0, 4) - 2)
    wire = bytearray(framed(kind.opcode, session, seq, payload))
    if form == 3:
        wire[given.number(0, 2**16 - 1) % len(wire)] ^= 1 << given.number(0, 7)
    return bytes(wire)


def _frames_seeds() -> list[bytes]:
    wires = [encode(Frame(0xA1B2C3D4, 77, message)) for message, *_ in GOLDEN]
    long = [cobs_encoded(b"x" * size) + b"\0" for size in (RAW_MIN, RAW_MAX, RAW_MAX + 1)]
    return [b"\x03" + b"".join(wires), *(b"\0" + wire for wire in (*wires, *long)), b"\x05" + b"\x55" * 600]


def _payloads_seeds() -> list[bytes]:
    head = bytes(8)
    return [bytes([opcode]) + head + payload for opcode, payload in PAYLOADS.items()]


TARGETS = (
    Target("frames", frames, _frames_seeds, 4_096, ("REQ-033", "HZ-033")),
    Target("payloads", payloads, _payloads_seeds, 400, ("REQ-033", "HZ-033")),
)
