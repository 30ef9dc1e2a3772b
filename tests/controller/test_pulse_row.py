"""A pulse's row and its text in the audit, against the plain way to say them."""

import json
from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.store import PulseRecord
from controller.store.pulse_row import COLUMNS, row_of, told

finite = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**60), 2**60)
int64 = st.integers(-(2**63), 2**63 - 1)
text = st.text(min_size=1) | st.sampled_from(['"', "\\", "\x00", "é", "\U0001f600", "%s", "{0}"])
records = st.builds(
    PulseRecord,
    device_serial=text,
    pulse_number=st.integers(1, 2**63 - 1),
    device_boot=int64,
    permit_id=int64,
    series=int64,
    device_time_us=int64,
    set_energy_mj=finite,
    monitor_a_mj=st.none() | finite,
    monitor_b_mj=st.none() | finite,
    pulse_width_ps=st.none() | finite,
    wavelength_nm=int64,
    mode_width_ps=int64,
    spot_mm=finite,
    handpiece=text,
    flags=st.frozensets(st.sampled_from(["double", "width", "early", "unknown"])),
    aperture=st.booleans(),
    unknown=st.booleans(),
    fluence_j_cm2=finite,
    session_id=st.none() | text,
    wall_time=st.datetimes(
        datetime(2, 1, 1),  # noqa: DTZ001  # the strategy wants naive bounds
        datetime(9998, 1, 1),  # noqa: DTZ001
        timezones=st.sampled_from([UTC, timezone(timedelta(hours=5))]),
    ),
    mono_us=int64,
    rep_rate_hz=st.none() | finite,
    lamp_v=st.none() | finite,
    coolant_c=st.none() | finite,
)


def plainly(pulse: PulseRecord) -> dict[str, object]:
    """Field by field, by its declared type."""
    plain: dict[str, object] = {}
    for field in fields(PulseRecord):
        value = getattr(pulse, field.name)
        if field.type in (float, float | None) and value is not None:
            value = float(value) or 0.0
        elif field.type is bool:
            value = 1 if value else 0
        plain[field.name] = value
    plain["flags"] = ",".join(sorted(pulse.flags))
    plain["wall_time"] = pulse.wall_time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")
    return plain


@pytest.mark.shows("REQ-042")
@given(records)
def test_a_row_and_its_text_are_what_the_plain_way_makes_of_any_pulse(pulse: PulseRecord) -> None:
    plain, row = plainly(pulse), row_of(pulse)
    assert dict(zip(COLUMNS, row, strict=True)) == plain
    assert [type(value) for value in row] == [type(plain[name]) for name in COLUMNS]
    assert told(row) == json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)
