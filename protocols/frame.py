"""Frames of the binary dialect: header, payload and CRC-32, COBS-encoded and ended by a zero byte.

Layout before COBS, little-endian: version u8, opcode u8, payload length u8, session u32, sequence u32,
payload (at most 250 bytes), CRC-32 (the one of zip and Ethernet) over everything before it.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Final

from cobs import cobs

from protocols.interface import BY_OPCODE, PROTOCOL_VERSION
from protocols.messages import PAYLOAD_MAX, Message, NakReason

_HEADER: Final = struct.Struct("<BBBII")
_CRC: Final = struct.Struct("<I")
DELIMITER: Final = b"\0"
RAW_MAX: Final = _HEADER.size + PAYLOAD_MAX + _CRC.size
ENCODED_MAX: Final = RAW_MAX + RAW_MAX // 254 + 1  # what COBS can add; longer runs hold no frame


@dataclass(frozen=True, slots=True)
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
    payload = frame.message.encode()
    raw = (
        _HEADER.pack(PROTOCOL_VERSION, frame.message.opcode, len(payload), frame.session, frame.seq) + payload
    )
    encoded: bytes = cobs.encode(raw + _CRC.pack(zlib.crc32(raw)))
    return encoded + DELIMITER


def decode(encoded: bytes) -> Frame:
    """The frame in `encoded` (without delimiter); raises ParseError for any bytes that are none."""
    try:
        raw = cobs.decode(encoded)
    except cobs.DecodeError as error:
        raise ParseError(NakReason.ENCODING, f"not COBS: {error}") from error
    if not _HEADER.size + _CRC.size <= len(raw) <= RAW_MAX:
        raise ParseError(NakReason.LENGTH, f"{len(raw)} bytes are no frame")
    body = raw[: -_CRC.size]
    if zlib.crc32(body) != _CRC.unpack_from(raw, len(body))[0]:
        raise ParseError(NakReason.CRC, "CRC differs")
    version, opcode, length, session, seq = _HEADER.unpack_from(body)
    if version != PROTOCOL_VERSION:
        text = f"protocol version {version}, this side speaks {PROTOCOL_VERSION}"
        raise ParseError(NakReason.VERSION, text, version)
    payload = body[_HEADER.size :]
    if length != len(payload):
        raise ParseError(NakReason.LENGTH, f"header says {length} bytes of payload, {len(payload)} came")
    message = BY_OPCODE.get(opcode)
    if message is None:
        raise ParseError(NakReason.OPCODE, f"opcode {opcode:#04x} is not declared", opcode)
    try:
        return Frame(session, seq, message.decode(payload))
    except ValueError as error:
        raise ParseError(NakReason.FIELD, f"{message.__name__}: {error}", opcode) from error


class Decoder:
    """Cuts a byte stream into frames; feeding it in any pieces gives the same result.

    Holds at most one frame's worth of bytes: a longer run without a delimiter is reported once and dropped.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._dropping = False

    def feed(self, data: bytes) -> list[Frame | ParseError]:
        """Frames and errors that `data` completes, in order."""
        found: list[Frame | ParseError] = []
        *ended, rest = data.split(DELIMITER)
        for piece in ended:
            self._take(piece, found)
            if self._buffer:
                try:
                    found.append(decode(bytes(self._buffer)))
                except ParseError as error:
                    found.append(error)
            self._buffer.clear()
            self._dropping = False
        self._take(rest, found)
        return found

    def _take(self, piece: bytes, found: list[Frame | ParseError]) -> None:
        if self._dropping:
            return
        self._buffer += piece
        if len(self._buffer) > ENCODED_MAX:
            found.append(ParseError(NakReason.LENGTH, f"more than {ENCODED_MAX} bytes without a delimiter"))
            self._buffer.clear()
            self._dropping = True
