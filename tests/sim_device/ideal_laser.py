"""An ideal laser for the firmware, which does what it is told at once; and memory with every vice."""

from __future__ import annotations

import heapq
from typing import Any

from protocols.faults import Fault
from protocols.frame import Decoder, Frame
from protocols.messages import (
    Handpiece,
)
from protocols.states import State
from sim_device.board import Inputs
from sim_device.firmware import MEMORY_BYTES, Reference
from sim_device.firmware.changes import ALL

S = 1_000_000
MS = 1_000
YIELD_PERMILLE = {750: 1_000, 650: 900, 550: 825}


class PowerCutError(Exception):
    """The bench cut the power in the middle of a write."""


class Ram:
    """Non-volatile memory that can be cut at any write, torn in it, broken, or watched."""

    def __init__(self, size: int = MEMORY_BYTES) -> None:
        self.size = size
        self.data = bytearray(size)
        self.writes = 0
        self.cut_at = -1  # number of the write that is cut
        self.torn_bytes = 0  # of which so many bytes still arrive
        self.broken = False
        self.on_write: tuple[Inputs, str, Any] | None = None  # an input that changes during the next write

    def read(self, offset: int, length: int) -> bytes:
        return bytes(self.data[offset : offset + length])

    def write(self, offset: int, data: bytes) -> None:
        if self.broken:
            raise OSError("broken")
        if self.writes == self.cut_at:
            arrived = data[: self.torn_bytes]
            self.data[offset : offset + len(arrived)] = arrived
            raise PowerCutError
        self.writes += 1
        self.data[offset : offset + len(data)] = data
        if self.on_write is not None:
            inputs, name, level = self.on_write
            self.on_write = None
            setattr(inputs, name, level)


