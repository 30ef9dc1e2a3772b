"""Defects sown into the text of the modules: the prover finds each, with a state from which it does harm."""

from typing import Final

import pytest

from tests.shown.proof import prove, replayed
from tests.shown.theorems import Defect, defects, theorem

ALL: Final = defects()
# Asked by the sequence and again by the last look; the write in between cannot move it.
TWICE: Final = "device: and self.shutter.position is"
ASKED_TWICE: Final = [defect for defect in ALL if str(defect).startswith(TWICE)]
FOUND: Final = [defect for defect in ALL if defect not in ASKED_TWICE]
EVERY: Final = 12
"""One in so many is sown in every run, all of them in `make soak`."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "defect" in metafunc.fixturenames:
        soak = metafunc.config.getoption("--hypothesis-profile") == "soak"
        metafunc.parametrize("defect", FOUND if soak else FOUND[::EVERY], ids=str)


def test_a_sown_defect_is_found_and_does_harm_in_the_code_itself(defect: Defect) -> None:
    found = prove(theorem(defect.theorem, defect.edits))
    assert found
    broken, sound = (theorem(defect.theorem, edits, lifting=False) for edits in (defect.edits, None))
    for one in found:
        assert replayed(broken, one)
        assert not replayed(sound, one)


def test_one_operand_alone_is_asked_twice() -> None:
    assert len(ASKED_TWICE) == 1
    assert len(FOUND) > 90
