"""Workers: every job is done once, also when a worker is killed in the middle of it."""

import fcntl
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rig.workers import Dask, Here, Lost, Processes, WorkersError, cores

pytestmark = pytest.mark.processes

FREE = 4  # so many jobs nobody holds up
PID_BYTES = 4


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


def held_up(job: tuple[str, int]) -> int:
    """All but the first jobs say who does them, and do not end while the test holds the gate."""
    folder, number = job
    if number >= FREE:
        with (Path(folder) / "began").open("ab", buffering=0) as began:
            began.write(os.getpid().to_bytes(PID_BYTES))
        with (Path(folder) / "gate").open() as gate:
            fcntl.flock(gate, fcntl.LOCK_SH)
    return number


def test_here_does_everything_in_order() -> None:
    assert list(Here().run(square, range(5))) == [(n, n * n) for n in range(5)]


def test_processes_do_everything_once() -> None:
    workers = Processes(2)
    assert dict(workers.run(square, range(20))) == {n: n * n for n in range(20)}
    assert workers.workers_lost == 0


def test_what_a_killed_worker_had_is_done_again(tmp_path: Path) -> None:
    jobs = [(str(tmp_path), number) for number in range(12)]
    workers = Processes(2)
    results = list(workers.run(die_once, jobs))
    assert workers.workers_lost == 1
    assert sorted(number for _, number in results if isinstance(number, int)) == list(range(12))
    assert (tmp_path / "died").exists()


def test_a_job_that_kills_every_worker_is_given_up_and_the_others_are_done() -> None:
    workers = Processes(1)
    results = dict(workers.run(die_always, range(2, 5)))
    assert workers.workers_lost == 3
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
@pytest.mark.timeout(600)
def test_dask_does_everything_although_a_worker_is_killed(tmp_path: Path) -> None:
    began = tmp_path / "began"
    os.mkfifo(began)
    jobs = [(str(tmp_path), number) for number in range(40)]
    results = []
    with (
        (tmp_path / "gate").open("w") as gate,
        began.open("r+b", buffering=0) as beginners,
        cluster() as found,
        Dask(found.scheduler_address) as dask,
    ):
        fcntl.flock(gate, fcntl.LOCK_EX)
        for (_, number), result in dask.run(held_up, jobs):
            assert result == number
            results.append(number)
            if len(results) == FREE:
                os.kill(int.from_bytes(beginners.read(PID_BYTES)), signal.SIGKILL)  # in the middle of its job
                fcntl.flock(gate, fcntl.LOCK_UN)
        assert dask.workers_lost == 1
    assert sorted(results) == list(range(40))


def test_a_dask_scheduler_that_is_not_there_is_named() -> None:
    with pytest.raises(WorkersError, match="no Dask scheduler answers"):
        Dask("tcp://127.0.0.1:9", timeout_s=0.5)
