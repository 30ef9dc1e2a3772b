"""The report: everything the daemon knows now, as one JSON object; what `GET /status` answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from controller.calibrating import CalibrationKeeper
from controller.commands import Commands
from controller.laser_link import LaserLink
from controller.mqtt import MqttHealth
from controller.openings import Openings
from controller.recorder import Recorder
from controller.session import Session
from controller.treatment import Treatment
from hal.reconnect import LineState
from protocols.messages import Status, Telemetry
from protocols.payloads import utc_text
from protocols.values import user_values
from safety.freshness import Input, InputView
from safety.supervisor import Supervisor

WEB_OFF: Final = {"state": "off", "address": "", "trouble": None, "watchers": 0, "fleet": False}


class Reporter:
    """Puts the report together; asks nobody who would have to wait."""

    def __init__(
        self,
        *,
        boot: str,
        port: str,
        store_path: str,
        supervisor: Supervisor,
        recorder: Recorder,
        commands: Commands,
        treatment: Treatment,
        link: LaserLink,
        calibrations: CalibrationKeeper,
        openings: Openings,
        lease: Callable[[], dict[str, Any] | None],
        people: Callable[[], dict[str, Any] | None],
        mqtt: Callable[[], MqttHealth | None],
        web: Callable[[], dict[str, Any] | None],
        wall_clock: Callable[[], datetime],
        now_us: Callable[[], int],
    ) -> None:
        self.telemetry: Telemetry | None = None
        self._boot = boot
        self._port = port
        self._store_path = store_path
        self._supervisor = supervisor
        self._recorder = recorder
        self._commands = commands
        self.treatment = treatment
        self._link = link
        self.calibrations = calibrations
        self._openings = openings
        self._lease = lease
        self._people = people
        self._mqtt = mqtt
        self._web = web
        self._wall_clock = wall_clock
        self._now_us = now_us

    def report(self) -> dict[str, Any]:
        """Everything, in the user's units."""
        now_us = self._now_us()
        view = self._supervisor.view(now_us)
        store = view.inputs[Input.STORE.value]
        return {
            "time": utc_text(self._wall_clock()),
            "boot": self._boot,
            "link": self._line(now_us),
            "clock": self._clock(),
            "device": self._device(view),
            "laser": _aged(self._commands.status, view.inputs[Input.STATUS.value]),
            "telemetry": _aged(self.telemetry, view.inputs[Input.TELEMETRY.value]),
            "supervisor": {
                "latches": [
                    {
                        "name": latch.id.value,
                        "instance": latch.instance,
                        "text": latch.text,
                        "action": latch.action,
                        "cause_present": self._supervisor.cause_present(latch, now_us),
                    }
                    for latch in view.latches
                ],
                "arm_refusals": [asdict(reason) for reason in view.arming_refused],
                "heartbeat": "withheld" if view.heartbeat_withheld else "sent",
                "withheld_because": [asdict(reason) for reason in view.heartbeat_withheld],
                "intent": view.intent.name.lower(),
                "permit": asdict(view.permit) if view.permit else None,
                "inputs": {name: _input(seen) for name, seen in view.inputs.items()},
            },
            "session": session_report(self.treatment.session or self.treatment.last),
            "lease": self._lease(),
            "people": self._people(),
            "proof_tests": self._openings.report(),
            "books": asdict(self._recorder.books),
            "uncertain": [
                {"id": known_as, "kind": kind, "text": "its outcome is not known"}
                for known_as, kind in self._commands.uncertain.items()
            ],
            "mqtt": self._broker(),
            "web": self._web() or WEB_OFF,
            "store": {
                "path": self._store_path,
                "ok": store.quality.value == "good",
                "text": store.text,
                "events_dropped": self._recorder.dropped_events,
            },
        }

    def _line(self, now_us: int) -> dict[str, Any]:
        states = {LineState.CONNECTED: "up", LineState.CONNECTING: "connecting"}
        return {
            "state": states.get(self._link.line, "down"),
            "port": self._port,
            "reason": self._link.line_text,
            "since_s": (now_us - self._link.line_since_us) / 1e6,
        }

    def _device(self, view: Any) -> dict[str, Any] | None:
        identity, laser = self._link.identity, self._commands.laser
        if identity is None:
            return None
        return {
            "serial": identity.serial,
            "model": identity.model,
            "firmware": identity.firmware_version,
            "build_id": identity.build_id,
            "simulated": identity.simulated,
            "interface_matches": laser.session.interface_matches if laser else None,
            "calibration": self._calibration(),
        }

    def _calibration(self) -> dict[str, Any] | None:
        record = self.calibrations.record
        if record is None:
            return None
        return {
            "calibrated": utc_text(record.calibrated),
            "expires": utc_text(record.expires),
            "operator": record.operator,
            "points": [asdict(point) for point in record.points],
        }

    def _broker(self) -> dict[str, Any]:
        health = self._mqtt()
        if health is None:
            return {"state": "off", "dropped": 0, "waiting": 0, "trouble": None, "since_s": None}
        return {
            "state": "up" if health.connected else "down",
            "trouble": health.trouble,
            "dropped": health.samples_dropped,
            "sent": health.sent,
            "since_s": health.since_s,
        }

    def _clock(self) -> dict[str, Any]:
        """How well the laser's time is known here: permits end by it."""
        laser = self._commands.laser
        error_us = None if laser is None else laser.clock.error_us
        return {
            "laser_known": error_us is not None,
            "laser_error_ms": None if error_us is None else error_us / 1000,
            "laser_drift_ppm": None if laser is None or error_us is None else laser.clock.drift_ppm,
        }


def session_report(session: Session | None) -> dict[str, Any] | None:
    """A session as the API tells it."""
    if session is None:
        return None
    plan, tally, left = session.plan, session.tally, session.tally.given
    series = list(plan.series * plan.passes)
    series_done = []
    for planned in series:
        series_done.append(min(planned, left))
        left -= series_done[-1]
    return {
        "id": session.record.id,
        "name": plan.name,
        "operator": session.record.operator,
        "state": session.state,
        "planned": plan.pulses,
        "delivered": tally.given,
        "unknown": tally.unknown,
        "remaining": session.remaining,
        "series": series,
        "series_done": series_done,
        "dose_j_cm2": tally.dose_j_cm2,
        "energy_mj": tally.energy_mj,
        "rehearsal": plan.rehearsal,
        "service": plan.service,
        "trigger": plan.trigger,
    }


def _aged(message: Status | Telemetry | None, seen: InputView) -> dict[str, Any] | None:
    return None if message is None else user_values(message) | _input(seen)


def _input(seen: InputView) -> dict[str, Any]:
    age_s = None if seen.age_us is None else seen.age_us / 1e6
    return {"quality": seen.quality.value, "age_s": age_s, "text": seen.text}
