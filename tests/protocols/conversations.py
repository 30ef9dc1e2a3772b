"""Conversations over wires with vices, and what their books must say."""

from hypothesis import strategies as st

from protocols.requests import Acknowledge, Request
from tests.protocols.wires import MS, Line, Vice

SEEDS = range(6)


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
