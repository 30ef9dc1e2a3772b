"""The reference firmware of the laser: everything that could be flashed, in Python, behind the board."""

from sim_device.firmware.core import Reference
from sim_device.firmware.memory import MEMORY_BYTES

__all__ = ["MEMORY_BYTES", "Reference"]
