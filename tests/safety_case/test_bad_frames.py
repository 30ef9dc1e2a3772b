"""A line that flips, drops, doubles, overtakes and delays: nothing is done but what was said, and once."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from protocols.frame import Frame, encode
from protocols.messages import Beam, Handpiece, Heartbeat, Intent, Message, Stop
from protocols.requests import Arm, CommitSetpoint, ReadSetpoint, SetAiming, StageSetpoint
from sim_device.faults import clear
from tests.safety_case.actor import Actor
from tests.safety_case.ward import SWEEP, S
from tests.sim_device.bench import SETPOINT, Bench, at

FRAMES = 15_000 * min(SWEEP, 67)  # of altered frames; 1,005,000 in a soak (REQ-033)
OTHER = StageSetpoint(755, 750, 60_000, 1_000, Handpiece.ZOOM, 3_500)


def acting(bench: Bench) -> tuple[object, ...]:
    """All of a laser that a message may act on."""
    device = bench.firmware.device
    return (
        *(device.state, device.arm_epoch, device.stop_epoch, device.permit.id, device.permit.pulses_left),
        *(device.setpoints.committed, device.setpoints.staged, device.aiming_on, device.faults.latched),
        *(device.host.alive_until_us, device.host.session, device.memory.pulse_number),
        *(bench.outputs.gate_enable, bench.outputs.shutter_open, bench.outputs.hv_enable),
    )


def unanswered(stage: str) -> Bench:
    """A bench whose latest challenge the host has not answered yet."""
    bench = at(stage)
    told = len(bench.statuses)
    while len(bench.statuses) == told:
        bench.run(1_000)
    bench.run(10_000)  # in which it answers
    bench.host_alive, told = False, len(bench.statuses)
    while len(bench.statuses) == told:
        bench.run(1_000)
    return bench


def said(bench: Bench) -> list[bytes]:
    """Frames that would act if they came as they are: each is the next of its session."""
    permit = 0 if bench.firmware.device.permit.held else 77
    in_band: list[Message] = [
        bench.arm_request(),
        bench.grant_request(permit_id=permit or 1),
        SetAiming(not bench.firmware.device.aiming_on),
        OTHER,
        CommitSetpoint(1),
    ]
    status = bench.status
    free: list[Message] = [Heartbeat(status.challenge, Intent.PERMIT), Stop(9)]
    return [
        *(encode(Frame(bench.session, bench._seq + 1, message)) for message in in_band),
        *(encode(Frame(bench.session, bench._free_seq + 1, message)) for message in free),
    ]


def flipped(frame: bytes, *bits: int) -> bytes:
    """With these bits the other way, but for its delimiters: what splits a frame is tried below."""
    body = bytearray(frame)
    for bit in bits:
        body[bit // 8] ^= 1 << bit % 8
    return bytes(body)


def bits_of(frame: bytes) -> range:
    """Every bit of it, delimiters too."""
    return range(8 * len(frame))


def every_single(frames: list[bytes]) -> Iterator[bytes]:
    return (flipped(frame, bit) for frame in frames for bit in bits_of(frame))


def some_double(frames: list[bytes], count: int) -> Iterator[bytes]:
    """Pairs of bits by chance; in a soak there are more draws than pairs."""
    chance = random.Random(33)
    for _ in range(count):
        frame = chance.choice(frames)
        yield flipped(frame, *chance.sample(bits_of(frame), 2))


@pytest.mark.shows("REQ-033", "HZ-033")
@pytest.mark.parametrize("stage", ["set", "ready", "granted"])
def test_no_frame_with_one_or_two_bits_flipped_does_anything(stage: str) -> None:
    bench = unanswered(stage)
    frames = said(bench)
    before = acting(bench)
    tried = 0
    for altered in itertools.chain(every_single(frames), some_double(frames, FRAMES // 3)):
        bench.step(altered + b"\0")
        tried += 1
        assert acting(bench) == before, altered.hex()
    assert tried > FRAMES // 3


def test_the_same_frames_do_something_as_they_are() -> None:
    for number in range(len(said(at("set")))):
        bench = unanswered("ready" if number == 1 else "set")
        frame, before = said(bench)[number], acting(bench)
        bench.step(frame)
        assert acting(bench) != before or number == 4  # a commit of a hash that nobody staged is refused


@pytest.mark.shows("REQ-033", "HZ-036", "HZ-020")
@pytest.mark.parametrize("copies", [1, 5])
def test_arm_and_grant_are_carried_out_once_however_often_their_frame_comes(copies: int) -> None:
    bench = at("set")
    arm = encode(Frame(bench.session, bench._seq + 1 + 1, bench.arm_request()))  # ReadSetpoint is before it
    for _ in range(1 + copies):
        bench.step(arm)
    assert bench.firmware.device.arm_epoch == at("set").firmware.device.arm_epoch + 1
    bench = at("ready")
    request = bench.grant_request(pulses=3)
    grant = encode(Frame(bench.session, bench._seq + 1, request))
    before = len(bench.triggers)
    bench.step(grant)
    bench._seq += 1
    bench.run(10_000)
    bench.press()
    bench.run(S)
    bench.release()
    fired = len(bench.triggers)
    assert fired == before + 3
    for _ in range(copies):  # from a buffer, with the foot down again
        bench.step(grant)
        bench.press()
        bench.run(S)
        bench.release()
        bench.run(S)
    assert len(bench.triggers) == fired


@pytest.mark.shows("REQ-033", "HZ-036")
def test_a_session_recorded_from_end_to_end_and_played_again_arms_and_fires_nothing() -> None:
    recorded: list[bytes] = []
    bench = at("standby")
    step: Callable[..., None] = bench.step

    def record(received: bytes = b"") -> None:
        recorded.extend([received] if received else [])
        step(received)

    bench.step = record  # type: ignore[method-assign]  # a tap on this bench's line
    assert not bench.reasons(SETPOINT)
    bench.ask(ReadSetpoint())
    bench.commit()
    bench.ask(SetAiming(True))
    bench.run(200_000)
    bench.ask(Arm(bench.ask(ReadSetpoint()).hash, bench.status.stop_epoch, Beam.APERTURE))
    bench.run(2_500_000)
    bench.grant(3)
    bench.press()
    bench.run(S)
    bench.release()
    bench.run(10_000)
    bench.stop()
    bench.run(S)
    fired, epoch = len(bench.triggers), bench.firmware.device.arm_epoch
    again = list(recorded)
    bench.connect()  # another session
    bench.run(S)
    bench.press()
    for piece in again:
        bench.step(piece)
        bench.run(20_000)
    assert len(bench.triggers) == fired
    assert bench.firmware.device.arm_epoch == epoch


VICES: dict[str, dict[str, Any]] = {
    "line-noise": {"byte_probability": 0.005},
    "line-drops": {"share": 0.2},
    "line-repeats": {"share": 0.3, "after_ms": 70.0, "copies": 2},
    "line-reorders": {"share": 0.2, "held_ms": 60.0},
    "line-delays": {"share": 0.2, "delay_ms": 40.0},
    "line-splits": {"share": 0.05},
    "line-lamp-noise": {},
}


@pytest.mark.shows("REQ-033", "HZ-002", "HZ-033", "HZ-036")
@pytest.mark.parametrize("vices", [*((vice,) for vice in VICES), tuple(VICES)], ids="+".join)
def test_on_a_bad_line_light_needs_what_it_needs_on_a_good_one_and_the_books_balance(
    vices: tuple[str, ...],
) -> None:
    chance = random.Random(len(vices))
    for _ in range(2 * SWEEP):
        actor = Actor.at("standby")
        for vice in vices:
            actor.inject(vice, **VICES[vice])
        for _ in range(3):
            for act in ("acknowledge", "aim", "arm"):
                actor.do_act((act,))
            actor.run(2_300_000)
            actor.act_grant()
            actor.act_foot("press")
            actor.run(chance.randrange(3 * S))
            actor.act_foot(chance.choice(("press", "release")))
            actor.run(chance.randrange(S))
            actor.act_foot("release")
            actor.act_standby()
            actor.run(200_000)
        assert actor.oracle.found == []
        assert actor.device.arm_epoch <= 3
        clear(actor.simulator)
        assert actor.books() == ""
