"""Simulated lasers as a process: everything built, served, and put away again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import click

from sim_device import firmwares
from sim_device.board import Memory
from sim_device.control import serve_control
from sim_device.errors import SetupError
from sim_device.memory import MEMORY_NAME, FileMemory, RamMemory
from sim_device.places import serve_pty, serve_tcp
from sim_device.plant import Contacts, Plant
from sim_device.ports import PORT_MAX
from sim_device.serve import Pump
from sim_device.simulator import Simulator

FILES_EACH: Final = 6  # descriptors of one laser: terminal or listener, client, memory, locks
FILES_OURS: Final = 64  # of the process itself


@dataclass(frozen=True, slots=True)
class Options:
    """What one simulator is and where it is served; or, with `lasers`, each of several."""

    pty: Path | None
    tcp: tuple[str, int] | None
    console: Path | tuple[str, int] | None
    control: Path | None
    state: Path | None
    seed: int
    serial: str
    warm_up_speed: int
    key_on: bool
    docked: bool
    until_stdin_closes: bool
    stepped: bool = False  # time stands still but for the control channel's steps
    baud: int = 0  # of the device's UART; 0: bytes take no time, and any rate of the host is right
    lasers: int = 1
    firmware: str = firmwares.DEFAULT  # by its name in `firmwares`

    @property
    def pace(self) -> str:
        """How time passes."""
        if self.stepped:
            return "time stands still but for the steps that the control channel asks for"
        return f"warm-up runs at {self.warm_up_speed} x real time"

    def of(self, number: int) -> Options:
        """The options of laser `number`, from 0: seed, serial number, paths and TCP ports are counted up.

        Raises SetupError when there is no such laser.
        """
        if self.lasers == 1:
            return self
        if self.console is not None or self.control is not None:
            raise SetupError(f"lasers = {self.lasers}: console and control channel serve one laser only")
        serial = _counted("serial", self.serial, number)
        tcp = self.tcp
        if tcp is not None and tcp[1]:
            tcp = (tcp[0], tcp[1] + number)
            if tcp[1] > PORT_MAX:
                raise SetupError(
                    f"lasers = {self.lasers}: TCP ports end at {PORT_MAX}; begin with a lower one"
                )
        return replace(
            self,
            pty=None if self.pty is None else Path(_counted("pty", str(self.pty), number)),
            tcp=tcp,
            state=None if self.state is None else self.state / serial,
            seed=self.seed + number,
            serial=serial,
        )


async def run(
    options: Options,
    attach: Callable[[Simulator], None] = lambda _: None,
    ended: asyncio.Event | None = None,
) -> None:
    """Serve until a signal or `ended` ends it, and leave nothing; SetupError for what cannot be used.

    `attach` gets each simulator before its time begins.
    """
    ended = ended or asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, ended.set)
    _allow_files(FILES_OURS + FILES_EACH * options.lasers)
    async with contextlib.AsyncExitStack() as stack:
        each = [options.of(number) for number in range(options.lasers)]
        pumps, served = [], []
        for one in each:
            pump, places = await _serve(one, attach, stack)
            pumps.append(pump)
            served.append(f"{one.serial} serves {', '.join(places)}")
        if options.until_stdin_closes:
            _watch_stdin(loop, ended)
            stack.callback(loop.remove_reader, sys.stdin.fileno())
        what = served[0] if len(served) == 1 else f"{len(served)} lasers, from {served[0]} to {served[-1]}"
        click.echo(f"{what}; {options.pace}")
        ending = asyncio.create_task(ended.wait(), name="end")
        running = [
            asyncio.create_task(pump.run(), name=f"pump of {one.serial}")
            for pump, one in zip(pumps, each, strict=True)
        ]
        await asyncio.wait({*running, ending}, return_when=asyncio.FIRST_COMPLETED)
        for task in (ending, *running):
            task.cancel()
        for ended_with in await asyncio.gather(ending, *running, return_exceptions=True):
            if isinstance(ended_with, Exception):
                raise ended_with


async def _serve(
    options: Options, attach: Callable[[Simulator], None], stack: contextlib.AsyncExitStack
) -> tuple[Pump, list[str]]:
    """Build one laser and serve it as long as `stack` stands; its pump, and where it is served."""
    memory: Memory = RamMemory()
    if options.state is not None:
        memory = stack.enter_context(contextlib.closing(FileMemory(options.state / MEMORY_NAME)))
    plant = Plant(options.seed, Contacts(key_on=options.key_on, docked=options.docked))
    simulator = Simulator(firmwares.make(options.firmware, options.serial), plant, memory)
    simulator.wire.set_device(options.baud)
    attach(simulator)
    pump = Pump(simulator, options.warm_up_speed, stepped=options.stepped)
    places = []
    if options.pty is not None:
        name = stack.enter_context(serve_pty(pump.wire, options.pty))
        places.append(f"{options.pty} ({name})")
    if options.tcp is not None:
        host = options.tcp[0]
        port = await stack.enter_async_context(serve_tcp(pump.wire, *options.tcp))
        places.append(f"socket://{host}:{port}")
    match options.console:
        case (host, port):
            port = await stack.enter_async_context(serve_tcp(pump.console, host, port))
            places.append(f"console tcp://{host}:{port}")
        case Path() as path:
            stack.enter_context(serve_pty(pump.console, path))
            places.append(f"console {path}")
    if options.control is not None:
        await stack.enter_async_context(serve_control(pump, options.control, options.seed))
        places.append(f"control {options.control}")
    return pump, places


def _counted(field: str, text: str, number: int) -> str:
    """`text` with the number at its end counted up, as wide as it was."""
    found = re.search(r"\d+$", text)
    if found is None:
        raise SetupError(f"{field} = {text!r} must end in a number, to be counted up for each laser")
    digits = found.group()
    return text[: found.start()] + f"{int(digits) + number:0{len(digits)}}"


def _allow_files(count: int) -> None:
    """Let this process have so many open files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if count > soft != resource.RLIM_INFINITY:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
        except ValueError as error:
            raise SetupError(
                f"so many lasers need {count} open files, the system allows {hard}: raise it with `ulimit -n`"
            ) from error


def _watch_stdin(loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    """Set `ended` when whoever holds the other end of standard input is gone."""

    def on_readable() -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            loop.remove_reader(sys.stdin.fileno())
            ended.set()

    try:
        loop.add_reader(sys.stdin.fileno(), on_readable)
    except (PermissionError, ValueError, OSError) as error:
        raise SetupError("standard input must be a pipe or a terminal for --until-stdin-closes") from error
