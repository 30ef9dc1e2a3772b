"""Round trips of frames through the codec, beside bare COBS, CRC and `struct` on the same bytes."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Final

from cobs import cobs

from bench.figures import Figure, Group, worked
from protocols.faults import Fault
from protocols.frame import Frame, decode, encode
from protocols.messages import (
    Beam,
    Foot,
    Handpiece,
    Heartbeat,
    Intent,
    Leave,
    Message,
    PulseReport,
    Shutter,
    Status,
    layout,
)
from protocols.refusals import Refusal
from protocols.states import State

REPEATS: Final = 15
ROUND_TRIPS: Final = 1_000
GOAL: Final = ">= 300,000"
_CRC: Final = struct.Struct("<I")


def example_status(**changes: object) -> Status:
    """What a laser says ten times a second in STANDBY, with the fields of `changes` otherwise."""
    values: dict[str, object] = {
        "device_time_us": 123_456_789,
        "boot": 3,
        "challenge": 77,
        "state": State.STANDBY,
        "beam": Beam.APERTURE,
        "leave": Leave.NEVER,
        "open_interlocks": frozenset(),
        "blocks": frozenset({Refusal.NO_SETPOINT}),
        "faults": frozenset(),
        "faults_present": frozenset(),
        "first_fault": Fault.NONE,
        "fault_instance": 0,
        "stop_epoch": 1,
        "arm_epoch": 2,
        "permit_id": 0,
        "permit_pulses_left": 0,
        "permit_ends_us": 0,
        "setpoint_hash": 0,
        "handpiece": Handpiece.ZOOM,
        "spot_um": 3_500,
        "wavelength_nm": 755,
        "foot": Foot.RELEASED,
        "shutter": Shutter.CLOSED,
        "gate_inhibited": True,
        "hv_inhibited": True,
        "indicator_on": False,
        "aiming_on": True,
        "docked": False,
        "calibrated": True,
        "pulse_number": 1_000,
        "reports_waiting": 0,
    }
    return Status(**(values | changes))  # type: ignore[arg-type]  # the constructor checks each value


REPORT: Final = PulseReport(
    1_000, 3, 123_456_789, 5, 1, frozenset(), 173_000, 173_100, 172_000, 751, 750, 755, Handpiece.ZOOM, 3_500,
    10_000, 900_000, 60_000,
)  # fmt: skip


def measure(_folder: Path) -> Group:
    """Frames per second, and how many bare ones go into one of ours."""
    figures: list[Figure] = []
    for message in (example_status(), REPORT, Heartbeat(77, Intent.PERMIT)):
        ours, ratios = [], []
        for _ in range(REPEATS):
            ours_s = worked(lambda message=message: _ours(message))  # type: ignore[misc]  # bound now
            bare_s = worked(lambda message=message: _bare(message))  # type: ignore[misc]  # bound now
            ours.append(ROUND_TRIPS / ours_s)
            ratios.append(bare_s / ours_s)
        name = type(message).__name__
        figures += [
            Figure(f"{name}: round trips", "frames/s", tuple(ours), GOAL),
            Figure(f"{name}: of bare COBS, CRC, struct", "ratio", tuple(ratios)),
        ]
    return Group("Codec: encode and decode", figures)


def _ours(message: Message) -> None:
    found: Frame | None = None
    for seq in range(ROUND_TRIPS):
        found = decode(encode(Frame(7, seq, message))[:-1])
    assert found == Frame(7, ROUND_TRIPS - 1, message)


def _bare(message: Message) -> None:
    """The same bytes without the meaning: header, CRC and COBS around integers that stay integers."""
    payload = layout(type(message)).packer
    packer = struct.Struct("<BBBII" + payload.format[1:])
    raw = payload.unpack(message.encode())
    found: tuple[int, ...] = ()
    for seq in range(ROUND_TRIPS):
        body = packer.pack(1, message.opcode, payload.size, 7, seq, *raw)
        received = cobs.decode(cobs.encode(body + _CRC.pack(zlib.crc32(body))))
        body = received[:-4]
        assert zlib.crc32(body) == _CRC.unpack_from(received, len(body))[0]
        found = packer.unpack(body)
    assert found[5:] == raw
