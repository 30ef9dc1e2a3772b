"""The host's end of a simulated laser's line: `memory://name`, and every byte that passes it traced."""

from __future__ import annotations

import asyncio
import hashlib
import struct
from typing import Final, Protocol, cast

from hal.memory_port import SCHEME, memory_pair
from rig.virtual_time import VirtualTimeLoop
from sim_device.line import Way
from sim_device.simulator import Simulator

_TRACED: Final = struct.Struct("<Q?I").pack  # when, from whom, how much


class Laser(Protocol):
    """What hangs at the far end."""

    simulator: Simulator

    def receive(self, data: bytes) -> None:
        """Take bytes from the host, now."""
        ...

    def act(self, action: str, **fields: object) -> None:
        """Do what a person does to it, now."""
        ...


class Line:
    """The port that the host opens; whoever made it connects `laser`, whose `simulator.wire` is the line.

    It lives in a `VirtualTimeLoop`. `trace` sums up every byte at the host's end, with its direction and its
    time since the line was laid.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.laser: Laser | None = None
        self.bytes_carried = 0
        self.plugged = True
        self._trace = hashlib.sha256()
        self._loop = cast("VirtualTimeLoop", asyncio.get_running_loop())
        self._laid_us = self._loop.now_us()
        self._lay()

    @property
    def url(self) -> str:
        """What the host opens."""
        return f"{SCHEME}://{self.name}"

    @property
    def trace(self) -> str:
        """The SHA-256 of the traffic so far."""
        return self._trace.hexdigest()

    @property
    def to_device(self) -> Way:
        """The way to the laser, with its vices."""
        return self._connected.simulator.wire.to_device

    @property
    def to_host(self) -> Way:
        """The way from the laser, with its vices."""
        return self._connected.simulator.wire.to_host

    def send(self, data: bytes, *, at_once: bool = False) -> None:
        """What has come from the laser; `at_once` when the loop has nothing else to do before it."""
        self._count(data, from_host=False)
        if at_once:
            self._end.deliver(data)
        else:
            self._end.write(data)

    def follow(self, *, plugged: bool) -> None:
        """The wire is plugged in or not: the host has its port, or loses it."""
        if plugged == self.plugged:
            return
        self.plugged = plugged
        if plugged:
            self._lay()
        else:
            self._end.close()

    def cut(self) -> None:
        """Nothing passes in either direction, and neither side is told."""
        self._connected.act("cable", to="cut")

    def mend(self) -> None:
        """Bytes pass again; what was sent meanwhile is lost."""
        self._connected.act("cable", to="mend")

    def unplug(self) -> None:
        """Pull the cable: the host's port is gone."""
        self._connected.act("cable", to="unplug")

    def plug_in(self) -> None:
        """Put the cable back: the port is there again."""
        self._connected.act("cable", to="plug")

    def hang_up(self) -> None:
        """The host's process is gone: its port closes without a word."""
        if self._end.host is not None:
            self._end.host.close()

    def close(self) -> None:
        """Take the line away for good."""
        self._end.close()

    @property
    def _connected(self) -> Laser:
        if self.laser is None:
            raise RuntimeError(f"line {self.name!r} has no laser yet: connect one first")
        return self.laser

    def _lay(self) -> None:
        self._end = memory_pair(self.name)
        self._end.on_bytes = self._from_host

    def _from_host(self, data: bytes) -> None:
        self._count(data, from_host=True)
        if self.laser is not None:
            self.laser.receive(data)

    def _count(self, data: bytes, *, from_host: bool) -> None:
        self.bytes_carried += len(data)
        self._trace.update(_TRACED(self._loop.now_us() - self._laid_us, from_host, len(data)) + data)
