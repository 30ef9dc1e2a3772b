"""One simulated laser as a process: everything built, served, and put away again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import click

from sim_device.board import Memory
from sim_device.control import serve_control
from sim_device.errors import SetupError
from sim_device.firmware import Reference
from sim_device.memory import MEMORY_NAME, FileMemory, RamMemory
from sim_device.plant import Contacts, Plant
from sim_device.serve import Pump, serve_pty, serve_tcp
from sim_device.simulator import Simulator


@dataclass(frozen=True, slots=True)
class Options:
    """What one simulator is and where it is served."""

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


async def run(options: Options) -> None:
    """Serve one laser until a signal ends it, and leave nothing; SetupError for what cannot be used."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, ended.set)
    async with contextlib.AsyncExitStack() as stack:
        memory: Memory = RamMemory()
        if options.state is not None:
            memory = stack.enter_context(contextlib.closing(FileMemory(options.state / MEMORY_NAME)))
        plant = Plant(options.seed, Contacts(key_on=options.key_on, docked=options.docked))
        pump = Pump(Simulator(Reference(serial=options.serial), plant, memory), options.warm_up_speed)
        served = []
        if options.pty is not None:
            name = stack.enter_context(serve_pty(pump.wire, options.pty))
            served.append(f"{options.pty} ({name})")
        if options.tcp is not None:
            host = options.tcp[0]
            port = await stack.enter_async_context(serve_tcp(pump.wire, *options.tcp))
            served.append(f"socket://{host}:{port}")
        match options.console:
            case (host, port):
                port = await stack.enter_async_context(serve_tcp(pump.console, host, port))
                served.append(f"console tcp://{host}:{port}")
            case Path() as path:
                stack.enter_context(serve_pty(pump.console, path))
                served.append(f"console {path}")
        if options.control is not None:
            await stack.enter_async_context(serve_control(pump, options.control))
            served.append(f"control {options.control}")
        if options.until_stdin_closes:
            _watch_stdin(loop, ended)
            stack.callback(loop.remove_reader, sys.stdin.fileno())
        speed = f"warm-up runs at {options.warm_up_speed} x real time"
        click.echo(f"{options.serial} serves {', '.join(served)}; {speed}")
        running = asyncio.create_task(pump.run(), name="pump")
        ending = asyncio.create_task(ended.wait(), name="end")
        await asyncio.wait({running, ending}, return_when=asyncio.FIRST_COMPLETED)
        ending.cancel()
        if not running.done():
            running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


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
