"""Serial numbers that no Identity could tell are refused before there is a laser."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from controller.cli.exits import CommandFailed
from rig.cli.sim import sim
from sim_device import firmwares
from sim_device.errors import SetupError

WRONG = ("x" * 17, "PL755-\u00e9", "PL\n755", " PL755", "PL755 ")


@pytest.mark.parametrize("firmware", firmwares.NAMES)
def test_what_the_wire_cannot_carry_is_refused(firmware: str) -> None:
    for serial in WRONG:
        with pytest.raises(SetupError, match=r"^serial = .* is not allowed: give up to 16 printable ASCII"):
            firmwares.make(firmware, serial)


@pytest.mark.parametrize("serial", ["PL755-0001", "x" * 16, ""])
def test_what_it_can_carry_is_taken(serial: str) -> None:
    assert firmwares.make("reference", serial) is not None


def test_the_command_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    places = ["--pty", str(tmp_path / "laser"), "--state", str(tmp_path / "state")]
    for serial in WRONG:
        result = CliRunner().invoke(sim, [*places, "--serial", serial])
        assert isinstance(result.exception, CommandFailed)
        assert str(result.exception).startswith(
            f"serial = {serial!r} is not allowed: give up to 16 printable"
        )
    assert list(tmp_path.iterdir()) == []


def test_of_many_the_last_is_looked_at_too(tmp_path: Path) -> None:
    counted = ["--pty", str(tmp_path / "laser0"), "--lasers", "2", "--serial", "x" * 15 + "9"]
    result = CliRunner().invoke(sim, counted)
    assert isinstance(result.exception, CommandFailed)
    assert "is not allowed: give up to 16 printable" in str(result.exception)
    assert list(tmp_path.iterdir()) == []
