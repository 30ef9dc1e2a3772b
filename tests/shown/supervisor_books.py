"""What is proven of the supervisor's latches, books and inputs: what is noticed, and what may take it off.

From every state, whether what it was told fits together or not.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Final

from protocols.messages import Intent, PulseReport, Status
from protocols.states import ARMED, State
from tests.shown.proof import Claims, Maker, Scene, all_of, any_of, at, if_so, no
from tests.shown.supervisor import Safety, good_of, message
from tests.shown.symbolic import assume, truth

_S = State
_INPUT_OF: Final = {
    "bad_input": "telemetry",
    "loop_lag": "loop",
    "task_ended": "tasks",
    "store_failed": "store",
}
_ARMED_INPUTS: Final = ("status", "tick", "loop", "tasks")
_ALL_INPUTS: Final = (*_ARMED_INPUTS, "telemetry", "store", "operator", "calibration")


def acknowledging(safety: Safety, make: Maker) -> Scene:
    """Some of two latches are acknowledged; which two they are decides only whether their cause is there."""
    kinds = safety.part("latches").LatchId
    supervisor = safety.supervisor(make, kinds.STALE, kinds.UNCERTAIN)
    known = supervisor._known
    first = supervisor.latches[0].instance
    numbers = {1: first, 2: first + 1, 3: first + 2}
    known.cause = lambda which, _: "?" if make(f"cause.{which.value}", False) else ""
    instances = [number for at_, number in numbers.items() if make(f"asked.{at_}", False)]
    refused = supervisor.acknowledge(instances, 0)
    left = [latch.instance for latch in supervisor.latches]
    asked = SimpleNamespace(
        named={at_ for at_, number in numbers.items() if number in instances},
        taken={at_ for at_ in (1, 2) if numbers[at_] not in left},
        causes={at_: make(f"cause.{which}", False) for at_, which in ((1, "stale"), (2, "uncertain"))},
    )
    return Scene(known, {"left": len(left), "refused": bool(refused)}, asked, refused)


def acknowledging_claims(s: Scene) -> Claims:
    """Nothing is taken off but by its number, with the laser known to be disarmed and the cause gone."""
    here, taken, named = s.before, s.asked.taken, s.asked.named
    if not taken:
        return {"a refusal takes nothing off": True}
    status = next(
        quality for which, quality in here.freshness.qualities(0).items() if which.value == "status"
    )
    return {
        "only what was named goes, and all of it": taken == named & {1, 2},
        "a number that stands for nothing takes nothing off": 3 not in named,
        "link and Status are there, fresh": all_of(here.link is not None, status == good_of(status)),
        "the laser was not seen armed": here.device is None or no(at(here.device.state, *ARMED)),
        "this host means no arming": here.books._arming is None,
        "the cause is gone": all_of(*(no(s.asked.causes[at_]) for at_ in taken)),
    }


def causes(safety: Safety, make: Maker) -> Scene:
    """Whether the cause of a latch is there."""
    which = make("latch", safety.part("latches").LatchId.START_UP)
    which = which.known() if hasattr(which, "known") else which
    known = safety.supervisor(make)._known
    inputs = known.freshness.qualities(0)
    for input_ in inputs:
        if input_.value != _INPUT_OF.get(which.value):  # it is looked at for another latch only
            inputs[input_] = good_of(inputs[input_])
    if which.value != "uncertain":
        known.uncertain, known.unknown_pulses = {}, set()
    if which.value != "counter_gap":
        known.sequence.broken, known.sequence.overdue = "", lambda _: False
    return Scene(known, {}, which.value, known.cause(which, 0))


def causes_claims(s: Scene) -> Claims:
    """What must be gone before each latch may be taken off."""
    if s.answer:
        return {}
    here, device = s.before, s.before.device
    good = {
        which.value: quality == good_of(quality) for which, quality in here.freshness.qualities(0).items()
    }
    gone: dict[str, Callable[[], Any]] = {
        "device_fault": lambda: (
            device is None
            or all_of(device.faults == 0, device.fault_instance == 0, no(at(device.state, _S.FAULT)))
        ),
        "uncertain": lambda: not here.uncertain and not here.unknown_pulses,
        "unexpected_state": lambda: device is None or device.permit_id == 0,
        "counter_gap": lambda: all_of(not here.sequence.broken, no(here.sequence.overdue(0))),
        "bad_input": lambda: good["telemetry"],
        "loop_lag": lambda: good["loop"],
        "task_ended": lambda: good["tasks"],
        "store_failed": lambda: good["store"],
    }
    return {f"the cause of {s.asked} is gone": gone[s.asked]()} if s.asked in gone else {}


def tripping(safety: Safety, make: Maker) -> Scene:
    """Something trips: what stops whatever is so, or what stops only a laser that may be armed."""
    kinds = safety.part("latches").LatchId
    which = kinds.STALE if make("always", False) else kinds.LOOP_LAG
    stands = make("stands", False)
    supervisor = safety.supervisor(make, *([which] if stands else []))
    armed = supervisor._known.armed
    row = safety.part("latches").LATCHES[which]
    reactions = supervisor._trip(which, "?", 0)
    stops = any(type(reaction).__name__ == "StopNow" for reaction in reactions)
    asked = SimpleNamespace(armed=armed, always=row.stops_always, which=which)
    return Scene(supervisor._known, {"stops": stops}, asked, reactions)


def tripping_claims(s: Scene) -> Claims:
    """It stands, permission is gone, and a laser that may be armed is stopped."""
    here = s.before
    return {
        "it stands": s.asked.which in here.latches,
        "no arming and no permit is meant any more": all_of(
            here.books.intent is Intent.IDLE, here.books.open is None, here.in_flight is None
        ),
        "a laser that may be armed is stopped": if_so(s.asked.armed, s.after["stops"]),
        "what always stops, stops": s.after["stops"] or not s.asked.always,
    }


def ticking(safety: Safety, make: Maker) -> Scene:
    """The supervisor's tick."""
    supervisor = safety.supervisor(make)
    freshness = safety.part("freshness")
    safety.part("supervisor").not_good = lambda qualities, which: list(safety._not_good(qualities, which))
    was = SimpleNamespace(
        armed=supervisor._known.armed,
        link=supervisor._known.link is not None,
        status=supervisor._known.freshness.qualities(0)[freshness.Input.STATUS],
        tick=supervisor._known.freshness.qualities(0)[freshness.Input.TICK],
    )
    reactions = supervisor.tick(0)
    stops = any(type(reaction).__name__ == "StopNow" for reaction in reactions)
    return Scene(was, {"stops": stops, "latched": len(supervisor.latches)}, supervisor._known, reactions)


