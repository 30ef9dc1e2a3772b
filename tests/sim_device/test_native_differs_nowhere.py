"""The C core beside the reference, whatever happens: bytes, outputs, times, memory and inside are alike."""

import copy
import itertools
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocols.fields import Bool, Choice, Int, SetOf
from protocols.frame import Frame, encode
from protocols.interface import INTERFACE_HASH, MESSAGES
from protocols.messages import AckPulses, Beam, Connect, Heartbeat, Intent, Leave, Message, Sender, layout
from protocols.requests import Acknowledge, Calibrate, Request, SetAiming, Standby, Trigger
from protocols.scpi import GRAMMAR, TREE
from protocols.states import State
from tests.sim_device.bench import MS, Bench, S, at
from tests.sim_device.golden import WIRES as GOLDEN_WIRES
from tests.sim_device.golden import random_history
from tests.sim_device.twins import Pair, benches_of

WIRES = GOLDEN_WIRES | {"defeat_key_out": (False, True)}
STAGES = ("self_test", "calibrating", "standby", "set", "arming", "ready", "granted", "emitting", "rehearsal")
TIMES_US = (1, 299, 300, 1_000, 2_000, 4_999, 5_000, 30_000, 50_001, 100_000, 400_000, 2_100_000)
HOST_MESSAGES = [message for message in MESSAGES if message.sender is Sender.HOST]
INT32 = st.integers(-(2**31), 2**31 - 1)

Act = Callable[["Room"], None]


@pytest.fixture(scope="module", autouse=True)
def _both() -> Iterator[None]:
    with benches_of(Pair):
        yield


class Room(Bench):
    """A bench whose host forgives everything, and which can do more harm."""

    held = b""  # bytes on the way, to come with the next ones

    def _hear(self, frame: Frame) -> None:
        self.reports.clear()  # corrupted memory may tell of a pulse anew
        super()._hear(frame)

    def frame(self, message: Message, seq_offset: int = 0, session: int | None = None) -> bytes:
        seq = (self._seq if isinstance(message, Request) else self._free_seq) + 1 + seq_offset
        if seq_offset == 0 and session is None:
            if isinstance(message, Request):
                self._seq += 1
            else:
                self._free_seq += 1
        return encode(Frame(self.session if session is None else session, max(0, seq), message))

    def corrupt(self, offset: int, data: bytes) -> None:
        """Other bytes in the memory of both."""
        assert isinstance(self.firmware, Pair)
        self.firmware.corrupt(offset, data)

    def asked(self, message: Message) -> None:
        """Send a message, whatever becomes of it."""
        self.step(self.frame(message))


def room_at(stage: str) -> Room:
    bench = at(stage)
    bench.__class__ = Room
    assert isinstance(bench, Room)
    return bench


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    match kind:
        case Int():
            edges = st.sampled_from([kind.low, kind.high, min(kind.high, max(kind.low, 1))])
            return edges | st.integers(kind.low, kind.high)
        case Choice():
            return st.sampled_from(list(kind.type))
        case SetOf():
            return st.frozensets(st.sampled_from(list(kind.type)))
        case Bool():
            return st.booleans()
        case _:
            return st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=kind.size)


def messages_of(kind: type[Message]) -> st.SearchStrategy[Message]:
    return st.builds(kind, *(values_of(field) for _, field in layout(kind).fields))


ANY_MESSAGE = st.one_of([messages_of(kind) for kind in MESSAGES])
HOST_MESSAGE = st.one_of([messages_of(kind) for kind in HOST_MESSAGES])


def on_wire(name: str) -> st.SearchStrategy[Act]:
    known = st.sampled_from(WIRES[name])
    if isinstance(WIRES[name][0], bool):
        level: st.SearchStrategy[Any] = known
    elif name == "light_count":
        level = known | st.integers(0, 2**32 - 1)
    else:
        level = known | INT32
    return level.map(lambda level: lambda room: room.set(**{name: level}))


def heal(room: Room) -> None:
    room.set(**{name: getattr(at("set").inputs, name) for name in WIRES})


def grant(room: Room) -> None:
    if room.statuses:
        room.step(room.frame(room.grant_request(permit_id=room.now_us % 1_000 + 1)))


def arm(room: Room, beam: Beam) -> None:
    room.step(room.frame(SetAiming(True)))
    room.run(2 * MS)
    if room.statuses:
        room.step(room.frame(room.arm_request(beam)))
        room.run(2_100 * MS)


def broken(room: Room) -> None:
    room.memory.broken = not room.memory.broken


def cut(data: bytes, at_byte: int) -> Act:
    def act(room: Room) -> None:
        room.step(data[: at_byte % (len(data) + 1)])
        room.run(3 * MS)
        room.step(data[at_byte % (len(data) + 1) :])

    return act


