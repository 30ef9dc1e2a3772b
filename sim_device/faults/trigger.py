"""When a fault comes: at what time or event, after what delay, how likely, for how long, how often."""

from __future__ import annotations

import difflib
import enum
from dataclasses import fields
from typing import Final, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from protocols.interface import MESSAGES
from protocols.states import State
from sim_device.board import Inputs, Outputs

# The two sides of the board share no name, so that a line's name says which side it is on (tested).
INPUT_LINES: Final = tuple(line.name for line in fields(Inputs))
OUTPUT_LINES: Final = tuple(line.name for line in fields(Outputs))
LINES: Final = INPUT_LINES + OUTPUT_LINES
_MESSAGES: Final = {message.__name__: message for message in MESSAGES}


class Kind(enum.Enum):
    """What an event is about; the value begins its words."""

    STATE = "state"
    PULSE = "pulse"
    RISES = "rises"
    FALLS = "falls"
    BOOT = "boot"
    TO_DEVICE = "frame to_device"
    TO_HOST = "frame to_host"


_OBJECTS: Final[dict[Kind, tuple[str, ...]]] = {
    Kind.STATE: tuple(state.name for state in State),
    Kind.PULSE: (),
    Kind.RISES: LINES,
    Kind.FALLS: LINES,
    Kind.BOOT: (),
    Kind.TO_DEVICE: tuple(_MESSAGES),
    Kind.TO_HOST: tuple(_MESSAGES),
}
_OPTIONAL: Final = frozenset({Kind.TO_DEVICE, Kind.TO_HOST})  # without a message every frame counts

FORMS: Final = (
    "state READY",
    "pulse",
    "rises shutter_open",
    "falls door_closed",
    "boot",
    "frame to_device",
    "frame to_device Heartbeat",
    "frame to_host Status",
)
"""One example of each form, for messages and documents."""


class Event(NamedTuple):
    """A kind of event and what it is about: a state, a board line, a message, or nothing."""

    kind: Kind
    about: str

    @classmethod
    def parse(cls, words: str) -> Event:
        """The event in these words; ValueError names what would be understood."""
        words = " ".join(words.split())
        for kind, objects in _OBJECTS.items():
            if words != kind.value and not words.startswith(kind.value + " "):
                continue
            about = words.removeprefix(kind.value).strip()
            if about in objects or (not about and (not objects or kind in _OPTIONAL)):
                return cls(kind, about)
            near = difflib.get_close_matches(about, objects, n=1, cutoff=0.4)
            if not objects:
                raise ValueError(f"write only {kind.value!r}")
            hint = f"; did you mean '{kind.value} {near[0]}'?" if near else ""
            raise ValueError(f"give one of {', '.join(objects)} after {kind.value!r}{hint}")
        raise ValueError("is no event: write one like " + ", ".join(repr(form) for form in FORMS))


class Trigger(BaseModel):
    """When a fault comes and goes. Without `at_s` and `on` it comes at once (after `after_s`)."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    at_s: float | None = Field(
        None, ge=0, le=1e6, allow_inf_nan=False, description="Time since the run began, in s."
    )
    on: str | None = Field(None, description=f"Event on which it comes: {', '.join(FORMS)}.")
    nth: int | None = Field(None, ge=1, le=1_000_000_000, description="From which occurrence of `on` on.")
    probability: float | None = Field(
        None, gt=0, le=1, allow_inf_nan=False, description="Of each occurrence, or of its coming at all."
    )
    after_s: float = Field(0.0, ge=0, le=1e6, allow_inf_nan=False, description="Delay, in s.")
    for_s: float | None = Field(
        None, gt=0, le=1e6, allow_inf_nan=False, description="How long it lasts, in s; for ever, if not set."
    )
    times: int | None = Field(
        None, ge=1, le=1_000_000_000, description="How often it comes at most: 1, with `probability` any."
    )

    @field_validator("on")
    @classmethod
    def _is_event(cls, words: str | None) -> str | None:
        if words is not None:
            Event.parse(words)
        return words

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if self.at_s is not None and self.on is not None:
            raise ValueError("give at_s or on, not both: a fault has one trigger")
        if self.on is None and self.nth is not None:
            raise ValueError("nth counts occurrences of an event: give `on`, or leave nth out")
        if self.nth is not None and self.probability is not None:
            raise ValueError("give nth or probability, not both")
        if self.on is None and (self.times or 1) > 1:
            raise ValueError("without `on` it comes once: leave times out, or give `on`")
        return self

    @property
    def event(self) -> Event | None:
        """The event of `on`."""
        return None if self.on is None else Event.parse(self.on)

    @property
    def times_max(self) -> float:
        """How often it may come."""
        if self.times is not None:
            return self.times
        return float("inf") if self.on is not None and self.probability is not None else 1


def microseconds(seconds: float) -> int:
    """A time of people in the simulator's unit."""
    return round(seconds * 1_000_000)
