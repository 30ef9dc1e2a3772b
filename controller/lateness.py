"""Lateness: a trip that says no more than that this computer was busy, and what a person does after it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from controller.client import ApiRefusal, Client

LATE: Final = frozenset({"loop_lag", "stale", "reconnected", "uncertain"})
"""Latches that lateness alone can set: of a tick, a status, the link, an answer.

A fault of the device counts when it is `LATE_FAULT` and no other.
"""

LATE_FAULT: Final = "link_lost"
POLL_S: Final = 0.1
LATE_MAX: Final = 20  # [C] trips by lateness; with more this computer is no place for a laser in real time


def only_late(status: Mapping[str, Any]) -> bool:
    """Whether something is latched in this status of the daemon, and nothing that says more than lateness."""
    names = {latch["name"] for latch in (status.get("supervisor") or {}).get("latches") or ()}
    faults = set((status.get("laser") or {}).get("faults") or ())
    return bool(names) and names <= LATE | {"device_fault"} and faults <= {LATE_FAULT}


async def acknowledge_all(client: Client, *, late: bool = False) -> None:
    """Acknowledge what is latched, each as soon as its cause is gone; for ever, if that does not come.

    `late`: only for as long as that is nothing but lateness.
    """
    while latches := (status := await client.status())["supervisor"]["latches"]:
        if late and not only_late(status):
            return
        for latch in latches:
            await client.acknowledge([{"name": latch["name"], "instance": latch["instance"]}])
        await asyncio.sleep(POLL_S)


async def take_up_again(client: Client, wavelength_nm: int) -> bool:
    """Acknowledge a trip by lateness and resume, as soon as both are allowed; for ever, if they never are.

    False when the trip came with the last pulse, so that nothing is left to resume.
    """
    while True:
        await acknowledge_all(client, late=True)
        try:
            await client.resume_session(wavelength_nm, checklist=True)
            return True
        except ApiRefusal as refusal:  # its books are not closed yet, or the laser is on its way to STANDBY
            if refusal.server_failed:
                raise
            if refusal.code == "session.none":
                return False
        await asyncio.sleep(POLL_S)


def in_hand(status: Mapping[str, Any]) -> bool:
    """Whether this status of the daemon shows a session that can be armed for."""
    session, laser = status.get("session") or {}, status.get("laser") or {}
    at_rest = (session.get("state"), laser.get("state")) == ("open", "standby")
    return at_rest and not (status.get("supervisor") or {}).get("latches")
