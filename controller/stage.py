"""The demo's stage: its folder, its configuration, its operator and its three processes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

from controller.config import Config, parse_config
from controller.operators import add_operator
from controller.processes import Child, Children
from controller.store import Role, Store

T = TypeVar("T")

BROKER: Final = "the broker"
LASER: Final = "the simulated laser"
DAEMON: Final = "the daemon"

OPERATOR: Final = "demo"
PREFIX: Final = "laser/v1"
SITE: Final = "demo"
DEVICE_ID: Final = "laser0"

START_S: Final = 60.0  # [C] a Python process on a loaded machine; two seconds on a quiet one
CHILD_END_S: Final = 3.0  # [C] between a process's end and our notice of it, on a loaded machine
SOCKET_PATH_MAX: Final = 107  # sun_path of Linux: 108 bytes with the closing zero

PYTHON: Final = (sys.executable, "-P", "-m")
"""-P: a folder named `controller` in the user's working directory must not stand in for ours."""


class StageError(Exception):
    """The demo has no place to be; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where everything of one demo is."""

    folder: Path
    sockets: Path
    port: Path

    @property
    def config(self) -> Path:
        """The configuration."""
        return self.folder / "picolase.toml"

    @property
    def database(self) -> Path:
        """The records."""
        return self.folder / "picolase.db"

    @property
    def api(self) -> Path:
        """The daemon's socket."""
        return self.sockets / "daemon.sock"

    @property
    def control(self) -> Path:
        """The simulator's socket."""
        return self.sockets / "laser.sock"


@contextlib.contextmanager
def make_places(run: Path, now: datetime) -> Iterator[Places]:
    """Make the folder of a demo, or raise StageError; at the end no socket of it is left."""
    folder = run / f"demo-{now:%Y%m%d-%H%M%S}"  # as short as it was given: people read it
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise StageError(
            f"the folder {folder} cannot be made [{error.strerror}]: give another by --folder"
        ) from error
    short = len(os.fsencode(folder.absolute() / "daemon.sock")) <= SOCKET_PATH_MAX  # the longest name of ours
    places = Places(folder, folder if short else Path(tempfile.mkdtemp(prefix="picolase-")), run / "laser0")
    try:
        yield places
    finally:
        places.api.unlink(missing_ok=True)
        places.control.unlink(missing_ok=True)
        if not short:
            shutil.rmtree(places.sockets, ignore_errors=True)


class Stage:
    """The three processes of a demo in `places`, and what they need."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.children = Children()

    async def start_broker(self, *, with_page: bool = False) -> tuple[Child, Config]:
        """Start the broker on a free port, and write the configuration that names it, and the page's."""
        command = [*PYTHON, "controller.broker", "--port", "0", "--until-stdin-closes"]
        broker = await self.children.start(BROKER, command, self.places.folder / "broker.log")
        port = int(json.loads(await broker.first_line(START_S))["port"])
        return broker, write_config(self.places, port, _free_port() if with_page else None)

    async def start_laser(self, seed: int, speed: int) -> tuple[Child, str]:
        """Start the simulated laser; the text is what it says of itself."""
        command = [*PYTHON, "controller.cli", "sim", "--pty", str(self.places.port)]
        command += ["--control", str(self.places.control), "--state", str(self.places.folder / "device")]
        command += ["--warm-up-speed", str(speed), "--seed", str(seed), "--until-stdin-closes"]
        laser = await self.children.start(LASER, command, self.places.folder / "laser.log")
        return laser, await laser.first_line(START_S)

    async def start_daemon(self) -> Child:
        """Start the daemon; it answers at its socket a moment later."""
        command = [
            *PYTHON,
            "controller.cli",
            "run",
            "--config",
            str(self.places.config),
            "--until-stdin-closes",
        ]
        return await self.children.start(DAEMON, command, self.places.folder / "daemon.log")

    async def unless_a_child_ends(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`; the end of a child comes first, since it explains what else went wrong."""
        script = asyncio.create_task(work, name="demo script")
        failure = asyncio.create_task(self.children.failure(), name="demo children")
        try:
            await asyncio.wait({script, failure}, return_when=asyncio.FIRST_COMPLETED)
            if not failure.done() and script.exception() is not None:
                await asyncio.wait({failure}, timeout=CHILD_END_S)
            if failure.done():
                raise failure.result()
            return script.result()
        finally:
            for task in (script, failure):
                task.cancel()
            await asyncio.gather(script, failure, return_exceptions=True)

    async def end(self) -> dict[str, int]:
        """End all processes, the daemon first; returns their exit statuses. No port link is left."""
        statuses = await self.children.end()
        # A simulator that was killed could not remove its link, which leads nowhere now.
        if self.places.port.is_symlink() and not self.places.port.exists():
            self.places.port.unlink(missing_ok=True)
        return statuses


def make_operator(
    config: Config, wavelength_nm: int, password: str, *, wall_clock: Callable[[], datetime], now_us: int
) -> None:
    """Make the throw-away operator, trained for the wavelength for a day."""
    with Store.open(config.store.path, wall_clock=wall_clock) as store:
        add_operator(store, OPERATOR, Role.OPERATOR, password, actor="demo", now_us=now_us)
        expires = wall_clock() + timedelta(days=1)
        store.record_training(OPERATOR, wavelength_nm, expires, actor="demo", now_us=now_us)


def _free_port() -> int:
    """One that is free now; if somebody takes it before the daemon does, there is no page, and it says so."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def write_config(places: Places, broker_port: int, page_port: int | None = None) -> Config:
    """Write the demo's configuration and return it as the daemon will read it."""

    def text(path: Path) -> str:
        return json.dumps(
            str(path.absolute()), ensure_ascii=False
        )  # a JSON string is a TOML basic string too

    page = "enabled = false"
    if page_port is not None:
        page = f"port = {page_port}\nsimulator_control = {text(places.control)}"
    written = f"""\
# Written by `picolase demo`.
[device]
url = {text(places.port)}

[store]
path = {text(places.database)}

[api]
socket = {text(places.api)}

[web]
{page}

[safety]
# The most tolerant that is allowed: the demo shares its machine with whatever else runs there.
loop_lag_max_ms = 150
status_max_age_ms = 500

[mqtt]
enabled = true
host = "127.0.0.1"
port = {broker_port}
prefix = "{PREFIX}"
site = "{SITE}"
device_id = "{DEVICE_ID}"
telemetry_hz = 1.0
"""
    places.config.write_text(written, "utf-8")
    return parse_config(written, places.config)
