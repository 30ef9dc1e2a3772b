"""What the daemon tells its listeners of the laser: every change at once, samples at their own pace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, fields, replace
from datetime import datetime
from importlib.metadata import version
from operator import attrgetter
from typing import Final

from controller.fanout import Fanout, Kind
from controller.recorder import Event
from controller.store import PulseRecord
from controller.treatment import Treatment
from hal.laser_values import LaserCapabilities, LaserIdentity
from protocols.messages import Status, Telemetry
from protocols.payloads import (
    HostFacts,
    Quality,
    Stamp,
    about_payload,
    alarm_payload,
    fault_alarms,
    state_payload,
    telemetry_payload,
    utc_text,
)
from protocols.topics import FAULT_ALARM_IDS
from safety.audit import Head
from safety.freshness import Input
from safety.freshness import Quality as InputQuality
from safety.latches import LatchId
from safety.supervisor import Supervisor

STATE_REFRESH_US: Final = 1_000_000  # [C] without a change; those who publish it decide how often they do


def _host_alarm_id(latch: LatchId) -> str:
    return f"host-{latch.value.replace('_', '-')}"


ALARM_IDS: Final = FAULT_ALARM_IDS | {_host_alarm_id(latch) for latch in LatchId}
"""Every alarm there can be: what an earlier run left at the broker is cleared by its id."""

_STATE, _ALARMS, _TELEMETRY = Kind.STATE, Kind.ALARMS, Kind.TELEMETRY  # asked for with every Status
_ALWAYS_NEW: Final = frozenset({"device_time_us", "challenge"})
_news = attrgetter(*(field.name for field in fields(Status) if field.name not in _ALWAYS_NEW))


class Teller:
    """Turns what comes in into what listeners understand; never waits, and does nothing for nobody.

    Who begins to listen is told the state at the next Status, and all alarms with it.
    """

    def __init__(
        self,
        fanout: Fanout,
        supervisor: Supervisor,
        treatment: Treatment,
        *,
        boot: str,
        telemetry_hz: float,
        wall_clock: Callable[[], datetime],
        now_us: Callable[[], int],
        audit_head: Callable[[], Head | None] = lambda: None,
        proofs_due: Callable[[], str] = lambda: "",
    ) -> None:
        self._fanout = fanout
        self._audit_head = audit_head
        self._proofs_due = proofs_due
        self._supervisor = supervisor
        self._treatment = treatment
        self._boot = boot
        self._telemetry_hz = telemetry_hz
        self._period_us = round(1e6 / telemetry_hz)
        self._wall_clock = wall_clock
        self._now_us = now_us
        self._simulated: bool | None = None
        self._status: Status | None = None
        self._telemetry: Telemetry | None = None
        self._told: object = None
        self._told_us = 0
        self._sampled_us = 0
        self._alarms: object = None

    def about(self, identity: LaserIdentity, capabilities: LaserCapabilities) -> None:
        """A laser was identified."""
        self._simulated = identity.simulated
        modes, named, numbers = capabilities.modes, asdict(identity), asdict(capabilities)
        known = {
            **{name: value for name, value in named.items() if name not in {"interface_hash", "boot"}},
            **{name: value for name, value in numbers.items() if name not in {"modes", "rates_hz"}},
            "modes": ", ".join(
                f"{mode.wavelength_nm} nm {mode.mode_width_ps} ps up to {mode.energy_max_mj:g} mJ"
                for mode in modes
            ),
            "rep_rates_hz": ", ".join(f"{rate_hz:g}" for rate_hz in capabilities.rates_hz),
            "energy_min_mj": min(mode.energy_min_mj for mode in modes),
            "energy_max_mj": max(mode.energy_max_mj for mode in modes),
        }
        about = about_payload(
            known,
            self._stamp(),
            telemetry_hz=self._telemetry_hz,
            software_version=version("picolase"),
            clock_source="system",
        )
        self._fanout.tell(Kind.ABOUT, about)

    def status(self, status: Status) -> None:
        """A Status came in: told when it is news; with it the sample that is due."""
        self._status = status
        self.refresh()
        if not self._fanout.hears(_TELEMETRY):
            return
        now_us = self._now_us()
        if now_us - self._sampled_us >= self._period_us:
            self._sampled_us = now_us
            sample = telemetry_payload(status, self._telemetry, self._host(), self._stamp())
            self._fanout.tell(Kind.TELEMETRY, sample)

    def down(self) -> None:
        """The laser is gone: nothing is claimed of it any more."""
        self._status = self._telemetry = None
        self.refresh()

    def refresh(self, *, at_once: bool = False) -> None:
        """Tell the state when it is news, and each second; to be called at least that often."""
        if not (self._fanout.hears(_STATE) or self._fanout.hears(_ALARMS)):
            self._told = self._alarms = None
            return
        status = self._status
        now_us = self._now_us()
        host = self._host()
        news = (None if status is None else _news(status), host)
        if at_once or news != self._told or now_us - self._told_us >= STATE_REFRESH_US:
            self._told, self._told_us = news, now_us
            if (head := self._audit_head()) is not None:  # grows with each pulse: no news by itself
                host = replace(host, audit_index=head.index, audit_hash=head.hash)
            self._fanout.tell(Kind.STATE, state_payload(status, host, self._stamp()))
            self._tell_alarms(status)

    def telemetry(self, telemetry: Telemetry) -> None:
        """Slow values came in; they go out with the next sample."""
        self._telemetry = telemetry

    def pulse(self, pulse: PulseRecord) -> None:
        """A new pulse is on disk."""
        if not self._fanout.hears(Kind.PULSE):
            return
        told = asdict(pulse) | {"flags": sorted(pulse.flags), "wall_time": utc_text(pulse.wall_time)}
        self._fanout.tell(Kind.PULSE, told)

    def event(self, event: Event) -> None:
        """An event is on disk."""
        if not self._fanout.hears(Kind.EVENT):
            return
        told = {"event": event.kind.value, "severity": event.severity.value, "text": event.text}
        self._fanout.tell(Kind.EVENT, told | {"actor": event.actor, "mono_us": event.now_us})

    def _tell_alarms(self, status: Status | None) -> None:
        stamp = self._stamp()
        latches = self._supervisor.latches
        faults = (status.faults, status.first_fault, status.faults_present) if status else ()
        key = (faults, latches)
        if key == self._alarms:
            return
        self._alarms = key
        alarms = fault_alarms(status, stamp) if status else {}
        for latch in latches:
            if latch.id is not LatchId.DEVICE_FAULT:  # the device's own say more
                alarms[_host_alarm_id(latch.id)] = alarm_payload(
                    stamp,
                    text=latch.text,
                    cause=latch.text,
                    action=latch.action,
                    first=latch is latches[0],
                    present=self._supervisor.cause_present(latch, self._now_us()),
                )
        self._fanout.tell(Kind.ALARMS, alarms)

    def _host(self) -> HostFacts:
        session, latches = self._treatment.session, self._supervisor.latches
        return HostFacts(
            link_up=self._supervisor.link is not None,
            latches=tuple(latch.id.value for latch in latches),
            first_cause=latches[0].id.value if latches else "",
            pulses_planned=session.plan.pulses if session else None,
            pulses_delivered=session.tally.given if session else None,
            proof_tests_due=self._proofs_due(),
        )

    def _stamp(self) -> Stamp:
        seen = self._supervisor.quality(Input.STATUS, self._now_us())
        quality = {InputQuality.GOOD: Quality.GOOD, InputQuality.STALE: Quality.STALE}.get(seen, Quality.BAD)
        return Stamp(self._wall_clock(), self._now_us(), self._boot, self._simulated, quality)
