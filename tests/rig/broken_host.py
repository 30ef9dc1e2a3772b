"""Ways in which the daemon and its record can be broken."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

import safety.audit
from controller import recorder as recorder_module
from controller import treatment as treatment_module
from controller.commands import Commands
from controller.daemon import Daemon
from controller.recorder import Event, Recorder
from controller.session import Tally
from controller.store import EventKind, PulseRecord, audit_log
from controller.treatment import Treatment
from safety.latches import LatchId
from safety.supervisor import Supervisor

Patch = Callable[[pytest.MonkeyPatch], None]


def daemon_arms(patch: pytest.MonkeyPatch) -> None:
    opened = Treatment.open

    async def open_and_arm(self: Treatment, operator: str, *given: Any, **named: Any) -> Any:
        session = await opened(self, operator, *given, **named)
        await self.arm(operator)
        return session

    patch.setattr(Treatment, "open", open_and_arm)


def early_acknowledgement(patch: pytest.MonkeyPatch) -> None:
    pulse = Recorder.pulse

    def at_once(self: Recorder, report: Any, now_us: int) -> None:
        pulse(self, report, now_us)
        if self._acknowledge is not None:
            self._acknowledge(report.pulse_number)

    patch.setattr(Recorder, "pulse", at_once)


def late_writing(patch: pytest.MonkeyPatch) -> None:
    carry_out = Commands.carry_out

    async def acting_first(
        self: Commands, kind: str, actor: str, body: Any, act: Any, *, command_id: str = ""
    ) -> Any:
        if kind != "grant" or self.laser is None:
            return await carry_out(self, kind, actor, body, act, command_id=command_id)
        outcome = await act(self.laser)

        async def acted(_: Any) -> Any:
            return outcome

        return await carry_out(self, kind, actor, body, acted, command_id=command_id)

    patch.setattr(Commands, "carry_out", acting_first)


def lossy_recorder(patch: pytest.MonkeyPatch) -> None:
    write = recorder_module._write

    def losing(store: Any, records: list[Any]) -> Any:
        return write(store, [one for one in records if isinstance(one, Event) or one.pulse_number % 7])

    patch.setattr(recorder_module, "_write", losing)


def flattering_record(patch: pytest.MonkeyPatch) -> None:
    record_of = recorder_module.record_of

    def flattering(*given: Any) -> PulseRecord:
        record = record_of(*given)
        return replace(record, monitor_b_mj=record.monitor_b_mj and record.monitor_b_mj * 0.6)

    patch.setattr(recorder_module, "record_of", flattering)


def overdose(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(treatment_module, "tally_of", lambda store, session_id, rehearsal: Tally(rehearsal))


def doctored_audit(patch: pytest.MonkeyPatch) -> None:
    append = safety.audit.append

    def doctoring(*given: Any, **named: Any) -> Any:
        entry = append(*given, **named)
        return replace(entry, body=entry.body.replace("}", ',"more":1}')) if entry.index == 20 else entry

    patch.setattr(audit_log, "append", doctoring)


def host_forgets(patch: pytest.MonkeyPatch) -> None:
    tick = Supervisor.tick

    def forgetting(self: Supervisor, now_us: int) -> Any:
        if self._known.link is not None and LatchId.RECONNECTED in self._known.latches:
            self._known.latches.clear(LatchId.RECONNECTED)
        return tick(self, now_us)

    patch.setattr(Supervisor, "tick", forgetting)


def starts_unnoticed(patch: pytest.MonkeyPatch) -> None:
    tick = Supervisor.tick

    def forgetting(self: Supervisor, now_us: int) -> Any:
        self._known.latches.clear(LatchId.START_UP)
        return tick(self, now_us)

    patch.setattr(Supervisor, "tick", forgetting)


def resumes_armed(patch: pytest.MonkeyPatch) -> None:
    resume = Treatment.resume

    async def resume_and_arm(self: Treatment, operator: str, *given: Any, **named: Any) -> Any:
        session = await resume(self, operator, *given, **named)
        await self.arm(operator)
        return session

    patch.setattr(Treatment, "resume", resume_and_arm)


def recorded_as(**changes: Any) -> Patch:
    """Every record says this."""

    def patched(patch: pytest.MonkeyPatch) -> None:
        record_of = recorder_module.record_of
        patch.setattr(recorder_module, "record_of", lambda *given: replace(record_of(*given), **changes))

    return patched


def recorded_late(patch: pytest.MonkeyPatch) -> None:
    flattering_record(patch)
    record_of = recorder_module.record_of

    def later(*given: Any) -> PulseRecord:
        record = record_of(*given)
        return replace(record, device_time_us=record.device_time_us + 1)

    patch.setattr(recorder_module, "record_of", later)


def unrecorded_overdose(patch: pytest.MonkeyPatch) -> None:
    overdose(patch)
    recorded_as(session_id=None)(patch)


def silent_trips(patch: pytest.MonkeyPatch) -> None:
    note = Daemon._note

    def not_noting(self: Daemon, kind: EventKind, *given: Any) -> None:
        if kind is not EventKind.FAULT:
            note(self, kind, *given)

    patch.setattr(Daemon, "_note", not_noting)


def spinning(patch: pytest.MonkeyPatch) -> None:
    finish = Treatment._finish

    async def turning(self: Treatment, session: Any) -> None:
        for _ in range(5_000):
            await asyncio.sleep(0)
        await finish(self, session)

    patch.setattr(Treatment, "_finish", turning)


def blocking(patch: pytest.MonkeyPatch) -> None:
    recorded = Treatment.recorded

    def blocked(self: Treatment, pulse: PulseRecord) -> None:
        recorded(self, pulse)
        asyncio.get_running_loop().jump(0.03)  # type: ignore[attr-defined]  # of the virtual loop

    patch.setattr(Treatment, "recorded", blocked)
