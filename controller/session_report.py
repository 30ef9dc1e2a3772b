"""One session put together from the records: what was meant, set, measured and decided."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from controller.session import SERVICE_ITEMS
from controller.store import CalibrationRecord, PulseRecord, Reader, SessionRecord, moment, rfc3339
from controller.summary import Spread
from safety import checklist
from safety.audit import AuditEntry, Head
from safety.courses import Effect

UNTOLD: Final = frozenset({"pulse", "checkpoint", "command.begin"})
"""What the log leaves out: pulses have their own part, a command its outcome."""

_OPAQUE: Final = frozenset({"session_id", "setpoint_hash", "permit_id"})
"""Of a command's body, what says nothing to people."""

_WORDS: Final = {
    "session.open": "The session was opened",
    "session.interrupted": "The session was interrupted",
    "session.confirmed": "Was confirmed in person",
    "session.done": "The session was done",
    "session.abandoned": "The session was abandoned",
    "calibration": "A calibration was recorded",
    "login": "Logged in",
    "second": "Gave their password as the second person",
    "incident": "The last 30 s were kept as an incident",
    "effect.record": "An adverse effect was recorded",
    "effect.resolve": "An adverse effect had gone",
    "effect.correct": "An adverse effect was taken back",
}

_ORDER: Final = {name: place for place, name in enumerate((*checklist.ITEMS, *SERVICE_ITEMS))}
"""The audit keeps names in the order of the alphabet, people were asked in this one."""


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of the log: when, what, who; `grave` for refusals, faults and trips."""

    index: int
    when: datetime
    actor: str
    kind: str
    text: str
    grave: bool


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What somebody confirmed before the session began or went on: items by name, and in words."""

    index: int
    when: datetime
    actor: str
    eyewear_nm: str
    items: Mapping[str, str]
    course: Mapping[str, str]
    second: str  # who agreed as the second person; empty where none was needed


@dataclass(frozen=True, slots=True)
class SessionReport:
    """Everything about a session; `head` is the audit at its end, or as it is now for one that goes on."""

    session: SessionRecord
    kind: str  # treatment or service
    pulses: tuple[PulseRecord, ...]
    effects: tuple[Effect, ...]
    confirmed: tuple[Confirmation, ...]
    log: tuple[Happening, ...]
    incidents: tuple[str, ...]
    calibration: CalibrationRecord | None
    head: Head | None
    signed_to: int
    faults: tuple[str, ...]  # of the audit and the pulses, as verified for this report

    @property
    def given(self) -> tuple[PulseRecord, ...]:
        """The pulses that count as having left the aperture."""
        return tuple(pulse for pulse in self.pulses if pulse.delivered)

    @property
    def energy_mj(self) -> Spread | None:
        """Energy as measured behind the shutter."""
        return Spread.of(pulse.monitor_b_mj for pulse in self.pulses)

    @property
    def width_ps(self) -> Spread | None:
        """Width as measured."""
        return Spread.of(pulse.pulse_width_ps for pulse in self.pulses)

    @property
    def confirmations(self) -> tuple[str, ...]:
        """Who confirmed what and when, each in a sentence."""
        what = "the conditions of a service" if self.kind == "service" else "the checklist"
        return tuple(
            f"{one.actor} confirmed eyewear for {one.eyewear_nm} nm and {what}, {rfc3339(one.when)} "
            f"(audit entry {one.index})"
            + (f"; {one.second} agreed as the second person" if one.second else "")
            for one in self.confirmed
        )

    def plain(self) -> dict[str, Any]:
        """As JSON knows it; pulses and log in full."""
        return {
            "session": asdict(self.session)
            | {
                "state": self.session.state.value,
                "started": rfc3339(self.session.started),
                "ended": None if self.session.ended is None else rfc3339(self.session.ended),
            },
            "kind": self.kind,
            "confirmations": list(self.confirmations),
            "confirmed": [asdict(one) | {"when": rfc3339(one.when)} for one in self.confirmed],
            "effects": [effect.plain() for effect in self.effects],
            "energy_mj": None if self.energy_mj is None else asdict(self.energy_mj),
            "width_ps": None if self.width_ps is None else asdict(self.width_ps),
            "pulses": [
                asdict(pulse) | {"flags": sorted(pulse.flags), "wall_time": rfc3339(pulse.wall_time)}
                for pulse in self.pulses
            ],
            "log": [asdict(line) | {"when": rfc3339(line.when)} for line in self.log],
            "incidents": list(self.incidents),
            "calibration": None
            if self.calibration is None
            else {
                "operator": self.calibration.operator,
                "calibrated": rfc3339(self.calibration.calibrated),
                "expires": rfc3339(self.calibration.expires),
                "points": [asdict(point) for point in self.calibration.points],
            },
            "audit_head": None if self.head is None else f"{self.head.index}:{self.head.hash}",
            "signed_to": self.signed_to,
            "faults": list(self.faults),
        }


