"""The list for diagnostic coverage: every fault of the catalogue as cases, each dangerous or safe, and why.

A failure is dangerous if it can let out light that must not be (without permission, of another energy, width
or number, on another site), can leave a charge that hurts, or takes away or falsifies what protects from
that. It is safe if all it does is end or refuse light. What is a guard doing its work (a contact that opens)
or no failure of the laser (the room, the mains) is listed as safe, so that it cannot raise the figure. The
judgement is an engineering choice [C] and stands beside each line; the trials measure that nothing safe lets
wrong light out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Final, get_args

from sim_device.board import SAFE_INPUTS, SAFE_OUTPUTS, Inputs, Outputs
from sim_device.faults.contacts import Contact

Given = dict[str, Any]

AB: Final[list[Given]] = [{"channel": "a"}, {"channel": "b"}]
MONITORS: Final = ("a", "b", "port")


@dataclass(frozen=True)
class Case:
    """One defect of one part."""

    fault: str
    given: tuple[tuple[str, Any], ...]
    dangerous: bool
    why: str

    @property
    def slow(self) -> bool:
        """It shows by temperature or drift: within minutes."""
        return self.why == _COOLING or self.fault == "monitor-drifts"

    @property
    def name(self) -> str:
        """Fault and parameters in words."""
        told = ", ".join(f"{key} {value}" for key, value in self.given)
        return f"{self.fault} ({told})" if told else self.fault


def each(key: str, *values: Any) -> list[Given]:
    """One case for each value of a parameter."""
    return [{key: value} for value in values]


def monitors(**more: Any) -> list[Given]:
    """One case for each energy monitor and the port's meter."""
    return [{"monitor": monitor, **more} for monitor in MONITORS]


_LIGHT: Final = "light other than was set"
_BLIND: Final = "what would show a wrong pulse is wrong itself"
_CHANNEL: Final = "a channel that stops light is lost"
_GUARD: Final = "a guard is not seen"
_SITE: Final = "light where it was not meant to go"
_CHARGE: Final = "a charge that stays, or more of it than was set"
_COOLING: Final = "energy drifts, rod or lamp may break"
_MEMORY: Final = "the books, the calibration or a latched fault may be lost"
_LINE: Final = "the host's word is lost, late, altered, repeated or overtaken (the errors of IEC 61784-3)"
_TIME: Final = "delays and time-outs are not what they should be"

