"""Housekeeping: who may still treat, whether READY is used, and what is too old to keep."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from typing import Final

from controller.calibrating import CalibrationKeeper
from controller.commands import Commands
from controller.config import Config
from controller.lease import Lease
from controller.openings import Openings
from controller.operators import Logins, NotAuthorised
from controller.store import Role, Store, StoreError, StoreWriter
from controller.telling import Teller
from controller.treatment import Treatment
from hal.time import now_us
from protocols.requests import Trigger
from protocols.timing import SECOND
from safety.reactions import Reaction
from safety.supervisor import Supervisor

EVERY_S: Final = 1.0  # [C] idle times are minutes; a second more or less is nothing
PRUNE_EVERY_US: Final = 3_600 * SECOND  # [C] retention is counted in days


class Housekeeper:
    """Looks after what only time changes."""

    def __init__(
        self,
        config: Config,
        *,
        writer: StoreWriter,
        supervisor: Supervisor,
        commands: Commands,
        treatment: Treatment,
        logins: Logins,
        lease: Lease,
        teller: Teller,
        calibrations: CalibrationKeeper,
        openings: Openings,
        react: Callable[[list[Reaction]], None],
    ) -> None:
        self._idle_ready_us = config.safety.idle_standby_s * SECOND
        self._retention = timedelta(days=config.store.retention_days)
        self._writer = writer
        self._supervisor = supervisor
        self._commands = commands
        self._treatment = treatment
        self._logins = logins
        self._lease = lease
        self._teller = teller
        self._calibrations = calibrations
        self._openings = openings
        self._react = react
        self._prune_us = now_us()

    async def run(self) -> None:
        """Each second, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch_people(), name="people")
            group.create_task(self._keep_house(), name="house")
            group.create_task(self._openings.run(), name="openings")

    async def _watch_people(self) -> None:
        """A loop of its own: a disk that does not answer must not keep an idle login."""
        while True:
            try:
                await self._logins.refresh()
            except StoreError as error:
                self._commands.store_failed(error)
            self._disarm_without_operator()
            await asyncio.sleep(EVERY_S)

    async def _keep_house(self) -> None:
        while True:
            self._disarm_without_operator()
            self._calibrations.tell()
            self._openings.tell()
            self._teller.refresh()
            try:
                await self._treatment.end_idle_ready(self._idle_ready_us)
                await self._prune()
            except StoreError as error:
                self._commands.store_failed(error)
            await asyncio.sleep(EVERY_S)

    def pulse_is_use(self) -> None:
        """A foot on the switch is a person at the laser: the login that holds the lease is in use."""
        session, at_us = self._treatment.session, now_us()
        if session is not None and session.plan.fired_by is not Trigger.FOOT:
            return
        if self._still_logged_in(at_us, in_use=True):
            self._lease.renew(at_us)

    def _disarm_without_operator(self) -> None:
        if not self._still_logged_in(now_us(), in_use=False):
            self._react(self._supervisor.operator_present(None, now_us()))

    def _still_logged_in(self, at_us: int, *, in_use: bool) -> bool:
        """Whether somebody holds the lease by a login that is not idle; takes the lease from one that is."""
        held = self._lease.holder(at_us)
        if held is None:
            return False
        try:
            self._logins.require(held.who.token, Role.OPERATOR, in_use=in_use)
        except NotAuthorised:
            self._lease.give_up(held.who.token)
            return False
        return True

    async def _prune(self) -> None:
        if now_us() >= self._prune_us:
            pruned = await self._writer.run(Store.prune, self._retention, now_us=now_us())
            self._prune_us = now_us() + (0 if any(asdict(pruned).values()) else PRUNE_EVERY_US)
