"""One simulated laser: a firmware, the plant around it and its memory, coupled on simulated time.

Theory of operation: nothing runs until something is due: an event of the plant, the firmware's own wake-up,
the watchdog, a received byte, or somebody's act. At each such instant the plant is brought there, the
firmware takes one step if an input changed, and its outputs go back to the plant. Between these instants
time passes for free. Whoever owns the simulator decides what its time means: `advance` is the only clock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from protocols.states import State
from sim_device.board import FirmwareBackend, Memory, Outputs
from sim_device.plant import NEVER, Plant
from sim_device.plant.watchdog import Watchdog

SENT_MAX: Final = 64 * 1024
"""Bytes kept for an owner who does not fetch them; what comes then is lost, as when nobody hears a UART."""

RESET_US: Final = 1_000  # [C] a supervisor chip holds the processor in reset for about a millisecond

_WARMING: Final = frozenset({State.SELF_TEST, State.WARM_UP})


class Simulator:
    """The device as its owner sees it: bytes in, bytes out, time, power, and hands that act on the plant."""

    def __init__(self, firmware: FirmwareBackend, plant: Plant, memory: Memory) -> None:
        """Power on at the plant's present time."""
        self.firmware = firmware
        self.plant = plant
        self.memory = memory
        self.watchdog = Watchdog()
        self.now_us = plant.now_us
        self.resets = 0  # by the watchdog
        self.bytes_lost = 0
        self._wake_us = NEVER
        self._boot_us = NEVER  # end of the reset pulse
        self._watchdog_reset = False
        self._sent = bytearray()
        self._console_sent = bytearray()
        self._boot(watchdog_reset=False)

    @property
    def next_event_us(self) -> int:
        """When something will happen by itself; NEVER if nothing is going on."""
        return min(self.plant.next_event_us, self._wake_us, self.watchdog.bites_us, self._boot_us)

    @property
    def running(self) -> bool:
        """The processor has power and is not held in reset."""
        return self.plant.powered and self._boot_us == NEVER

    @property
    def warming(self) -> bool:
        """Self-test or warm-up is going on, as far as the firmware tells."""
        return self.running and self.state in _WARMING

    @property
    def state(self) -> State | None:
        """The firmware's own idea of its state; None from one that keeps it to itself."""
        state = getattr(self.firmware, "state", None)
        return state if isinstance(state, State) else None

    def advance(self, to_us: int) -> None:
        """Let everything happen that is due up to and including `to_us`; ValueError for a time gone by."""
        if to_us < self.now_us:
            raise ValueError(f"to_us = {to_us} lies before {self.now_us}: time does not go backwards")
        while (due_us := self.next_event_us) <= to_us:
            self._reach(due_us)
            if due_us >= self._boot_us:
                self._boot(watchdog_reset=self._watchdog_reset)
            elif not self.running:
                continue
            elif due_us >= self.watchdog.bites_us:
                self._bite()
            elif self.plant.changed or due_us >= self._wake_us:
                self._step()
        self._reach(to_us)

    def receive(self, data: bytes, now_us: int) -> None:
        """Hand bytes to the binary port at `now_us`; the answer, if it comes at once, is in `sent`."""
        self.advance(now_us)
        if self.running:
            self._step(received=data)

    def receive_console(self, data: bytes, now_us: int) -> None:
        """Hand bytes to the console port at `now_us`."""
        self.advance(now_us)
        if self.running:
            self._step(console=data)

    def sent(self) -> bytes:
        """Fetch what the binary port has sent since the last call."""
        data = bytes(self._sent)
        self._sent.clear()
        return data

    def console_sent(self) -> bytes:
        """Fetch what the console port has sent since the last call."""
        data = bytes(self._console_sent)
        self._console_sent.clear()
        return data

    def act(self, change: Callable[[Plant], None], now_us: int) -> None:
        """Let `change` work on the plant at `now_us`: a hand, the room, a fault."""
        self.advance(now_us)
        self.plant.act(change)
        if self.running:
            self._step()

    def set_power(self, on: bool, now_us: int) -> None:
        """Cut the device's supply (the processor is gone in that instant) or return it (it boots)."""
        self.advance(now_us)
        if on == self.plant.powered:
            return
        self.plant.set_power(on)
        if on:
            self._boot(watchdog_reset=False)
        else:
            self._wake_us = self.watchdog.bites_us = self._boot_us = NEVER

    def reset(self, now_us: int) -> None:
        """Pull the processor's reset line; without power it does nothing."""
        self.advance(now_us)
        if self.plant.powered:
            self._hold_in_reset(watchdog_reset=False)

    def _reach(self, now_us: int) -> None:
        self.plant.advance(now_us)
        self.now_us = now_us

    def _boot(self, *, watchdog_reset: bool) -> None:
        self._boot_us = NEVER
        self.firmware.boot(self.now_us, self.memory, watchdog_reset=watchdog_reset)
        self.plant.drive(self.firmware.outputs)
        self.watchdog.start(self.now_us, self.firmware.outputs.watchdog_kicks)
        self._step()

    def _bite(self) -> None:
        self.resets += 1
        self._hold_in_reset(watchdog_reset=True)

    def _hold_in_reset(self, *, watchdog_reset: bool) -> None:
        """A processor in reset drives nothing, hears nothing, and starts again when the pulse is over."""
        self.plant.drive(Outputs())
        self._wake_us = self.watchdog.bites_us = NEVER
        self._boot_us = self.now_us + RESET_US
        self._watchdog_reset = watchdog_reset

    def _step(self, received: bytes = b"", console: bytes = b"") -> None:
        self.plant.changed = False
        step = self.firmware.step(self.now_us, self.plant.inputs, received, console)
        if step.wake_us <= self.now_us:
            raise RuntimeError(f"the firmware asks to be woken at {step.wake_us}, not after {self.now_us}")
        self._wake_us = step.wake_us
        self.plant.drive(self.firmware.outputs)
        if step.sent:
            self._keep(self._sent, step.sent)
        if step.console:
            self._keep(self._console_sent, step.console)
        if self.watchdog.see(self.now_us, self.firmware.outputs.watchdog_kicks):
            self._bite()

    def _keep(self, buffer: bytearray, data: bytes) -> None:
        room = SENT_MAX - len(buffer)
        buffer += data[:room]
        self.bytes_lost += max(0, len(data) - room)
