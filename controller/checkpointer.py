"""The checkpointer: signs the audit's head from time to time, and tells the head to the world outside."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from functools import partial
from typing import Final

from controller.audit_head import HeadFile
from controller.store import Store, StoreError, StoreWriter
from protocols.timing import SECOND
from safety.audit import Head
from safety.checkpoints import Signer

EVERY_ENTRIES: Final = 1_000  # [C] 100 s of pulses at 10 Hz, the most that only the hashes hold
EVERY_US: Final = 600 * SECOND  # [C] ten minutes, if anything was recorded in them
LOOK_S: Final = 1.0  # [C] as often as the state is told to who keeps the head elsewhere

_log = logging.getLogger(__name__)


class Checkpointer:
    """Keeps `head` up to date, and signs it with what `signer` gives; without one it does nothing.

    `device` names the laser, empty while none is known; `on_trouble` is told, once, when signing fails.
    """

    def __init__(
        self,
        writer: StoreWriter,
        signer: Callable[[Store], Signer] | None,
        *,
        device: Callable[[], str],
        now_us: Callable[[], int],
        on_trouble: Callable[[str], None],
    ) -> None:
        self.head: Head | None = None
        self._writer = writer
        self._signer = signer
        self._device = device
        self._now_us = now_us
        self._on_trouble = on_trouble
        self._signed: int | None = None  # the number of our last checkpoint; the first is due at once
        self._signed_us = 0
        self._failing = False

    async def run(self) -> None:
        """Look each second until cancelled; a checkpoint is due after so many entries or so long."""
        if self._signer is None:
            await asyncio.Event().wait()
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def close(self, within_s: float) -> None:
        """Sign what is new once more, if that can be done in this time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self.look(sign=True)

    async def look(self, *, sign: bool = False) -> None:
        """Learn the head, and sign it if that is due or asked for, and anything is new."""
        if self._signer is None:
            return
        try:
            self.head = await self._writer.run(Store.audit_head)
            if self._due(sign=sign):
                await self._sign(self._signer)
            self._failing = False
        except StoreError as error:
            if not self._failing:
                self._failing = True
                self._on_trouble(f"the audit could not be signed: {error}")

    def _due(self, *, sign: bool) -> bool:
        if self._signed is None:
            return True
        new = (-1 if self.head is None else self.head.index) - self._signed
        late = self._now_us() - self._signed_us >= EVERY_US
        return new >= EVERY_ENTRIES or (new > 0 and (sign or late))

    async def _sign(self, signer: Callable[[Store], Signer]) -> None:
        work = partial(_checkpoint, signer=signer, device=self._device(), now_us=self._now_us())
        head, lost = await self._writer.run(work)
        self.head = head
        if lost is not None:
            self._on_trouble(
                f"the audit no longer has entry {lost.index}, which was its head: its end was cut off or the "
                "database exchanged, as by a restored backup. Otherwise keep a copy and find out why"
            )
        self._signed, self._signed_us = head.index, self._now_us()
        # The log is kept by the system's journal: a copy of the head outside of the database.
        _log.info("the audit is signed, its head is %d:%s", head.index, head.hash)
        await self._writer.run(_keep, head)


def _checkpoint(
    store: Store, *, signer: Callable[[Store], Signer], device: str, now_us: int
) -> tuple[Head, Head | None]:
    """Sign; the new head, and the one beside the database if that is on record no more."""
    lost = HeadFile(store.path).missing(store)
    if lost is not None:  # recorded before that file, the last witness, is written over
        body = {"index": lost.index, "hash": lost.hash}
        store.append_audit("audit.cut_off", "daemon", body, now_us=now_us)
    entry = store.append_checkpoint(signer(store), device, actor="daemon", now_us=now_us)
    return Head(entry.index, entry.hash), lost


def _keep(store: Store, head: Head) -> None:
    HeadFile(store.path).keep(head)