class IdealLaser:
    """A laser that does what its firmware tells it, and the firmware, on one simulated clock."""

    def __init__(self, memory: Ram | None = None, *, docked: bool = True, now_us: int = 0) -> None:
        self.memory = memory or Ram()
        self.firmware = Reference()
        self.now_us = now_us
        self.inputs = Inputs(
            key_on=True,
            mains_ok=True,
            estop_a_closed=True,
            estop_b_closed=True,
            remote_closed=True,
            door_closed=True,
            cover_a_closed=True,
            cover_b_closed=True,
            defeat_key_out=True,
            arm_connected=True,
            docked_a_closed=docked,
            docked_b_closed=docked,
            handpiece=int(Handpiece.ZOOM),
            spot_um=3_500,
            wavelength_nm=755,
            shutter_closed_switch=True,
            gate_inhibited=True,
            hv_inhibited=True,
            comparator_tripped=False,
            charger_cool=True,
            coolant_mc=60_000,
            level_ok=True,
            thermostat_closed=True,
        )
        self.outputs = self.firmware.outputs
        self._coming: list[tuple[int, int, str, Any]] = []  # (when, order, input or act, level)
        self._count = 0
        self._driven: dict[str, Any] = {}
        self._wake_us = now_us
        # the ideal laser's vices
        self.energy_permille = 1_000
        self.gain_b_permille = 1_000
        self.width_offset_ps = 0
        self.flashes = 1
        self.charge_us = 20 * MS
        self.shutter_us = 10 * MS
        self.stuck: set[str] = set()  # inputs that follow no output any more
        self._decoder = Decoder()
        self.triggers: list[int] = []  # when lamp triggers left
        self.shutter_was_open: list[bool] = []
        self.boot()

    # --- time ---

    def boot(self, *, watchdog_reset: bool = False) -> None:
        self.boot_us = self.now_us
        self._coming = [e for e in self._coming if e[2] == "flash"]
        heapq.heapify(self._coming)
        self.firmware.boot(self.now_us, self.memory, watchdog_reset=watchdog_reset)
        self.step()

    def step(self, received: bytes = b"") -> None:
        """One step now, with whatever inputs were set."""
        triggers = self.outputs.lamp_triggers
        done = self.firmware.step(self.now_us, self.inputs, received, b"")
        assert done.wake_us > self.now_us, "the firmware asks to be called at once for ever"
        self._wake_us = done.wake_us
        if self.outputs.lamp_triggers == triggers + 1:
            self.triggers.append(self.now_us)
            self.shutter_was_open.append(self.inputs.shutter_open_switch)
            self._light()
        self._follow()
        for found in self._decoder.feed(done.sent):
            assert isinstance(found, Frame)
            self._hear(found)

    def advance(self, to_us: int) -> None:
        """Let time pass up to and including `to_us`."""
        while True:
            next_us = min(self._wake_us, self._coming[0][0] if self._coming else self._wake_us)
            if next_us > to_us:
                break
            self.now_us = next_us
            received = b""
            while self._coming and self._coming[0][0] == next_us:
                _, _, name, level = heapq.heappop(self._coming)
                received += self._happen(name, level)
            self.step(received)
        self.now_us = to_us

    def run(self, for_us: int) -> None:
        self.advance(self.now_us + for_us)

    def until(self, state: State, limit_us: int = 200 * S) -> None:
        """Advance until the firmware is in this state."""
        end_us = self.now_us + limit_us
        while self.state is not state:
            next_us = min(self._wake_us, self._coming[0][0] if self._coming else self._wake_us)
            assert next_us <= end_us, f"{self.state.name}, not {state.name}, after {limit_us} us"
            self.advance(next_us)

    def almost_warm(self) -> None:
        """Go to WARM_UP, and have the coolant warm for all but the last second of its minute."""
        self.until(State.WARM_UP)
        self.run(100 * MS)
        self.firmware.device.cooling._warm_since_us -= 59 * S
        self.firmware.device.note(ALL)

    def set(self, **levels: Any) -> None:
        """Change inputs now and step once."""
        for name, level in levels.items():
            assert hasattr(self.inputs, name)
            setattr(self.inputs, name, level)
        self.step()

    # --- the ideal laser ---

    def _at(self, delay_us: int, name: str, level: Any) -> None:
        self._count += 1
        heapq.heappush(self._coming, (self.now_us + delay_us, self._count, name, level))

    def _happen(self, name: str, level: Any) -> bytes:
        if name == "bytes":
            return bytes(level)
        if name == "flash":
            self.inputs.light_count += "light" not in self.stuck  # a dead photodiode counts nothing
            self.inputs.monitor_a_uj, self.inputs.monitor_b_uj, self.inputs.port_meter_uj = level[:3]
            self.inputs.pulse_width_ps = level[3]
        elif name not in self.stuck:
            setattr(self.inputs, name, level)
        return b""

    def _follow(self) -> None:
        out, was, inputs = self.outputs, self._driven, self.inputs
        estop = inputs.estop_a_closed and inputs.estop_b_closed
        if (now := not out.gate_enable or not estop or inputs.comparator_tripped) != was.get("gate", True):
            was["gate"] = now
            self._at(1, "gate_inhibited", now)
        if (now := not out.hv_enable or not estop) != was.get("hv", True):
            was["hv"] = now
            self._at(1, "hv_inhibited", now)
        if (now := out.shutter_open and estop) != was.get("shutter", False):
            was["shutter"] = now
            self._coming = [e for e in self._coming if not e[2].startswith("shutter_")]
            heapq.heapify(self._coming)
            self._at(1, "shutter_closed_switch" if now else "shutter_open_switch", False)
            self._at(self.shutter_us, "shutter_open_switch" if now else "shutter_closed_switch", True)
        charge = (out.hv_enable, out.dump_hold, out.hv_set_mv)
        if charge != was.get("charge"):
            was["charge"] = charge
            self._coming = [e for e in self._coming if e[2] not in ("hv_mv", "charge_done")]
            heapq.heapify(self._coming)
            if not out.dump_hold:
                self._at(1, "hv_mv", 0)
                self._at(1, "charge_done", False)
            elif out.hv_enable:
                self._at(self.charge_us, "hv_mv", out.hv_set_mv)
                self._at(self.charge_us, "charge_done", True)
        for line, delay_us, name, on, off in (
            (out.simmer_start, 100 * MS, "simmer_on", True, False),
            (out.indicator_on, MS, "indicator_ua", 20_000, 0),
            (out.aiming_on, MS, "aiming_uw", 1_000, 0),
            (out.pump_on, MS, "flow_ml_min", 4_000, 0),
            (out.monitor_test, MS, "dark_a_uj", 50_000, 0),
            (out.monitor_test, MS, "dark_b_uj", 50_000, 0),
        ):
            if line != was.get(name, False):
                was[name] = line
                self._at(delay_us if line else 1, name, on if line else off)
        if out.comparator_reset and inputs.comparator_tripped and "comparator_tripped" not in self.stuck:
            self._at(1, "comparator_tripped", False)

    def _light(self) -> None:
        assert not self.inputs.gate_inhibited
        mode_ps = self.outputs.mode_width_ps
        energy_uj = true_energy_uj(self.inputs.hv_mv, mode_ps) * self.energy_permille // 1_000
        is_open = self.inputs.shutter_open_switch
        passed_uj = energy_uj * self.gain_b_permille // 1_000 if is_open else 0
        level = (energy_uj, passed_uj, energy_uj if is_open else 0, mode_ps + self.width_offset_ps)
        for index in range(self.flashes):
            self._at(300 + index * 200, "flash", level)
        self._coming = [e for e in self._coming if e[2] not in ("hv_mv", "charge_done")]
        heapq.heapify(self._coming)
        self.inputs.hv_mv, self.inputs.charge_done = 0, False  # the next step sees it

    def _hear(self, frame: Frame) -> None:
        """Take what the firmware says; nobody listens to a laser alone."""

    @property
    def state(self) -> State:
        return self.firmware.state

    @property
    def dark(self) -> bool:
        """Whether every output that light needs is at its safe level."""
        out = self.outputs
        return not any((out.gate_enable, out.hv_enable, out.dump_hold, out.hv_set_mv, out.shutter_open))

    @property
    def first_fault(self) -> Fault:
        return self.firmware.device.faults.first


def true_energy_uj(hv_mv: int, mode_ps: int) -> int:
    """The ideal laser: linear in lamp energy above 10 J, 200 mJ at 43 J in the 750 ps mode."""
    lamp_uj = 60 * (hv_mv // 100) ** 2 // 200
    above_uj = max(0, lamp_uj - 10_000_000)
    return above_uj * 200 // 33_000 * YIELD_PERMILLE[mode_ps] // 1_000