def ticking_claims(s: Scene) -> Claims:
    """No armed laser is left to a supervisor that is late or blind."""
    was, stops = s.before, s.after["stops"]
    late = was.tick != good_of(was.tick)
    blind = all_of(was.link, was.status != good_of(was.status))
    return {
        "a late tick stops an armed laser": if_so(all_of(was.armed, late), stops, s.after["latched"] >= 1),
        "a stale Status stops an armed laser": if_so(
            all_of(was.armed, blind), stops, s.after["latched"] >= 1
        ),
    }


def mirroring(safety: Safety, make: Maker) -> Scene:
    """A Status is compared with the books."""
    books, status, now_us = safety.books(make), message(Status, "status", make), make("now_us", 0)
    before = SimpleNamespace(
        open=books.open, closing=books._closing, arming=books._arming, grace=books._grace_until_us
    )
    asked = SimpleNamespace(status=status, now_us=now_us)
    return Scene(before, books, asked, books.mirror(status, now_us))


def mirroring_claims(s: Scene) -> Claims:
    """Light, an arming or a permit that is not this host's is seen."""
    was, status, told = s.before, s.asked.status, s.answer
    held, armed = status.permit_id, at(status.state, *ARMED)
    grace = was.grace is not None and s.asked.now_us <= was.grace
    ours = any_of(
        was.open is not None and held == was.open.permit_id,
        all_of(grace, was.closing is not None and held == was.closing.permit_id),
        all_of(grace, was.open is not None and held == was.open.permit_id),
    )
    closing = s.after._closing
    just_closed = all_of(grace, closing is not None and held == closing.permit_id)
    arming = was.arming
    epoch_ours = arming is not None and all_of(
        arming.base_epoch != status.arm_epoch, arming.epoch is None or arming.epoch == status.arm_epoch
    )
    return {
        "light under no permit of this host's is told": if_so(
            all_of(at(status.state, _S.EMITTING), no(any_of(ours, just_closed))), told.light != ""
        ),
        "a permit that is not this host's is told": if_so(
            all_of(held != 0, no(any_of(ours, just_closed))), told.state != "" or told.light != ""
        ),
        "an arming that is not this host's is told": if_so(
            all_of(armed, no(epoch_ours), no(all_of(grace, arming is None))), told.state != ""
        ),
        "no arming and no permit comes of it": all_of(
            s.after._arming is None or s.after._arming is arming,
            s.after.open is None or s.after.open is was.open,
        ),
    }


def counting(safety: Safety, make: Maker) -> Scene:
    """A new pulse is compared with the books."""
    books = safety.books(make)
    report = message(PulseReport, "report", make)
    object.__setattr__(report, "flags", _Flags(make))
    return Scene(None, {}, report, books.pulse(report))


