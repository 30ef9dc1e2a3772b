"""Publishers as the daemon has them, told what a daemon would tell, each with its outbox in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from time import monotonic_ns
from typing import Final

from bench.broker import HOST
from bench.codec import example_status
from controller import mqtt_rows
from controller.config import MqttConfig
from controller.fanout import Fanout, Kind
from controller.mqtt import MqttPublisher
from controller.store import OutboxMessage
from protocols.messages import Telemetry
from protocols.payloads import HostFacts, Stamp, about_payload, state_payload, telemetry_payload, utc_text
from protocols.topics import PULSE

SITES: Final = 20
SAMPLE: Final = Telemetry(
    sample=1, device_time_us=123_456_789, hv_mv=800_000, coolant_mc=25_000, flow_ml_min=4_000,
    indicator_ua=20_000, aiming_uw=900, simmer_on=True, heater_on=False, lamp_shots=1_000_000,
    frames_rejected=0, skipped_pulses=0,
)  # fmt: skip
FACTS: Final = HostFacts(link_up=True)


class Outbox:
    """An outbox in memory."""

    def __init__(self) -> None:
        self._rows: dict[int, OutboxMessage] = {}
        self._number = 0
        self.empty = asyncio.Event()

    def put(self, now_ns: int) -> None:
        """A pulse of this moment."""
        self._number += 1
        now = datetime.now(UTC)
        told: dict[str, object] = {
            "wall_time": utc_text(now), "mono_us": now_ns // 1000, "pulse_number": self._number,
            "device_boot": 3, "device_time_us": 123_456_789, "permit_id": 5, "flags": "",
            "set_energy_mj": 173.0, "monitor_a_mj": 173.5, "monitor_b_mj": 172.5, "pulse_width_ps": 751,
            "mode_width_ps": 750, "wavelength_nm": 755, "handpiece": "zoom", "spot_mm": 3.5,
            "device_serial": "BENCH-1", "series": 1, "aperture": True, "unknown": False,
            "fluence_j_cm2": 1.8, "session_id": "bench", "simulated": True,
        }  # fmt: skip
        self._rows[self._number] = OutboxMessage(self._number, PULSE.suffix, self._number, told, now)
        self.empty.clear()

    async def next(self, limit: int, *, after_id: int) -> Sequence[OutboxMessage]:
        """The oldest beyond `after_id`."""
        return list(islice((row for row in self._rows.values() if row.id > after_id), limit))

    async def done(self, ids: Sequence[int]) -> None:
        """Forget these."""
        for number in ids:
            del self._rows[number]
        if not self._rows:
            self.empty.set()


class Laser:
    """A daemon's publisher, and what it is told; `outbox` instead of one in memory."""

    def __init__(self, number: int, port: int, outbox: mqtt_rows.Outbox | None = None) -> None:
        self.number = number
        self.outbox = Outbox()
        self._fanout = Fanout()
        self._boot = f"bench-{number}"
        config = MqttConfig(
            host=HOST,
            port=port,
            site=f"site-{number % SITES}",
            device_id=f"laser-{number}",
            telemetry_hz=10.0,
        )
        self.publisher = MqttPublisher(
            config,
            fanout=self._fanout,
            outbox=outbox or self.outbox,
            boot=self._boot,
            wall_clock=lambda: datetime.now(UTC),
            jitter=lambda: 0.5,
            alarm_ids=(),
        )

    def introduce(self) -> None:
        """What it is; a second between its samples."""
        known = {"serial": f"BENCH-{self.number}", "simulated": True}
        about = about_payload(
            known, self._stamp(), telemetry_hz=1.0, software_version="bench", clock_source="system"
        )
        self._fanout.tell(Kind.ABOUT, about)

    def tell(self) -> None:
        """State and a sample of now."""
        status, stamp = example_status(), self._stamp()
        self._fanout.tell(Kind.STATE, state_payload(status, FACTS, stamp))
        self._fanout.tell(Kind.TELEMETRY, telemetry_payload(status, SAMPLE, FACTS, stamp))

    def fire(self) -> None:
        """A pulse of now."""
        self.outbox.put(monotonic_ns())
        self.wake()

    def wake(self) -> None:
        """Tell that there is something in the outbox."""
        self._fanout.tell(Kind.PULSE, {})

    def _stamp(self) -> Stamp:
        return Stamp(datetime.now(UTC), monotonic_ns() // 1000, self._boot, sim=True)


async def started(lasers: Sequence[Laser]) -> list[asyncio.Task[None]]:
    """Let these publish, and wait until each is connected."""
    running = [asyncio.create_task(laser.publisher.run()) for laser in lasers]
    for laser in lasers:
        laser.introduce()
        while not laser.publisher.health.connected:  # noqa: ASYNC110  # it tells nobody
            await asyncio.sleep(0.005)
    return running
