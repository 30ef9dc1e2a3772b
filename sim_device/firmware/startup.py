"""Start-up: the self-test after key-on, and the warm-up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from protocols.faults import Fault
from protocols.messages import Shutter
from protocols.states import Event
from protocols.timing import MS
from sim_device.firmware import limits
from sim_device.firmware.limits import NEVER_US
from sim_device.firmware.script import Script

if TYPE_CHECKING:
    from sim_device.firmware.device import Device


def fail(device: Device, part: Fault, value: int) -> None:
    """A part did not pass: it is the first cause, and the self-test is latched with it."""
    device.trip(part, value)
    device.trip(Fault.SELF_TEST)


def check_dark(device: Device) -> None:
    """Both monitors must read dark without light."""
    for dark_uj in (device.inputs.dark_a_uj, device.inputs.dark_b_uj):
        if abs(dark_uj) >= limits.DARK_MAX_UJ:
            device.trip(Fault.MONITOR_FAILED, dark_uj)


def check_flash(device: Device) -> None:
    """Both monitors must see their reference flash within its window; then it goes off."""
    for flash_uj in (device.inputs.dark_a_uj, device.inputs.dark_b_uj):
        if not limits.FLASH_MIN_UJ <= flash_uj <= limits.FLASH_MAX_UJ:
            device.trip(Fault.MONITOR_FAILED, flash_uj)
    device.wants.monitor_test = False


def flash(device: Device) -> None:
    """Light the reference flash."""
    device.wants.monitor_test = True


def _test_memory(device: Device) -> None:
    if not device.memory.intact():
        device.trip(Fault.NONVOLATILE)


def _test_dark(device: Device) -> None:
    device.wants.comparator_reset = False
    if device.inputs.indicator_ua >= limits.INDICATOR_DARK_UA:
        fail(device, Fault.INDICATOR, device.inputs.indicator_ua)
    check_dark(device)


def _test_flash(device: Device) -> None:
    check_flash(device)
    device.wants.indicator = True


def _test_lamp(device: Device) -> None:
    if not device.indicator_lit:
        fail(device, Fault.INDICATOR, device.inputs.indicator_ua)
    device.wants.indicator = False


def _test_lamp_off(device: Device) -> None:
    if device.inputs.indicator_ua >= limits.INDICATOR_DARK_UA:
        fail(device, Fault.INDICATOR, device.inputs.indicator_ua)
    if device.inputs.comparator_tripped:
        device.trip(Fault.SELF_TEST)  # it does not take its reset
    if device.inputs.shutter_open_switch or not device.inputs.shutter_closed_switch:
        fail(device, Fault.SHUTTER_STUCK_OPEN, 0)


def _wait(_: Device) -> None:
    """Makes up the whole second. A function with a name, because a laser is pickled with its script."""


_ACTS: Final = (
    (0, _test_memory),
    (100 * MS, _test_dark),
    (50 * MS, flash),
    (200 * MS, _test_flash),
    (300 * MS, _test_lamp),
    (300 * MS, _test_lamp_off),
    (50 * MS, _wait),
)


class SelfTest:
    """Memory, monitors, indicator, shutter, footswitch, comparator; at least a second."""

    def __init__(self) -> None:
        self.passed = False
        self._script = Script(_ACTS)

    def enter(self, device: Device) -> None:
        """Begin."""
        self.passed = False
        self._script.start(device.now_us)
        device.wants.comparator_reset = True

    def work(self, device: Device) -> None:
        """Go on; a held foot or a charged capacitor is waited for, the dump has its own supervision."""
        self._script.run(device)
        inputs = device.inputs
        discharged = inputs.hv_mv < limits.HV_SAFE_MV
        ready = self._script.done and not device.foot.down and discharged and not device.faults.latched
        if ready and device.shutter.position is Shutter.CLOSED:
            self.passed = True
            device.go(Event.SELF_TEST_PASSED)

    @property
    def deadline_us(self) -> int:
        """When the next act is due."""
        return self._script.deadline_us


class WarmUp:
    """Pump and heater run until the coolant has been warm for a minute; then simmer starts."""

    def work(self, device: Device) -> None:
        """Go on."""
        if device.now_us - device.entered_us >= limits.WARM_UP_TIMEOUT_US:
            device.trip(Fault.WARM_UP_TIMEOUT, device.inputs.coolant_mc)
            return
        device.wants.simmer = device.cooling.warm
        if device.cooling.warm and device.inputs.simmer_on:
            device.go(Event.WARMED)

    def deadline_us(self, entered_us: int) -> int:
        """When patience ends."""
        return min(NEVER_US, entered_us + limits.WARM_UP_TIMEOUT_US)
