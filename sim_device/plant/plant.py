"""The simulated laser around the firmware: couples the parts and turns them into the board's inputs.

Theory of operation: each part holds its state as a stretch (first instant, first value, closed form) and
names the next instant at which it changes by itself. `advance` runs these events in order of time, `drive`
and `act` change commands and contacts between them. Nothing is computed by small steps, and nothing is
re-based by being asked, so that results do not depend on how often or how fast the plant is advanced. An
input never answers in the instant of the output that causes it: every answer is an event of its own.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final, Protocol

from sim_device.board import Inputs, Outputs
from sim_device.plant.capacitor import Capacitor
from sim_device.plant.contacts import Contacts, Footswitch
from sim_device.plant.coolant import Coolant
from sim_device.plant.delay import NEVER, Delayed
from sim_device.plant.lamp import Lamp
from sim_device.plant.monitors import Comparator, Monitors
from sim_device.plant.rod import Rod
from sim_device.plant.shutter import Shutter
from sim_device.plant.truth import TruePulse, Truth

BUILD_UP_US: Final = 200  # [P] Q-switch about 200 us after the lamp trigger
MEASURE_US: Final = 100  # [C] pulse to reading
READBACK_US: Final = 10  # [C] stop channels, read back through their isolators
LIGHT_UP_US: Final = 1_000  # [C] indicator and aiming diode
INDICATOR_UA: Final = 20_000  # [C] nominal 20 mA
AIMING_UW: Final = 1_000  # [C] 1 mW class 2 aiming diode


class Part(Protocol):
    """Anything that changes by itself."""

    next_us: int

    def happen(self, now_us: int) -> bool:
        """Do what is due at `now_us` = `next_us`; whether an input may show it."""
        ...


class Optics:
    """Pump light on its way to a pulse, and a pulse on its way to the readings."""

    def __init__(self, plant: Plant) -> None:
        self.next_us = NEVER
        self._plant = plant
        self._pumped: list[tuple[int, float, int]] = []  # (pulse is due, pump energy, mode)
        self._measured: list[tuple[int, TruePulse]] = []  # (reading is due, pulse)

    def pump(self, now_us: int, pump_j: float, mode_width_ps: int) -> None:
        """The lamp has fired."""
        self._pumped.append((now_us + BUILD_UP_US, pump_j, mode_width_ps))
        self._plan()

    def happen(self, now_us: int) -> bool:
        """A pulse is dumped (no input shows it yet), or its readings are ready."""
        shown = False
        while self._pumped and self._pumped[0][0] <= now_us:
            _, pump_j, mode_width_ps = self._pumped.pop(0)
            pulse = self._plant.dump_cavity(now_us, pump_j, mode_width_ps)
            if pulse is not None:
                self._measured.append((now_us + MEASURE_US, pulse))
        while self._measured and self._measured[0][0] <= now_us:
            _, pulse = self._measured.pop(0)
            self._plant.monitors.measure(
                pulse.energy_uj, pulse.transmitted_uj, pulse.width_ps, docked=pulse.docked
            )
            shown = True
        self._plan()
        return shown

    def _plan(self) -> None:
        pulse_us = self._pumped[0][0] if self._pumped else NEVER
        reading_us = self._measured[0][0] if self._measured else NEVER
        self.next_us = min(pulse_us, reading_us)


class Plant:
    """Everything between the firmware's outputs and its inputs, and the ground truth of the light."""

    def __init__(self, seed: int, contacts: Contacts | None = None) -> None:
        self.now_us = 0
        self.inputs = Inputs()
        self.contacts = contacts or Contacts()
        self.truth = Truth()
        self.powered = True
        self.changed = True  # an input changed since the simulator last cleared this
        # One stream of chance for each part: a bouncing foot does not alter the next pulse.
        self.foot = Footswitch(random.Random(f"{seed}/foot"))
        self.rod = Rod(random.Random(f"{seed}/rod"))
        self.monitors = Monitors(random.Random(f"{seed}/monitors"))
        self.capacitor = Capacitor()
        self.lamp = Lamp()
        self.coolant = Coolant()
        self.shutter = Shutter()
        self.comparator = Comparator()
        self.optics = Optics(self)
        self.gate_inhibited = Delayed(READBACK_US, READBACK_US, level=True)
        self.hv_inhibited = Delayed(READBACK_US, READBACK_US, level=True)
        self.indicator = Delayed(LIGHT_UP_US, LIGHT_UP_US)
        self.aiming = Delayed(LIGHT_UP_US, LIGHT_UP_US)
        self._parts: tuple[tuple[Part, Callable[[], None]], ...] = (
            (self.foot, self._publish_foot),
            (self.shutter, self._publish_shutter),
            (self.capacitor, self._publish_charge),
            (self.optics, self._publish_light),
            (self.coolant, self._publish_cooling),
            (self.coolant.flow, self._publish_cooling),
            (self.lamp.simmer, self._publish_levels),
            (self.comparator.readback, self._publish_levels),
            (self.gate_inhibited, self._publish_levels),
            (self.hv_inhibited, self._publish_levels),
            (self.indicator, self._publish_levels),
            (self.aiming, self._publish_levels),
            (self.monitors.flash, self._publish_levels),
        )
        self.next_event_us = NEVER
        self._outputs = Outputs()
        self._settle()
        self._publish_all()

    @property
    def estop_relay(self) -> bool:
        """The relay that feeds high voltage, trigger, Pockels cell, shutter and dump relay, in hardware."""
        return self.powered and not self.contacts.estop_pressed

    @property
    def gate_open(self) -> bool:
        """Triggers reach lamp and Pockels cell."""
        return self._outputs.gate_enable and self.estop_relay and not self.comparator.tripped

    def advance(self, now_us: int) -> None:
        """Bring everything to `now_us` under the outputs driven so far; ValueError for a time gone by."""
        if now_us < self.now_us:
            raise ValueError(f"now_us = {now_us} lies before {self.now_us}: time does not go backwards")
        while self.next_event_us <= now_us:
            self.now_us = due_us = self.next_event_us
            for part, publish in self._parts:
                if part.next_us <= due_us and part.happen(due_us):
                    publish()
                    self.changed = True
            self._find_next_event()
        self.now_us = now_us
        self.inputs.hv_mv = self.capacitor.millivolts(now_us)  # the one input that moves between events

    def drive(self, outputs: Outputs) -> None:
        """Take the firmware's outputs over from now on; a raised trigger counter triggers the lamp."""
        self._outputs.watchdog_kicks = outputs.watchdog_kicks  # the watchdog's matter: moves nothing here
        if outputs == self._outputs or not self.powered:
            return
        triggers = outputs.lamp_triggers - self._outputs.lamp_triggers
        self._outputs = Outputs(*[getattr(outputs, name) for name in Outputs.__slots__])
        self._settle()
        for _ in range(triggers):  # none when a restarted firmware counts from the beginning again
            self._trigger()

    def act(self, change: Callable[[Plant], None]) -> None:
        """Let a person, the room or a fault change contacts or parts now."""
        change(self)
        self._settle()
        self._publish_all()
        self.changed = True

    def set_power(self, on: bool) -> None:
        """Take the supply away (everything falls to its safe side, the capacitor is dumped) or return it."""
        if on == self.powered:
            return
        self.powered = on
        self._outputs = Outputs()
        if on:
            self.comparator.trip(self.now_us)  # it wakes up latched
        self._settle()
        self._publish_all()
        self.changed = True

    def dump_cavity(self, now_us: int, pump_j: float, mode_width_ps: int) -> TruePulse | None:
        """Drive the Pockels cell on a pumped rod: the pulse, or None if gated off or under threshold."""
        if not self.gate_open:
            self.truth.blocked += 1
            return None
        celsius = self.coolant.celsius(now_us)
        energy_uj, width_ps = self.rod.shoot(now_us, pump_j, mode_width_ps, celsius)
        if energy_uj <= 0.0:
            self.truth.dark += 1
            return None
        transmitted_uj = energy_uj * self.shutter.transmission(now_us)
        pulse = TruePulse(
            number=self.truth.total + 1,
            time_us=now_us,
            energy_uj=energy_uj,
            width_ps=width_ps,
            transmitted_uj=transmitted_uj,
            aperture=transmitted_uj > 0 and not self.contacts.docked,
            port=transmitted_uj > 0 and self.contacts.docked,
            triggered=True,
            shutter_position=self.shutter.position(now_us),
            foot_pressed=self.foot.pressed,
            strap=self.contacts.internal_trigger_strap,
            docked=self.contacts.docked,
            open_contacts=self.contacts.open_names(),
            mode_width_ps=mode_width_ps,
        )
        self.truth.record(pulse)
        if self.comparator.see(now_us, energy_uj):
            self._settle()  # which closes the gate
        return pulse

    def _trigger(self) -> None:
        """One lamp trigger: the hardware lets it pass, or it is blocked."""
        self.truth.triggers += 1
        mode_width_ps = self._outputs.mode_width_ps
        passes = self.gate_open and self.lamp.simmer.level and mode_width_ps in self.rod.yields
        if not passes or self.capacitor.volts(self.now_us) <= 0.0:
            self.truth.blocked += 1
            return
        electrical_j = self.capacitor.flash(self.now_us)
        self.coolant.heat(self.now_us, electrical_j)
        self.optics.pump(self.now_us, self.lamp.fire(electrical_j), mode_width_ps)
        self._publish_charge()
        self._find_next_event()

    def _settle(self) -> None:
        """Bring commands and contacts to the parts, through the hardware that stands between them."""
        now_us, out, powered = self.now_us, self._outputs, self.powered
        relay = self.estop_relay
        self.comparator.drive(now_us, threshold_uj=out.comparator_uj, reset=out.comparator_reset)
        self.capacitor.drive(
            now_us,
            charge=out.hv_enable and relay and self.contacts.key_on,
            set_v=out.hv_set_mv / 1000,
            dump=not (out.dump_hold and relay),
        )
        self.shutter.drive(now_us, out.shutter_open and relay)
        self.lamp.simmer.drive(now_us, out.simmer_start and powered)
        self.coolant.drive(now_us, heater=out.heater_on and powered, pump=out.pump_on and powered)
        self.gate_inhibited.drive(now_us, not self.gate_open)
        self.hv_inhibited.drive(now_us, not (out.hv_enable and relay and self.contacts.key_on))
        self.indicator.drive(now_us, out.indicator_on and powered)
        self.aiming.drive(now_us, out.aiming_on and powered)
        self.monitors.flash.drive(now_us, out.monitor_test and powered)
        self._publish_charge()
        self._find_next_event()

    def _find_next_event(self) -> None:
        self.next_event_us = min([part.next_us for part, _ in self._parts])

    def _publish_all(self) -> None:
        """Write every input; the methods below write those that one part's event can change."""
        line, contacts = self.inputs, self.contacts
        line.key_on = contacts.key_on
        line.mains_ok = contacts.mains_ok and self.powered
        line.estop_a_closed = line.estop_b_closed = not contacts.estop_pressed
        line.remote_closed = contacts.remote_closed
        line.door_closed = contacts.door_closed
        line.cover_a_closed = line.cover_b_closed = contacts.cover_closed
        line.arm_connected = contacts.arm_connected
        line.internal_trigger_strap = contacts.internal_trigger_strap
        line.docked = contacts.docked
        line.handpiece = int(contacts.handpiece)
        line.spot_um = contacts.spot_um
        line.wavelength_nm = contacts.wavelength_nm
        line.charger_cool = contacts.charger_cool
        line.level_ok = contacts.level_ok
        for publish in dict.fromkeys(publish for _, publish in self._parts):
            publish()

    def _publish_foot(self) -> None:
        self.inputs.foot_a_closed = self.foot.a_closed
        self.inputs.foot_b_closed = self.foot.b_closed

    def _publish_shutter(self) -> None:
        self.inputs.shutter_open_switch = self.shutter.open_switch
        self.inputs.shutter_closed_switch = self.shutter.closed_switch

    def _publish_charge(self) -> None:
        self.inputs.charge_done = self.capacitor.charge_done
        self.inputs.hv_mv = self.capacitor.millivolts(self.now_us)

    def _publish_light(self) -> None:
        line, monitors = self.inputs, self.monitors
        line.light_count = monitors.count
        line.pulse_width_ps = monitors.width_ps
        line.monitor_a_uj = monitors.a_uj
        line.monitor_b_uj = monitors.b_uj
        line.port_meter_uj = monitors.port_uj

    def _publish_cooling(self) -> None:
        self.inputs.coolant_mc = self.coolant.reading_mc
        self.inputs.flow_ml_min = self.coolant.flow_reading_ml_min
        self.inputs.thermostat_closed = self.coolant.thermostat_closed

    def _publish_levels(self) -> None:
        line, monitors = self.inputs, self.monitors
        line.simmer_on = self.lamp.simmer.level
        line.comparator_tripped = self.comparator.readback.level
        line.gate_inhibited = self.gate_inhibited.level
        line.hv_inhibited = self.hv_inhibited.level
        line.indicator_ua = INDICATOR_UA if self.indicator.level else 0
        line.aiming_uw = AIMING_UW if self.aiming.level else 0
        line.dark_a_uj = monitors.a.idle(monitors.flash.level)
        line.dark_b_uj = monitors.b.idle(monitors.flash.level)
