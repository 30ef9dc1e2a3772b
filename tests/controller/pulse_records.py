"""A store of pulses, and a pulse to be changed field by field."""

from datetime import UTC, datetime

from controller.store import DeviceRecord, PulseRecord, Store

NOW = datetime(2026, 3, 4, 5, 6, 7, 89, tzinfo=UTC)
SERIAL = "PL-0001"
PULSE = PulseRecord(
    device_serial=SERIAL,
    pulse_number=1,
    device_boot=7,
    permit_id=42,
    series=3,
    device_time_us=123_456_789,
    set_energy_mj=200.0,
    monitor_a_mj=199.5,
    monitor_b_mj=198.0,
    pulse_width_ps=748.0,
    wavelength_nm=755,
    mode_width_ps=750,
    spot_mm=6.0,
    handpiece="zoom",
    flags=frozenset({"first"}),
    aperture=True,
    unknown=False,
    fluence_j_cm2=0.7,
    session_id=None,
    wall_time=NOW,
    mono_us=5_000_000,
)


def new_store(baseline: int = 0) -> Store:
    store = Store.in_memory(wall_clock=lambda: NOW)
    store.save_device(DeviceRecord(SERIAL, "PL-200", "1.0", True, {"spots_mm": [6, 8]}, baseline))
    return store
