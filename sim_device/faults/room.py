"""Faults of the room, the supply and the people in it: what no part of the laser can help."""

from __future__ import annotations

from operator import attrgetter
from typing import Any, ClassVar, Literal

from pydantic import Field, PrivateAttr

from sim_device.faults.declare import number, one_of
from sim_device.faults.fault import Fault
from sim_device.faults.knobs import ALWAYS, exactly, knob, thousandfold, to, when
from sim_device.knobs import FOOT, Knobs
from sim_device.plant.contacts import FIXED_SPOT_UM
from sim_device.simulator import Simulator

# fmt: off
MainsDip = knob(
    __name__, "mains-dip", "The mains leave their window.",
    hazards="HZ-024 HZ-025", at="plant.contacts.mains_ok", turned=to(False), shows=ALWAYS)
ChargerHot = knob(
    __name__, "charger-hot", "The capacitor charger is too hot: its temperature contact opens.",
    hazards="HZ-025", at="plant.contacts.charger_cool", turned=to(False), shows=ALWAYS)
ModuleExchanged = knob(
    __name__, "module-exchanged",
    "Another wavelength module is put in at the arm's end while somebody may be armed.",
    hazards="HZ-018", at="plant.contacts.wavelength_nm", turned=exactly, shows=ALWAYS,
    wavelength_nm=one_of(Literal[0, 532, 755, 1064], 532, "In nm; 0 for one without identity."))
SpotTurned = knob(
    __name__, "spot-turned", "The zoom ring is turned, and the encoder sees it.",
    hazards="HZ-016", at="plant.contacts.zoom_um", turned=thousandfold,
    shows=when(lambda simulator, _: simulator.plant.contacts.handpiece not in FIXED_SPOT_UM),
    spot_mm=number(2.0, 2, 6, "In mm."))
FootHeld = knob(
    __name__, "foot-held", "Something lies on the footswitch: it is pressed without anybody's will.",
    hazards="HZ-001 HZ-002 HZ-032", at=FOOT, turned=to(True), shows=ALWAYS)
# fmt: on


class ContactFlutters(Fault):
    """A contact opens and closes by itself, again and again: a door that does not latch, a loose plug."""

    name: ClassVar = "contact-flutters"
    hazards: ClassVar = ("HZ-040",)
    contact: Literal["door", "remote", "cover", "arm"] = Field("door", description="Which contact.")
    rate_hz: float = Field(
        1.0, ge=0.01, le=100, allow_inf_nan=False, description="How often it opens, in Hz."
    )
    _round: int = PrivateAttr(
        0
    )  # a new one each time it begins: what the last one left on the agenda is void
    _is_on: bool = PrivateAttr(False)

    def begin(self, simulator: Simulator) -> None:
        """Open it, and so on."""
        self._round += 1
        self._is_on = True
        _Flutter(self, self._round, closed=False)(simulator)

    def end(self, simulator: Simulator) -> None:
        """Leave it as people want it."""
        self._is_on = False
        self.move(simulator, closed=True)

    @property
    def half_period_us(self) -> int:
        """How long it stays open, and how long closed."""
        return round(500_000 / self.rate_hz)

    def goes_on(self, number: int) -> bool:
        """Whether this round is still the present one."""
        return self._is_on and self._round == number

    def move(self, simulator: Simulator, *, closed: bool) -> None:
        """Open it, or let it stand where people want it; an opening counts."""
        knobs = Knobs.of(simulator)
        if closed:
            knobs.release(simulator, self._path, self)
            return
        self._fired += bool(attrgetter(self._path)(simulator))
        knobs.hold(simulator, self._path, self)
        knobs.turn(simulator, self._path)

    def value(self, healthy: Any) -> Any:
        """Open."""
        return False

    def look(self, simulator: Simulator) -> None:
        """Only its openings count."""

    @property
    def _path(self) -> str:
        return "plant.contacts." + ("arm_connected" if self.contact == "arm" else f"{self.contact}_closed")


class _Flutter:
    """One movement on the agenda, which puts the next one there."""

    def __init__(self, fault: ContactFlutters, number: int, *, closed: bool) -> None:
        self._fault = fault
        self._number = number
        self._closed = closed

    def __call__(self, simulator: Simulator) -> None:
        """Move, unless it is over."""
        if self._fault.goes_on(self._number):
            self._fault.move(simulator, closed=self._closed)
            after = _Flutter(self._fault, self._number, closed=not self._closed)
            simulator.at(simulator.now_us + self._fault.half_period_us, after)
