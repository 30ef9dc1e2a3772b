"""One session over one port: used once, thrown away when it goes down.

Theory of operation. The pure `HostLink` decides; this class gives it bytes and time, and carries its events
out. Every message leaves through `_transmit`, which asks the gate at the very moment of sending; for that,
requests wait here for their turn, and one at a time is given to the link. The repetition of a permit is asked
about again: refused by then, it turns into a stop. A stop passes everything: it is written before anything
else, and escalates by itself (STOP repeated, then a fresh link whose Connect voids every permit, then the
port is closed and the device's own watchdog remains).
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, TypeVar

from hal.asking import Asked, Turns
from hal.deadline import Deadline
from hal.errors import LaserError, LinkError, LinkKind, LocalError, LocalKind
from hal.link_errors import failure_error, not_open_error, opening_error, stopped_error
from hal.outcomes import Done, Failed, Outcome, Refused, Uncertain
from hal.session import Session
from hal.stopping import StopLevel, StopResult, StopUnderWay
from hal.time import now_us
from hal.traffic import Counters, Direction, Traffic
from protocols import host_link, timing
from protocols.frame import ParseError
from protocols.host_link import HostLink, LinkState
from protocols.interface import BY_OPCODE, INTERFACE_HASH
from protocols.messages import Connect, Effect, NakReason, Result
from protocols.refusals import Reason, reasons
from protocols.requests import Answer, Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from hal.hooks import Hooks
    from hal.port import Port
    from hal.traffic import Chunk
    from protocols.messages import AckPulses, Heartbeat, Message, Stopped
    from protocols.requests import Request

_log: Final = logging.getLogger(__name__)
_STOPPING: Final = Reason("link.stopping", "a stop is under way", "wait until it is confirmed")
_PERMITS, _UP, _FAILED = Effect.PERMITS, LinkState.UP, LinkState.FAILED  # looked at for every frame
_IN, _OUT = Direction.IN, Direction.OUT
_SENT: Final = Done(None)

A = TypeVar("A", bound=Answer)
M = TypeVar("M", bound="Message")


class Connection:
    """Owns `port` from now on; `open` it once. Made and used within one running loop."""

    def __init__(self, port: Port, hooks: Hooks, *, interface_hash: int = INTERFACE_HASH) -> None:
        self.counters = Counters()
        self.session: Session | None = None  # kept when the connection is down
        self.down: LaserError | None = None  # why it ended
        self._port = port
        self._hooks = hooks
        self._interface_hash = interface_hash
        self._loop = asyncio.get_running_loop()
        self._link, self._connect = self._new_link()
        self._traffic = Traffic()
        self._echoed = False
        self._turns = Turns()
        self._queued = 0
        self._waiting: Asked | None = None
        self._stop: StopUnderWay | None = None
        self._stops = 0
        self._failing: LaserError | None = None  # goes down with this once the stop has ended
        self._deadline = Deadline(self._on_deadline)
        self._opening: asyncio.Future[Session | LaserError] = self._loop.create_future()
        self._ended: asyncio.Future[LaserError] = self._loop.create_future()
        port.start(self._on_bytes, self._go_down)

    # -- what the caller does

    async def open(self) -> Session:
        """Open the session; raises LinkError that tells apart what was, or was not, heard."""
        if refused := self._hooks.gate(self._connect):
            text = "; ".join(str(reason) for reason in refused)
            self._go_down(LinkError(LinkKind.GATE, f"connecting was refused: {text}", "clear the reasons"))
        if self.down is None:
            now = now_us()
            self._link.open(now)
            self._emit(now)
            self._schedule()
        try:
            opened = await asyncio.shield(self._opening)
        except asyncio.CancelledError:
            self.close()
            raise
        if isinstance(opened, LaserError):
            raise opened
        return opened

    @property
    def is_up(self) -> bool:
        """Whether the session is open."""
        return self.session is not None and self.down is None

    async def request(self, message: Request, answer: type[A]) -> Outcome[A]:
        """Ask, and wait for the answer, of type `answer`; a Reply that refuses is `Refused`.

        Lost on the way: `Failed` for what only reads, `Uncertain` for all else. Cancelled while the device
        may be acting on a permit, it becomes a stop.
        """
        if self._queued > timing.REQUESTS_QUEUED_MAX:
            text = f"{self._queued} requests wait already"
            return Failed(LocalError(LocalKind.QUEUE_FULL, text, "wait for their answers"))
        stops = self._stops
        self._queued += 1
        try:
            if self._waiting or self._turns:
                await self._turns.wait()
            if self._stops != stops:
                return Failed(stopped_error())
            asked = self._ask(message, now_us())
            outcome = await self._outcome(asked) if isinstance(asked, Asked) else asked
        finally:
            self._queued -= 1
            self._give_turn()
        if isinstance(outcome, Done):
            if not isinstance(outcome.value, answer):
                raise TypeError(f"{type(message).__name__} is not answered by {answer.__name__}")
            return Done(outcome.value)
        return outcome

    def send(self, message: Heartbeat | AckPulses) -> Outcome[None]:
        """Send out of band, without an answer; `Done` means handed to the port."""
        if not self._can_ask():
            return Failed(self.down or not_open_error())
        refused = self._transmit(message, self._link.send, now_us())  # unanswered: no deadline changes
        return Refused(refused) if refused else _SENT

    def stop(self) -> asyncio.Future[StopResult]:
        """Stop the laser: STOP is written before this returns. Await the result; it always comes.

        A stop that is under way already is joined: nothing can have been permitted in between.
        """
        waiter: asyncio.Future[StopResult] = self._loop.create_future()
        if self.down:
            waiter.set_result(StopResult(StopLevel.PORT_CLOSED, confirmed=False, took_us=0))
            return waiter
        self._begin_stop(now_us())
        if self._stop:
            self._stop.waiters.append(waiter)
        return waiter

    def close(self) -> None:
        """End the session and close the port, at once."""
        self._go_down(LinkError(LinkKind.CLOSED, "the connection was closed", "connect again"))

    async def ended(self) -> LaserError:
        """Wait until the connection is down; tells why."""
        return await asyncio.shield(self._ended)

    def recent_traffic(self) -> tuple[Chunk, ...]:
        """The last 30 s of raw bytes both ways, for the black box."""
        return self._traffic.recent()

    # -- the one exit to the wire

    def _transmit(self, message: M, enqueue: Callable[[M], object], now: int) -> tuple[Reason, ...]:
        """Let the gate judge `message`, then enqueue and write it; the reasons, if it may not leave."""
        if refused := self._hooks.gate(message):
            return refused
        enqueue(message)
        self._emit(now)
        return ()

    def _emit(self, now: int, *, repeating: bool = False) -> bool:
        data = self._link.outgoing()
        if not data:
            return False
        if repeating and not self._stop and self._unwanted(self._waiting):
            self._begin_stop(now)  # it was sent once already
            return True
        self.counters.bytes_sent += len(data)
        self._traffic.add(now, _OUT, data)
        self._port.write(data)
        return True

    def _unwanted(self, waiting: Asked | None) -> bool:
        if waiting is None or waiting.request.effect is not _PERMITS:
            return False
        try:
            return bool(self._hooks.gate(waiting.request))
        except Exception:  # noqa: BLE001 - the top of what the clock calls: unknown is not good
            _log.exception("the gate broke: stopping the laser")
            return True

    # -- requests

    def _can_ask(self) -> bool:
        return self.down is None and not self._resetting() and self._link.state is _UP

    def _resetting(self) -> bool:
        return self._stop is not None and self._stop.level is not StopLevel.STOP

    def _ask(self, message: Request, now: int) -> Asked | Refused | Failed:
        if not self._can_ask():
            return Failed(self.down or not_open_error())
        if self._stop and message.effect is _PERMITS:
            return Refused((_STOPPING,))
        waiting = Asked(message, self._loop.create_future())

        def enqueue(request: Request) -> None:
            self._waiting = waiting
            waiting.seq = self._link.request(request, now)

        if refused := self._transmit(message, enqueue, now):
            return Refused(refused)
        self._schedule()
        return waiting

    def _give_turn(self) -> None:
        if self._waiting is None:
            self._turns.give()

    async def _outcome(self, waiting: Asked) -> Outcome[Message]:
        try:
            return await waiting.outcome
        except asyncio.CancelledError:
            # Nobody is left to learn whether it was permitted, or that it was.
            if waiting.request.effect is _PERMITS and (waiting is self._waiting or waiting.was_done):
                self._begin_stop(now_us())
            raise

    def _settle(self, outcome: Outcome[Message]) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting and not waiting.outcome.done():
            waiting.outcome.set_result(outcome)
        self._give_turn()

    def _settle_lost(self, error: LaserError) -> None:
        if self._waiting:
            reads = self._waiting.request.effect is Effect.READS
            self._settle(Failed(error) if reads else Uncertain(error))

    # -- what the wire and the clock do

    def _on_bytes(self, data: bytes) -> None:
        now, link, counters = now_us(), self._link, self.counters
        counters.bytes_received += len(data)
        self._traffic.add(now, _IN, data)
        frames_before = link.frames_seen
        events = link.receive(data, now)
        counters.frames_received += link.frames_seen - frames_before
        self._act(events, now)

    def _on_deadline(self) -> None:
        now = now_us()
        self._act(self._link.tick(now), now)
        if self._stop and now >= self._stop.deadline_us:
            self._escalate(now)
        self._schedule()

    def _schedule(self) -> None:
        due_us = None if self.down else self._link.next_deadline()
        if self._stop and not self.down:
            due_us = self._stop.deadline_us if due_us is None else min(due_us, self._stop.deadline_us)
        self._deadline.set(due_us)

    def _act(self, events: list[host_link.LinkEvent], now: int) -> None:
        error = self._explain(events) if self._link.state is _FAILED else None
        moved = False  # the deadline may be sooner: what is merely received can only put it off
        for event in events:
            if self.down:
                return
            match event:
                case host_link.Received():
                    self.counters.messages_lost += event.lost
                    self._observe(event.message, now)
                    continue
                case host_link.Answered():
                    self._take_answer(event.seq, event.answer)
                case host_link.Up():
                    self._take_up(event)
                case host_link.Abandoned():
                    self._settle_lost(error or stopped_error())
                case host_link.StopConfirmed():
                    self._observe(event.stopped, now)
                    self._end_stop(event.stopped, now)
                case ParseError():
                    self.counters.frames_rejected += 1
                    if event.reason is NakReason.OPCODE and event.detail in BY_OPCODE:
                        self._echoed = True  # a frame, but the host's own
                        self.counters.frames_received -= 1
            moved = True
        if error:
            # An uncertain arm or grant is answered by STOP, whatever else is wrong with the line.
            unsure = any(isinstance(e, host_link.Abandoned) and e.request.effect is _PERMITS for e in events)
            self._fail(error, now, stop=unsure)
        if self._emit(now, repeating=True) or moved:
            self._schedule()

    def _take_up(self, up: host_link.Up) -> None:
        if self._resetting() or self._opening.done():
            return  # the fresh link of a stop: its session is not for use
        self.session = Session(up.session, up.boot, up.interface_hash, self._interface_hash)
        self._opening.set_result(self.session)

    def _take_answer(self, seq: int, answer: Message) -> None:
        if self._waiting is None or seq != self._waiting.seq:
            return
        if isinstance(answer, Reply) and answer.result is Result.REFUSED:
            self._settle(Refused(reasons(answer.reasons)))
        else:
            self._settle(Done(answer))

    def _observe(self, message: Message, now: int) -> None:
        try:
            self._hooks.on_message(message, now)
        except Exception as error:  # noqa: BLE001 - the top of what the wire calls: unknown is not good
            _log.exception("the observer of the laser's messages broke: stopping the laser")
            text = f"the observer of {type(message).__name__} broke: {error!r}"
            broken = LinkError(LinkKind.OBSERVER, text, "report it with the log; connect again")
            self._fail(broken, now, stop=True)

    # -- ends

    def _begin_stop(self, now: int) -> None:
        if self._stop or self.down:
            return
        self._stops += 1
        self._stop = StopUnderWay(self._hooks.nonce(), now, now + timing.STOP_UNCONFIRMED_US)
        self._port.discard_output()
        events = self._link.stop(self._stop.stop_id, now)
        self._emit(now)
        self._act(events, now)
        self._schedule()

    def _escalate(self, now: int) -> None:
        stop = self._stop
        if stop is None:
            return
        if stop.level is not StopLevel.STOP:
            _log.error("the stop was not confirmed over the fresh link either: closing the port")
            self._go_down(failure_error(host_link.Failed(host_link.LinkFailure.STOP_UNCONFIRMED)))
            return
        _log.error("the stop was not confirmed in time: resetting the link")
        stop.level = StopLevel.LINK_RESET
        stop.deadline_us = now + timing.STOP_UNCONFIRMED_US
        self._settle_lost(stopped_error())
        self._port.discard_output()
        self._link, _ = self._new_link()
        # Connect first: it voids every permit, and what the device had to say before it is dropped there.
        self._link.open(now)
        self._emit(now)
        self._link.stop(stop.stop_id, now)
        self._emit(now)

    def _end_stop(self, stopped: Stopped | None, now: int) -> None:
        stop, self._stop = self._stop, None
        if stop is None:
            return
        stop.end(stopped, now)
        if stop.level is StopLevel.LINK_RESET:
            text = "the link had to be reset to stop the laser"
            self._failing = self._failing or LinkError(LinkKind.STOPPED, text, "connect again")
        if self._failing:
            self._go_down(self._failing)

    def _fail(self, error: LaserError, now: int, *, stop: bool) -> None:
        self._failing = self._failing or error
        if stop:
            self._begin_stop(now)
        if self._stop is None:
            self._go_down(self._failing)

    def _go_down(self, error: LaserError) -> None:
        if self.down:
            return
        self.down = error
        self._deadline.set(None)
        self._port.close()
        self._settle_lost(error)
        self._end_stop(None, now_us())
        self._ended.set_result(error)
        if not self._opening.done():
            self._opening.set_result(error)
            return
        try:
            self._hooks.on_down(error)
        except Exception:  # noqa: BLE001 - the top of what wire and clock call; all that ends has ended
            _log.exception("the one who was told that the connection is down broke")

    def _explain(self, events: list[host_link.LinkEvent]) -> LaserError | None:
        failed = next((event for event in events if isinstance(event, host_link.Failed)), None)
        if failed is None or self.session:
            return None if failed is None else failure_error(failed)
        description, first = self._port.description, self._traffic.first_received
        return opening_error(failed, description, first, self.counters, echoed=self._echoed)

    def _new_link(self) -> tuple[HostLink, Connect]:
        connect = Connect(self._hooks.nonce(), self._interface_hash)
        return HostLink(connect.host_nonce, connect.interface_hash), connect
