"""The host's books of permits against what the device reports."""

import itertools
from dataclasses import replace
from typing import Any

import pytest

from protocols.messages import Beam, Handpiece, Intent, PulseFlag
from protocols.requests import Trigger
from protocols.states import ARMED, State
from safety.permits import PermitBooks
from tests.safety.laser import GRANT, ready, report, status

ENDS_US = GRANT.ends_us
SKIPPED = frozenset({PulseFlag.SKIPPED})


def armed() -> PermitBooks:
    books = PermitBooks()
    books.arm_requested(11)
    books.arm_answered(done=True, epoch=12)
    return books


def granted(**changes: Any) -> PermitBooks:
    books = armed()
    books.grant_requested(replace(GRANT, **changes), 173_000, 1)
    books.grant_answered(900, done=True)
    return books


def test_a_pulse_under_its_permit_has_no_fault() -> None:
    unpermitted, differs, permit = granted().pulse(report())
    assert (unpermitted, differs) == ("", "")
    assert permit is not None
    assert (permit.counted, permit.plan_number) == (1, 1)


@pytest.mark.parametrize(
    ("flags", "light"),
    [
        ([], True),
        ([PulseFlag.UNKNOWN], True),
        ([PulseFlag.ENERGY_DRIFT], True),
        ([PulseFlag.CALIBRATION], False),
        ([PulseFlag.SHUTTER_CLOSED], False),
        ([PulseFlag.SKIPPED], False),
    ],
)
def test_without_a_permit_light_stays_inside(flags: list[PulseFlag], light: bool) -> None:
    unpermitted, _, permit = granted().pulse(report(permit_id=0, flags=frozenset(flags)))
    assert bool(unpermitted) == light
    assert permit is None


def test_a_refused_permit_permits_nothing() -> None:
    books = armed()
    books.grant_requested(GRANT, 173_000, 1)
    books.grant_answered(900, done=False)
    assert books.open is None
    assert "refused" in books.pulse(report())[0]


def test_a_late_refusal_of_a_closed_permit_leaves_the_open_one_alone() -> None:
    books = armed()
    books.grant_requested(GRANT, 173_000, 1)
    books.grant_requested(replace(GRANT, permit_id=901), 173_000, 1)
    books.grant_answered(900, done=False)
    assert books.open is not None
    assert books.open.permit_id == 901


def test_skipped_pulses_use_nothing_of_a_permit() -> None:
    books = granted(pulses=1)
    for number in range(101, 105):
        assert books.pulse(report(pulse_number=number, flags=SKIPPED))[0] == ""
    assert books.pulse(report(pulse_number=105))[0] == ""
    assert "2 under a permit for 1" in books.pulse(report(pulse_number=106))[0]


@pytest.mark.parametrize(
    ("at_us", "late"),
    [(ENDS_US, False), (ENDS_US + 20_000, False), (ENDS_US + 20_001, True), (ENDS_US + 10**7, True)],
)
def test_no_pulse_comes_later_than_twenty_milliseconds_after_the_permits_end(at_us: int, late: bool) -> None:
    assert bool(granted().pulse(report(device_time_us=at_us))[0]) == late


@pytest.mark.parametrize(("after_us", "late"), [(-1, False), (0, False), (20_000, False), (20_001, True)])
@pytest.mark.parametrize("left", [False, True])
def test_no_pulse_comes_later_than_that_after_the_permit_was_seen_to_be_over(
    after_us: int, late: bool, left: bool
) -> None:
    books = granted()
    books.mirror(ready(permit_id=900), 0)
    if left:
        books.leave(0)
    books.mirror(ready(device_time_us=4_000_000), 1)
    books.mirror(ready(device_time_us=9_000_000), 2)  # only the first sight of its end counts
    assert bool(books.pulse(report(device_time_us=4_000_000 + after_us))[0]) == late


def test_a_permit_that_was_seen_to_be_over_only_later_ended_at_its_end_all_the_same() -> None:
    books = granted()
    books.mirror(ready(permit_id=900), 0)
    books.mirror(ready(device_time_us=ENDS_US + 5_000_000), 1)
    assert books.pulse(report(device_time_us=ENDS_US + 20_000))[0] == ""
    assert "after its permit ended" in books.pulse(report(device_time_us=ENDS_US + 20_001))[0]


