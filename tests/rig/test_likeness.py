"""A capture of a real port, asked again of the simulator; the "real" laser here is one of another life."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from protocols.frame import Decoder, Frame, encode
from protocols.host_link import Answered, HostLink
from protocols.interface import INTERFACE_HASH
from protocols.messages import Beam, Connect, Connected, Handpiece, Heartbeat, Intent, Status
from protocols.requests import (
    Arm,
    Grant,
    Mode,
    ReadCapabilities,
    ReadCounters,
    ReadIdentity,
    ReadMode,
    ReadSetpoint,
    Reply,
    Request,
    StageSetpoint,
    Trigger,
)
from protocols.states import State
from rig.laser import cold_laser, warm_laser
from rig.likeness import ask_again, frames_of, start_of
from rig.recording import Event, Header, Recorder, Recording
from sim_device.operator import perform
from sim_device.simulator import Simulator

STAGED = StageSetpoint(755, 750, 173_000, 5_000, Handpiece.ZOOM, 3_500)
ASKED: tuple[Request, ...] = (
    ReadIdentity(),
    ReadCapabilities(),
    ReadMode(0),
    ReadMode(1),
    STAGED,
    ReadSetpoint(),
    ReadCounters(),
)

GRANT = Grant(1, 1, 1, 0, 0, 5, Beam.APERTURE, Trigger.FOOT, 755, 750, 5_000, Handpiece.ZOOM, 3_500, 0, 10)


def of_another_life(seed: int = 9) -> Simulator:
    """A warm laser that has been switched off and on, so that sessions, counters and challenges differ."""
    simulator = cold_laser(seed)
    for _ in range(3):
        simulator.reset(simulator.now_us + 100_000)
    simulator.advance(simulator.now_us + 100_000)
    return simulator


def captured(
    simulator: Simulator, requests: tuple[Request, ...], between: Callable[[], None] = lambda: None
) -> Recording:
    """What passes on the wire while a host connects and asks all of this, 20 ms apart."""
    everything = Recording(Header(kind="capture", start_us=simulator.now_us))
    recorder = Recorder(simulator, everything)
    link = HostLink(host_nonce=4711)
    link.open(simulator.now_us)
    pending = list(requests)
    for _ in range(len(requests) + 2):
        simulator.receive(link.outgoing(), simulator.now_us)
        simulator.advance(simulator.now_us + 20_000)
        link.receive(simulator.sent(), simulator.now_us)
        if link.session and pending:
            link.request(pending.pop(0), simulator.now_us)
            between()
    recorder.close()
    capture = Recording(everything.header, [one for one in everything.events if "wire" in one.kind])
    capture.close(everything.end_us)
    return capture


def test_a_laser_of_the_same_kind_answers_alike_whatever_its_life_was() -> None:
    found = ask_again(captured(of_another_life(), ASKED), cold_laser(1))
    assert found.unlike == ()
    assert found.alike == len(ASKED) + 1  # the Connect too
    assert found.left_out == 0


def test_another_refusal_is_found_with_the_request_and_both_answers() -> None:
    real = warm_laser(5)
    perform(real, "door", {"to": "open"}, real.now_us)
    found = ask_again(captured(real, (STAGED, Arm(0, 0, Beam.APERTURE))), warm_laser(1))
    assert [type(one.request) for one in found.unlike] == [Arm]
    (arm,) = found.unlike
    assert isinstance(arm.real, Reply)
    assert isinstance(arm.simulated, Reply)
    assert arm.real.reasons != arm.simulated.reasons


def test_a_silent_simulator_is_unlike_in_everything() -> None:
    simulator = cold_laser(1)
    simulator.set_power(False, simulator.now_us)
    found = ask_again(captured(of_another_life(), ASKED), simulator)
    assert found.alike == 0
    assert all(one.simulated is None for one in found.unlike)
    assert len(found.unlike) == len(ASKED) + 1


def test_a_grant_is_left_out_and_counted() -> None:
    found = ask_again(captured(of_another_life(), (ReadIdentity(), GRANT)), cold_laser(1))
    assert found.left_out == 1
    assert found.alike == 2


def test_heartbeats_of_the_capture_answer_the_challenge_of_the_laser_that_is_asked() -> None:
    real = warm_laser(5)
    capture = captured(real, (ReadIdentity(),))
    heard = encode(Frame(1, 1, Heartbeat(12345, Intent.IDLE)))
    capture.events.append(type(capture.events[0])(real.now_us, ">wire", heard.hex()))
    simulator = warm_laser(1)
    said: list[bytes] = []
    receive = simulator.receive

    def listening(data: bytes, now_us: int) -> None:
        said.append(data)
        receive(data, now_us)

    simulator.receive = listening  # type: ignore[method-assign]  # an ear on the line
    ask_again(capture, simulator)
    assert heard not in said
    assert len(said) == 3


def test_noise_in_a_capture_is_passed_over() -> None:
    capture = captured(of_another_life(), (ReadIdentity(),))
    capture.events.insert(0, type(capture.events[0])(capture.header.start_us, ">wire", b"junk\0".hex()))
    assert ask_again(capture, cold_laser(1)).alike == 2


# -- which answer belongs to which request


def passed(*frames: tuple[str, Frame]) -> Recording:
    """A capture of these frames, 20 ms apart."""
    capture = Recording(Header(kind="capture", start="told"))
    for number, (kind, frame) in enumerate(frames):
        capture.put(Event(number * 20_000, kind, encode(frame).hex()))
    return capture


def connected(seq: int, nonce: int = 4711) -> tuple[tuple[str, Frame], ...]:
    return (
        (">wire", Frame(0, seq, Connect(nonce, INTERFACE_HASH))),
        ("<wire", Frame(77, 0, Connected(nonce, 3, INTERFACE_HASH))),
    )


def asked(simulator: Simulator, seq: int, request: Request) -> tuple[tuple[str, Frame], tuple[str, Frame]]:
    """A request with what a laser like this one answers."""
    link = HostLink(host_nonce=5)
    link.open(simulator.now_us)
    found = []
    for _ in range(3):
        simulator.receive(link.outgoing(), simulator.now_us)
        simulator.advance(simulator.now_us + 20_000)
        found += [
            one for one in link.receive(simulator.sent(), simulator.now_us) if isinstance(one, Answered)
        ]
        if link.session and not found:
            link.request(request, simulator.now_us)
    return (">wire", Frame(77, seq, request)), ("<wire", Frame(77, seq, found[0].answer))


@pytest.mark.parametrize("seq", [0, 1, 2, 65_535])
def test_a_connect_is_known_by_its_nonce_whatever_its_number(seq: int) -> None:
    found = ask_again(passed(*connected(seq)), cold_laser(1))
    assert (found.alike, found.unlike) == (1, ())


def test_two_connects_of_one_number_have_each_its_own_answer() -> None:
    found = ask_again(passed(*connected(1, 4711), *connected(1, 4712)), cold_laser(1))
    assert (found.alike, found.unlike) == (2, ())


def test_each_session_has_its_own_numbers() -> None:
    sessions = [
        (*connected(1, nonce), *asked(cold_laser(5), 1, request))
        for nonce, request in enumerate((ReadMode(1), ReadIdentity(), ReadMode(2), ReadSetpoint()), start=9)
    ]
    found = ask_again(passed(*(frame for frames in sessions for frame in frames)), cold_laser(1))
    assert (found.alike, found.unlike) == (8, ())


def test_numbers_of_an_earlier_session_say_nothing_in_the_next() -> None:
    grant = (">wire", Frame(77, 1, GRANT))
    first = (*connected(1, 4711), grant, *asked(cold_laser(5), 2, ReadMode(1)))
    found = ask_again(
        passed(*first, *connected(1, 4712), *asked(cold_laser(5), 1, ReadIdentity())), cold_laser(1)
    )
    assert (found.alike, found.unlike, found.left_out) == (4, (), 1)


def test_every_connect_is_outside_all_sessions() -> None:
    simulator, said, decoder = cold_laser(1), list[Frame](), Decoder()
    receive = simulator.receive

    def listening(data: bytes, now_us: int) -> None:
        said.extend(one for one in decoder.feed(data) if isinstance(one, Frame))
        receive(data, now_us)

    simulator.receive = listening  # type: ignore[method-assign]  # an ear on the line
    between = asked(cold_laser(5), 1, ReadMode(1))
    assert ask_again(passed(*connected(1, 4711), *between, *connected(1, 4712)), simulator).unlike == ()
    assert [type(one.message) for one in said] == [Connect, ReadMode, Connect]
    assert [one.session != 0 for one in said] == [False, True, False]


def test_an_answer_belongs_to_the_latest_of_equal_requests() -> None:
    request, (kind, answer) = asked(cold_laser(5), 1, ReadMode(1))
    assert isinstance(answer.message, Mode)
    other = kind, replace(answer, message=replace(answer.message, index=2))
    found = ask_again(passed(*connected(1), request, request, other), cold_laser(1))
    assert [one.time_us for one in found.unlike] == [60_000]  # a frame each 20 ms: the request's second time


def test_what_was_asked_twice_for_want_of_an_answer_has_one() -> None:
    request, answer = asked(cold_laser(5), 1, ReadMode(1))
    found = ask_again(passed(*connected(1), request, request, request, answer, answer), cold_laser(1))
    assert (found.alike, found.unlike) == (3, ())


def test_what_follows_a_grant_that_was_left_out_is_asked_all_the_same() -> None:
    found = ask_again(captured(of_another_life(), (ReadIdentity(), GRANT, ReadMode(1))), cold_laser(1))
    assert (found.alike, found.unlike, found.left_out) == (3, (), 1)


def test_an_answer_that_comes_late_belongs_to_the_request_that_it_answers() -> None:
    first, answer = asked(cold_laser(5), 1, ReadMode(1))
    second, other = asked(cold_laser(5), 2, ReadIdentity())
    found = ask_again(passed(*connected(1), first, second, other, answer), cold_laser(1))
    assert (found.alike, found.unlike) == (3, ())


# -- how the laser stood


WARM = {State.CALIBRATING, State.STANDBY, State.ARMING, State.READY, State.EMITTING}


@pytest.mark.parametrize("state", State)
def test_the_first_status_tells_how_the_laser_stood(state: State) -> None:
    laser = warm_laser(5)
    capture = captured(laser, (ReadIdentity(),))
    status = next(
        frame.message
        for _, from_host, frame in frames_of(capture)
        if not from_host and isinstance(frame.message, Status)
    )
    first = Frame(77, 0, replace(status, state=state))
    other = Frame(77, 0, replace(status, state=State.STANDBY if state not in WARM else State.OFF))
    told = passed(*connected(1), ("<wire", first), ("<wire", other))
    assert start_of(told) == ("warm" if state in WARM else "cold")


def test_without_a_status_the_laser_was_cold() -> None:
    assert start_of(passed(*connected(1))) == "cold"
