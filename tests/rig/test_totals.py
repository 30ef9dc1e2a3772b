"""What runs add up to."""

from dataclasses import replace

import pytest

from rig.campaign import jobs_of, lost
from rig.invariants import Violation
from rig.result import LOST
from rig.script import Script
from rig.stack import PLAN
from rig.totals import Totals
from rig.workers import Lost
from sim_device.faults import Report


@pytest.mark.parametrize(
    ("idle", "violated", "good"), [([], [], True), (["a fault"], [], False), ([], [LOST], False)]
)
def test_a_campaign_is_good_when_nothing_was_violated_and_every_expected_fault_fired(
    idle: list[str], violated: list[str], good: bool
) -> None:
    (job,) = jobs_of(Script("quick", 5.0, PLAN), [1], chaos=False)
    total = Totals()
    good_one = replace(lost(job, Lost("it is good all the same")), violations=())
    total.add(good_one)
    told = tuple(Violation(name, 0, "") for name in violated)
    faults = tuple(Report(name, 0, {}, expected=True, active=False, begun=1, fired=0) for name in idle)
    total.add(replace(good_one, faults=faults, violations=told))
    assert total.good is good
