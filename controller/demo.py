"""The demo: a whole treatment by separate processes on this machine, nobody asked, everything checked.

Theory of operation. Three children: the broker, the simulated laser on a pseudo-terminal, the daemon on that
port. The demo itself is the operator: it works the key, the port and the foot through the simulator's control
channel, and everything else through the daemon's API like any user. What happened is then read from places
that know nothing of one another: the device's counter, the plant's truth, the database, the broker.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from controller.client import ApiRefusal, Client, ClientError, Endpoint, NotReachable
from controller.course import Course
from controller.demo_found import Around, Found
from controller.lateness import LATE_MAX, POLL_S, acknowledge_all, in_hand, only_late, take_up_again
from controller.live import View, follow
from controller.picture import Picture, latch_line, words
from controller.plans import LoadedPlan
from controller.processes import Child, ended_how
from controller.stage import (
    DAEMON,
    DEVICE_ID,
    LASER,
    OPERATOR,
    PREFIX,
    SITE,
    START_S,
    Places,
    Stage,
    make_operator,
)
from controller.store import Reader
from controller.summary import Summary
from controller.witnesses import SimulatorHands, Subscriber, WitnessError

STEP_S: Final = 30.0  # [C] a second, on a machine that is not busy
WARM_UP_S: Final = 1_900.0  # the device itself gives up after 30 minutes of its time
CALIBRATION_S: Final = 120.0  # [C] thirty pulses at 10 Hz, whatever the machine
SERIES_MARGIN: Final = 2.0  # [C] triggers may be skipped while the capacitor charges
SETTLE_S: Final = 30.0  # [C] an outbox of a hundred messages takes a second


class DemoFailed(Exception):
    """The demo could not be completed; the text says at which step and what was seen, `details` more."""

    def __init__(self, text: str, details: list[str] | None = None) -> None:
        super().__init__(text)
        self.details = details or []


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the demo shall do: `run` is where its folder is made and its port linked."""

    run: Path
    file: Path
    plan: LoadedPlan
    seed: int
    speed: int