DANGEROUS: Final[dict[str, tuple[str, list[Given]]]] = {
    "interlock-bridged": (_GUARD, each("contact", *get_args(Contact))),
    "interlocks-unseen": (_GUARD, [{}]),
    "estop-contact-welded": (_GUARD, AB),
    "cover-contact-welded": (_GUARD, AB),
    "dock-contact-welded": (_GUARD, AB),
    "strap-bridged": ("light without a foot", [{}]),
    "foot-contact-welded": ("light after the foot is lifted", AB),
    "shutter-switches-swapped": (_CHANNEL, [{}]),
    "spot-misread": (_LIGHT, each("spot_mm", 3.0, 6.0)),
    "handpiece-misread": (_LIGHT, each("handpiece", "FIXED_6", "LENS_ARRAY_6")),
    "wavelength-misread": (_LIGHT, each("wavelength_nm", 532, 1064)),
    "end-of-charge-stuck": (_LIGHT, [{}]),
    "voltage-misread": (_CHARGE, each("ratio", 0.5, 0.9, 1.1, 2.0)),
    "coolant-sensor-offset": (_COOLING, each("kelvin", -5.0, 5.0)),
    "gate-welded": (_CHANNEL, [{}]),
    "charger-welded": (_CHANNEL, [{}]),
    "voltage-bit-stuck": (_CHARGE, [{"bit": bit, "to": to} for bit in (15, 17, 19) for to in (False, True)]),
    "comparator-unset": (_BLIND, [{}]),
    "spurious-trigger": ("a trigger without the firmware", [{}]),
    "voltage-high": (_CHARGE, each("ratio", 1.05, 1.2)),
    "dump-stuck": (_CHARGE, [{}]),
    "bleeder-changed": (_CHARGE, each("ratio", 0.0)),
    "estop-relay-welded": (_CHANNEL, [{}]),
    "lamp-weak": (_LIGHT, each("ratio", 0.8, 0.9)),
    "lamp-wears": ("the lamp may burst", each("ratio", 1e6)),
    "lamp-overloaded": ("the lamp may burst", each("explosion_j", 50.0, 86.0)),
    "modelock-lost": (_LIGHT, [{}]),
    "pulse-wide": (_LIGHT, each("ratio", 0.7, 1.3)),
    "energy-off": (_LIGHT, each("ratio", 0.8, 1.25)),
    "first-pulse-high": (_LIGHT, each("ratio", 1.3)),
    "dump-mistimed": (_LIGHT, each("trips", -4, 4)),
    "double-pulse": (_LIGHT, each("pulses", 2, 3)),
    "hold-off-lost": (_LIGHT, [{}]),
    "shutter-stuck": (_CHANNEL, [{}]),
    "shutter-driver-welded": (_CHANNEL, [{}]),
    "shutter-slow-to-close": (_CHANNEL, each("travel_ms", 50.0, 200.0)),
    "monitor-gain": (_BLIND, [*monitors(ratio=0.5), *monitors(ratio=1.25)]),
    "monitor-frozen": (_BLIND, monitors()),
    "monitor-saturates": (_BLIND, monitors(top_mj=100.0)),
    "monitor-dark": (_BLIND, monitors(dark_mj=5.0)),
    "monitor-noisy": (_BLIND, monitors(sigma=0.3)),
    "monitor-drifts": (_BLIND, monitors(percent_per_s=1.0)),
    "photodiode-dead": (_BLIND, [{}]),
    "photodiode-weak": (_BLIND, each("ratio", 0.5)),
    "indicator-fails": ("nobody is warned", each("ratio", 0.0, 0.3)),
    "aiming-fails": (_SITE, each("ratio", 0.0, 10.0)),
    "aiming-offset": (_SITE, each("offset_mm", 3.0)),
    "heater-fails": (_COOLING, [{}]),
    "fan-fails": (_COOLING, [{}]),
    "pump-fails": (_COOLING, [{}]),
    "flow-low": (_COOLING, each("ratio", 0.3)),
    "coolant-leaks": (_COOLING, each("leak_ml_s", 50.0)),
    "coolant-step": (_COOLING, each("kelvin", -5.0, 5.0)),
    "module-exchanged": (_LIGHT, each("wavelength_nm", 532, 1064)),
    "spot-turned": (_LIGHT, each("spot_mm", 2.0, 5.0)),
    "foot-held": ("light without anybody's will", [{}]),
    "processor-hangs": ("what should stop light stands still", [{}]),
    "clock-drifts": (_TIME, each("ppm", -500_000, -200_000, 10_000, 200_000, 1_000_000)),
    "memory-corrupted": (_MEMORY, each("area", "books", "calibration", "history", "ring")),
    "memory-fails": (_MEMORY, [{}]),
    "line-drops": (_LINE, [{}]),
    "line-delays": (_LINE, [{}]),
    "line-reorders": (
        _LINE,
        [{"message": "Heartbeat", "share": 0.3}, {"message": "PulseReport", "share": 0.5}],
    ),
    "line-repeats": (_LINE, [{"message": "Heartbeat"}, {"message": "Grant"}, {"message": "Arm"}]),
    "line-falls-silent": (_LINE, [{}]),
    "line-echoes": (_LINE, [{}]),
    "line-noise": (_LINE, each("byte_probability", 0.001, 0.02)),
    "line-garbled": (_LINE, [{}]),
    "line-lamp-noise": (_LINE, [{"rings_ms": 5.0}]),
    "line-cut": (_LINE, [{}]),
    "line-unplugged": (_LINE, [{}]),
}
"""By name: what could come of it, and its cases."""

_ENDS: Final = "it can only end light, or keep it from beginning"

SAFE: Final[dict[str, tuple[str, list[Given]]]] = {
    "interlock-open": ("a guard at work: its contact opens", each("contact", "door", "remote", "cover")),
    "foot-contact-open": (_ENDS, AB),
    "key-lost": ("a guard at work: the key's contact opens", [{}]),
    "coolant-sensor-cut": (_ENDS, [{}]),
    "coolant-level-low": ("a guard at work: the level's contact opens", [{}]),
    "trigger-lost": (_ENDS, [{}]),
    "watchdog-kicks-lost": (_ENDS, [{}]),
    "charger-weak": (_ENDS, each("ratio", 0.0, 0.3)),
    "simmer-fails": (_ENDS, [{}]),
    "lamp-misfires": (_ENDS, each("share", 0.1)),
    "lamp-broken": (_ENDS, [{}]),
    "shutter-slow-to-open": (_ENDS, each("travel_ms", 200.0)),
    "room-temperature": ("no failure of the laser", each("celsius", 5.0, 45.0)),
    "mains-dip": ("no failure of the laser", [{}]),
    "charger-hot": ("a guard at work: the charger's contact opens", [{}]),
    "contact-flutters": (
        "a guard at work, again and again",
        each("contact", "door", "remote", "cover", "arm"),
    ),
    "processor-reset": (_ENDS, [{}]),
    "power-cut": (_ENDS, [{"for_s": 1.0}]),
    "counters-near-their-end": ("no failure: the counters must roll over rightly", [{}]),
    "line-splits": ("frames arrive whole in the end", [{}]),
    "line-glues": ("frames arrive whole in the end", [{}]),
}
"""By name: why it is safe, and its cases."""

