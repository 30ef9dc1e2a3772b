"""What long runs say while they go on: how far they are, and which workers they lost."""

from __future__ import annotations

import itertools
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from rig.cli import campaigning, simulating
from rig.cli.campaign import campaign
from rig.cli.simulating import Progress, play
from rig.laser import cold_laser
from rig.workers import Here
from sim_device.operator import perform
from tests.rig.test_campaign import result_of, scenario
from tests.rig.test_simulate import written

__all__ = ["scenario"]  # a fixture


def test_progress_is_shown_once_a_second_of_real_time_in_the_lasers_own_time() -> None:
    now_s, shown = [10.0], list[str]()
    laser = cold_laser(1)
    Progress(laser, lambda: now_s[0], shown.append)
    perform(laser, "key", {"to": "on"}, laser.now_us)
    laser.advance(2_000_000)
    assert shown == []
    now_s[0] = 11.0
    laser.advance(3_000_000)
    (only,) = shown
    assert only.endswith(" simulated s, 0 pulses")
    assert 2.0 <= float(only.split()[0]) < 2.2  # the firmware steps often
    now_s[0] = 12.5
    laser.advance(4_000_000)
    assert len(shown) == 2


def on_a_terminal(file: Path, monkeypatch: pytest.MonkeyPatch, *, as_json: bool) -> str:
    """What a person sees on standard error while the scenario is played."""
    ticks = itertools.count(0.0, 0.01)  # each look at the clock is 10 ms later
    monkeypatch.setattr(
        simulating, "time", SimpleNamespace(monotonic=ticks.__next__, perf_counter=lambda: 0.0)
    )
    near, far = os.openpty()
    with os.fdopen(near, "rb", buffering=0) as screen, os.fdopen(far, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        play(file, seed=None, record=None, firmware="reference", as_json=as_json)
        terminal.write("the end\n")
        terminal.flush()
        seen = b""
        while b"the end" not in seen:
            seen += screen.read(65_536)
    return seen.decode()


def test_a_terminal_shows_a_runs_progress_in_one_line_that_is_gone_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = on_a_terminal(written(tmp_path), monkeypatch, as_json=False)
    *shown, end = seen.split("\r\x1b[K")
    assert end.strip() == "the end"
    assert len(shown) > 3
    assert shown[0] == ""
    assert shown[-1].endswith(" simulated s, 5 pulses")
    assert "\n" not in "".join(shown)


def test_json_goes_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert on_a_terminal(written(tmp_path), monkeypatch, as_json=True).strip() == "the end"


def test_what_is_no_terminal_is_shown_no_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulating, "TELL_S", 0.0)
    with (tmp_path / "said").open("w") as said:
        monkeypatch.setattr(sys, "stderr", said)
        play(written(tmp_path), seed=None, record=None, firmware="reference", as_json=False)
    assert (tmp_path / "said").read_text() == ""


class Dying(Here):
    """Workers of which two died, without any work being lost."""

    def __init__(self, _: int) -> None:
        self.workers_lost = 0

    def run(self, do: Any, jobs: Any) -> Any:
        self.workers_lost = 2
        for one in jobs:
            yield one, result_of(one.seed, key=one.key)


def test_lost_workers_are_told_in_words_in_json_and_in_the_report(
    tmp_path: Path, scenario: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaigning, "Processes", Dying)
    given = ("--scenario", str(scenario), "--calm", "--seeds", "1", "--out", str(tmp_path / "out"))
    first = CliRunner().invoke(campaign, [*given, "--json"])
    assert first.exception is None, first.output
    assert json.loads(first.stdout)["workers_lost"] == 2
    assert "0 violations, 2 workers lost and replaced" in first.stderr
    assert json.loads((tmp_path / "out" / "report.json").read_text())["workers_lost"] == 2
    assert "<th>workers lost</th><td>2;" in (tmp_path / "out" / "report.html").read_text()
    monkeypatch.setattr(campaigning, "Processes", lambda _: Here())
    again = CliRunner().invoke(campaign, [*given])  # the result is there
    assert "workers_lost   0" in again.stdout
    assert "lost and replaced" not in again.stderr