class Demo:
    """One run of the demo. `password` is the throw-away operator's; it is kept nowhere."""

    def __init__(
        self,
        options: DemoOptions,
        places: Places,
        view: View,
        *,
        wall_clock: Callable[[], datetime],
        now_us: Callable[[], int],
        password: str,
    ) -> None:
        self._options = options
        self._places = places
        self._view = view
        self._wall_clock = wall_clock
        self._now_us = now_us
        self._password = password
        self._text = options.plan.text
        self._plan = options.plan.plan
        self._stage = Stage(places)
        self._helpers: list[asyncio.Task[None]] = []
        self._changed = asyncio.Event()
        self._client = Client(Endpoint(socket=places.api))
        self._hands = SimulatorHands(places.control)
        self.subscriber = Subscriber(f"{PREFIX}/{SITE}/{DEVICE_ID}")
        self._tell: Callable[[Summary, Around], None] | None = None
        self._broker_url = ""

    async def run(self, stay: Callable[[Summary, Around], None] | None = None) -> Summary:
        """Carry it out; raises DemoFailed, ChildEnded, ClientError or WitnessError. All have ended then.

        With `stay` all runs on after the plan: it is told how that went and where all is, and cancelling is
        the ordinary end.
        """
        self._tell = stay
        summary: Summary | None = None
        try:
            async with self._client, self._hands:
                try:
                    found = await self._stage.unless_a_child_ends(self._treat())
                    if stay is not None:
                        summary = await asyncio.to_thread(self._conclude, found)
                        stay(summary, self._around(found))
                        await self._stay()
                except BaseException:
                    await self._stop()
                    raise
                finally:
                    for task in self._helpers:
                        task.cancel()
                    await asyncio.gather(*self._helpers, return_exceptions=True)
        finally:
            statuses = await self._stage.end()
        if summary is None:  # only now: nobody has the database open any more
            summary = await asyncio.to_thread(self._conclude, found)
        return replace(summary, problems=(*summary.problems, *self._left_behind(statuses)))

    async def _stay(self) -> None:
        """Wait to be cancelled, then stop the laser; raises what ended a child or a helper before."""
        self._view.note("everything runs on, with nobody at the footswitch; Ctrl-C ends it")
        try:
            await self._stage.unless_a_child_ends(self._helpers_end())
        except asyncio.CancelledError:
            await self._stop()

    async def _helpers_end(self) -> None:
        """Wait until a helper ends, which none should; raises what ended it."""
        done, _ = await asyncio.wait(self._helpers, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            await task

    def _around(self, found: Found) -> Around:
        page = found.status.get("web") or {}
        url = str(page.get("address")) if page.get("state") == "up" else None
        return Around(self._broker_url, url, OPERATOR, self._password)

    # -- the treatment, step by step

    async def _treat(self) -> Found:
        await self._start()
        await self._bring_to_standby()
        await self._log_in()
        course = await self._open_session()
        counter_before = int((await self._client.status())["books"]["device_counter"])
        true_before = await self._hands.pulses_true()
        course = await self._give(course)
        return Found(
            course,
            await self._settled(),
            counter_before,
            await self._hands.pulse_number(),
            true_before,
            await self._hands.pulses_true(),
        )

    async def _start(self) -> None:
        self._view.note("starting the MQTT broker, on this machine only")
        broker, config = await self._stage.start_broker(with_page=self._tell is not None)
        self._broker_url = f"mqtt://{config.mqtt.host}:{config.mqtt.port}"
        self._view.say(_running(broker))
        await asyncio.to_thread(
            make_operator,
            config,
            self._plan.wavelength_nm,
            self._password,
            wall_clock=self._wall_clock,
            now_us=self._now_us(),
        )
        self._help(self.subscriber.run(config.mqtt.host, config.mqtt.port), "demo subscriber")
        async with self._step("the broker takes a subscriber", STEP_S):
            await self.subscriber.connected.wait()
        seed, speed = self._options.seed, self._options.speed
        self._view.note(
            f"starting the simulated laser: --seed {seed} --warm-up-speed {speed} (its time runs {speed} "
            "times as fast in self-test and warm-up; nothing is left out)"
        )
        laser, served = await self._stage.start_laser(seed, speed)
        self._view.say(_running(laser), served)
        self._view.note("starting the daemon")
        self._view.say(_running(await self._stage.start_daemon()))
        async with self._step("the daemon answers", START_S):
            while not await self._answers():  # noqa: ASYNC110  # nobody tells when a socket appears
                await asyncio.sleep(POLL_S)
        self._help(follow(self._view, self._client.watch, self._noticed, patient=True), "demo view")

    async def _answers(self) -> bool:
        try:
            await self._client.status()
        except NotReachable:
            return False
        return True

    async def _bring_to_standby(self) -> None:
        self._view.note("waiting for the daemon to identify the laser")
        await self._until("the link is up", lambda picture: bool(picture.laser), STEP_S)
        self._view.note("turning the key, handpiece in the calibration port: self-test, warm-up, calibration")
        await self._hands.act("dock")
        await self._hands.act("key", to="on")
        limit_s = WARM_UP_S / self._options.speed + CALIBRATION_S
        await self._until("the laser reaches STANDBY", lambda picture: picture.state == "standby", limit_s)
        self._view.note("taking the handpiece out of the port")
        await self._hands.act("undock")
        await self._until("the handpiece is out", lambda picture: not picture.laser.get("docked"), STEP_S)

    async def _log_in(self) -> None:
        self._view.note(f"logging in as the throw-away operator {OPERATOR!r}")
        await self._client.login(OPERATOR, self._password)
        for latch in self._view.picture.supervisor.get("latches") or ():
            self._view.note(f"acknowledging {latch_line(latch)}")
        async with self._step("nothing is latched", STEP_S):
            await acknowledge_all(self._client)

    async def _open_session(self) -> Course:
        self._view.note(f"checking the plan {self._options.file}")
        file = str(self._options.file)
        answer = await self._client.check_plan(self._text, file)
        if answer.get("ok") is not True:
            raise DemoFailed(
                "the plan is refused", [str(refusal) for refusal in answer.get("refusals") or ()]
            )
        self._view.note(f"confirming eyewear for {self._plan.wavelength_nm} nm and the checklist")
        session = await self._client.open_session(self._text, file, self._plan.wavelength_nm, checklist=True)
        return Course(str(session["id"]))

    async def _give(self, course: Course) -> Course:
        """Arm and fire until the session is over; one that was only late is taken up again, as people do."""
        for _ in range(LATE_MAX):
            try:
                await self._arm()
                await self._fire(course := Course(course.session_id))
                return course
            except (DemoFailed, ApiRefusal):
                if not only_late(await self._client.status()):
                    raise
            self._view.note("this computer was late, and that is all: acknowledging, resuming what remains")
            await self._hands.act("foot", to="release")
            async with self._step("the session is taken up again", STEP_S):
                if not await take_up_again(self._client, self._plan.wavelength_nm):
                    return course
                while not in_hand(self._view.picture.status):
                    await self._news()
        raise DemoFailed(f"this computer was late {LATE_MAX} times", ["lower the load on it"])

    async def _arm(self) -> None:
        if not self._plan.rehearsal and not self._view.picture.laser.get("aiming_on"):
            self._done("switching the aiming beam on", await self._client.aiming(on=True))
        self._view.note("arming: shutter, stop channels and monitors are proven, for two seconds at least")
        answer: Mapping[str, Any] = {}
        for _ in range(LATE_MAX):  # a moment's lateness may come between
            await self._until("nothing is against arming", _may_arm, STEP_S)
            answer = await self._client.arm()
            if answer.get("outcome") != "refused":
                break
        self._done("arming", answer)

    async def _fire(self, course: Course) -> None:
        """Press when a permit is held and release when it is used up, until the session is over."""
        over = False
        while not over:
            self._view.note("waiting for the permit of the next series")
            await self._until(
                "a permit is granted or the session ends",
                lambda picture: self._may_fire(picture, course),
                STEP_S,
            )
            if over := course.over(self._view.picture, self._now_us()):
                break
            left = int(self._view.picture.laser["permit_pulses_left"])
            self._view.note(f"foot pressed for {left} pulses")
            await self._hands.act("foot", to="press")
            limit_s = left / self._plan.rep_rate_hz * SERIES_MARGIN + STEP_S
            await self._until(
                f"{left} pulses are given", lambda picture: not self._permitted(picture), limit_s
            )
            await self._hands.act("foot", to="release")
            self._view.note("foot released")
        with Reader.open(self._places.database) as reader:
            course.settle(reader.session(course.session_id))
        text, why = course.ending(self._view.picture)
        if not course.done:
            raise DemoFailed(text, why)
        await self._until("STANDBY after the last pulse", lambda picture: picture.state == "standby", STEP_S)

    def _may_fire(self, picture: Picture, course: Course) -> bool:
        return course.over(picture, self._now_us()) or (picture.state == "ready" and self._permitted(picture))

    @staticmethod
    def _permitted(picture: Picture) -> bool:
        return (
            picture.state in {"ready", "emitting"} and int(picture.laser.get("permit_pulses_left") or 0) > 0
        )

    async def _settled(self) -> Mapping[str, Any]:
        """The status once everything is recorded and published, or when it took too long."""
        self._view.note("waiting until everything is recorded and published")
        deadline_s = asyncio.get_running_loop().time() + SETTLE_S
        while True:
            status = await self._client.status()
            books, waiting = status["books"], (status.get("mqtt") or {}).get("waiting")
            at_rest = not books["missing"] and not books["waiting"] and not waiting
            if at_rest and self.subscriber.published() >= books["device_counter"]:
                return status
            if asyncio.get_running_loop().time() > deadline_s:
                return status  # the counts will show what is missing
            await asyncio.sleep(POLL_S)

    # -- watching

    def _help(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(lambda _: self._changed.set())
        self._helpers.append(task)

    def _noticed(self, _: Picture) -> bool:
        self._changed.set()
        return False

    @contextlib.asynccontextmanager
    async def _step(self, what: str, limit_s: float) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(limit_s):
                yield
        except TimeoutError as error:
            laser = f"the laser is in {words(self._view.picture.state)}"
            raise DemoFailed(f"not within {limit_s:.0f} s: {what} ({laser})", self._against()) from error

    async def _until(self, what: str, wanted: Callable[[Picture], bool], limit_s: float) -> None:
        """Wait until the picture is as wanted; a fault of the laser, a helper's failure or time ends it."""
        async with self._step(what, limit_s):
            while not wanted(self._view.picture):
                for task in self._helpers:
                    if task.done():
                        await task  # raises what ended it
                if self._view.picture.state == "fault":
                    raise DemoFailed(f"the laser tripped before {what}", self._against())
                await self._news()

    async def _news(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _against(self) -> list[str]:
        supervisor = self._view.picture.supervisor
        lines = [f"latched: {latch_line(latch)}" for latch in supervisor.get("latches") or ()]
        return lines + [
            f"not armed: {reason.get('text')}: {reason.get('action')}"
            for reason in supervisor.get("arm_refusals") or ()
        ]

    @staticmethod
    def _done(what: str, answer: Mapping[str, Any]) -> None:
        if answer.get("outcome") != "done":
            reasons = [
                f"{reason.get('text')}: {reason.get('action')}" for reason in answer.get("reasons") or ()
            ]
            raise DemoFailed(f"{what}: {answer.get('text') or answer.get('outcome')}", reasons)

    async def _stop(self) -> None:
        """Stop the laser by whatever still runs; without the daemon the laser ends emission by itself."""
        if self._stage.children.running(DAEMON):
            try:
                confirmed = (await self._client.stop()).get("confirmed") is True
            except ClientError as error:
                self._view.note(f"STOP NOT CONFIRMED: {error}")
            else:
                self._view.note("STOP confirmed by the laser" if confirmed else "STOP NOT CONFIRMED")
        if self._stage.children.running(LASER):
            with contextlib.suppress(WitnessError):
                await self._hands.act("foot", to="release")

    # -- the end

    def _conclude(self, found: Found) -> Summary:
        options = self._options
        return found.conclude(self._places.database, options.file, options.plan.plan, self.subscriber)

    def _left_behind(self, statuses: Mapping[str, int]) -> list[str]:
        """What is not in order now that all have ended."""
        problems = [f"{name} ended {ended_how(status)}" for name, status in statuses.items() if status]
        if self._places.port.is_symlink():
            problems.append(f"the port {self._places.port} was left behind")
        return problems


def _may_arm(picture: Picture) -> bool:
    return not picture.supervisor.get("arm_refusals", ["nothing is known"])


def _running(child: Child) -> str:
    return f"{child.name} is process {child.pid}; its log is {child.log}"
