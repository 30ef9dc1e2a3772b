"""Frames of the binary dialect: header, payload and CRC-32, COBS-encoded and ended by a zero byte.

Layout before COBS, little-endian: version u8, opcode u8, payload length u8, session u32, sequence u32,
payload (at most 250 bytes), CRC-32 (the one of zip and Ethernet) over everything before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from zlib import crc32

from cobs import cobs

from protocols.interface import BY_OPCODE, MESSAGES
from protocols.layout import CRC, HEAD_SIZE, HEADER, PROTOCOL_VERSION
from protocols.messages import PAYLOAD_MAX, Message, NakReason

DELIMITER: Final = b"\0"
RAW_MIN: Final = HEADER.size + CRC.size
RAW_MAX: Final = RAW_MIN + PAYLOAD_MAX
ENCODED_MAX: Final = RAW_MAX + RAW_MAX // 254 + 1  # what COBS can add; longer runs hold no frame

_HEAD: Final = slice(HEAD_SIZE)
_UNPACK: Final = {message.layout.head: message.layout.unpack for message in MESSAGES}
_CRC_RESIDUE: Final = crc32(CRC.pack(crc32(b"")))  # of everything that ends in its own CRC
_pack_crc: Final = CRC.pack


@dataclass(
    slots=True
)  # not frozen, since that costs, and never changed: whoever decodes the same bytes shares it
class Frame:
    """One message with the session and sequence number it travels under."""

    session: int
    seq: int
    message: Message


class ParseError(ValueError):
    """Bytes that are no frame: why, and the offending version or opcode where there is one."""

    def __init__(self, reason: NakReason, text: str, detail: int = 0) -> None:
        super().__init__(text)
        self.reason = reason
        self.detail = detail

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ParseError) and (self.reason, self.detail, self.args) == (
            other.reason,
            other.detail,
            other.args,
        )

    def __hash__(self) -> int:
        return hash((self.reason, self.detail))


def encode(frame: Frame) -> bytes:
    """The bytes of `frame` with the closing delimiter."""
    message = frame.message
    raw = message.layout.pack(message, frame.session, frame.seq)
    encoded: bytes = cobs.encode(raw + _pack_crc(crc32(raw)))
    return encoded + DELIMITER


def decode(encoded: bytes) -> Frame:
    """The frame in `encoded` (without delimiter); raises ParseError for any bytes that are none."""
    try:
        raw = cobs.decode(encoded)
    except cobs.DecodeError as error:
        raise ParseError(NakReason.ENCODING, f"not COBS: {error}") from error
    unpack = _UNPACK.get(raw[_HEAD])
    if unpack is None or crc32(raw) != _CRC_RESIDUE or len(raw) != raw[2] + RAW_MIN:
        raise _refusal(raw)
    try:
        session, seq, message = unpack(raw)
    except ValueError as error:
        opcode = raw[1]
        raise ParseError(NakReason.FIELD, f"{BY_OPCODE[opcode].__name__}: {error}", opcode) from error
    return Frame(session, seq, message)


# One process may hold both ends of a line, and a witness between: the same bytes are decoded once for all.
_decoded: Final = lru_cache(maxsize=16)(decode)


def _refusal(raw: bytes) -> ParseError:
    """Why `raw` is no frame, whatever its fields hold."""
    if not RAW_MIN <= len(raw) <= RAW_MAX:
        return ParseError(NakReason.LENGTH, f"{len(raw)} bytes are no frame")
    if crc32(raw) != _CRC_RESIDUE:
        return ParseError(NakReason.CRC, "CRC differs")
    version, opcode, length, _, _ = HEADER.unpack_from(raw)
    if version != PROTOCOL_VERSION:
        text = f"protocol version {version}, this side speaks {PROTOCOL_VERSION}"
        return ParseError(NakReason.VERSION, text, version)
    came = len(raw) - RAW_MIN
    if length != came:
        return ParseError(NakReason.LENGTH, f"header says {length} bytes of payload, {came} came")
    message = BY_OPCODE.get(opcode)
    if message is None:
        return ParseError(NakReason.OPCODE, f"opcode {opcode:#04x} is not declared", opcode)
    name, size = message.__name__, message.layout.packer.size
    return ParseError(NakReason.FIELD, f"{name}: {name} has {size} bytes, not {came}", opcode)


class Decoder:
    """Cuts a byte stream into frames; feeding it in any pieces gives the same result.

    Holds at most one frame's worth of bytes: a longer run without a delimiter is reported once and dropped.
    """

    def __init__(self) -> None:
        self._buffer = b""  # of a frame that has not ended yet
        self._dropping = False

    def feed(self, data: bytes) -> list[Frame | ParseError]:
        """Frames and errors that `data` completes, in order."""
        found: list[Frame | ParseError] = []
        whole = 1 < len(data) <= ENCODED_MAX + 1 and data.find(DELIMITER) == len(data) - 1
        if whole and not (self._buffer or self._dropping):  # one frame, as most come
            self._decode(data[:-1], found)
            return found
        *ended, rest = data.split(DELIMITER)
        for piece in ended:
            self._take(piece, found)
            encoded, self._buffer, self._dropping = self._buffer, b"", False
            if encoded:
                self._decode(encoded, found)
        self._take(rest, found)
        return found

    @staticmethod
    def _decode(encoded: bytes, found: list[Frame | ParseError]) -> None:
        try:
            found.append(_decoded(encoded))
        except ParseError as error:
            found.append(error)

    def _take(self, piece: bytes, found: list[Frame | ParseError]) -> None:
        if self._dropping:
            return
        self._buffer += piece
        if len(self._buffer) > ENCODED_MAX:
            found.append(ParseError(NakReason.LENGTH, f"more than {ENCODED_MAX} bytes without a delimiter"))
            self._buffer, self._dropping = b"", True
