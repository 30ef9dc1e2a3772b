"""The laser's sole user: opens its port, and ends a daemon that finds it taken at the first try."""

from __future__ import annotations

from collections.abc import Callable

from hal.errors import PortError, PortKind
from hal.port import Port
from hal.ports import BAUD_DEFAULT
from hal.reconnect import OpenPort


class SoleUser:
    """Opens the port with `opener`; `taken` hears of another daemon that serves this laser already.

    Later it may be anybody's for a moment: then it is tried again.
    """

    def __init__(self, opener: OpenPort, taken: Callable[[PortError], None]) -> None:
        self._opener = opener
        self._taken = taken
        self._tried = False

    async def open(self, url: str, *, baud: int = BAUD_DEFAULT) -> Port:
        """Open the port; raises PortError."""
        first, self._tried = not self._tried, True
        try:
            return await self._opener(url, baud=baud)
        except PortError as error:
            if first and error.kind is PortKind.BUSY:
                self._taken(error)
            raise
