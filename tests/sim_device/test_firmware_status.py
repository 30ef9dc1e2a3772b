"""When a Status is sent: on every change but of `reports_waiting` alone, and periodically."""

import itertools
from collections.abc import Iterator

import pytest

from protocols.states import State
from tests.sim_device.bench import MS, Bench, S, at
from tests.sim_device.twins import BenchNative, benches_of

PERIOD_US = 50 * MS


@pytest.fixture(params=["reference", "native"])
def emitting(request: pytest.FixtureRequest) -> Bench:
    """A laser that emits under a held foot, at 10 Hz, with either firmware."""
    if request.param == "native":
        request.getfixturevalue("natively")
    bench = at("ready")
    bench.run(S)
    bench.grant(200)
    bench.run(20 * MS)
    bench.press()
    bench.run(500 * MS)
    return bench


@pytest.fixture
def natively() -> Iterator[None]:
    with benches_of(BenchNative):
        yield


def test_a_laser_that_fires_tells_its_status_with_each_pulse_and_halfway_between(emitting: Bench) -> None:
    first, fired = len(emitting.statuses), len(emitting.triggers)
    emitting.run(S)
    told = emitting.statuses[first:]
    times = [status.device_time_us for status in told]
    assert len(emitting.triggers) - fired == 10
    assert len(told) == 20
    assert {after - before for before, after in itertools.pairwise(times)} == {PERIOD_US}
    numbers = [status.pulse_number for status in told]
    assert max(numbers.count(number) for number in numbers) == 2


def test_a_pulse_is_told_by_a_status_and_its_acknowledgement_by_the_next_periodic_one(
    emitting: Bench,
) -> None:
    told = [status for status in emitting.statuses if status.state is State.EMITTING][2:]
    falls = [
        after.device_time_us - before.device_time_us
        for before, after in itertools.pairwise(told)
        if before.reports_waiting and not after.reports_waiting
    ]
    assert len(falls) >= 3
    assert set(falls) == {PERIOD_US}


def test_reports_that_nobody_acknowledges_are_counted_in_every_status(emitting: Bench) -> None:
    emitting.acks = False
    emitting.run(S)
    last = emitting.statuses[-20:]
    assert [status.reports_waiting for status in last] == [count for count in range(1, 11) for _ in range(2)]
