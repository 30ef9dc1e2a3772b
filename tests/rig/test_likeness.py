"""A capture of a real port, asked again of the simulator; the "real" laser here is one of another life."""

from __future__ import annotations

from collections.abc import Callable

from protocols.frame import Frame, encode
from protocols.host_link import HostLink
from protocols.messages import Beam, Handpiece, Heartbeat, Intent
from protocols.requests import (
    Arm,
    Grant,
    ReadCapabilities,
    ReadCounters,
    ReadIdentity,
    ReadMode,
    ReadSetpoint,
    Reply,
    Request,
    StageSetpoint,
)
from rig.laser import cold_laser, warm_laser
from rig.likeness import ask_again
from rig.recording import Header, Recorder, Recording
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
    grant = Grant(1, 1, 1, 0, 0, 5, Beam.APERTURE, 755, 750, 5_000, Handpiece.ZOOM, 3_500, 0, 10)
    found = ask_again(captured(of_another_life(), (ReadIdentity(), grant)), cold_laser(1))
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
