"""The C core tells every known history to the last byte and microsecond, as the reference does."""

import json
from collections.abc import Iterator

import pytest

from tests.sim_device.golden import HASHES, histories
from tests.sim_device.twins import BenchNative, benches_of

KNOWN = json.loads(HASHES.read_text())
HISTORIES = dict(histories())


@pytest.fixture(scope="module", autouse=True)
def _native() -> Iterator[None]:
    with benches_of(BenchNative):
        yield


@pytest.mark.parametrize("name", HISTORIES)
def test_the_core_tells_a_known_history_with_the_same_bytes_outputs_wakings_and_memory(name: str) -> None:
    assert HISTORIES[name]().hexdigest() == KNOWN[name]
