"""A laser that was still warming up when its port was captured is asked again of one whose key is on too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from protocols.requests import Acknowledge, Calibrate, ReadIdentity, SetAiming, Standby
from protocols.states import State
from rig.cli.recordings import replay
from rig.laser import cold_laser, warm_laser
from rig.likeness import begin_like, start_of
from rig.recording import Header, Recording
from sim_device.operator import perform
from tests.rig.recordings import written
from tests.rig.test_likeness import captured

ASKED = (ReadIdentity(), SetAiming(on=True), Calibrate(), Acknowledge(7), Standby())


@pytest.mark.parametrize(
    ("on_us", "state"),
    [(None, State.OFF), (300_000, State.SELF_TEST), (20_000_000, State.WARM_UP)],
    ids=lambda value: getattr(value, "name", ""),
)
@pytest.mark.parametrize("start", ["told", "cold"])
def test_each_is_answered_alike(tmp_path: Path, on_us: int | None, state: State, start: str) -> None:
    simulator = cold_laser(8)
    if on_us is None:
        simulator.advance(100_000)
    else:
        perform(simulator, "key", {"to": "on"}, 0)
        simulator.advance(on_us)
    assert simulator.state is state
    capture = captured(simulator, ASKED)
    assert start_of(capture) == "cold"
    capture.header = capture.header.model_copy(update={"start": start})
    result = CliRunner().invoke(replay, [str(written(tmp_path / "port.jsonl", capture)), "--json"])
    assert json.loads(result.stdout) == {
        "start": "cold",
        "alike": len(ASKED) + 1,
        "unlike": [],
        "left_out": 0,
    }
    assert result.exit_code == 0


def test_of_a_capture_without_a_status_no_key_is_known() -> None:
    simulator = cold_laser(8)
    begin_like(Recording(Header(kind="capture")), simulator)
    assert (simulator.now_us, simulator.plant.contacts.key_on) == (0, False)


def test_a_warm_one_that_is_called_cold_begins_after_its_self_test() -> None:
    simulator = cold_laser(8)
    begin_like(captured(warm_laser(5), ASKED), simulator)
    assert simulator.state is State.WARM_UP
