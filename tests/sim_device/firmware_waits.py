"""What the firmware waits for, and how a wait comes to its end: the stamp it counts from is moved back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from protocols.states import State
from sim_device.firmware import limits
from sim_device.firmware.device import Device

LIGHT: Final = {  # percent of what it should be, and flashes
    "good": (100, 1),
    "drifted": (112, 1),
    "strong": (125, 1),
    "twice": (100, 2),
    "none": (0, 0),
}
LONGER: Final = frozenset({"act", "delay", "patience", "warm", "warm-up"})
"""These begin after the last trigger and take longer than its judgement, and than the longest period."""
_FIRE: Final = frozenset({State.EMITTING, State.CALIBRATING})


def _shift_foot(device: Device, us: int) -> None:
    """All of the footswitch's own times, so that what came first stays first."""
    foot = device.foot
    for name in ("_down_since_us", "_differ_since_us", "began_us", "_consumed_us"):
        if getattr(foot, name) >= 0:
            setattr(foot, name, getattr(foot, name) - us)


def _pairs_over(device: Device) -> None:
    for fault, since_us in device.pairs._since_us.items():
        if since_us >= 0:
            device.pairs._since_us[fault] = device.now_us - limits.PAIR_DISAGREE_US - 1


def _script_due(device: Device) -> None:
    script = device.arming._script if device.state is State.ARMING else device.self_test._script
    script._last_us -= max(0, script.deadline_us - device.now_us)


def _pulse_due(device: Device) -> None:
    pulser = device.pulser
    pulser._due_us, pulser._earliest_us = (
        min(pulser._due_us, device.now_us),
        min(pulser._earliest_us, device.now_us),
    )
    pulser._plan()


def _judged(device: Device) -> None:
    assert device.pulser.shot is not None
    device.pulser.shot.trigger_us = device.now_us - limits.MISSING_US
    device.pulser._plan()


def _idle(device: Device) -> None:
    _shift_foot(device, limits.IDLE_US)
    device.entered_us = device.now_us - limits.IDLE_US


def _entered(us: int) -> Callable[[Device], None]:
    return lambda device: setattr(device, "entered_us", device.now_us - us)


def _in_script(device: Device) -> bool:
    if device.state is State.ARMING:
        return not device.arming._script.done
    return device.state is State.SELF_TEST and not device.self_test._script.done


def _delayed(device: Device) -> bool:
    """All proofs together take a fraction of the delay: it is over after them."""
    arming = device.state is State.ARMING and device.arming._script.done
    return arming and device.now_us < device.entered_us + limits.READY_DELAY_US


def _held(device: Device) -> bool:
    ready = device.state is State.ARMING and not _in_script(device) and not _delayed(device)
    return ready and device.foot.down


def _dump_waits(device: Device) -> bool:
    since_us = device.high_voltage._dumped_since_us
    return device.high_voltage._charged and since_us >= 0 and device.now_us - since_us < limits.DUMP_US


def _shutter_waits(device: Device) -> bool:
    since_us = device.shutter._wrong_since_us
    return since_us >= 0 and device.now_us - since_us < limits.SHUTTER_US


def _simmer_waits(device: Device) -> bool:
    high_voltage = device.high_voltage
    waits = high_voltage._simmer_since_us >= 0 and not high_voltage._simmer_seen
    return waits and not device.inputs.simmer_on and device.state is not State.FAULT


def _pulse_waits(device: Device) -> bool:
    pulser = device.pulser
    waits = pulser._earliest_us > device.now_us or (pulser._due_us > device.now_us and not pulser._first)
    return waits and pulser.shot is None and device.state in _FIRE


def _pairs_wait(device: Device) -> bool:
    return any(s >= 0 and not device.pairs.disagree(fault) for fault, s in device.pairs._since_us.items())


Waits = dict[str, tuple[Callable[[Device], bool], Callable[[Device], None]]]
WAITS: Final[Waits] = {
    "foot stable": (
        lambda device: device.foot.down and not device.foot.pressed,
        lambda device: _shift_foot(device, limits.FOOT_STABLE_US),
    ),
    "foot differs": (
        lambda device: device.foot._differ_since_us >= 0 and not device.foot.disagrees,
        lambda device: _shift_foot(device, limits.FOOT_DISAGREE_US + 1),
    ),
    "pair differs": (_pairs_wait, _pairs_over),
    "shutter": (
        _shutter_waits,
        lambda device: setattr(device.shutter, "_wrong_since_us", device.now_us - limits.SHUTTER_US),
    ),
    "dump": (
        _dump_waits,
        lambda device: setattr(device.high_voltage, "_dumped_since_us", device.now_us - limits.DUMP_US),
    ),
    "simmer": (
        _simmer_waits,
        lambda device: setattr(device.high_voltage, "_simmer_since_us", device.now_us - limits.SIMMER_US),
    ),
    "flow": (
        lambda device: device.cooling._low_since_us >= 0 and not device.cooling.flow_low,
        lambda device: setattr(device.cooling, "_low_since_us", device.now_us - limits.FLOW_LOW_US - 1),
    ),
    "warm": (
        lambda device: device.cooling._warm_since_us >= 0 and not device.cooling.warm,
        lambda device: setattr(device.cooling, "_warm_since_us", device.now_us - limits.WARM_US),
    ),
    "act": (_in_script, _script_due),
    "delay": (_delayed, _entered(limits.READY_DELAY_US)),
    "patience": (_held, _entered(limits.READY_DELAY_US + limits.FOOT_HELD_US)),
    "idle": (lambda device: device.state is State.READY, _idle),
    "warm-up": (
        lambda device: device.state is State.WARM_UP and not device.cooling.warm,
        _entered(limits.WARM_UP_TIMEOUT_US),
    ),
    "permit": (
        lambda device: device.permit.held,
        lambda device: setattr(device.permit, "ends_us", device.now_us),
    ),
    "host": (
        lambda device: device.host.alive(device.now_us),
        lambda device: setattr(device.host, "alive_until_us", device.now_us),
    ),
    "pulse": (_pulse_waits, _pulse_due),
    "judgement": (lambda device: device.pulser.shot is not None, _judged),
    "aiming": (
        lambda device: device.state is State.STANDBY and device.aiming_on,
        lambda device: setattr(device, "aiming_since_us", device.now_us - limits.AIMING_OFF_US),
    ),
}
