"""Adverse effects that were taken back: no matter before the next session any more, and marked as such."""

import itertools
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from safety.courses import Clock, Correction, Course, Effect, EffectKind, Mistake, matters
from safety.presets import PRESETS

FIRST = date(2026, 3, 4)
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
NOBODY_YET = Course("tattoo", (), PRESETS["tattoo"])
TAKEN_BACK = Correction(Mistake.NOT_THERE, "bert", NOON)


def effect(
    number: int, kind: EffectKind = EffectKind.PAIN, resolved: date | None = None, back: bool = False
) -> Effect:
    correction = TAKEN_BACK if back else None
    return Effect(number, "s-1", kind, 2, FIRST, NOON, "anna", resolved, correction=correction)


def names(*effects: Effect) -> list[str]:
    return [matter.name for matter in matters(NOBODY_YET, effects, Clock(NOON))]


@pytest.mark.parametrize("resolved", [None, FIRST])
@pytest.mark.parametrize("kind", EffectKind)
def test_what_was_taken_back_needs_no_word_whatever_it_was(kind: EffectKind, resolved: date | None) -> None:
    assert len(names(effect(1, kind, resolved))) == 1
    mistaken = effect(1, kind, resolved, back=True)
    assert names(mistaken) == []
    assert (mistaken.stands, mistaken.blocks) == (False, False)
    assert mistaken.plain()["blocks"] is False


def test_what_stands_is_asked_for_as_if_the_mistaken_ones_had_never_been() -> None:
    """Three effects, each of them grave, open or gone, and standing or taken back: all 216 records."""
    sorts = {"grave": EffectKind.SCARRING, "open": EffectKind.PAIN, "gone": EffectKind.PAIN}
    one = list(itertools.product(sorts, (False, True)))
    for chosen in itertools.product(one, repeat=3):
        effects = [
            effect(number, sorts[sort], FIRST if sort == "gone" else None, back)
            for number, (sort, back) in enumerate(chosen, 1)
        ]
        standing = [(number, sort) for number, (sort, back) in enumerate(chosen, 1) if not back]
        expected = [f"effect-{number}" for number, sort in standing if sort != "gone"]
        gone = [number for number, sort in standing if sort == "gone"]
        assert names(*effects) == [*expected, *([f"effects-{max(gone)}"] if gone else [])]


def test_nothing_that_was_taken_back_is_among_the_words_of_what_is_confirmed_together() -> None:
    mistaken, real = effect(1, EffectKind.OEDEMA, FIRST, back=True), effect(2, EffectKind.PAIN, FIRST)
    (matter,) = matters(NOBODY_YET, (mistaken, real), Clock(NOON))
    assert "oedema" not in matter.text
    assert "pain" in matter.text


@pytest.mark.parametrize(
    ("mistake", "instead", "words"),
    [
        (
            Mistake.RECORDED_WRONGLY,
            7,
            "taken back by bert on 2026-03-04: it was recorded wrongly, number 7 stands instead",
        ),
        (Mistake.RECORDED_TWICE, None, "taken back by bert on 2026-03-04: it was recorded twice"),
        (Mistake.NOT_THERE, None, "taken back by bert on 2026-03-04: there was no such effect"),
    ],
)
def test_a_correction_says_why_by_whom_and_when(mistake: Mistake, instead: int | None, words: str) -> None:
    correction = Correction(mistake, "bert", NOON, instead)
    assert str(correction) == words
    told = replace(effect(3), correction=correction)
    assert told.remark == words
    assert str(told) == f"pain, 2/10, since 2026-03-04, not resolved; {words}"
    assert told.plain()["text"] == str(told)
    assert told.plain()["taken_back"] == {
        "reason": mistake.value,
        "by": "bert",
        "when": "2026-03-04T12:00:00+00:00",
        "instead": instead,
    }


def test_the_one_that_stands_instead_says_so_and_so_does_what_is_to_be_confirmed() -> None:
    new = replace(effect(7, EffectKind.CRUSTING, FIRST), corrects=3)
    assert str(new) == "crusting, moderate, since 2026-03-04, resolved on 2026-03-04; instead of number 3"
    assert (new.stands, new.plain()["corrects"], new.remark) == (True, 3, "instead of number 3")
    (matter,) = matters(NOBODY_YET, (new,), Clock(NOON))
    assert "instead of number 3" in matter.text
    again = replace(new, correction=TAKEN_BACK)
    assert again.remark == "instead of number 3; taken back by bert on 2026-03-04: there was no such effect"
    assert effect(1).remark == ""


def test_the_reasons_are_these() -> None:
    assert {one.value for one in Mistake} == {"recorded_wrongly", "recorded_twice", "not_there"}
