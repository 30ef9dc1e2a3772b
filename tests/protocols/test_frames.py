"""The frame codec: any bytes, any split, every flipped bit, and a bounded buffer."""

import contextlib
import itertools
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.frame import ENCODED_MAX, RAW_MAX, Decoder, Frame, ParseError, decode, encode
from protocols.messages import Heartbeat, Intent, Message, NakReason, Stop
from protocols.requests import ReadSetpoint
from tests.protocols.test_fields import messages
from tests.protocols.test_golden import GOLDEN, IDS, cobs_encoded, framed

U32 = st.integers(0, 2**32 - 1)
STOP_PAYLOAD = struct.pack("<I", 1)


def reason_of(encoded: bytes) -> tuple[NakReason, int]:
    with pytest.raises(ParseError) as caught:
        decode(encoded)
    return caught.value.reason, caught.value.detail


def sealed(body: bytes) -> bytes:
    """A body with its right CRC, encoded, without delimiter."""
    return cobs_encoded(body + struct.pack("<I", zlib.crc32(body)))


@given(messages(), U32, U32)
def test_every_frame_survives_the_wire(message: Message, session: int, seq: int) -> None:
    wire = encode(Frame(session, seq, message))
    assert wire.count(0) == 1
    assert wire[-1] == 0
    assert decode(wire[:-1]) == Frame(session, seq, message)
    assert len(wire) <= ENCODED_MAX + 1


def test_reasons_why_bytes_are_no_frame() -> None:
    header = struct.Struct("<BBBII")
    good = header.pack(1, 0x10, 4, 0, 1) + STOP_PAYLOAD
    assert decode(sealed(good)) == Frame(0, 1, Stop(1))
    assert reason_of(b"\x05\x01") == (NakReason.ENCODING, 0)
    assert reason_of(b"") == (NakReason.LENGTH, 0)
    assert reason_of(cobs_encoded(b"x" * 14)) == (NakReason.LENGTH, 0)
    assert reason_of(cobs_encoded(b"x" * 15)) == (NakReason.CRC, 0)
    assert reason_of(cobs_encoded(b"x" * RAW_MAX)) == (NakReason.CRC, 0)
    assert reason_of(cobs_encoded(b"x" * (RAW_MAX + 1))) == (NakReason.LENGTH, 0)
    assert reason_of(cobs_encoded(good + b"\0\0\0\0")) == (NakReason.CRC, 0)
    assert reason_of(sealed(header.pack(2, 0x10, 4, 0, 1) + STOP_PAYLOAD)) == (NakReason.VERSION, 2)
    assert reason_of(sealed(header.pack(1, 0x10, 5, 0, 1) + STOP_PAYLOAD)) == (NakReason.LENGTH, 0)
    assert reason_of(sealed(header.pack(1, 0x10, 3, 0, 1) + STOP_PAYLOAD)) == (NakReason.LENGTH, 0)
    assert reason_of(sealed(good + b"\0")) == (NakReason.LENGTH, 0)
    assert reason_of(sealed(good[:-1])) == (NakReason.LENGTH, 0)
    assert reason_of(sealed(header.pack(1, 0xEE, 4, 0, 1) + STOP_PAYLOAD)) == (NakReason.OPCODE, 0xEE)
    assert reason_of(sealed(header.pack(1, 0x10, 4, 0, 1) + bytes(4))) == (NakReason.FIELD, 0x10)
    assert reason_of(sealed(header.pack(1, 0x10, 5, 0, 1) + bytes(5))) == (NakReason.FIELD, 0x10)


def test_the_longest_payload_fits_and_the_next_one_does_not() -> None:
    assert RAW_MAX == 11 + 250 + 4
    assert len(cobs_encoded(bytes(range(1, 256)) + b"\x01" * 10)) == ENCODED_MAX == 267


def test_parse_errors_compare_by_what_they_say() -> None:
    error = ParseError(NakReason.VERSION, "text", 2)
    assert error == ParseError(NakReason.VERSION, "text", 2)
    assert hash(error) == hash(ParseError(NakReason.VERSION, "text", 2))
    assert error != ParseError(NakReason.VERSION, "text", 3)
    assert error != ParseError(NakReason.CRC, "text", 2)
    assert error != ParseError(NakReason.VERSION, "other", 2)
    assert error != ValueError("text")


@pytest.mark.shows("REQ-033")
@given(st.binary(max_size=300))
def test_any_bytes_are_a_frame_or_a_parse_error(data: bytes) -> None:
    with contextlib.suppress(ParseError):
        assert isinstance(decode(data), Frame)


@given(st.binary(max_size=265))
def test_any_bytes_with_a_right_crc_are_a_frame_or_a_parse_error(body: bytes) -> None:
    try:
        frame = decode(sealed(b"\x01" + body))
    except ParseError:
        return
    assert decode(encode(frame)[:-1]) == frame


