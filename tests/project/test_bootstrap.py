"""The set-up script: what it says on a machine that lacks something, and that an old Python can read it."""

import ast
import importlib.util
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from tools import bootstrap

SCRIPT = Path(bootstrap.__file__)


def test_an_old_python_can_read_the_script() -> None:
    ast.parse(SCRIPT.read_text(), feature_version=(3, 5))


def test_an_old_python_without_a_newer_one_beside_it_names_the_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 13, "final", 0))
    monkeypatch.setenv("PATH", str(tmp_path))
    message = bootstrap.main(["demo"])
    assert isinstance(message, str)
    assert "needs Python 3.11 or newer" in message
    assert "3.10.13" in message
    assert "python3.11-venv" in message


def test_an_old_python_hands_over_to_a_newer_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    newer = tmp_path / "python3.12"
    newer.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/called\nexit 7\n')
    newer.chmod(0o755)
    monkeypatch.setattr(sys, "version_info", (3, 10, 13, "final", 0))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bootstrap.main(["dev"]) == 7
    assert (tmp_path / "called").read_text().split() == [str(SCRIPT), "dev"]


@pytest.mark.parametrize("lacking", [{"ensurepip"}, {"venv"}, {"venv", "ensurepip"}])
def test_a_python_that_cannot_make_an_environment_names_the_package(
    monkeypatch: pytest.MonkeyPatch, lacking: set[str]
) -> None:
    real = importlib.util.find_spec

    def find_spec(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name in lacking else real(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    message = bootstrap.main(["demo"])
    assert isinstance(message, str)
    assert "sudo apt install python3-venv" in message
    assert all(f"no {name}" in message for name in lacking)


def test_this_python_lacks_nothing() -> None:
    assert bootstrap.missing_parts() == ""


@pytest.mark.parametrize("arguments", [[], ["everything"], ["demo", "dev"]])
def test_an_unknown_purpose_is_refused_with_the_usage(arguments: list[str]) -> None:
    assert str(bootstrap.main(arguments)).startswith("usage: ")


def test_an_environment_that_does_not_start_is_made_anew(tmp_path: Path) -> None:
    assert bootstrap.works(sys.executable)
    assert not bootstrap.works(str(tmp_path / "absent"))
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    assert not bootstrap.works(str(broken))
