"""Builds the firmware's C core into an extension of Python, once for each version of its sources."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

from sim_device.errors import SetupError

SOURCES: Final = Path(__file__).parents[1] / "firmware"
FLAGS: Final = ("-std=c11", "-O2", "-fPIC", "-shared", "-Wall", "-Wextra", "-Wconversion")
PYTHON: Final = (  # no warnings of its headers; on macOS its functions are found when it loads the library
    *("-isystem", sysconfig.get_path("include")),
    *(("-undefined", "dynamic_lookup") if sys.platform == "darwin" else ()),
)
CACHE_VARIABLE: Final = "PICOLASE_CACHE"
COMPILE_S: Final = 120  # [C] forty times what it takes on a slow machine


class Build(NamedTuple):
    """A library and the key of what it was built from."""

    path: Path
    key: str


def built() -> Build:
    """The library of the present sources, compiled if it is not there yet.

    Raises SetupError when there is no compiler or no header of Python's, or when it refuses the sources.
    """
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    extra = os.environ.get("PICOLASE_CFLAGS", "").split()
    key = _key(compiler or "", extra)
    path = _cache() / f"picolase-{key}.so"
    if path.exists():
        return Build(path, key)
    if compiler is None:
        raise SetupError(
            "the native firmware needs a C compiler, and none was found: install one "
            "(Debian, Ubuntu: apt install gcc; Fedora: dnf install gcc), or use the reference firmware"
        )
    if not (header := Path(sysconfig.get_path("include")) / "Python.h").exists():
        raise SetupError(
            f"the native firmware needs the headers of this Python, and there is no {header}: install them "
            "(Debian, Ubuntu: apt install python3-dev; Fedora: dnf install python3-devel), or use the "
            "reference firmware"
        )
    _compile(compiler, extra, path)
    return Build(path, key)


def _files() -> list[Path]:
    found = sorted(
        (*SOURCES.glob("core/*.[ch]"), *SOURCES.glob("include/*.h"), *SOURCES.glob("native/*.[ch]"))
    )
    if not found:
        raise SetupError(f"the native firmware's sources are missing: {SOURCES} should have them")
    return found


def _key(compiler: str, extra: list[str]) -> str:
    """Hash of everything that makes the library what it is."""
    sha = hashlib.sha256(repr((compiler, FLAGS, PYTHON, extra, sysconfig.get_config_var("SOABI"))).encode())
    for file in _files():
        sha.update(file.name.encode() + b"\0" + file.read_bytes())
    return sha.hexdigest()[:24]


def _cache() -> Path:
    """Where libraries are kept: PICOLASE_CACHE, else the user's cache directory."""
    chosen = os.environ.get(CACHE_VARIABLE)
    base = (
        Path(chosen)
        if chosen
        else Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "picolase"
    )
    try:
        base.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise SetupError(
            f"{base}: {error.strerror}; set {CACHE_VARIABLE} to a directory that you may write"
        ) from error
    return base


def _compile(compiler: str, extra: list[str], path: Path) -> None:
    """Compile beside the place and move it there, so that two who build at once do not meet halfway."""
    handle, name = tempfile.mkstemp(suffix=".so", dir=path.parent)
    os.close(handle)
    made = Path(name)
    sources = [str(file) for file in _files() if file.suffix == ".c"]
    command = [compiler, *FLAGS, *PYTHON, *extra, f"-I{SOURCES / 'include'}", *sources, "-o", str(made)]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=COMPILE_S, check=False)  # noqa: S603
        if result.returncode:
            raise SetupError(f"{compiler} refused the native firmware:\n{result.stderr.strip()}")
        made.replace(path)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SetupError(f"{compiler} could not build the native firmware: {error}") from error
    finally:
        made.unlink(missing_ok=True)
