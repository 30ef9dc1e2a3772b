"""The fleet as a model: what is live, and what is told of each laser."""

import json
from typing import Any

import pytest

from bench.codec import example_status
from controller.fleet import Fleet
from protocols.faults import Fault
from protocols.payloads import (
    HostFacts,
    alarm_payload,
    fault_alarms,
    goodbye_payload,
    state_payload,
    will_payload,
)
from protocols.states import State
from protocols.topics import FAULT_ALARM_IDS
from tests.controller.fleet_told import NOON, NOON_US, ROOT, Teller, made, row

# -- live


@pytest.mark.parametrize("hz", [0.1, 1.0, 10.0])
def test_a_laser_is_live_until_its_newest_word_is_three_periods_old(hz: float) -> None:
    fleet = Fleet("laser/v1")
    Teller(fleet, hz=hz).all()
    three_s = 3 / min(hz, 1.0)  # the laser itself gives one sample a second
    assert row(fleet).live
    assert row(fleet, three_s - 1e-3).live
    old = row(fleet, three_s)
    assert not old.live
    assert old.why == f"silent for {three_s:.0f} s by its clock"
    assert old.state == "standby"  # what it said last


def test_a_clock_far_ahead_makes_nothing_live_and_is_named() -> None:
    fleet, teller = made()
    teller.all(after_s=40)
    assert row(fleet).why == "its clock is 40 s ahead of ours"
    assert row(fleet, 39).live


@pytest.mark.parametrize("missing", ["about", "birth", "told", "nothing"])
def test_each_part_of_the_rule_is_needed(missing: str) -> None:
    fleet, teller = made()
    words = {
        "about": "its period is not known",
        "birth": "nobody says that it is there",
        "told": "nothing told since its start",
        "nothing": "",
    }
    if missing != "about":
        teller.about()
    if missing != "birth":
        teller.birth()
    if missing != "told":
        teller.state()
    assert (row(fleet).live, row(fleet).why) == (missing == "nothing", words[missing])
    assert fleet.complete(NOON_US) == (missing == "birth")  # who is not online has nothing to tell
    teller.sample()
    assert fleet.complete(NOON_US) == (missing != "about")


def test_what_the_run_before_told_does_not_make_the_new_one_live() -> None:
    fleet, teller = made()
    teller.all()
    Teller(fleet, boot="run-2").birth()
    assert row(fleet).why == "nothing told since its start"
    Teller(fleet, boot="run-2").sample()
    assert row(fleet).live


@pytest.mark.parametrize(
    ("end", "why"),
    [
        (will_payload("run-1"), "lost: its broker does not hear it"),
        (goodbye_payload("run-1", NOON), "ended in order"),
    ],
)
def test_a_laser_that_has_ended_is_not_live_however_fresh_its_words(end: Any, why: str) -> None:
    fleet, teller = made()
    teller.all()
    teller.say("status", end)
    assert (row(fleet).live, row(fleet).why) == (False, why)
    teller.birth()
    assert row(fleet).live


# -- what is told


def test_a_row_says_what_the_laser_said() -> None:
    fleet, teller = made()
    teller.all()
    teller.sample(after_s=1, dropped=3, pulse_number=77)
    seen = row(fleet, 1.5)
    assert (seen.site, seen.device, seen.serial, seen.model) == ("room-1", "laser-1", "PL-1", "PL-200")
    assert (seen.state, seen.simulated, seen.quality, seen.link_up) == ("standby", True, "sim", True)
    assert (seen.seen, seen.age_s) == ("2026-03-01T12:00:01.000000Z", 0.5)
    assert (seen.pulses, seen.pulses_planned, seen.pulses_delivered) == (77, 60, 12)
    assert seen.samples_dropped == 3
    assert not seen.troubled
    assert json.loads(json.dumps(seen.plain(), allow_nan=False))["live"] is True


def test_faults_and_alarms_come_and_go() -> None:
    fleet, teller = made()
    teller.all()
    fault = Fault.FOOT_DISAGREES
    status = example_status(
        state=State.FAULT, faults=frozenset({fault}), faults_present=frozenset(), first_fault=fault
    )
    teller.say("state", state_payload(status, HostFacts(link_up=True), teller.stamp()))
    ((name, payload),) = fault_alarms(status, teller.stamp()).items()
    teller.say(f"alarm/{name}", payload)
    seen = row(fleet)
    assert seen.faults == ("foot_disagrees",)
    assert list(seen.alarms) == ["foot-disagrees"]
    assert seen.alarms["foot-disagrees"] == payload["text"]
    assert seen.troubled
    fleet.take(f"{ROOT}alarm/{name}", b"")
    teller.state()
    assert (row(fleet).alarms, row(fleet).faults, row(fleet).troubled) == ({}, (), False)


