"""The firmware in a state of which nothing is known: every number, level and mark in it can be anything.

What is left out, so that one part of the code can be looked at: the bytes of the memory (a write succeeds or
fails, nobody knows which, and every line may change while it lasts), the words of reports and answers, the
energy table (a voltage, nobody knows which), and two look-ups in tables that stand here as formulas.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from types import SimpleNamespace
from typing import Any, Final

import z3

from protocols.messages import Beam, Handpiece
from protocols.requests import Setpoint, Trigger
from protocols.states import ARMED, State
from sim_device.board import Inputs, Outputs
from tests.shown.lifted import Edits, Lifted, chosen, either
from tests.shown.paths import effect
from tests.shown.proof import Maker, Mask, Scene, if_so, known, no
from tests.shown.symbolic import Flag, Member, Number, Unknown, assume, truth
from tests.sim_device.ideal_laser import Ram

FOREVER_US: Final = 2**61
"""No time of a running laser is beyond it (73,000 years)."""
_MASKS: Final = frozenset({"changed", "noted", "carried", "open_interlocks", "latched"})
_NOT_FORGOTTEN: Final = frozenset({"memory", "_memory", "_books", "outputs", "inputs", "version", "_acts"})
_PARTS: Final = "sim_device.firmware."
_CHIPS: Final = len(Handpiece)


def forget(thing: Any, name: str, make: Maker) -> Any:
    """`thing` with every number, truth value and member in it replaced by one that `make` gives."""
    if isinstance(thing, bool | int):
        return make(name, Mask() if name.rpartition(".")[2] in _MASKS else thing)
    if isinstance(thing, tuple) and not hasattr(thing, "_fields"):
        return tuple(forget(item, f"{name}.{at}", make) for at, item in enumerate(thing))
    if is_dataclass(thing) and not isinstance(thing, type):
        made = copy.copy(thing)
        for item in fields(thing):
            object.__setattr__(
                made, item.name, forget(getattr(thing, item.name), f"{name}.{item.name}", make)
            )
        return made
    if hasattr(thing, "__dict__") and type(thing).__module__.startswith("lifted."):
        thing = copy.copy(thing)
        for key, value in vars(thing).items():
            if key not in _NOT_FORGOTTEN:
                setattr(thing, key, forget(value, f"{name}.{key}", make))
    assert not isinstance(thing, Unknown), f"{name} is not known already"
    return thing


class Firmware:
    """The firmware's modules, recompiled (`lifting` False: as they are), with stand-ins for what is out."""

    def __init__(self, edits: Edits | None = None, *, lifting: bool = True) -> None:
        self._lifted = Lifted(edits, lifting=lifting)
        part = self.part
        part("comms")
        part("core")
        part("permit").GRANTS_KEPT = 2
        part("permit").zlib = SimpleNamespace(crc32=lambda request: request.fingerprint)
        part("refuse").words = lambda reasons: reasons
        part("pulser").PulseReport = part("comms").Reply = said
        part("pulser").Pulser._commit_of = staticmethod(_commit)
        part("faults").Faults._save_record = _nothing
        part("refuse").members_of = part("faults").members_of = part("device").members_of = lambda _, mask: (
            mask
        )
        part("limits").mode_of = lambda *_: 0  # which one it is decides about the voltage alone
        part("limits").handpiece_of = part("chain").handpiece_of = handpiece_of
        part("setpoint").spot_fits = part("chain").spot_fits = functools.partial(spot_fits, part("limits"))

    def part(self, name: str) -> Any:
        """One of its modules."""
        return self._lifted.module(_PARTS + name)

    @functools.cached_property
    def _booted(self) -> Any:
        """One that was started for real, as a pattern of what there is."""
        device = self.part("device").Device(Ram(), Outputs())
        memory = self.part("memory").NonVolatile(Ram())
        for name in ("save_books", "save_calibration", "save_record", "finish"):
            setattr(memory, name, _nothing)
        memory._memory = memory._books_slots = memory._calibration_slots = memory._latest = None
        memory._latest_raw = b""
        memory.calibration.energies_uj = memory.calibration.residuals_ppm = ()
        device.memory = device.faults._memory = memory
        device.host._issued_us = device.permit._answered = None
        device.calibrator._sums = None
        device.pulser._readings = (0, 0, 0, 0, 0)
        return device

    def device(self, make: Maker, *states: State, shot: bool = False, split: bool = True) -> Any:
        """A device in one of these states, or in any, of which nothing else is known.

        `shot`: there may be one on its way; where that is never looked at, there is none. `split`: each state
        on paths of its own; not where the code hardly asks for it.
        """
        device = forget(self._booted, "device", make)
        device.memory = memory = self.memory(make)
        device.faults._memory, device.faults._books = memory, memory.books
        device.inputs = forget(Inputs(), "inputs", make)
        device.outputs = forget(Outputs(), "outputs", make)
        device.state = make("device.state", State.OFF)
        if split:
            device.state = known(device.state)
        if states:
            assume(device.state in states)
        device.setpoints.committed = setpoint("committed", make)
        device.setpoints.staged = setpoint("staged", make)
        device.host._issued_us = Challenges(make)
        memory._write_half = functools.partial(_write_half, device, make)
        memory.intact = functools.partial(make, "intact", False)
        given = make("answered.permit_id", 0), make("answered.fingerprint", 0), "as before"
        device.permit._answered = [given, None]
        device.permit._oldest = 1
        if shot and make("shot", False):
            device.pulser.shot = forget(self._shot, "shot", make)
        voltage_mv = make("voltage_mv", 0)
        self.part("refuse").voltage_mv = self.part("emission").voltage_mv = lambda *_: voltage_mv
        in_range(device)
        return device

    def memory(self, make: Maker) -> Any:
        """The non-volatile memory as it was read, whatever it said."""
        memory = copy.copy(self._booted.memory)
        memory.books = forget(memory.books, "books", make)
        memory.calibration = forget(memory.calibration, "calibration", make)
        for name in ("broken", "pulse_number", "lamp_shots", "unknown_at_boot"):
            setattr(memory, name, forget(getattr(memory, name), f"memory.{name}", make))
        return memory

    def reset(self, make: Maker) -> Any:
        """One that starts over whatever was in memory and at the outputs; its boot number decides nothing."""
        memory, outputs = self.memory(make), forget(Outputs(), "outputs", make)
        memory.books.boots, memory.record = 41, _nothing
        part = self.part("device")
        kept, part.NonVolatile = part.NonVolatile, lambda _: memory
        reference = self.part("core").Reference()
        reference.outputs = outputs
        try:
            reference.boot(0, None, watchdog_reset=make("watchdog_reset", False))
        finally:
            part.NonVolatile = kept
        return reference

    @functools.cached_property
    def _shot(self) -> Any:
        return self.part("pulser").Shot(self.order_pattern, {}, 0, 0)

    @functools.cached_property
    def order_pattern(self) -> Any:
        """An order, as a pattern."""
        expected = self.part("judge").Expected(0, 0, shutter_open=False, calibration=False)
        return self.part("pulser").Order(0, expected, 1)

    def order(self, make: Maker) -> Any:
        """An order of which nothing is known but that its rate is one that the laser offers, or smaller."""
        order = forget(self.order_pattern, "order", make)
        assume(order.rep_rate_mhz >= 1)
        return order

    def comms(self, device: Any) -> Any:
        """The handlers of the host's messages on that device."""
        handlers = object.__new__(self.part("comms").Comms)
        handlers._device, handlers._stop_id = device, 0
        handlers._reporter = SimpleNamespace(open_session=_nothing, stopped=_nothing)
        return handlers

    def acts(
        self,
        make: Maker,
        act: Callable[[Any], Any],
        *states: State,
        asked: Any = None,
        shot: bool = False,
        split: bool = True,
        armed_as_state: bool = False,
    ) -> Scene:
        """Let it act once from a state of which nothing is known.

        `armed_as_state`: but that the mark `armed` says what the state says; only `going` writes either.
        """
        device = self.device(make, *states, shot=shot, split=split)
        if armed_as_state:
            assume(truth(device.armed) == truth(device.state in ARMED))
        before = SimpleNamespace(**{name: copy.copy(part) for name, part in vars(device).items()})
        before.latched = device.faults.latched
        return Scene(before, device, asked, act(device))


