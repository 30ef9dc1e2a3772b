"""docs/interface.md is enough to talk to a laser: a client that knows nothing else."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path

import pytest

from rig.laser import warm_laser
from sim_device.simulator import Simulator

PAGE = (Path(__file__).parents[2] / "docs" / "interface.md").read_text("utf-8")


def opcode(name: str) -> int:
    (found,) = re.findall(rf"^\| 0x([0-9a-f]{{2}}) \| \[?{name}[\] ]", PAGE, re.MULTILINE)
    return int(found, 16)


def hash_told() -> int:
    (found,) = re.findall(r"interface hash `0x([0-9a-f]{16})`", PAGE)
    return int(found, 16)


def cobs(raw: bytes) -> bytes:
    """Each run without zeros behind its length plus one; 254 bytes at the most, then 0xff."""
    out = bytearray()
    for run in raw.split(b"\0"):
        while len(run) >= 254:
            out += b"\xff" + run[:254]
            run = run[254:]  # noqa: PLW2901 # what is left of it
        out += bytes([len(run) + 1]) + run
    return bytes(out)


def uncobs(coded: bytes) -> bytes:
    out, at = bytearray(), 0
    while at < len(coded):
        length = coded[at]
        out += coded[at + 1 : at + length]
        at += length
        if length < 255 and at < len(coded):
            out += b"\0"
    return bytes(out)


class Client:
    """Speaks as the page says."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.session = self.number = 0
        self.rest = b""
        self.out_of_band: list[int] = []  # the numbers of what nobody asked for, in the latest session

    def say(self, name: str, payload: bytes = b"", *, number: int = 0, session: int | None = None) -> None:
        session = self.session if session is None else session
        raw = struct.pack("<BBBII", 1, opcode(name), len(payload), session, number) + payload
        coded = cobs(raw + struct.pack("<I", zlib.crc32(raw)))
        self.simulator.receive(coded + b"\0", self.simulator.now_us)

    def hear(self) -> list[tuple[int, int, int, bytes]]:
        """Opcode, session, number and payload of every frame of the next 20 ms."""
        self.simulator.advance(self.simulator.now_us + 20_000)
        *whole, self.rest = (self.rest + self.simulator.sent()).split(b"\0")
        frames = []
        for coded in whole:
            raw = uncobs(coded)
            version, op, length, session, number = struct.unpack_from("<BBBII", raw)
            assert (version, length) == (1, len(raw) - 15)
            assert struct.unpack("<I", raw[-4:])[0] == zlib.crc32(raw[:-4])
            frames.append((op, session, number, raw[11:-4]))
        self.out_of_band += [number for op, _, number, _ in frames if 0x20 <= op < 0x40]
        return frames

    def connect(self, nonce: int) -> None:
        self.simulator.receive(b"\0", self.simulator.now_us)
        self.out_of_band.clear()
        self.say("Connect", struct.pack("<IQ", nonce, hash_told()), session=0)
        (connected,) = [one for one in self.hear() if one[0] == opcode("Connected")]
        assert struct.unpack_from("<I", connected[3])[0] == nonce
        assert connected[2] == 0
        self.session, self.number = connected[1], 0

    def ask(self, name: str, payload: bytes = b"", *, number: int = 0) -> tuple[int, int, bytes]:
        """Opcode, number and payload of what comes in turn: an answer or a Nak."""
        self.number = number or self.number + 1
        self.say(name, payload, number=self.number)
        (found,) = [one for one in self.hear() if one[0] >= 0x80 or one[0] == opcode("Nak")]
        assert found[1] == self.session
        return found[0], found[2], found[3]


@pytest.fixture
def client() -> Client:
    client = Client(warm_laser(4))
    client.simulator.receive(b"half a frame of somebody before", client.simulator.now_us)
    client.connect(77)
    return client


def test_requests_are_numbered_from_one_and_their_answers_have_their_numbers(client: Client) -> None:
    for number in (1, 2, 3):
        op, told, payload = client.ask("ReadIdentity")
        assert (op, told) == (opcode("Identity"), number)
        assert payload[:12] == b"PicoLase 755"
        assert struct.unpack_from("<Q", payload, 76)[0] == hash_told()


def test_the_latest_number_again_is_answered_from_memory_and_one_too_high_is_not(client: Client) -> None:
    first = client.ask("SetAiming", b"\x01")
    assert client.ask("SetAiming", b"\x00", number=1) == first
    assert client.simulator.firmware.outputs.aiming_on
    op, number, payload = client.ask("ReadIdentity", number=9)
    reason, due, _ = struct.unpack("<BIB", payload)
    assert (op, number, due) == (opcode("Nak"), 0, 2)
    assert re.search(rf"^\| {reason} \| `SEQUENCE` \|", PAGE, re.MULTILINE)
    assert client.ask("ReadIdentity", number=2)[0] == opcode("Identity")


def test_another_nonce_opens_another_session_in_which_numbers_begin_again(client: Client) -> None:
    client.ask("ReadIdentity")
    before = client.session
    client.connect(78)
    assert client.session != before
    assert client.ask("ReadIdentity")[1] == 1
    client.say("ReadIdentity", number=2, session=before)
    (nak,) = [one for one in client.hear() if one[0] == opcode("Nak")]
    assert re.search(rf"^\| {nak[3][0]} \| `SESSION` \|", PAGE, re.MULTILINE)
    client.say("ReadIdentity", number=2, session=before)
    assert opcode("Nak") not in {one[0] for one in client.hear()}, (
        "one for the first of them, as the page says"
    )


def test_a_stop_is_heard_in_any_session_with_any_number(client: Client) -> None:
    client.say("Stop", struct.pack("<I", 5), number=1234, session=999)
    assert opcode("Stopped") in {one[0] for one in client.hear()}


def test_out_of_band_each_side_counts_from_one_in_each_session(client: Client) -> None:
    for nonce in (78, 79):
        client.connect(nonce)
        client.ask("ReadIdentity")
        for _ in range(20):
            client.hear()
        assert len(client.out_of_band) > 5
        assert client.out_of_band == list(range(1, len(client.out_of_band) + 1))
