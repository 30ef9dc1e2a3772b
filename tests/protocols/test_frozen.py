"""Frozen dataclasses made quickly are what they were, but for the time they take."""

import copy
import dataclasses
import inspect
import pickle
from typing import Any

import pytest

from protocols.frozen import quick
from protocols.messages import Heartbeat, Intent
from protocols.requests import ReadCounters


@quick
@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: int = 7
    names: tuple[str, ...] = ()


@quick
@dataclasses.dataclass(frozen=True, slots=True)
class Nothing:
    pass


@quick
@dataclasses.dataclass(frozen=True, slots=True)
class Even:
    number: int

    def __post_init__(self) -> None:
        if self.number % 2:
            raise ValueError(f"{self.number} is odd")


def pickled(made: object) -> object:
    return pickle.loads(pickle.dumps(made))  # noqa: S301 - our own


def test_fields_are_taken_by_place_by_name_and_by_default() -> None:
    assert Point(1) == Point(1, 7) == Point(x=1, y=7, names=()) == Point(1, names=())
    assert Point(1, 2, ("a",)) != Point(1, 2)
    assert repr(Point(1, 2)) == "Point(x=1, y=2, names=())"
    assert hash(Point(1, 2)) == hash(Point(1, 2))
    assert Nothing() == Nothing()


def test_what_the_constructor_does_not_take_is_a_type_error() -> None:
    point: Any = Point
    for places, names in (((), {}), ((1, 2, (), 4), {}), ((1,), {"z": 2})):
        with pytest.raises(TypeError, match="__init__"):
            point(*places, **names)


def test_one_that_was_made_is_of_its_own_class_and_cannot_be_changed() -> None:
    for made in (Point(1), Heartbeat(1, Intent.IDLE), ReadCounters(), Nothing()):
        assert type(made) in {Point, Heartbeat, ReadCounters, Nothing}
        for field in dataclasses.fields(made):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(made, field.name, 2)
            with pytest.raises(dataclasses.FrozenInstanceError):
                delattr(made, field.name)


def test_it_is_copied_pickled_replaced_and_matched_as_any_other() -> None:
    made = Point(1, 2, ("a",))
    assert copy.copy(made) == copy.deepcopy(made) == pickled(made) == made
    assert dataclasses.replace(made, y=3) == Point(1, 3, ("a",))
    match made:
        case Point(x, y):
            assert (x, y) == (1, 2)
    beat = Heartbeat(5, Intent.ARMED)
    assert copy.copy(beat) == copy.deepcopy(beat) == pickled(beat) == beat


def test_its_signature_is_told_as_before() -> None:
    parameters = inspect.signature(Point).parameters
    assert list(parameters) == ["x", "y", "names"]
    assert [parameters[name].default for name in ("y", "names")] == [7, ()]
    assert Point.__init__.__annotations__["x"] == "int" or Point.__init__.__annotations__["x"] is int


def test_what_is_to_be_checked_afterwards_is_checked() -> None:
    assert Even(4).number == 4
    with pytest.raises(ValueError, match="5 is odd"):
        Even(5)


def test_fields_it_cannot_make_are_refused_when_the_class_is_made() -> None:
    odd: list[Any] = [
        dataclasses.field(default_factory=list),
        dataclasses.field(init=False, default=1),
        dataclasses.field(kw_only=True),
    ]
    for field in odd:
        made = dataclasses.make_dataclass("Made", [("odd", object, field)], frozen=True, slots=True)
        with pytest.raises(TypeError, match=r"Made\.odd: quick makes plain fields only"):
            quick(made)
