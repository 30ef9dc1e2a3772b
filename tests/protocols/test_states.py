"""The state table, row by row from DESIGN.md's paragraph "States", and what it must never allow."""

import pytest

from protocols.states import ARMED, TRANSITIONS, Event, State, following

# Written from the specification: what may happen in each state apart from the total events below.
SPECIFIED = {
    ("OFF", "KEY_ON"): "SELF_TEST",
    ("SELF_TEST", "SELF_TEST_PASSED"): "WARM_UP",
    ("WARM_UP", "WARMED"): "CALIBRATING",
    ("CALIBRATING", "CALIBRATION_ENDED"): "STANDBY",
    ("CALIBRATING", "RETURN"): "STANDBY",
    ("STANDBY", "CALIBRATE"): "CALIBRATING",
    ("STANDBY", "ARM"): "ARMING",
    ("ARMING", "PROVEN"): "READY",
    ("ARMING", "RETURN"): "STANDBY",
    ("READY", "PRESS"): "EMITTING",
    ("READY", "RETURN"): "STANDBY",
    ("EMITTING", "RELEASE"): "READY",
    ("EMITTING", "RETURN"): "STANDBY",
    ("FAULT", "CLEARED"): "STANDBY",
    ("FAULT", "CLEARED_RESTART"): "SELF_TEST",
}
# Total: a stop keeps the laser where it cannot emit and brings it to STANDBY from where it could.
AFTER_STOP = {
    "OFF": "OFF",
    "SELF_TEST": "SELF_TEST",
    "WARM_UP": "WARM_UP",
    "CALIBRATING": "STANDBY",
    "STANDBY": "STANDBY",
    "ARMING": "STANDBY",
    "READY": "STANDBY",
    "EMITTING": "STANDBY",
    "FAULT": "FAULT",
}
NUMBERS = {
    State: "OFF SELF_TEST WARM_UP CALIBRATING STANDBY ARMING READY EMITTING FAULT",
    Event: "- KEY_ON KEY_OFF SELF_TEST_PASSED WARMED CALIBRATE CALIBRATION_ENDED ARM PROVEN PRESS RELEASE"
    " RETURN STOP TRIP CLEARED CLEARED_RESTART",
}


def specified(state: State, event: Event) -> str | None:
    """The state after `event`, from the specification alone."""
    if event.name == "TRIP":
        return "FAULT"
    if event.name == "KEY_OFF":
        return "OFF"
    if event.name == "STOP":
        return AFTER_STOP[state.name]
    return SPECIFIED.get((state.name, event.name))


@pytest.mark.shows("REQ-001")
@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", Event)
def test_every_event_in_every_state_does_what_is_specified_or_nothing(state: State, event: Event) -> None:
    after = following(state, event)
    assert (after.name if after is not None else None) == specified(state, event)


@pytest.mark.parametrize("numbered", NUMBERS, ids=lambda numbered: numbered.__name__)
def test_numbers_on_the_wire_are_pinned(numbered: type[State] | type[Event]) -> None:
    assert {m.name: m.value for m in numbered} == {
        name: number for number, name in enumerate(NUMBERS[numbered].split()) if name != "-"
    }


def reachable(start: State, without: frozenset[State] = frozenset()) -> set[State]:
    """Where events may lead from `start` when the states `without` are never entered."""
    seen: set[State] = set()
    waiting = [start]
    while waiting:
        for after in TRANSITIONS[waiting.pop()].values():
            if after not in seen | without:
                seen.add(after)
                waiting.append(after)
    return seen


@pytest.mark.shows("REQ-001", "HZ-001")
@pytest.mark.parametrize("start", [State.FAULT, State.OFF, State.SELF_TEST, State.WARM_UP, State.CALIBRATING])
@pytest.mark.parametrize("gate", [State.STANDBY, State.ARMING])
def test_there_is_no_road_to_ready_around_standby_and_arming(start: State, gate: State) -> None:
    assert not reachable(start, frozenset({gate})) & {State.READY, State.EMITTING}


@pytest.mark.shows("REQ-001")
def test_ready_is_entered_from_arming_and_emitting_only_and_emitting_from_ready_only() -> None:
    into = {after: set[State]() for after in State}
    for state, row in TRANSITIONS.items():
        for after in row.values():
            into[after].add(state)
    assert into[State.READY] == {State.ARMING, State.EMITTING}
    assert into[State.EMITTING] == {State.READY}
    assert into[State.ARMING] == {State.STANDBY}


def test_the_search_above_would_find_a_forbidden_road() -> None:
    """Control case: without the gates READY is reachable, and so is every other state from every one."""
    assert all(reachable(state) == set(State) for state in State)


def test_armed_states_are_those_in_which_light_is_near() -> None:
    assert {state.name for state in ARMED} == {"ARMING", "READY", "EMITTING"}
