"""A pulse as its row in the database and as its text in the audit: written out, for ten come in a second."""

from dataclasses import fields
from typing import Any, Final

from controller.store.records import PulseRecord, rfc3339
from safety.audit import quoted

COLUMNS: Final = tuple(field.name for field in fields(PulseRecord))
"""Of a row, in its order."""


def row_of(pulse: PulseRecord) -> tuple[Any, ...]:
    """The values of `COLUMNS` as SQLite gives them back: 200 as 200.0, and without a negative zero."""
    a_mj, b_mj, width_ps = pulse.monitor_a_mj, pulse.monitor_b_mj, pulse.pulse_width_ps
    rate_hz, lamp_v, coolant_c = pulse.rep_rate_hz, pulse.lamp_v, pulse.coolant_c
    return (
        pulse.device_serial,
        pulse.pulse_number,
        pulse.device_boot,
        pulse.permit_id,
        pulse.series,
        pulse.device_time_us,
        pulse.set_energy_mj + 0.0,
        None if a_mj is None else a_mj + 0.0,
        None if b_mj is None else b_mj + 0.0,
        None if width_ps is None else width_ps + 0.0,
        pulse.wavelength_nm,
        pulse.mode_width_ps,
        pulse.spot_mm + 0.0,
        pulse.handpiece,
        ",".join(sorted(pulse.flags)) if pulse.flags else "",
        int(pulse.aperture),
        int(pulse.unknown),
        pulse.fluence_j_cm2 + 0.0,
        pulse.session_id,
        rfc3339(pulse.wall_time),
        pulse.mono_us,
        None if rate_hz is None else rate_hz + 0.0,
        None if lamp_v is None else lamp_v + 0.0,
        None if coolant_c is None else coolant_c + 0.0,
    )


def told(row: tuple[Any, ...]) -> str:
    """The canonical JSON of a row by the names of its columns, in a third of the time."""
    (
        serial, number, boot, permit_id, series, device_time_us, set_mj, a_mj, b_mj, width_ps,
        wavelength_nm, mode_ps, spot_mm, handpiece, flags, aperture, unknown, fluence_j_cm2,
        session_id, wall_time, mono_us, rate_hz, lamp_v, coolant_c,
    ) = row  # fmt: skip
    return (
        f'{{"aperture":{aperture:d},"coolant_c":{"null" if coolant_c is None else repr(coolant_c)}'
        f',"device_boot":{boot:d},"device_serial":{quoted(serial)},"device_time_us":{device_time_us:d}'
        f',"flags":{quoted(flags)},"fluence_j_cm2":{fluence_j_cm2!r},"handpiece":{quoted(handpiece)}'
        f',"lamp_v":{"null" if lamp_v is None else repr(lamp_v)},"mode_width_ps":{mode_ps:d}'
        f',"monitor_a_mj":{"null" if a_mj is None else repr(a_mj)}'
        f',"monitor_b_mj":{"null" if b_mj is None else repr(b_mj)},"mono_us":{mono_us:d}'
        f',"permit_id":{permit_id:d},"pulse_number":{number:d}'
        f',"pulse_width_ps":{"null" if width_ps is None else repr(width_ps)}'
        f',"rep_rate_hz":{"null" if rate_hz is None else repr(rate_hz)},"series":{series:d}'
        f',"session_id":{"null" if session_id is None else quoted(session_id)},"set_energy_mj":{set_mj!r}'
        f',"spot_mm":{spot_mm!r},"unknown":{unknown:d},"wall_time":{quoted(wall_time)}'
        f',"wavelength_nm":{wavelength_nm:d}}}'
    )
