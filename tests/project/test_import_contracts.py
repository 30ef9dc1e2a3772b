"""The import contracts of pyproject.toml, tried on a house of empty rooms with one wrong import at a time."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("rig", "controller", "hal", "safety", "sim_device", "protocols")
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")

ALLOWED = [
    ("rig", "controller"),
    ("rig", "sim_device"),
    ("controller", "hal"),
    ("controller", "safety"),
    ("sim_device", "protocols"),
    ("safety", "protocols"),
    ("hal", "asyncio"),
    ("protocols", "zlib"),
]
FORBIDDEN = [
    ("controller", "sim_device"),
    ("controller", "rig"),
    ("hal", "controller"),
    ("hal", "safety"),
    ("hal", "sim_device"),
    ("safety", "hal"),
    ("safety", "sim_device"),
    ("safety", "time"),
    ("safety", "logging"),
    ("safety", "sqlite3"),
    ("sim_device", "hal"),
    ("sim_device", "safety"),
    ("protocols", "safety"),
    ("protocols", "asyncio"),
    ("protocols", "random"),
]


def lint(folder: Path, imports: list[tuple[str, str]]) -> tuple[int, str]:
    """Check a house of empty rooms that has only these imports, given as (importer, imported)."""
    shutil.copy(ROOT / "pyproject.toml", folder)
    for room in ROOMS:
        (folder / room).mkdir()
        lines = [f"import {imported}\n" for importer, imported in imports if importer == room]
        (folder / room / "__init__.py").write_text("".join(lines))
    # The rooms of this folder must win over the installed ones.
    environment = {"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin"}
    command = [str(LINT_IMPORTS), "--no-cache"]
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return run.returncode, run.stdout + run.stderr


def test_the_imports_of_the_design_are_allowed(tmp_path: Path) -> None:
    status, output = lint(tmp_path, ALLOWED)
    assert status == 0, output
    assert "3 kept, 0 broken" in output


@pytest.mark.parametrize(("importer", "imported"), FORBIDDEN)
def test_a_wrong_import_breaks_the_contracts(tmp_path: Path, importer: str, imported: str) -> None:
    status, output = lint(tmp_path, [(importer, imported)])
    assert status == 1, output
    assert f"{importer} -> {imported}" in output
