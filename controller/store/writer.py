"""The writer: the one thread that uses the store, and how coroutines hand work to it.

Theory of operation. A commit waits for the disk, so it must not run on the event loop. All work goes through
a pool of one thread, which makes it ordered; a semaphore bounds what waits, so that a slow disk slows its
callers instead of filling the memory. Work that was handed over is done even if its caller is cancelled: a
half-cancelled write would be neither recorded nor refused.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Concatenate, ParamSpec, Self, TypeVar

from controller.store.errors import StoreError
from controller.store.store import Store

P = ParamSpec("P")
T = TypeVar("T")

CAPACITY = 256
"""How many pieces of work may wait. [C] 25 s of pulses at 10 Hz: a disk that slow has failed."""

_log = logging.getLogger(__name__)


class StoreWriter:
    """Owns a `Store` and runs functions of it in order, in a thread of its own or inline.

    Inline, work runs in the caller's thread: for simulations in virtual time, which must not wait for a
    thread.
    """

    def __init__(self, store: Store, *, inline: bool = False, capacity: int = CAPACITY) -> None:
        self._store = store
        self._executor = None if inline else ThreadPoolExecutor(1, thread_name_prefix="store-writer")
        self._room = asyncio.Semaphore(capacity)
        self._pending = 0
        self._closed = False

    @property
    def pending(self) -> int:
        """How many pieces of work are being done or wait, those that wait for room included."""
        return self._pending

    async def run(self, work: Callable[Concatenate[Store, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do `work(store, *args, **kwargs)` after all handed over before; return or raise what it does."""
        if self._closed:
            raise StoreError("the store is closed", "the program is ending; nothing was recorded")
        return await self._queue(partial(work, self._store, *args, **kwargs))

    async def close(self) -> None:
        """Finish what was handed over, then close the store; closing again does nothing."""
        if self._closed:
            return
        self._closed = True
        await self._queue(self._store.close)
        if self._executor is not None:
            self._executor.shutdown(wait=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _queue(self, work: Callable[[], T]) -> T:
        self._pending += 1
        if self._executor is None:
            return await self._inline(work)  # at once: nothing waits, so there is no room to wait for
        try:
            await self._room.acquire()  # First come, first served.
        except BaseException:
            self._pending -= 1
            raise
        future = asyncio.get_running_loop().run_in_executor(self._executor, work)
        future.add_done_callback(self._done)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            future.add_done_callback(lambda done: _report_unheard(done.exception()))
            raise

    async def _inline(self, work: Callable[[], T]) -> T:
        failure: Exception | None = None
        try:
            return work()
        except Exception as error:  # as from the thread: raised when others have had their turn
            failure = error
            raise
        finally:
            try:
                # Others get their turn here, as they do while a thread works. Virtual time knows if any wait.
                if not getattr(asyncio.get_running_loop(), "alone", False):
                    await asyncio.sleep(0)
            except asyncio.CancelledError:
                _report_unheard(failure)
                raise
            finally:
                self._pending -= 1

    def _done(self, _: object) -> None:
        self._pending -= 1
        self._room.release()


def _report_unheard(failure: BaseException | None) -> None:
    if failure is not None:
        _log.error("a record whose caller had gone failed: %s", failure)
