"""The supervisor in a state of which nothing is known: what it was told, what it booked, what stands latched.

What is left out: words, the plan's own arithmetic (its set-point and what is left of it can be anything) and
the ceilings, which tests of their own sweep. The quality of the inputs is anything at all here: that the
cache of qualities tells the truth at every microsecond is a theorem of its own (`freshness`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields
from types import SimpleNamespace
from typing import Any

from protocols.faults import Fault
from protocols.messages import Beam, Handpiece, Intent, Status
from protocols.requests import Grant, Setpoint, Trigger
from protocols.states import State
from tests.shown.lifted import Edits, Lifted
from tests.shown.proof import Maker, Mask
from tests.shown.symbolic import assume

_LIKE = {
    "beam": Beam.APERTURE,
    "trigger": Trigger.FOOT,
    "handpiece": Handpiece.NONE,
    "state": State.OFF,
    "first_fault": Fault.NONE,
    "intent": Intent.IDLE,
    "flags": Mask(),
    "blocks": Mask(),
    "faults": Mask(),
    "faults_present": Mask(),
    "open_interlocks": Mask(),
    "gate_inhibited": False,
    "hv_inhibited": False,
    "indicator_on": False,
    "aiming_on": False,
    "docked": False,
    "calibrated": False,
}


def message(kind: Any, name: str, make: Maker) -> Any:
    """A message of this kind of which nothing is known; sets of members are masks."""
    made = object.__new__(kind)
    for field in fields(kind):
        like = _LIKE.get(field.name, 0)
        value = make(f"{name}.{field.name}", like)
        known_set = isinstance(like, Mask) and isinstance(value, int)
        object.__setattr__(made, field.name, Members(value) if known_set else value)
    return made


class Members(int):
    """A known set of members, by their bits."""

    def __sub__(self, members: Any) -> Members:
        return Members(int(self) & ~sum(1 << member for member in members))


class Lazily:
    """Attributes that are made when they are first asked for: what is never looked at splits nothing."""

    def __init__(self, **makers: Callable[[], Any]) -> None:
        self._makers = makers

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name not in self._makers:
            raise AttributeError(name)
        value = self._makers[name]()
        setattr(self, name, value)
        return value


def lazy(thing: Any, **makers: Callable[[], Any]) -> Any:
    """The same thing with these attributes made when they are first asked for."""
    kind = type(thing)
    thing.__class__ = type(kind.__name__, (kind, Lazily), {"__init__": kind.__init__})
    for name in makers:
        del thing.__dict__[name]
    thing._makers = makers
    return thing


class Safety:
    """The supervisor's modules, recompiled (`lifting` False: as they are), with stand-ins for what is out."""

    def __init__(self, edits: Edits | None = None, *, lifting: bool = True) -> None:
        self._lifted = Lifted(edits, lifting=lifting)
        gate = self.part("gate")
        gate._names = gate._word = lambda _: "?"
        gate.not_good = self._not_good
        self.part("supervisor").judge = lambda _: SimpleNamespace(findings=(), text="")

    def part(self, name: str) -> Any:
        """One of its modules."""
        return self._lifted.module(f"safety.{name}")

    def _not_good(self, qualities: Any, consequence: Any) -> Iterator[Any]:
        """`freshness.not_good`, one by one."""
        freshness = self.part("freshness")
        for which, row in freshness.FRESHNESS.items():
            if consequence in row.consequences and qualities[which] != freshness.Quality.GOOD:
                yield which

    def qualities(self, make: Maker) -> dict[Any, Any]:
        """Of every input, anything."""
        freshness = self.part("freshness")
        return {which: make(f"quality.{which.value}", freshness.Quality.GOOD) for which in freshness.Input}

    def link(self, make: Maker) -> Any:
        """What identification found out."""
        facts = SimpleNamespace(
            serial="?",
            boot=make("link.boot", 0),
            session=make("link.session", 0),
            interface_matches=make("link.interface_matches", False),
            recorded_to=None,
        )
        return self._or_none(make, "link", lambda: facts)

    def device(self, make: Maker, name: str = "device") -> Any:
        """The last Status, if there was one."""
        return self._or_none(make, name, lambda: message(Status, name, make))

    def plan(self, make: Maker) -> Any:
        """The loaded plan, if there is one."""

        def loaded() -> Any:
            left = make("plan.left", 0)
            plan = SimpleNamespace(
                beam=make("plan.beam", Beam.APERTURE),
                fired_by=make("plan.fired_by", Trigger.FOOT),
                service=make("plan.service", False),
                series_left=lambda _: left,
            )
            setpoint = _setpoint("planned", make)
            longest_us = make("plan.permit_max_us", 0)
            assume(left >= 0)
            return self.part("gate").LoadedPlan(plan, setpoint, 1, make("plan.done", 0), longest_us)

        return self._or_none(make, "plan", loaded)

    def situation(self, make: Maker, asked: Any = None) -> Any:
        """All that the gate looks at; what is on its way is `asked` itself, or something else, or nothing."""
        gate = self.part("gate")
        gate.above_ceiling = lambda *_: "too much" if make("above_ceiling", False) else ""
        none = self._or_none
        return Lazily(
            link=lambda: self.link(make),
            qualities=lambda: self.qualities(make),
            device=lambda: self.device(make),
            setpoint=lambda: none(make, "setpoint", lambda: _setpoint("setpoint", make)),
            plan=lambda: self.plan(make),
            latches=lambda: (SimpleNamespace(text="?"),) if make("latched", False) else (),
            uncertain=lambda: ("?",) if make("uncertain", False) else (),
            intent=lambda: make("intent", Intent.IDLE),
            arm_epoch=lambda: none(make, "arm_epoch", lambda: make("arm_epoch.value", 0)),
            permit_open=lambda: make("permit_open", False),
            permit_used=lambda: lambda _: make("permit_used", False),
            in_flight=lambda: asked if make("repeats", False) else None,
            reported_to=lambda: none(make, "reported_to", lambda: make("reported_to.value", 0)),
            behind=lambda: make("behind", False),
            why_bad=lambda: lambda _: "",
            may_serve=lambda: make("may_serve", False),
        )

    def _or_none(self, make: Maker, name: str, option: Callable[[], Any]) -> Any:
        return option() if make(f"{name}.known", False) else None

    def books(self, make: Maker) -> Any:
        """The books of permits."""
        permits, none = self.part("permits"), self._or_none
        permits.PermitBooks._differs = staticmethod(lambda *_: "")  # words, which are judged elsewhere

        def permit(name: str) -> Any:
            made = permits.Permit(make(f"{name}.permit_id", 0), make(f"{name}.pulses", 0))
            if name == "booked":  # the only one whose Grant is looked at
                made.grant = none(make, f"{name}.grant", lambda: message(Grant, f"{name}.grant", make))
            made.set_energy_uj = make(f"{name}.set_energy_uj", 0)
            made.granted, made.refused = make(f"{name}.granted", False), make(f"{name}.refused", False)
            made.counted = make(f"{name}.counted", 0)
            if name != "open":  # one that is open has not ended
                made.ended_us = none(make, f"{name}.ended", lambda: make(f"{name}.ended_us", 0))
            return made

        def arming() -> Any:
            epoch = none(make, "arming.epoch", lambda: make("arming.epoch.value", 0))
            return permits._Arming(make("arming.base_epoch", 0), epoch)

        return lazy(
            permits.PermitBooks(),
            open=lambda: none(make, "open", lambda: permit("open")),
            _closing=lambda: none(make, "closing", lambda: permit("closing")),
            _arming=lambda: none(make, "arming", arming),
            _grace_until_us=lambda: none(make, "grace", lambda: make("grace.until_us", 0)),
            _permits=lambda: _Booked(make, permit),
        )

    def supervisor(self, make: Maker, *latches: Any) -> Any:
        """A supervisor of which nothing is known but which latches stand."""
        made = self.part("supervisor").Supervisor(0)
        known = made._known
        for latch in self.part("latches").LatchId:
            known.latches.clear(latch)
        for latch in latches:
            known.latches.set(latch, "?", 0)
        known.freshness = _Qualities(self.qualities(make))
        lazy(
            known,
            link=lambda: self.link(make),
            device=lambda: self.device(make),
            uncertain=lambda: {"?": "?"} if make("uncertain", False) else {},
            unknown_pulses=lambda: {1} if make("unknown_pulse", False) else set(),
        )
        known.books = self.books(make)
        known.sequence.overdue = lambda _: make("overdue", False)
        lazy(known.sequence, broken=lambda: "?" if make("broken", False) else "")
        return made


