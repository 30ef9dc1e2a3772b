"""The hash of all that a run depends on besides script and seed: this code, Python, the dependencies."""

from __future__ import annotations

import functools
import hashlib
import platform
import re
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Final

PACKAGES: Final = ("controller", "firmware", "hal", "protocols", "rig", "safety", "sim_device")
ROOT: Final = Path(__file__).parents[1]

_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")
_OF_EXTRA: Final = re.compile(r"extra\s*==")


@functools.cache
def code_hash() -> str:
    """Of this process; two with the same hash give the same bytes for the same script and seed."""
    return hash_of(ROOT, PACKAGES, platform.python_version(), dependencies())


def hash_of(root: Path, packages: Iterable[str], python: str, versions: Iterable[str]) -> str:
    """Of every file of these packages, whatever it is, and of the versions of all that they stand on."""
    summed = hashlib.sha256(f"Python {python} {sorted(versions)}".encode())
    for package in packages:
        for file in sorted((root / package).rglob("*")):
            name = file.relative_to(root)
            if file.is_file() and not _is_cache(name):
                summed.update(f"{name.as_posix()} {file.stat().st_size} ".encode() + file.read_bytes())
    return summed.hexdigest()[:16]


def dependencies(of: str = "picolase") -> list[str]:
    """What the distribution `of` stands on, and what that stands on, as installed: "name==version".

    Extras are left out: no run uses them, and a cluster's workers may have others than who asks them.
    """
    found: dict[str, str] = {}
    asked = {of}
    todo = [of]
    while todo:
        name = todo.pop()
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:  # for another platform or Python only
            continue
        found[name] = distribution.version
        for requirement in distribution.requires or ():
            match = _NAME.match(requirement)
            needed = re.sub(r"[-_.]+", "-", match[0]).lower() if match is not None else of
            if needed not in asked and not _OF_EXTRA.search(requirement):
                asked.add(needed)
                todo.append(needed)
    found.pop(of, None)  # its files are hashed
    return sorted(f"{name}=={version}" for name, version in found.items())


def _is_cache(name: Path) -> bool:
    """What tools leave beside the code: a run does not depend on it."""
    return any(part in {"__pycache__", "node_modules"} or part.startswith(".") for part in name.parts)
