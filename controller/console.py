"""The console: everything an operator may ask of the daemon, with who may ask and what is answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import asdict
from functools import partial
from typing import Any, Final

from controller.answers import answer_of, failure_of, stop_answer
from controller.commands import Commands
from controller.declined import Declined
from controller.fanout import LATEST, Fanout, Kind
from controller.laser_link import LaserLink
from controller.lease import Lease, Who
from controller.openings import Openings
from controller.operators import Logins
from controller.plans import verdict
from controller.recorder import Event, Recorder
from controller.report import Reporter, session_report
from controller.second import Override, Second, TwoPersons
from controller.session import Confirmed, Session
from controller.store import EventKind, OperatorRecord, Role, Severity, Store, StoreWriter
from controller.subjects import Subjects
from controller.tomlfile import TomlError
from controller.training import ending
from controller.treatment import Treatment
from hal.outcomes import Done
from hal.stopping import StopResult
from protocols.requests import Counters, Trigger
from protocols.timing import SECOND
from safety.latches import LatchId
from safety.plan import TreatmentPlan
from safety.reactions import Reaction
from safety.reasons import HostReason, reason
from safety.supervisor import Supervisor

REPORT_S: Final = 1.0  # the stream tells everything at least once a second, so that silence means trouble
WATCHED: Final = {Kind.STATE: LATEST, Kind.TELEMETRY: LATEST, Kind.PULSE: 256, Kind.EVENT: 256}

WATCHER: Final = "watcher"
WATCHERS_MAX: Final = 32  # [C] each costs the loop a report for each news; nobody needs a login to watch


class Console:
    """One method for each thing that can be asked; raises Declined, NotAuthorised, StoreError."""

    def __init__(
        self,
        *,
        writer: StoreWriter,
        supervisor: Supervisor,
        recorder: Recorder,
        commands: Commands,
        treatment: Treatment,
        link: LaserLink,
        logins: Logins,
        lease: Lease,
        reporter: Reporter,
        openings: Openings,
        fanout: Fanout,
        react: Callable[[list[Reaction]], None],
        now_us: Callable[[], int],
    ) -> None:
        self.logins = logins
        self.subjects = Subjects(writer, now_us)
        self._writer = writer
        self._supervisor = supervisor
        self._recorder = recorder
        self._commands = commands
        self._treatment = treatment
        self._link = link
        self._lease = lease
        self._reporter = reporter
        self._openings = openings
        self._fanout = fanout
        self._react = react
        self._now_us = now_us
        self._two_persons = TwoPersons(writer, logins, now_us)
        self._arming = asyncio.Lock()

    # -- people

    async def login(self, name: str, password: str) -> dict[str, Any]:
        """A token for whoever knows the password, and which of their trainings end."""
        token = await self.logins.login(name, password)
        operator = self.logins.require(token, Role.VIEWER)
        return {
            "token": token,
            "name": operator.name,
            "role": operator.role.value,
            "idle_lock_s": self.logins.idle_lock_us // SECOND,
            "training": self.training(operator),
        }

    def training(self, operator: OperatorRecord) -> list[dict[str, Any]]:
        """Which trainings of theirs have ended or end soon."""
        return ending(operator, self.logins.today())

    async def who(self, token: str | None, role: Role, *, in_use: bool = True) -> Who:
        """Who holds the token, by what is on record of them now, if they have the role.

        What is no use, keeps no login open.
        """
        self.logins.require(token, Role.VIEWER, in_use=False)  # nobody unknown makes the disk work
        await self.logins.refresh()
        return Who(self.logins.require(token, role, in_use=in_use), token or "")

    def logout(self, token: str | None) -> dict[str, Any]:
        """Forget the token, and the lease that it held."""
        held = self._lease.holder(self._now_us())
        if held is not None and held.who.token == token:
            self._nobody_commands()
            self._lease.give_up(held.who.token)
        if token is not None:
            self.logins.logout(token)
        return {}

    # -- looking

    def status(self) -> dict[str, Any]:
        """Everything the daemon knows now."""
        return self._reporter.report()

    def demand_room_to_watch(self) -> None:
        """Raises Declined when as many watch as the loop can bear."""
        if sum(feed.name == WATCHER for feed in self._fanout.subscriptions) >= WATCHERS_MAX:
            text = f"{WATCHERS_MAX} watch already"
            raise Declined(429, "watchers", text, "end one of them, or ask for the status instead")

    async def watch(self) -> AsyncIterator[dict[str, Any]]:
        """What happens, as it happens; the whole status on each change and each second."""
        with self._fanout.subscribe(WATCHER, WATCHED) as feed:
            yield {"kind": "status"} | self.status()
            while True:
                try:
                    async with asyncio.timeout(REPORT_S):
                        item = await feed.get()
                except TimeoutError:
                    yield {"kind": "status"} | self.status()
                    continue
                except StopAsyncIteration:
                    return
                if item.kind is Kind.STATE:
                    yield {"kind": "status"} | self.status()
                else:
                    yield {"kind": item.kind.value} | dict(item.value)

    async def check_plan(self, text: str, file: str) -> dict[str, Any]:
        """Whether the plan may be carried out here, and every reason why not."""
        try:
            loaded, refused = self._treatment.check(text, file)
        except TomlError as error:
            raise Declined.for_file(error) from error
        return verdict(loaded, refused) | {"interlocks_seen": self._openings.evidence().words}

    # -- acting

    async def open_session(
        self,
        who: Who,
        text: str,
        file: str,
        eyewear_nm: int,
        checklist: bool | Collection[str],
        *,
        service: bool = False,
        course: Collection[str] = (),
        second: Second | None = None,
    ) -> dict[str, Any]:
        """Take a new plan in hand; `service` confirms what a service plan needs instead of the checklist.

        `checklist` names the items that are confirmed (True: all), `course` what stood against it in the
        subject's course.
        """
        self._take_lease(who)
        fit = partial(self._demand_fitness_to_begin, who, second)
        try:
            seen = self._openings.evidence()
            confirmed = Confirmed.of(eyewear_nm, checklist, service, course, _name_of(second), seen=seen)
            session = await self._treatment.open(who.name, text, file, confirmed, fit=fit)
        except TomlError as error:
            raise Declined.for_file(error) from error
        return _begun(session)

    async def resume_session(
        self,
        who: Who,
        eyewear_nm: int,
        checklist: bool | Collection[str],
        *,
        service: bool = False,
        course: Collection[str] = (),
        second: Second | None = None,
    ) -> dict[str, Any]:
        """Take the unfinished plan in hand again."""
        self._take_lease(who)
        fit = partial(self._demand_fitness_to_begin, who, second)
        seen = self._openings.evidence()
        confirmed = Confirmed.of(eyewear_nm, checklist, service, course, _name_of(second), seen=seen)
        session = await self._treatment.resume(who.name, confirmed, fit=fit)
        return _begun(session)

    async def abandon_session(self, who: Who, *, second: Second | None = None) -> dict[str, Any]:
        """End the unfinished session for good; somebody else's needs a second person."""
        self._take_lease(who)
        unfinished = await self._writer.run(Store.resumable_session, self._treatment.serial)
        if unfinished is not None and unfinished.operator != who.name:
            about = {"session_id": unfinished.id, "operator": unfinished.operator}
            await self._two_persons.demand(who, second, Override.ABANDON, about)
        record = await self._treatment.abandon(who.name)
        return {
            "id": record.id,
            "state": record.state.value,
            "planned": record.planned_pulses,
            "delivered": record.delivered_pulses,
        }

    async def arm(self, who: Who) -> dict[str, Any]:
        """Arm for the session in hand."""
        self._take_lease(who)
        async with self._arming:
            if self._treatment.session is not None:
                await self._demand_fitness(who, self._treatment.session.plan)
            return answer_of(await self._treatment.arm(who.name))

    async def standby(self, who: Who) -> dict[str, Any]:
        """Return the laser to STANDBY; anybody logged in may, whoever holds the lease."""
        overtaken = self._arming.locked()
        answer = await self._standby(who)
        if overtaken:  # an arm that was asked for before may reach the laser only after this one
            async with self._arming:
                answer = await self._standby(who)
        return answer

    async def _standby(self, who: Who) -> dict[str, Any]:
        return answer_of(
            await self._commands.carry_out("standby", who.name, {}, lambda laser: laser.standby())
        )

    async def calibrate(self, who: Who) -> dict[str, Any]:
        """Begin the energy calibration; its end is told by Status."""
        self._take_lease(who)
        return answer_of(
            await self._commands.carry_out("calibrate", who.name, {}, lambda laser: laser.calibrate())
        )

    async def aiming(self, who: Who, on: bool) -> dict[str, Any]:
        """Switch the aiming beam."""
        self._take_lease(who)
        return answer_of(
            await self._commands.carry_out(
                "aiming", who.name, {"on": on}, lambda laser: laser.set_aiming(on=on)
            )
        )

    def stop_now(self, by: str, why: str) -> asyncio.Future[StopResult]:
        """Stop the laser; never declined. It is sent before this returns."""
        self._treatment.trip(f"stopped by {by}")
        return self._commands.stop(by, why)

    async def stop(self, by: str, why: str) -> dict[str, Any]:
        """Stop the laser, and wait for its word; never declined."""
        return stop_answer(await asyncio.shield(self.stop_now(by, why)))

    async def acknowledge(self, who: Who, latches: list[tuple[str, int]]) -> dict[str, Any]:
        """Acknowledge latches one by one: the device's own first, so that the host's mirror can follow."""
        self._take_lease(who)
        cleared, kept = [], []
        for name, instance in latches:
            reasons = await self._acknowledge_one(who, name, instance)
            if reasons:
                kept.append({"name": name, "instance": instance, "reasons": reasons})
            else:
                cleared.append({"name": name, "instance": instance})
                text = f"{name} #{instance} was acknowledged"
                self._note(who, text, Severity.INFO)
        return {"cleared": cleared, "kept": kept, "outcome": "refused" if kept else "done"}

    async def resolve(self, who: Who, *, second: Second | None = None) -> dict[str, Any]:
        """Settle what is uncertain by the device's own books, and give up pulses that can never be told.

        That the device itself has forgotten pulses which are not on record needs a second person to accept.
        """
        self._take_lease(who)
        laser = self._commands.laser
        counters = await laser.counters() if laser is not None else None
        lost = 0
        if isinstance(counters, Done):
            self._demand_same_life(counters.value)
            if lost := self._recorder.gap(counters.value.acknowledged):
                about = {"pulses": lost, "up_to": counters.value.acknowledged}
                await self._two_persons.demand(who, second, Override.GIVE_UP_PULSES, about)
            await self._give_up_lost(who, counters.value)
        settled = await self._commands.settle(who.name)
        return {"settled": settled, "given_up_pulses": lost, "open": list(self._commands.uncertain)}

    # -- within

    def _nobody_commands(self) -> None:
        """Whoever commanded goes: what they armed is not handed on."""
        self._react(self._supervisor.operator_present(None, self._now_us()))

    async def _demand_fitness_to_begin(self, who: Who, second: Second | None, plan: TreatmentPlan) -> None:
        await self._demand_fitness(who, plan)
        if plan.fired_by is Trigger.INTERNAL:
            await self._two_persons.demand(who, second, Override.NO_FOOT, {"plan": plan.name})

    async def _demand_fitness(self, who: Who, plan: TreatmentPlan) -> None:
        """Whoever begins is still an operator, with the role and the training for it; raises Declined."""
        operator = await self._writer.run(Store.operator, who.name)
        if operator is None or not operator.active:
            raise Declined(403, "operator.inactive", f"{who.name} is no operator any more", "ask who is")
        if plan.service and not operator.role.covers(Role.SERVICE):
            text = f"a service plan needs the service role, {who.name} is {operator.role.value}"
            action = "log in as somebody who has it; a treatment plan needs no service role"
            raise Declined(403, "operator.service", text, action)
        if not operator.trained(plan.wavelength_nm, self.logins.today()):
            text = f"{who.name} has no training for {plan.wavelength_nm} nm on record, or it has expired"
            action = f"after the training: picolase user train {who.name} {plan.wavelength_nm}"
            raise Declined(403, "operator.training", text, action)

    def _take_lease(self, who: Who) -> None:
        if not self._lease.held_by(who, self._now_us()):
            self._lease.take(who, self._now_us())  # declined while another login holds it
            self._nobody_commands()
        self._lease.take(who, self._now_us())
        self._supervisor.operator_present(
            who.name,
            self._now_us(),
            may_treat=who.operator.role.covers(Role.OPERATOR),
            may_serve=who.operator.role.covers(Role.SERVICE),
        )

    async def _acknowledge_one(self, who: Who, name: str, instance: int) -> list[dict[str, Any]]:
        standing = {latch.instance: latch for latch in self._supervisor.view(self._now_us()).latches}
        latch, status = standing.get(instance), self._commands.status
        if latch is None or latch.id.value != name:
            return [asdict(reason(HostReason.OTHER_LATCH, f"{name} #{instance}"))]
        if latch.id is LatchId.DEVICE_FAULT and status is not None and status.faults:
            fault_instance = status.fault_instance
            outcome = await self._commands.carry_out(
                "acknowledge",
                who.name,
                {"fault": status.first_fault.name.lower(), "fault_instance": fault_instance},
                lambda laser: laser.acknowledge(fault_instance),
            )
            # The mirror of the fault is taken off by the Status that follows.
            return [] if isinstance(outcome, Done) else answer_of(outcome)["reasons"] or [failure_of(outcome)]
        return [asdict(refused) for refused in self._supervisor.acknowledge([instance], self._now_us())]

    def _demand_same_life(self, counters: Counters) -> None:
        """A laser that counts anew has lost its memory: nothing here can make its books the records."""
        recorded = self._recorder.recorded_through
        if counters.pulse_number < recorded:
            text = f"the laser has counted {counters.pulse_number} pulses, its records {recorded}"
            action = "put its memory back (simulated: --state), or begin a new database for it"
            raise Declined(409, "records.ahead", text, action)

    async def _give_up_lost(self, who: Who, counters: Counters) -> None:
        """Pulses that the device was told to forget and nobody recorded cannot come any more.

        Nobody knows which session they belong to, so the unfinished one must not be gone on with.
        """
        given_up = self._recorder.accept_gap(counters.acknowledged)
        if not given_up:
            return
        self._supervisor.pulses_settled(counters.acknowledged, self._now_us())
        text = f"{given_up} pulses up to {counters.acknowledged} have no record and were given up"
        self._note(who, text, Severity.ERROR)
        abandoned = await self._treatment.abandon_if_any(who.name)
        if abandoned is not None:
            text = f"session {abandoned.id} was abandoned: it may have given some of those {given_up} pulses"
            self._note(who, text, Severity.ERROR)

    def _note(self, who: Who, text: str, severity: Severity) -> None:
        self._recorder.event(Event(EventKind.STATE, severity, text, who.name, self._now_us()))


def _name_of(second: Second | None) -> str:
    return "" if second is None else second.name


def _begun(session: Session) -> dict[str, Any]:
    """The session as it is told to whoever begins it: they alone see what was taken back of the subject."""
    taken_back = [effect.plain() for effect in session.taken_back]
    return (session_report(session) or {}) | {"taken_back": taken_back}
