"""Faults of charger, capacitor, dump relay, emergency-stop relay and lamp."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

from sim_device.board import Outputs
from sim_device.faults.declare import number
from sim_device.faults.knobs import EACH_PULSE, each, exactly, knob, times, to, when
from sim_device.plant.capacitor import SAFE_V
from sim_device.simulator import Simulator


def _charging(simulator: Simulator, outputs: Outputs) -> Hashable:
    """The charger runs towards this voltage, for the lamp's next shot."""
    return (
        (outputs.hv_set_mv, simulator.plant.lamp.shots) if outputs.hv_enable and outputs.hv_set_mv else None
    )


def _charged(simulator: Simulator) -> bool:
    """The capacitor holds what can hurt."""
    return simulator.plant.capacitor.volts(simulator.now_us) > SAFE_V


_CHARGING: Final = when(_charging)
_BURNING: Final = when(lambda _, out: out.simmer_start)
_SHOT: Final = each(lambda simulator: simulator.plant.lamp.shots)

# fmt: off
ChargerWeak = knob(
    __name__, "charger-weak",
    "The charger gives less power than it should, or none: charging takes longer, or does not end.",
    hazards="HZ-028 HZ-025", at="plant.capacitor.charger_ratio", turned=times, shows=_CHARGING,
    ratio=number(0.3, 0, 1, "Power for healthy power; 0: dead."))
VoltageHigh = knob(
    __name__, "voltage-high",
    "The charger charges to another voltage than it is set to: its reference has drifted.",
    hazards="HZ-008", at="plant.capacitor.set_ratio", turned=times, shows=_CHARGING,
    ratio=number(1.2, 0, 3, "True voltage for set voltage."))
DumpStuck = knob(
    __name__, "dump-stuck",
    "The dump relay does not close: the capacitor keeps its charge but for the bleeder.",
    hazards="HZ-027", at="plant.capacitor.dump_stuck", turned=to(True),
    shows=when(lambda simulator, out: not out.dump_hold and _charged(simulator)))
BleederChanged = knob(
    __name__, "bleeder-changed",
    "The bleeder's resistance has changed: it is open (0), or a leak pulls the capacitor down.",
    hazards="HZ-027 HZ-028", at="plant.capacitor.bleed_ratio", turned=times,
    shows=when(lambda simulator, out: out.dump_hold and _charged(simulator)),
    ratio=number(0.0, 0, 10_000, "Conductance for healthy."))
EstopRelayWelded = knob(
    __name__, "estop-relay-welded",
    "The emergency stop's relay is welded: pressing the button cuts nothing but tells the firmware.",
    hazards="HZ-021", at="plant.contacts.estop_relay_welded", turned=to(True),
    shows=when(lambda simulator, _: simulator.plant.contacts.estop_pressed))
LampWeak = knob(
    __name__, "lamp-weak", "The lamp gives less light for the same charge: it has aged.",
    hazards="HZ-011", at="plant.lamp.output_ratio", turned=times, shows=EACH_PULSE,
    ratio=number(0.8, 0, 1, "Light for a new lamp's."))
SimmerFails = knob(
    __name__, "simmer-fails", "The simmer supply fails: the lamp's arc goes out, or does not start.",
    hazards="HZ-026 HZ-025", at="plant.lamp.simmer_fails", turned=to(True), shows=_BURNING)
LampMisfires = knob(
    __name__, "lamp-misfires", "A trigger now and then strikes no arc in the lamp.",
    hazards="HZ-026 HZ-011", at="plant.lamp.misfire_probability", turned=exactly,
    shows=each(lambda simulator: simulator.plant.truth.misfired),
    share=number(0.1, 0, 1, "Of the triggers.", above=True))
LampWears = knob(
    __name__, "lamp-wears", "The lamp wears faster than its life law says, up to its explosion.",
    hazards="HZ-031 HZ-011", at="plant.lamp.wear_ratio", turned=times, shows=_SHOT,
    ratio=number(1000.0, 0, 1e7, "Wear of a shot for healthy."))
LampOverloaded = knob(
    __name__, "lamp-overloaded",
    "A lamp of too small an explosion energy is fitted: each shot takes more of its life.",
    hazards="HZ-031", at="plant.lamp.explosion_j", turned=exactly, shows=_SHOT,
    explosion_j=number(86.0, 1, 10_000, "In J; 86 J are twice the largest pulse's 43 J."))
LampBroken = knob(
    __name__, "lamp-broken", "The lamp is broken: no simmer, no light.",
    hazards="HZ-031 HZ-025", at="plant.lamp.broken", turned=to(True), shows=_BURNING)
# fmt: on
