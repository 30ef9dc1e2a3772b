"""A stop over both real link ends: it gets through whatever the wire does, and leaves the link usable."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.host_link import LinkFailure, LinkState
from protocols.messages import Stopped
from tests.protocols.conversations import SEEDS, check_books, numbered, vices
from tests.protocols.wires import HONEST, MS, SECOND, VICES, Device, Line, Vice


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
