"""Commands: what an operator or the daemon asks of the laser, written down before its bytes leave.

Theory of operation. Each command is recorded first, then carried out, then its actual outcome is recorded.
An outcome that is not known is answered by STOP, latches the supervisor, and stays open until the device's
own books settle it: the laser disarmed, no permit held, and every pulse it counted on disk. A command whose
outcome was never recorded, because the daemon died, is as uncertain as one whose answer was lost.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

from controller.recorder import Event, Recorder
from controller.store import CommandOutcome, EventKind, Severity, Store, StoreError, StoreWriter
from hal.laser import Laser
from hal.outcomes import Done, Failed, Outcome, Refused, Uncertain
from hal.stopping import StopLevel, StopResult
from hal.traffic import Chunk
from protocols.messages import Effect, Message, Result, Status
from protocols.refusals import Reason
from protocols.requests import Reply
from protocols.states import ARMED
from safety.reactions import Reaction, StopNow
from safety.supervisor import Supervisor

T = TypeVar("T")

_PERMITS: Final = Effect.PERMITS  # looked at for every message
SETTLE_S: Final = 0.5  # [C] two repetitions of a report; then it is tried again

_log = logging.getLogger(__name__)

NO_LASER: Final = Reason(
    "host.link_down", "no laser is connected", "check its cable and power; it reconnects by itself"
)


class Commands:
    """Carries out commands on the connected laser, one at a time; a stop waits for none of them."""

    def __init__(
        self,
        writer: StoreWriter,
        supervisor: Supervisor,
        recorder: Recorder,
        *,
        now_us: Callable[[], int],
        new_id: Callable[[], str],
        react: Callable[[list[Reaction]], None],
    ) -> None:
        self.connected: Laser | None = None  # can be stopped, though it may not be taken in yet
        self.laser: Laser | None = None  # in use
        self.before: Laser | None = None  # the connection before, for what it has carried
        self.status: Status | None = None  # the newest, None when no laser is connected
        self._writer = writer
        self._supervisor = supervisor
        self._recorder = recorder
        self._now_us = now_us
        self._new_id = new_id
        self._react = react
        self._one_at_a_time = asyncio.Lock()
        self._stopping: asyncio.Future[StopResult] | None = None
        self._open: dict[str, str] = {}  # uncertain commands: kind by id
        self._recount = False
        self._doubt = asyncio.Event()
        self._permit: Message | None = None  # the Arm or Grant that left last and has no outcome yet

    # -- commands

    def gate(self, message: Message) -> tuple[Reason, ...]:
        """What every outgoing message passes at the moment it leaves: every reason why it may not."""
        now_us = self._now_us()
        refused = self._supervisor.refusals(message, now_us)
        if not refused:
            self._supervisor.requested(message, now_us)
            if message.effect is _PERMITS:
                self._permit = message
        return refused

    async def carry_out(
        self,
        kind: str,
        actor: str,
        body: Mapping[str, object],
        act: Callable[[Laser], Awaitable[Outcome[T]]],
        *,
        command_id: str = "",
    ) -> Outcome[T]:
        """Record, act, record the outcome; raises StoreError, with nothing sent, if it cannot be recorded."""
        async with self._one_at_a_time:
            laser = self.laser
            if laser is None:
                return Refused((NO_LASER,))
            known_as = command_id or f"{kind}-{self._new_id()}"
            await self._writer.run(
                Store.begin_command, known_as, kind, body, actor=actor, now_us=self._now_us()
            )
            outcome = await act(laser)
            self._permit_answered(outcome)
            if isinstance(outcome, Uncertain):
                self._doubtful(known_as, kind, str(outcome.error))
            await self._record_outcome(known_as, kind, actor, outcome)
            return outcome

    def stop(self, by: str, why: str) -> asyncio.Future[StopResult]:
        """Stop the laser now; a stop that is under way is joined. STOP is written before this returns."""
        if self._stopping is None or self._stopping.done():
            self._stopping = self._send_stop()  # before anything that could wait: a log, a full pipe
            reactions = self._supervisor.stop_requested(by, self._now_us())
            self._react([one for one in reactions if not isinstance(one, StopNow)])
            self._recorder.event(Event(EventKind.STOP, Severity.WARNING, f"stop: {why}", by, self._now_us()))
            _log.warning("stop by %s: %s", by, why)
            self._stopping.add_done_callback(self._stop_ended)
        else:
            self._supervisor.stop_requested(by, self._now_us())
        return self._stopping

    def recent_traffic(self) -> tuple[Chunk, ...]:
        """The raw bytes of the last seconds, over the connection before and the present one."""
        lines = (self.before, self.connected)
        return tuple(chunk for line in lines if line is not None for chunk in line.recent_traffic())

    def store_failed(self, error: StoreError) -> None:
        """What had to be recorded could not be: nothing more is permitted until it can."""
        self._react(self._supervisor.store_state(False, str(error), self._now_us()))

    # -- what is uncertain

    async def recall(self) -> None:
        """Take up the commands that an earlier run of the daemon left open; raises StoreError."""
        for command in await self._writer.run(Store.open_commands):
            self._doubtful(
                command.id, command.kind, "its outcome was never recorded: the daemon ended before"
            )

    def recount(self) -> None:
        """A pulse of unknown fate was reported: the device's counters are to be read again."""
        self._recount = True
        self._doubt.set()

    @property
    def uncertain(self) -> dict[str, str]:
        """The commands whose outcome is not known, kind by id."""
        return dict(self._open)

    async def settle(self, actor: str) -> list[str]:
        """Settle what the device's own books can settle; returns the ids settled."""
        laser, status = self.laser, self.status
        if not (self._open or self._recount) or laser is None or status is None:
            return []
        if status.state in ARMED or status.permit_id:
            return []  # it may still act on what is in doubt
        counters = await laser.counters()
        if not isinstance(counters, Done):
            return []
        self._react(self._supervisor.observe(counters.value, self._now_us()))
        self._recorder.device_counter(counters.value.pulse_number)
        if not self._recorder.balanced:
            return []
        self._recount = False
        how = f"the device is disarmed and all its {counters.value.pulse_number} pulses are recorded"
        settled = list(self._open)
        for command_id in settled:
            await self._writer.run(Store.settle_command, command_id, how, actor=actor, now_us=self._now_us())
            self._supervisor.settled(command_id)
            del self._open[command_id]
        return settled

    async def run(self) -> None:
        """Settle what is uncertain as soon as the device's books allow it, until cancelled."""
        while True:
            if not (self._open or self._recount):
                self._doubt.clear()
                await self._doubt.wait()
            await asyncio.sleep(SETTLE_S)
            try:
                settled = await self.settle("daemon")
            except StoreError as error:
                _log.warning("what is uncertain could not be settled: %s", error)
                continue
            for command_id in settled:
                text = f"{command_id} was settled by the device's own books"
                self._recorder.event(Event(EventKind.SYSTEM, Severity.INFO, text, "daemon", self._now_us()))

    # -- within

    def _permit_answered(self, outcome: Outcome[Any]) -> None:
        """Tell the supervisor what became of the Arm or Grant that left, if one did."""
        permit, self._permit = self._permit, None
        if permit is None or isinstance(outcome, Uncertain):
            return
        if isinstance(outcome, Done):
            epoch = outcome.value if isinstance(outcome.value, int) else 0
            self._supervisor.answered(permit, Reply(Result.DONE, frozenset(), epoch))
        else:
            self._supervisor.answered(permit, None)

    def _doubtful(self, command_id: str, kind: str, text: str) -> None:
        self._open[command_id] = kind
        self._react(self._supervisor.uncertain(command_id, text, self._now_us()))
        self._doubt.set()

    def _send_stop(self) -> asyncio.Future[StopResult]:
        if self.connected is not None:
            return self.connected.stop()
        # Without a connection no heartbeat leaves: the device's own watchdog has acted already.
        nobody: asyncio.Future[StopResult] = asyncio.get_running_loop().create_future()
        nobody.set_result(StopResult(StopLevel.PORT_CLOSED, confirmed=False, took_us=0))
        return nobody

    def _stop_ended(self, ended: asyncio.Future[StopResult]) -> None:
        if ended.cancelled():
            return
        result = ended.result()
        severity = Severity.INFO if result.confirmed else Severity.ERROR
        self._recorder.event(Event(EventKind.STOP, severity, str(result), "device", self._now_us()))
        _log.log(logging.INFO if result.confirmed else logging.ERROR, "%s", result)

    async def _record_outcome(self, command_id: str, kind: str, actor: str, outcome: Outcome[Any]) -> None:
        value, detail = described(outcome)
        if isinstance(outcome, Refused):
            text = f"{kind} was refused: {detail}"
            self._recorder.event(Event(EventKind.REFUSAL, Severity.WARNING, text, actor, self._now_us()))
        try:
            await self._writer.run(Store.end_command, command_id, value, detail, now_us=self._now_us())
        except StoreError as error:
            # It stays open in the record, and so uncertain after a restart: the cautious side.
            self.store_failed(error)


def described(outcome: Outcome[Any]) -> tuple[CommandOutcome, str]:
    """An outcome as the record and the API tell it."""
    match outcome:
        case Refused(reasons):
            return CommandOutcome.REFUSED, "; ".join(str(reason) for reason in reasons)
        case Failed(error):
            return CommandOutcome.FAILED, str(error)
        case Uncertain(error):
            return CommandOutcome.UNCERTAIN, str(error)
    return CommandOutcome.DONE, ""
