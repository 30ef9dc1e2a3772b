"""One browser and one stand-in for all tests of the page in a file."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.web.standin import StandIn, serving


@pytest.fixture(scope="module")
def server() -> Iterator[StandIn]:
    with serving() as stand_in:
        yield stand_in


@pytest.fixture
def daemon(server: StandIn) -> StandIn:
    server.forget()
    return server


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from tests.web.browser import chromium

    with chromium() as made:
        yield made