class Challenges:
    """The issued challenges: which one a heartbeat answers, and when that was issued, is not known."""

    def __init__(self, make: Maker) -> None:
        self.issued = make("challenge.issued", False)
        self.issued_us = make("challenge.issued_us", 0)

    def get(self, _: Any, missing: int) -> Any:
        """When the challenge that was looked up was issued, or that it was not."""
        return chosen(self.issued, lambda: self.issued_us, lambda: missing)

    def clear(self) -> None:
        """None is left."""
        self.issued = False


def grant(make: Maker) -> SimpleNamespace:
    """A Grant of which nothing is known but that its codec let it through."""
    numbers = (
        "permit_id", "boot", "session", "arm_epoch", "stop_epoch", "pulses", "wavelength_nm", "mode_width_ps",
        "rep_rate_mhz", "spot_um", "setpoint_hash", "ends_us", "fingerprint",
    )  # fmt: skip
    request = SimpleNamespace(**{name: make(f"grant.{name}", 0) for name in numbers})
    request.beam = make("grant.beam", Beam.APERTURE)
    request.trigger = make("grant.trigger", Trigger.FOOT)
    request.handpiece = make("grant.handpiece", Handpiece.NONE)
    request.encode = lambda: request
    for name in numbers:
        value = getattr(request, name)
        assume(value >= (1 if name in ("permit_id", "boot", "session", "pulses") else 0))
        assume(value < 2**62)
    return request


