"""A laser's daemon on paper: what it tells, by the real payloads, straight into a fleet."""

from datetime import UTC, datetime, timedelta
from typing import Any

from bench.codec import example_status
from controller.fleet import Fleet, Row
from protocols.payloads import (
    HostFacts,
    Stamp,
    about_payload,
    birth_payload,
    encode,
    pulse_payload,
    state_payload,
    telemetry_payload,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOON_US = 1_772_366_400_000_000  # by `date -d 2026-03-01T12:00Z +%s`
SECOND = 1_000_000
ROOT = "laser/v1/room-1/laser-1/"


class Teller:
    """One laser's daemon, told by the real payloads."""

    def __init__(self, fleet: Fleet, root: str = ROOT, boot: str = "run-1", hz: float = 1.0) -> None:
        self.fleet = fleet
        self.root = root
        self.boot = boot
        self.hz = hz
        self.seq = 0

    def stamp(self, after_s: float = 0.0) -> Stamp:
        return Stamp(NOON + timedelta(seconds=after_s), 7, self.boot, sim=True)

    def say(self, suffix: str, payload: Any, **more: Any) -> None:
        self.seq += 1
        self.fleet.take(self.root + suffix, encode({"seq": self.seq, **payload, **more}))

    def about(self) -> None:
        payload = about_payload(
            {"serial": "PL-1", "model": "PL-200"},
            self.stamp(),
            telemetry_hz=self.hz,
            software_version="1",
            clock_source="system",
        )
        self.say("about", payload)

    def birth(self) -> None:
        self.say("status", birth_payload(self.boot, NOON))

    def state(self, after_s: float = 0.0, link_up: bool = True, **changes: Any) -> None:
        status = example_status(**changes)
        self.say("state", state_payload(status, HostFacts(link_up=link_up), self.stamp(after_s)))

    def sample(self, after_s: float = 0.0, dropped: int = 0, **changes: Any) -> None:
        facts = HostFacts(link_up=True, pulses_planned=60, pulses_delivered=12)
        payload = telemetry_payload(example_status(**changes), None, facts, self.stamp(after_s))
        self.say("telemetry", payload, samples_dropped=dropped)

    def pulse(self, number: int, measured_mj: float = 173.0, set_mj: float = 173.0, **more: Any) -> None:
        record: dict[str, Any] = {
            "pulse_number": number,
            "set_energy_mj": set_mj,
            "monitor_a_mj": measured_mj,
        }
        record |= {"flags": frozenset(), "unknown": False} | more
        payload = pulse_payload(record, self.stamp())
        self.fleet.take(self.root + "pulse", encode({**payload, **{"late_s": 0.0, "seq": number}}))

    def all(self, after_s: float = 0.0) -> None:
        self.about()
        self.birth()
        self.state(after_s)
        self.sample(after_s)


def made() -> tuple[Fleet, Teller]:
    fleet = Fleet("laser/v1")
    return fleet, Teller(fleet)


def row(fleet: Fleet, after_s: float = 0.0) -> Row:
    (only,) = fleet.rows(NOON_US + int(after_s * SECOND))
    return only
