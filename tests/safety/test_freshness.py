import math

import pytest

from safety.freshness import FRESHNESS, Consequence, Freshness, Input, Quality, not_good

# The table, pinned: greatest age in us, and what follows (r refuses, w withholds, t trips).
TABLE = {
    Input.STATUS: (300_000, "rwt"),
    Input.TELEMETRY: (3_000_000, "r"),
    Input.TICK: (100_000, "rw"),
    Input.LOOP: (500_000, "rw"),
    Input.TASKS: (None, "rw"),
    Input.STORE: (None, "r"),
    Input.OPERATOR: (None, "r"),
    Input.CALIBRATION: (None, "r"),
}
LETTERS = {"r": Consequence.REFUSES, "w": Consequence.WITHHOLDS, "t": Consequence.TRIPS}


@pytest.mark.parametrize("which", Input)
def test_the_table_is_the_specified_one(which: Input) -> None:
    age, letters = TABLE[which]
    assert FRESHNESS[which].max_age_us == age
    assert FRESHNESS[which].consequences == {LETTERS[letter] for letter in letters}
    assert FRESHNESS[which].meaning


@pytest.mark.parametrize("which", Input)
def test_an_input_is_good_up_to_its_age_and_stale_after_it(which: Input) -> None:
    age = TABLE[which][0]
    freshness = Freshness({})
    assert freshness.view(which, 0).quality is Quality.BAD
    assert freshness.view(which, 0).age_us is None
    freshness.note(which, 1_000, text="seen")
    for passed in (0, 1, 299_999, 300_000, 300_001, 10**9):
        view = freshness.view(which, 1_000 + passed)
        assert view.quality is (Quality.GOOD if age is None or passed <= age else Quality.STALE)
        assert (view.age_us, view.text) == (passed, "seen")
    if age is not None:
        assert freshness.view(which, 1_000 + age).quality is Quality.GOOD
        assert freshness.view(which, 1_001 + age).quality is Quality.STALE


@pytest.mark.parametrize("which", Input)
def test_bad_future_nan_and_forgotten_are_not_good(which: Input) -> None:
    freshness = Freshness({})
    freshness.note(which, 1_000)
    assert freshness.view(which, 999).quality is Quality.BAD
    assert freshness.view(which, math.nan).quality is not Quality.GOOD  # type: ignore[arg-type]  # a caller's slip
    freshness.note(which, 1_000, ok=False)
    assert freshness.view(which, 1_000).quality is Quality.BAD
    freshness.note(which, 1_000)
    assert freshness.view(which, 1_000).quality is Quality.GOOD
    freshness.forget(which)
    freshness.forget(which)
    assert freshness.view(which, 1_000).quality is Quality.BAD


def test_the_configuration_overrides_an_age() -> None:
    freshness = Freshness({Input.STATUS: 50})
    freshness.note(Input.STATUS, 0)
    assert freshness.view(Input.STATUS, 50).quality is Quality.GOOD
    assert freshness.view(Input.STATUS, 51).quality is Quality.STALE


@pytest.mark.parametrize("consequence", Consequence)
def test_only_good_inputs_have_no_consequence_and_a_missing_one_is_bad(consequence: Consequence) -> None:
    letter = next(key for key, value in LETTERS.items() if value is consequence)
    concerned = [which for which in Input if letter in TABLE[which][1]]
    assert not_good({}, consequence) == concerned
    for quality in Quality:
        everything = dict.fromkeys(Input, quality)
        assert not_good(everything, consequence) == ([] if quality is Quality.GOOD else concerned)
