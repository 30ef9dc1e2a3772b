"""The audit of a real daemon that was killed while it fired: whole, signed, and anchored in its log."""

from __future__ import annotations

import json
import signal
import subprocess
from typing import Any

import pytest

from controller.stage import PYTHON
from tests.processes.judge import running
from tests.processes.rig import Rig, plan

pytestmark = [pytest.mark.processes, pytest.mark.slow, pytest.mark.timeout(600)]


def picolase(rig: Rig, *arguments: str) -> tuple[int, Any]:
    """Run the command as people do; its exit status and its JSON."""
    command = [*PYTHON, "controller.cli", *arguments, "--config", str(rig.config), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.mark.shows("REQ-042", "HZ-035")
async def test_a_daemon_killed_while_firing_leaves_an_audit_that_its_key_and_its_log_prove(rig: Rig) -> None:
    await rig.start()
    _, told = picolase(rig, "audit", "key")
    await rig.begin(plan(20))
    await rig.arm()
    await rig.foot("press")
    await rig.pulses_given(3)
    rig.signal(signal.SIGKILL)
    assert await running(rig.daemon).end() == -signal.SIGKILL
    proof = ("audit", "verify", "--key", told["key"], "--anchors", str(rig.folder / "daemon.log"))
    status, killed = picolase(rig, *proof)
    assert (status, killed["ok"], killed["breaks"], killed["file"]) == (0, True, [], [])
    assert killed["checkpoints"] >= 1
    assert rig.database.with_name("picolase.db.audit-key").stat().st_mode & 0o777 == 0o600

    await rig.foot("release")
    await rig.start_daemon()
    await rig.balanced()
    assert await running(rig.daemon).end() == 0
    status, ended = picolase(rig, *proof)
    assert (status, ended["ok"], ended["key"]) == (0, True, told["key"])
    last = int(ended["head"].split(":")[0])
    assert ended["entries"] == last + 1 > killed["entries"]
    assert ended["signed_to"] == last - 1, "the last entry of a daemon that ends in order is a checkpoint"
    assert ended["head"] in rig.log()
