"""What a campaign leaves behind: results of one writer, reports without extras, words for a full disk."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from controller.cli.exits import CommandFailed
from rig.cli.campaign import campaign as command
from rig.report import ReportError, write, write_page
from rig.results import CampaignError, Results, read
from rig.totals import totals
from tests.rig.test_campaign import kept, result_of, scenario

__all__ = ["scenario"]  # a fixture


def called(*words: str) -> Result:
    return CliRunner().invoke(command, list(words))


def failed(result: Result) -> str:
    assert isinstance(result.exception, CommandFailed), result.output
    return str(result.exception)


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """A disk that is full: no file of this process grows beyond `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_two_campaigns_do_not_write_one_file(tmp_path: Path) -> None:
    with Results(tmp_path).alone():
        words = r"results-1of1.jsonl: another campaign writes it: .* another --out"
        with pytest.raises(CampaignError, match=words), Results(tmp_path).alone():
            pass
        with Results(tmp_path, "2of3").alone():
            pass
    with Results(tmp_path).alone():
        pass


def test_the_command_refuses_a_directory_that_another_campaign_writes(tmp_path: Path, scenario: Path) -> None:
    with Results(tmp_path).alone():
        text = failed(called("--scenario", str(scenario), "--seeds", "1", "--out", str(tmp_path)))
    assert "another campaign writes it" in text
    assert list(read(tmp_path)) == []


def test_nothing_is_merged_into_what_another_campaign_writes(tmp_path: Path) -> None:
    kept(tmp_path / "part", 1, "some-code")
    with Results(tmp_path / "out").alone():
        text = failed(called("--merge", str(tmp_path / "part"), "--out", str(tmp_path / "out")))
    assert "another campaign writes it" in text
    assert list(read(tmp_path / "out")) == []


def test_a_directory_that_cannot_be_written_is_refused_before_anything_runs(scenario: Path) -> None:
    text = failed(called("--scenario", str(scenario), "--seeds", "1", "--out", "/proc/nowhere"))
    assert "/proc/nowhere/results-1of1.jsonl: cannot be written: No such file or directory" in text


def test_a_full_disk_ends_a_campaign_with_words_and_keeps_what_was_done(tmp_path: Path) -> None:
    results = Results(tmp_path)
    results.add(result_of(1))
    size = (tmp_path / "results-1of1.jsonl").stat().st_size
    with files_of_at_most(size + 100), pytest.raises(CampaignError) as caught:
        results.add(result_of(2))
    assert os.strerror(errno.EFBIG) in str(caught.value)
    assert "what was done is kept" in str(caught.value)
    again = Results(tmp_path)
    assert [one.seed for one in again] == [1]
    with again.alone():
        again.add(result_of(2))
    assert [one.seed for one in Results(tmp_path)] == [1, 2]


def test_json_and_junit_need_no_extras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    runs = [result_of(1)]
    assert [path.name for path in write(tmp_path, runs, totals(runs), "t")] == ["report.json", "report.xml"]
    with pytest.raises(ReportError, match="pip install"):
        write_page(tmp_path, runs, totals(runs), "t")
    folder = tmp_path / "results"
    kept(folder, 1, "some-code")
    ran = called("--merge", str(folder), "--out", str(tmp_path / "out"))
    assert ran.exception is None, ran.output
    assert "no page: for a report in HTML: pip install" in ran.stderr
    assert (tmp_path / "out" / "report.xml").exists()


def test_reports_that_cannot_be_written_are_told(tmp_path: Path) -> None:
    kept(tmp_path / "part", 1, "some-code")
    out = tmp_path / "out"
    (out / "report.json").mkdir(parents=True)
    text = failed(called("--merge", str(tmp_path / "part"), "--out", str(out)))
    assert f"{out / 'report.json'}: cannot be written: Is a directory" in text


def test_what_is_there_counts_as_there_and_not_as_speed(tmp_path: Path, scenario: Path) -> None:
    given = ("--scenario", str(scenario), "--calm", "--seeds", "1", "--workers", "1", "--out", str(tmp_path))
    first = called(*given)
    assert first.exception is None, first.output
    assert "1 of 1 runs, 0 violations" in first.stderr
    again = called(*given)
    assert "1 of 1 runs (1 were there), 0 violations\n" in again.stderr


STAYING = """
import os, signal, threading
from rig.workers import Processes

def stay(_):
    print(os.getpid(), flush=True)
    threading.Event().wait()

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever a shell in the background left
    for _ in Processes(2).run(stay, range(8)):
        pass
"""


@pytest.mark.processes
@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_the_process_they_work_for(tmp_path: Path, number: signal.Signals) -> None:
    with staying(tmp_path) as process:
        process.send_signal(number)
        process.communicate(timeout=50)  # the end of its output: nobody holds the other end any more
        assert process.returncode == -number


@pytest.mark.processes
@pytest.mark.timeout(300)
def test_ctrl_c_ends_what_is_under_way_at_once(tmp_path: Path) -> None:
    with staying(tmp_path) as process:
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
        _, said = process.communicate(timeout=50)
        assert process.returncode == -signal.SIGINT
        assert said.rstrip().endswith("KeyboardInterrupt")
        assert "SpawnProcess" not in said  # workers have nothing to say


@contextmanager
def staying(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process with two workers that never finish, both at work."""
    file = folder / "staying.py"
    file.write_text(STAYING)
    process = subprocess.Popen(
        [sys.executable, str(file)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        for _ in range(2):
            process.stdout.readline()
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
