"""What runs add up to."""

import pytest

from rig.campaign import LOST, Totals, jobs_of, lost
from rig.script import Script
from rig.stack import PLAN
from rig.workers import Lost


@pytest.mark.parametrize(
    ("idle", "violated", "good"), [([], [], True), (["a fault"], [], False), ([], [LOST], False)]
)
def test_a_campaign_is_good_when_nothing_was_violated_and_every_expected_fault_fired(
    idle: list[str], violated: list[str], good: bool
) -> None:
    (job,) = jobs_of(Script("quick", 5.0, PLAN), [1], chaos=False)
    total = Totals()
    result = lost(job, Lost("it is good all the same"))
    total.add(result | {"violations": []})
    told = [{"invariant": name, "at_us": 0, "text": ""} for name in violated]
    total.add(result | {"idle_faults": idle, "violations": told})
    assert total.good is good