_LIGHT_SENSORS: Final = (
    *("light_count", "pulse_width_ps", "monitor_a_uj", "monitor_b_uj", "port_meter_uj"),
    *("dark_a_uj", "dark_b_uj"),
)
_CUT_IS_DANGEROUS: Final = {
    "hv_mv": "a charge is not seen",
    "indicator_on": "nobody is warned",
    "buzzer_on": "one of two warnings is lost",
    "defeat_lamp_on": "one of two signs of a defeated interlock is lost",
    "pump_on": _COOLING,
    "aiming_on": _SITE,
    "monitor_test": "the monitors are tested no more",
    **dict.fromkeys(_LIGHT_SENSORS, _BLIND),
}
"""Lines whose safe level takes something away that protects."""
_OTHER_IS_SAFE: Final = {
    "aiming_on": "it stays class 3R",
    "simmer_start": "without charge the lamp cannot fire",
    "pump_on": "the pump runs",
    **dict.fromkeys(("indicator_on", "defeat_lamp_on"), "it is lit when it need not be"),
    "buzzer_on": "it sounds when it need not",
}
"""Lines whose other level does no harm: why."""
_TOP: Final = {"hv_set_mv": 1_250_000, "mode_width_ps": 550, "comparator_uj": 2**31 - 1}
_COUNTERS: Final = ("lamp_triggers", "watchdog_kicks")  # trigger-lost, spurious-trigger, watchdog-kicks-lost
_WRONG_VALUE: Final = (
    "hv_mv",
    "coolant_mc",
    "pulse_width_ps",
    "monitor_a_uj",
    "monitor_b_uj",
    "port_meter_uj",
)
_OFFSETS: Final = {"hv_mv": 60_000, "coolant_mc": 5_000, "pulse_width_ps": 200, "monitor_a_uj": 40_000}
_SWAPPED: Final = (
    *(("shutter_open_switch", "shutter_closed_switch"), ("gate_inhibited", "hv_inhibited")),
    *(("monitor_a_uj", "dark_a_uj"), ("door_closed", "docked_a_closed")),
)
_LATE: Final = ("foot_a_closed", "estop_a_closed", "door_closed", "shutter_closed_switch", "hv_mv")
_BITS: Final = (("hv_set_mv", 17), ("hv_set_mv", 20), ("mode_width_ps", 7), ("comparator_uj", 20))


def cases() -> Iterator[Case]:
    """Every fault of the catalogue, in the order of the tables, then those of any wire of the board."""
    for dangerous, table in ((True, DANGEROUS), (False, SAFE)):
        for fault, (why, given) in table.items():
            for one in given:
                yield Case(fault, tuple(one.items()), dangerous, why)
    yield from _stuck()
    yield from _frozen()
    for line in _WRONG_VALUE:
        for ratio in (0.8, 1.25):
            yield Case("input-scaled", (("line", line), ("ratio", ratio)), True, "reads a fifth off")
    for line, by in _OFFSETS.items():
        yield Case("input-offset", (("line", line), ("by", by)), True, "reads too much")
        yield Case("input-offset", (("line", line), ("by", -by)), True, "reads too little")
    for line, other in _SWAPPED:
        yield Case("inputs-swapped", (("line", line), ("other", other)), True, "each says what the other is")
    for line in _LATE:
        yield Case(
            "input-delayed", (("line", line), ("delay_ms", 300.0)), True, "what stops light comes late"
        )
    for line, bit in _BITS:
        for to in (False, True):
            yield Case("output-bit-stuck", (("line", line), ("bit", bit), ("to", to)), True, _CHARGE)


def _lines(side: Inputs | Outputs) -> list[str]:
    return [one.name for one in fields(side) if one.name not in _COUNTERS]


def _stuck() -> Iterator[Case]:
    """Every line at its safe level, as a cut wire, and at the other one; a driven value at its top."""
    for side, fault in ((SAFE_INPUTS, "input-stuck"), (SAFE_OUTPUTS, "output-stuck")):
        for line in _lines(side):
            safe = getattr(side, line)
            hurts = _CUT_IS_DANGEROUS.get(line, "")
            yield Case(fault, (("line", line), ("to", safe)), bool(hurts), hurts or _ENDS)
            if not isinstance(safe, bool) and line not in _TOP:
                continue  # what else it may read is frozen, scaled or offset
            to = not safe if isinstance(safe, bool) else _TOP[line]
            harmless = _OTHER_IS_SAFE.get(line, "")
            what = "drives what must not be driven" if side is SAFE_OUTPUTS else "says what is not so"
            yield Case(fault, (("line", line), ("to", to)), not harmless, harmless or what)


def _frozen() -> Iterator[Case]:
    """Every input with a value, and every output, as it is in a treatment."""
    for line in _lines(SAFE_INPUTS):
        if not isinstance(getattr(SAFE_INPUTS, line), bool):
            yield Case("input-frozen", (("line", line),), True, "says what was, not what is")
    for line in _lines(SAFE_OUTPUTS):
        on = line != "defeat_lamp_on"  # as all others are that are safe at this level
        harmless = _OTHER_IS_SAFE.get(line, "") if on else ""
        why = _COOLING if line == "heater_on" else harmless or "drives what was, not what shall be"
        yield Case("output-frozen", (("line", line),), not harmless, why)
