"""The firmwares a simulated laser can run, by name."""

from __future__ import annotations

from typing import Final

from sim_device.board import FirmwareBackend
from sim_device.errors import SetupError

NAMES: Final = ("reference", "native")
DEFAULT: Final = "reference"


def make(name: str, serial: str) -> FirmwareBackend:
    """The firmware of this name; raises SetupError for an unknown one, or one that cannot be built here."""
    if name == "reference":
        from sim_device.firmware import Reference  # noqa: PLC0415 - who asks for a name needs neither

        return Reference(serial)
    if name == "native":
        from sim_device.native import Native  # noqa: PLC0415 - as above

        return Native(serial)
    raise SetupError(f"firmware = {name!r} is not known: give one of {', '.join(NAMES)}")
