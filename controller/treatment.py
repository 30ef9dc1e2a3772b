"""Treatment sessions: a plan carried out series by series, each under a permit of its own.

Theory of operation. The operator opens a session with its confirmations and arms the laser; from then on this
module grants the next series whenever the laser is READY, holds no permit, and every pulse so far is on disk.
How far a session is comes from the recorded pulses alone. Whatever ends the arming ends the granting: a trip
or a stop interrupts the session, and only an operator's `resume` goes on with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Final

from controller.commands import NO_LASER, Commands, described
from controller.course_gate import CourseGate
from controller.declined import Declined
from controller.plans import LoadedPlan, parse_plan
from controller.recorder import Event, Recorder, grant_id
from controller.session import Confirmed, Session, Tally, permit_us, tally_of
from controller.store import (
    EventKind,
    PulseRecord,
    SessionRecord,
    SessionState,
    Severity,
    Store,
    StoreError,
    StoreWriter,
)
from hal.laser_values import CommittedSetPoint, Permit, SetPoint
from hal.outcomes import Done, Outcome, Refused
from protocols.messages import Beam, Status
from protocols.refusals import Refusal
from protocols.states import ARMED, State
from protocols.timing import SECOND, STATUS_IDLE_US
from safety.limits import DeviceLimits
from safety.plan import PlanRefusal, TreatmentPlan
from safety.plan_check import check_plan
from safety.supervisor import Supervisor

SEEN_US: Final = SECOND  # [C] a diode lights and a heartbeat is answered within two Status periods
PERMIT_ID_TRIES: Final = 16  # [D] with a million permits on record all are used up once in 1e58 times
GRANT_AGAIN_US: Final = SECOND  # [C] a refused grant is asked again at a rate that people can read


Fit = Callable[[TreatmentPlan], Awaitable[None]]


class Treatment:
    """Owns the one session that may be in hand. `limits` says what the connected laser can do."""

    def __init__(
        self,
        writer: StoreWriter,
        supervisor: Supervisor,
        recorder: Recorder,
        commands: Commands,
        *,
        now_us: Callable[[], int],
        new_id: Callable[[], str],
        new_permit_id: Callable[[], int],
    ) -> None:
        self.session: Session | None = None
        self.last: Session | None = None  # the one that was in hand before, to be shown
        self.limits: DeviceLimits | None = None
        self.serial = ""
        self._writer = writer
        self._supervisor = supervisor
        self._recorder = recorder
        self._commands = commands
        self._now_us = now_us
        self._new_id = new_id
        self._new_permit_id = new_permit_id
        self._courses = CourseGate(writer, now_us)
        self._news = asyncio.Event()
        self._turn = asyncio.Lock()  # of whoever takes a session in hand or lets it go

    # -- what operators ask

    def check(self, text: str, file: str) -> tuple[LoadedPlan, tuple[PlanRefusal, ...]]:
        """The plan in `text` and every reason against it on this laser; raises TomlError or Declined."""
        loaded = parse_plan(text, Path(file))
        return loaded, check_plan(loaded.plan, self._connected_limits())

    async def open(self, operator: str, text: str, file: str, confirmed: Confirmed, *, fit: Fit) -> Session:
        """Open a session for a new plan: check, confirm, set-point read back, record. All or nothing.

        `fit` declines an operator who may not carry out the plan.
        """
        loaded, refused = self.check(text, file)
        if refused:
            raise Declined.for_plan(refused)
        _demand(confirmed, loaded.plan)
        await fit(loaded.plan)
        async with self._turn:
            unfinished = await self._writer.run(Store.resumable_session, self.serial)
            if unfinished is not None:
                text = f"session {unfinished.id} has {unfinished.remaining_pulses} pulses left"
                raise Declined(409, "session.unfinished", text, "resume it or abandon it first")
            matters, taken_back = await self._courses.demand(loaded.plan, confirmed.course)
            committed = await self._apply(loaded.plan, operator)
            record = await self._writer.run(
                Store.open_session,
                self._new_id(),
                device_serial=self.serial,
                operator=operator,
                plan=asdict(loaded.plan) | {"text": loaded.text},
                plan_sha256=loaded.sha256,
                planned_pulses=loaded.plan.pulses,
                kind="service" if loaded.plan.service else "treatment",
                confirmed=confirmed.record(loaded.plan, matters),
                now_us=self._now_us(),
            )
            return self._take_in_hand(
                Session(record, loaded.plan, committed, Tally(loaded.plan.rehearsal), operator, taken_back)
            )

    async def resume(self, operator: str, confirmed: Confirmed, *, fit: Fit) -> Session:
        """Take the unfinished session in hand again, with what remains of it."""
        limits = self._connected_limits()
        async with self._turn:
            record = await self._writer.run(Store.resumable_session, self.serial)
            if record is None:
                raise Declined(409, "session.none", "there is no session to resume", "run a plan")
            plan = parse_plan(str(record.plan["text"]), Path("plan")).plan
            _demand(confirmed, plan)
            await fit(plan)
            matters, taken_back = await self._courses.demand(plan, confirmed.course, resuming=record.id)
            if refused := check_plan(plan, limits):
                raise Declined.for_plan(refused)
            if not self._recorder.balanced:
                text = "pulses of the device are not all recorded yet"
                raise Declined(409, "session.books", text, "wait; if it stays so, see `picolase status`")
            committed = await self._apply(plan, operator)
            tally = await self._writer.run(tally_of, record.id, plan.rehearsal)
            if record.state is not SessionState.OPEN:
                record = await self._move(record, SessionState.OPEN, operator)
            stands_on = confirmed.record(plan, matters)
            await self._writer.run(
                Store.confirm_session, record.id, stands_on, actor=operator, now_us=self._now_us()
            )
            return self._take_in_hand(Session(record, plan, committed, tally, operator, taken_back))

    async def abandon(self, operator: str) -> SessionRecord:
        """End the unfinished session for good."""
        record = await self.abandon_if_any(operator)
        if record is None:
            raise Declined(409, "session.none", "there is no session to abandon", "nothing has to be done")
        return record

    async def abandon_if_any(self, operator: str) -> SessionRecord | None:
        """End the unfinished session for good, if there is one; the laser is stopped if it serves it."""
        if self.session is not None and self.session.arm_epoch is not None:
            await asyncio.shield(self._commands.stop("operator", "the session is abandoned"))
        async with self._turn:
            record = await self._writer.run(Store.resumable_session, self.serial)
            if record is None:
                return None
            self._let_go()
            return await self._move(record, SessionState.ABANDONED, operator)

    async def arm(self, operator: str) -> Outcome[int]:
        """Arm for the session in hand; READY comes with the device's Status, and the grants with it."""
        session, status = self.session, self._commands.status
        if session is None or session.tripped or status is None:
            raise Declined(
                409,
                "session.none",
                "no session is in hand",
                "`picolase plan run FILE` or `plan resume` first",
            )
        if session.confirmed_by != operator:
            text = f"the session stands on the confirmations of {session.confirmed_by}"
            raise Declined(409, "session.confirmed", text, "resume it with your own: `picolase plan resume`")
        beam = session.plan.beam
        if beam is Beam.APERTURE and not status.aiming_on:
            aimed = await self._aim(operator)
            if not isinstance(aimed, Done):
                return aimed
        # The first heartbeats after an acknowledgement may still be on their way.
        await self._seen(lambda status: Refusal.HOST_SILENT not in status.blocks)
        outcome = await self._commands.carry_out(
            "arm",
            operator,
            {"session_id": session.record.id, "setpoint_hash": session.committed.hash, "beam": beam.name},
            lambda laser: laser.arm(session.committed.hash, beam, self._commands.status or status),
        )
        if isinstance(outcome, Done) and self.session is session:
            session.arm_epoch, session.used_us = outcome.value, self._now_us()
        self._news.set()
        return outcome

    async def end_idle_ready(self, idle_us: int) -> None:
        """Return to STANDBY when nobody has used READY for `idle_us`; the device has its own limit too."""
        session, status = self.session, self._commands.status
        if session is None or status is None or status.state is not State.READY:
            return
        if self._now_us() - session.used_us >= idle_us:
            self._tell(
                f"session {session.record.id}: READY was not used for {idle_us // SECOND} s", Severity.INFO
            )
            await self._commands.carry_out("standby", "daemon", {}, lambda laser: laser.standby())

    # -- what happens, synchronous

    def status(self, status: Status) -> None:
        """A new Status came in: the arming it tells of may be over."""
        session = self.session
        if session is not None and session.arm_epoch is not None:
            ours = status.arm_epoch == session.arm_epoch
            if status.arm_epoch > session.arm_epoch or (ours and status.state not in ARMED):
                session.arm_epoch = None
                why = status.leave.name.lower() if status.state is State.STANDBY else status.state.name
                self._tell(f"session {session.record.id} is not armed any more: {why}", Severity.INFO)
        if session is not None and session.due(status):
            self._news.set()

    def trip(self, why: str) -> None:
        """Something tripped or stopped the laser: a session in hand is interrupted."""
        if self.session is not None and not self.session.tripped:
            self.session.tripped = why
            self._news.set()

    def recorded(self, pulse: PulseRecord) -> None:
        """A new pulse is on disk."""
        session = self.session
        if session is not None and pulse.session_id == session.record.id:
            session.tally.add(pulse)
            session.used_us = self._now_us()
            if not session.remaining:
                self._news.set()

    async def run(self) -> None:
        """Grant series, finish and interrupt sessions, until cancelled."""
        await self._courses.begin()
        while True:
            await self._news.wait()
            self._news.clear()
            if self.session is None:
                continue
            try:
                await self._step(self.session)
            except (
                StoreError
            ) as error:  # what cannot be recorded is not done; the record says how far it came
                self._commands.store_failed(error)

    # -- within

    async def _aim(self, operator: str) -> Outcome[None]:
        """Switch the aiming beam on, as the aperture demands, and wait until the laser has measured it."""
        outcome = await self._commands.carry_out(
            "aiming", operator, {"on": True}, lambda laser: laser.set_aiming(on=True)
        )
        if isinstance(outcome, Done):
            await self._seen(lambda status: status.aiming_on)
        return outcome

    async def _seen(self, wanted: Callable[[Status], bool]) -> None:
        """Give the laser a moment to say so; whether it did is judged by who refuses."""
        deadline_us = self._now_us() + SEEN_US
        while self._now_us() < deadline_us:
            status = self._commands.status
            if status is None or wanted(status):
                return
            await asyncio.sleep(STATUS_IDLE_US / 1e6)

    async def _step(self, session: Session) -> None:
        if session.tripped:
            await self._interrupt(session)
        elif not session.remaining:
            await self._finish(session)
        elif session.arm_epoch is not None and self._now_us() >= session.wait_until_us:
            await self._grant(session)

    async def _grant(self, session: Session) -> None:
        status, limits = self._commands.status, self.limits
        if status is None or limits is None or not self._recorder.balanced:
            return
        if self._supervisor.granting_refused(self._now_us()):
            return  # not READY yet, a foot still down, pulses not all on disk: the next Status asks again
        pulses = session.plan.series_left(session.tally.given)
        permit = Permit(
            permit_id=await self._fresh_permit_id(),
            pulses=pulses,
            beam=session.plan.beam,
            trigger=session.plan.fired_by,
            committed=session.committed,
            ends_us=self._now_us() + permit_us(session.plan, pulses, limits),
        )
        self._recorder.permit(permit.permit_id, session.record.id)
        outcome = await self._commands.carry_out(
            "grant",
            "daemon",
            {
                "permit_id": permit.permit_id,
                "pulses": permit.pulses,
                "trigger": permit.trigger.name,
                "session_id": session.record.id,
                "serial": self.serial,
            },
            lambda laser: laser.grant(permit, self._commands.status or status),
            command_id=grant_id(permit.permit_id),
        )
        if not isinstance(outcome, Done):
            session.wait_until_us = self._now_us() + GRANT_AGAIN_US

    async def _fresh_permit_id(self) -> int:
        """One that no permit of this record ever had: its pulses must lead to one session only."""
        for _ in range(PERMIT_ID_TRIES):
            permit_id = self._new_permit_id()
            if not await self._writer.run(Store.has_command, grant_id(permit_id)):
                return permit_id
        raise StoreError("no fresh permit number was found", "report this: the source of chance is broken")

    async def _finish(self, session: Session) -> None:
        if not self._recorder.balanced:
            return
        status = self._commands.status
        if status is not None and status.state in ARMED:
            outcome = await self._commands.carry_out("standby", "daemon", {}, lambda laser: laser.standby())
            if not isinstance(outcome, Done):
                session.tripped = f"the laser did not return to STANDBY: {outcome}"
                self._commands.stop("daemon", session.tripped)
                self._news.set()
                return
        await self._close(session, SessionState.DONE)
        self._tell(f"session {session.record.id} is done: {session.tally.given} pulses", Severity.INFO)

    async def _interrupt(self, session: Session) -> None:
        self._supervisor.drop_plan(self._now_us())
        await self._close(session, SessionState.INTERRUPTED if session.remaining else SessionState.DONE)
        given = f"{session.tally.given} of {session.plan.pulses} pulses"
        text = f"session {session.record.id} was interrupted after {given}: {session.tripped}"
        self._tell(text, Severity.WARNING)

    async def _close(self, session: Session, state: SessionState) -> None:
        """Record that it is over; while that fails it stays in hand, and is tried again."""
        await self._writer.run(_close_if_open, session.record.id, state, self._now_us())
        session.ended = state.value
        if self.session is session:
            self._let_go()

    async def _apply(self, plan: TreatmentPlan, operator: str) -> CommittedSetPoint:
        set_point = SetPoint.from_wire(plan.setpoint())
        told = asdict(set_point) | {"handpiece": plan.handpiece}
        outcome = await self._commands.carry_out(
            "set_point", operator, told, lambda laser: laser.apply_setpoint(set_point)
        )
        if isinstance(outcome, Done):
            self._supervisor.observe(outcome.value.set_point.to_wire(), self._now_us())
            return outcome.value
        reasons = outcome.reasons if isinstance(outcome, Refused) else ()
        text = "the laser did not take the set-point"
        raise Declined(409, "session.set_point", f"{text} ({described(outcome)[1]})", reasons=reasons)

    def _take_in_hand(self, session: Session) -> Session:
        refused = self._supervisor.load_plan(
            session.plan, self._connected_limits(), session.tally.given, self._now_us()
        )
        if refused:  # checked a moment ago: only another laser can have come in between
            raise Declined.for_plan(refused)
        self.session = session
        kind = "service session" if session.plan.service else "session"
        text = f"{kind} {session.record.id} in hand: {session.remaining} pulses to give"
        self._tell(text, Severity.INFO)
        return session

    def _let_go(self) -> None:
        self.last, self.session = self.session or self.last, None
        self._supervisor.drop_plan(self._now_us())

    async def _move(self, record: SessionRecord, state: SessionState, actor: str) -> SessionRecord:
        return await self._writer.run(
            Store.move_session, record.id, state, actor=actor, now_us=self._now_us()
        )

    def _connected_limits(self) -> DeviceLimits:
        if self.limits is None:
            raise Declined(409, NO_LASER.code, NO_LASER.text, NO_LASER.action)
        return self.limits

    def _tell(self, text: str, severity: Severity) -> None:
        self._recorder.event(Event(EventKind.SESSION, severity, text, "daemon", self._now_us()))


def _close_if_open(store: Store, session_id: str, state: SessionState, now_us: int) -> None:
    """A reconnection may have closed it meanwhile."""
    if store.session(session_id).state is SessionState.OPEN:
        store.move_session(session_id, state, actor="daemon", now_us=now_us)


def _demand(confirmed: Confirmed, plan: TreatmentPlan) -> None:
    if missing := confirmed.missing(plan):
        raise Declined(422, "confirm", "the operator's confirmations are missing", reasons=missing)
