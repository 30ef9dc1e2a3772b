"""Plan files: every key checked by itself, and what a good file becomes."""

import contextlib
import hashlib
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from controller.plans import parse_plan, plan_toml
from controller.tomlfile import TomlError
from protocols.messages import Beam
from safety.fluence import fluence_j_cm2, stated_tolerance
from safety.preset import SERVICE
from safety.presets import PRESETS
from tests.controller.plan_docs import checklist_rows, rows

GOOD: dict[str, Any] = {
    "format": 1,
    "name": "Tattoo",
    "indication": "tattoo",
    "skin_type": "II",
    "beam": {
        "wavelength_nm": 755,
        "mode_width_ps": 750,
        "handpiece": "zoom",
        "spot_mm": 3.5,
        "pulse_energy_mj": 173.0,
        "fluence_j_cm2": 1.8,
        "rep_rate_hz": 5.0,
    },
    "treatment": {"passes": 1, "series": [20, 20, 20], "area_cm2": 8.0, "overlap_percent": 5.0},
}
# A skin type is not optional in a treatment, but `safety.plan_check` says so: a service plan has none.
OPTIONAL = {
    ("rehearsal",),
    ("skin_type",),
    ("beam", "fluence_j_cm2"),
    ("treatment", "area_cm2"),
    ("treatment", "overlap_percent"),
}


def changed(path: tuple[str, ...], value: object) -> dict[str, Any]:
    """`GOOD` with one key changed; None takes it out."""
    copy = tomllib.loads(tomli_w.dumps(GOOD))
    table = copy
    for key in path[:-1]:
        table = table[key]
    if value is None:
        table.pop(path[-1], None)
    else:
        table[path[-1]] = value
    return copy


def problems(values: dict[str, Any]) -> list[str]:
    with pytest.raises(TomlError) as error:
        parse_plan(tomli_w.dumps(values), Path("p.toml"))
    assert str(error.value).startswith("p.toml:")
    assert all(problem.action for problem in error.value.problems)
    return [problem.path for problem in error.value.problems]


def test_a_good_file_becomes_the_plan_it_says() -> None:
    text = tomli_w.dumps(GOOD)
    loaded = parse_plan(text, Path("p.toml"))
    plan = loaded.plan
    assert (plan.name, plan.indication, plan.skin_type) == ("Tattoo", "tattoo", "II")
    assert (plan.wavelength_nm, plan.mode_width_ps, plan.handpiece) == (755, 750, "zoom")
    assert (plan.spot_mm, plan.pulse_energy_mj, plan.fluence_j_cm2, plan.rep_rate_hz) == (3.5, 173, 1.8, 5)
    assert (plan.passes, plan.series, plan.pulses) == (1, (20, 20, 20), 60)
    assert (plan.area_cm2, plan.overlap_percent) == (8.0, 5.0)
    assert plan.beam is Beam.APERTURE
    assert (loaded.text, loaded.sha256) == (text, hashlib.sha256(text.encode()).hexdigest())


def test_the_plan_of_the_demo_can_be_read() -> None:
    path = Path(__file__).parents[2] / "plans" / "tattoo-forearm.toml"
    assert parse_plan(path.read_text("utf-8"), path).plan.pulses == 60


def test_a_rehearsal_keeps_the_shutter_closed_and_is_none_unless_said() -> None:
    assert parse_plan(tomli_w.dumps(changed(("rehearsal",), True)), Path("p")).plan.beam is Beam.SHUTTER
    assert not parse_plan(tomli_w.dumps(GOOD), Path("p")).plan.rehearsal


PATHS = [
    *((key,) for key in GOOD),
    *(("beam", key) for key in GOOD["beam"]),
    *(("treatment", key) for key in GOOD["treatment"]),
]


@pytest.mark.parametrize("path", PATHS, ids=".".join)
def test_each_key_that_is_left_out_is_named_unless_it_is_optional(path: tuple[str, ...]) -> None:
    if path in OPTIONAL:
        parse_plan(tomli_w.dumps(changed(path, None)), Path("p"))
    else:
        assert problems(changed(path, None)) == [".".join(path)]


@pytest.mark.parametrize("path", PATHS, ids=".".join)
@pytest.mark.parametrize("value", ["text", True, -1, 10**9, [1.5], [], {"x": 1}], ids=repr)
def test_each_key_with_a_wrong_value_is_named_with_it(path: tuple[str, ...], value: object) -> None:
    if path in {("name",), ("indication",)} and value == "text":
        return
    found = problems(changed(path, value))
    assert all(name == ".".join(path) or name.startswith(".".join(path) + ".") for name in found), found


