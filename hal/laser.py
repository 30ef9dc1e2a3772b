"""A laser as the host uses it: what every driver implements, in the user's units."""

from __future__ import annotations

import abc
import asyncio
from typing import TYPE_CHECKING, Self

from hal.clock_map import ClockMap
from hal.laser_values import CommittedSetPoint, LaserCapabilities, LaserIdentity, Permit, SetPoint
from hal.outcomes import Outcome
from protocols import requests as wire
from protocols.messages import Beam, Heartbeat, Status

if TYPE_CHECKING:
    from hal.errors import LaserError
    from hal.hooks import Hooks
    from hal.port import Port
    from hal.session import Session
    from hal.stopping import StopResult
    from hal.traffic import Chunk, Counters


class Laser(abc.ABC):
    """One connection to one laser; made by `connect`, thrown away when it has ended.

    Out-of-band messages (Status, PulseReport, Telemetry) go to the hooks. No method raises LaserError: what
    can go wrong is in the outcome. `clock` maps the laser's time to the host's.
    """

    clock: ClockMap

    @classmethod
    @abc.abstractmethod
    async def connect(cls, port: Port, hooks: Hooks) -> Self:
        """Open a session over `port` and own it from now on; raises LinkError, with the port closed."""

    @property
    @abc.abstractmethod
    def session(self) -> Session:
        """The facts of this session."""

    @property
    @abc.abstractmethod
    def traffic(self) -> Counters:
        """What the connection has carried so far."""

    @abc.abstractmethod
    def recent_traffic(self) -> tuple[Chunk, ...]:
        """The last 30 s of raw bytes, for the black box."""

    @abc.abstractmethod
    async def identify(self) -> Outcome[LaserIdentity]:
        """Who the laser is."""

    @abc.abstractmethod
    async def capabilities(self) -> Outcome[LaserCapabilities]:
        """What the laser can do."""

    @abc.abstractmethod
    async def counters(self) -> Outcome[wire.Counters]:
        """The laser's own books."""

    @abc.abstractmethod
    async def calibration(self) -> Outcome[wire.Calibration]:
        """The energy calibration in force."""

    @abc.abstractmethod
    async def calibration_points(self) -> Outcome[tuple[wire.CalibrationPoint, ...]]:
        """What the calibration in force measured, level by level; empty when there is none."""

    @abc.abstractmethod
    async def fault_history(self) -> Outcome[tuple[wire.FaultRecord, ...]]:
        """The newest trips, newest first."""

    @abc.abstractmethod
    async def read_setpoint(self) -> Outcome[CommittedSetPoint | None]:
        """The set-point in force as the laser holds it; None when there is none."""

    @abc.abstractmethod
    async def apply_setpoint(self, set_point: SetPoint) -> Outcome[CommittedSetPoint]:
        """Put `set_point` in force, read it back and compare; the value is what was read back."""

    @abc.abstractmethod
    async def set_aiming(self, *, on: bool) -> Outcome[None]:
        """Switch the aiming beam."""

    @abc.abstractmethod
    async def calibrate(self) -> Outcome[None]:
        """Begin the energy calibration into the port; Status tells its end, `calibration` its result."""

    @abc.abstractmethod
    async def acknowledge(self, fault_instance: int) -> Outcome[None]:
        """Acknowledge the latched trip of this instance."""

    @abc.abstractmethod
    async def arm(self, setpoint_hash: int, beam: Beam, status: Status) -> Outcome[int]:
        """Begin arming, provided no stop came since `status`; the value is the arm epoch."""

    @abc.abstractmethod
    async def grant(self, permit: Permit, status: Status) -> Outcome[None]:
        """Permit pulses under the boot, arming and stop epoch that `status`, the newest one, tells."""

    @abc.abstractmethod
    async def standby(self) -> Outcome[None]:
        """Return to STANDBY and void the permit."""

    @abc.abstractmethod
    def heartbeat(self, heartbeat: Heartbeat) -> Outcome[None]:
        """Tell the laser that the host lives, has seen the latest challenge, and what it means to do."""

    @abc.abstractmethod
    def acknowledge_pulses(self, pulse_number: int) -> Outcome[None]:
        """Tell the laser that all reports up to this one are on the host's disk."""

    @abc.abstractmethod
    def stop(self) -> asyncio.Future[StopResult]:
        """Stop the laser: written before this returns, never refused; the result always comes."""

    @abc.abstractmethod
    def close(self) -> None:
        """End the connection at once. Whoever wants the laser stopped stops it first."""

    @abc.abstractmethod
    async def ended(self) -> LaserError:
        """Wait until the connection has ended; tells why."""
