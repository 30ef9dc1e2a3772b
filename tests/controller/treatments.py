"""What must agree after a treatment."""

from controller.store import PulseRecord
from rig.stack import Stack
from sim_device.plant.truth import TruePulse


def of_plan(stack: Stack) -> list[PulseRecord]:
    return [pulse for pulse in stack.reader.pulses(stack.serial) if pulse.session_id is not None]


def lit(stack: Stack) -> list[TruePulse]:
    return [pulse for pulse in stack.truth.pulses if pulse.aperture]


def assert_all_agree(stack: Stack, given: int) -> None:
    """The device's counter, the plant's truth and the records tell the same, number by number."""
    assert stack.truth.aperture == len(lit(stack)) == given
    assert all(pulse.foot_pressed and not pulse.open_contacts for pulse in lit(stack))
    recorded = [pulse.pulse_number for pulse in stack.reader.pulses(stack.serial)]
    assert recorded == list(range(1, stack.device.pulse_number + 1))
    assert len(of_plan(stack)) == given
    assert stack.reader.check() == []