@pytest.mark.parametrize("path", [("colour",), ("beam", "fluence_mj"), ("treatment", "pulses")])
def test_a_key_nobody_knows_is_refused(path: tuple[str, ...]) -> None:
    assert problems(changed(path, 1)) == [".".join(path)]


@pytest.mark.parametrize("value", [float("inf"), float("nan"), -0.0, 0.0])
@pytest.mark.parametrize("key", ["spot_mm", "pulse_energy_mj", "fluence_j_cm2", "rep_rate_hz"])
def test_what_is_no_positive_finite_number_is_refused(key: str, value: float) -> None:
    assert problems(changed(("beam", key), value)) == [f"beam.{key}"]


def test_everything_that_is_wrong_is_told_at_once() -> None:
    values = changed(("beam", "spot_mm"), "wide") | {"skin_type": "VII", "colour": "red"}
    del values["treatment"]
    assert set(problems(values)) == {"beam.spot_mm", "skin_type", "colour", "treatment"}


@pytest.mark.parametrize("value", [float("inf"), float("nan"), -1.0, 1e6])
@pytest.mark.parametrize("key", ["area_cm2", "overlap_percent"])
def test_an_area_or_overlap_that_is_none_is_refused(key: str, value: float) -> None:
    assert problems(changed(("treatment", key), value)) == [f"treatment.{key}"]


PRINTABLE = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=30)


@given(
    name=PRINTABLE,
    indication=st.sampled_from([*PRESETS, SERVICE, "warts"]),
    skin=st.sampled_from([None, "I", "VI"]),
    spot_mm=st.floats(0.1, 20),
    energy_mj=st.floats(0.1, 500),
    rate_hz=st.floats(0.1, 20),
    passes=st.integers(1, 7),
    series=st.lists(st.integers(1, 1000), min_size=1, max_size=5),
    area_cm2=st.none() | st.floats(0.1, 1000),
    overlap_percent=st.none() | st.floats(0, 10),
    rehearsal=st.booleans(),
    trigger=st.sampled_from(["foot", "internal"]),
    subject=st.sampled_from([None, "P-0042"]),
    acknowledged=st.lists(st.sampled_from(["test_spot", "expert"]), unique=True),
)
def test_a_plan_that_is_written_is_read_again_as_itself(**values: Any) -> None:
    good = parse_plan(tomli_w.dumps(GOOD), Path("p")).plan
    plan = replace(
        good,
        name=values["name"],
        indication=values["indication"],
        skin_type=values["skin"],
        spot_mm=values["spot_mm"],
        pulse_energy_mj=values["energy_mj"],
        rep_rate_hz=values["rate_hz"],
        passes=values["passes"],
        series=tuple(values["series"]),
        area_cm2=values["area_cm2"],
        overlap_percent=values["overlap_percent"],
        rehearsal=values["rehearsal"],
        trigger=values["trigger"],
        subject=values["subject"],
        acknowledged=tuple(values["acknowledged"]),
    )
    fluence = fluence_j_cm2(plan.pulse_energy_mj, plan.spot_mm)
    if fluence > 100 or fluence < 1e-9:  # no plan file may state so much
        return
    again = parse_plan(plan_toml(plan), Path("p")).plan
    stated = again.fluence_j_cm2
    assert stated is not None
    assert abs(stated - fluence) <= stated_tolerance(stated)
    assert replace(again, fluence_j_cm2=good.fluence_j_cm2) == plan


@given(st.text(max_size=200))
def test_no_text_raises_anything_but_the_one_error(text: str) -> None:
    with pytest.raises(TomlError):
        parse_plan(text, Path("p"))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=5,
    ),
    st.sampled_from(PATHS),
)
def test_no_value_anywhere_raises_anything_but_the_one_error(value: object, path: tuple[str, ...]) -> None:
    try:
        text = tomli_w.dumps(changed(path, value))
    except TypeError:  # TOML knows no null
        return
    with contextlib.suppress(TomlError):  # or it is a plan
        parse_plan(text, Path("p"))


def test_the_tables_of_the_documentation_are_those_of_presets_and_checklist() -> None:
    lines = (Path(__file__).parents[2] / "docs" / "plans.md").read_text("utf-8").splitlines()
    for row in (*rows(), *checklist_rows()):
        assert row in lines
    assert len([line for line in lines if line.startswith("| `") and line.count("|") == 13]) == len(rows())
