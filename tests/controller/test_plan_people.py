"""What a plan file says of the person who is treated: the pseudonym, and conditions that were confirmed."""

from pathlib import Path

import pytest

from controller.plans import parse_plan
from controller.tomlfile import TomlError
from rig.stack import plan_text
from safety.plan_check import check_plan
from tests.safety.laser import DEVICE


def with_lines(*lines: str, **changes: object) -> str:
    return plan_text(**changes).replace("rehearsal = false", "\n".join(["rehearsal = false", *lines]))


def refused(text: str) -> set[str]:
    return {one.code for one in check_plan(parse_plan(text, Path("p.toml")).plan, DEVICE)}


def test_what_a_refusal_asks_to_be_acknowledged_can_be_acknowledged_in_the_file() -> None:
    assert refused(with_lines(skin_type='"V"')) == {"plan.needs_test_spot"}
    text = with_lines('acknowledged = ["test_spot"]', skin_type='"V"')
    assert refused(text) == set()
    assert parse_plan(text, Path("p.toml")).plan.acknowledged == ("test_spot",)


def test_the_pseudonym_in_the_file_is_the_plans_and_a_name_is_refused() -> None:
    assert parse_plan(with_lines('subject = "P-0042"'), Path("p.toml")).plan.subject == "P-0042"
    assert refused(with_lines('subject = "P-0042"')) == set()
    assert refused(with_lines('subject = "Anna Muster"')) == {"plan.subject"}


def test_without_either_nobody_is_named_and_nothing_was_confirmed() -> None:
    plan = parse_plan(plan_text(), Path("p.toml")).plan
    assert (plan.subject, plan.acknowledged) == (None, ())


@pytest.mark.parametrize("line", ["acknowledged = true", 'acknowledged = "test_spot"', "subject = 7"])
def test_another_kind_of_value_is_named(line: str) -> None:
    with pytest.raises(TomlError) as error:
        parse_plan(with_lines(line), Path("p.toml"))
    assert [problem.path for problem in error.value.problems] == [line.partition(" = ")[0]]
