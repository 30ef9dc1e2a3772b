"""The lease: one login at a time, for as long as it is used."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.declined import Declined
from controller.lease import Lease, Who
from controller.store import OperatorRecord, Role

LIFE_US = 60_000_000


def who(name: str, token: str) -> Who:
    created = datetime(2030, 1, 1, tzinfo=UTC)
    return Who(OperatorRecord(name, Role.OPERATOR, "hash", True, 0, created, {}), token)


ANNA, ANNA_AGAIN, BOB = who("anna", "a1"), who("anna", "a2"), who("bob", "b")


def test_nobody_holds_a_new_lease() -> None:
    assert Lease(LIFE_US).holder(0) is None
    assert Lease(LIFE_US).report(0) is None


def test_the_same_operator_takes_it_over_from_a_console_that_died() -> None:
    lease = Lease(LIFE_US)
    lease.take(ANNA, 0)
    lease.take(ANNA_AGAIN, 1)
    assert lease.held_by(ANNA_AGAIN, 1)
    assert not lease.held_by(ANNA, 1)


def test_another_operator_is_told_who_holds_it_and_for_how_long() -> None:
    lease = Lease(LIFE_US)
    lease.take(ANNA, 0)
    with pytest.raises(Declined, match=r"anna commands the laser:.*wait 20 s") as declined:
        lease.take(BOB, LIFE_US - 20_000_000)
    assert (declined.value.status, declined.value.code) == (409, "lease")
    assert lease.report(0) == {"operator": "anna", "expires_s": 60.0}


def test_it_runs_out_at_its_end_and_not_a_microsecond_before() -> None:
    lease = Lease(LIFE_US)
    lease.take(ANNA, 5)
    assert lease.holder(5 + LIFE_US - 1) is not None
    assert lease.holder(5 + LIFE_US) is None
    lease.take(BOB, 5 + LIFE_US)
    held = lease.holder(5 + LIFE_US)
    assert held is not None
    assert held.who is BOB


def test_use_renews_it_and_renewing_nothing_does_nothing() -> None:
    lease = Lease(LIFE_US)
    lease.renew(0)
    assert lease.holder(0) is None
    lease.take(ANNA, 0)
    lease.renew(LIFE_US - 1)
    assert lease.holder(2 * LIFE_US - 2) is not None
    lease.take(ANNA, 2 * LIFE_US - 2)
    assert lease.holder(3 * LIFE_US - 3) is not None


def test_only_its_holder_can_give_it_up() -> None:
    lease = Lease(LIFE_US)
    lease.take(ANNA, 0)
    lease.give_up(BOB.token)
    lease.give_up(ANNA_AGAIN.token)
    assert lease.holder(0) is not None
    lease.give_up(ANNA.token)
    assert lease.holder(0) is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["take", "renew", "give_up"]),
            st.sampled_from([ANNA, ANNA_AGAIN, BOB]),
            st.integers(0, 2 * LIFE_US),
        )
    )
)
def test_two_operators_never_hold_it_at_once(steps: list[tuple[str, Who, int]]) -> None:
    lease, now_us = Lease(LIFE_US), 0
    holder: Who | None = None  # the rule said again
    until_us = 0
    for what, asker, pause_us in steps:
        now_us += pause_us
        if now_us >= until_us:
            holder = None
        if what == "take":
            if holder is None or holder.name == asker.name:
                lease.take(asker, now_us)
                holder, until_us = asker, now_us + LIFE_US
            else:
                with pytest.raises(Declined):
                    lease.take(asker, now_us)
        elif what == "renew":
            # Only what happens at the laser renews it, and that is asked about by who looks first.
            if lease.holder(now_us) is not None:
                lease.renew(now_us)
                until_us = now_us + LIFE_US
        else:
            lease.give_up(asker.token)
            holder = None if holder is asker else holder
        held = lease.holder(now_us)
        assert (held.who if held else None) is holder