def test_all_faults_at_once_are_told() -> None:
    fleet, teller = made()
    teller.all()
    every = frozenset(fault for fault in Fault if fault is not Fault.NONE)
    teller.state(faults=every, faults_present=every, first_fault=min(every))
    for name in FAULT_ALARM_IDS:
        teller.say(
            f"alarm/{name}",
            alarm_payload(teller.stamp(), text="x", cause="", action="", first=True, present=True),
        )
    assert len(row(fleet).faults) == len(every) == len(row(fleet).alarms)


def test_a_laser_that_its_daemon_does_not_hear_is_in_trouble_and_unknown() -> None:
    fleet, teller = made()
    teller.all()
    teller.say("state", state_payload(None, HostFacts(link_up=False), teller.stamp()))
    seen = row(fleet)
    assert (seen.live, seen.state, seen.link_up, seen.troubled) == (True, "unknown", False, True)


def test_a_purged_laser_is_gone() -> None:
    fleet, teller = made()
    teller.all()
    teller.say(
        "alarm/door", alarm_payload(teller.stamp(), text="x", cause="", action="", first=True, present=True)
    )
    for suffix in ("status", "about", "state"):
        assert len(fleet) == 1
        fleet.take(ROOT + suffix, b"")
    assert len(fleet) == 1
    fleet.take(ROOT + "alarm/door", b"")
    assert len(fleet) == 0


def test_sites_can_be_chosen_and_lasers_come_in_order() -> None:
    fleet = Fleet("laser/v1")
    for site, device in (("b", "2"), ("a", "9"), ("b", "1"), ("c", "1")):
        Teller(fleet, f"laser/v1/{site}/{device}/").birth()
    assert [(one.site, one.device) for one in fleet.rows(NOON_US)] == [
        *(("a", "9"), ("b", "1"), ("b", "2"), ("c", "1"))
    ]
    assert [(one.site, one.device) for one in fleet.rows(NOON_US, ["b", "nowhere"])] == [
        ("b", "1"),
        ("b", "2"),
    ]
    assert sorted(fleet.without_about()) == [("a", "9"), ("b", "1"), ("b", "2"), ("c", "1")]


# -- energy


def test_the_energy_is_the_mean_of_the_last_pulses_against_what_was_set() -> None:
    fleet, teller = made()
    for number in range(1, 31):  # the first ten do not count any more
        teller.pulse(number, 90.0 if number <= 10 else 98.0, 100.0)
    energy = row(fleet).energy
    assert energy is not None
    assert (energy.pulses, energy.mean_mj, energy.set_mj, energy.trend) == (20, 98.0, 100.0, "steady")
    assert energy.off_percent == pytest.approx(-2.0)


@pytest.mark.parametrize(
    ("energies", "trend"),
    [
        ([100.0] * 5, None),
        ([100.0] * 6, "steady"),
        ([100.0] * 3 + [100.9] * 3, "steady"),
        ([100.0] * 3 + [101.1] * 3, "rising"),
        ([100.0] * 3 + [98.9] * 3, "falling"),
        ([float(100 - n) for n in range(20)], "falling"),
    ],
)
def test_the_trend_holds_the_newer_half_against_the_older(energies: list[float], trend: str | None) -> None:
    fleet, teller = made()
    for number, measured_mj in enumerate(energies):
        teller.pulse(number, measured_mj, 100.0)
    energy = row(fleet).energy
    assert energy is not None
    assert energy.trend == trend


def test_another_set_energy_is_no_trend() -> None:
    fleet, teller = made()
    for number in range(20):
        set_mj = 50.0 if number < 10 else 150.0
        teller.pulse(number, set_mj * 1.02, set_mj)
    energy = row(fleet).energy
    assert energy is not None
    assert (energy.trend, energy.set_mj) == ("steady", 100.0)
    assert energy.off_percent == pytest.approx(2.0)


def test_pulses_that_nobody_judges_are_no_energy() -> None:
    fleet, _ = made()
    root, seq = ROOT + "pulse", iter(range(1, 20))
    for more in (
        {"flags": "calibration"}, {"flags": "low_energy,skipped"}, {"flags": "missing"}, {"unknown": True},
        {"monitor_a_mj": None}, {"set_energy_mj": 0}, {"set_energy_mj": 1e-320}, {"set_energy_mj": True},
    ):  # fmt: skip
        told = {"ts": "2026-03-01T12:00:00Z", "boot": "r", "seq": next(seq), "pulse_number": 5}
        told |= {"flags": "", "unknown": False, "set_energy_mj": 100.0, "monitor_a_mj": 100.0, **more}
        fleet.take(root, json.dumps(told).encode())
    assert (fleet.taken, row(fleet).energy, row(fleet).pulses) == (8, None, 5)


def test_a_pulse_that_comes_again_counts_once_in_each_run() -> None:
    fleet, teller = made()
    for number in (1, 2, 2, 1, 3):
        teller.pulse(number)
    other = Teller(fleet, boot="run-2")
    other.pulse(1)
    teller.pulse(4)  # late, of the run before
    teller.pulse(4)
    assert fleet.repeated == 3
    energy = row(fleet).energy
    assert energy is not None
    assert energy.pulses == 5
    assert row(fleet).pulses == 4
