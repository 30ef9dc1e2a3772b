"""What goes wrong on a line: each vice does what it says, as often as it says, and counts when it did."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.frame import Frame, encode
from protocols.messages import AckPulses, Heartbeat, Intent, Stop
from protocols.requests import ReadCounters, ReadIdentity
from sim_device.board import Inputs, Outputs
from sim_device.line import Line, Way
from sim_device.plant import NEVER
from sim_device.vices import (
    Delay,
    Drop,
    Echo,
    Glue,
    Half,
    LampNoise,
    Mismatch,
    Noise,
    Overtake,
    Repeat,
    Split,
    Tap,
    Vice,
)

MS = 1_000
STOP = encode(Frame(1, 1, Stop(1)))
BEAT = encode(Frame(1, 2, Heartbeat(1, Intent.IDLE)))
ACK = encode(Frame(1, 3, AckPulses(1)))


def everything(way: Way) -> list[tuple[int, bytes]]:
    """What arrives and when, to the end."""
    found = []
    while way.next_us < NEVER:
        at_us = way.next_us
        found.append((at_us, way.arrived(at_us)))
    return found


def through(vice: Vice, *sent: tuple[int, bytes]) -> list[tuple[int, bytes]]:
    way = Line().to_device
    way.add(vice)
    for at_us, data in sent:
        way.put(data, at_us)
    return everything(way)


def test_a_dropped_frame_never_comes_and_the_others_do() -> None:
    vice = Drop().only(Heartbeat)
    assert through(vice, (0, STOP + BEAT), (MS, ACK)) == [(0, STOP), (MS, ACK)]
    assert vice.fired == 1


def test_a_vice_without_choice_takes_what_is_no_frame_too() -> None:
    vice = Drop()
    assert through(vice, (0, b"rubbish\0" + STOP)) == []
    assert vice.fired == 2


def test_a_vice_acts_at_most_so_many_times() -> None:
    vice = Drop().only(Stop, Heartbeat, times=2)
    assert through(vice, (0, STOP), (1, ACK), (2, BEAT), (3, STOP)) == [(1, ACK), (3, STOP)]
    assert vice.fired == 2


def test_chance_takes_its_share_and_the_same_seed_takes_the_same() -> None:
    runs = []
    for seed in (5, 5, 6):
        vice = Drop().only(probability=0.3, seed=seed)
        left = [at_us for at_us, _ in through(vice, *((number, BEAT) for number in range(1_000)))]
        assert vice.fired == 1_000 - len(left)
        assert 240 <= vice.fired <= 360  # 4 sigma
        runs.append(left)
    assert runs[0] == runs[1] != runs[2]


def test_a_delayed_frame_comes_late_and_what_follows_waits_behind_it() -> None:
    vice = Delay(500 * MS).only(Stop)
    assert through(vice, (0, STOP), (MS, BEAT)) == [(500 * MS, STOP + BEAT)]
    assert vice.fired == 1


def test_jitter_delays_by_no_more_than_it_says() -> None:
    vice = Delay(10 * MS, 5 * MS).only(seed=2)
    found = through(vice, *((number * S, BEAT) for number in range(50) for S in (1_000_000,)))
    late = [at_us - number * 1_000_000 for number, (at_us, _) in enumerate(found)]
    assert min(late) >= 10 * MS
    assert max(late) <= 15 * MS
    assert len(set(late)) > 10


def test_an_overtaken_frame_comes_after_the_next() -> None:
    vice = Overtake(5 * MS).only(Stop)
    assert through(vice, (0, STOP), (MS, BEAT), (9 * MS, ACK)) == [(MS, BEAT), (5 * MS, STOP), (9 * MS, ACK)]
    assert vice.fired == 1


def test_a_doubled_frame_comes_twice_at_once() -> None:
    vice = Repeat()
    assert through(vice, (0, STOP)) == [(0, STOP + STOP)]
    assert vice.fired == 1


def test_a_replayed_frame_comes_again_later_whatever_came_since() -> None:
    vice = Repeat(after_us=300 * MS, copies=2).only(Stop)
    assert through(vice, (0, STOP), (MS, BEAT)) == [
        (0, STOP),
        (MS, BEAT),
        (300 * MS, STOP),
        (600 * MS, STOP),
    ]


def test_a_split_frame_comes_in_pieces() -> None:
    vice = Split(piece_bytes=5, gap_us=2 * MS)
    found = through(vice, (0, BEAT))
    assert b"".join(data for _, data in found) == BEAT
    assert [len(data) for _, data in found[:-1]] == [5] * (len(found) - 1)
    assert [at_us for at_us, _ in found] == [2 * MS * number for number in range(len(found))]
    assert len(found) == -(-len(BEAT) // 5) > 2
    assert vice.fired == 1


def test_glued_frames_come_together_at_the_beat() -> None:
    vice = Glue(16 * MS)
    found = through(vice, (MS, STOP), (2 * MS, BEAT), (16 * MS, ACK), (17 * MS, ACK))
    assert found == [(16 * MS, STOP + BEAT + ACK), (32 * MS, ACK)]
    assert vice.fired == 3  # the third came at the beat itself


def test_half_a_frame_and_then_silence() -> None:
    vice = Half().only(Heartbeat)
    found = through(vice, (0, STOP), (1, BEAT), (2, ACK), (3, STOP))
    assert found == [(0, STOP), (1, BEAT[: len(BEAT) // 2])]
    assert vice.fired == 3


def test_an_echo_comes_back_to_its_sender_too() -> None:
    line, vice = Line(), Echo()
    line.to_device.add(vice)
    line.to_device.put(STOP, 7)
    assert everything(line.to_device) == [(7, STOP)]
    assert everything(line.to_host) == [(7, STOP)]
    assert line.to_host.straight
    assert vice.fired == 1


def test_noise_flips_one_bit_in_its_share_of_bytes_and_counts_frames() -> None:
    vice = Noise(0.02).only(seed=4)
    sent = [bytes(255) + b"\1", *([b"\x55" * 99 + b"\0"] * 99)]
    found = b"".join(data for _, data in through(vice, (0, b"".join(sent))))
    whole = b"".join(sent)
    assert len(found) == len(whole)
    wrong = [a ^ b for a, b in zip(found, whole, strict=True) if a != b]
    assert all(bits.bit_count() == 1 for bits in wrong)
    assert 140 <= len(wrong) <= 275  # 0.02 of 10,156 bytes, 4 sigma and more
    assert 0 < vice.fired <= len(sent) + 256


def test_no_noise_has_never_fired() -> None:
    vice = Noise(0.0)
    assert through(vice, (0, STOP)) == [(0, STOP)]
    assert vice.fired == 0


def test_a_burst_hits_bytes_in_a_row() -> None:
    vice = Noise(0.01, burst_bytes=8).only(seed=1)
    sent = b"\x55" * 400 + b"\0"
    [(_, found)] = through(vice, (0, sent))
    wrong = [place for place in range(400) if found[place] != sent[place]]
    assert any(set(range(place, place + 8)) <= set(wrong) for place in wrong)


def test_a_mismatch_garbles_and_an_equal_rate_does_not() -> None:
    right, wrong = Mismatch(115_200, 115_200), Mismatch(115_200, 9_600)
    assert through(right, (0, STOP)) == [(0, STOP)]
    assert all(data != STOP for _, data in through(wrong, (0, STOP)))
    assert (right.fired, wrong.fired) == (0, 1)


def triggered(vice: LampNoise, now_us: int, triggers: int) -> None:
    vice.stepped(now_us, Inputs(), Outputs(lamp_triggers=triggers))


def differing_bits(found: bytes, sent: bytes) -> int:
    return sum((a ^ b).bit_count() for a, b in zip(found, sent, strict=True))


def test_a_lamp_trigger_hits_what_is_sent_while_it_rings_and_nothing_else() -> None:
    way = Line().to_device
    vice = LampNoise(way, bits=3, rings_us=2 * MS)
    way.add(vice)
    triggered(vice, 0, 0)
    way.put(STOP, 1)
    triggered(vice, 10 * MS, 1)
    way.put(BEAT, 12 * MS)
    way.put(ACK, 12 * MS + 1)
    triggered(vice, 20 * MS, 0)  # a processor that starts again is no trigger
    way.put(ACK, 20 * MS)
    (_, first), (_, hit), (_, later), (_, last) = everything(way)
    assert (first, later, last) == (STOP, ACK, ACK)
    assert differing_bits(hit, BEAT) == 3
    assert vice.fired == 1


def test_a_lamp_trigger_hits_the_byte_run_on_a_paced_wire() -> None:
    way = Line().to_device
    way.pace(10_000, 10_000, 10)  # a byte takes 1 ms
    vice = LampNoise(way, bits=1, rings_us=0)
    way.add(vice)
    triggered(vice, 0, 0)
    sent = b"\x55" * 63 + b"\0"
    way.put(sent, 0)
    triggered(vice, 40 * MS, 1)
    triggered(vice, 64 * MS, 2)  # the last of it has come by now
    found = b"".join(data for _, data in everything(way))
    assert differing_bits(found, sent) == 1
    assert differing_bits(found[32:48], sent[32:48]) == 1  # the piece that left between 32 and 48 ms
    assert vice.fired == 1


def test_a_tap_hears_each_frame_and_passes_what_its_function_gives() -> None:
    heard: list[type | None] = []

    def twice(piece: bytes, frame: Frame | None) -> Iterable[bytes]:
        heard.append(type(frame.message) if frame else None)
        return [piece, piece] if frame else []

    vice = Tap(twice)
    assert through(vice, (0, STOP + b"x\0")) == [(0, STOP + STOP)]
    assert heard == [Stop, None]
    assert vice.fired == 2


def test_vices_act_in_their_order() -> None:
    way = Line().to_device
    first, then = Drop().only(Stop), Repeat().only(Stop)
    way.vices = (first, then)
    way.put(STOP, 0)
    assert everything(way) == []
    way.vices = (then, first)
    way.put(STOP, 0)
    assert everything(way) == []
    assert (first.fired, then.fired) == (3, 1)  # it drops the copy too


def test_taking_away_a_vice_that_is_not_there_is_an_error() -> None:
    way = Line().to_device
    with pytest.raises(ValueError, match="not in list"):
        way.remove(Drop())


ALL = st.sampled_from(
    [
        lambda way: Drop().only(probability=0.3, seed=1),
        lambda way: Delay(3 * MS, 20 * MS).only(seed=2),
        lambda way: Overtake(9 * MS).only(probability=0.4, seed=3),
        lambda way: Repeat(4 * MS, 2).only(probability=0.5, seed=4),
        lambda way: Split(3, MS),
        lambda way: Glue(),
        lambda way: Half().only(ReadIdentity),
        lambda way: Echo(),
        lambda way: Noise(0.05, 3).only(seed=5),
        lambda way: Mismatch(9_600, 115_200).only(probability=0.2, seed=6),
        LampNoise,
    ]
)
FRAMES = st.sampled_from(
    [
        STOP,
        BEAT,
        ACK,
        b"\0",
        b"junk",
        encode(Frame(1, 9, ReadIdentity())),
        encode(Frame(1, 8, ReadCounters())),
    ]
)


@given(st.lists(ALL, max_size=4), st.lists(st.tuples(st.integers(0, 20 * MS), FRAMES), max_size=20))
def test_any_mixture_of_vices_is_repeatable_and_never_delivers_before_it_was_sent(
    makers: list[object], sent: list[tuple[int, bytes]]
) -> None:
    line = Line()
    way = line.to_device
    for make in makers:
        assert callable(make)
        way.add(make(way))
    twin = copy.deepcopy(line)
    runs = []
    for one in (line, twin):
        found, now_us = [], 0
        for gap_us, data in sent:
            now_us += gap_us
            while one.next_us < now_us:
                at_us = one.next_us
                found.append((at_us, one.to_device.arrived(at_us), one.to_host.arrived(at_us)))
            one.to_device.put(data, now_us)
            assert one.next_us >= now_us
        runs.append((found, everything(one.to_device), everything(one.to_host)))
    assert runs[0] == runs[1]
