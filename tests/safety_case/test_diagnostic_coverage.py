"""The document of the diagnostic coverage is what trials measure, and it is enough."""

from __future__ import annotations

import pytest

from sim_device.faults import CATALOGUE
from tests.safety_case.fault_cases import DANGEROUS, SAFE, Case, cases
from tests.safety_case.fault_coverage import NOT_FOUND, PAGE, WANTED, Row, coverage, page, read, reason
from tests.safety_case.fault_trial import STAGES, Trial, on_trial
from tests.safety_case.ward import SWEEP

EVERY = 9 if SWEEP == 1 else 1  # of the cases; the others in a soak
AFTER_MS = 2.0  # [C] a step of the firmware that comes a little later makes no other finding

CASES = list(cases())
ROWS = read()


def test_every_fault_of_the_catalogue_is_dangerous_or_safe_and_is_put_on_trial() -> None:
    assert {case.fault for case in CASES} == set(CATALOGUE)
    assert not set(DANGEROUS) & set(SAFE)


def test_the_table_has_every_case_once_and_the_page_is_that_of_the_table() -> None:
    assert [(row.case, row.dangerous, row.why) for row in ROWS] == [
        (case.name, case.dangerous, case.why) for case in CASES
    ]
    assert len({row.case for row in ROWS}) == len(ROWS)
    assert PAGE.read_text(encoding="utf-8") == page(ROWS)


@pytest.mark.shows("REQ-038")
def test_nine_tenths_of_the_dangerous_faults_are_detected() -> None:
    assert coverage(ROWS)[0] >= WANTED


def test_no_safe_fault_let_wrong_light_out() -> None:
    assert [row.case for row in ROWS if not row.dangerous and row.wrong_pulses] == []


def test_of_each_that_is_not_found_it_is_said_what_holds_instead_and_of_no_other() -> None:
    missed = [row for row in ROWS if row.dangerous and not row.stage]
    assert all(reason(row) for row in missed), [row.case for row in missed if not reason(row)]
    assert {words for row in missed if (words := reason(row))} == set(NOT_FOUND.values())


@pytest.mark.shows("REQ-038")
@pytest.mark.parametrize(
    ("case", "row"), [*zip(CASES, ROWS, strict=True)][::EVERY], ids=[case.name for case in CASES[::EVERY]]
)
def test_a_trial_gives_what_the_table_says(case: Case, row: Row) -> None:
    measured = Row.of(on_trial(case))
    assert (measured.stage, measured.by, measured.wrong_pulses, measured.unmet) == (
        *(row.stage, row.by, row.wrong_pulses),
        row.unmet,
    )
    assert measured.after_ms == pytest.approx(row.after_ms, abs=AFTER_MS)


def test_of_a_healthy_laser_nothing_is_told() -> None:
    trial = Trial.begin()
    for stage in STAGES[:-1]:
        getattr(trial, stage.replace(" ", "_"))()
    assert trial.by == ""
    assert trial.wrong == 0
    assert len(trial.pulses) > 100
