"""The token file: who is logged in at which daemon, readable by its owner only."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from controller.cli.exits import CommandFailed, Exit

if TYPE_CHECKING:
    from controller.client import Endpoint


def path() -> Path:
    """Where the file is: $XDG_STATE_HOME/picolase/tokens.json."""
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser() / "picolase" / "tokens.json"


def load(endpoint: Endpoint) -> str | None:
    """The token kept for this daemon; None without one, or when the file cannot be read."""
    return _read().get(str(endpoint))


def save(endpoint: Endpoint, token: str | None) -> None:
    """Keep the token for this daemon; None forgets it."""
    tokens = _read()
    tokens.pop(str(endpoint), None)
    if token is not None:
        tokens[str(endpoint)] = token
    file = path()
    partial = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as stream:
            json.dump(tokens, stream)
        partial.replace(file)
    except OSError as error:
        raise CommandFailed(
            Exit.FAILED,
            f"The login cannot be kept in {file} [{error.strerror}]. Make the folder writable, set "
            "XDG_STATE_HOME, or pass the token in PICOLASE_TOKEN.",
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def _read() -> dict[str, str]:
    try:
        found = json.loads(path().read_text("utf-8"))
    except (OSError, ValueError, RecursionError):  # none yet, or spoilt: log in again
        return {}
    if not isinstance(found, dict):
        return {}
    return {key: value for key, value in found.items() if isinstance(value, str)}
