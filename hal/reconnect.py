"""The reconnect policy: a new connection each time, trusted once the laser proved to be the same one."""

from __future__ import annotations

import asyncio
import enum
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NoReturn, Protocol

from hal.errors import DeviceError, DeviceKind, LaserError, LinkError, LinkKind
from hal.outcomes import Done, Refused
from hal.ports import BAUD_DEFAULT, open_port
from hal.time import now_us, seconds
from protocols.timing import MS, SECOND

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hal.hooks import Hooks
    from hal.laser import Laser
    from hal.laser_values import LaserIdentity
    from hal.port import Port
    from protocols.messages import Message

BACK_OFF_FIRST_US: Final = 200 * MS  # [C] a device that resets is back in about a second
BACK_OFF_MAX_US: Final = 5 * SECOND  # [C] an operator who plugs it in waits no longer than that
JITTER_PART: Final = 0.25  # [C] enough to keep a thousand lasers from connecting in step

_log: Final = logging.getLogger(__name__)


class LineState(enum.Enum):
    """What the policy is doing."""

    CONNECTING = "connecting for the first time"
    CONNECTED = "connected"
    WAITING = "waiting to try again"
    OTHER_DEVICE = "another device is on the port"


class OpenPort(Protocol):
    """`hal.ports.open_port`, or a rig's stand-in."""

    def __call__(self, url: str, *, baud: int = ...) -> Awaitable[Port]:
        """Open `url`; raises PortError."""
        ...


class Reconnect:
    """Keeps one laser connected. It never arms or grants: what was READY before stays lost.

    `expected_serial` is the laser's serial number; empty, the first one seen is kept to. `jitter` gives
    numbers from 0 to 1. Messages reach the hooks only after the laser was identified.
    """

    def __init__(
        self,
        url: str,
        driver: type[Laser],
        hooks: Hooks,
        *,
        jitter: Callable[[], float],
        baud: int = BAUD_DEFAULT,
        expected_serial: str = "",
        on_state: Callable[[LineState, str], None] = lambda _state, _text: None,
        opener: OpenPort = open_port,
    ) -> None:
        self.expected_serial = expected_serial
        self._url = url
        self._driver = driver
        self._hooks = hooks
        self._jitter = jitter
        self._baud = baud
        self._on_state = on_state
        self._opener = opener
        self._state: LineState | None = None
        self._warned: set[enum.StrEnum] = set()  # kinds of failure since it was connected last
        self._failed: enum.StrEnum | None = None  # the kind of the latest
        self._served_us = 0

    async def run(self, serve: Callable[[Laser, LaserIdentity], Awaitable[None]]) -> NoReturn:
        """Connect, `serve` the laser until the connection ends, and again, until cancelled.

        `serve` is cancelled when the connection ends; before its first await no message was delivered yet.
        When it returns or raises LaserError, the connection is closed and made anew; any other error ends
        the policy.
        """
        back_off_us = BACK_OFF_FIRST_US
        while True:
            self._served_us = 0
            error = await self._connect_and_serve(serve)
            if self._served_us >= BACK_OFF_MAX_US:  # it held: this is a new failure, not the old one again
                back_off_us = BACK_OFF_FIRST_US
            delay_us = round(back_off_us * (1 - JITTER_PART * self._jitter()))
            self._tell_failure(error, delay_us)
            await asyncio.sleep(seconds(delay_us))
            back_off_us = min(2 * back_off_us, BACK_OFF_MAX_US)

    async def _connect_and_serve(
        self, serve: Callable[[Laser, LaserIdentity], Awaitable[None]]
    ) -> LaserError:
        laser: Laser | None = None
        doorway = _Doorway(self._hooks)
        try:
            if self._state is None:
                self._enter(LineState.CONNECTING, self._url)
            port = await self._opener(self._url, baud=self._baud)
            laser = await self._driver.connect(port, doorway.hooks)
            identity = await self._identify(laser)
            self._tell_connected(laser, identity)
            doorway.open = True
            began_us = now_us()
            try:
                return await _serve_until_ended(laser, serve(laser, identity))
            finally:
                self._served_us = now_us() - began_us
        except LaserError as error:
            return error
        finally:
            if laser:
                laser.close()

    async def _identify(self, laser: Laser) -> LaserIdentity:
        outcome = await laser.identify()
        if isinstance(outcome, Refused):
            text = "; ".join(str(reason) for reason in outcome.reasons)
            raise LinkError(LinkKind.GATE, f"identifying was refused: {text}", "clear the reasons")
        if not isinstance(outcome, Done):
            raise outcome.error
        identity = outcome.value
        if not identity.serial:
            text = f"{self._url}: the laser there tells no serial number"
            raise DeviceError(DeviceKind.NO_SERIAL, text, "have service set its serial number")
        if self.expected_serial and identity.serial != self.expected_serial:
            text = f"{self._url}: the laser there is {identity.serial}, not {self.expected_serial}"
            action = "connect the right laser, or restart with the other's serial number configured"
            raise DeviceError(DeviceKind.OTHER_SERIAL, text, action)
        self.expected_serial = identity.serial
        return identity

    def _tell_connected(self, laser: Laser, identity: LaserIdentity) -> None:
        self._warned.clear()
        self._failed = None
        text = f"{identity.model} {identity.serial} on {self._url}"
        _log.info("connected: %s", text)
        if note := laser.session.interface_note:
            _log.warning("%s", note)
        self._enter(LineState.CONNECTED, text)

    def _tell_failure(self, error: LaserError, delay_us: int) -> None:
        level = logging.DEBUG if error.kind in self._warned else logging.WARNING
        self._warned.add(error.kind)
        _log.log(level, "no connection: %s (next try in %.1f s)", error, seconds(delay_us))
        if error.kind is not self._failed:  # a further try that fails in the same way is no news
            self._failed = error.kind
            other = isinstance(error, DeviceError)
            self._enter(LineState.OTHER_DEVICE if other else LineState.WAITING, str(error))

    def _enter(self, state: LineState, text: str) -> None:
        self._state = state
        self._on_state(state, text)


class _Doorway:
    """Hooks that let nothing in until `open`: what an unknown device says is not heard."""

    def __init__(self, hooks: Hooks) -> None:
        self.open = False
        self._inside = hooks
        self.hooks = replace(hooks, on_message=self._on_message, on_down=self._on_down)

    def _on_message(self, message: Message, at_us: int) -> None:
        if self.open:
            self._inside.on_message(message, at_us)

    def _on_down(self, error: LaserError) -> None:
        if self.open:
            self._inside.on_down(error)


async def _serve_until_ended(laser: Laser, serving: Awaitable[None]) -> LaserError:
    server = asyncio.ensure_future(serving)
    ending = asyncio.ensure_future(laser.ended())
    try:
        await asyncio.wait({server, ending}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        server.cancel()
        ending.cancel()
        ended, served = await asyncio.gather(ending, server, return_exceptions=True)
    if isinstance(served, BaseException) and not isinstance(served, asyncio.CancelledError):
        raise served
    if isinstance(ended, LaserError):
        return ended
    return LinkError(LinkKind.CLOSED, "the connection was given up", "it is made anew")
