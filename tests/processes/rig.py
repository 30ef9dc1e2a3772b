"""A whole picolase in real processes: started, killed, frozen, and judged by the plant's truth.

The judge is the plant's own truth, read over the simulator's control socket, and the database, read without
the daemon. A laser that a busy machine trips is armed again: what is to be shown is shown without a trip.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import pytest

from controller.client import ApiRefusal
from controller.processes import Child
from controller.stage import PYTHON
from controller.store import PulseRecord, Reader, SessionRecord, SessionState
from rig.stack import plan_text
from tests.processes.status import at_rest, in_hand, latched, permitted, state
from tests.processes.urgent import DAEMON, LASER, make_urgent
from tests.processes.waiting import Waiting

MARK = "PICOLASE_TEST_MARK"
OPERATOR, PASSWORD = "operator", "a long word for tests 7"
SERIAL = "PL755-0001"
SPEED = 1_000  # of self-test and warm-up; nothing of them is left out
START_S = 90.0  # a few seconds, where nobody else wants the machine
STOP_US = 250_000  # DESIGN: host silent to no emission
TRIES = 20  # trips of a machine that is too busy
LATE = frozenset({"loop_lag", "stale", "reconnected", "uncertain", "device_fault"})  # what it trips by
TOLERANT = "[safety]\nloop_lag_max_ms = 150\nstatus_max_age_ms = 500\n"  # as the demo, for the same reason
QUICK_S = 0.02  # what a look at the device's clock may take, so that it dates what follows
WAVELENGTH_NM = 755


def wall_clock() -> datetime:
    return datetime.now(UTC)


def plan(*series: int) -> str:
    """A plan at 5 Hz with these series."""
    return plan_text(series=list(series))


@dataclass(frozen=True, slots=True)
class Truth:
    """What the plant saw since its process was started."""

    now_us: int
    total: int
    aperture: int
    times_us: tuple[int, ...]  # of the latest pulses that left the aperture

    @property
    def last_us(self) -> int:
        return self.times_us[-1] if self.times_us else 0


class Rig(Waiting):
    """One laser and its daemon in `folder`; with a `template`, the laser is warm-started and calibrated."""

    def __init__(self, folder: Path, template: Path | None = None) -> None:
        super().__init__(folder, folder / "daemon.sock", folder / "laser.sock")
        self.port = folder / "laser0"
        self.url = str(self.port)
        self.state = folder / "device"
        self.database = folder / "picolase.db"
        self.config = folder / "picolase.toml"
        self.laser: Child | None = None
        self.daemon: Child | None = None
        self.more: list[Child] = []
        self.mqtt_port: int | None = None
        self.boot = ""  # of the daemon that the operator is logged in to
        self.settings = ""  # more of the configuration
        self.late = 0  # trips of this machine, which was too busy, that were forgiven
        if template is not None:
            shutil.copytree(template / "device", self.state)
            shutil.copy(template / "picolase.db", self.database)

    async def __aenter__(self) -> Self:
        await self.client.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        for child in (self.daemon, *reversed(self.more), self.laser):
            if child is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child.pid, signal.SIGCONT)
                await child.end()
        await self.client.__aexit__(None, None, None)
        await self.control.close()

    # -- processes

    async def start(self) -> None:
        """Both processes, up to STANDBY with the operator logged in and nothing latched."""
        await self.start_laser()
        await self.start_under_daemon()

    async def start_under_daemon(self) -> None:
        """The daemon for a laser that runs, up to STANDBY with the operator logged in and nothing latched."""
        await self.start_daemon()
        await self.login_again()
        await self.until_standby()
        await self.acknowledge()

    async def start_laser(self, *options: str, program: tuple[str, ...] = ()) -> str:
        """Start the simulated laser with the key on; returns what it says of itself."""
        served: tuple[str, ...] = () if "--tcp" in options else ("--pty", str(self.port))
        command = [*(program or (*PYTHON, "controller.cli", "sim")), *served, *options]
        command += ["--control", str(self.folder / "laser.sock"), "--state", str(self.state)]
        command += ["--key-on", "--warm-up-speed", str(SPEED), "--until-stdin-closes"]
        if "--docked" not in options:
            command.append("--undocked")
        self.laser = await Child.start("laser", command, self.folder / "laser.log")
        return await self.laser.first_line(START_S)

    async def start_daemon(self) -> Child:
        """Start the daemon and wait until it answers."""
        self.daemon = await self.launch_daemon()
        answer = asyncio.create_task(self.until("the daemon answers", lambda _: True, START_S))
        await asyncio.wait({answer, self.daemon.ended}, return_when=asyncio.FIRST_COMPLETED)
        if self.daemon.ended.done():
            answer.cancel()
            pytest.fail(f"{self.daemon.failure()}: {self.daemon.failure().log_tail()}")
        await answer
        return self.daemon

    async def launch_daemon(self, prefix: tuple[str, ...] = ()) -> Child:
        """Start the daemon without waiting for it."""
        self.write_config()
        command = [*prefix, *PYTHON, "controller.cli", "run"]
        command += ["--config", str(self.config), "--until-stdin-closes"]
        return await Child.start("daemon", command, self.folder / "daemon.log")

    def write_config(self) -> None:
        text = f'[device]\nurl = "{self.url}"\n{self.settings}\n'
        text += TOLERANT
        text += f'[store]\npath = "{self.database}"\n[api]\nsocket = "{self.api}"\n'
        if self.mqtt_port is not None:
            text += f'[mqtt]\nenabled = true\nhost = "127.0.0.1"\nport = {self.mqtt_port}\n'
        self.config.write_text(text)

    async def kill(self, *children: Child | None) -> None:
        """`kill -9` of all of them at once; they are gone when this returns.

        So is the laser's port, as a device's that is unplugged: the link that a killed simulator cannot
        remove would lead to whoever is given its terminal's number next, perhaps another test's laser.
        """
        dying = [child for child in children if child is not None]
        for child in dying:
            os.kill(child.pid, signal.SIGKILL)
        if self.laser in dying:
            self.port.unlink(missing_ok=True)
        for child in dying:
            assert await child.end() == -signal.SIGKILL, f"{child.name} was not running any more"

    def signal(self, number: signal.Signals) -> None:
        """Send the daemon a signal."""
        assert self.daemon is not None
        os.kill(self.daemon.pid, number)

    async def stop_dating(self, act: Callable[[], object]) -> int:
        """Do `act` and return a device time that lies at most 20 ms before the latest moment of it."""
        before_s, now_us = 0.0, 0
        for _ in range(20):
            before_s = time.monotonic()
            now_us = (await self.control.state())["now_us"]
            if time.monotonic() - before_s <= QUICK_S:
                break
        act()
        # The device's clock goes no faster than ours: what it took longer may have been before the act.
        return now_us + max(0, round((time.monotonic() - before_s - QUICK_S) * 1e6))

    # -- people

    async def login(self) -> None:
        await self.client.login(OPERATOR, PASSWORD)

    async def login_again(self) -> None:
        """Log in to a daemon that was started anew; the login at one that has lived on holds its lease."""
        if self.boot != (boot := (await self.client.status())["boot"]):
            await self.login()
            self.boot = boot

    async def until_standby(self) -> None:
        await self.until("STANDBY", lambda now: state(now) == "standby", START_S)

    async def acknowledge(self) -> list[str]:
        """Acknowledge everything that is latched as soon as it may be; returns the names of the latches."""
        names: list[str] = []

        async def nothing_latched() -> bool:
            latches = (await self.client.status())["supervisor"]["latches"]
            for latch in latches:
                named = {"name": latch["name"], "instance": latch["instance"]}
                answer = await self.client.acknowledge([named])
                names.extend(cleared["name"] for cleared in answer["cleared"])
            return not latches

        await self.wait("nothing is latched", nothing_latched)
        return names

    async def begin(self, text: str) -> str:
        """Open a session for the plan; returns its identity."""
        return str((await self.client.open_session(text, "plan", WAVELENGTH_NM, checklist=True))["id"])

    async def resume(self) -> Mapping[str, Any]:
        """Take the interrupted session in hand as soon as the books allow it."""
        session: dict[str, Any] = {}

        async def resumed() -> bool:
            try:
                session.update(await self.client.resume_session(WAVELENGTH_NM, checklist=True))
            except ApiRefusal:
                return False
            return True

        await self.wait("the session is resumed", resumed)
        return session

    async def arm(self) -> None:
        """Arm and wait for the permit of the next series.

        A machine that is too busy trips the laser, as it must (loop_lag, stale); then it is done once more.
        """
        for child, priority in ((self.laser, LASER), (self.daemon, DAEMON)):
            if child is not None:
                make_urgent(child.pid, priority)
        for _ in range(TRIES):
            answer: dict[str, Any] = {}

            async def armed(answer: dict[str, Any] = answer) -> bool:
                answer.clear()
                answer.update(await self.client.arm())
                if "host.calibration" in {reason["code"] for reason in answer["reasons"]}:
                    # the daemon stopped a laser that restarted, in its start-up check of the calibration
                    await self.client.calibrate()
                return bool(answer["outcome"] == "done")

            with contextlib.suppress(ApiRefusal):  # the session was let go meanwhile
                await self.wait("arming", armed, answer.__repr__)
            now = await self.until("a permit", lambda now: permitted(now) or not in_hand(now))
            if in_hand(now):
                return
            await self._go_on_after_a_lag()
        raise AssertionError("the machine is too busy to arm a laser on it")

    async def _go_on_after_a_lag(self) -> None:
        self.late += 1
        names = await self.acknowledge()
        assert set(names) <= LATE, f"the session was ended by {names}"
        await self.until_standby()
        await self.resume()

    async def permit(self) -> None:
        """Wait for the permit of the next series, armed already, or again after a trip of a busy machine."""
        now = await self.until("a permit", lambda now: permitted(now) or not in_hand(now))
        if not in_hand(now):
            await self._go_on_after_a_lag()
            await self.arm()

    async def tripped_by_load(self) -> bool:
        """Whether a machine that is too busy tripped the laser; if so, the session is in hand again."""
        if not latched(await self.client.status()):
            return False
        await self.until("the session is let go", lambda now: not in_hand(now))
        await self.foot("release")
        await self._go_on_after_a_lag()
        return True

    async def foot(self, to: str) -> None:
        await self.control.operate("foot", to=to)

    async def fire(self) -> None:
        """Press for one series and release when its permit is used up."""
        await self.foot("press")
        await self.until("the series ends", lambda now: not permitted(now))
        await self.foot("release")

    async def finish(self, session_id: str) -> None:
        """Fire what remains, armed already, until the session is done."""
        while self.session(session_id).remaining_pulses:
            now = await self.until("a permit", lambda now: permitted(now) or not in_hand(now))
            if permitted(now):
                await self.fire()
            elif self.session(session_id).remaining_pulses:
                await self._go_on_after_a_lag()
                await self.arm()
        await self.ended(session_id)
        await self.until_standby()

    async def ended(self, session_id: str) -> str:
        """Wait until the daemon has let go of the session, and the record says how it ended: return that."""
        await self.until("the session is let go", lambda now: not in_hand(now))

        async def told() -> bool:
            return self.session(session_id).state is not SessionState.OPEN

        await self.wait("the session's end is recorded", told)
        return self.session(session_id).state.value

    # -- witnesses

    async def truth(self) -> Truth:
        told = await self.control.truth(last=500)
        times_us = tuple(pulse["time_us"] for pulse in told["pulses"] if pulse["aperture"])
        return Truth(told["now_us"], told["total"], told["aperture"], times_us)

    async def device_time(self, after_us: int) -> None:
        """Wait until the device's clock has passed `after_us`."""

        async def passed() -> bool:
            return bool((await self.control.state())["now_us"] > after_us)

        await self.wait(f"the device's clock passes {after_us}", passed)

    async def pulses_given(self, count: int) -> None:
        """Wait until so many pulses have left the aperture since the laser's process was started.

        Where a machine that is too busy trips the laser meanwhile, whoever treats goes on: arms and presses.
        """
        tripped = False

        async def given_or_tripped() -> bool:
            nonlocal tripped
            tripped = not in_hand(await self.client.status())
            return (await self.truth()).aperture >= count or tripped

        for _ in range(TRIES):
            await self.wait(f"{count} pulses leave the aperture", given_or_tripped)
            if (await self.truth()).aperture >= count:
                return
            await self.foot("release")
            await self._go_on_after_a_lag()
            await self.arm()
            await self.foot("press")
        raise AssertionError("the machine is too busy to fire a laser on it")

    def session(self, session_id: str) -> SessionRecord:
        with Reader.open(self.database) as reader:
            return reader.session(session_id)

    def records(self) -> list[PulseRecord]:
        """All pulses on disk, in their order."""
        found: list[PulseRecord] = []
        with Reader.open(self.database) as reader:
            while page := reader.pulses(SERIAL, after=found[-1].pulse_number if found else 0):
                found += page
        return found

    async def balanced(self) -> list[PulseRecord]:
        """Wait until the books are closed, then demand of the records what must hold after anything."""
        await self.until("every pulse is recorded", at_rest)
        device: dict[str, Any] = {}

        async def forgotten() -> bool:
            device.update(await self.control.device())
            return bool(device["acknowledged"] == device["pulse_number"])

        await self.wait("the device's reports are acknowledged", forgotten, lambda: str(device))
        found = self.records()
        assert [pulse.pulse_number for pulse in found] == list(range(1, device["pulse_number"] + 1))
        assert not device["broken"]
        with Reader.open(self.database) as reader:
            assert reader.check() == []
        return found
