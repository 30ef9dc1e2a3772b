"""`picolase demo --stay`: it can be looked at, and ends in order."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from controller.cli import demo as command
from controller.stage import Places
from controller.summary import summarise
from tests.controller.demo_running import PLAN, Running, assert_nothing_is_left, demo


def stays(running: Running) -> dict[str, object]:
    """Read until all of it has been told and everything runs on; what was told, as JSON."""
    assert running.process.stdout is not None
    line = running.process.stdout.readline()
    assert line, running.errors()
    told = json.loads(line)
    running.lines += (running.folder / "errors").read_text().splitlines(keepends=True)
    assert isinstance(told, dict)
    return told


def short_plan(folder: Path) -> str:
    """The demo's plan with eight pulses: here it is what comes after it that counts."""
    path = folder / "short.toml"
    path.write_text(PLAN.read_text().replace("series = [20, 20, 20]", "series = [8]"))
    return str(path)


def picolase(told: dict[str, object], *arguments: str, given: str = "") -> "subprocess.CompletedProcess[str]":
    """A command of somebody who looks around."""
    config = str(Path(str(told["folder"])) / "picolase.toml")
    command = [sys.executable, "-m", "controller.cli", "--config", config, *arguments]
    state = str(Path(str(told["folder"])) / "state")
    environment = os.environ | {"PYTHONPATH": str(PLAN.parents[1]), "XDG_STATE_HOME": state}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, env=environment, input=given, check=False
    )


@pytest.mark.parametrize(("page", "shown"), [("http://127.0.0.1:9/", "http://127.0.0.1:9/"), (None, "none")])
def test_where_all_is_and_who_may_log_in_is_told_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], page: str | None, shown: str
) -> None:
    places = Places(tmp_path, tmp_path, tmp_path / "laser0")
    around = {"broker": "mqtt://127.0.0.1:7", "page": page, "operator": "demo", "password": "[b]secret"}
    command._tell(Console(width=100), summarise([], [], []), places, around, as_json=False)
    told = capsys.readouterr()
    lines = told.out.splitlines()
    assert lines[-4:] == [
        *("broker: mqtt://127.0.0.1:7", f"page: {shown}", "operator: demo", "password: [b]secret")
    ]
    assert "fleet" in told.err
    assert "login demo" in told.err


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.usefixtures("alone")  # in real time: two at once on two cores would lag
@pytest.mark.timeout(180)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_stays_can_be_looked_at_until_it_is_ended_in_order(
    tmp_path: Path, number: signal.Signals
) -> None:
    with demo(tmp_path, "--json", "--speed", "1000", "--plan", short_plan(tmp_path), "--stay") as running:
        told = stays(running)
        assert told["agree"] is True
        assert {count["plan"] for count in told["counts"]} == {8}  # type: ignore[attr-defined]
        fleet = json.loads(picolase(told, "fleet", "--once", "--json").stdout)
        assert fleet["broker"] == told["broker"]
        (laser,) = fleet["lasers"]
        assert (laser["site"], laser["device"], laser["live"], laser["state"]) == (
            "demo",
            "laser0",
            True,
            "standby",
        )
        assert laser["pulses"] == max(count["all"] or 0 for count in told["counts"])  # type: ignore[attr-defined]
        status = json.loads(picolase(told, "status", "--json").stdout)
        assert status["laser"]["state"] == "standby"
        assert httpx.get(str(told["page"]), timeout=20).status_code == 200
        login = picolase(
            told, "login", str(told["operator"]), "--password-stdin", given=f"{told['password']}\n"
        )
        assert login.returncode == 0, login.stderr
        assert running.process.poll() is None  # it runs on
        os.kill(running.process.pid, number)
        assert running.end() == 0, running.errors()
        assert "STOP confirmed" in running.errors()
        assert "every process has ended" in running.errors()
        assert "Traceback" not in running.errors()
        assert_nothing_is_left(running)


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.usefixtures("alone")  # in real time: two at once on two cores would lag
@pytest.mark.timeout(120)
def test_a_process_that_is_killed_while_the_demo_stays_ends_it_and_is_named(tmp_path: Path) -> None:
    with demo(tmp_path, "--json", "--speed", "1000", "--plan", short_plan(tmp_path), "--stay") as running:
        stays(running)
        os.kill(running.pid("the daemon"), signal.SIGKILL)
        assert running.end() == 1
        assert "the daemon (process" in running.errors()
        assert "ended by SIGKILL" in running.errors()
        assert "Traceback" not in running.errors()
        assert_nothing_is_left(running)
