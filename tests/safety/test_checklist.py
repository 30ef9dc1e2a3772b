"""The checklist: every contraindication of the list is asked, and each that is missing is named."""

import csv
import itertools
from pathlib import Path

import pytest

from safety.checklist import CONTRAINDICATIONS, ITEMS, ROOM, missing, reasons

T029 = next(
    row
    for row in csv.DictReader(
        (Path(__file__).parents[2] / "docs/reference/treatments.csv").read_text("utf-8").splitlines()
    )
    if row["id"] == "T029"
)
# What the row names (contraindications in one column, those that a study excluded in the next) -> our item.
NAMED = {
    "pregnancy": "not_pregnant",
    "isotretinoin within 6-12 months": "no_isotretinoin",
    "gold therapy": "no_gold_therapy",
    "photosensitising drugs": "no_photosensitivity",
    "active infection or herpes in the field": "no_infection",
    "keloid history": "no_keloid",
    "recent tan": "no_recent_tan",
    "suspected malignancy": "no_suspected_malignancy",
    "eye area without shields": "eyes_shielded",
    "immunodeficiency": "no_immunodeficiency",
}


@pytest.mark.shows("HZ-045")
def test_every_contraindication_of_the_row_is_asked() -> None:
    told = " ".join(T029.values())
    for words in NAMED:
        assert words in told
    listed = next(text for text in T029.values() if text.startswith("pregnancy")).split(", ")
    assert len(listed) + 1 == len(NAMED), "and immunodeficiency, which only the study's exclusions name"
    assert {item.key for item in CONTRAINDICATIONS} == set(NAMED.values())


def test_every_item_has_its_own_key_a_statement_a_source_and_what_to_do() -> None:
    assert len(ITEMS) == len(CONTRAINDICATIONS) + len(ROOM)
    for key, item in ITEMS.items():
        assert item.key == key
        assert item.statement
        assert item.source
        assert item.action


@pytest.mark.parametrize(
    ("hazard", "key", "words"),
    [
        pytest.param("HZ-039", "interlocks", ("door", "remote", "opened"), marks=pytest.mark.shows("HZ-039")),
        pytest.param("HZ-041", "aiming", ("aiming spot", "test pulse"), marks=pytest.mark.shows("HZ-041")),
    ],
)
def test_what_nothing_in_the_laser_can_detect_is_asked_of_a_person(
    hazard: str, key: str, words: tuple[str, ...]
) -> None:
    assert hazard in ITEMS[key].source
    assert all(word in ITEMS[key].statement for word in words)
    assert f"confirm.{key}" in {reason.code for reason in reasons(set(ITEMS) - {key})}


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("eyewear", ("everybody", "eyewear for this wavelength", "eyes are shielded")),
        ("room", ("door closed", "sign lit", "reflects", "burns")),
        ("skin", ("skin type", "medicines", "test spot")),
        ("site", ("handpiece", "spot", "marked")),
    ],
)
def test_people_room_and_equipment_are_asked_for_before_each_treatment(
    key: str, words: tuple[str, ...]
) -> None:
    assert all(word in ITEMS[key].statement for word in words)
    assert f"confirm.{key}" in {reason.code for reason in reasons(set(ITEMS) - {key})}


@pytest.mark.shows("HZ-045")
def test_nothing_is_missing_when_all_is_confirmed_and_everything_when_nothing_is() -> None:
    assert missing(ITEMS) == ()
    assert reasons(ITEMS) == ()
    assert [item.key for item in missing(())] == list(ITEMS)


@pytest.mark.shows("HZ-045")
@pytest.mark.parametrize("left_out", list(itertools.combinations(ITEMS, 2)) + [(key,) for key in ITEMS])
def test_each_that_is_missing_is_refused_by_its_name(left_out: tuple[str, ...]) -> None:
    told = reasons([key for key in ITEMS if key not in left_out])
    assert [reason.code for reason in told] == [f"confirm.{key}" for key in ITEMS if key in left_out]
    for reason, key in zip(told, [key for key in ITEMS if key in left_out], strict=True):
        assert key in reason.text
        assert ITEMS[key].statement in reason.text
        assert reason.action == ITEMS[key].action


def test_what_nobody_asks_for_is_refused_too() -> None:
    told = reasons([*ITEMS, "everything"])
    assert [reason.code for reason in told] == ["confirm.unknown"]
    assert "everything" in told[0].text
