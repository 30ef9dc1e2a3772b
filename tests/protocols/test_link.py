"""Both real link ends, joined by wires with vices, on virtual time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.host_link import LinkFailure, LinkState
from protocols.messages import Beam, Connected, Nak, NakReason, Status, Stop, Stopped, Telemetry
from protocols.requests import Acknowledge, Arm, Request
from tests.protocols.wires import HONEST, MS, SECOND, VICES, Device, Line, Vice

SEEDS = range(6)
REQUESTS = 12


def numbered(number: int) -> Request:
    """A request that can be told from any other, and its answer too."""
    return Acknowledge(number)


def check_books(line: Line) -> None:
    """What holds on every wire: at most once, in order, and no answer that was not earned."""
    acted_on = [request for _, request in line.device.acted_on]
    assert len(set(map(str, acted_on))) == len(acted_on), "a request was acted on twice"
    places = [line.asked.index(request) for request in acted_on]
    assert places == sorted(places), "requests were acted on out of order"
    for answered in line.answered:
        assert answered.request in acted_on
        assert isinstance(answered.request, Acknowledge)
        assert answered.answer.epoch == answered.request.fault_instance  # type: ignore[attr-defined]  # a Reply
    never_left = [given_up.request for given_up in line.abandoned if not given_up.sent]
    assert not set(map(str, never_left)) & set(map(str, acted_on)), (
        "acted on what was said never to have left"
    )
    closed = [*(e.request for e in line.answered), *(e.request for e in line.abandoned)]
    assert len(set(map(str, closed))) == len(closed), "a request ended twice"
    # One NAK for a reject condition: it takes a rejected frame, and a good one between it and the last NAK.
    assert line.device.naks <= line.device.link.frames_rejected
    assert line.device.naks <= line.device.frames_came + 1


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


def a_probability(most: float) -> st.SearchStrategy[float]:
    return st.floats(0, most)


vices = st.builds(
    Vice,
    loss=a_probability(0.5),
    byte_loss=a_probability(0.5),
    duplication=a_probability(1),
    corruption=a_probability(0.5),
    overtaking=a_probability(1),
    delay_us=st.tuples(st.integers(0, 20 * MS), st.integers(20 * MS, 400 * MS)),
    pieces=st.integers(0, 20),
    glue_us=st.sampled_from([0, 0, 30 * MS]),
    dead_from_us=st.sampled_from([None, None, 600 * MS]),
    echo=st.booleans(),
)


@given(vices, vices, st.integers(0, 2**32))
def test_any_mixture_of_vices_keeps_the_books(to_device: Vice, to_host: Vice, seed: int) -> None:
    line = converse(to_device, to_host, seed)
    check_books(line)
    assert len(line.answered) + len(line.abandoned) == len(line.asked)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("vice", [v for v in VICES if v.dead_from_us is None], ids=lambda vice: vice.name)
def test_a_stop_gets_through_whatever_the_wire_does(vice: Vice, seed: int) -> None:
    line = Line(vice, vice, seed=seed)
    line.open()
    if line.host.state is LinkState.UP:
        for number in range(1, 5):
            line.ask(numbered(number))
    line.stop(99)
    began_us = line.now_us
    line.run(lambda: bool(line.confirmed) or bool(line.failures), 2 * SECOND)
    assert 99 in line.device.stops
    if line.confirmed:
        assert line.confirmed[0].took_us == line.now_us - began_us
        assert line.now_us - began_us < 500 * MS
    else:
        assert line.now_us - began_us <= 500 * MS
    check_books(line)


@pytest.mark.parametrize("to_host", [HONEST, Vice("dead", dead_from_us=0)], ids=lambda vice: vice.name)
def test_a_stop_is_heard_without_any_session(to_host: Vice) -> None:
    line = Line(to_host=to_host)
    line.stop(5)
    line.run(lambda: bool(line.confirmed or line.failures), SECOND)
    assert line.device.sessions == []
    assert line.device.stops == {5}
    if to_host is HONEST:
        assert [event.stopped.stop_id for event in line.confirmed] == [5]
        assert not line.failures
    else:
        assert [event.why for event in line.failures] == [LinkFailure.STOP_UNCONFIRMED]
        assert line.now_us == 500 * MS


def test_a_stop_in_another_hosts_session_is_heard_too() -> None:
    device = Device()
    first = Line(device=device, host_nonce=1)
    first.open()
    second = Line(device=device, host_nonce=2, now_us=first.now_us)
    second.open()
    first.now_us = second.now_us
    first.stop(8)
    assert first.run(lambda: bool(first.confirmed), SECOND)
    assert device.stops == {8}


def test_a_stop_is_confirmed_only_when_the_shutter_is_closed() -> None:
    line = Line(device=Device(shutter_closes_after_us=120 * MS))
    line.open()
    line.stop(3)
    assert line.run(lambda: bool(line.confirmed), SECOND)
    assert 120 * MS < line.confirmed[0].took_us < 130 * MS
    unconfirmed = [event.message for event in line.received if isinstance(event.message, Stopped)]
    assert unconfirmed
    assert not any(message.confirmed for message in unconfirmed)


def test_a_stop_leaves_the_link_usable_although_requests_were_waiting() -> None:
    line = Line()
    line.open()
    for number in range(1, 6):
        line.ask(numbered(number))
    line._flush()  # the first is on the wire, four wait
    line.stop(1)
    assert [(given_up.request, given_up.sent) for given_up in line.abandoned] == [
        (numbered(1), True),
        *[(numbered(number), False) for number in range(2, 6)],
    ]
    assert line.run(lambda: bool(line.confirmed), SECOND)
    line.ask(numbered(6))
    assert line.run(lambda: bool(line.answered), SECOND)
    assert [request for _, request in line.device.acted_on] == [numbered(1), numbered(6)]
    assert line.host.state is LinkState.UP


def test_a_stop_keeps_a_request_from_the_wire_that_was_not_written_yet() -> None:
    line = Line()
    line.open()
    line.ask(numbered(1))
    line.stop(1)
    assert [given_up.sent for given_up in line.abandoned] == [False]
    line.ask(numbered(2))
    assert line.run(lambda: bool(line.answered), SECOND)
    assert [request for _, request in line.device.acted_on] == [numbered(2)]


def test_a_stop_that_drops_what_was_written_leaves_the_link_usable() -> None:
    line = Line()
    line.open()
    line.ask(numbered(1))
    assert line.run(lambda: bool(line.answered), SECOND)
    line.to_device.vice = Vice(loss=1)
    for number in (2, 3):  # two stops, and each drops a request out of a driver's buffer
        line.ask(numbered(number))
        line._flush()
        line.stop(number)
        line.host.outgoing()
    line.to_device.vice = HONEST
    assert line.run(lambda: bool(line.confirmed), SECOND)
    line.ask(numbered(4))
    line.ask(numbered(5))
    assert line.run(lambda: len(line.answered) == 3, SECOND)
    assert [request for _, request in line.device.acted_on] == [numbered(1), numbered(4), numbered(5)]
    assert not line.failures


@given(vices, vices, st.integers(0, 2**32), st.lists(st.integers(1, 3), min_size=1, max_size=4))
def test_stops_among_requests_keep_the_books_over_any_mixture_of_vices(
    to_device: Vice, to_host: Vice, seed: int, asked: list[int]
) -> None:
    line = Line(to_device, to_host, seed=seed)
    line.open()
    number = 0
    for stop_id, requests in enumerate(asked, start=1):
        for _ in range(requests):
            if line.host.state is LinkState.UP:
                number += 1
                line.ask(numbered(number))
        line.pass_time(seed % 50 * MS)
        line.stop(stop_id)
        line.run(lambda: bool(line.failures) or len(line.confirmed) == stop_id, SECOND)  # noqa: B023 - at once
    if line.host.state is LinkState.UP:
        line.ask(numbered(number + 1))
        line.run(
            lambda: (
                line.host.state is LinkState.FAILED
                or len(line.answered) + len(line.abandoned) == len(line.asked)
            )
        )
    check_books(line)


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


def test_stopping_again_and_again_does_not_put_off_the_escalation() -> None:
    line = Line()
    line.open()
    line.to_device.vice = Vice("dead", dead_from_us=0)
    began_us = line.now_us
    for stop_id in range(1, 7):
        line.stop(stop_id)
        line.pass_time(90 * MS)
    assert [event.why for event in line.failures] == [LinkFailure.STOP_UNCONFIRMED]
    assert [at_us - began_us for at_us, event in line.events if event in line.failures] == [500 * MS]


def test_a_stop_on_a_failed_link_tells_its_outcome_too() -> None:
    line = Line()
    line.open()
    line.to_host.vice = Vice("dead", dead_from_us=0)
    line.run(lambda: line.host.state is LinkState.FAILED)
    line.stop(4)
    line.pass_time(SECOND)
    assert line.device.stops == {4}
    assert [event.why for event in line.failures] == [LinkFailure.SILENT, LinkFailure.STOP_UNCONFIRMED]
    line.to_host.vice = HONEST
    line.stop(5)
    line.pass_time(SECOND)
    assert [event.stopped.stop_id for event in line.confirmed] == [5]
