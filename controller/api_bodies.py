"""The bodies of the API's requests, and of what it refuses: strict, nothing unknown."""

from datetime import date
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, WithJsonSchema

from controller.second import Second
from controller.store.courses import Finding
from safety import checklist
from safety.courses import PAIN_MOST, EffectKind, Mistake

TEXT_MAX = 10_000  # [C] twice a plan of a thousand series; the worst text of it is read in 0.05 s
NAME_MAX = 64
NAMES_MAX = 100  # [C] the checklist has 16 items; a subject with so many grave effects is treated no more


class Body(BaseModel):
    """Base of all request bodies: strict, nothing unknown."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


def _named(items: object) -> object:
    """True and False are all items and none."""
    return (list(checklist.ITEMS) if items else []) if isinstance(items, bool) else items


Name = Annotated[str, Field(min_length=1, max_length=NAME_MAX)]
Items = Annotated[
    list[Name],
    Field(max_length=NAMES_MAX),
    BeforeValidator(_named),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "boolean"},
                {
                    "type": "array",
                    "maxItems": NAMES_MAX,
                    "items": {"type": "string", "minLength": 1, "maxLength": NAME_MAX},
                },
            ]
        }
    ),
]


class Login(Body):
    """Who wants in."""

    name: str = Field(max_length=64)
    password: str = Field(max_length=256)


class PlanText(Body):
    """A plan file as it stands on the caller's disk."""

    text: str = Field(max_length=TEXT_MAX)
    file: str = Field("plan", max_length=4096)


class SecondPerson(Login):
    """Who agrees to what needs two persons, by their own password."""


class Agreed(Body):
    """What may need the agreement of a second person."""

    second: SecondPerson | None = Field(None, description="somebody else of the service role or above")

    def given(self) -> Second | None:
        """The second person, if one was given."""
        return None if self.second is None else Second(self.second.name, self.second.password)


NOBODY: Final = Agreed(second=None)


class Confirmations(Agreed):
    """What the operator confirms in person before a session may arm."""

    eyewear_nm: int = Field(ge=0, le=2000, description="wavelength the eyewear worn is made for")
    checklist: Items = Field(description="the items of the checklist that are confirmed; true: all of them")
    service: bool = Field(
        False, description="service plan: beam into a dump or power meter, room controlled, eyewear worn"
    )
    course: list[Name] = Field(
        default_factory=list,
        max_length=NAMES_MAX,
        description="matters of the subject's course that are confirmed, by the names of the refusal",
    )


class NewSession(PlanText, Confirmations):
    """A plan to carry out, with the operator's confirmations."""


class LatchRef(Body):
    """One latch by name and instance, as the caller read it."""

    name: str = Field(max_length=64)
    instance: int = Field(ge=0)


class Acknowledgement(Body):
    """The latches the operator acknowledges."""

    latches: list[LatchRef] = Field(min_length=1, max_length=64)


class Switch(Body):
    """Something to switch on or off."""

    on: bool


def _day(value: object) -> object:
    """The day in text that is just a day; everything else as it is, which is none."""
    if isinstance(value, str) and (day := date.fromisoformat(value)).isoformat() == value:
        return day
    return value


Day = Annotated[date | None, BeforeValidator(_day)]
EffectNumber = Annotated[int, Field(ge=1, description="the number that the record of it has")]


class Described(Body):
    """What there is to tell of an adverse effect; days are whole days in UTC."""

    kind: Annotated[EffectKind, Strict(False)]
    severity: int = Field(ge=0, le=PAIN_MOST, description="pain: 0 to 10; else 1 mild, 2 moderate, 3 severe")
    onset: Day = Field(None, description="when it was seen first")
    resolved: Day = Field(None, description="when it had gone, if it has")


class NewEffect(Described):
    """An adverse effect of a session, seen first today unless told."""

    session: Name


class Resolution(Body):
    """That an adverse effect had gone, today unless told."""

    effect: EffectNumber
    on: Day = None


class Replacement(Described):
    """What the effect really was: of the same session, seen first on the same day, unless told."""

    session: Name | None = None

    def finding(self) -> Finding:
        """As the records know it."""
        return Finding(self.kind, self.severity, self.session, self.onset, self.resolved)


class EffectCorrection(Body):
    """That an adverse effect was recorded by mistake; `instead` with the reason recorded_wrongly alone."""

    effect: EffectNumber
    reason: Annotated[Mistake, Strict(False)]
    instead: Replacement | None = None


class ReasonTold(BaseModel):
    """One reason of a refusal."""

    code: str
    text: str
    action: str


class ProblemTold(BaseModel):
    """One thing that is wrong with what was given."""

    code: str
    field: str
    value: Any
    allowed: str
    source: str
    action: str


class Refusal(BaseModel):
    """The body of every answer that is no 2xx."""

    error: str
    message: str
    reasons: list[ReasonTold]
    problems: list[ProblemTold]
