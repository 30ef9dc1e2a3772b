"""The console port: text commands that read, set in STANDBY and stop; nothing here can arm or permit.

Theory of operation. Received bytes wait in a bounded buffer and are carried out slice by slice, so that
however much is typed or pasted, a step stays short and the binary port, which comes first in every step, is
never kept waiting. What the commands can reach is `ConsoleLaser`: it holds the handlers of `REQUESTS` and no
others, so that arming, granting, calibrating and acknowledging are out of reach whatever is typed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from protocols.messages import Effect, Message, PulseReport, Status, Telemetry
from protocols.requests import (
    CommitSetpoint,
    ReadCalibration,
    ReadCounters,
    ReadIdentity,
    ReadSetpoint,
    Request,
    SetAiming,
    StageSetpoint,
)
from protocols.scpi import LINE_MAX, Console
from protocols.scpi_line import ConsoleError
from protocols.states import State
from sim_device.firmware.changes import ALL
from sim_device.firmware.limits import NEVER_US
from sim_device.firmware.report import reported, visible

if TYPE_CHECKING:
    from sim_device.firmware.comms import Comms
    from sim_device.firmware.device import Device

REQUESTS: Final[tuple[type[Request], ...]] = (
    *(ReadIdentity, ReadSetpoint, ReadCounters, ReadCalibration),
    *(StageSetpoint, CommitSetpoint, SetAiming),
)
"""Every request the console may make; none of them makes light, in whatever state."""

WAITING_MAX: Final = 4096  # [C] 100 lines in one write; a terminal hands over no more at once
SLICE_BYTES: Final = 256  # [C] one longest line, some 50 commands: the most a step carries out besides a rest
SLICE_US: Final = 500  # [D] a full buffer is done in 8 ms: an ABORt at its end still stops within 10 ms
_OVERRUN: Final = bytes(LINE_MAX + 1)  # makes the line that lost bytes too long, so that none of it is done


class ConsoleLaser:
    """The laser as the console sees it: `protocols.scpi.Laser`."""

    def __init__(self, device: Device, comms: Comms) -> None:
        self._device = device
        self._handlers = comms.handlers(REQUESTS)
        self._telemetry = comms.telemetry
        self._stop = comms.stop

    @property
    def host_holds_laser(self) -> bool:
        """A host session is open and its heartbeat lives."""
        device = self._device
        return device.host.session != 0 and device.host.alive(device.now_us)

    def latest(self, message: type[Message]) -> Status | Telemetry | PulseReport | None:
        """Status and Telemetry as they are now, the report of the last pulse; looking changes nothing."""
        device = self._device
        if message is Status:
            # Challenge 0: a fresh one would push out one that the host has yet to answer.
            return Status(device.now_us, device.boot_number, 0, *visible(device))  # type: ignore[arg-type] # in the order of its declaration
        if message is Telemetry:
            return self._telemetry()
        number = reported(device)
        return device.memory.report(number) if number else None

    def ask(self, request: Request) -> Any:
        """The answer of the request's handler; raises ConsoleError for what the console may not do now."""
        handler = self._handlers.get(type(request))
        if handler is None:
            raise ConsoleError(-221, f"{type(request).__name__} is not for the console")
        if request.effect is not Effect.READS:
            if self._device.state is not State.STANDBY or self.host_holds_laser:
                raise ConsoleError(-221, "settings change in STANDBY only, while no host holds the laser")
            self._device.note(ALL)
        return handler(request)

    def stop(self) -> None:
        """As a Stop that the binary port takes; each is a new one."""
        self._stop()


class ConsolePort:
    """Bytes in, answers out, a slice in each step."""

    def __init__(self, laser: ConsoleLaser) -> None:
        self.deadline_us = NEVER_US  # when the next slice of what waits is due
        self._laser = laser
        self._console = Console()
        self._waiting = bytearray()

    def step(self, data: bytes, now_us: int) -> bytes:
        """Take `data`, carry out a slice of what waits, and hand out the answers.

        Whoever has a deadline here is called in every step, whatever that step is for.
        """
        self._take(data)
        received = bytes(self._waiting[:SLICE_BYTES])
        del self._waiting[:SLICE_BYTES]
        for command in self._console.receive(received):
            self._console.reply(command, self._laser)
        self.deadline_us = now_us + SLICE_US if self._waiting else NEVER_US
        return self._console.outgoing()

    def _take(self, data: bytes) -> None:
        """Keep what there is room for; the line that loses bytes is answered with -363."""
        room = max(0, WAITING_MAX - len(self._waiting))
        self._waiting += data[:room]
        if len(data) > room and not self._waiting.endswith(_OVERRUN):
            self._waiting += _OVERRUN
