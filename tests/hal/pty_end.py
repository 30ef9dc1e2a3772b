"""The device's end of a real pty."""

import asyncio
import os
import pty
import tty
from collections.abc import Callable


class PtyEnd:
    """The device's end of a real pty, in the running loop."""

    def __init__(self) -> None:
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        os.close(slave)
        os.set_blocking(self.master, False)
        self.on_bytes: Callable[[bytes], None] = lambda _: None
        self.loop = asyncio.get_running_loop()
        self.reading = False

    def thaw(self) -> None:
        self.reading = True
        self.loop.add_reader(self.master, self._read)

    def freeze(self) -> None:
        self.loop.remove_reader(self.master)

    def _read(self) -> None:
        try:
            data = os.read(self.master, 65536)
        except OSError:  # nobody has the other end open now: Linux says EIO until somebody has
            return
        self.on_bytes(data)

    def write(self, data: bytes) -> None:
        os.write(self.master, data)

    def close(self) -> None:
        if self.master >= 0:
            self.freeze()
            os.close(self.master)
            self.master = -1
