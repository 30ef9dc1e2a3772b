"""Targets of the device: the reference firmware and the C core beside it must do the same with any bytes."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from protocols.frame import Decoder, Frame, encode
from protocols.interface import INTERFACE_HASH
from protocols.messages import Beam, Connect, Handpiece, Stop
from protocols.requests import (
    Arm,
    Calibrate,
    Grant,
    ReadCalibration,
    ReadCounters,
    ReadFault,
    ReadSetpoint,
    Request,
    SetAiming,
    Setpoint,
    Trigger,
)
from protocols.scpi import TREE
from protocols.states import ARMED
from sim_device.firmware import memory as books
from sim_device.firmware.setpoint import NO_SETPOINT
from sim_device.native import library
from tests.fuzz.given import Given
from tests.fuzz.target import Target
from tests.fuzz.wire import HOST_KINDS, wire_of
from tests.sim_device.bench import MS, S
from tests.sim_device.golden import WIRES
from tests.sim_device.ideal_laser import Ram
from tests.sim_device.test_native_differs_nowhere import HEADERS, heal, room_at, typed
from tests.sim_device.twins import Pair, benches_of

STAGES = ("standby", "set", "ready", "rehearsal", "self_test", "calibrating", "granted", "emitting")
DARK = ("standby", "set", "ready", "rehearsal")  # where light needs a Grant, or a Calibrate, still to come
TIMES_US = (1, 300, 1_000, 5_000, 50_001, 100_000, 400_000)
NAMES = sorted(WIRES)


@contextmanager
def both() -> Iterator[None]:
    """Every bench has both firmwares, which must agree in every step."""
    library()  # which compiles it, if it is not there yet
    with benches_of(Pair):
        yield


# REQ-023: LASER_FACTS, device class; by width, in ps and uJ; rates in mHz; spots in um by handpiece.
ENERGY_MAX_UJ = {750: 200_000, 650: 180_000, 550: 165_000}
RATES_MHZ = (1_000, 2_500, 5_000, 10_000)
SPOTS_UM = {
    Handpiece.ZOOM: range(2_000, 6_001),
    Handpiece.FIXED_6: (6_000,),
    Handpiece.FIXED_8: (8_000,),
    Handpiece.FIXED_10: (10_000,),
    Handpiece.LENS_ARRAY_6: (6_000,),
}


def within_limits(setpoint: Setpoint) -> None:
    """What a device has accepted is none, or what this device class may do."""
    if setpoint == NO_SETPOINT:
        return
    assert setpoint.wavelength_nm == 755
    assert 10_000 <= setpoint.pulse_energy_uj <= ENERGY_MAX_UJ[setpoint.mode_width_ps]
    assert setpoint.rep_rate_mhz in RATES_MHZ
    assert setpoint.spot_um in SPOTS_UM[setpoint.handpiece]


class Watch:
    """A bench, whether anything came over its wire that may lead to light, and the light there was."""

    def __init__(self, stage: str) -> None:
        self.room = room_at(stage)
        self.may_light = stage not in DARK
        self._lit = len(self.room.triggers)
        self._ear = Decoder()

    def send(self, wire: bytes) -> None:
        for found in self._ear.feed(wire):
            if isinstance(found, Frame):
                self.may_light |= isinstance(found.message, Grant | Calibrate)
        self.room.step(wire)
        pair: Any = self.room.firmware
        link = pair._reference._comms._link  # what was sent may have been a request that counts
        self.room.session, self.room._seq = link.session, link._expected_seq - 1
        self.room._free_seq = max(self.room._free_seq, link._heard_seq)

    def ask(self, request: Request) -> Any:
        """What the device answers, after a delimiter that ends whatever stood in its receiver."""
        if not self.room.session:
            self.room._nonce += 1
            self.send(b"\0" + encode(Frame(0, 0, Connect(self.room._nonce, INTERFACE_HASH))))
        answers = len(self.room.answers)
        self.send(b"\0" + encode(Frame(self.room.session, self.room._seq + 1, request)))
        assert len(self.room.answers) == answers + 1
        return self.room.answers[-1]

    def restart(self, *, watchdog_reset: bool) -> None:
        self.room.boot(watchdog_reset=watchdog_reset)
        self._ear = Decoder()
        self.may_light = True  # into the calibration port

    def judge(self) -> None:
        setpoints = self.room.firmware.device.setpoints
        within_limits(setpoints.committed)
        within_limits(setpoints.staged)
        assert self.may_light or len(self.room.triggers) == self._lit, "light that nobody allowed"


def allowed(watch: Watch, beam: Beam | None) -> None:
    """Arm, or grant without `beam`, as a host would that knows how the laser stands."""
    setpoint, room = watch.ask(ReadSetpoint()), watch.room
    if beam is not None:
        watch.ask(SetAiming(True))
        room.run(2 * MS)
    if not room.statuses or not isinstance(setpoint, Setpoint):
        return
    status = room.status
    if beam is not None:
        watch.ask(Arm(setpoint.hash, status.stop_epoch, beam))
        room.run(2_100 * MS)
        return
    grant = Grant(
        room.now_us % 1_000 + 1,
        status.boot,
        room.session,
        status.arm_epoch,
        status.stop_epoch,
        20,
        status.beam,
        Trigger.FOOT,
        setpoint.wavelength_nm,
        setpoint.mode_width_ps,
        setpoint.rep_rate_mhz,
        setpoint.handpiece,
        setpoint.spot_um,
        setpoint.hash,
        room.now_us - room.boot_us + 100 * S,
    )
    watch.ask(grant)


def _said(given: Given, watch: Watch) -> None:
    watch.send(wire_of(given, watch.room.session, watch.room._seq + 1, HOST_KINDS))


def _moved(given: Given, watch: Watch) -> None:
    name = given.pick(NAMES)
    watch.room.set(**{name: given.pick(WIRES[name])})


def _trodden(given: Given, watch: Watch) -> None:
    (watch.room.press if given.flag() else watch.room.release)()


def _hushed(given: Given, watch: Watch) -> None:
    watch.room.host_alive = given.flag()


Act = Callable[[Given, Watch], object]
ACTS: tuple[Act, ...] = (
    *(_said,) * 6,
    _moved,
    lambda _, watch: heal(watch.room),
    lambda _, watch: allowed(watch, None),
    lambda given, watch: allowed(watch, given.pick(list(Beam))),
    _trodden,
    lambda _, watch: watch.ask(ReadCounters()),
    lambda given, watch: watch.restart(watchdog_reset=given.flag()),
    lambda given, watch: watch.room.corrupt(given.number(0, 5_400), given.piece(8)),
    _hushed,
    lambda given, watch: typed(watch.room, given.piece()),
)


def device(data: bytes) -> None:
    """Whatever comes over wire and lines, both firmwares do the same; no light unasked; STOP ends it."""
    given = Given(data)
    watch = Watch(given.pick(STAGES))
    room = watch.room
    for _ in range(24):
        if not given:
            break
        given.pick(ACTS)(given, watch)
        room.run(given.pick(TIMES_US))
        watch.judge()
    watch.send(b"\0" + encode(Frame(room.session, 0, Stop(7))))
    lit = len(room.triggers)
    room.run(200 * MS)
    assert room.state not in ARMED
    assert len(room.triggers) == lit, "light after STOP"


def memory(data: bytes) -> None:
    """Whatever stands in its memory, the device starts, both firmwares alike, and its books are sound."""
    given = Given(data)
    watch = Watch(given.pick(("standby", "emitting")))
    room = watch.room
    room.run(given.number(0, 255) * MS)
    for _ in range(16):
        if not given:
            break
        at = given.number(0, 1_600) if given.flag() else 4_096 + given.number(0, 2_048)
        room.corrupt(at, given.piece(40))
        if given.flag():  # a sum that is right again, so that what was changed is believed
            for start, size, seed in given.pick(RECORDS):
                end = start + size - 4
                body = bytes(room.memory.data[start:end])
                room.corrupt(end, zlib.crc32(body, seed).to_bytes(4, "little"))
    watch.restart(watchdog_reset=given.flag())
    room.session = 0
    for request in (ReadCounters(), ReadCalibration(), ReadSetpoint(), ReadFault(0), ReadFault(1)):
        watch.ask(request)
        room.run(50 * MS)
    counted = room.firmware.device.memory
    assert 0 <= counted.waiting <= books.REPORTS_MAX or counted.broken
    assert counted.pulse_number >= counted.acknowledged
    assert not room.triggers or room.triggers[-1] < room.boot_us
    room.run(100 * MS)


def _records() -> list[list[tuple[int, int, int]]]:
    """Where records with a CRC begin, their sizes, and what the CRC is seeded with."""
    blank = books.NonVolatile(Ram())
    slots = [
        (at, slot._size, 0) for slot in (blank._books_slots, blank._calibration_slots) for at in slot._at
    ]
    history = [(books._HISTORY_AT + n * books._RECORD_SIZE, books._RECORD.size, 0) for n in range(4)]
    ring = [(books._RING_AT + n * books._HALF_SIZE, books._HALF.size, books._MAGIC) for n in range(8)]
    return [slots, history, ring, *([one] for one in (*slots, *history, *ring))]


RECORDS = _records()


def console(data: bytes) -> None:
    """Whatever is typed, both consoles answer the same, in whole lines of text; none of it lets light out."""
    given = Given(data)
    room = room_at(given.pick(("standby", "set", "ready")))
    lit = len(room.triggers)
    if given.flag():
        room.host_alive = False
        room.run(300 * MS)
    for _ in range(8):
        if not given:
            break
        answered = typed(room, given.piece() if given.flag() else given.rest())
        assert answered == b"" or answered.endswith(b"\n")
        assert answered.isascii()
        assert all(line.decode().isprintable() for line in answered.splitlines())
    within_limits(room.firmware.device.setpoints.committed)
    waiting = typed(room, b"\n*CLS;:SYST:ERR:COUN?\n").splitlines()[-1]
    assert waiting == b"0"
    room.run(10 * MS)
    assert len(room.triggers) == lit


def _device_seeds() -> list[bytes]:
    calm, setting = b"\x05", bytes([6, 3, 0, 3])
    acts = [bytes([act, 0, 0, 0]) + calm for act in range(16)]
    connect = encode(Frame(0, 0, Connect(9, 1)))
    noise = b"\x00\x00" + bytes([len(connect)]) + connect + b"\x00"
    whole = bytes([9, 0, 5, 8, 5, 10, 1, 6])  # arm, grant, press
    return [
        *(bytes([stage]) + noise + calm + setting for stage in range(len(STAGES))),
        *(bytes([stage]) + whole for stage in range(len(STAGES))),
        *(b"\x02" + one for one in acts),
        *(b"\x02" + bytes([0, 2, kind, 3]) for kind in range(len(HOST_KINDS))),
    ]


def _memory_seeds() -> list[bytes]:
    edit = bytes([0x01, 0x10, 0, 4]) + b"\xff\x01\x02\x03"
    return [b"\x00\x00", b"\x01\xff", *(b"\x01\x80" + edit + bytes([1, n]) for n in range(len(RECORDS)))]


def _console_seeds() -> list[bytes]:
    lines = [f"{header}{rest}\n".encode() for header in HEADERS for rest in ("?", " 1")]
    setting = b"SOUR:APPL 650,50,2.5\nSOUR:ENER?;RATE?;:SYST:ERR?\nABOR;*IDN?;*STB?\n"
    whole = [b"".join(lines[n : n + 8]) for n in range(0, len(lines), 8)]
    return [bytes([stage, host, 0]) + text for text in (*whole, setting) for stage, host in ((1, 1), (2, 0))]


assert len(HEADERS) > len(TREE)
TARGETS = (
    Target("device", device, _device_seeds, 1_024, ("REQ-023", "HZ-001"), both),
    Target("memory", memory, _memory_seeds, 512, (), both),
    Target("console", console, _console_seeds, 1_024, ("REQ-023", "HZ-001"), both),
)
