"""One whole-stack run in virtual time: from a script and a seed to a verdict, the same bytes each time.

Theory of operation. The stack, the people and the faults live on one virtual loop until the script's time is
over. Then everything is made good: faults end, doors close, the cable is put back, a daemon runs. What the
invariants demand of the books is judged after that, when nothing is under way any more.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import tomllib
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from controller.store import Role
from rig.invariants import INVARIANTS, Invariant, Violation, Witness
from rig.invariants.books import is_lit
from rig.laser import SERIAL, cold_laser, warm_laser
from rig.player import Player
from rig.result import UNSEEN, Result
from rig.scenario import set_contacts
from rig.schedule import random_events
from rig.script import OWN_FIELDS, Happening, Script
from rig.stack import Stack
from rig.virtual_time import TimeStandsStill, VirtualTimeLoop
from sim_device import firmwares
from sim_device.doors import Observer
from sim_device.faults import Injector, compose
from sim_device.plant.truth import TruePulse
from sim_device.simulator import Simulator

SETTLE_S: Final = 90.0  # [C] until books must balance: link reset, reconnection with its pauses, 256 reports
MAKE_GOOD: Final[tuple[tuple[str, dict[str, str]], ...]] = (
    ("foot", {"to": "release"}),
    ("estop", {"to": "release"}),
    ("door", {"to": "close"}),
    ("remote", {"to": "close"}),
    ("defeat-key", {"to": "out"}),
    ("cover", {"to": "close"}),
    ("arm", {"to": "close"}),
    ("level", {"to": "good"}),
    ("mains", {"to": "good"}),
    ("strap", {"to": "off"}),
    ("power", {"to": "return"}),
)
"""What is done to the room before the books are judged."""

SERVICE: Final = "service"  # a plan of this indication is for somebody with the service role

_ADDRESS: Final = re.compile(r" at 0x[0-9a-f]+")  # in what Python says of objects


def simulate(
    script: Script,
    seed: int,
    *,
    clock: Callable[[], float],
    firmware: str = firmwares.DEFAULT,
    invariants: Iterable[type[Invariant]] = INVARIANTS,
    attach: Callable[[Simulator], object] | None = None,
) -> Result:
    """Run `script` from `seed`; `clock` is real time in s, for `wall_s` and `turn_ms_max` alone.

    `attach` gets the laser. Raises, with nothing run, FaultError for a fault that is not possible, SetupError
    for a `firmware` that cannot be had.
    """
    for fault in script.faults:
        compose(fault["name"], {key: value for key, value in fault.items() if key not in OWN_FIELDS})
    began_s = clock()
    with _quiet(), asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        run = _Run(script, seed, firmware, tuple(invariants), attach, clock=clock)
        try:
            runner.run(run.play())
        except TimeStandsStill as error:
            run.broken(str(error))
        except ExceptionGroup as group:
            for one in group.exceptions:
                run.broken(_words(one))
        except Exception as error:  # noqa: BLE001  # the top of a run: whatever it is, this seed shows it again
            run.broken(_words(error))
        return run.result(clock() - began_s)


class _Truth(Observer):
    """Counts the light of the run, and sums it up for the trace."""

    def __init__(self, began_us: int) -> None:
        self.pulses = 0
        self.sum = hashlib.sha256()
        self._began_us = began_us

    def pulsed(self, pulse: TruePulse) -> None:
        """One more."""
        self.pulses += pulse.time_us >= self._began_us
        self.sum.update(repr(tuple(pulse)).encode())


class _Run:
    """One run: made, played, told of."""

    def __init__(
        self,
        script: Script,
        seed: int,
        firmware: str,
        invariants: tuple[type[Invariant], ...],
        attach: Callable[[Simulator], object] | None,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._script = script
        self._seed = seed
        self._firmware = firmware
        self._invariants = invariants
        self._attach = attach
        self._clock = clock
        self._simulated_s = 0.0
        self._turn_s_max = 0.0
        self._recorded = 0
        self._trace = ""
        self._witness: Witness | None = None
        self._player: Player | None = None
        self._injector: Injector | None = None
        self._late: list[Violation] = []
        self._simulator = (warm_laser if script.start == "warm" else cold_laser)(seed, firmware)
        if script.contacts:
            self._simulator.act(partial(set_contacts, script.contacts), self._simulator.now_us)
        self._began_us = self._simulator.now_us
        self._truth = _Truth(self._began_us)

    def broken(self, text: str) -> None:
        """Something that no invariant can see."""
        now_us = self._simulator.now_us
        self._late.append(Violation(UNSEEN, now_us, text, now_us))

    async def play(self) -> None:
        """From beginning to end."""
        serves = tomllib.loads(self._script.plan).get("indication") == SERVICE
        role = Role.SERVICE if serves else Role.OPERATOR
        async with Stack(self._seed, simulator=self._simulator, role=role) as stack:
            witness = self._witness = self._watch(stack)
            stack.loop.measure_turns(self._clock)
            player = self._player = Player(stack, witness.asked, self._script.plan, role=role)
            try:
                await self._perform(stack, player)
                await self._make_good(stack, witness)
            finally:
                await player.end()
            self._simulated_s = stack.loop.time()
            self._turn_s_max = stack.loop.turn_s_max
            await stack.end_daemon()
            witness.end()
            self._recorded = sum(is_lit(record) or record.unknown for record in witness.records())
            for error in player.failures:
                self.broken(f"a person was answered with {_words(error)}")
            head = stack.reader.audit_head()
            self._trace = f"{stack.line.trace} {stack.line.bytes_carried} {head}"

    def result(self, wall_s: float) -> Result:
        """What came of it."""
        witness, player, injector = self._witness, self._player, self._injector
        faults = tuple(injector.reports()) if injector is not None else ()
        violations = [*self._late, *(witness.violations if witness is not None else ())]
        told = [report.as_dict() for report in faults]
        self._truth.sum.update(f"{self._trace} {violations} {told}".encode())
        return Result(
            scenario=self._script.name,
            seed=self._seed,
            firmware=self._firmware,
            trace_sha256=self._truth.sum.hexdigest(),
            began_us=self._began_us,
            simulated_s=self._simulated_s,
            wall_s=wall_s,
            pulses_true=self._truth.pulses,
            pulses_recorded=self._recorded,
            plans_given=player.plans_given if player is not None else 0,
            violations=tuple(violations),
            excused=dict(witness.excused) if witness is not None else {},
            faults=faults,
            refusals=dict(player.told) if player is not None else {},
            turn_ms_max=1e3 * self._turn_s_max,
        )

    # -- within

    def _watch(self, stack: Stack) -> Witness:
        witness = Witness(self._simulator, self._invariants, reader=stack.reader, serial=SERIAL)
        witness.attach(stack)
        self._simulator.observers.append(self._truth)
        if self._attach is not None:
            self._attach(self._simulator)
        return witness

    async def _perform(self, stack: Stack, player: Player) -> None:
        """Faults, events and operator, for the script's time."""
        script = self._script
        stack.laser.work(self._inject)
        events = script.events
        if script.operator == "random":
            events = tuple(sorted((*events, *random_events(self._seed, script.duration_s)), key=_at_s))
        began_s = stack.loop.time()
        for event in events:
            stack.loop.call_at(began_s + event.at_s, player.event, event.do, dict(event.fields))
        working = None
        if script.operator != "none":
            work = player.give_once() if script.operator == "steady" else player.steady()
            working = asyncio.create_task(work, name="operator")
        await asyncio.sleep(script.duration_s)
        if working is not None:
            working.cancel()
            await asyncio.wait({working})
            if not working.cancelled() and (error := working.exception()) is not None:
                raise error

    def _inject(self, simulator: Simulator) -> None:
        injector = self._injector = Injector.of(simulator, self._seed)
        for fault in self._script.faults:
            injector.inject_stated(fault)

    def _clear(self, simulator: Simulator) -> None:
        Injector.of(simulator).clear_all()

    async def _make_good(self, stack: Stack, witness: Witness) -> None:
        """Everything good again, and time for the books."""
        stack.laser.work(self._clear)
        for action, fields in MAKE_GOOD:
            stack.laser.act(action, **fields)
        stack.line.cut()  # whatever a fault still holds back on the line is lost
        stack.line.mend()
        stack.line.plug_in()
        if stack.running and stack.store is not None:
            stack.store.free_disk()
        deadline_s = stack.loop.time() + SETTLE_S
        witness.settled = False
        while not witness.settled and stack.loop.time() < deadline_s:
            if not stack.running:
                stack.start_daemon()
            await asyncio.sleep(0.5)
            witness.settled = _balanced(stack)


def _words(error: Exception) -> str:
    """An exception and where it came from, without what another process would not say."""
    place = traceback.extract_tb(error.__traceback__)[-1:]
    where = "".join(f" ({Path(frame.filename).name}:{frame.lineno})" for frame in place)
    return _ADDRESS.sub("", f"{type(error).__name__}: {error}{where}")


def _at_s(event: Happening) -> float:
    return event.at_s


def _balanced(stack: Stack) -> bool:
    """Whether the daemon has the laser, and every pulse of it on disk."""
    daemon = stack.daemon
    status = daemon.commands.status
    known = daemon.commands.laser is not None and status is not None
    return known and stack.running and daemon.recorder.balanced and not daemon.commands.uncertain


@contextmanager
def _quiet() -> Iterator[None]:
    """Let the daemon's log be silent: what it says is in the record, and formatting it costs time."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
