"""`picolase sim --scenario` that is ended before its time is no success and no verdict."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

SCENARIO = """
format = 1
name = "a door for a minute"
duration_s = 60.0
[[fault]]
name = "interlock-open"
at_s = 0.0
"""


def test_a_scenario_that_was_interrupted_is_no_success(tmp_path: Path) -> None:
    file = tmp_path / "door.toml"
    file.write_text(SCENARIO)
    command = [sys.executable, "-m", "controller.cli", "sim", "--pty", str(tmp_path / "laser")]
    process = subprocess.Popen(
        [*command, "--scenario", str(file)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert "serves" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    told, said = process.communicate(timeout=50)
    assert process.returncode == 130
    assert "interlock-open" in told
    assert "ended before its time" in said
    assert "never fired" not in said
