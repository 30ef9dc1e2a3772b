"""Known histories of the firmware give, to the last byte and microsecond, what they gave before."""

import json

import pytest

from sim_device.board import Inputs, Step
from sim_device.firmware.changes import ALL
from tests.sim_device.golden import HASHES, Recorded, histories, random_history

KNOWN = json.loads(HASHES.read_text())
HISTORIES = dict(histories())


def test_every_known_history_is_still_told() -> None:
    assert KNOWN.keys() == HISTORIES.keys()
    assert len(set(KNOWN.values())) > 0.75 * len(KNOWN), "histories that all end alike prove little"


@pytest.mark.parametrize("name", HISTORIES)
def test_a_known_history_gives_the_same_bytes_outputs_wakings_and_memory(name: str) -> None:
    assert HISTORIES[name]().hexdigest() == KNOWN[name]


class Thorough(Recorded):
    """A bench whose firmware leaves nothing out: in every step everything counts as changed."""

    def _recorded(self, now_us: int, inputs: Inputs, received: bytes, console: bytes) -> Step:
        self.firmware.device.note(ALL)
        return super()._recorded(now_us, inputs, received, console)


@pytest.mark.parametrize("seed", range(1_000, 1_025))
def test_what_a_step_leaves_out_makes_no_difference(seed: int) -> None:
    thorough = random_history(seed, Thorough)
    assert isinstance(thorough, Thorough)
    assert thorough.hexdigest() == random_history(seed).hexdigest()
