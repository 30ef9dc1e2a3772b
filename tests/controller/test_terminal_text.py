"""What is printed of a file from elsewhere cannot command the terminal that shows it."""

from pathlib import Path

from controller.cli.app import printable
from controller.plans import parse_plan, plan_toml
from tests.controller.cli_standin import Picolase

PLAN = Path(__file__).parents[2] / "plans" / "tattoo-forearm.toml"


def test_a_refused_value_is_shown_with_its_control_characters_written_out(
    picolase: Picolase, tmp_path: Path
) -> None:
    path = tmp_path / "p.toml"
    plan = parse_plan(PLAN.read_text("utf-8"), PLAN).plan
    path.write_text(plan_toml(plan).replace(f'"{plan.name}"', r'"a\u001b[2Jb\u009bc\u202ed"'))
    result = picolase("plan", "check", str(path))
    assert result.exit_code == 3
    shown = result.stdout + result.stderr
    assert [char for char in shown if not char.isprintable() and char != "\n"] == []
    assert r"a\x1b[2Jb\x9bc\u202ed" in shown


def test_words_and_lines_are_left_as_they_are() -> None:
    assert printable("3 µm ≥ 2\nnext") == "3 µm ≥ 2\nnext"
