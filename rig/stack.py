"""The whole stack in one process and in virtual time: laser, line, daemon, database and the people around.

Theory of operation. A simulated laser (plant and firmware) hangs on a line in memory; a daemon put
as `picolase run` starts it has the other end. Both live on one loop, whose clock is virtual, and every source
of chance is seeded: the same seed gives the same bytes at the same microseconds. Tests act as people do, and
judge by the plant's ground truth and by the database.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, cast

from controller.config import Config, DeviceConfig, MqttConfig, SafetyConfig, StoreConfig
from controller.daemon import Daemon
from controller.lease import Who
from controller.second import Second
from controller.store import Reader, Role, Store
from hal.errors import PortError, PortKind
from hal.memory_port import open_memory
from hal.port import Port
from hal.time import now_us
from protocols.messages import Status
from protocols.states import State
from rig.laser import SERIAL, SimulatedLaser, cold_laser, warm_laser
from rig.line import Line
from rig.records import Records, RigStore
from rig.virtual_time import VirtualTimeLoop
from safety.checkpoints import Signer
from safety.freshness import Quality
from safety.latches import LatchId
from sim_device import firmwares
from sim_device.plant.truth import Truth
from sim_device.simulator import Simulator

BEGAN: Final = datetime(2030, 1, 1, tzinfo=UTC)
POLL_S: Final = 0.01  # [C] a fifth of the fastest Status period
U32_MAX: Final = 2**32 - 1

PLAN: Final = """\
format = 1
name = "Tattoo, left forearm"
indication = "tattoo"
skin_type = "II"
rehearsal = false

[beam]
wavelength_nm = 755
mode_width_ps = 750
handpiece = "zoom"
spot_mm = 3.5
pulse_energy_mj = 173.0
rep_rate_hz = 5.0

