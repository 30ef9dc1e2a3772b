"""Both real link ends, joined by wires with vices, on virtual time: what is lost, repeated and counted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.host_link import LinkFailure, LinkState
from protocols.messages import Beam, Connected, Nak, NakReason, Status, Stop, Telemetry
from protocols.requests import Arm
from tests.protocols.conversations import SEEDS, check_books, numbered, vices
from tests.protocols.wires import HONEST, MS, SECOND, VICES, Device, Line, Vice

REQUESTS = 12


def converse(to_device: Vice, to_host: Vice, seed: int) -> Line:
    line = Line(to_device, to_host, seed=seed)
    line.open()
    if line.host.state is LinkState.UP:
        for number in range(1, REQUESTS + 1):
            line.ask(numbered(number))
    line.run(
        lambda: (
            line.host.state is LinkState.FAILED or len(line.answered) + len(line.abandoned) == len(line.asked)
        )
    )
    return line


@pytest.mark.shows("REQ-033", "HZ-033")
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("vice", VICES, ids=lambda vice: vice.name)
@pytest.mark.parametrize("side", ["to the device", "to the host", "both"])
def test_a_link_over_any_wire_goes_on_or_fails_and_acts_on_nothing_twice(
    vice: Vice, side: str, seed: int
) -> None:
    to_device = vice if side != "to the host" else HONEST
    to_host = vice if side != "to the device" else HONEST
    line = converse(to_device, to_host, seed)
    check_books(line)
    if line.host.state is LinkState.FAILED:
        assert len(line.failures) == 1
    else:
        assert line.host.state is LinkState.UP
        assert [answered.request for answered in line.answered] == line.asked
    assert len(line.answered) + len(line.abandoned) == len(line.asked), "a request was lost without a word"


@pytest.mark.parametrize(
    "vice",
    [
        vice
        for vice in VICES
        if vice.name in {"honest", "one byte at a time", "split anywhere", "glued", "doubles"}
    ],
    ids=lambda vice: vice.name,
)
@pytest.mark.parametrize("seed", SEEDS)
def test_wires_that_lose_nothing_cost_no_request(vice: Vice, seed: int) -> None:
    line = converse(vice, vice, seed)
    assert [answered.request for answered in line.answered] == line.asked
    assert line.host.state is LinkState.UP
    assert line.device.link.frames_rejected == 0


def test_lossy_wires_are_usually_mended() -> None:
    """The control of the tests above: a link that always failed would pass them."""
    mended = [converse(vice, HONEST, seed) for vice in VICES[5:9] for seed in SEEDS]
    up = [line for line in mended if line.host.state is LinkState.UP]
    assert len(up) > 0.8 * len(mended)
    assert any(line.device.link.frames_rejected for line in up)


@pytest.mark.shows("REQ-033", "HZ-033")
@given(vices, vices, st.integers(0, 2**32))
def test_any_mixture_of_vices_keeps_the_books(to_device: Vice, to_host: Vice, seed: int) -> None:
    line = converse(to_device, to_host, seed)
    check_books(line)
    assert len(line.answered) + len(line.abandoned) == len(line.asked)


def test_a_stop_does_not_make_telemetry_look_lost() -> None:
    line = Line()
    line.open()
    line.pass_time(300 * MS)
    line.stop(1)
    line.pass_time(300 * MS)
    assert line.confirmed
    assert len(line.received) > 4
    assert all(event.lost == 0 for event in line.received)


def test_lost_messages_are_counted_exactly() -> None:
    line = Line()
    line.open()
    line.pass_time(350 * MS)
    before = len(line.received)
    line.to_host.vice = Vice(loss=1)
    line.pass_time(300 * MS)
    line.to_host.vice = HONEST
    line.pass_time(300 * MS)
    assert [event.lost for event in line.received[before:]] == [3, 0, 0]


@pytest.mark.shows("HZ-034")
def test_a_silent_device_fails_the_link_after_one_second() -> None:
    line = Line()
    line.open()
    line.pass_time(500 * MS)
    heard_us = max(at_us for at_us, _ in line.events)
    line.to_host.vice = Vice("dead", dead_from_us=0)
    assert line.run(lambda: line.host.state is LinkState.FAILED)
    assert line.now_us == heard_us + 1 * SECOND
    assert [event.why for event in line.failures] == [LinkFailure.SILENT]


def test_a_deaf_device_fails_the_link_after_five_tries() -> None:
    line = Line()
    line.open()
    line.to_device.vice = Vice("dead", dead_from_us=0)
    line.ask(numbered(1))
    line.ask(numbered(2))
    assert line.run(lambda: line.host.state is LinkState.FAILED)
    assert [event.why for event in line.failures] == [LinkFailure.NO_ANSWER]
    assert [given_up.sent for given_up in line.abandoned] == [True, False]
    assert line.device.acted_on == []


def test_nobody_there_fails_the_link_after_five_tries_to_connect() -> None:
    line = Line(Vice("dead", dead_from_us=0))
    line.open()
    assert line.now_us == (200 + 400 + 800 + 800 + 800) * MS
    assert [event.why for event in line.failures] == [LinkFailure.NO_ANSWER]


def test_a_restarted_device_ends_the_session_at_once() -> None:
    line = Line()
    line.open()
    line.ask(numbered(1))
    line.pass_time(200 * MS)
    line.device = Device(boot=2)
    began_us = line.now_us
    assert line.run(lambda: line.host.state is LinkState.FAILED)
    assert [event.why for event in line.failures] == [LinkFailure.SESSION]
    assert line.now_us - began_us < 60 * MS  # the next heartbeat brings it out


def test_a_second_host_takes_the_session_over_and_the_first_is_told() -> None:
    device = Device()
    first = Line(device=device, host_nonce=1)
    first.open()
    second = Line(device=device, host_nonce=2, now_us=first.now_us)
    second.open()
    assert device.sessions == [first.host.session, second.host.session]
    assert first.host.session != second.host.session
    first.now_us = second.now_us
    assert first.run(lambda: first.host.state is LinkState.FAILED)
    assert [event.why for event in first.failures] == [LinkFailure.SESSION]


def recorded_session() -> tuple[bytes, bytes]:
    """All bytes of a session with requests and a stop: to the device, to the host."""
    line = Line(host_nonce=1)
    to_device, to_host = bytearray(), bytearray()
    put_up, put_down = line.to_device.put, line.to_host.put

    def tap_up(data: bytes, now_us: int) -> None:
        to_device.extend(data)
        put_up(data, now_us)

    def tap_down(data: bytes, now_us: int) -> None:
        to_host.extend(data)
        put_down(data, now_us)

    line.to_device.put, line.to_host.put = tap_up, tap_down  # type: ignore[method-assign]  # a tap on the wire
    line.open()
    for number in range(1, 4):
        line.ask(numbered(number))
    line.pass_time(500 * MS)
    line.ask(Arm(1, 0, Beam.APERTURE))
    line.pass_time(500 * MS)
    assert len(line.answered) == 4
    line.stop(77)
    line.pass_time(200 * MS)
    assert line.confirmed
    return bytes(to_device), bytes(to_host)


@pytest.mark.shows("REQ-033", "HZ-036")
def test_a_recorded_older_session_changes_nothing_at_the_host() -> None:
    _, to_host = recorded_session()
    for state in ("connecting", "up", "stopping"):
        line = Line(host_nonce=2)
        if state == "connecting":
            line.host.open(0)
        else:
            line.open()
        if state == "stopping":
            line.stop(78)
        line.ask(numbered(9)) if line.host.state is LinkState.UP else None
        before, session, deadline = line.host.state, line.host.session, line.host.next_deadline()
        assert line.host.receive(to_host, line.now_us) == [], state
        assert (line.host.state, line.host.session, line.host.next_deadline()) == (before, session, deadline)
        assert line.run(lambda line=line: line.host.state is LinkState.UP, SECOND)  # type: ignore[misc]  # bound


@pytest.mark.shows("REQ-033", "HZ-036")
def test_a_recorded_older_session_asks_the_device_for_nothing() -> None:
    """It opens a session (which voids permits: as good as a stop) and may stop; it asks for nothing."""
    to_device, _ = recorded_session()
    device = Device(boot=1)
    live = Line(device=device, host_nonce=2)
    live.open()
    device.receive(to_device, live.now_us)
    assert device.acted_on == []
    assert all(isinstance(message, Stop) for message in device.heard[1:])
    assert live.run(lambda: live.host.state is LinkState.FAILED, 2 * SECOND)  # told, not left in the dark


def test_no_two_sessions_have_the_same_nonce() -> None:
    seen = set()
    for boot in range(1, 65):
        device = Device(boot=boot)
        for nonce in range(1, 33):
            line = Line(device=device, host_nonce=nonce)
            line.host.open(0)
            line._flush()
            for piece in line.to_device.arrived(10 * MS):
                device.receive(piece, 0)
        seen.update(device.sessions)
    assert len(seen) == 64 * 32
    assert 0 not in seen


def test_noise_brings_one_nak_and_no_storm() -> None:
    line = Line()
    line.open()
    for number in range(500):
        line.device.receive(bytes([1 + number % 255, 9, 9, 0]), line.now_us)
    line.device.outgoing()
    assert line.device.naks == 1
    assert line.device.link.frames_rejected == 500
    line.pass_time(60 * MS)  # a heartbeat ends the reject condition
    line.device.receive(b"\x09\x09\x00", line.now_us)
    line.device.outgoing()
    assert line.device.naks == 2


def test_frames_after_a_nak_are_not_thrown_away() -> None:
    line = Line()
    line.open()
    line.device.receive(b"\x09\x09\x00", line.now_us)
    line.ask(numbered(1))
    assert line.run(lambda: bool(line.answered), 100 * MS)


def test_a_corrupted_request_is_mended_by_its_nak_before_the_time_out() -> None:
    line = Line()
    line.open()
    line.to_device.vice = Vice(corruption=1)
    line.ask(numbered(1))
    line._flush()
    line.to_device.vice = HONEST
    began_us = line.now_us
    assert line.run(lambda: bool(line.answered), SECOND)
    assert line.now_us - began_us < 10 * MS
    assert [request for _, request in line.device.acted_on] == [numbered(1)]


def test_what_the_device_sends_in_a_session_arrives_in_the_next_one_only_if_sent_there() -> None:
    """Bytes of the session before, still in the device's buffer, do not follow the Connected."""
    device = Device()
    first = Line(device=device, host_nonce=1)
    first.open()
    device.link.send(Telemetry(1, 1, 0, 0, 0, 0, 0, False, False, 0, 0, 0))
    second = Line(device=device, host_nonce=2, now_us=first.now_us)
    second.open()
    second.pass_time(150 * MS)
    assert {type(event.message) for event in second.received} == {Status}


def test_link_messages_of_the_device_are_not_passed_on_as_news() -> None:
    line = Line()
    line.open()
    line.pass_time(SECOND)
    assert not [e for e in line.received if isinstance(e.message, Connected | Nak)]
    assert NakReason.CRC not in {getattr(event, "reason", None) for _, event in line.events}
