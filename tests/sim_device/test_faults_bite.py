"""Each fault of the catalogue bites: what firmware and hardware do about it, on a whole simulated laser."""

from __future__ import annotations

import pytest

# What bites is registered by importing it.
import tests.sim_device.bites_around
import tests.sim_device.bites_board
import tests.sim_device.bites_laser  # noqa: F401
from protocols.requests import Standby
from protocols.states import State
from sim_device.faults import CATALOGUE
from tests.sim_device.bites import BITES, fails_its_proof
from tests.sim_device.desk import S, at


@pytest.mark.parametrize("fault", CATALOGUE)
def test_each_fault_bites(fault: str) -> None:
    stage, parameters, bite = BITES[fault]
    desk = at(stage)
    injection = desk.inject(fault, **parameters)
    bite(desk, injection)
    assert injection.report().fired > 0


def test_every_bite_is_of_a_fault_that_there_is() -> None:
    assert set(BITES) == set(CATALOGUE)


@pytest.mark.parametrize("monitor", ["a", "b"])
def test_a_monitor_that_freezes_between_pulses_is_found_by_the_next_proof(monitor: str) -> None:
    desk = at("emitting")
    injection = desk.inject("monitor-frozen", monitor=monitor)
    desk.run(S)
    assert desk.state is State.EMITTING  # it reads what the pulse before was, which was right
    assert injection.report().fired > 5
    desk.release()
    desk.do(Standby())
    desk.run(S)
    fails_its_proof(desk, injection)
