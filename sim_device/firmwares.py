"""The firmwares a simulated laser can run, by name."""

from __future__ import annotations

from typing import Final

from protocols.fields import FieldError
from protocols.messages import layout
from protocols.requests import Identity
from sim_device.board import FirmwareBackend
from sim_device.errors import SetupError

_SERIAL: Final = dict(layout(Identity).fields)["serial"]

NAMES: Final = ("reference", "native")
DEFAULT: Final = "reference"


def make(name: str, serial: str) -> FirmwareBackend:
    """The firmware of this name, in a device with this serial number.

    Raises SetupError for an unknown one, one that cannot be built here, and a number that cannot be told.
    """
    try:
        _SERIAL.check("serial", serial)
    except FieldError as error:
        raise SetupError(str(error)) from error
    if name == "reference":
        from sim_device.firmware import Reference  # noqa: PLC0415 - who asks for a name needs neither

        return Reference(serial)
    if name == "native":
        from sim_device.native import Native  # noqa: PLC0415 - as above

        return Native(serial)
    raise SetupError(f"firmware = {name!r} is not known: give one of {', '.join(NAMES)}")
