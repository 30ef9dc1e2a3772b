"""Courses of treatment: what a subject was given, what it did to them, and what stands against going on.

A course is all sessions of one subject for one indication. Its interval and its number of sessions are those
of the preset; days are whole days in UTC. What stands against the next session is a matter whose name holds
what it is about, a date or a number: no confirmation fits another matter than the one it was given for.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from protocols.refusals import Reason
from safety.preset import Preset

CLOCK_SLACK: Final = timedelta(minutes=1)
"""[C] What network time corrects at a step in daily use is below it; an hour or a wrong day is far beyond."""


class EffectKind(enum.Enum):
    """The adverse effects that the rows of treatments.csv report."""

    PAIN = "pain"
    ERYTHEMA = "erythema"
    OEDEMA = "oedema"
    BLEEDING = "bleeding"
    CRUSTING = "crusting"
    BLISTERING = "blistering"
    SCARRING = "scarring"
    HYPERPIGMENTATION = "hyperpigmentation"
    HYPOPIGMENTATION = "hypopigmentation"


GRAVE: Final = frozenset(
    {
        EffectKind.BLISTERING,
        EffectKind.SCARRING,
        EffectKind.HYPERPIGMENTATION,
        EffectKind.HYPOPIGMENTATION,
    }
)
"""[D] T024 says to stop at blisters, HZ-042 and HZ-043 name these as the harm: acknowledged one by one, also
when they have gone."""

GRADES: Final = ("mild", "moderate", "severe")
"""[P] Grades 1 to 3 of CTCAE 5.0; its grades 4 and 5, life-threatening and death, are beyond any course."""

PAIN_MOST: Final = 10
"""[P] The scale of treatments.csv (T001 2.83/10, T008 4.5/10)."""


def severities(kind: EffectKind) -> range:
    """The severities that an effect can have: pain 0 to 10, everything else grades 1 to 3."""
    return range(PAIN_MOST + 1) if kind is EffectKind.PAIN else range(1, len(GRADES) + 1)


def severity_words(kind: EffectKind, severity: int) -> str:
    """A severity for people."""
    return f"{severity}/{PAIN_MOST}" if kind is EffectKind.PAIN else GRADES[severity - 1]


class Mistake(enum.Enum):
    """Why an adverse effect on record is taken back. No free text, so that no name comes in."""

    RECORDED_WRONGLY = "recorded_wrongly"  # another stands instead of it, always
    RECORDED_TWICE = "recorded_twice"
    NOT_THERE = "not_there"


_MISTAKES: Final = {
    Mistake.RECORDED_WRONGLY: "it was recorded wrongly",
    Mistake.RECORDED_TWICE: "it was recorded twice",
    Mistake.NOT_THERE: "there was no such effect",
}


@dataclass(frozen=True, slots=True)
class Correction:
    """That an adverse effect was taken back; `instead` is the number of the one that stands for it."""

    mistake: Mistake
    by: str
    when: datetime
    instead: int | None = None

    def plain(self) -> dict[str, Any]:
        """As JSON knows it."""
        when = self.when.isoformat()
        return {"reason": self.mistake.value, "by": self.by, "when": when, "instead": self.instead}

    def __str__(self) -> str:
        other = "" if self.instead is None else f", number {self.instead} stands instead"
        return f"taken back by {self.by} on {self.when.date()}: {_MISTAKES[self.mistake]}{other}"


@dataclass(frozen=True, slots=True)
class Effect:
    """One adverse effect of a session; `resolved` is the day it had gone, None while it has not.

    `correction` is there once it was taken back, and it counts no more; `corrects` is the number of the one
    that it stands for.
    """

    id: int
    session_id: str
    kind: EffectKind
    severity: int  # one of `severities(kind)`
    onset: date
    recorded: datetime
    recorded_by: str
    resolved: date | None = None
    resolved_by: str | None = None
    correction: Correction | None = None
    corrects: int | None = None

    @property
    def stands(self) -> bool:
        """Whether it was not taken back."""
        return self.correction is None

    @property
    def blocks(self) -> bool:
        """Whether the next session needs it acknowledged by its own name."""
        return self.stands and (self.kind in GRAVE or self.resolved is None)

    @property
    def remark(self) -> str:
        """What was corrected by it, and how it was corrected itself; empty for most."""
        stands_for = "" if self.corrects is None else f"instead of number {self.corrects}"
        return "; ".join(filter(None, [stands_for, str(self.correction or "")]))

    def plain(self) -> dict[str, Any]:
        """As JSON knows it."""
        return {
            "id": self.id,
            "session": self.session_id,
            "kind": self.kind.value,
            "severity": self.severity,
            "severity_text": severity_words(self.kind, self.severity),
            "onset": self.onset.isoformat(),
            "resolved": None if self.resolved is None else self.resolved.isoformat(),
            "recorded": self.recorded.isoformat(),
            "recorded_by": self.recorded_by,
            "resolved_by": self.resolved_by,
            "blocks": self.blocks,
            "taken_back": None if self.correction is None else self.correction.plain(),
            "corrects": self.corrects,
            "text": str(self),
        }

    def __str__(self) -> str:
        gone = "not resolved" if self.resolved is None else f"resolved on {self.resolved}"
        grade = severity_words(self.kind, self.severity)
        told = f"{self.kind.value}, {grade}, since {self.onset}, {gone}"
        return "; ".join(filter(None, [told, self.remark]))


@dataclass(frozen=True, slots=True)
class Sitting:
    """One session that gave light to a subject, and the day (UTC) of the last of it."""

    session_id: str
    indication: str
    day: date
    pulses: int
    operator: str


@dataclass(frozen=True, slots=True)
class Course:
    """How far a course is; without a preset of that name nothing is planned for it."""

    indication: str
    sittings: tuple[Sitting, ...]
    preset: Preset | None

    @property
    def done(self) -> int:
        """How many sessions gave light."""
        return len(self.sittings)

    @property
    def planned(self) -> int | None:
        """How many sessions the preset knows."""
        return None if self.preset is None else self.preset.sessions_max

    @property
    def last(self) -> date | None:
        """The day of the last light: the latest day, whichever order a clock gave them."""
        return max((sitting.day for sitting in self.sittings), default=None)

    @property
    def earliest(self) -> date | None:
        """The first day on which the next session is as planned; None when any day is."""
        return self._after(0 if self.preset is None else self.preset.interval_weeks)

    @property
    def earliest_known(self) -> date | None:
        """The first day on which the evidence knows a next session at all."""
        return self._after(0 if self.preset is None else self.preset.interval_weeks_least)

    def _after(self, weeks: int) -> date | None:
        last = self.last
        return None if last is None or not weeks else last + timedelta(weeks=weeks)


@dataclass(frozen=True, slots=True)
class Clock:
    """The clock and how far it can be trusted. All times are aware, in UTC.

    `newest` is when the session recorded last was at work; `set_by` how much further than the time that has
    passed the clock has gone since it was looked at first: a step of it, forward or (negative) back.
    """

    now: datetime
    newest: datetime | None = None
    set_by: timedelta = timedelta()

    @property
    def today(self) -> date:
        """The day, in doubt the earlier one: a step forward gives no interval away."""
        return (self.now - max(self.set_by, timedelta())).date()

    @property
    def doubt(self) -> str:
        """Why the day is not to be trusted; empty if it is."""
        if self.newest is not None and self.now < self.newest - CLOCK_SLACK:
            return (
                f"the clock says {_minute(self.now)}, the last session was recorded at {_minute(self.newest)}"
            )
        if abs(self.set_by) > CLOCK_SLACK:
            way = "forward" if self.set_by > timedelta() else "back"
            minutes = abs(self.set_by).total_seconds() / 60
            return (
                f"the clock was set {way} by {minutes:.0f} min while the daemon ran, to {_minute(self.now)}"
            )
        return ""


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


@dataclass(frozen=True, slots=True)
class Matter:
    """One thing that stands against a session until somebody confirms it, by its name and for this one."""

    name: str
    text: str
    action: str


_ALL_THE_SAME: Final = "to treat all the same is the responsible physician's decision: confirm it by its name"


def matters(
    course: Course, effects: Sequence[Effect], clock: Clock, *, resuming: str = ""
) -> tuple[Matter, ...]:
    """Everything that has to be confirmed before the next session of the course.

    `effects` are all of the subject, of whichever course. `resuming` is the session that is to be gone on
    with, if it is not a new one: what it gave today is the same sitting and not one before it.
    """
    before = [one for one in course.sittings if one.session_id != resuming or one.day != clock.today]
    others = sum(sitting.session_id != resuming for sitting in before)
    return (
        *_of_the_clock(clock),
        *_of_the_interval(Course(course.indication, tuple(before), course.preset), clock.today),
        *_of_the_number(course, others),
        *_of_effects(effects),
    )


def _of_the_clock(clock: Clock) -> Iterator[Matter]:
    if clock.doubt:
        action = (
            "set the clock, by network time if you can, and start the daemon again; or make sure of the day"
        )
        yield Matter(f"clock-{clock.now.date()}", clock.doubt, f"{action}, and confirm that it is right")


def _of_the_interval(course: Course, today: date) -> Iterator[Matter]:
    last, planned, known, preset = course.last, course.earliest, course.earliest_known, course.preset
    if last is None or preset is None or planned is None or today >= planned:
        return
    text = (
        f"today is {today}; the last session of this course was on {last}, and the next is due from "
        f"{planned} ({preset.interval_weeks} weeks, {preset.source_of('interval_weeks')})"
    )
    if known is not None and today < known:
        text += f"; earlier than {known} no study treated ({preset.source_of('interval_weeks_least')})"
        yield Matter(f"too-early-{known}", text, f"wait until {planned}; {_ALL_THE_SAME}")
    else:
        yield Matter(f"early-{planned}", text, f"wait until {planned}; {_ALL_THE_SAME}")


def _of_the_number(course: Course, done: int) -> Iterator[Matter]:
    if course.preset is not None and done >= course.preset.sessions_max:
        text = (
            f"this would be session {done + 1} of {course.preset.sessions_max} planned "
            f"({course.preset.source_of('sessions_max')})"
        )
        yield Matter(f"session-{done + 1}", text, f"end the course; {_ALL_THE_SAME}")


def _of_effects(effects: Sequence[Effect]) -> Iterator[Matter]:
    """The grave and the unresolved ones each by its own name, the others together, by the last of them.

    What was taken back is no matter.
    """
    seen = [effect for effect in effects if effect.stands and not effect.blocks]
    for effect in effects:
        if effect.blocks:
            action = "look at the skin; treat only if it is fit for it, and confirm this by its name"
            yield Matter(f"effect-{effect.id}", f"after an earlier session: {effect}", action)
    if seen:
        text = "after earlier sessions: " + "; ".join(map(str, seen))
        yield Matter(
            f"effects-{max(effect.id for effect in seen)}", text, "take note of it, and confirm that"
        )


def reasons(standing: Iterable[Matter], confirmed: Collection[str]) -> tuple[Reason, ...]:
    """Each reason why the session may not begin: what nobody has confirmed, and what was not to be confirmed.

    A name that fits nothing is refused: it was given for something else, or ahead of any question.
    """
    known = {matter.name: matter for matter in standing}
    return (
        *(
            Reason(f"course.{name}", matter.text, matter.action)
            for name, matter in known.items()
            if name not in confirmed
        ),
        *(
            Reason("course.unknown", f"there is nothing named {name!r} to confirm", "leave it out")
            for name in sorted(set(confirmed) - set(known))
        ),
    )
