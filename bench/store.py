"""Pulses made durable in a second, one or fifty to a transaction, beside bare writes with fsync."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Final

from bench.figures import Figure, Group, timed
from controller.store import DeviceRecord, PulseRecord, Store

REPEATS: Final = 9
TRANSACTIONS: Final = 30  # in each repeat
TOGETHER: Final = 50
PAGE: Final = bytes(4_096)
NOW: Final = datetime(2030, 1, 1, tzinfo=UTC)
SERIAL: Final = "BENCH-1"
DEVICE: Final = DeviceRecord(SERIAL, "bench", "1", simulated=True, identity={}, baseline_pulse=0)
PULSE: Final = PulseRecord(
    device_serial=SERIAL,
    pulse_number=1,
    device_boot=1,
    permit_id=1,
    series=1,
    device_time_us=1,
    set_energy_mj=173.0,
    monitor_a_mj=173.5,
    monitor_b_mj=172.5,
    pulse_width_ps=751.0,
    wavelength_nm=755,
    mode_width_ps=750,
    spot_mm=3.5,
    handpiece="zoom",
    flags=frozenset(),
    aperture=True,
    unknown=False,
    fluence_j_cm2=1.8,
    session_id=None,
    wall_time=NOW,
    mono_us=1,
)


def measure(folder: Path) -> Group:
    """On the disk of `folder`."""
    numbers = count(1)
    singly, together, bare = [], [], []
    with (
        Store.open(folder / "bench.sqlite3", wall_clock=lambda: NOW) as store,
        (folder / "bare").open("wb", buffering=0) as file,
    ):
        store.save_device(DEVICE)

        def record(pulses: int) -> None:
            store.record_pulses([replace(PULSE, pulse_number=next(numbers)) for _ in range(pulses)])

        def write() -> None:
            file.write(PAGE)
            os.fsync(file.fileno())

        for _ in range(REPEATS):
            bare.append(TRANSACTIONS / timed(lambda: _often(write)))
            singly.append(TRANSACTIONS / timed(lambda: _often(lambda: record(1))))
            together.append(TOGETHER * TRANSACTIONS / timed(lambda: _often(lambda: record(TOGETHER))))
        recorded = store.count_pulses(SERIAL)
    assert recorded == REPEATS * TRANSACTIONS * (1 + TOGETHER), recorded
    ratios = tuple(ours / plain for ours, plain in zip(singly, bare, strict=True))
    return Group(
        "Pulses made durable, with audit entry and MQTT message",
        [
            Figure("singly", "pulses/s", tuple(singly)),
            Figure(f"{TOGETHER} a transaction", "pulses/s", tuple(together)),
            Figure("bare write of 4 KiB and fsync", "writes/s", tuple(bare)),
            Figure("singly, of bare writes", "ratio", ratios),
        ],
    )


def _often(work: Callable[[], None]) -> None:
    for _ in range(TRANSACTIONS):
        work()
