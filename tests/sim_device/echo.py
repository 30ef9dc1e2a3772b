"""A firmware that is nothing but an echo."""

from sim_device.board import Inputs, Memory, Outputs, Step

MS = 1_000


class Echo:
    """A firmware that sends back what it hears and kicks every 50 ms."""

    def __init__(self) -> None:
        self.outputs = Outputs()
        self.heard: list[tuple[int, bytes]] = []  # when, and what
        self._kick_us = 0

    def boot(self, now_us: int, memory: Memory, *, watchdog_reset: bool) -> None:
        self.outputs = Outputs()
        self._kick_us = now_us

    def step(self, now_us: int, inputs: Inputs, received: bytes, console: bytes) -> Step:
        if now_us >= self._kick_us:
            self.outputs.watchdog_kicks += 1
            self._kick_us = now_us + 50 * MS
        if received:
            self.heard.append((now_us, received))
        return Step(received, console, self._kick_us)

    @property
    def words(self) -> bytes:
        """All that was heard."""
        return b"".join(data for _, data in self.heard)
