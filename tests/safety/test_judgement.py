"""The judgement of a pulse, around every limit."""

import itertools
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.fields import U32_MAX
from protocols.messages import PulseFlag, PulseReport
from safety.judgement import Finding, impossible, judge
from tests.safety.laser import TELEMETRY, report

F = Finding
NONE_LIGHT = {PulseFlag.SKIPPED, PulseFlag.MISSING}
DEVICE_SAYS_BAD = {
    PulseFlag.MISSING,
    PulseFlag.DOUBLE,
    PulseFlag.ENERGY_HIGH,
    PulseFlag.ENERGY_LOW,
    PulseFlag.WIDTH,
    PulseFlag.MONITORS_DISAGREE,
    PulseFlag.COMPARATOR,
}


def oracle(pulse: PulseReport) -> set[Finding]:
    """The requirements said again, in exact fractions of the set values."""
    flags = set(pulse.flags)
    if PulseFlag.UNKNOWN in flags:
        return set()
    found = {F.DEVICE_FLAG} if flags & DEVICE_SAYS_BAD else set()
    if flags & NONE_LIGHT:
        return found | (
            {F.LIGHT_ALTHOUGH_NONE} if max(pulse.monitor_a_uj, pulse.monitor_b_uj) > 2000 else set()
        )
    saturated = 5_000_000 in (pulse.monitor_a_uj, pulse.monitor_b_uj) or pulse.pulse_width_ps == 2**32 - 1
    closed = PulseFlag.SHUTTER_CLOSED in flags
    found |= {F.SATURATED} if saturated else set()
    found |= {F.LIGHT_PAST_SHUTTER} if closed and pulse.monitor_b_uj > 2000 else set()
    if PulseFlag.CALIBRATION in flags or (closed and pulse.permit_id == 0):
        return found
    if pulse.set_energy_uj == 0 or pulse.mode_width_ps == 0:
        found.add(F.NO_SETTING)
    energies = [Fraction(pulse.monitor_a_uj)] + ([] if closed else [Fraction(pulse.monitor_b_uj)])
    if any(energy > Fraction(115, 100) * pulse.set_energy_uj for energy in energies):
        found.add(F.ENERGY_HIGH)
    if any(energy < Fraction(85, 100) * pulse.set_energy_uj for energy in energies):
        found.add(F.ENERGY_LOW)
    if not closed and abs(energies[0] - energies[1]) > Fraction(1, 10) * sum(energies) / 2:
        found.add(F.MONITORS_DIFFER)
    if pulse.pulse_width_ps < 450 or pulse.pulse_width_ps > 825:
        found.add(F.WIDTH_WINDOW)
    mode = Fraction(pulse.mode_width_ps)
    if not mode * Fraction(85, 100) <= pulse.pulse_width_ps <= mode * Fraction(115, 100):
        found.add(F.WIDTH_MODE)
    return found


def test_a_pulse_as_set_has_no_finding_and_is_put_into_words() -> None:
    judgement = judge(report())
    assert judgement.findings == frozenset()
    assert "as set" in judgement.text
    assert "173000 uJ" in judgement.text


ENERGIES = (
    0,
    1,
    2_000,
    2_001,
    84_999,
    85_000,
    95_000,
    100_000,
    105_000,
    115_000,
    115_001,
    4_999_999,
    5_000_000,
)


@pytest.mark.shows("REQ-018", "REQ-019")
@pytest.mark.parametrize("flag", [None, PulseFlag.SHUTTER_CLOSED, PulseFlag.CALIBRATION, PulseFlag.SKIPPED])
def test_energy_limits_hold_for_every_pair_of_monitor_readings_around_them(flag: PulseFlag | None) -> None:
    flags = frozenset() if flag is None else frozenset({flag})
    for a, b, permit in itertools.product(ENERGIES, ENERGIES, (0, 900)):
        pulse = report(set_energy_uj=100_000, monitor_a_uj=a, monitor_b_uj=b, permit_id=permit, flags=flags)
        assert judge(pulse).findings == oracle(pulse), pulse


@pytest.mark.shows("REQ-047", "HZ-012")
@pytest.mark.parametrize("mode", [0, 450, 500, 530, 550, 650, 717, 718, 750])
def test_width_limits_hold_for_every_width_of_every_mode(mode: int) -> None:
    for width in (*range(370, 900), 0, U32_MAX - 1, U32_MAX):
        pulse = report(mode_width_ps=mode, pulse_width_ps=width)
        assert judge(pulse).findings == oracle(pulse), pulse