[treatment]
passes = 1
series = [20, 20, 20]
"""


def plan_text(**changes: object) -> str:
    """The text of `PLAN` with these keys changed, each as TOML writes it; KeyError for an unknown one."""
    lines = PLAN.splitlines()
    for key, value in changes.items():
        found = [number for number, line in enumerate(lines) if line.split(" = ")[0] == key]
        if not found:
            raise KeyError(key)
        lines[found[0]] = f"{key} = {str(value).lower() if isinstance(value, bool) else value}"
    return "\n".join(lines) + "\n"


class Stack:
    """One laser with everything around it; use it as an asynchronous context manager.

    Without `folder` the database is in memory. A laser that is not `warm` has its key off, unless it is the
    given `simulator`; `firmware` is what it runs, by its name in `sim_device.firmwares`. `safety` are
    settings of the configuration that differ from its defaults. `role` is what the people who log in have: a
    service plan needs `Role.SERVICE`. With a `signer` the audit is signed. An exception in any callback of
    the loop is raised at the end, so that none goes unseen.
    """

    def __init__(
        self,
        seed: int = 1,
        *,
        folder: Path | None = None,
        warm: bool = True,
        simulator: Simulator | None = None,
        firmware: str = firmwares.DEFAULT,
        role: Role = Role.OPERATOR,
        safety: Mapping[str, int] | None = None,
        mqtt: Mapping[str, object] | None = None,
        signer: Callable[[Store], Signer] | None = None,
    ) -> None:
        self.loop = cast("VirtualTimeLoop", asyncio.get_running_loop())
        if not isinstance(self.loop, VirtualTimeLoop):
            raise TypeError(f"the stack runs on a VirtualTimeLoop, not on {type(self.loop).__name__}")
        self.line = Line(f"stack-{seed}")  # the same each time: events quote it
        make = warm_laser if warm else cold_laser
        self.laser = SimulatedLaser(simulator or make(seed, firmware), self.line)
        self.records = Records(None if folder is None else folder / "picolase.db", self.wall_clock)
        self.store: RigStore | None = None  # of the running daemon
        self.unseen: list[dict[str, Any]] = []  # what the loop's callbacks raised
        self._config = Config(
            device=DeviceConfig(url=self.line.url),
            store=StoreConfig(path=Path(self.records.path)),
            mqtt=MqttConfig(**cast("Any", mqtt or {})),
            safety=SafetyConfig(**cast("Any", safety or {})),
        )
        self._chance = random.Random(f"{seed}/stack")
        self._role = role
        self._signer = signer
        self._daemon: Daemon | None = None
        self._life: asyncio.Task[bool] | None = None
        self._dead: list[asyncio.Task[bool]] = []
        self._who: dict[str, Who] = {}

    async def __aenter__(self) -> Self:
        self._handler = self.loop.get_exception_handler()
        self.loop.set_exception_handler(lambda _, context: self.unseen.append(context))
        self.start_daemon()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._life is not None:
            await self.end_daemon()
        await asyncio.gather(*self._dead, return_exceptions=True)
        self.laser.close()
        self.line.close()
        self.records.close()
        self.loop.set_exception_handler(self._handler)
        if self.unseen and error is None:
            raise ExceptionGroup("in callbacks of the loop", [_raised(context) for context in self.unseen])

    # -- the daemon's life

    @property
    def running(self) -> bool:
        """Whether a daemon runs."""
        return self._life is not None and not self._life.done()

    @property
    def daemon(self) -> Daemon:
        """The one that runs, or ran last."""
        if self._daemon is None:
            raise RuntimeError("no daemon was started yet")
        return self._daemon

    def start_daemon(self) -> Daemon:
        """Start a daemon on the same line and the same database."""
        if self._life is not None and not self._life.done():
            raise RuntimeError("a daemon is running: kill or end it first")
        self.store = self.records.open()
        self._daemon = Daemon(
            self._config,
            self.store,
            wall_clock=self.wall_clock,
            opener=self._opener(),
            inline_store=True,
            random_number=self._chance.random,
            new_id=lambda: f"{self._number():08x}",
            nonce=self._number,
            with_api=False,
            new_token=lambda: f"token-{self._number():08x}",
            password_match=_is_name,
            signer=self._signer,
        )
        self._life = asyncio.create_task(self._daemon.run(), name="daemon")
        self._who.clear()
        return self._daemon

    async def end_daemon(self) -> bool:
        """Let it shut down in order; what its `run` returned."""
        if self._life is None:
            raise RuntimeError("no daemon is running")
        self.daemon.end()
        life, self._life = self._life, None
        return await life

    async def ended(self, within_s: float = 30.0) -> bool:
        """Wait until the daemon has ended by itself; what its `run` returned."""
        if self._life is None:
            raise RuntimeError("no daemon is running")
        await asyncio.wait({self._life}, timeout=within_s)
        if not self._life.done():
            raise AssertionError(f"the daemon did not end within {within_s} s")
        life, self._life = self._life, None
        return life.result()

    def kill_daemon(self) -> None:
        """End it as `kill -9` does: from this instant on nothing of it reaches line or database.

        Its tasks are then cancelled, and what they do on their way out is done to nobody.
        """
        if self._life is None or self.store is None:
            raise RuntimeError("no daemon is running")
        self.line.hang_up()
        self.store.crash()
        self._life.cancel()
        self._dead.append(self._life)
        self._life = None

    def _opener(self) -> Callable[..., Any]:
        store = self.store

        async def open_line(url: str, **_: int) -> Port:
            if store is not self.store or self._life is None:
                raise PortError(PortKind.ABSENT, url, "this daemon was killed", "start another one")
            return open_memory(url, self.line.name)

        return open_line

    def _number(self) -> int:
        return self._chance.randint(1, U32_MAX)

    # -- the people

    async def login(self, name: str = "anna", role: Role | None = None) -> Who:
        """Log in, as an operator who is made when there is none of this name; once for each daemon."""
        if name not in self._who:
            self._made(name, role or self._role)
            self._who[name] = await self.login_again(name)
        return self._who[name]

    def _made(self, name: str, role: Role) -> None:
        if self.reader.operator(name) is None and self.store is not None:
            self.store.insert_operator(name, role, name, actor="rig", now_us=now_us())
            self.store.record_training(name, 755, BEGAN.replace(year=2100), actor="rig", now_us=now_us())

    async def login_again(self, name: str = "anna") -> Who:
        """One more login of the same person."""
        token = (await self.daemon.console.login(name, name))["token"]
        return Who(self.daemon.logins.require(token, Role.VIEWER), token)

    def second(self) -> Second:
        """Somebody with the service role, who agrees to what needs two persons."""
        self._made(name := "sven", Role.SERVICE)
        return Second(name, name)

    async def acknowledge(self) -> dict[str, Any]:
        """Acknowledge everything that is latched, the device's fault too; wait until its mirror is gone."""
        latches = [(latch.id.value, latch.instance) for latch in self.latches]
        answer = await self.daemon.console.acknowledge(await self.login(), latches)
        if not answer["kept"]:
            await self.until(lambda: not self.latches, "nothing is latched")
        return answer

    async def prepare(self, text: str = PLAN, *, eyewear_nm: int = 755) -> dict[str, Any]:
        """Connected, logged in, acknowledged, and a session open for this plan."""
        await self.settled()
        await self.acknowledge()
        who, console = await self.login(), self.daemon.console
        return await console.open_session(who, text, "plan.toml", eyewear_nm, checklist=True, service=True)

    async def resume(self) -> dict[str, Any]:
        """Acknowledge what is latched and take the unfinished session in hand again."""
        await self.until(
            lambda: not self.device.faults_present and not self.daemon.commands.uncertain,
            "no fault's cause present, nothing uncertain",
        )
        if self.latches and (kept := (await self.acknowledge())["kept"]):
            raise AssertionError(f"not acknowledged: {kept}")
        await self.settled()
        return await self.daemon.console.resume_session(await self.login(), 755, checklist=True, service=True)

    async def arm(self) -> dict[str, Any]:
        """Arm for the session in hand, and wait for the permit of its next series."""
        answer = await self.daemon.console.arm(await self.login())
        if answer["outcome"] != "done":
            raise AssertionError(f"not armed: {answer}")
        await self.permitted()
        return answer

    async def permitted(self) -> None:
        """Wait until the laser is READY and holds a permit."""
        await self.until(lambda: self.device.state is State.READY and self.device.permit_id != 0, "a permit")

    async def fire(self, pulses: int) -> None:
        """Press, and wait until so many more pulses are recorded; the foot stays down."""
        enough = self.recorded + pulses
        self.press()
        await self.until(lambda: self.recorded >= enough, f"{pulses} pulses", within_s=pulses + 10)

    async def give_series(self) -> None:
        """Press until the permit is used up, release."""
        self.press()
        await self.until(lambda: not self.device.permit_id, "the permit used up", within_s=120)
        self.release()

    async def give_all(self) -> None:
        """Give every series that is left, and wait until the session is done and the laser in STANDBY."""
        while self.daemon.treatment.session is not None and self.daemon.treatment.session.remaining:
            await self.permitted()
            await self.give_series()
            await self.until(lambda: self.daemon.recorder.balanced, "every pulse recorded")
        await self.until(lambda: self.daemon.treatment.session is None, "the session done")
        await self.standby()

    async def settled(self) -> None:
        """Wait until the daemon knows the laser's values and has every pulse of the device on record."""
        await self.standby()
        await self.until(
            lambda: (
                self.daemon.recorder.balanced
                and self.daemon.supervisor.view(now_us()).inputs["telemetry"].quality is Quality.GOOD
                and not self.daemon.commands.uncertain
            ),
            "books balanced, values known, nothing uncertain",
        )

    async def standby(self) -> None:
        """Wait until the daemon sees the laser in STANDBY."""
        await self.until(lambda: self.status is not None and self.status.state is State.STANDBY, "STANDBY")

    def press(self) -> None:
        """Step on the footswitch."""
        self.laser.act("foot", to="press")

    def release(self) -> None:
        """Take the foot off."""
        self.laser.act("foot", to="release")

    # -- looking

    @property
    def status(self) -> Status | None:
        """The laser's newest Status in the daemon's hands."""
        return self.daemon.commands.status

    @property
    def device(self) -> Status:
        """The same; RuntimeError when there is none."""
        if self.status is None:
            raise RuntimeError("the daemon has no laser")
        return self.status

    @property
    def truth(self) -> Truth:
        """What really happened to the light."""
        return self.laser.truth

    @property
    def reader(self) -> Reader:
        """The database."""
        return self.records.reader

    @property
    def recorded(self) -> int:
        """Pulses on record."""
        return self.reader.count_pulses(self.serial)

    @property
    def serial(self) -> str:
        """The laser's serial number."""
        return SERIAL

    @property
    def latches(self) -> tuple[Any, ...]:
        """The host's standing latches."""
        return self.daemon.supervisor.view(now_us()).latches

    @property
    def latched(self) -> set[LatchId]:
        """Which latches stand."""
        return {latch.id for latch in self.latches}

    def wall_clock(self) -> datetime:
        """The time of day, as virtual as the loop's."""
        return BEGAN + timedelta(microseconds=self.loop.now_us())

    async def until(self, wanted: Callable[[], bool], what: str, within_s: float = 20.0) -> None:
        """Wait until something is as wanted; AssertionError, with what was seen, when it does not come."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while True:
                    with contextlib.suppress(RuntimeError):
                        if wanted():
                            return
                    await asyncio.sleep(POLL_S)
        latched = sorted(latch.text for latch in self.latches)
        raise AssertionError(f"not within {within_s} s: {what}; latched {latched}; Status {self.status}")


def _raised(context: Mapping[str, Any]) -> Exception:
    """The exception that a loop's exception handler was told of, or what it was told instead."""
    error = context.get("exception")
    return error if isinstance(error, Exception) else RuntimeError(context["message"])


async def _is_name(password_hash: str, password: str) -> bool:
    """Passwords of the rig are the names themselves: hashing them would cost real time."""
    return password_hash == password
