"""The footswitch against an oracle that looks at the whole history of contacts at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.faults import Fault
from protocols.messages import Foot
from protocols.states import State
from sim_device.firmware.footswitch import Footswitch
from tests.sim_device.bench import MS, at

HISTORY = st.lists(
    st.tuples(
        st.sampled_from([1, 200, 4_999, 5_000, 5_001, 49_999, 50_000, 50_001, 90_000]),
        st.booleans(),
        st.booleans(),
    ),
    min_size=1,
    max_size=25,
)


def both_closed_runs(history: list[tuple[int, bool, bool]]) -> list[tuple[int, int | None]]:
    """(from, to) of every stretch with both contacts closed; the last has no end."""
    runs: list[tuple[int, int | None]] = []
    start: int | None = None
    for now_us, a, b in history:
        if a and b and start is None:
            start = now_us
        elif not (a and b) and start is not None:
            runs.append((start, now_us))
            start = None
    return runs + ([(start, None)] if start is not None else [])


def differing_since(history: list[tuple[int, bool, bool]]) -> int | None:
    since: int | None = None
    for now_us, a, b in history:
        if a == b:
            since = None
        elif since is None:
            since = now_us
    return since


@pytest.mark.shows("REQ-003", "REQ-004")
@given(HISTORY, st.integers(0, 120_000))
def test_the_footswitch_is_what_its_whole_history_says(
    gaps: list[tuple[int, bool, bool]], tail_us: int
) -> None:
    foot, now_us = Footswitch(), 0
    history: list[tuple[int, bool, bool]] = []
    for gap_us, a, b in gaps:
        end_us = now_us + gap_us
        while foot.deadline_us < end_us:  # called when it asks to be, as by the firmware
            foot.update(foot.deadline_us, *history[-1][1:])
        now_us = end_us
        history.append((now_us, a, b))
        foot.update(now_us, a, b)
    end_us = now_us + tail_us
    while foot.deadline_us <= end_us:
        foot.update(foot.deadline_us, *history[-1][1:])
    foot.update(end_us, *history[-1][1:])
    runs = both_closed_runs(history)
    presses = [
        (start, end)
        for start, end in runs
        if (end is None and end_us - start >= 5_000) or (end is not None and end - start > 5_000)
    ]
    # a contact that moves exactly as the 5 ms end was read as moved
    since = differing_since(history)
    assert foot.press == len(presses)
    assert foot.pressed == bool(presses and presses[-1][1] is None)
    assert foot.down == bool(history[-1][1] and history[-1][2])
    assert foot.disagrees == (since is not None and end_us - since > 50_000)
    if presses:
        assert foot.began_us == presses[-1][0]


@pytest.mark.parametrize(("closed_us", "pressed"), [(4_999, False), (5_000, True), (5_001, True)])
def test_a_press_needs_five_stable_milliseconds(closed_us: int, pressed: bool) -> None:
    foot = Footswitch()
    foot.update(0, True, True)
    foot.update(closed_us, True, True)
    assert foot.pressed is pressed


@pytest.mark.shows("REQ-004", "HZ-002")
@pytest.mark.parametrize("contacts", [(False, True), (True, False), (False, False)])
def test_either_contact_open_is_a_release_at_once(contacts: tuple[bool, bool]) -> None:
    foot = Footswitch()
    foot.update(0, True, True)
    foot.update(5_000, True, True)
    foot.update(5_001, *contacts)
    assert not foot.pressed
    assert not foot.fresh


@pytest.mark.shows("REQ-003")
@pytest.mark.parametrize(
    ("began_us", "consumed_us", "fresh"), [(10, 9, True), (10, 10, False), (10, 11, False)]
)
def test_a_press_is_fresh_only_if_it_began_after_permission_changed(
    began_us: int, consumed_us: int, fresh: bool
) -> None:
    foot = Footswitch()
    foot.consume(consumed_us)
    foot.update(began_us, True, True)
    foot.update(began_us + 5_000, True, True)
    assert foot.fresh is fresh


@pytest.mark.shows("REQ-004", "HZ-002")
@pytest.mark.parametrize("contact", ["foot_a_closed", "foot_b_closed"])
@pytest.mark.parametrize("stage", ["standby", "ready", "granted", "emitting"])
def test_contacts_that_disagree_for_more_than_50_ms_latch_a_fault(contact: str, stage: str) -> None:
    bench = at(stage)
    if stage == "emitting":
        bench.set(**{contact: False})  # one contact welded
        assert bench.state is State.READY
    else:
        bench.set(**{contact: True})
    bench.run(50 * MS)
    assert bench.first_fault is Fault.NONE
    assert bench.status.foot is Foot.RELEASED
    bench.run(1)
    assert bench.state is State.FAULT
    assert bench.firmware.device.faults.first is Fault.FOOT_DISAGREES


@pytest.mark.shows("REQ-004", "REQ-005", "HZ-002")
@pytest.mark.parametrize("contact", ["foot_a_closed", "foot_b_closed"])
def test_a_release_of_either_contact_inhibits_the_gate_in_the_same_step(contact: str) -> None:
    bench = at("emitting")
    bench.run(50 * MS)
    assert bench.outputs.gate_enable
    bench.set(**{contact: False})
    assert bench.state is State.READY
    assert not bench.outputs.gate_enable
    assert not bench.outputs.shutter_open