@pytest.mark.parametrize(
    ("finding", "pulse"),
    [
        (F.SATURATED, report(monitor_a_uj=5_000_000)),
        (F.SATURATED, report(pulse_width_ps=U32_MAX)),
        (F.NO_SETTING, report(set_energy_uj=0)),
        (F.NO_SETTING, report(mode_width_ps=0)),
        (F.ENERGY_HIGH, report(monitor_a_uj=198_951, monitor_b_uj=198_951)),
        (F.ENERGY_LOW, report(monitor_b_uj=147_049, monitor_a_uj=147_049)),
        (F.MONITORS_DIFFER, report(monitor_a_uj=180_000, monitor_b_uj=162_000)),
        (F.WIDTH_WINDOW, report(pulse_width_ps=826)),
        (F.WIDTH_MODE, report(pulse_width_ps=637)),
        (F.LIGHT_PAST_SHUTTER, report(flags=frozenset({PulseFlag.SHUTTER_CLOSED}))),
        (F.LIGHT_ALTHOUGH_NONE, report(flags=frozenset({PulseFlag.SKIPPED}))),
        (F.DEVICE_FLAG, report(flags=frozenset({PulseFlag.DOUBLE}))),
    ],
)
def test_each_finding_is_made_and_named(finding: Finding, pulse: PulseReport) -> None:
    judgement = judge(pulse)
    assert finding in judgement.findings
    assert finding.value in judgement.text


@pytest.mark.parametrize("flags", [frozenset(pair) for pair in itertools.combinations(PulseFlag, 2)])
def test_flags_of_the_device_count_as_the_requirements_say(flags: frozenset[PulseFlag]) -> None:
    for pulse in (report(flags=flags), report(flags=flags, monitor_a_uj=0, monitor_b_uj=0, permit_id=0)):
        assert judge(pulse).findings == oracle(pulse)


PULSES = st.builds(
    report,
    set_energy_uj=st.integers(0, 500_000),
    monitor_a_uj=st.integers(0, 5_000_000),
    monitor_b_uj=st.integers(0, 5_000_000),
    mode_width_ps=st.integers(0, 2_000),
    pulse_width_ps=st.integers(0, U32_MAX),
    flags=st.frozensets(st.sampled_from(PulseFlag)),
    permit_id=st.sampled_from([0, 900]),
)


@pytest.mark.shows("REQ-018", "REQ-019", "REQ-047", "REQ-048")
@given(PULSES)
def test_any_pulse_is_judged_as_the_requirements_say(pulse: PulseReport) -> None:
    assert judge(pulse).findings == oracle(pulse)


@pytest.mark.parametrize(
    ("field", "value", "bad"),
    [
        ("coolant_mc", -50_000, True),
        ("coolant_mc", -49_999, False),
        ("coolant_mc", 149_999, False),
        ("coolant_mc", 150_000, True),
        ("hv_mv", 0, False),
        ("hv_mv", 1_999_999, False),
        ("hv_mv", 2_000_000, True),
        ("flow_ml_min", 0, False),
        ("flow_ml_min", 99_999, False),
        ("flow_ml_min", 100_000, True),
        ("indicator_ua", 0, False),
        ("indicator_ua", 9_999_999, False),
        ("indicator_ua", 10_000_000, True),
        ("aiming_uw", 0, False),
        ("aiming_uw", 999_999, False),
        ("aiming_uw", 1_000_000, True),
    ],
)
def test_a_value_at_the_end_of_its_range_cannot_be(field: str, value: int, bad: bool) -> None:
    changes: dict[str, Any] = {field: value}
    words = impossible(replace(TELEMETRY, **changes))
    assert (field in words) if bad else words == ""


def test_a_pulse_of_unknown_fate_is_not_said_to_be_as_set() -> None:
    judgement = judge(report(flags=frozenset({PulseFlag.UNKNOWN})))
    assert (judgement.findings, judgement.text) == (frozenset(), "nothing was measured")


@pytest.mark.shows("REQ-019")
@pytest.mark.parametrize(("high_uj", "differs"), [(105_000, False), (105_001, True)])
def test_the_monitors_may_differ_by_exactly_ten_percent_of_their_mean(high_uj: int, differs: bool) -> None:
    for a_uj, b_uj in ((high_uj, 95_000), (95_000, high_uj)):
        found = judge(report(set_energy_uj=100_000, monitor_a_uj=a_uj, monitor_b_uj=b_uj)).findings
        assert found == (frozenset({Finding.MONITORS_DIFFER}) if differs else frozenset())
