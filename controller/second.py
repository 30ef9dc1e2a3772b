"""The two-person rule: what overrides a safety record needs a second person, asked there and then.

Theory of operation. The second person gives name and password together with the request of the first. They
are not logged in by it, and they agree to this one act alone; both names are audited before it is done.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from controller.declined import Declined
from controller.lease import Who
from controller.operators import Logins, NotAuthorised
from controller.store import Role, Store, StoreWriter


class Override(enum.Enum):
    """What needs two persons, in words."""

    GIVE_UP_PULSES = "giving up pulses that have no record"
    ABANDON = "abandoning somebody else's session"
    NO_FOOT = "a service plan that fires without the footswitch"


@dataclass(frozen=True, slots=True)
class Second:
    """Who agrees, and their own password."""

    name: str
    password: str = field(repr=False)


class TwoPersons:
    """Asks for the second person."""

    def __init__(self, writer: StoreWriter, logins: Logins, now_us: Callable[[], int]) -> None:
        self._writer = writer
        self._logins = logins
        self._now_us = now_us

    async def demand(
        self, who: Who, second: Second | None, override: Override, about: Mapping[str, object]
    ) -> None:
        """Audit that both agree, or raise Declined (403) with a code `second...`: nothing was done then."""
        ask = "give name and password of somebody else with the service or administrator role"
        if second is None:
            raise Declined(403, "second.needed", f"{override.value} needs a second person", ask)
        if second.name == who.name:
            raise Declined(403, "second.same", f"{who.name} is the first person, not a second", ask)
        try:
            operator = await self._logins.prove(second.name, second.password, purpose="second")
        except NotAuthorised as error:
            code = f"second.{error.reason.name.lower()}"
            raise Declined(403, code, f"the second person was not accepted: {error}", ask) from error
        if not operator.role.covers(Role.SERVICE):
            text = f"{operator.name} is {operator.role.value} and cannot be the second person"
            raise Declined(403, "second.role", text, ask)
        text = f"{operator.name} agreed with {who.name} to {override.value}"
        body = {"act": override.name.lower(), "second": operator.name, "text": text} | dict(about)
        await self._writer.run(Store.append_audit, "override", who.name, body, now_us=self._now_us())
