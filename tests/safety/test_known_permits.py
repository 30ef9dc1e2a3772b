"""A permit that this process knows stays as it is known when a reconnection recalls it from the record."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from protocols.messages import PulseFlag
from safety.permits import PermitBooks
from tests.safety.laser import GRANT, report

PULSES = 3


def asked() -> PermitBooks:
    books = PermitBooks()
    books.arm_requested(11)
    books.arm_answered(done=True, epoch=12)
    books.grant_requested(replace(GRANT, pulses=PULSES), 173_000, 1)
    return books


def granted() -> PermitBooks:
    books = asked()
    books.grant_answered(GRANT.permit_id, done=True)
    return books


def refused() -> PermitBooks:
    books = asked()
    books.grant_answered(GRANT.permit_id, done=False)
    return books


def used_up() -> PermitBooks:
    books = granted()
    for number in range(PULSES):
        assert books.pulse(report(pulse_number=101 + number))[:2] == ("", "")
    return books


CHANGES: list[dict[str, Any]] = [
    {},
    {"device_time_us": GRANT.ends_us + 20_000},
    {"device_time_us": GRANT.ends_us + 20_001},
    {"boot": 8},
    {"set_energy_uj": 200_000},
    {"wavelength_nm": 532},
    {"flags": frozenset({PulseFlag.SKIPPED})},
]


@pytest.mark.parametrize("changes", CHANGES)
@pytest.mark.parametrize("known", [asked, granted, refused, used_up])
def test_a_recalled_permit_is_judged_as_if_it_had_not_been_recalled(
    known: Callable[[], PermitBooks], changes: dict[str, Any]
) -> None:
    before, after = known(), known()
    after.recall(GRANT.permit_id, PULSES)
    pulse = report(pulse_number=110, **changes)
    assert before.pulse(pulse)[:2] == after.pulse(pulse)[:2]


def test_recalling_makes_no_refused_permit_good_and_gives_none_another_pulse() -> None:
    for books, words in ((refused(), "which was refused"), (used_up(), "number 4 under a permit for 3")):
        books.recall(GRANT.permit_id, PULSES)
        assert words in books.pulse(report(pulse_number=110))[0]


def test_a_permit_that_nobody_here_knows_is_recalled() -> None:
    books = PermitBooks()
    assert books.pulse(report())[0]
    books.recall(GRANT.permit_id, PULSES)
    assert books.pulse(report())[0] == ""
