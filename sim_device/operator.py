"""What people and the room do to the simulated laser: every action by name, with fields and effect."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from protocols.messages import Handpiece
from sim_device.knobs import CUT, FOOT, SUPPLY, UNPLUGGED, turn
from sim_device.line import BYTE_BITS
from sim_device.simulator import Simulator

_PLACES: Final = frozenset({"body", "path", "query"})  # where in an HTTP request a value stood


class ActionError(ValueError):
    """An action that is not possible: names field, value and what is allowed. Nothing was changed."""


class Body(BaseModel):
    """Fields of an action that has none; base of all others."""

    model_config = ConfigDict(extra="forbid", strict=True)


class OnOff(Body):
    """Turned on or off."""

    to: Literal["on", "off"]


class OpenClose(Body):
    """A contact opened or closed."""

    to: Literal["open", "close"]


class InOut(Body):
    """A key put in or taken out."""

    to: Literal["in", "out"]


class PressRelease(Body):
    """Pressed or released."""

    to: Literal["press", "release"]


class GoodBad(Body):
    """A supply or level, good or bad."""

    to: Literal["good", "bad"]


class CutReturn(Body):
    """The device's supply."""

    to: Literal["cut", "return"]


class Plug(Body):
    """A handpiece, or none."""

    name: Literal["NONE", "ZOOM", "FIXED_6", "FIXED_8", "FIXED_10", "LENS_ARRAY_6"]


class Turn(Body):
    """The zoom handpiece's ring."""

    spot_mm: float = Field(ge=2, le=6)


class Module(Body):
    """A wavelength module, 0 for none that can be identified."""

    wavelength_nm: Literal[0, 532, 755, 1064]


class Cable(Body):
    """The serial cable: cut (nothing passes, nobody is told), mended, or pulled out at the host's end."""

    to: Literal["cut", "mend", "unplug", "plug"]


class HostPort(Body):
    """How the host has set its port: bit/s (0: as the device), and stop bits."""

    baud: int = Field(ge=0, le=4_000_000)
    stop_bits: Literal[1, 2] = 1


@dataclass(frozen=True, slots=True)
class Action:
    """One row of the table: fields, meaning, and what it does at a time."""

    body: type[Body]
    meaning: str
    apply: Callable[[Simulator, Any, int], None]


def perform(simulator: Simulator, name: str, fields: dict[str, Any], now_us: int) -> None:
    """Carry out one action at `now_us`; raises ActionError, with nothing changed, if it is not possible."""
    action = ACTIONS.get(name)
    if action is None:
        raise ActionError(f"action = {name!r} is not known: give one of {', '.join(ACTIONS)}")
    try:
        body = action.body.model_validate(fields)
    except ValidationError as error:
        raise ActionError(
            explain(name, [dict(detail) for detail in error.errors()], action.body.model_fields)
        ) from error
    simulator.advance(now_us)
    simulator.show_act(name, fields)
    action.apply(simulator, body, now_us)


def explain(name: str, details: list[dict[str, Any]], known: Iterable[str] = ()) -> str:
    """Pydantic's findings as one sentence for each: field, value, what is allowed.

    `known` are the fields there are, for who gives one that there is not.
    """
    sentences = []
    for detail in details:
        field = ".".join([name, *(str(part) for part in detail["loc"] if part not in _PLACES)])
        given = f" = {detail['input']!r}"
        message = detail["msg"].removeprefix("Value error, ")
        match detail["type"]:
            case "missing":
                given = ""
            case "json_invalid":
                field, given, message = name, "", f"the body is no JSON, from byte {detail['loc'][-1]} on"
            case "extra_forbidden":
                message = f"is not permitted: {_instead(str(detail['loc'][-1]), list(known))}"
        sentences.append(f"{field}{given}: {message}")
    return "; ".join(sentences)


def _instead(given: str, known: list[str]) -> str:
    """What to write for a field that there is not."""
    if near := difflib.get_close_matches(given, known, n=1):
        return f"did you mean {near[0]}?"
    return f"give {', '.join(known)}" if known else "leave it out"


def _contact(name: str, good: str) -> Callable[[Simulator, Any, int], None]:
    """Set the contact `name` true when the body says `good`, false otherwise."""

    def apply(simulator: Simulator, body: Any, now_us: int) -> None:
        _set(simulator, name, body.to == good)

    return apply


