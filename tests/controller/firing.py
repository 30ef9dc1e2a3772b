"""A treatment in mid-series, and what was counted of it."""

from rig.stack import Stack, plan_text

SHORT = plan_text(series=[10, 10])


async def firing(stack: Stack, pulses: int = 3) -> None:
    await stack.prepare(SHORT)
    await stack.arm()
    await stack.fire(pulses)


def last_us(stack: Stack) -> int:
    return max(pulse.time_us for pulse in stack.truth.pulses)


def numbers(stack: Stack) -> list[int]:
    return [pulse.pulse_number for pulse in stack.reader.pulses(stack.serial)]
