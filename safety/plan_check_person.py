"""What of a plan concerns people: its words, who is treated, and what has to be confirmed first."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from protocols.requests import Trigger
from safety.plan import PlanRefusal
from safety.plan_case import Case
from safety.preset import SERVICE, SKIN_TYPES, Condition, Locked
from safety.presets import PRESETS

_NAME_MAX: Final = 80
_TRIGGERS: Final = tuple(trigger.name.lower() for trigger in Trigger)
_PSEUDONYM: Final = re.compile(r"(?=.*[0-9])[A-Za-z0-9-]{1,32}")  # a digit: so that a plain name is refused
_OF_A_PERSON: Final = ("skin_type", "subject", "acknowledged", "area_cm2", "overlap_percent")


def person_refusals(case: Case) -> Iterator[PlanRefusal]:
    """Every reason against the plan's words, subject and skin type."""
    yield from _words(case)
    yield from _nobody(case) if case.plan.service else _skin(case)


def _words(case: Case) -> Iterator[PlanRefusal]:
    plan, refuse = case.plan, case.refuse
    if not plan.name.strip() or len(plan.name) > _NAME_MAX or not plan.name.isprintable():
        yield refuse("name", "name", f"1 to {_NAME_MAX} printable characters", "project", "name the plan")
    if case.preset is None and not plan.service:
        yield refuse(
            "indication",
            "indication",
            f"one of {', '.join((*PRESETS, SERVICE))}",
            "treatments.csv T023-T028",
            "choose the indication; without one nothing is known to be safe",
        )
    if type(plan.rehearsal) is not bool:
        yield refuse("rehearsal", "rehearsal", "true or false", "project", "say which")
    if plan.trigger not in (_TRIGGERS if plan.service else _TRIGGERS[:1]):
        yield refuse(
            "trigger",
            "trigger",
            f"one of {', '.join(_TRIGGERS)}, and internal in a service plan alone",
            "project",
            "take it out: a treatment is fired by the footswitch",
        )
    if plan.subject is not None and not _PSEUDONYM.fullmatch(plan.subject):
        yield refuse(
            "subject",
            "subject",
            "up to 32 letters, digits and dashes with at least one digit, or none",
            "project: no personal data",
            "use the subject's pseudonym, never a name",
        )
    if set(plan.acknowledged) - {condition.value for condition in Condition}:
        yield refuse(
            "acknowledged",
            "acknowledged",
            f"any of {', '.join(condition.value for condition in Condition)}",
            "project",
            "take out what is not in the list",
        )


def _nobody(case: Case) -> Iterator[PlanRefusal]:
    """A service plan that names anything of a person was meant to be another plan."""
    for field in _OF_A_PERSON:
        if getattr(case.plan, field) not in (None, "", ()):
            yield case.refuse(
                "service_person",
                field,
                "none in a service plan: it gives light to no person",
                "project",
                "take it out; to treat somebody, name the indication",
            )


def _skin(case: Case) -> Iterator[PlanRefusal]:
    skin, preset = case.plan.skin_type, case.preset
    if skin not in SKIN_TYPES:
        allowed = f"one of {', '.join(SKIN_TYPES)}"
        yield case.refuse("skin_type", "skin_type", allowed, "Fitzpatrick's scale", "assess the skin type")
        return
    if preset is None:
        return
    rule, source = preset.skin[skin], preset.source_of("skin")
    if isinstance(rule, Locked):
        able = ", ".join(name for name, other in preset.skin.items() if not isinstance(other, Locked))
        yield case.refuse(
            "skin_locked",
            "skin_type",
            f"{preset.indication} is locked for it; skin types {able}",
            source,
            "do not treat this skin type with this laser and indication",
        )
    elif rule is not None:
        yield from case.needs(rule, "skin_type", source)
