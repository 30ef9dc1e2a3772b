"""The energy calibration in force: recorded with its points when it is made, refused when it is too old."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from controller.commands import Commands
from controller.recorder import Event, Recorder
from controller.store import (
    CalibrationPoint,
    CalibrationRecord,
    EventKind,
    Severity,
    Store,
    StoreError,
    StoreWriter,
)
from hal.outcomes import Done
from protocols.messages import Status
from protocols.requests import Calibration
from protocols.requests import CalibrationPoint as WirePoint
from protocols.states import State
from safety.supervisor import Supervisor

AGAIN_S: Final = 1.0  # [C] after a reading or writing that failed
OWED_S: Final = 5.0  # [C] the laser calls itself calibrated, and the host does not know since when
FUTURE: Final = timedelta(minutes=5)  # [C] a clock that was set right by a little makes nothing unknown
SOON: Final = 0.1  # [C] of its life: with 30 days, three before the end

_log = logging.getLogger(__name__)


class CalibrationKeeper:
    """Follows the laser's calibration; `tell` brings its age to the supervisor, each second.

    The day on which a calibration was made is the host's knowledge: the device counts lamp shots. One that
    was made before this record knew the device has no date, and so does not hold.
    """

    def __init__(
        self,
        writer: StoreWriter,
        supervisor: Supervisor,
        recorder: Recorder,
        commands: Commands,
        *,
        max_age: timedelta,
        operator: Callable[[], str],
        wall_clock: Callable[[], datetime],
        now_us: Callable[[], int],
    ) -> None:
        self.record: CalibrationRecord | None = None
        self._writer = writer
        self._supervisor = supervisor
        self._recorder = recorder
        self._commands = commands
        self._max_age = max_age
        self._operator = operator
        self._wall_clock = wall_clock
        self._now_us = now_us
        self._seen: Status | None = None  # the newest of this connection
        self._serial = ""
        self._why_not = "no laser is connected"
        self._expires_us = 0
        self._warned = False
        self._news = asyncio.Event()

    def connected(self, serial: str) -> None:
        """Another connection: what is in force is read with its first Status."""
        self._serial, self._seen = serial, None
        self._forget("it was not read yet")

    def status(self, status: Status) -> None:
        """Look again after a connection, after CALIBRATING, and when the laser says otherwise than before."""
        before, self._seen = self._seen, status
        if (
            before is None
            or (before.state is not status.state and before.state is State.CALIBRATING)
            or before.calibrated != status.calibrated
        ):
            self._news.set()

    def tell(self) -> None:
        """Tell the supervisor whether the calibration in force is young enough."""
        left_us = self._expires_us - self._now_us()
        ok = self.record is not None and left_us > 0
        text = self._why_not if self.record is None else f"{left_us / 86_400e6:.1f} days left"
        self._supervisor.calibration_state(ok, text, self._now_us())
        if ok and not self._warned and left_us < SOON * self._max_age / timedelta(microseconds=1):
            self._warned = True
            self._note(
                Severity.WARNING, f"the energy calibration ends soon: {text}; calibrate before it does"
            )

    @property
    def left_s(self) -> float | None:
        """Time until the calibration in force is too old; None when nobody knows."""
        return None if self.record is None else (self._expires_us - self._now_us()) / 1e6

    async def run(self) -> None:
        """Read and record what is in force whenever it may have changed, until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                # What keeps the host from knowing may pass by itself: a clock that is set right.
                async with asyncio.timeout(OWED_S if self._owed else None):
                    await self._news.wait()
            self._news.clear()
            try:
                again = not await self._look()
            except StoreError as error:
                self._commands.store_failed(error)
                again = True
            self.tell()
            if again:
                await asyncio.sleep(AGAIN_S)
                self._news.set()

    @property
    def _owed(self) -> bool:
        """Whether the laser calls itself calibrated, and the host does not know since when."""
        return self.record is None and self._seen is not None and self._seen.calibrated

    async def _look(self) -> bool:
        """Bring `record` up to date; False when the laser could not be read."""
        laser, status = self._commands.laser, self._commands.status
        if laser is None or status is None:
            return True  # the next connection sets the news again
        told = await laser.calibration()
        points = await laser.calibration_points()
        if not isinstance(told, Done) or not isinstance(points, Done):
            return False
        calibration = told.value
        if not calibration.valid or not points.value:
            self._forget("the laser has no valid one")
            return True
        known = await self._writer.run(Store.latest_calibration, self._serial, points.value[0].wavelength_nm)
        if known is None or (known.device_boot, known.device_time_us) != (
            calibration.boot,
            calibration.device_time_us,
        ):
            if calibration.boot != status.boot:
                self._forget("it was made before this record knew the laser: its date is not known")
                return True
            known = self._new(calibration, points.value, status)
            await self._writer.run(Store.save_calibration, known, now_us=self._now_us())
            worst = calibration.worst_residual_ppm / 1e4
            self._note(Severity.INFO, f"calibrated: {len(known.points)} points, worst residual {worst:.1f} %")
        if known.calibrated > self._wall_clock() + FUTURE:
            self._forget("its date lies in the future: check this computer's clock, then calibrate")
            return True
        self.record, self._warned = known, False
        left = min(known.expires, known.calibrated + self._max_age) - self._wall_clock()
        self._expires_us = self._now_us() + left // timedelta(microseconds=1)
        return True

    def _new(
        self, calibration: Calibration, points: tuple[WirePoint, ...], status: Status
    ) -> CalibrationRecord:
        age = timedelta(microseconds=status.device_time_us - calibration.device_time_us)
        made = self._wall_clock() - age
        return CalibrationRecord(
            device_serial=self._serial,
            wavelength_nm=points[0].wavelength_nm,
            operator=self._operator(),
            points=tuple(
                CalibrationPoint(
                    point.mode_width_ps,
                    point.lamp_mv / 1e3,
                    point.reference_uj / 1e3,
                    point.residual_ppm / 1e4,
                )
                for point in points
            ),
            calibrated=made,
            expires=made + self._max_age,
            device_boot=calibration.boot,
            device_time_us=calibration.device_time_us,
        )

    def _forget(self, why: str) -> None:
        self.record, self._why_not = None, why
        self.tell()

    def _note(self, severity: Severity, text: str) -> None:
        _log.log(logging.WARNING if severity is Severity.WARNING else logging.INFO, "%s", text)
        self._recorder.event(Event(EventKind.SYSTEM, severity, text, "daemon", self._now_us()))
