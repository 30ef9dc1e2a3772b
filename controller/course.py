"""The course of one treatment session as a watcher follows it: whether it is over, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from controller.picture import Picture, latch_line, words
from controller.store import SessionRecord

ARMED: Final = frozenset({"arming", "ready", "emitting"})
ENDED: Final = frozenset({"done", "interrupted", "abandoned"})

LEFT_US: Final = 3_000_000
"""[C] After the last pulse its record and the session's end follow within this; a longer pause is an end."""


@dataclass(slots=True)
class Course:
    """Follows the session `session_id` through the statuses in a picture."""

    session_id: str
    session: dict[str, Any] = field(default_factory=dict)  # as it was told last
    armed: bool = False
    _left_us: int | None = None

    def over(self, picture: Picture, now_us: int) -> bool:
        """Whether nothing more will come without somebody's act; call it after each message."""
        told = picture.session
        if told.get("id") == self.session_id:
            self.session = dict(told)
        elif self.session and picture.status:
            return True  # it is in hand no more: the records tell how it ended
        if picture.state in ARMED:
            self.armed, self._left_us = True, None
            return False
        if self.session.get("state") in ENDED:
            return True
        if not self.armed:
            return False
        if self._left_us is None:
            self._left_us = now_us
        return now_us - self._left_us >= LEFT_US

    def settle(self, record: SessionRecord) -> None:
        """Take from the records how it ended: the daemon tells only of the session that it has in hand."""
        self.session |= {"state": record.state.value}
        if not self.session.get("rehearsal"):  # whose pulses are not delivered, but given all the same
            self.session |= {"delivered": record.delivered_pulses, "unknown": record.unknown_pulses}

    @property
    def done(self) -> bool:
        """Whether the session was completed."""
        return self.session.get("state") == "done"

    def ending(self, picture: Picture) -> tuple[str, list[str]]:
        """How it ended, in words, and everything that stands behind it."""
        told = self.session
        given = told.get("planned") if self.done else told.get("delivered")
        text = f"{given} of {told.get('planned')} pulses were given"
        if self.done:
            return f"The session is done: {text}", []
        state = words(str(told.get("state", "unknown")))
        laser = words(picture.state)
        why = [f"latched: {latch_line(latch)}" for latch in picture.supervisor.get("latches") or ()]
        if (leave := str(picture.laser.get("leave", "never"))) != "never":
            why.append(f"the laser left READY because of: {words(leave)}")
        return f"The session is not done: it is {state}, {text}; the laser is in {laser}", why