def session_report(reader: Reader, session_id: str, keys: frozenset[str] = frozenset()) -> SessionReport:
    """Put a session together; the audit is verified with these public keys. StoreError: no such session."""
    session = reader.session(session_id)
    proof = reader.prove_audit(keys=keys)
    entries, head = _of_session(reader, session)
    opening = next((_body(entry) for entry in entries if entry.kind == "session.open"), {})
    begun = {
        str(body.get("id")): body for body in map(_body, entries) if "command" in body and "body" in body
    }
    wavelength = session.plan.get("wavelength_nm")
    ended = session.ended
    calibrations = [
        one
        for one in reader.calibrations(session.device_serial, limit=1000)
        if one.wavelength_nm == wavelength and (ended is None or one.calibrated <= ended)
    ]
    return SessionReport(
        session=session,
        kind=str(opening.get("kind", "treatment")),
        pulses=tuple(reader.session_pulses(session_id)),
        effects=tuple(reader.session_effects(session_id)),
        confirmed=_confirmed(entries, session),
        log=tuple(_happening(entry, begun) for entry in entries if entry.kind not in UNTOLD),
        incidents=tuple(str(_body(entry).get("id")) for entry in entries if entry.kind == "incident"),
        calibration=calibrations[0] if calibrations else None,
        head=head,
        signed_to=proof.sealed,
        faults=(*map(str, proof.breaks), *proof.file, *reader.verify_pulses()),
    )


def _confirmed(entries: Sequence[AuditEntry], session: SessionRecord) -> tuple[Confirmation, ...]:
    """The confirmations; of sessions from before they had entries of their own, that there were some.

    Such a session could only be opened and taken up with eyewear and checklist confirmed.
    """
    found = [entry for entry in entries if entry.kind == "session.confirmed"]
    return tuple(
        Confirmation(
            entry.index,
            moment(entry.wall_time),
            entry.actor,
            str(body.get("eyewear_nm", session.plan.get("wavelength_nm", "?"))),
            _in_words(body.get("items")),
            _in_words(body.get("course")),
            str(body.get("second", "")),
        )
        for entry in found or [entry for entry in entries if entry.kind == "session.open"]
        for body in [_body(entry)]
    )


def _in_words(named: object) -> dict[str, str]:
    """Names and what they say, items in the order of their list; nothing of what was damaged."""
    if not isinstance(named, dict):
        return {}
    return {name: str(named[name]) for name in sorted(named, key=lambda name: _ORDER.get(name, len(_ORDER)))}


def _of_session(reader: Reader, session: SessionRecord) -> tuple[list[AuditEntry], Head | None]:
    """The audit from the session's opening to its last step, and the head there.

    One laser has one database and one unfinished session: all between concerns it, but for adverse effects of
    other sessions. For a session that is not over, that is up to now.
    """
    found: list[AuditEntry] = []
    before: deque[AuditEntry] = deque(maxlen=4)  # the set-point comes right before the session that needs it
    last = 0
    for entry in reader.audit_entries():
        of_it = entry.kind.startswith("session.") and _body(entry).get("id") == session.id
        if of_it and not found:
            found = [one for one in before if _body(one).get("command") == "set_point"]
        of_another = entry.kind.startswith("effect.") and _body(entry).get("id") != session.id
        if of_it or (found and not of_another):
            found.append(entry)
        before.append(entry)
        if of_it:
            last = len(found)
    if session.ended is not None:
        found = found[:last]
    return found, Head(found[-1].index, found[-1].hash) if found else None


def _happening(entry: AuditEntry, begun: Mapping[str, Mapping[str, Any]]) -> Happening:
    body = _body(entry)
    text = str(body.get("text") or _WORDS.get(entry.kind) or entry.kind)
    outcome = str(body.get("outcome", ""))
    if entry.kind == "session.open" and "from" in body:
        text = "The session was taken up again"
    if entry.kind.startswith("effect."):
        text += f": number {body.get('effect')}"
    if outcome:
        asked = begun.get(str(body.get("id")), {}).get("body") or {}
        told = ", ".join(f"{name} {value}" for name, value in asked.items() if name not in _OPAQUE)
        command = str(body.get("command", "command")).replace("_", " ")
        text = ": ".join(filter(None, [command, told, outcome, str(body.get("detail") or "")]))
    if entry.kind == "incident":
        text += f": {body.get('cause', '')} ({body.get('id', '')})"
    grave = (
        entry.kind in {"event.refusal", "event.fault", "incident", "session.interrupted"}
        or outcome in {"refused", "failed", "uncertain"}
        or body.get("severity") == "error"
    )
    return Happening(entry.index, moment(entry.wall_time), entry.actor, entry.kind, text, grave)


def _body(entry: AuditEntry) -> Mapping[str, Any]:
    """What the entry tells; nothing when it was damaged, which the verification has told already."""
    try:
        body = json.loads(entry.body)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}
