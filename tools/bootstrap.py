"""Sets up `.venv`: finds a good enough Python, makes the environment, installs the locked versions.

Run by the Makefile as `python3 tools/bootstrap.py demo|dev|lock`. Standard library only, and plain enough
for Python 3.5 to parse: an old Python must get as far as saying that it is too old.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from typing import List, Union

OLDEST = (3, 11)
NEWER_NAMES = ("python3.14", "python3.13", "python3.12", "python3.11")
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LOCK = os.path.join(ROOT, "requirements.lock")
LOCK_HEADER = """\
# Exact versions for every install of picolase (pip install -c requirements.lock).
# Made by `make lock` from a fresh environment with the extras demo and dev; do not edit by hand.
"""
PIP = ("-m", "pip", "--disable-pip-version-check")


def main(arguments: List[str]) -> Union[int, str]:
    """Set up `.venv` for running ("demo") or developing ("dev"), or write requirements.lock anew ("lock")."""
    if len(arguments) != 1 or arguments[0] not in ("demo", "dev", "lock"):
        return "usage: python3 tools/bootstrap.py demo|dev|lock"
    purpose = arguments[0]
    if sys.version_info[:2] < OLDEST:
        return use_a_newer_python(arguments)
    problem = missing_parts()
    if problem:
        return problem
    os.chdir(ROOT)
    if purpose == "lock":
        return write_lock()
    return set_up(purpose)


def use_a_newer_python(arguments: List[str]) -> Union[int, str]:
    """Hand over to a newer Python on the PATH, or say what to install."""
    for name in NEWER_NAMES:
        path = shutil.which(name)
        if path:
            return subprocess.call([path, os.path.abspath(__file__)] + arguments)
    return (
        "picolase needs Python %d.%d or newer; %s is %s.\n"
        "On Debian or Ubuntu: sudo apt install python3.11 python3.11-venv\n"
        "Elsewhere, name one yourself: make PYTHON=/path/to/python3.11"
        % (OLDEST + (sys.executable, ".".join(str(part) for part in sys.version_info[:3])))
    )


def missing_parts() -> str:
    """Say what this Python lacks to make an environment; empty when it lacks nothing.

    Debian ships `venv` without `ensurepip`, so both are looked for.
    """
    missing = [name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None]
    if not missing:
        return ""
    return (
        "This Python (%s) cannot make a virtual environment: it has no %s.\n"
        "On Debian or Ubuntu: sudo apt install python3-venv   (or python%d.%d-venv)\n"
        "Then run the same command again."
        % ((sys.executable, " and no ".join(missing)) + sys.version_info[:2])
    )


def set_up(purpose: str) -> Union[int, str]:
    """Make `.venv` if there is none that works, and install the project with the extra `purpose` into it."""
    python = os.path.join(ROOT, ".venv", "bin", "python")
    if not works(python):
        print("picolase: making .venv with Python %d.%d ..." % sys.version_info[:2], flush=True)
        status = subprocess.call([sys.executable, "-m", "venv", "--clear", ".venv"])
        if status:
            return "picolase: could not make .venv (see above)."
    print("picolase: installing what '%s' needs into .venv (once, a minute or so) ..." % purpose, flush=True)
    wanted = ["install", "--quiet", "--constraint", LOCK, "--editable", ".[%s]" % purpose]
    if subprocess.call([python, *PIP, *wanted]):
        return "picolase: the installation failed (see above). Check the network connection and run it again."
    return 0


def works(python: str) -> bool:
    """Whether the environment's Python starts, is new enough and has pip."""
    if not os.path.exists(python):
        return False
    check = "import pip, sys; sys.exit(sys.version_info[:2] < (%d, %d))" % OLDEST
    return subprocess.call([python, "-c", check], stderr=subprocess.DEVNULL) == 0


def write_lock() -> int:
    """Write requirements.lock from what pip resolves in a fresh environment."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.check_call([sys.executable, "-m", "venv", folder])
        python = os.path.join(folder, "bin", "python")
        print("picolase: resolving the newest versions ...", flush=True)
        subprocess.check_call([python, *PIP, "install", "--quiet", ".[demo,dev]"])
        frozen = subprocess.check_output([python, *PIP, "freeze"], universal_newlines=True)
    pins = [line for line in frozen.splitlines() if "==" in line]
    with open(LOCK, "w") as lock:
        lock.write(LOCK_HEADER + "\n".join(pins) + "\n")
    print("picolase: %d versions pinned in requirements.lock" % len(pins), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
