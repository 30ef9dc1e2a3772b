"""Workers: every job is done once, also when a worker is killed in the middle of it."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rig.workers import Dask, Here, Lost, Processes, WorkersError, cores

pytestmark = pytest.mark.processes


def square(number: int) -> int:
    return number * number


def die_once(job: tuple[str, int]) -> int:
    """Kills its own worker the first time it meets job 3."""
    folder, number = job
    mark = Path(folder) / "died"
    if number == 3 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def die_always(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def slowly(number: int) -> tuple[int, int]:
    time.sleep(0.05)  # real work of another process: something must be under way when its worker is killed
    return number, os.getpid()


def test_here_does_everything_in_order() -> None:
    assert list(Here().run(square, range(5))) == [(n, n * n) for n in range(5)]


def test_processes_do_everything_once() -> None:
    assert dict(Processes(2).run(square, range(20))) == {n: n * n for n in range(20)}


def test_what_a_killed_worker_had_is_done_again(tmp_path: Path) -> None:
    jobs = [(str(tmp_path), number) for number in range(12)]
    results = list(Processes(2).run(die_once, jobs))
    assert sorted(number for _, number in results if isinstance(number, int)) == list(range(12))
    assert (tmp_path / "died").exists()


def test_a_job_that_kills_every_worker_is_given_up_and_the_others_are_done() -> None:
    results = dict(Processes(1).run(die_always, range(2, 5)))
    assert isinstance(results[3], Lost)
    assert (results[2], results[4]) == (2, 4)


def test_no_workers_are_refused() -> None:
    with pytest.raises(WorkersError, match="at least 1"):
        Processes(0)
    assert cores() >= 1


@contextmanager
def cluster() -> Iterator[Any]:
    """A real Dask cluster of two processes on this machine."""
    import distributed

    local: Any = distributed.LocalCluster  # untyped

    with local(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as found:
        yield found


@pytest.mark.filterwarnings("ignore")  # Dask and its event loop complain of killed workers in many ways
@pytest.mark.timeout(120)
def test_dask_does_everything_although_a_worker_is_killed() -> None:
    with cluster() as found:
        results: dict[int, int] = {}
        killed = 0
        with Dask(found.scheduler_address) as dask:
            for number, result in dask.run(slowly, range(40)):
                assert not isinstance(result, Lost)
                results[number] = result[0]
                if not killed and number > 3:
                    killed = result[1]
                    os.kill(killed, signal.SIGKILL)
    assert results == {number: number for number in range(40)}
    assert killed


def test_a_dask_scheduler_that_is_not_there_is_named() -> None:
    with pytest.raises(WorkersError, match="no Dask scheduler answers"):
        Dask("tcp://127.0.0.1:9", timeout_s=0.5)