def test_the_grace_of_the_arming_before_ends_with_the_next_one() -> None:
    books = granted()
    books.mirror(ready(permit_id=900), 0)
    books.leave(0)
    assert books.mirror(ready(permit_id=900), 1).state == "", "the device may not have followed yet"
    books.arm_requested(12)
    assert "permit 900" in books.mirror(ready(arm_epoch=13, permit_id=900), 2).state


def test_a_pulse_of_another_start_is_not_under_this_permit() -> None:
    assert "another start" in granted().pulse(report(boot=8))[0]


def test_an_unknown_pulse_is_booked_without_comparing_what_was_not_measured() -> None:
    unknown = report(boot=8, spot_um=0, flags=frozenset({PulseFlag.UNKNOWN}))
    unpermitted, differs, permit = granted().pulse(unknown)
    assert (unpermitted, differs) == ("", "")
    assert permit is not None
    assert permit.counted == 1


def test_a_rehearsal_keeps_the_light_behind_the_shutter() -> None:
    books = granted(beam=Beam.SHUTTER)
    assert "rehearsal" in books.pulse(report())[0]
    assert books.pulse(report(pulse_number=102, flags=frozenset({PulseFlag.SHUTTER_CLOSED})))[0] == ""


@pytest.mark.parametrize(("trigger", "press"), list(itertools.product(Trigger, (0, 1, 2))))
def test_a_pulse_is_fired_by_what_its_permit_says(trigger: Trigger, press: int) -> None:
    unpermitted = granted(trigger=trigger).pulse(report(press=press))[0]
    agree = (trigger is Trigger.INTERNAL) == (press == 0)
    assert (unpermitted == "") is agree
    assert agree or trigger.name in unpermitted


@pytest.mark.shows("REQ-024", "HZ-019")
@pytest.mark.parametrize(
    "changes",
    [
        {"wavelength_nm": 532},
        {"mode_width_ps": 650},
        {"rep_rate_mhz": 10_000},
        {"handpiece": Handpiece.FIXED_6},
        {"spot_um": 3_400},
        {"set_energy_uj": 174_000},
    ],
    ids=str,
)
def test_a_pulse_with_other_settings_than_permitted_is_named(changes: dict[str, Any]) -> None:
    unpermitted, differs, _ = granted().pulse(report(**changes))
    assert unpermitted == ""
    assert next(iter(changes)) in differs


@pytest.mark.shows("REQ-046")
def test_a_recalled_permit_is_held_to_its_number_of_pulses() -> None:
    books = PermitBooks()
    books.recall(900, 2)
    assert books.used(900)
    assert not books.used(901)
    assert books.pulse(report(pulse_number=101, spot_um=1))[:2] == ("", "")
    assert books.pulse(report(pulse_number=102))[0] == ""
    assert books.pulse(report(pulse_number=103))[0]


def test_the_books_are_bounded() -> None:
    books = PermitBooks()
    for number in range(1, 1_030):
        books.recall(number, 1)
    assert not books.used(5)
    assert books.used(6)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("arm_epoch", [11, 12, 13])
@pytest.mark.parametrize("answered", [None, 12])
@pytest.mark.parametrize("asked", [False, True])
def test_every_state_and_epoch_against_every_stage_of_arming(
    state: State, arm_epoch: int, answered: int | None, asked: bool
) -> None:
    books = PermitBooks()
    if asked:
        books.arm_requested(11)
        if answered is not None:
            books.arm_answered(done=True, epoch=answered)
    mirrored = books.mirror(status(state=state, arm_epoch=arm_epoch), 0)
    armed_now = state in ARMED
    if not asked:
        contradiction, over = armed_now, False
    elif answered is None:  # not answered yet: only an epoch of before is none of ours
        contradiction, over = armed_now and arm_epoch == 11, not armed_now and arm_epoch != 11
    else:
        contradiction, over = armed_now and arm_epoch != 12, not armed_now
    assert bool(mirrored.state) == contradiction
    assert mirrored.left == over
    assert bool(mirrored.light) == (state is State.EMITTING)  # no permit in any of these
    assert books.intent is (Intent.ARMED if asked and not over else Intent.IDLE)


