"""Who does a campaign's runs: processes of this machine or a Dask cluster. What a worker lost is repeated."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, Self, TypeVar

J = TypeVar("J")
R = TypeVar("R")

AHEAD: Final = 2  # [C] runs handed out for each worker: the next is there when one ends, and no more is lost
ATTEMPTS_MAX: Final = 3  # [C] a run during which a worker died this often kills workers by itself


class WorkersError(RuntimeError):
    """Workers cannot be had: says which and what to do."""


class Lost(RuntimeError):
    """Every worker that took this run died of it."""


class Workers(Protocol):
    """Does work somewhere else, in any order; a context manager, left when all is done."""

    workers_lost: int = 0  # how often workers died; what they had was done again

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left behind."""
        return

    def run(self, do: Callable[[J], R], jobs: Iterable[J]) -> Iterator[tuple[J, R | Lost]]:
        """Each job with its result, as they come; Lost for one that no worker survives."""
        ...


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))


class Here(Workers):
    """This very process, one run after the other."""

    def run(self, do: Callable[[J], R], jobs: Iterable[J]) -> Iterator[tuple[J, R | Lost]]:
        """Each job with its result, in their order."""
        for job in jobs:
            yield job, do(job)


@dataclass(slots=True)
class _Task(Generic[J]):
    """A job, and how many workers died while it was under way."""

    job: J
    deaths: int = 0


class _Todo(Generic[J]):
    """What is to be done: first what has to be repeated, then what comes."""

    def __init__(self, jobs: Iterable[J]) -> None:
        self._coming = iter(jobs)
        self._again: deque[_Task[J]] = deque()

    def take(self, under_way: int, most: int) -> _Task[J] | None:
        """The next task, None for now or for ever. One that workers died with is done alone, to be sure."""
        if self._again:
            return self._again.popleft() if not under_way else None
        if under_way >= most:
            return None
        return next((_Task(job) for job in self._coming), None)

    def repeat(self, task: _Task[J]) -> None:
        """This one once more."""
        self._again.append(task)


class Processes(Workers):
    """`count` processes of this machine, started afresh (spawned), so that nothing is shared."""

    def __init__(self, count: int) -> None:
        if count < 1:
            raise WorkersError(f"{count} workers: give at least 1, or auto for one a core")
        self._count = count

    def run(self, do: Callable[[J], R], jobs: Iterable[J]) -> Iterator[tuple[J, R | Lost]]:
        """Each job with its result; when a worker dies all are replaced and what they had is repeated."""
        todo = _Todo(jobs)
        died = True
        while died:
            under_way: dict[Future[R], _Task[J]] = {}
            died = False
            with ProcessPoolExecutor(self._count, multiprocessing.get_context("spawn"), _belong) as pool:
                try:
                    yield from self._with_pool(pool, do, todo, under_way)
                except BrokenProcessPool:
                    died = True
                finally:
                    pool.shutdown(wait=False, cancel_futures=True)  # whoever breaks off waits for few
            self.workers_lost += died
            for task in under_way.values():
                task.deaths += 1
                if task.deaths < ATTEMPTS_MAX:
                    todo.repeat(task)
                else:
                    yield task.job, Lost(f"{task.deaths} workers died with it")

    def _with_pool(
        self,
        pool: ProcessPoolExecutor,
        do: Callable[[J], R],
        todo: _Todo[J],
        under_way: dict[Future[R], _Task[J]],
    ) -> Iterator[tuple[J, R]]:
        """Everything, or as much as comes before a worker dies; `under_way` keeps what it had."""
        alone = False
        while True:
            while not alone and (task := todo.take(len(under_way), self._count * AHEAD)) is not None:
                alone = task.deaths > 0
                try:
                    under_way[pool.submit(do, task.job)] = task
                except BrokenProcessPool:
                    todo.repeat(task)
                    raise
            if not under_way:
                return
            for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                result = future.result()
                yield under_way.pop(future).job, result
            alone = alone and bool(under_way)


def _belong() -> None:
    """Let this worker end with the process that it works for, however that ends, and at once with Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, name="end with parent", daemon=True).start()


def _end_with_parent() -> None:
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)  # what is under way is for nobody


class Dask(Workers):
    """The workers of a Dask cluster. What a lost worker had, the scheduler gives to another one."""

    def __init__(self, address: str, *, timeout_s: float = 10.0) -> None:
        try:
            import distributed  # noqa: PLC0415  # an extra
        except ImportError as error:
            raise WorkersError("Dask is not installed: pip install 'picolase[dask]'") from error
        self._dask: Any = distributed  # it has types for a part of itself only
        try:
            self._client = self._dask.Client(address, timeout=timeout_s)
        except (OSError, ValueError) as error:
            raise WorkersError(f"{address}: no Dask scheduler answers there ({error})") from error

    def run(self, do: Callable[[J], R], jobs: Iterable[J]) -> Iterator[tuple[J, R | Lost]]:
        """Each job with its result, as they come."""
        coming = iter(jobs)
        known: dict[str, J] = {}

        def give() -> Any:
            job = next(coming, None)
            if job is None:
                return None
            future = self._client.submit(do, job, pure=False)
            known[future.key] = job
            return future

        workers = self._addresses()
        ahead = AHEAD * max(1, sum(self._client.nthreads().values()))
        first = [future for future in (give() for _ in range(ahead)) if future is not None]
        arriving = self._dask.as_completed(first)
        for future in arriving:
            job = known.pop(future.key)
            try:
                yield job, future.result()
            except self._dask.scheduler.KilledWorker as error:
                yield job, Lost(str(error))
            following = give()
            if following is not None:
                arriving.add(following)
        self.workers_lost = len(workers - self._addresses())

    def _addresses(self) -> set[str]:
        """Of the workers that there are; one that is started again has another."""
        return set(self._client.nthreads())

    def __exit__(self, *_: object) -> None:
        """Let the cluster go."""
        self._client.close()