def bent(message: Message, place: int, bit: int) -> Act:
    def act(room: Room) -> None:
        data = bytearray(room.frame(message, session=room.session))
        data[place % len(data)] ^= 1 << bit
        room.step(bytes(data) + b"\0")

    return act


def corrupted(offset: int, data: bytes) -> Act:
    return lambda room: room.corrupt(offset, data)


def restarted(watchdog_reset: bool) -> Act:
    def act(room: Room) -> None:
        room.boot(watchdog_reset=watchdog_reset)
        room.connect()

    return act


def several(messages: list[Message], together: bool) -> Act:
    """In this order, in one run of bytes or one by one; a Connect ends what both ends knew of each other."""

    def act(room: Room) -> None:
        if together:
            room.step(b"".join(room.frame(message) for message in messages))
            room.connect()
        else:
            for message in messages:
                room.step(room.frame(message))

    return act


def reconnected(room: Room) -> None:
    """A new session, and in the same breath more of the old one."""
    room._nonce += 1
    data = room.frame(Standby()) + encode(Frame(0, 0, Connect(room._nonce, INTERFACE_HASH)))
    data += room.frame(Calibrate()) + room.frame(AckPulses(1))
    room._seq = room._free_seq = 0
    room.step(data)


ACTS: st.SearchStrategy[Act] = st.one_of(
    *(on_wire(name) for name in sorted(WIRES)),
    st.sampled_from(
        [
            *(Bench.press, Bench.press, Bench.release, Bench.connect, heal, heal, grant, grant, broken),
            *(reconnected, lambda room: arm(room, Beam.APERTURE), lambda room: arm(room, Beam.SHUTTER)),
            lambda room: setattr(room, "host_alive", not room.host_alive),
            lambda room: setattr(room, "acks", not room.acks),
            lambda room: setattr(room, "flashes", (room.flashes + 1) % 3),
            lambda room: setattr(room, "energy_permille", 2_130 - room.energy_permille),
            lambda room: setattr(room, "charge_us", 220 * MS - room.charge_us),
            lambda room: room.step(room.frame(Acknowledge(max(1, room.firmware.device.faults.instance)))),
            lambda room: room.firmware.note_all(),
        ]
    ),
    st.builds(restarted, st.booleans()),
    st.builds(several, st.lists(HOST_MESSAGE, min_size=1, max_size=4), st.booleans()),
    st.builds(
        lambda message, offset: lambda room: room.step(room.frame(message, offset)),
        HOST_MESSAGE,
        st.integers(-2, 2),
    ),
    st.builds(
        lambda message, session: lambda room: room.step(room.frame(message, session=session)),
        ANY_MESSAGE,
        st.integers(0, 2**32 - 1),
    ),
    st.builds(bent, ANY_MESSAGE, st.integers(0, 200), st.integers(0, 7)),
    st.builds(cut, HOST_MESSAGE.map(lambda message: encode(Frame(0, 1, message))), st.integers(0, 80)),
    st.binary(max_size=600).map(lambda data: lambda room: room.step(data)),
    st.builds(
        corrupted, st.integers(0, 1_100) | st.integers(4_096, 5_400), st.binary(min_size=1, max_size=8)
    ),
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(st.sampled_from(STAGES), st.lists(st.tuples(ACTS, st.sampled_from(TIMES_US)), max_size=16))
def test_the_core_does_as_the_reference_whatever_happens(stage: str, acts: list[tuple[Act, int]]) -> None:
    room = room_at(stage)
    for act, for_us in acts:
        act(room)
        room.run(for_us)
    heal(room)
    room.connect()
    room.run(S)


@pytest.mark.parametrize("seed", range(2_000, 2_015))
def test_the_core_does_as_the_reference_in_histories_by_chance(seed: int) -> None:
    history = random_history(seed)
    assert isinstance(history.firmware, Pair)
    assert history.firmware.steps > 20


# -- the console

HEADERS = sorted({":".join(spelling) for spelling in GRAMMAR._nodes})
NUMBERS = st.from_regex(r"[+-]?[0-9]{0,32}\.?[0-9]{0,4}(E[+-]?[0-9]{1,3})?", fullmatch=True)
SUFFIXES = st.sampled_from(["", "", "mJ", " MJ", "uj", "J", "ps", "NS", "Hz", "khz", "nm", "E", "ON", "off"])
PARAMETERS = st.lists(st.builds(lambda n, s: n + s, NUMBERS, SUFFIXES), max_size=4).map(",".join)
COMMAND = st.builds(
    lambda colon, header, mark, blank, parameters: colon + header + mark + blank + parameters,
    st.sampled_from(["", "", ":"]),
    st.sampled_from(HEADERS) | st.from_regex(r"[*:A-Za-z_0-9]{0,9}", fullmatch=True),
    st.sampled_from(["", "?", "?"]),
    st.sampled_from(["", " ", "  ", "\t"]),
    PARAMETERS | st.just(""),
)
LINE = st.lists(COMMAND, max_size=5).map("; ".join).map(str.encode) | st.binary(max_size=60)
TEXT = st.lists(st.tuples(LINE, st.sampled_from([b"\n", b"\r\n", b"\n", b""])), max_size=6)


def typed(room: Room, data: bytes) -> bytes:
    """What the console answers, with all the slices that it takes."""
    firmware = room.firmware
    step = firmware.step(room.now_us, room.inputs, b"", data)
    answered = step.console
    for _ in range(len(data) // 256 + 2):  # slices
        room.now_us += 500
        answered += firmware.step(room.now_us, room.inputs, b"", b"").console
    return answered


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(["standby", "set", "ready"]), st.booleans(), TEXT)
def test_the_consoles_answer_alike(stage: str, host: bool, text: list[tuple[bytes, bytes]]) -> None:
    room = room_at(stage)
    if not host:
        room.host_alive = False
        room.run(300 * MS)
    typed(room, b"".join(itertools.chain(*text)))
    typed(room, b"\n*ESR?;:SYST:ERR:COUN?\n" + b"SYST:ERR?\n" * 17)


def test_the_consoles_know_the_same_headers_and_refuse_alike() -> None:
    room = room_at("set")
    room.host_alive = False
    room.run(300 * MS)
    answered = b""
    for header in HEADERS:
        for rest in ("?", "", " 1", " ON", " 650,50,2.5", "? 1"):
            answered += typed(room, f"{header}{rest}\nSYST:ERR?\n".encode())
    assert answered.count(b"\n") > 6 * len(TREE)


def test_the_consoles_lose_and_drop_the_same_bytes() -> None:
    room = room_at("standby")
    for length in (255, 256, 257, 258, 4_095, 4_096, 4_097, 9_000):
        typed(room, b"X" * length)
        typed(room, b"\nSYST:ERR?\n")
        typed(room, b"*IDN?\n" * (length // 6) + b"STAT:LAS?\n")


# -- the library


def test_a_copy_and_a_pickled_copy_go_on_as_the_original_does() -> None:
    room = room_at("emitting")
    room.run(150 * MS)
    copied, thawed = copy.deepcopy(room), pickle.loads(pickle.dumps(room))  # noqa: S301 - our own
    for one in (room, copied, thawed):
        one.run(S)
        one.release()
        one.run(S)
    assert room.triggers == copied.triggers == thawed.triggers
    assert len(room.triggers) > 8
    assert room.state is State.READY
    assert bytes(room.memory.data) == bytes(copied.memory.data) == bytes(thawed.memory.data)


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("door_closed", False),
        ("gate_inhibited", True),
        ("docked_a_closed", True),
        ("internal_trigger_strap", True),
        ("defeat_key_out", False),
        ("spot_um", 3_501),
        ("hv_mv", 900_000),
    ],
)
def test_a_line_that_moves_while_the_pulse_is_numbered_stops_its_trigger_in_both(
    name: str, level: Any
) -> None:
    room = room_at("emitting")
    room.run(60 * MS)
    triggers = room.outputs.lamp_triggers
    room.memory.on_write = (room.inputs, name, level)  # the next write is the number of the next pulse
    room.run(45 * MS)
    assert room.memory.on_write is None, "no pulse was numbered"
    assert room.outputs.lamp_triggers == triggers


def test_stale_words_are_passed_over_alike() -> None:
    room = room_at("emitting")
    status = room.status
    for seq_offset in (0, -1, -1, -2, 1, 0):
        room.step(room.frame(Heartbeat(status.challenge, Intent.IDLE), seq_offset))
        room.run(20 * MS)
    room.step(room.frame(Heartbeat(room.status.challenge, Intent.IDLE), -1) * 3)
    room.run(S)


def test_a_permit_is_for_one_trigger_in_both() -> None:
    room = room_at("ready")
    before = len(room.triggers)
    room.grant(pulses=4)
    room.set(internal_trigger_strap=True)  # the permit was for the foot
    room.run(50 * MS)
    assert room.left is Leave.TRIGGER
    room = room_at("ready")
    room.set(internal_trigger_strap=True)
    room.asked(room.grant_request(4))  # for the foot
    room.asked(room.grant_request(4, permit_id=2, trigger=Trigger.INTERNAL))
    room.run(250 * MS)
    room.set(internal_trigger_strap=False)
    room.run(100 * MS)
    assert len(room.triggers) == before + 3
    assert room.left is Leave.TRIGGER
