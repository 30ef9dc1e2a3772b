"""A treatment session in hand: its plan, what it has given so far, and what it stands on."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final, Self

from controller.store import PulseRecord, SessionRecord, Store
from hal.laser_values import CommittedSetPoint
from protocols.messages import Status
from protocols.refusals import Reason
from protocols.requests import Trigger
from protocols.states import State
from protocols.timing import SECOND
from safety import checklist
from safety.courses import Effect, Matter
from safety.limits import DeviceLimits
from safety.plan import TreatmentPlan
from safety.proof_tests import NOTHING_SEEN, Evidence

PERMIT_US: Final = 60 * SECOND  # [C] a series of 20 at 1 Hz and the pauses of a hand, and no longer
PAUSES_US: Final = 20 * SECOND  # [C] of a hand, in a series whose pulses alone take longer than that
PERMIT_MARGIN_US: Final = SECOND  # [C] the laser's own maximum counts from its newest Status, of a moment ago

SERVICE_CONDITIONS: Final = (
    "the beam ends in a beam dump or a power meter, and nobody is in its way",
    "the room is controlled: sign lit, door closed, only people who are needed, nothing that reflects",
    "everybody in the room wears eyewear for this wavelength",
)
"""What whoever serves the laser confirms before light that is for no person. [C] Usual for class 4 lasers."""

SERVICE_ITEMS: Final = dict(
    zip(("service_beam", "service_room", "service_eyewear"), SERVICE_CONDITIONS, strict=True)
)
"""The same by name, as they go on record."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What was confirmed in person: eyewear, the checklist or a service's list, matters of a course.

    `seen` is what the host itself saw of the interlocks, of which the checklist asks.
    """

    eyewear_nm: int
    checklist: frozenset[str] = frozenset()  # keys of `safety.checklist.ITEMS`
    service: bool = False
    course: frozenset[str] = frozenset()  # names of `safety.courses.Matter`
    second: str = ""  # the second person's name, who has agreed where the plan needs one
    seen: Evidence = NOTHING_SEEN

    @classmethod
    def of(
        cls,
        eyewear_nm: int,
        items: bool | Collection[str],
        service: bool,
        course: Collection[str] = (),
        second: str = "",
        *,
        seen: Evidence = NOTHING_SEEN,
    ) -> Self:
        """As it is asked for; True are all items of the checklist."""
        named = (checklist.ITEMS if items else ()) if isinstance(items, bool) else items
        return cls(eyewear_nm, frozenset(named), service, frozenset(course), second, seen)

    def missing(self, plan: TreatmentPlan) -> list[Reason]:
        """Every reason why the plan may not be begun on this; of the course the records know more."""
        reasons = []
        if self.eyewear_nm != plan.wavelength_nm:
            worn, wanted = f"{self.eyewear_nm} nm", f"the plan's wavelength is {plan.wavelength_nm} nm"
            text = f"eyewear is confirmed for {worn}, {wanted}"
            action = "put the right eyewear on everybody, then confirm it"
            reasons.append(Reason("confirm.eyewear_nm", text, action))
        if plan.service and not self.service:
            text = "the conditions of a service are not confirmed"
            reasons.append(Reason("confirm.service", text, "; ".join(SERVICE_CONDITIONS)))
        if not plan.service:
            reasons += (*checklist.reasons(self.checklist), *self.seen.against)
        return reasons

    def record(self, plan: TreatmentPlan, matters: Iterable[Matter]) -> dict[str, Any]:
        """What goes on record, in words that stand without this version: item by item, by its name.

        For a plan that nothing is missing for; `matters` are those of the course that stood against it.
        """
        items = {key: item.statement for key, item in checklist.ITEMS.items() if key in self.checklist}
        if checklist.INTERLOCKS in items and self.seen.words:
            items[checklist.INTERLOCKS] += f" ({self.seen.words})"
        told: dict[str, Any] = {
            "eyewear_nm": self.eyewear_nm,
            "items": SERVICE_ITEMS if plan.service else items,
            "course": {matter.name: matter.text for matter in matters},
        }
        # Of any other plan nobody looked at the second person's password.
        return told | ({"second": self.second} if plan.fired_by is Trigger.INTERNAL else {})


@dataclass(slots=True)
class Tally:
    """What a session has given so far, from its recorded pulses."""

    rehearsal: bool
    given: int = 0
    unknown: int = 0
    energy_mj: float = 0.0
    dose_j_cm2: float = 0.0

    def add(self, pulse: PulseRecord) -> None:
        """Count one pulse; in a rehearsal the light inside counts for the plan, and gives no dose."""
        inside = self.rehearsal and not pulse.flags & {"skipped", "missing"}
        self.given += pulse.delivered or inside
        self.unknown += pulse.unknown
        self.energy_mj += pulse.delivered_energy_mj
        self.dose_j_cm2 += pulse.fluence_j_cm2 if pulse.delivered else 0.0


def tally_of(store: Store, session_id: str, rehearsal: bool) -> Tally:
    """What the session has given, by the records."""
    tally = Tally(rehearsal)
    for pulse in store.session_pulses(session_id):
        tally.add(pulse)
    return tally


@dataclass(slots=True)
class Session:
    """The session in hand: its plan, what it has given, and the set-point it is armed for."""

    record: SessionRecord
    plan: TreatmentPlan
    committed: CommittedSetPoint
    tally: Tally
    confirmed_by: str  # whose confirmations it stands on
    taken_back: tuple[Effect, ...] = ()  # of the subject, shown to whoever begins
    arm_epoch: int | None = None  # of the arming that serves it; None: not armed
    tripped: str = ""  # why it is to be interrupted
    wait_until_us: int = 0  # after a refused grant
    used_us: int = 0  # when it was armed, or the last pulse came
    ended: str = ""  # how: done, interrupted or abandoned

    @property
    def state(self) -> str:
        """In a word, for people."""
        return self.ended or (
            "tripped" if self.tripped else "armed" if self.arm_epoch is not None else "open"
        )

    @property
    def remaining(self) -> int:
        """Pulses of the plan that were not given yet."""
        return max(0, self.record.planned_pulses - self.tally.given)

    def due(self, status: Status) -> bool:
        """Whether there may be something to do: to end the session, or to grant its next series."""
        if self.tripped or not self.remaining:
            return True
        return self.arm_epoch is not None and not status.permit_id and status.state is State.READY


def permit_us(plan: TreatmentPlan, pulses: int, limits: DeviceLimits) -> int:
    """How long a permit for so many pulses of the plan holds: never as long as the laser's longest.

    What a series does not give in that time comes under the next permit.
    """
    needed_us = PAUSES_US + round(pulses * 1e6 / plan.rep_rate_hz)
    return min(max(PERMIT_US, needed_us), limits.permit_max_us - PERMIT_MARGIN_US)
