"""The simulated contacts: how they bounce, and single ones that do not follow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.messages import Handpiece
from sim_device.board import Outputs
from sim_device.plant import NEVER, Contacts, Plant
from sim_device.plant.contacts import COVER, ESTOP, LINES

S = 1_000_000
MS = 1_000
SETTLED_US = 5 * MS  # the longest bounce of CHATTER, and the split

Mechanical = tuple[str, object, object, tuple[str, ...]]
"""What a person or the room moves: attribute, its value when open and when closed, its lines."""

MECHANICAL: tuple[Mechanical, ...] = (
    ("key_on", False, True, ("key_on",)),
    ("remote_closed", False, True, ("remote_closed",)),
    ("door_closed", False, True, ("door_closed",)),
    ("arm_connected", False, True, ("arm_connected",)),
    ("defeat_key_out", False, True, ("defeat_key_out",)),
    ("internal_trigger_strap", False, True, ("internal_trigger_strap",)),
    ("level_ok", False, True, ("level_ok",)),
    ("charger_cool", False, True, ("charger_cool",)),
    ("estop_pressed", True, False, ("estop_a_closed", "estop_b_closed")),
    ("cover_closed", False, True, ("cover_a_closed", "cover_b_closed")),
    ("docked", False, True, ("docked_a_closed", "docked_b_closed")),
)
BY_ITSELF: tuple[Mechanical, ...] = tuple(row for row in MECHANICAL if row[0] != "defeat_key_out")
"""Without the key that bridges other contacts than its own."""


def edges(plant: Plant, line: str) -> list[int]:
    """Go on until everything has settled; the instants at which `line` changed."""
    level, found = getattr(plant.inputs, line), []
    while plant.next_event_us < NEVER:
        plant.advance(plant.next_event_us)
        if getattr(plant.inputs, line) != level:
            level = not level
            found.append(plant.now_us)
    return found


@pytest.mark.parametrize("contact", MECHANICAL)
@pytest.mark.parametrize("closing", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_every_mechanical_contact_changes_at_once_and_then_bounces_until_it_has_settled(
    contact: Mechanical, closing: bool, seed: int
) -> None:
    name, opened, closed, lines = contact
    plant = Plant(seed, Contacts(**{name: opened if closing else closed}))  # type: ignore[arg-type] # by name
    plant.advance(S)
    assert [getattr(plant.inputs, line) for line in lines] == [not closing] * len(lines)
    plant.act(lambda p: setattr(p.contacts, name, closed if closing else opened))
    assert [getattr(plant.inputs, line) for line in lines].count(
        closing
    ) == 1  # the first of a pair, or the one
    found = edges(plant, lines[0])
    assert len(found) >= 2
    assert S < min(found) <= max(found) <= S + SETTLED_US
    assert [getattr(plant.inputs, line) for line in lines] == [closing] * len(lines)


@pytest.mark.parametrize(
    ("name", "value", "line", "reads"),
    [
        ("mains_ok", False, "mains_ok", False),
        ("handpiece", Handpiece.FIXED_8, "spot_um", 8_000),
        ("zoom_um", 5_000, "spot_um", 5_000),
        ("wavelength_nm", 532, "wavelength_nm", 532),
    ],
)
def test_what_is_electronic_does_not_bounce(name: str, value: object, line: str, reads: object) -> None:
    plant = Plant(1)
    plant.act(lambda p: setattr(p.contacts, name, value))
    assert getattr(plant.inputs, line) == reads
    assert plant.next_event_us == NEVER


@given(
    moves=st.lists(st.tuples(st.sampled_from(BY_ITSELF), st.booleans(), st.integers(0, 4_000)), max_size=12),
    seed=st.integers(0, 50),
)
def test_however_contacts_are_moved_they_end_where_they_were_put(
    moves: list[tuple[Mechanical, bool, int]], seed: int
) -> None:
    plant = Plant(seed)
    expected: dict[str, bool] = {}
    for (name, opened, closed, lines), closes, pause_us in moves:
        plant.act(lambda p, n=name, v=closed if closes else opened: setattr(p.contacts, n, v))  # type: ignore[misc]
        expected |= dict.fromkeys(lines, closes)
        plant.advance(plant.now_us + pause_us)
    plant.advance(plant.now_us + SETTLED_US)
    assert {line: getattr(plant.inputs, line) for line in expected} == expected
    assert plant.next_event_us == NEVER


def test_a_door_moved_in_one_instant_does_not_alter_the_next_bounce_of_the_foot() -> None:
    plain, other = Plant(3), Plant(3)
    other.act(lambda p: setattr(p.contacts, "door_closed", False))
    for plant in (plain, other):
        plant.advance(S)
        plant.act(lambda p: p.foot.move(p.now_us, True))
    assert edges(plain, "foot_a_closed") == edges(other, "foot_a_closed")


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("level", [False, True])
def test_a_forced_contact_stays_alone_where_it_is_and_follows_again_when_released(
    line: str, level: bool
) -> None:
    def everything(p: Plant, *, closed: bool) -> None:
        for name, at_open, at_closed, _ in MECHANICAL:
            setattr(p.contacts, name, at_closed if closed else at_open)
        p.coolant.set_celsius(p.now_us, 20.0 if closed else 90.0)

    plant = Plant(2)
    plant.act(lambda p: p.contacts.forced.update({line: level}))
    for closed in (True, False):
        plant.act(lambda p, c=closed: everything(p, closed=c))  # type: ignore[misc] # bound now
        plant.advance(plant.now_us + S)
        levels = {name: getattr(plant.inputs, name) for name in LINES}
        bridged = dict.fromkeys(COVER, True)  # the defeat key is in where all else is open
        assert levels == dict.fromkeys(LINES, closed) | bridged | {line: level}
    plant.act(lambda p: p.contacts.forced.clear())
    plant.advance(plant.now_us + S)
    assert getattr(plant.inputs, line) is (line in COVER)


def test_a_contact_that_there_is_not_cannot_be_forced() -> None:
    with pytest.raises(ValueError, match=r"'window_closed'.*only these contacts can be forced: key_on, "):
        Plant(1).act(lambda p: p.contacts.forced.update(window_closed=True))


# --- the e-stop relay


@pytest.mark.shows("REQ-011", "REQ-036")
@pytest.mark.parametrize("a", [None, False, True])
@pytest.mark.parametrize("b", [None, False, True])
@pytest.mark.parametrize("pressed", [False, True])
@pytest.mark.parametrize("welded", [False, True])
@pytest.mark.parametrize("powered", [False, True])
def test_the_estop_relay_holds_only_while_both_contacts_conduct_or_it_is_welded(
    a: bool | None, b: bool | None, pressed: bool, welded: bool, powered: bool
) -> None:
    plant = Plant(1, Contacts(key_on=True))
    forced = {line: level for line, level in zip(ESTOP, (a, b), strict=True) if level is not None}

    def arrange(p: Plant) -> None:
        p.contacts.forced.update(forced)
        p.contacts.estop_pressed = pressed
        p.contacts.estop_relay_welded = welded

    plant.act(arrange)
    plant.set_power(powered)
    both = (not pressed if a is None else a) and (not pressed if b is None else b)
    assert plant.estop_relay == (powered and (welded or both))
    plant.drive(Outputs(shutter_open=True, dump_hold=True, hv_enable=True, hv_set_mv=800_000))
    plant.advance(S)
    assert plant.inputs.shutter_open_switch == plant.estop_relay
    assert (plant.inputs.hv_mv == 800_000) == plant.estop_relay
    assert plant.inputs.hv_inhibited != plant.estop_relay


def test_a_welded_relay_keeps_the_supply_although_both_contacts_tell_of_the_stop() -> None:
    plant = Plant(1, Contacts(key_on=True))
    plant.drive(Outputs(dump_hold=True, hv_enable=True, hv_set_mv=800_000, comparator_reset=True))
    plant.act(lambda p: setattr(p.contacts, "estop_relay_welded", True))
    plant.act(lambda p: setattr(p.contacts, "estop_pressed", True))
    plant.advance(S)
    assert not plant.inputs.estop_a_closed
    assert not plant.inputs.estop_b_closed
    assert not plant.inputs.hv_inhibited
    assert plant.inputs.hv_mv == 800_000


@pytest.mark.shows("REQ-006", "REQ-036")
def test_a_broken_key_contact_takes_the_charger_away_and_a_welded_one_keeps_it() -> None:
    for forced, charges in ((None, True), (False, False), (True, True)):
        plant = Plant(1, Contacts(key_on=forced is not True))
        if forced is not None:
            plant.act(lambda p, to=forced: p.contacts.forced.update(key_on=to))  # type: ignore[misc] # bound now
        plant.drive(Outputs(dump_hold=True, hv_enable=True, hv_set_mv=800_000))
        plant.advance(S)
        assert (plant.inputs.hv_mv == 800_000) == charges


def test_the_truth_tells_what_stands_open_whatever_its_contact_says() -> None:
    contacts = Contacts(key_on=True, door_closed=False, estop_pressed=True)
    contacts.forced = {"door_closed": True, "estop_a_closed": True, "estop_b_closed": True, "key_on": False}
    assert contacts.open_names() == ("estop_closed", "door_closed")