def counting_claims(s: Scene) -> Claims:
    """No pulse beyond its permit goes by without a word."""
    unpermitted, _, permit = s.answer
    report = s.asked
    if unpermitted:
        return {}
    treats = report.permit_id != 0
    if permit is None:
        return {"a pulse under a permit is one in the books": no(treats)}
    grant = permit.grant
    end_us = 0 if grant is None else grant.ends_us
    known = grant is not None and not report.flags.has("UNKNOWN")
    return {
        "its permit was not refused": no(permit.refused),
        "it is one of those that were permitted": permit.counted <= permit.pulses,
        "it was given in the start of the device that its permit names": not known
        or report.boot == grant.boot,
        "it was given before its permit ended, and 20 ms": not known
        or report.device_time_us <= end_us + 20_000,
        "it was given before its permit was seen to be over, and 20 ms": not known
        or permit.ended_us is None
        or report.device_time_us <= permit.ended_us + 20_000,
    }


class _Flags:
    """A report's flags, each known or not as it is looked at."""

    def __init__(self, make: Maker) -> None:
        self._make = make

    def has(self, name: str) -> bool:
        return bool(self._make(f"flag.{name}", False))

    def __contains__(self, flag: Any) -> bool:
        return self.has(flag.name)

    def __and__(self, flags: Any) -> bool:
        return any(self.has(flag.name) for flag in sorted(flags))


def freshness(safety: Safety, make: Maker) -> Scene:
    """One input's cache: a reading, or its loss, and then a look, at any three times.

    Every input has a cache entry and a reading of its own; one stands for all of them.
    """
    part = safety.part("freshness")
    which, quality = part.Input.STATUS, part.Quality
    made = part.Freshness({})
    max_age_us = make("max_age_us", 0)
    assume(max_age_us >= 0)
    made._max_age_us = {which: max_age_us if make("ages", False) else None}
    reading = (make("reading.at_us", 0), make("reading.ok", False), "?")
    made._readings = {which: reading} if make("read", False) else {}
    judged = make("judged", quality.GOOD)
    made._judged = (
        {which: judged.known() if hasattr(judged, "known") else judged} if make("cached", False) else {}
    )
    made._from_us, made._to_us = make("from_us", 0), make("to_us", 0)
    look_us, now_us = make("look_us", 0), make("now_us", 0)
    for time_us in (reading[0], look_us, now_us, made._from_us, made._to_us):
        assume(time_us >= -(2**62))
        assume(time_us < 2**62)
    assume(made._to_us >= made._from_us - 1)
    assume(_cache_holds(made, which, quality, look_us))
    if made._judged.get(which) is quality.GOOD and which in made._readings:
        assume(_cache_holds(made, which, quality, now_us))
    before = SimpleNamespace(look_us=look_us, which=which, quality=quality)
    kind = make("forgets", False)
    if kind:
        made.forget(which)
    else:
        made.note(which, now_us, ok=make("ok", False), text="?")
    assume(True)
    before.holds = _cache_holds(made, which, quality, look_us)
    before.interval = all_of(made._to_us >= made._from_us - 1)
    seen = made.qualities(look_us)[which]
    return Scene(before, {}, made, seen)


def freshness_claims(s: Scene) -> Claims:
    """What the cache says is what the readings say, at whatever time it is looked at."""
    made, which, quality = s.asked, s.before.which, s.before.quality
    return {
        "a cache that told the truth still does": s.before.holds,
        "what is told is what the readings are worth": _worth(
            made, which, quality, s.before.look_us, s.answer
        ),
    }


def _cache_holds(made: Any, which: Any, quality: Any, at_us: Any) -> Any:
    """If the cache counts at that time, it says what the readings say."""
    if which not in made._judged:
        return made._to_us < made._from_us
    counts = all_of(made._from_us <= at_us, at_us <= made._to_us)
    return if_so(counts, _worth(made, which, quality, at_us, made._judged[which]))


def _worth(made: Any, which: Any, quality: Any, at_us: Any, said: Any) -> Any:
    """What a reading is worth, from the words of `Quality` alone."""
    reading, max_age_us = made._readings.get(which), made._max_age_us[which]
    if reading is None:
        return said is quality.BAD
    taken_us, ok, _ = reading
    bad = any_of(no(ok), at_us < taken_us)
    stale = False if max_age_us is None else at_us - taken_us > max_age_us
    return all_of(
        truth(said is quality.BAD) == bad,
        truth(said is quality.STALE) == all_of(no(bad), stale),
    )


THEOREMS = {
    "acknowledging": (acknowledging, acknowledging_claims),
    "causes": (causes, causes_claims),
    "tripping": (tripping, tripping_claims),
    "ticking": (ticking, ticking_claims),
    "mirroring": (mirroring, mirroring_claims),
    "counting": (counting, counting_claims),
    "freshness": (freshness, freshness_claims),
}
