"""The worked examples of docs/exposure.md are what is computed."""

import re
from pathlib import Path

import pytest

from safety.exposure import Inquiry, Rules, assess
from safety.exposure_plain import plain
from safety.hazard_distance import BeamAt

DOCUMENT = Path(__file__).parents[2] / "docs" / "exposure.md"
EXAMPLES = re.findall(
    r"^\| `(--.*?)` \| `(\w+)` \| (\S+) \|$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE
)


def test_the_examples_were_found() -> None:
    assert len(EXAMPLES) >= 14


@pytest.mark.parametrize(("options", "key", "answer"), EXAMPLES)
def test_a_worked_example_is_right_to_its_last_digit(options: str, key: str, answer: str) -> None:
    words = options.split()
    given = {name[2:].replace("-", "_"): value for name, value in zip(words[::2], words[1::2], strict=True)}
    rules = Rules(given.pop("edition", "stricter"))
    at = BeamAt(given.pop("beam_at")) if "beam_at" in given else None
    numbers = {name: float(value) for name, value in given.items()}
    told = plain(assess(Inquiry(**numbers, beam_at=at, rules=rules)))[key]
    if isinstance(told, str):
        assert told == answer
    else:
        decimals = len(answer.partition(".")[2])
        assert abs(told - float(answer)) <= 0.5 * 10**-decimals