def _dock(docked: bool) -> Callable[[Simulator, Any, int], None]:
    return lambda simulator, _, now_us: _set(simulator, "docked", docked)


def _set(simulator: Simulator, contact: str, value: object) -> None:
    turn(simulator, f"plant.contacts.{contact}", value)


def _foot(simulator: Simulator, body: PressRelease, now_us: int) -> None:
    turn(simulator, FOOT, body.to == "press")


def _cover(simulator: Simulator, body: OpenClose, now_us: int) -> None:
    if body.to == "close" and not simulator.plant.contacts.defeat_key_out:
        raise ActionError("cover.to = 'close': the defeat key is in its way; take it out first")
    _set(simulator, "cover_closed", body.to == "close")


def _defeat_key(simulator: Simulator, body: InOut, now_us: int) -> None:
    if body.to == "in" and simulator.plant.contacts.cover_closed:
        raise ActionError("defeat-key.to = 'in': its lock is under the housing cover; open the cover first")
    _set(simulator, "defeat_key_out", body.to == "out")


def _plug(simulator: Simulator, body: Plug, now_us: int) -> None:
    _set(simulator, "handpiece", Handpiece[body.name])


def _turn(simulator: Simulator, body: Turn, now_us: int) -> None:
    plugged = simulator.plant.contacts.handpiece
    if plugged is not Handpiece.ZOOM:
        raise ActionError(
            f"spot.spot_mm = {body.spot_mm}: {plugged.name} has no zoom ring; plug the handpiece ZOOM first"
        )
    _set(simulator, "zoom_um", round(body.spot_mm * 1000))


def _module(simulator: Simulator, body: Module, now_us: int) -> None:
    _set(simulator, "wavelength_nm", body.wavelength_nm)


def _cable(simulator: Simulator, body: Cable, now_us: int) -> None:
    if body.to in {"cut", "mend"}:
        turn(simulator, CUT, body.to == "cut")
    else:
        turn(simulator, UNPLUGGED, body.to == "unplug")


def _host_port(simulator: Simulator, body: HostPort, now_us: int) -> None:
    simulator.wire.set_host(body.baud, BYTE_BITS - 1 + body.stop_bits)


def _power(simulator: Simulator, body: CutReturn, now_us: int) -> None:
    turn(simulator, SUPPLY, body.to == "return")


ACTIONS: Final[dict[str, Action]] = {
    "key": Action(OnOff, "turn the key", _contact("key_on", "on")),
    "foot": Action(PressRelease, "press or release the footswitch", _foot),
    "estop": Action(PressRelease, "press or release the emergency stop", _contact("estop_pressed", "press")),
    "door": Action(OpenClose, "treatment room door", _contact("door_closed", "close")),
    "remote": Action(OpenClose, "remote interlock connector", _contact("remote_closed", "close")),
    "cover": Action(OpenClose, "housing cover", _cover),
    "defeat-key": Action(InOut, "service's key that defeats the interlock of the open cover", _defeat_key),
    "arm": Action(OpenClose, "contact of the articulated arm", _contact("arm_connected", "close")),
    "handpiece": Action(Plug, "plug a handpiece", _plug),
    "spot": Action(Turn, "turn the zoom ring", _turn),
    "wavelength": Action(Module, "exchange the wavelength module", _module),
    "dock": Action(Body, "put the handpiece into the calibration port", _dock(True)),
    "undock": Action(Body, "take the handpiece out of the calibration port", _dock(False)),
    "strap": Action(OnOff, "strap of the internal trigger", _contact("internal_trigger_strap", "on")),
    "level": Action(GoodBad, "coolant level", _contact("level_ok", "good")),
    "mains": Action(GoodBad, "mains within its window", _contact("mains_ok", "good")),
    "power": Action(CutReturn, "cut the device's supply or return it", _power),
    "cable": Action(Cable, "cut, mend, unplug or plug the serial cable", _cable),
    "host-port": Action(HostPort, "set the rate of the host's port", _host_port),
    "reset": Action(Body, "reset the processor", lambda simulator, _, now_us: simulator.reset(now_us)),
}
