"""The laser's coming and going: who it is, how its books stand, and what follows when it is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from typing import TypeVar

from controller.calibrating import CalibrationKeeper
from controller.commands import Commands
from controller.recorder import Event, Recorder
from controller.store import (
    CommandOutcome,
    DeviceRecord,
    EventKind,
    SessionState,
    Severity,
    Store,
    StoreError,
    StoreWriter,
)
from controller.treatment import Treatment
from hal.errors import LaserError, LinkError, LinkKind
from hal.laser import Laser
from hal.laser_values import LaserCapabilities, LaserIdentity
from hal.outcomes import Done, Outcome, Refused
from hal.reconnect import LineState
from safety.gate import LinkFacts
from safety.limits import DeviceLimits, ModeLimits
from safety.reactions import Reaction
from safety.supervisor import Supervisor

T = TypeVar("T")

PERMITS_RECALLED = 64  # [C] a device keeps 256 reports; a permit of fewer than four pulses is rare


class LaserLink:
    """Takes in each laser that `hal.reconnect` has identified, and lets go of it when the line is lost."""

    def __init__(
        self,
        writer: StoreWriter,
        supervisor: Supervisor,
        recorder: Recorder,
        commands: Commands,
        *,
        treatment: Treatment,
        calibrations: CalibrationKeeper,
        now_us: Callable[[], int],
        react: Callable[[list[Reaction]], None],
        on_about: Callable[[LaserIdentity, LaserCapabilities], None],
    ) -> None:
        self.identity: LaserIdentity | None = None
        self.capabilities: LaserCapabilities | None = None
        self.line = LineState.CONNECTING
        self.line_text = ""
        self.line_since_us = now_us()
        self._writer = writer
        self._supervisor = supervisor
        self._recorder = recorder
        self._commands = commands
        self._treatment = treatment
        self._calibrations = calibrations
        self._now_us = now_us
        self._react = react
        self._on_about = on_about

    def line_changed(self, state: LineState, text: str) -> None:
        """The reconnect policy tells what it is doing."""
        self.line, self.line_text, self.line_since_us = state, text, self._now_us()
        severity = Severity.INFO if state in {LineState.CONNECTED, LineState.CONNECTING} else Severity.WARNING
        self._recorder.event(
            Event(EventKind.LINK, severity, f"{state.value}: {text}", "daemon", self._now_us())
        )

    async def serve(self, laser: Laser, identity: LaserIdentity) -> None:
        """Make `laser` the one in use until cancelled; raises LaserError when it cannot be taken in."""
        self._commands.connected = laser
        try:
            try:
                await self._take_in(laser, identity)
            except StoreError as error:
                self._commands.store_failed(error)
                text = f"the record of {identity.serial} cannot be used: {error}"
                raise LinkError(LinkKind.CLOSED, text, "it is tried again") from error
            await asyncio.Future()  # until the connection ends
        finally:
            self._let_go()

    def down(self, error: LaserError) -> None:
        """The connection is gone: nothing is known of the laser any more."""
        self._let_go()
        self._treatment.trip(str(error))  # here, so that it is recorded before the next laser is taken in
        self._react(self._supervisor.link_down(str(error), self._now_us()))

    async def _take_in(self, laser: Laser, identity: LaserIdentity) -> None:
        capabilities = _value(await laser.capabilities())
        counters = _value(await laser.counters())
        device = DeviceRecord(
            serial=identity.serial,
            model=identity.model,
            firmware=identity.firmware_version,
            simulated=identity.simulated,
            identity=asdict(identity),
            baseline_pulse=counters.acknowledged,
        )
        for permit_id, pulses in await self._writer.run(_begin_with, device, self._now_us()):
            self._supervisor.recall_permit(permit_id, pulses)
        recorded_to = await self._recorder.connected(identity.serial, counters)
        self.identity, self.capabilities = identity, capabilities
        self._treatment.serial, self._treatment.limits = identity.serial, _limits(capabilities)
        facts = LinkFacts(
            serial=identity.serial,
            boot=laser.session.boot,
            session=laser.session.number,
            interface_matches=laser.session.interface_matches,
            recorded_to=recorded_to,
        )
        self._commands.laser = laser
        self._react(self._supervisor.link_up(facts, self._now_us()))
        self._react(self._supervisor.observe(counters, self._now_us()))
        self._recorder.acknowledging(laser.acknowledge_pulses)
        self._calibrations.connected(identity.serial)
        self._on_about(identity, capabilities)

    def _let_go(self) -> None:
        self._commands.before = self._commands.connected or self._commands.before
        self._commands.connected = self._commands.laser = None
        self._commands.status = None
        self._recorder.acknowledging(None)
        self._treatment.limits = None


def _begin_with(store: Store, device: DeviceRecord, now_us: int) -> list[tuple[int, int]]:
    """Save the device, close what an earlier run left open, and return its last permits with their pulses."""
    store.save_device(device)
    for session in store.sessions():
        if session.device_serial == device.serial and session.state is SessionState.OPEN:
            state = SessionState.INTERRUPTED if session.remaining_pulses else SessionState.DONE
            store.move_session(session.id, state, actor="daemon", now_us=now_us)
    return [
        (int(str(command.body["permit_id"])), int(str(command.body["pulses"])))
        for command in store.commands("grant", limit=PERMITS_RECALLED)
        if command.body.get("serial") == device.serial
        and command.outcome not in {CommandOutcome.REFUSED, CommandOutcome.FAILED}
    ]


def _limits(capabilities: LaserCapabilities) -> DeviceLimits:
    return DeviceLimits(
        modes=tuple(ModeLimits(**asdict(mode)) for mode in capabilities.modes),
        rates_hz=capabilities.rates_hz,
        spot_min_mm=capabilities.spot_min_mm,
        spot_max_mm=capabilities.spot_max_mm,
        permit_pulses_max=capabilities.permit_pulses_max,
        permit_max_us=capabilities.permit_max_us,
        energy_step_mj=capabilities.energy_step_mj,
    )


def _value(outcome: Outcome[T]) -> T:
    """What was read; raises LaserError when reading failed, so that the connection is made anew."""
    match outcome:
        case Done(value):
            return value
        case Refused(reasons):
            text = "; ".join(str(reason) for reason in reasons)
            raise LinkError(LinkKind.GATE, f"reading the laser was refused: {text}", "clear the reasons")
    raise outcome.error