pieces_of_a_stream = st.lists(
    st.one_of(
        st.builds(lambda m, s, q: encode(Frame(s, q, m)), messages(), U32, U32),
        st.binary(max_size=40),
        st.sampled_from([b"\0", b"\0\0", b"\xff" * (ENCODED_MAX - 1), b"\xff" * ENCODED_MAX, b"\x07" * 600]),
    ),
    max_size=8,
)


@given(pieces_of_a_stream, st.data())
def test_a_stream_gives_the_same_frames_however_it_is_cut(pieces: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(pieces)
    whole = Decoder().feed(stream)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    decoder = Decoder()
    parts = [stream[a:b] for a, b in itertools.pairwise([0, *cuts, len(stream)])]
    assert [found for part in parts for found in decoder.feed(part)] == whole
    one_by_one = Decoder()
    assert [found for byte in stream for found in one_by_one.feed(bytes([byte]))] == whole


@given(st.lists(messages(), max_size=6), st.binary(max_size=30).filter(lambda noise: 0 not in noise))
def test_noise_costs_at_most_the_frame_it_runs_into(sent: list[Message], noise: bytes) -> None:
    stream = noise + b"\0" + b"".join(encode(Frame(1, 2, message)) for message in sent)
    found = Decoder().feed(stream)
    assert [item.message for item in found if isinstance(item, Frame)] == sent
    assert len([item for item in found if isinstance(item, ParseError)]) == bool(noise)


def test_a_run_without_delimiter_is_reported_once_and_never_held() -> None:
    decoder = Decoder()
    found = []
    for _ in range(1_000):
        found += decoder.feed(b"\x55" * 97)
        assert len(decoder._buffer) <= ENCODED_MAX
    assert [error.reason for error in found if isinstance(error, ParseError)] == [NakReason.LENGTH]
    assert decoder.feed(b"\x55\0") == []
    assert decoder.feed(encode(Frame(0, 1, Stop(1)))) == [Frame(0, 1, Stop(1))]


def test_the_longest_run_that_may_be_a_frame_is_still_looked_at() -> None:
    longest = cobs_encoded(b"x" * RAW_MAX)
    assert len(longest) == ENCODED_MAX
    assert Decoder().feed(longest + b"\0") == [ParseError(NakReason.CRC, "CRC differs")]
    over = ParseError(NakReason.LENGTH, "more than 267 bytes without a delimiter")
    assert Decoder().feed(b"\x01" * (ENCODED_MAX + 1) + b"\0") == [over]


def accepted(stream: bytes) -> list[Frame]:
    """What a receiver takes of `stream`, after a delimiter that ends whatever is left open."""
    return [found for found in Decoder().feed(stream + b"\0") if isinstance(found, Frame)]


@pytest.mark.shows("REQ-033", "HZ-033")
@pytest.mark.parametrize(("opcode", "shape", "raw"), [row[1:] for row in GOLDEN], ids=IDS)
def test_every_single_flipped_bit_is_noticed(opcode: int, shape: str, raw: tuple[object, ...]) -> None:
    wire = framed(opcode, 0xA1B2C3D4, 77, struct.pack("<" + shape, *raw))
    assert len(accepted(wire)) == 1
    for bit in range(8 * (len(wire) - 1)):
        flipped = bytearray(wire)
        flipped[bit // 8] ^= 1 << bit % 8
        assert accepted(bytes(flipped)) == []


@pytest.mark.shows("REQ-033", "HZ-033")
def test_every_flip_of_the_delimiter_leaves_the_frame_unread() -> None:
    wire = encode(Frame(3, 4, Heartbeat(5, Intent.IDLE)))
    for bit in range(8):
        assert accepted(wire[:-1] + bytes([1 << bit])) == []


@pytest.mark.shows("REQ-033", "HZ-033")
@pytest.mark.parametrize(
    "frame", [Frame(0xA1B2C3D4, 77, ReadSetpoint()), Frame(0, 1, Stop(1))], ids=["ReadSetpoint", "Stop"]
)
def test_every_two_flipped_bits_are_noticed(frame: Frame) -> None:
    wire = encode(frame)
    for first, second in itertools.combinations(range(8 * (len(wire) - 1)), 2):
        flipped = bytearray(wire)
        flipped[first // 8] ^= 1 << first % 8
        flipped[second // 8] ^= 1 << second % 8
        assert accepted(bytes(flipped)) == []


@pytest.mark.shows("REQ-033", "HZ-033")
@settings(max_examples=300)
@given(st.sampled_from(GOLDEN), st.sets(st.integers(0, 8 * 260), min_size=2, max_size=6))
def test_some_flipped_bits_in_any_frame_are_noticed(
    row: tuple[Message, int, str, tuple[object, ...]], bits: set[int]
) -> None:
    wire = bytearray(encode(Frame(0xA1B2C3D4, 77, row[0])))
    original = bytes(wire)
    for bit in bits:
        place = bit % (8 * (len(wire) - 1))
        wire[place // 8] ^= 1 << place % 8
    assert accepted(bytes(wire)) == ([] if bytes(wire) != original else [decode(original[:-1])])
