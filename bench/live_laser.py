"""A laser that fires at 10 Hz in real time, with its daemon and broker: each a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic_ns
from typing import Any, Final

from bench.broker import HOST
from controller.client import ApiRefusal, Client, Endpoint, NotReachable
from controller.config import Config
from controller.course import ENDED
from controller.operators import add_operator
from controller.stage import DAEMON, Places, Stage, write_config
from controller.store import Role, Store
from controller.witnesses import SimulatorHands

PLAN: Final = Path(__file__).parents[1] / "plans" / "service-10hz.toml"
OPERATOR: Final = "bench"
WAVELENGTH_NM: Final = 755
SPEED: Final = 1_000  # of self-test and warm-up, as the simulator has it at most
PATIENCE_S: Final = 60.0  # a machine that is busy with other work
POLL_S: Final = 0.5  # a look at the status costs the daemon a millisecond or two of what is measured
SAMPLES_HZ: Final = 10.0


class LiveError(Exception):
    """It did not come to be, or came to an end: a machine that is too busy trips the laser, as it must."""


class LiveLaser:
    """Made by `live_laser`; `page` is the address of the daemon's page."""

    def __init__(self, client: Client, hands: SimulatorHands, page: str, daemon_pid: int) -> None:
        self.page = page
        self.daemon_pid = daemon_pid
        self._client = client
        self._hands = hands
        self._sound = False  # nothing is latched any more, and nothing must be

    async def prepare(self, password: str) -> None:
        """Up to a permit for the first series, the foot not yet pressed."""
        await self._hands.act("dock")
        await self._hands.act("key", to="on")
        await self.until("STANDBY", lambda now: now["laser"]["state"] == "standby")
        await self._hands.act("undock")
        await self._client.login(OPERATOR, password)
        await self._acknowledge()
        text = await asyncio.to_thread(PLAN.read_text, "utf-8")
        await self._client.open_session(text, str(PLAN), WAVELENGTH_NM, checklist=True, service=True)
        await self._arm()

    async def fire(self, pulses: int, *, within_s: float) -> list[str]:
        """Give so many more pulses, or as many as come in the time; returns what ended it meanwhile.

        A machine that is too busy trips the laser, as it must: that is acknowledged, and it goes on.
        """
        wanted = int((await self._client.status())["books"]["device_counter"]) + pulses
        ended: list[str] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while not await self._given(wanted, ended):
                    with contextlib.suppress(LiveError, ApiRefusal):
                        await self._acknowledge()
                        if (await self._client.status())["session"]["state"] in ENDED:
                            await self._client.resume_session(WAVELENGTH_NM, checklist=True, service=True)
                        await self._arm()
        await self._hands.act("foot", to="release")
        return ended

    async def _given(self, wanted: int, ended: list[str]) -> bool:
        """Press until so many pulses are given, and return whether they are."""
        try:
            await self._hands.act("foot", to="press")
            await self.until("as many pulses", lambda now: now["books"]["device_counter"] >= wanted)
        except LiveError as error:
            ended.append(str(error))
            return False
        finally:
            await self._hands.act("foot", to="release")
        return True

    async def _acknowledge(self) -> None:
        """Until nothing is latched any more; from then on nothing must be."""
        self._sound = False

        async def nothing(now: Mapping[str, Any]) -> bool:
            latches = now["supervisor"]["latches"]
            if latches:
                named = [{"name": latch["name"], "instance": latch["instance"]} for latch in latches]
                await self._client.acknowledge(named)
            return not latches

        await self.until("nothing latched", nothing)
        await self.until("STANDBY", lambda now: now["laser"]["state"] == "standby")
        self._sound = True

    async def _arm(self) -> None:
        """Up to a permit."""
        await self._client.aiming(on=True)
        await self.until("no refusal", lambda now: not now["supervisor"]["arm_refusals"])
        answer = await self._client.arm()
        if answer.get("outcome") != "done":
            raise LiveError(f"arming: {answer.get('text')} {answer.get('reasons')}")
        await self.until("a permit", lambda now: bool(now["laser"]["permit_pulses_left"]))

    async def until(self, what: str, wanted: Callable[[Mapping[str, Any]], bool | Awaitable[bool]]) -> None:
        """Wait until the daemon's status is as wanted; raises LiveError after too long, or for a latch."""
        now: Mapping[str, Any] = {}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    with contextlib.suppress(NotReachable):
                        now = await self._client.status()
                        come = bool(now["laser"]) and wanted(now)
                        if come if isinstance(come, bool) else await come:
                            return
                        if self._sound and now["supervisor"]["latches"]:
                            break
                    await asyncio.sleep(POLL_S)
        latches = [latch["text"] for latch in (now.get("supervisor") or {}).get("latches") or ()]
        raise LiveError(
            f"no {what}: the laser is in {(now.get('laser') or {}).get('state')}, latched: {latches}"
        )


@contextlib.asynccontextmanager
async def live_laser(folder: Path, broker_port: int, page_port: int) -> AsyncIterator[LiveLaser]:
    """In STANDBY with a permit; everything has ended afterwards. The daemon notes times, see `daemon`."""
    places = Places(folder, folder, folder / "laser0")
    config = write_config(places, broker_port, page_port)
    text = places.config.read_text("utf-8").replace("telemetry_hz = 1.0", f"telemetry_hz = {SAMPLES_HZ}")
    places.config.write_text(text, "utf-8")
    password = secrets.token_urlsafe(24)
    await asyncio.to_thread(_make_operator, config, password)
    stage = Stage(places)
    hands = SimulatorHands(places.control)
    try:
        async with Client(Endpoint(socket=places.api)) as client, hands:
            with contextlib.suppress(TimeoutError):  # the daemon is more patient
                await stage.start_laser(1, SPEED)
            program = "import sys; from bench.live_daemon import run; run(sys.argv.pop(1))"
            command = [sys.executable, "-P", "-c", program, str(folder / "times.json")]
            command += ["run", "--config", str(places.config), "--until-stdin-closes"]
            daemon = await stage.children.start(DAEMON, command, folder / "daemon.log")
            laser = LiveLaser(client, hands, f"http://{HOST}:{page_port}/", daemon.pid)
            await laser.until("laser", lambda _: True)
            await laser.prepare(password)
            yield laser
    finally:
        await stage.end()


def clocks_apart_ns() -> int:
    """Wall clock less monotonic clock."""
    before_ns = monotonic_ns()
    wall_ns = int(datetime.now(UTC).timestamp() * 1e9)
    return wall_ns - (before_ns + monotonic_ns()) // 2


def _make_operator(config: Config, password: str) -> None:
    def wall_clock() -> datetime:
        return datetime.now(UTC)

    now_us = monotonic_ns() // 1000
    with Store.open(config.store.path, wall_clock=wall_clock) as store:
        add_operator(store, OPERATOR, Role.SERVICE, password, actor="bench", now_us=now_us)
        expires = wall_clock() + timedelta(days=1)
        store.record_training(OPERATOR, WAVELENGTH_NM, expires, actor="bench", now_us=now_us)
