"""Errors of the console are state of a device: they are copied and kept like all of it."""

from __future__ import annotations

import copy

import pytest

from protocols.scpi_line import ERRORS, ConsoleError


@pytest.mark.parametrize("code", ERRORS)
@pytest.mark.parametrize("about", ["", 'N"?', "x" * 300])
def test_a_copy_of_an_error_says_the_same(code: int, about: str) -> None:
    error = ConsoleError(code, about)
    for twin in (copy.copy(error), copy.deepcopy(error)):
        assert (type(twin), twin.code, str(twin)) == (ConsoleError, code, str(error))
