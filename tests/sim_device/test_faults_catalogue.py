"""The catalogue of faults: every hazard served, every parameter named, bounded and in its unit."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from protocols.states import State
from sim_device.board import Inputs, Outputs, lines_of
from sim_device.doors import Disturbance, Observer
from sim_device.faults import CATALOGUE, NOT_THE_DEVICES, Fault, Trigger, faults_of, meaning_of
from sim_device.faults.describe import describe, describe_trigger, unit_of
from sim_device.faults.processor import AREAS
from sim_device.faults.trigger import INPUT_LINES, LINES
from sim_device.firmware import memory
from tests.sim_device.desk import MS, at

HAZARDS = Path(__file__).parents[2] / "docs" / "safety" / "hazards.csv"
UNITLESS = {
    *(
        "ratio",
        "share",
        "probability",
        "byte_probability",
        "sigma",
        "bit",
        "bits",
        "by",
        "to",
        "pulses",
        "trips",
    ),
    *("copies", "count", "remaining", "nth", "times"),
}


def rows() -> list[str]:
    with HAZARDS.open(newline="", encoding="utf-8") as file:
        return [row["id"] for row in csv.DictReader(file)]


def test_every_hazard_is_put_on_trial_by_a_fault_or_is_not_the_devices() -> None:
    assert len(rows()) == 46
    served = {hazard for fault in CATALOGUE.values() for hazard in fault.hazards}
    assert served | set(NOT_THE_DEVICES) == set(rows())
    assert not served & set(NOT_THE_DEVICES)
    assert all(faults_of(hazard) for hazard in served)


def test_what_covers_a_hazard_that_no_device_can_have_is_there() -> None:
    root = Path(__file__).parents[2]
    for covered in NOT_THE_DEVICES.values():
        for place in re.findall(r"tests/\S+\.py", covered):
            assert (root / place).exists(), place


@pytest.mark.parametrize("fault", CATALOGUE.values(), ids=list(CATALOGUE))
def test_a_fault_says_what_it_is_in_one_sentence_and_its_parameters_say_what_they_are(
    fault: type[Fault],
) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", fault.name)
    assert re.fullmatch(r"[A-Z].{10,110}\.", meaning_of(fault))
    assert fault.hazards
    taken = {*vars(Observer), *vars(Disturbance), *vars(Fault), *Trigger.model_fields, "name", "expected"}
    for name, field in fault.model_fields.items():
        assert name not in taken
        assert field.description, name


def test_every_number_has_a_unit_in_its_name_or_needs_none_and_a_range() -> None:
    for parameters in (*(one.parameters for one in describe()), describe_trigger()):
        for parameter in parameters:
            if "number" not in parameter.allowed:
                continue
            assert unit_of(parameter.name) or parameter.name in UNITLESS, parameter.name
            assert " to " in parameter.allowed, parameter


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("delay_ms", "ms"),
        ("at_s", "s"),
        ("leak_ml_s", "ml/s"),
        ("percent_per_s", "%/s"),
        ("explosion_j", "J"),
    ],
)
def test_the_end_of_a_name_tells_its_unit(name: str, unit: str) -> None:
    assert unit_of(name) == unit


def test_no_line_is_on_both_sides_of_the_board() -> None:
    assert len(set(LINES)) == len(LINES) == len(lines_of(Inputs())) + len(lines_of(Outputs()))


def test_the_areas_of_the_memory_are_those_of_the_firmware() -> None:
    assert AREAS["books"] == (0, memory._CALIBRATION_AT[0])
    assert AREAS["calibration"] == (memory._CALIBRATION_AT[0], memory._HISTORY_AT - memory._CALIBRATION_AT[0])
    assert AREAS["history"][0] == memory._HISTORY_AT
    assert AREAS["ring"][0] == memory._RING_AT
    assert sum(AREAS["ring"]) == memory.MEMORY_BYTES


@pytest.mark.parametrize("line", INPUT_LINES)
def test_no_level_of_any_input_breaks_the_firmware(line: str) -> None:
    is_level = isinstance(getattr(Inputs(), line), bool)
    for stage in ("standby", "emitting"):
        for level in (False, True) if is_level else (-(2**31) + 1, -1, 0, 1, 65_536, 2**31 - 1):
            desk = at(stage)
            desk.inject("input-stuck", line=line, to=level)
            desk.run(300 * MS)
            assert desk.state in set(State)
