"""The simulated laser around the firmware: couples the parts and turns them into the board's inputs.

Theory of operation: each part holds its state as a stretch (first instant, first value, closed form) and
names the next instant at which it changes by itself. `advance` runs these events in order of time, `drive`
and `act` change commands and contacts between them. Nothing is computed by small steps, and nothing is
re-based by being asked, so that results do not depend on how often or how fast the plant is advanced. An
input never answers in the instant of the output that causes it: every answer is an event of its own.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from operator import attrgetter
from typing import Final

from sim_device.board import Inputs, Outputs
from sim_device.plant.capacitor import Capacitor
from sim_device.plant.contacts import ACTUATORS, ESTOP, Chatter, Contacts, Footswitch
from sim_device.plant.conversion import MODULES, PUMP_NM, converted
from sim_device.plant.coolant import FLOW_ML_MIN, Coolant
from sim_device.plant.delay import NEVER, Delayed, Part
from sim_device.plant.head import MODES_PS, Head, Light
from sim_device.plant.lamp import Lamp
from sim_device.plant.lights import Lights
from sim_device.plant.monitors import Comparator, Monitors
from sim_device.plant.pulses import Optics
from sim_device.plant.shutter import Shutter, transmission
from sim_device.plant.truth import TruePulse, Truth

READBACK_US: Final = 10  # [C] stop channels, read back through their isolators

# The watchdog's kicks move nothing here. What a pulse changes stands first: most drives change nothing else.
_OFTEN: Final = ("lamp_triggers", "mode_width_ps", "hv_enable", "hv_set_mv", "dump_hold")
_SELDOM: Final = tuple(line for line in Outputs.__slots__ if line not in {*_OFTEN, "watchdog_kicks"})
_SUPPLY: Final = slice(2, len(_OFTEN))
_LATER: Final = slice(len(_OFTEN), None)
_levels: Final = attrgetter(*_OFTEN, *_SELDOM)


class Plant:
    """Everything between the firmware's outputs and its inputs, and the ground truth of the light."""

    __slots__ = (
        *("capacitor", "changed", "comparator", "contacts", "coolant", "estop_relay", "foot"),
        *("gate_inhibited", "head", "hv_inhibited", "lamp", "lights", "monitors", "next_event_us"),
        *("now_us", "optics", "powered", "settling", "shutter", "truth"),
        *("_driven", "_due_us", "_inputs", "_key", "_open_names", "_outputs", "_parts", "_publish"),
        *("_read_us", "_spot_um"),
    )

    def __init__(self, seed: int, contacts: Contacts | None = None) -> None:
        self.now_us = 0
        self._inputs = Inputs()
        self._inputs.count()
        self._read_us = -1  # up to then the voltage reads as it was read last
        self.contacts = contacts or Contacts()
        self.truth = Truth()
        self.powered = True
        self.changed = True  # an input changed since the simulator last cleared this
        # One stream of chance for each part: a bouncing foot does not alter the next pulse.
        self.foot = Footswitch(random.Random(f"{seed}/foot"))
        self.head = Head(random.Random(f"{seed}/head"))
        self.monitors = Monitors(random.Random(f"{seed}/monitors"))
        self.capacitor = Capacitor()
        self.lamp = Lamp(random.Random(f"{seed}/lamp"))
        self.lights = Lights()
        self.coolant = Coolant()
        self.shutter = Shutter()
        self.comparator = Comparator()
        self.optics = Optics(self)
        self.gate_inhibited = Delayed(READBACK_US, READBACK_US, level=True)
        self.hv_inhibited = Delayed(READBACK_US, READBACK_US, level=True)
        self.settling = Chatter(random.Random(f"{seed}/contacts"), self._contact_levels())
        self.estop_relay = False  # feeds high voltage, trigger, Pockels cell, shutter and dump relay
        self._key = False  # its contact in the charger's supply
        self._open_names: tuple[str, ...] = ()
        self._spot_um = 0
        plan: tuple[tuple[Part, Callable[[], None]], ...] = (
            (self.capacitor, self._publish_charge),  # these four change with every pulse
            (self.optics, self._publish_light),
            (self.coolant, self._publish_cooling),
            (self.hv_inhibited, self._publish_charger),
            (self.foot.contacts, self._publish_foot),
            (self.settling, self._publish_contacts),
            (self.shutter, self._publish_shutter),
            (self.coolant.flow, self._publish_cooling),
            (self.coolant.tank, self._run_dry),
            (self.lamp.simmer, self._publish_channels),
            (self.comparator.readback, self._publish_channels),
            (self.gate_inhibited, self._publish_channels),
            (self.lights.indicator, self._publish_lights),
            (self.lights.aiming, self._publish_lights),
            (self.monitors.flash, self._publish_dark),
        )
        self._parts = tuple(part for part, _ in plan)
        self._publish = tuple(publish for _, publish in plan)
        self._due_us = [NEVER] * len(plan)  # when each part changes by itself
        self.next_event_us = NEVER
        self._outputs = Outputs()
        self._driven = _levels(self._outputs)
        self._settle()
        self._publish_all()

    @property
    def inputs(self) -> Inputs:
        """What the board shows now."""
        return self.read()

    def read(self) -> Inputs:
        """The same: the voltage, which moves between events, is read when asked for."""
        now_us = self.now_us
        if self._read_us < now_us:
            self._inputs.hv_mv = self.capacitor.millivolts(now_us)
            self._read_us = NEVER if now_us >= self.capacitor.still_us else now_us
        return self._inputs

    @property
    def gate_open(self) -> bool:
        """Triggers reach lamp and Pockels cell."""
        return self._outputs.gate_enable and self.estop_relay and not self.comparator.tripped

    @property
    def defeat_lamp_lit(self) -> bool:
        """Whoever stands before the laser sees that the cover's interlock is defeated."""
        return self._outputs.defeat_lamp_on and self.powered

    def advance(self, now_us: int) -> None:
        """Bring everything to `now_us` under the outputs driven so far; ValueError for a time gone by."""
        if now_us < self.now_us:
            raise ValueError(f"now_us = {now_us} lies before {self.now_us}: time does not go backwards")
        due_us, all_due_us = self.next_event_us, self._due_us
        while due_us <= now_us:
            self.now_us = due_us
            index = all_due_us.index(due_us)
            part = self._parts[index]
            if part.happen(due_us):
                self._publish[index]()
                self._note()
            all_due_us[index] = part.next_us
            self.next_event_us = due_us = min(all_due_us)
        self.now_us = now_us

    def drive(self, outputs: Outputs) -> None:
        """Take the firmware's outputs over from now on; a raised trigger counter triggers the lamp."""
        levels = _levels(outputs)
        before = self._driven
        if levels == before or not self.powered:
            return
        self._driven = levels
        if levels[_LATER] != before[_LATER]:
            self._outputs = replace(outputs)
            self._settle()  # in whole
        else:
            own = self._outputs
            own.lamp_triggers, own.mode_width_ps, own.hv_enable, own.hv_set_mv, own.dump_hold = levels[:5]
            if levels[_SUPPLY] != before[_SUPPLY]:
                self._supply()
        for _ in range(levels[0] - before[0]):  # none when a restarted firmware counts from zero again
            self._trigger()
        self._plan_pulse()

    def act(self, change: Callable[[Plant], None]) -> None:
        """Let a person, the room or a fault change contacts or parts now."""
        change(self)
        self._settle()
        self._publish_all()
        self._note()

    def set_power(self, on: bool) -> None:
        """Take the supply away (everything falls to its safe side, the capacitor is dumped) or return it."""
        if on == self.powered:
            return
        self.powered = on
        self._outputs = Outputs()
        self._driven = _levels(self._outputs)
        if on:
            self.comparator.trip(self.now_us)  # it wakes up latched
        self._settle()
        self._publish_all()
        self._note()

    def dump_cavity(self, now_us: int, pump_j: float, mode_width_ps: int) -> tuple[Light, ...]:
        """Let the Pockels cell work on a pumped rod: the light, none if gated off or under threshold."""
        if not self.gate_open or mode_width_ps not in MODES_PS:
            self.truth.blocked += 1
            return ()
        lights = self.head.shoot(now_us, pump_j, mode_width_ps, self.coolant.celsius(now_us))
        self.truth.dark += not lights
        return lights

    def emit(
        self,
        now_us: int,
        energy_uj: float,
        width_ps: float,
        mode_width_ps: int,
        *,
        triggered: bool = True,
        free_running: bool = False,
    ) -> TruePulse:
        """Let light out of the head: it goes as far as the shutter lets it, and into the ground truth."""
        contacts, truth = self.contacts, self.truth
        position = self.shutter.position(now_us)
        transmitted_uj = energy_uj * transmission(position)
        wavelength_nm, delivered_uj, delivered_ps = PUMP_NM, transmitted_uj, width_ps
        if contacts.wavelength_nm in MODULES:
            wavelength_nm = contacts.wavelength_nm
            delivered_uj, delivered_ps = converted(wavelength_nm, transmitted_uj, width_ps)
        docked = contacts.docked
        pulse = TruePulse(  # by position: names would cost as much again
            truth.total + 1,
            now_us,
            energy_uj,
            width_ps,
            transmitted_uj,
            transmitted_uj > 0.0 and not docked,  # aperture
            transmitted_uj > 0.0 and docked,  # port
            triggered,
            position,
            self.foot.pressed,
            contacts.internal_trigger_strap,
            docked,
            self._open_names,
            mode_width_ps,
            free_running,
            wavelength_nm,
            delivered_uj,
            delivered_ps,
            self._spot_um,
            contacts.handpiece,
            self.lights.aiming_offset_mm,
        )
        truth.record(pulse)
        if self.comparator.see(now_us, energy_uj):
            self._settle()  # which closes the gate
        return pulse

    def measure(self, pulse: TruePulse) -> None:
        """Let every light sensor read this pulse."""
        port_uj = pulse.delivered_uj if pulse.port else 0.0
        self.monitors.measure(self.now_us, pulse.energy_uj, pulse.transmitted_uj, pulse.width_ps, port_uj)

    def fire_lamp(self) -> bool:
        """Let the lamp break through by itself, as a fault: whether there was an arc and a charge for it."""
        electrical_j = self.capacitor.energy_j(self.now_us)
        fires = self.lamp.simmer.level and electrical_j > 0.0
        if fires:
            self._fire(electrical_j, triggered=False)
        return fires

    def _trigger(self) -> None:
        """One lamp trigger: the hardware lets it pass, or it is blocked."""
        self.truth.triggers += 1
        passes = self.gate_open and self.lamp.simmer.level and self._outputs.mode_width_ps in MODES_PS
        electrical_j = self.capacitor.energy_j(self.now_us) if passes else 0.0
        if electrical_j <= 0.0:
            self.truth.blocked += 1
        elif self.lamp.strikes():
            self._fire(electrical_j, triggered=True)
        else:
            self.truth.misfired += 1

    def _fire(self, electrical_j: float, *, triggered: bool) -> None:
        """The capacitor goes through the lamp."""
        self.capacitor.flash(self.now_us)
        self.coolant.heat(self.now_us, electrical_j)
        pump_j = self.lamp.fire(electrical_j)
        self.optics.pump(self.now_us, pump_j, self._outputs.mode_width_ps, triggered=triggered)
        if self.lamp.broken:
            self._settle()
        self._publish_charge()

    def _settle(self) -> None:
        """Bring commands and contacts to the parts, through the hardware that stands between them."""
        now_us, out, powered, contacts = self.now_us, self._outputs, self.powered, self.contacts
        self.estop_relay = powered and (contacts.estop_relay_welded or contacts.conduct(*ESTOP))
        self._key = contacts.conduct("key_on")
        self._open_names = contacts.open_names()
        self._spot_um = contacts.spot_um
        self.comparator.drive(now_us, threshold_uj=out.comparator_uj, reset=out.comparator_reset)
        self._supply()
        self.shutter.drive(now_us, current=out.shutter_open, supply=self.estop_relay)
        self.lamp.drive(now_us, out.simmer_start and powered)
        self.coolant.drive(now_us, heater=out.heater_on and powered, pump=out.pump_on and powered)
        self.gate_inhibited.drive(now_us, not self.gate_open)
        self.lights.drive(now_us, indicator=out.indicator_on and powered, aiming=out.aiming_on and powered)
        self.monitors.flash.drive(now_us, out.monitor_test and powered)
        self._plan()

    def _supply(self) -> None:
        """Bring charger and dump relay under what is driven now."""
        out, relay = self._outputs, self.estop_relay
        charge = out.hv_enable and relay and self._key
        self.capacitor.drive(
            self.now_us, charge=charge, set_v=out.hv_set_mv / 1000, dump=not (out.dump_hold and relay)
        )
        self.hv_inhibited.drive(self.now_us, not charge)
        self._publish_charge()

    def _plan_pulse(self) -> None:
        """Take over when the parts that change with every pulse change next."""
        due_us, optics, coolant = self._due_us, self.optics, self.coolant
        due_us[:4] = self.capacitor.next_us, optics.next_us, coolant.next_us, self.hv_inhibited.next_us
        self.next_event_us = min(due_us)

    def _note(self) -> None:
        """Inputs were written, for the firmware to see now."""
        self.changed = True
        self._inputs.count()

    def _plan(self) -> None:
        """Take over when each part changes next."""
        self._due_us[:] = [part.next_us for part in self._parts]
        self.next_event_us = min(self._due_us)

    def _contact_levels(self) -> dict[str, bool]:
        return self.contacts.levels(
            level_ok=not self.coolant.tank.low, thermostat_closed=self.coolant.thermostat_closed
        )

    def _publish_all(self) -> None:
        """Write every input; the methods below write those that one part's event can change."""
        line, contacts = self._inputs, self.contacts
        line.mains_ok = contacts.mains_ok and self.powered
        line.handpiece = int(contacts.handpiece)
        line.spot_um = contacts.spot_um
        line.wavelength_nm = contacts.wavelength_nm
        self._move_contacts(ACTUATORS)
        for publish in dict.fromkeys(self._publish):
            publish()

    def _move_contacts(self, actuators: Iterable[tuple[str, ...]]) -> None:
        """Let the contacts of these actuators go where their actuators, or what holds them, put them."""
        levels = self._contact_levels()
        for lines in actuators:
            self.settling.move(self.now_us, {line: levels[line] for line in lines})
        self._publish_contacts()
        self._plan()

    def _publish_contacts(self) -> None:
        for line, level in self.settling.levels.items():
            setattr(self._inputs, line, level)

    def _publish_foot(self) -> None:
        for line, level in self.foot.contacts.levels.items():
            setattr(self._inputs, line, level)

    def _publish_shutter(self) -> None:
        self._inputs.shutter_open_switch = self.shutter.open_switch
        self._inputs.shutter_closed_switch = self.shutter.closed_switch

    def _publish_charge(self) -> None:
        if self._inputs.charge_done is not self.capacitor.charge_done:
            self._inputs.charge_done = self.capacitor.charge_done
            self._inputs.count()
        self._read_us = -1

    def _publish_light(self) -> None:
        line, monitors = self._inputs, self.monitors
        line.light_count = monitors.count
        line.pulse_width_ps = monitors.width_ps
        line.monitor_a_uj = monitors.a.pulse_uj
        line.monitor_b_uj = monitors.b.pulse_uj
        line.port_meter_uj = monitors.port.pulse_uj

    def _publish_cooling(self) -> None:
        coolant = self.coolant
        self._inputs.coolant_mc = coolant.reading_mc
        self._inputs.flow_ml_min = coolant.flow_reading_ml_min
        self.head.cool(self.now_us, min(1.0, coolant.flow_reading_ml_min / FLOW_ML_MIN))
        self._move_contacts((("thermostat_closed",), ("level_ok",)))

    def _run_dry(self) -> None:
        """Water was lost: the level tells, and the pump may have nothing left."""
        self._settle()
        self._publish_cooling()

    def _publish_channels(self) -> None:
        line = self._inputs
        line.simmer_on = self.lamp.simmer.level
        line.comparator_tripped = self.comparator.readback.level
        line.gate_inhibited = self.gate_inhibited.level

    def _publish_charger(self) -> None:
        self._inputs.hv_inhibited = self.hv_inhibited.level

    def _publish_lights(self) -> None:
        self._inputs.indicator_ua = self.lights.indicator_ua
        self._inputs.aiming_uw = self.lights.aiming_uw

    def _publish_dark(self) -> None:
        self.monitors.settle(self.now_us)
        self._inputs.dark_a_uj = self.monitors.a.idle_uj
        self._inputs.dark_b_uj = self.monitors.b.idle_uj
