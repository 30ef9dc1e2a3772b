"""The lease: one operator at a time commands the laser; the others may look, disarm and stop it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from controller.declined import Declined
from controller.store import OperatorRecord


@dataclass(frozen=True, slots=True)
class Who:
    """An operator and the login through which they ask."""

    operator: OperatorRecord
    token: str

    @property
    def name(self) -> str:
        """The operator's name."""
        return self.operator.name


@dataclass(frozen=True, slots=True)
class Held:
    """Who holds the lease, and until when unless they go on."""

    who: Who
    until_us: int


class Lease:
    """Held by a login from its first command until it logs out or lets `life_us` pass without another."""

    def __init__(self, life_us: int) -> None:
        self._life_us = life_us
        self._held: Held | None = None

    def take(self, who: Who, now_us: int) -> None:
        """Take or renew it; raises Declined while another operator holds it.

        The same one may go on from another login: the console they came from may have died.
        """
        held = self.holder(now_us)
        if held is not None and held.who.name != who.name:
            left_s = (held.until_us - now_us) / 1e6
            text = f"{held.who.name} commands the laser"
            raise Declined(409, "lease", text, f"ask {held.who.name} to log out, or wait {left_s:.0f} s")
        self._held = Held(who, now_us + self._life_us)

    def held_by(self, who: Who, now_us: int) -> bool:
        """Whether this login holds it."""
        held = self.holder(now_us)
        return held is not None and held.who.token == who.token

    def renew(self, now_us: int) -> None:
        """What the holder does at the laser itself counts as use."""
        if self._held is not None:
            self._held = Held(self._held.who, now_us + self._life_us)

    def give_up(self, token: str) -> None:
        """End it if this login holds it."""
        if self._held is not None and self._held.who.token == token:
            self._held = None

    def holder(self, now_us: int) -> Held | None:
        """Who holds it now."""
        if self._held is not None and now_us >= self._held.until_us:
            self._held = None
        return self._held

    def name(self, now_us: int) -> str:
        """Name of the operator who holds it; empty for nobody."""
        held = self.holder(now_us)
        return held.who.name if held is not None else ""

    def report(self, now_us: int) -> dict[str, Any] | None:
        """Who holds it and for how long, as the API tells it."""
        held = self.holder(now_us)
        if held is None:
            return None
        return {"operator": held.who.name, "expires_s": (held.until_us - now_us) / 1e6}
