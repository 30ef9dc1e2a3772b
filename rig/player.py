"""The people around a whole stack: one who carries a plan out, and everything else that can be done to it.

The steady operator does what a careful person would: acknowledges what can be acknowledged, opens or resumes
the session, arms, presses until the series is given, takes the foot off, and begins again after each trip. It
sees only what a screen and a room show. Events of a scenario are done at their time whatever it is doing; a
random operator is a steady one with a stream of random events (`rig.schedule`).
"""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from controller.declined import Declined
from controller.lease import Who
from controller.operators import NotAuthorised
from controller.second import Second
from controller.store import Role, StoreError
from hal.time import now_us
from protocols.messages import Status
from protocols.states import ARMED, State
from rig.invariants.witness import Asked
from rig.script import HOST_EVENTS
from rig.stack import Stack
from rig.virtual_time import VirtualTimeLoop
from sim_device.operator import ActionError

LOOK_S: Final = 0.05  # [C] how often a person looks again; a reaction takes longer
THINK_S: Final = 0.5  # [C] before trying again what was declined
PATIENCE_S: Final = 10.0  # [C] for an answer of the daemon's
RESTART_S: Final = 3.0  # [C] until somebody starts a dead daemon
SERIES_S: Final = 130.0  # [C] longer than the longest permit
HELD_S: Final = 1.0  # [C] until a foot that does nothing is taken off

_WARMING: Final = frozenset({State.SELF_TEST, State.WARM_UP, State.CALIBRATING})

_REFUSED: Final = (Declined, NotAuthorised, StoreError, ActionError)
"""What a person is told when something cannot be done; anything else is a defect."""


HostEvent = Callable[..., Coroutine[Any, Any, object] | None]