@pytest.mark.parametrize("held", [0, 900, 901])
@pytest.mark.parametrize("stage", ["none", "asked", "granted", "left"])
@pytest.mark.parametrize("emitting", [False, True])
@pytest.mark.parametrize("now_us", [0, 500_000, 500_001])
def test_every_permit_against_every_stage_of_granting(
    held: int, stage: str, emitting: bool, now_us: int
) -> None:
    books = armed()
    if stage != "none":
        books.grant_requested(GRANT, 173_000, 1)
    if stage in {"granted", "left"}:
        books.grant_answered(900, done=True)
    if stage == "left":
        books.leave(0)
    state = State.EMITTING if emitting else State.READY
    mirrored = books.mirror(ready(state=state, permit_id=held), now_us)
    grace = stage == "left" and now_us <= 500_000
    ours = held == 900 and (stage in {"asked", "granted"} or grace)
    assert bool(mirrored.light) == (emitting and not ours)
    armed_wrongly = stage == "left" and not grace
    assert bool(mirrored.state) == ((held != 0 and not ours) or armed_wrongly)
    assert (mirrored.ended is not None) == (stage == "granted" and held != 900)
    open_now = books.open is not None
    assert open_now == (stage == "asked" or (stage == "granted" and held == 900))
    expected = {"none": Intent.ARMED, "left": Intent.IDLE}.get(stage, Intent.PERMIT if ours else Intent.ARMED)
    assert books.intent is expected


def test_a_grant_that_was_granted_and_used_up_before_its_answer_is_over() -> None:
    books = armed()
    books.grant_requested(GRANT, 173_000, 1)
    books.mirror(ready(permit_id=900), 0)
    books.mirror(ready(), 0)
    books.grant_answered(900, done=True)
    assert books.open is None
    assert books.intent is Intent.ARMED


def test_late_answers_revive_nothing() -> None:
    books = PermitBooks()
    books.arm_requested(11)
    books.leave(0)
    books.arm_answered(done=True, epoch=12)
    assert books.standing()[1] is None
    books.grant_answered(900, done=True)
    assert books.open is None
    assert not books.used(900)


def test_an_arming_that_is_over_takes_the_permit_with_it_whose_grant_has_no_answer_yet() -> None:
    books = armed()
    books.mirror(ready(arm_epoch=12), 0)
    books.grant_requested(GRANT, 173_000, 1)
    assert books.mirror(status(arm_epoch=12, state=State.STANDBY), 1).left
    assert books.open is None


def test_an_armed_laser_that_also_holds_a_permit_is_told_by_what_is_worse() -> None:
    assert PermitBooks().mirror(ready(permit_id=5), 0).state == "READY without our arming"


def test_a_pulse_under_a_refused_permit_is_not_compared_with_it() -> None:
    books = armed()
    books.grant_requested(GRANT, 173_000, 1)
    books.grant_answered(900, done=False)
    unpermitted, differs, permit = books.pulse(report(set_energy_uj=1))
    assert (unpermitted, differs) == ("given under permit 900, which was refused", "")
    assert permit is not None


def test_a_closed_permit_that_the_device_still_holds_is_not_over_yet() -> None:
    books = granted()
    books.leave(0)
    books.mirror(ready(device_time_us=3_000_000, permit_id=900), 1)
    books.mirror(ready(device_time_us=4_000_000), 2)
    assert books.pulse(report(device_time_us=4_020_000))[0] == ""
    assert "after its permit ended" in books.pulse(report(device_time_us=4_020_001))[0]


def test_only_what_differs_from_the_permit_is_named() -> None:
    assert granted().pulse(report(spot_um=5_000))[1] == "spot_um 5000 instead of 3500"
    assert granted().pulse(report(set_energy_uj=9))[1] == "set_energy_uj 9 instead of 173000"
