"""The archive: sessions and incidents of the past, for the page.

Theory of operation. Lists are short questions to the database. A report reads and proves the whole audit and
draws; that is left to a process of its own, one at a time, which shares neither the daemon's loop nor its
interpreter: a heartbeat must not wait for a picture.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from controller.declined import Declined
from controller.store import RecordRefused, SessionRecord, Store, StoreWriter, rfc3339
from safety.courses import Effect

LISTED: Final = 100
READING_S: Final = 60.0  # [C] a database of years is proven in seconds; what takes longer hangs
WAITING_MAX: Final = 8  # [C] whoever comes later is told at once, rather than after minutes

DONE: Final = 0
ABSENT: Final = 4

Ask = Callable[[Path, str, str], Awaitable[tuple[int, bytes, str]]]
"""Database, question and id; the status of `controller.web.reading`, its answer, and why there is none."""


class Archive:
    """Asks `writer` for lists and `ask` for what takes a while, both of the database at `path`."""

    def __init__(self, writer: StoreWriter, path: Path, ask: Ask | None = None) -> None:
        self._writer = writer
        self._path = path
        self._ask = ask or in_a_process
        self._one_at_a_time = asyncio.Lock()
        self._waiting = 0

    async def sessions(self) -> list[dict[str, Any]]:
        """The newest sessions, newest first."""
        return [_told(one) for one in await self._writer.run(Store.sessions, limit=LISTED)]

    async def incidents(self) -> list[dict[str, Any]]:
        """The newest trips, newest first."""
        kept = await self._writer.run(Store.incidents, limit=LISTED)
        return [
            {"id": one.id, "time": rfc3339(one.wall_time), "first_cause": one.first_cause} for one in kept
        ]

    async def effects(self, session_id: str) -> list[dict[str, Any]]:
        """The adverse effects of one session, in the order of recording; Declined where there is none."""
        try:
            return [one.plain() for one in await self._writer.run(_effects, session_id)]
        except RecordRefused as error:
            raise Declined(404, "records.absent", str(error)) from error

    async def answer(self, question: str, known_as: str) -> bytes:
        """The answer of `controller.web.reading`; raises Declined when there is none."""
        if self._waiting >= WAITING_MAX:
            text = f"{WAITING_MAX} reports are being made already"
            raise Declined(429, "records.busy", text, "ask again in a minute")
        self._waiting += 1
        try:
            async with self._one_at_a_time:
                status, answer, why = await self._ask(self._path, question, known_as)
        finally:
            self._waiting -= 1
        if status == DONE:
            return answer
        if status == ABSENT:
            raise Declined(404, "records.absent", why)
        raise Declined(503, "records", why or "the records could not be read", "see the daemon's log")


async def in_a_process(path: Path, question: str, known_as: str) -> tuple[int, bytes, str]:
    """Ask a new process; one that does not end in time, or whose asker is gone, is killed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "controller.web.reading", str(path), question, known_as),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(READING_S):
            answer, errors = await process.communicate()
    except TimeoutError:
        return -1, b"", f"the records were not read within {READING_S:.0f} s"
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return process.returncode or DONE, answer, errors.decode(errors="replace")[-1000:]


def _told(session: SessionRecord) -> dict[str, Any]:
    return {
        "id": session.id,
        "name": session.plan.get("name", ""),
        "subject": session.plan.get("subject"),
        "operator": session.operator,
        "state": session.state.value,
        "started": rfc3339(session.started),
        "ended": None if session.ended is None else rfc3339(session.ended),
        "planned": session.planned_pulses,
        "delivered": session.delivered_pulses,
        "unknown": session.unknown_pulses,
        "energy_mj": session.energy_mj,
        "dose_j_cm2": session.dose_j_cm2,
    }


def _effects(store: Store, session_id: str) -> list[Effect]:
    store.session(session_id)  # refuses where there is none
    return store.session_effects(session_id)
