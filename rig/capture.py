"""Capturing a real port: a tap between device and host that records what passes, and alters nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from hal.errors import PortError
from hal.ports import BAUD_DEFAULT, open_port
from hal.time import now_us
from rig.recording import Event, Recording, Writer
from sim_device.places import serve_pty
from sim_device.serve import Port

HOST: Final = ">wire"
DEVICE: Final = "<wire"


class Tap:
    """What is known of a capture while it goes on."""

    def __init__(self, terminal: str) -> None:
        self.terminal = terminal  # the pseudo-terminal's own name
        self.to_device_bytes = 0
        self.to_host_bytes = 0
        self.lost: asyncio.Future[PortError | OSError] = asyncio.get_running_loop().create_future()


@asynccontextmanager
async def capture(
    device_url: str, host_path: Path, into: Recording | Writer, *, baud: int = BAUD_DEFAULT
) -> AsyncIterator[Tap]:
    """Open the device's port and offer the host a pseudo-terminal at `host_path`, recording both ways.

    Times are microseconds since the beginning. Raises PortError for the device's port, SetupError for the
    path. `Tap.lost` is done, with the reason, when the device is gone or nothing more can be recorded.
    """
    device = await open_port(device_url, baud=baud)
    began_us = now_us()

    def keep(kind: str, data: bytes) -> None:
        """Record; a disk that is full keeps no byte from its way."""
        try:
            into.put(Event(now_us() - began_us, kind, data.hex()))
        except OSError as error:
            end(error)

    def end(reason: PortError | OSError) -> None:
        if not tap.lost.done():
            tap.lost.set_result(reason)

    def from_host(data: bytes) -> None:
        keep(HOST, data)
        tap.to_device_bytes += len(data)
        device.write(data)

    def from_device(data: bytes) -> None:
        keep(DEVICE, data)
        tap.to_host_bytes += len(data)
        host.write(data)

    host = Port(from_host)
    try:
        with serve_pty(host, host_path) as terminal:
            tap = Tap(terminal)
            device.start(from_device, end)
            yield tap
    finally:
        device.close()
        into.close(now_us() - began_us)