class Player:
    """Plays everybody around `stack`; what is asked of the daemon is noted in `asked` first."""

    def __init__(self, stack: Stack, asked: Asked, plan: str, *, role: Role = Role.OPERATOR) -> None:
        self.stack = stack
        self.plan = plan
        self.plans_given = 0
        self.told: dict[str, int] = {}  # how often something could not be done, by its words
        self.failures: list[Exception] = []  # what the daemon answered with, and no daemon should
        self._asked = asked
        self._role = role
        self._asking: dict[asyncio.Task[Any], None] = {}  # in order: a set's is that of addresses

    # -- the steady operator

    async def steady(self) -> None:
        """Carry the plan out, and again and again, until cancelled."""
        while True:
            await self._step()

    async def give_once(self) -> None:
        """Carry the plan out once."""
        while not self.plans_given:
            await self._step()

    async def end(self) -> None:
        """Go home: what was asked and not answered is dropped."""
        for task in self._asking:
            task.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)

    async def _step(self) -> None:
        """Do the next sensible thing, or wait a little."""
        stack = self.stack
        if not stack.running:
            await asyncio.sleep(RESTART_S)
            if not stack.running:
                stack.start_daemon()
            return
        status = stack.status
        if status is None:
            await asyncio.sleep(THINK_S)
            return
        if status.state is State.OFF:
            self._do("key", to="on")
            await asyncio.sleep(THINK_S)
            return
        session = stack.daemon.treatment.session
        if stack.latches:
            await self._acknowledge_all()
        elif status.state in _WARMING:
            await asyncio.sleep(THINK_S)
        elif status.state is State.STANDBY and not status.calibrated:
            await self._calibrate()
        elif session is None or session.tripped:
            await self._take_in_hand()
        elif status.state is State.STANDBY:
            await self._arm(status)
        elif status.state in ARMED and status.permit_id:
            await self._press()
        else:
            await asyncio.sleep(LOOK_S)

    async def _acknowledge_all(self) -> None:
        status = self.stack.status
        if status is not None and not status.faults_present and not self.stack.daemon.commands.uncertain:
            await self.acknowledge()
        await asyncio.sleep(THINK_S)

    async def _take_in_hand(self) -> None:
        """Resume what is unfinished, or begin the plan anew."""
        if self.stack.laser.simulator.plant.contacts.docked:
            self._do("undock")
        unfinished = self.stack.reader.resumable_session(self.stack.serial) is not None
        done = await self._ask(self.resume() if unfinished else self.open())
        if not done:
            await asyncio.sleep(THINK_S)

    async def _calibrate(self) -> None:
        """Put the handpiece into the port, and wait until it is over; it is taken out with the next plan."""
        self._do("dock")
        await asyncio.sleep(THINK_S)
        if await self._ask(self.calibrate()):
            await self._comes(lambda: _in_state(self.stack.status, State.CALIBRATING), THINK_S)
            await self._comes(lambda: not _in_state(self.stack.status, State.CALIBRATING), PATIENCE_S)

    async def _arm(self, status: Status) -> None:
        if status.blocks and not await self._comes(lambda: not _blocks(self.stack.status), THINK_S):
            self._do("spot", spot_mm=_spot_mm(self.plan))
        if not await self._ask(self.arm_laser()):
            await asyncio.sleep(THINK_S)
            return
        await self._comes(lambda: _permitted(self.stack.status) or not _armed(self.stack.status), PATIENCE_S)

    async def _press(self) -> None:
        """Keep the foot down until the permit is used up or lost."""
        given = self.stack.daemon.treatment.session
        self._do("foot", to="press")
        await self._comes(lambda: not _permitted(self.stack.status), SERIES_S)
        await asyncio.sleep(LOOK_S)  # a reaction
        self._do("foot", to="release")
        await self._comes(lambda: self._over(given), HELD_S)
        if given is not None and not given.remaining and not given.tripped:
            self.plans_given += 1
            await self._comes(lambda: self._over(given), PATIENCE_S)

    def _over(self, session: object) -> bool:
        """Whether the next series is permitted, or this session is not in hand any more."""
        return _permitted(self.stack.status) or self.stack.daemon.treatment.session is not session

    # -- what can be asked of the daemon; each notes itself

    async def acknowledge(self) -> object:
        """Acknowledge everything that is latched."""
        daemon = self.stack.daemon
        latches = [(latch.id.value, latch.instance) for latch in self.stack.latches]
        self._asked.acknowledged.update(latches)
        return await self._ask(daemon.console.acknowledge(await self._who(), latches))

    async def open(self) -> object:
        """Begin the plan."""
        return await self._open(self.plan)

    async def open_wrong(self) -> object:
        """Ask for what no plan may have."""
        return await self._open(self.plan.replace("pulse_energy_mj = ", "pulse_energy_mj = 9"))

    async def _open(self, plan: str) -> object:
        console = self.stack.daemon.console
        return await console.open_session(
            await self._who(),
            plan,
            "plan.toml",
            755,
            checklist=True,
            service=True,
            second=self._second(),
        )

    async def resume(self) -> object:
        """Take the unfinished session in hand."""
        console = self.stack.daemon.console
        return await console.resume_session(
            await self._who(), 755, checklist=True, service=True, second=self._second()
        )

    async def abandon(self) -> object:
        """Give the unfinished session up."""
        return await self.stack.daemon.console.abandon_session(await self._who())

    async def arm_laser(self) -> object:
        """Arm."""
        self._asked.arms += 1
        return await self.stack.daemon.console.arm(await self._who())

    async def standby(self) -> object:
        """Ask for STANDBY."""
        return await self.stack.daemon.console.standby(await self._who())

    async def calibrate(self) -> object:
        """Calibrate."""
        return await self.stack.daemon.console.calibrate(await self._who())

    async def aiming(self, to: str = "on") -> object:
        """Switch the aiming beam."""
        return await self.stack.daemon.console.aiming(await self._who(), on=to == "on")

    async def resolve(self) -> object:
        """Settle what is uncertain."""
        return await self.stack.daemon.console.resolve(await self._who(), second=self.stack.second())

    async def stop(self) -> object:
        """Stop."""
        return await self.stack.daemon.console.stop("anna", "a person wants it")

    async def login_again(self) -> object:
        """Log in once more, as the same person."""
        await self._who()
        return await self.stack.login_again()

    async def takeover(self) -> object:
        """Somebody else logs in and asks for the laser."""
        who = await self.stack.login("berta", self._role)
        return await self.stack.daemon.console.aiming(who, on=True)

    # -- what can be done to it; what is so already stays so

    def kill_daemon(self) -> None:
        """End the daemon as `kill -9` does."""
        if self.stack.running:
            self.stack.kill_daemon()

    def start_daemon(self) -> None:
        """Start a daemon."""
        if not self.stack.running:
            self.stack.start_daemon()

    def fill_disk(self) -> None:
        """Let the database's disk be full."""
        if self.stack.store is not None and self.stack.running:
            self.stack.store.fill_disk()

    def free_disk(self) -> None:
        """Make room on it again."""
        if self.stack.store is not None and self.stack.running:
            self.stack.store.free_disk()

    # -- events of a scenario

    def event(self, name: str, fields: dict[str, Any]) -> None:
        """Do one event now; what the daemon answers is nobody's business here."""
        if name not in HOST_EVENTS:
            self._do(name, **fields)
            return
        act: HostEvent = getattr(self, name.replace("-", "_"))
        try:
            asked = act(**fields)
        except _REFUSED as error:
            self._note(error)
            return
        if asked is not None:
            self._begin(asked)

    # -- within

    async def _who(self) -> Who:
        return await self.stack.login("anna", self._role)

    def _second(self) -> Second | None:
        """Who agrees to a plan that fires without the footswitch; no other needs anybody."""
        return self.stack.second() if 'trigger = "internal"' in self.plan else None

    def _do(self, action: str, **fields: Any) -> None:
        try:
            self.stack.laser.act(action, **fields)
        except _REFUSED as error:
            self._note(error)

    async def _ask(self, asking: Coroutine[Any, Any, object]) -> bool:
        """Ask, and wait for the answer as long as a person would; whether it was done."""
        task = self._begin(asking)
        await asyncio.wait({task}, timeout=PATIENCE_S)
        return task.done() and not task.cancelled() and bool(task.result())

    def _begin(self, asking: Coroutine[Any, Any, object]) -> asyncio.Task[bool]:
        task = asyncio.get_running_loop().create_task(self._answered(asking), name="a person asks")
        self._asking[task] = None
        task.add_done_callback(self._asking.pop)
        return task

    async def _answered(self, asking: Awaitable[object]) -> bool:
        daemon = self.stack.daemon
        try:
            answer = await asking
        except _REFUSED as error:
            self._note(error)
            return False
        except Exception as error:  # noqa: BLE001  # the top of this task: told, whatever it is
            if self.stack.running and self.stack.daemon is daemon:
                self.failures.append(error)
            return False  # who was killed answers nothing
        return not isinstance(answer, dict) or answer.get("outcome", "done") == "done"

    def _note(self, error: Exception) -> None:
        words = f"{type(error).__name__}: {error}".partition("\n")[0][:120]
        self.told[words] = self.told.get(words, 0) + 1

    async def _comes(self, wanted: Callable[[], bool], within_s: float) -> bool:
        """Look again and again until something is as wanted."""
        deadline_us = now_us() + round(within_s * 1e6)

        def over() -> bool:
            return wanted() or now_us() >= deadline_us or not self.stack.running

        while not over():
            await _pause(self.stack.loop, over)
        return wanted()


async def _pause(loop: VirtualTimeLoop, over: Callable[[], bool]) -> None:
    """Sleep for `LOOK_S`, and go on sleeping as long as it is not `over` and nobody else has a turn.

    Looking does not wake its task: twenty times a second that would cost far more than the look.
    """
    timer: asyncio.TimerHandle
    woken: asyncio.Future[None] = loop.create_future()

    def look() -> None:
        nonlocal timer
        if loop.alone and not over():
            timer = loop.call_later(LOOK_S, look)
        elif not woken.done():
            woken.set_result(None)

    timer = loop.call_later(LOOK_S, look)
    try:
        await woken
    finally:
        timer.cancel()


def _permitted(status: Status | None) -> bool:
    return status is not None and status.state in {State.READY, State.EMITTING} and status.permit_id != 0


def _in_state(status: Status | None, state: State) -> bool:
    return status is not None and status.state is state


def _armed(status: Status | None) -> bool:
    return status is not None and status.state in ARMED


def _blocks(status: Status | None) -> bool:
    return status is None or bool(status.blocks)


def _spot_mm(plan: str) -> float:
    """The spot that the plan names."""
    return float(tomllib.loads(plan)["beam"]["spot_mm"])