def setpoint(name: str, make: Maker) -> Any:
    """A set-point of which nothing is known."""
    made = object.__new__(Setpoint)
    for field in fields(Setpoint):
        like = Handpiece.NONE if field.name == "handpiece" else 0
        object.__setattr__(made, field.name, make(f"{name}.{field.name}", like))
    return made


def in_range(device: Any) -> None:
    """What the types of the C core hold in any case: times are times, counts are not negative."""
    for time_us in (device.now_us, device.entered_us, device.permit.ends_us, device.host.alive_until_us):
        assume(time_us >= 0)
        assume(time_us < FOREVER_US)
    for count, most in ((device.permit.pulses_left, 2**16), (device.permit.id, 2**32)):
        assume(count >= 0)
        assume(count < most)
    assume(device.outputs.lamp_triggers >= 0)
    assume(device.outputs.lamp_triggers < 2**32)
    assume(device.host._issued_us.issued_us >= 0)
    assume(device.memory.pulse_number >= 0)
    for script in (device.arming._script, device.self_test._script):
        assume(script._next >= 0)
        assume(script._next <= len(script._acts))
    for rate_mhz in (device.setpoints.committed.rep_rate_mhz, device.emission._order.rep_rate_mhz):
        assume(rate_mhz >= 1)


def handpiece_of(identity: Any) -> Any:
    """`limits.handpiece_of` as a formula: identities are the members' numbers."""
    inside = z3.And(_number(identity) >= 0, _number(identity) < _CHIPS)
    if not isinstance(identity, Unknown):
        return Handpiece(identity) if 0 <= identity < _CHIPS else Handpiece.NONE
    return Member(z3.If(inside, identity.term, 0), Handpiece)


def spot_fits(limits: Any, handpiece: Any, spot_um: Any) -> Any:
    """`limits.spot_fits` as a formula over the rows of its table."""
    return either(
        lambda: False,
        *(functools.partial(_fits, handpiece, spot_um, kind, *row) for kind, row in limits.SPOTS_UM.items()),
    )


def _fits(handpiece: Any, spot_um: Any, kind: Handpiece, low_um: int, high_um: int) -> Any:
    if not isinstance(handpiece, Unknown) and not isinstance(spot_um, Unknown):
        return handpiece == kind and low_um <= spot_um <= high_um
    fits = z3.And(_number(handpiece) == int(kind), _number(spot_um) >= low_um, _number(spot_um) <= high_um)
    return Flag(fits)


def _number(value: Any) -> Any:
    return value.term if isinstance(value, Number) else z3.IntVal(int(value))


def said(*values: Any, **named: Any) -> SimpleNamespace:
    """Words of a message; the real ones refuse what is not known."""
    return SimpleNamespace(**named, values=values)


def _write_half(device: Any, make: Maker, *_: Any) -> Any:
    """Memory takes its time: every line may have changed meanwhile."""
    effect()
    device.inputs = forget(Inputs(), "later", make)
    return make("written", False)


def _commit(device: Any, _: Any) -> dict[str, Any]:
    return {"pulse_number": device.memory.pulse_number + 1, "flags": frozenset()}


def _nothing(*_: Any) -> None:
    """What is written down decides nothing."""


def dark(s: Scene, condition: Any) -> dict[str, Any]:
    """The claim that light's ways are shut at once where the condition holds."""
    driven = s.after.outputs
    return {
        "gate, charger, shutter are off with it, the capacitor is dumped": if_so(
            condition,
            no(driven.gate_enable),
            no(driven.hv_enable),
            no(driven.shutter_open),
            no(driven.dump_hold),
        )
    }
