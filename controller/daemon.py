"""The daemon: the one place where everything is put together, and the order in which it starts and ends.

Theory of operation. Every message of the laser's goes to the supervisor first, synchronously, and what the
supervisor asks for is done before anything else hears of it. All tasks live in one group; one that ends on
its own trips the supervisor, so that the heartbeat stops and the laser with it. Shutting down: nothing more
is granted, the laser is stopped and confirms, what was reported is on disk, what was recorded is published,
then the store and the port are closed.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import datetime, timedelta
from typing import Any

from controller.api import build_api, serve
from controller.blackbox import BlackBox
from controller.calibrating import CalibrationKeeper
from controller.checkpointer import Checkpointer
from controller.commands import Commands
from controller.config import Config
from controller.console import Console
from controller.ending import close_records, make_safe
from controller.fanout import Fanout
from controller.heart import beat
from controller.housekeeping import Housekeeper
from controller.laser_link import LaserLink
from controller.lease import Lease
from controller.listening import listen
from controller.metrics_page import MetricsPage
from controller.openings import Openings
from controller.operators import Logins
from controller.publishers import Publishers
from controller.reacting import react
from controller.recorder import Event, Recorder
from controller.report import Reporter
from controller.sole_user import SoleUser
from controller.store import EventKind, PulseRecord, Severity, Store, StoreWriter
from controller.telling import Teller
from controller.treatment import Treatment
from controller.web.server import WebConsole
from hal.drivers import load_driver
from hal.errors import LaserError, PortError
from hal.hooks import Hooks, fresh_nonce
from hal.ports import open_port
from hal.reconnect import OpenPort, Reconnect
from hal.time import now_us
from protocols.messages import Heartbeat, Message, PulseFlag, PulseReport, Status, Telemetry
from protocols.timing import MS, SECOND
from safety.checkpoints import Signer
from safety.freshness import Input
from safety.reactions import Reaction
from safety.supervisor import Supervisor

_log = logging.getLogger(__name__)


class Daemon:
    """One laser's daemon: made inside a running loop, whose clock it uses; then `run` once. It owns `store`.

    A rig hands in its own clock, ports, chance and an inline store, and leaves the API out. `signer` gives
    the key that signs the audit: without one, neither is it signed nor its head told.
    """

    def __init__(
        self,
        config: Config,
        store: Store,
        *,
        wall_clock: Callable[[], datetime],
        opener: OpenPort = open_port,
        inline_store: bool = False,
        random_number: Callable[[], float] = random.random,
        new_id: Callable[[], str] = lambda: secrets.token_hex(8),
        nonce: Callable[[], int] = fresh_nonce,
        new_token: Callable[[], str] = secrets.token_urlsafe,
        password_match: Callable[[str, str], Awaitable[bool]] | None = None,
        with_api: bool = True,
        signer: Callable[[Store], Signer] | None = None,
    ) -> None:
        self._config = config
        self._with_api = with_api
        self._ending = asyncio.Event()
        self._failed = False
        self.boot = new_id()
        store.daemon_boot = self.boot
        store.outbox_wanted = config.mqtt.enabled
        self.writer = StoreWriter(store, inline=inline_store)
        self.fanout = Fanout()
        self.supervisor = Supervisor(
            now_us(),
            max_age_us={Input.STATUS: config.safety.status_max_age_ms * MS},
            loop_lag_max_us=config.safety.loop_lag_max_ms * MS,
        )
        self.recorder = Recorder(
            self.writer,
            wall_clock=wall_clock,
            on_recorded=self._recorded,
            on_store=lambda ok, text: self._react(self.supervisor.store_state(ok, text, now_us())),
            on_trouble=self._trouble,
        )
        self.commands = Commands(
            self.writer, self.supervisor, self.recorder, now_us=now_us, new_id=new_id, react=self._react
        )
        self.treatment = Treatment(
            self.writer,
            self.supervisor,
            self.recorder,
            self.commands,
            now_us=now_us,
            new_id=new_id,
            new_permit_id=nonce,
        )
        self.teller = Teller(
            self.fanout,
            self.supervisor,
            self.treatment,
            boot=self.boot,
            telemetry_hz=config.mqtt.telemetry_hz,
            wall_clock=wall_clock,
            now_us=now_us,
            audit_head=lambda: self.checkpointer.head,
            proofs_due=lambda: self.openings.due,
        )
        self.openings = Openings(
            self.writer,
            self.supervisor,
            self.recorder,
            self.commands,
            limits=config.safety.proof_limits,
            wall_clock=wall_clock,
            now_us=now_us,
        )
        self.calibrations = CalibrationKeeper(
            self.writer,
            self.supervisor,
            self.recorder,
            self.commands,
            max_age=timedelta(days=config.safety.calibration_max_age_days),
            operator=lambda: self.lease.name(now_us()) or "start-up",
            wall_clock=wall_clock,
            now_us=now_us,
        )
        self.link = LaserLink(
            self.writer,
            self.supervisor,
            self.recorder,
            self.commands,
            treatment=self.treatment,
            calibrations=self.calibrations,
            now_us=now_us,
            react=self._react,
            on_about=self.teller.about,
        )
        self.logins = Logins(
            self.writer,
            new_token=new_token,
            now_us=now_us,
            wall_clock=wall_clock,
            match=password_match,
            idle_lock_us=config.safety.idle_lock_s * SECOND,
        )
        self.lease = Lease(config.safety.idle_lock_s * SECOND)
        self.housekeeper = Housekeeper(
            config,
            writer=self.writer,
            supervisor=self.supervisor,
            commands=self.commands,
            treatment=self.treatment,
            logins=self.logins,
            lease=self.lease,
            teller=self.teller,
            calibrations=self.calibrations,
            openings=self.openings,
            react=self._react,
        )
        self.checkpointer = Checkpointer(
            self.writer,
            signer,
            device=lambda: self.treatment.serial,
            now_us=now_us,
            on_trouble=lambda text: self._note(EventKind.SYSTEM, Severity.ERROR, text),
        )
        self.mqtt: Publishers | None = None
        if config.mqtt.enabled:
            self.mqtt = Publishers(
                config.mqtt,
                fanout=self.fanout,
                writer=self.writer,
                boot=self.boot,
                wall_clock=wall_clock,
                jitter=random_number,
                report=lambda text: self._note(EventKind.SYSTEM, Severity.WARNING, text),
                stop=lambda: self.console.stop_now("mqtt", "cmd/stop"),
            )
        self.reporter = Reporter(
            boot=self.boot,
            port=config.device.url,
            store_path=str(config.store.path),
            supervisor=self.supervisor,
            recorder=self.recorder,
            commands=self.commands,
            treatment=self.treatment,
            link=self.link,
            calibrations=self.calibrations,
            openings=self.openings,
            lease=lambda: self.lease.report(now_us()),
            people=self.logins.report,
            mqtt=lambda: self.mqtt.health if self.mqtt else None,
            web=lambda: self.web.health if self.web else None,
            wall_clock=wall_clock,
            now_us=now_us,
        )
        self.metrics: MetricsPage | None = None
        if config.metrics.enabled:
            self.metrics = MetricsPage(self.reporter, self.writer, self.fanout, wall_clock)
        self.blackbox = BlackBox(
            self.writer,
            now_us=now_us,
            traffic=self.commands.recent_traffic,
            report=self.reporter.report,
            new_id=new_id,
            on_failed=lambda text: self._note(EventKind.SYSTEM, Severity.ERROR, text),
        )
        self.console = Console(
            writer=self.writer,
            supervisor=self.supervisor,
            recorder=self.recorder,
            commands=self.commands,
            treatment=self.treatment,
            link=self.link,
            logins=self.logins,
            lease=self.lease,
            reporter=self.reporter,
            openings=self.openings,
            fanout=self.fanout,
            react=self._react,
            now_us=now_us,
        )
        self.web: WebConsole | None = None
        if with_api and config.web.enabled:
            self.web = WebConsole(
                config.web,
                config.mqtt,
                console=self.console,
                fanout=self.fanout,
                writer=self.writer,
                store_path=config.store.path,
                boot=self.boot,
                wall_clock=wall_clock,
                now_us=now_us,
                report=lambda text: self._note(EventKind.SYSTEM, Severity.WARNING, text),
            )
        self._reconnect = Reconnect(
            config.device.url,
            load_driver(config.device.driver),
            Hooks(gate=self.commands.gate, on_message=self._message, on_down=self._down, nonce=nonce),
            jitter=random_number,
            baud=config.device.baud,
            expected_serial=config.device.expected_serial or "",
            on_state=self.link.line_changed,
            opener=SoleUser(opener, self._port_taken).open,
        )

    # -- life

    def end(self) -> None:
        """Ask `run` to shut down in order; a signal handler may call it."""
        self._ending.set()

    async def run(self) -> bool:
        """Serve until `end`; returns whether that was asked for, rather than a part having failed."""
        api = listen(self._config.api) if self._with_api else None
        await self.commands.recall()
        self._note(EventKind.SYSTEM, Severity.INFO, f"the daemon started, run {self.boot}")
        recording = asyncio.create_task(self._watched("recorder", self.recorder.run()), name="recorder")
        publishing = asyncio.create_task(self.mqtt.run(), name="mqtt") if self.mqtt else None
        try:
            async with asyncio.TaskGroup() as group:
                tasks: dict[str, Coroutine[Any, Any, Any]] = {
                    "heart": beat(self.supervisor, self._react, self._heartbeat),
                    "laser": self._reconnect.run(self.link.serve),
                    "commands": self.commands.run(),
                    "treatment": self.treatment.run(),
                    "blackbox": self.blackbox.run(),
                    "calibration": self.calibrations.run(),
                    "housekeeping": self.housekeeper.run(),
                    "checkpoints": self.checkpointer.run(),
                }
                if self.metrics is not None:
                    tasks["metrics"] = self.metrics.run()
                if self.web is not None:
                    tasks["web"] = self.web.run()
                if api is not None:
                    local = self._config.api.loopback_only
                    tasks["api"] = serve(
                        build_api(self.console, loopback_only=local, metrics=self.metrics), api
                    )
                running = [
                    group.create_task(self._watched(name, work), name=name) for name, work in tasks.items()
                ]
                await self._ending.wait()
                await make_safe(self.treatment, self.commands, self.recorder, self.fanout)
                for task in running:
                    task.cancel()
        finally:
            await self._close(recording, publishing)
        return not self._failed

    async def _watched(self, name: str, work: Coroutine[Any, Any, Any]) -> None:
        """A task of the daemon: one that ends on its own trips the supervisor and ends the daemon."""
        try:
            await work
        except asyncio.CancelledError:
            raise
        except Exception:  # noqa: BLE001  # the top of every task: it is logged, trips and ends the daemon
            _log.exception("the task %r failed: the daemon ends", name)
        self._failed = True
        self._react(self.supervisor.task_ended(name, now_us()))
        self._note(EventKind.SYSTEM, Severity.ERROR, f"the task {name!r} ended")
        self.end()

    def _port_taken(self, error: PortError) -> None:
        """Another daemon serves this laser: this one ends."""
        self._failed = True
        self._note(EventKind.SYSTEM, Severity.ERROR, str(error))
        self.end()

    async def _close(self, recording: asyncio.Task[None], publishing: asyncio.Task[None] | None) -> None:
        if self.commands.laser is not None:
            self.commands.laser.close()
        self._note(EventKind.SYSTEM, Severity.INFO, "the daemon ends")
        await close_records(
            recording,
            publishing,
            recorder=self.recorder,
            checkpointer=self.checkpointer,
            teller=self.teller,
            mqtt=self.mqtt,
            writer=self.writer,
        )

    # -- the laser's side, synchronous

    def _message(self, message: Message, at_us: int) -> None:
        """Supervisor first; then bounded queues."""
        self._react(self.supervisor.observe(message, at_us))
        if isinstance(message, Status):
            self.commands.status = message
            self.recorder.device_counter(message.pulse_number)
            self.treatment.status(message)
            self.calibrations.status(message)
            self.openings.status(message)
            self.teller.status(message)
        elif isinstance(message, PulseReport):
            self.recorder.pulse(message, at_us)
            if PulseFlag.UNKNOWN in message.flags:
                self.commands.recount()
        elif isinstance(message, Telemetry):
            self.reporter.telemetry = message
            self.teller.telemetry(message)
        self.blackbox.message(message, at_us)

    def _down(self, error: LaserError) -> None:
        self.link.down(error)
        self.reporter.telemetry = None  # of a laser that is gone nothing is claimed
        self.teller.down()

    def _heartbeat(self, heartbeat: Heartbeat) -> None:
        if self.commands.laser is not None:
            self.commands.laser.heartbeat(heartbeat)

    def _react(self, reactions: list[Reaction]) -> None:
        react(reactions, self.treatment, self.commands, self.blackbox, self._note)

    # -- what came of it

    def _recorded(self, record: PulseRecord | Event) -> None:
        if isinstance(record, PulseRecord):
            self.treatment.recorded(record)
            self.housekeeper.pulse_is_use()
            self.teller.pulse(record)
        else:
            self.teller.event(record)

    def _trouble(self, text: str) -> None:
        self._react(self.supervisor.uncertain("records", text, now_us()))

    def _note(
        self, kind: EventKind, severity: Severity, text: str, body: Mapping[str, object] | None = None
    ) -> None:
        level = {Severity.INFO: logging.INFO, Severity.WARNING: logging.WARNING}.get(severity, logging.ERROR)
        _log.log(level, "%s", text)
        self.blackbox.note("event", text)
        self.recorder.event(Event(kind, severity, text, "daemon", now_us(), body or {}))
