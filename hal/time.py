"""The loop's clock in integer microseconds: the one place where `hal` reads time."""

from asyncio import get_running_loop as _running_loop

_US_PER_S = 1_000_000


def now_us() -> int:
    """Monotonic microseconds of the running event loop, real or virtual."""
    return int(_running_loop().time() * _US_PER_S + 0.5)


def seconds(duration_us: int) -> float:
    """`duration_us` (or an instant) as the float seconds that asyncio wants."""
    return duration_us / _US_PER_S
