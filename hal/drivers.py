"""Drivers by name: each installed package may bring some, under the entry-point group `picolase.drivers`."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Final

from hal.errors import LocalError, LocalKind
from hal.laser import Laser

GROUP: Final = "picolase.drivers"


def driver_names() -> tuple[str, ...]:
    """The names of all installed drivers."""
    return tuple(sorted(entry_points(group=GROUP).names))


def load_driver(name: str) -> type[Laser]:
    """The driver `name`; raises LocalError that lists what is installed."""
    installed = ", ".join(driver_names()) or "none"
    found = entry_points(group=GROUP, name=name)
    if not found:
        raise _error(f"driver = {name!r} is not installed", f"give one of: {installed}", name)
    entry = next(iter(found))
    try:
        driver = entry.load()
    except (ImportError, AttributeError) as error:
        text = f"driver {name!r} ({entry.value}) does not load: {error}"
        raise _error(text, "install its package again", name) from error
    if not (isinstance(driver, type) and issubclass(driver, Laser)):
        text = f"driver {name!r} ({entry.value}) is not a Laser"
        raise _error(text, f"it must implement hal.laser.Laser; installed are: {installed}", name)
    return driver


def _error(text: str, action: str, name: str) -> LocalError:
    return LocalError(LocalKind.DRIVER, text, action, field="driver", value=name)
