"""The laser around an enumerated firmware: it follows the outputs at once, save what a flaw holds."""

from __future__ import annotations

from typing import Any, Final

from protocols.states import State
from sim_device.board import Inputs
from sim_device.firmware import Reference, limits
from tests.sim_device.firmware_around import Facts
from tests.sim_device.firmware_flaws import FLAWS
from tests.sim_device.ideal_laser import true_energy_uj

ROUNDS: Final = 12  # steps within which laser and firmware come to rest


class FollowedLaser:
    """One firmware and its wires; every step of the firmware is taken here."""

    fw: Reference
    inputs: Inputs
    now_us: int
    facts: Facts

    @property
    def device_us(self) -> int:
        return self.now_us - self.fw._boot_us

    def change(self, **changes: Any) -> None:
        self.facts = self.facts._replace(**changes)

    def shine(self, energy_uj: int, width_ps: int, count: int = 1) -> None:
        """Light in the head; it leaves where the shutter is open."""
        inputs = self.inputs
        passed_uj = energy_uj if inputs.shutter_open_switch else 0
        inputs.light_count += count
        inputs.pulse_width_ps = width_ps
        inputs.monitor_a_uj, inputs.monitor_b_uj = energy_uj + self.now_us % 2, passed_uj
        inputs.port_meter_uj = passed_uj if inputs.docked_a_closed else 0

    def rest(self) -> None:
        """The laser follows the outputs, and the firmware the laser, until nothing changes any more."""
        for _ in range(ROUNDS):
            if not self._follow():
                return
            self.step()
        raise AssertionError("the laser does not come to rest")

    def _follow(self) -> bool:
        inputs, out = self.inputs, self.fw.outputs
        estop = inputs.estop_a_closed and inputs.estop_b_closed
        opened = out.shutter_open and estop
        levels: dict[str, Any] = {
            "gate_inhibited": not out.gate_enable or not estop or inputs.comparator_tripped,
            "hv_inhibited": not out.hv_enable or not estop,
            "shutter_open_switch": opened,
            "shutter_closed_switch": not opened,
            "simmer_on": out.simmer_start,
            "indicator_ua": 20_000 if out.indicator_on else 0,
            "aiming_uw": 1_000 if out.aiming_on else 0,
            "flow_ml_min": 4_000 if out.pump_on else 0,
            "dark_a_uj": 50_000 if out.monitor_test else 0,
            "dark_b_uj": 50_000 if out.monitor_test else 0,
        }
        if out.comparator_reset:
            levels["comparator_tripped"] = False
        if not out.dump_hold:
            levels |= {"hv_mv": 0, "charge_done": False}
        elif out.hv_enable:
            levels |= {"hv_mv": out.hv_set_mv, "charge_done": True}
        for flaw in self.facts.flaws:
            levels |= FLAWS[flaw].levels
        moved = False
        for name, level in levels.items():
            if getattr(inputs, name) != level:
                setattr(inputs, name, level)
                moved = True
        return self._settle() or moved

    def _settle(self) -> bool:
        """What only waits for a good reading to have lasted is over at once."""
        device, now_us, moved = self.fw.device, self.device_us, False
        high_voltage, cooling = device.high_voltage, device.cooling
        if high_voltage._simmer_since_us >= 0 and not high_voltage._simmer_seen and self.inputs.simmer_on:
            high_voltage._simmer_since_us = now_us - limits.SIMMER_SETTLE_US
            moved = True
        if cooling._pump_since_us >= 0 and not cooling.runs:
            cooling._pump_since_us = now_us - limits.PUMP_GRACE_US
            moved = True
        if now_us - self.fw._indicator_since_us < limits.INDICATOR_SETTLE_US and self.fw.outputs.indicator_on:
            self.fw._indicator_since_us = now_us - limits.INDICATOR_SETTLE_US
            moved = True
        return moved

    def step(self, *, received: bool = False) -> None:
        """One step of the firmware, with everything counted as changed; a trigger empties the capacitor."""
        self.now_us += 1
        self.fw._due_us = 0
        down = self.inputs.foot_a_closed and self.inputs.foot_b_closed
        if down is not self.facts.down:
            self.change(down=down, pressed_since=down)
        outputs = self.fw.outputs
        triggers = outputs.lamp_triggers
        before = self.fw.device.state
        self.fw.step(self.now_us, self.inputs, b"\0" if received else b"", b"")
        fired = outputs.lamp_triggers != triggers
        self.watch(before, fired=fired)
        if fired:
            energy_uj = true_energy_uj(self.inputs.hv_mv, outputs.mode_width_ps)
            self.change(light_uj=energy_uj, width_ps=outputs.mode_width_ps, rested=False)
            self.change(given=self.facts.given + (self.fw.device.state is State.EMITTING))
            self.inputs.hv_mv, self.inputs.charge_done = 0, False
            self.step()

    def watch(self, before: State, *, fired: bool) -> None:
        """Overridden by who looks at each step."""