class _Setpoint(Setpoint):
    """A set-point whose hash is not known either."""

    @property
    def hash(self) -> Any:
        return self.__dict__["crc"]


def _setpoint(name: str, make: Maker) -> Any:
    made = message(_Setpoint, name, make)
    made.__dict__["crc"] = make(f"{name}.hash", 0)
    return made


class _Booked:
    """Permits by number: the one that is looked up was never booked, or it is anything."""

    def __init__(self, make: Maker, permit: Callable[[str], Any]) -> None:
        self._make, self._permit = make, permit

    def get(self, number: Any) -> Any:
        if not self._make("booked", False):
            return None
        found = self._permit("booked")
        assume(found.permit_id == number)
        return found

    def __contains__(self, _: Any) -> bool:
        return bool(self._make("booked", False))


class _Qualities:
    """The inputs' qualities, whatever they are."""

    def __init__(self, qualities: dict[Any, Any]) -> None:
        self._qualities = qualities

    def qualities(self, _: int) -> dict[Any, Any]:
        return self._qualities

    def note(self, *_: Any, **__: Any) -> None:
        """What is told now is not what is proven of."""

    def why_bad(self, _: Any) -> str:
        return ""

    def forget(self, _: Any) -> None:
        """Nor what is forgotten."""

    def view(self, *_: Any) -> Any:
        return SimpleNamespace(age_us=1)


def good_of(like: Any) -> Any:
    """GOOD, in the module that the quality comes from."""
    kind = like.kind if hasattr(like, "kind") else type(like)
    return kind.GOOD
