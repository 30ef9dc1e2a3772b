"""From the start of the daemon's process to its first identified laser, beside the start of a bare Python."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path
from time import perf_counter
from typing import Final

from bench.figures import Figure, Group
from controller.client import Client, ClientError, Endpoint
from controller.processes import Children
from controller.stage import PYTHON, START_S

REPEATS: Final = 5
POLL_S: Final = 0.005


def measure(folder: Path) -> Group:
    """Real processes in `folder`; the laser is there already."""
    ours, bare = asyncio.run(_measure(folder))
    ratios = tuple(mine / other for mine, other in zip(ours, bare, strict=True))
    return Group(
        "Start of the daemon to the first identified laser",
        [
            Figure("daemon", "s", tuple(ours)),
            Figure("bare `python -c pass`, start to end", "s", tuple(bare)),
            Figure("daemon, of bare Pythons", "ratio", ratios),
        ],
    )


async def _measure(folder: Path) -> tuple[list[float], list[float]]:
    port, config, socket = folder / "laser", folder / "picolase.toml", folder / "daemon.sock"
    config.write_text(
        f'[device]\nurl = "{port}"\n[store]\npath = "{folder / "picolase.db"}"\n[api]\nsocket = "{socket}"\n',
        "utf-8",
    )
    ours, bare = [], []
    lasers, daemons = Children(), Children()
    try:
        command = [*PYTHON, "controller.cli", "sim", "--pty", str(port), "--until-stdin-closes"]
        laser = await lasers.start("laser", command, folder / "laser.log")
        await laser.first_line(START_S)
        for _ in range(REPEATS):
            began_s = perf_counter()
            plain = await asyncio.create_subprocess_exec(sys.executable, "-c", "pass")
            await plain.wait()
            bare.append(perf_counter() - began_s)
            began_s = perf_counter()
            command = [*PYTHON, "controller.cli", "run", "--config", str(config), "--until-stdin-closes"]
            await daemons.start("daemon", command, folder / "daemon.log")
            await asyncio.wait_for(_identified(socket), START_S)
            ours.append(perf_counter() - began_s)
            await daemons.end()
            daemons = Children()
    finally:
        await daemons.end()
        await lasers.end()
    return ours, bare


async def _identified(socket: Path) -> None:
    """Wait until the daemon names a laser."""
    async with Client(Endpoint(socket=socket)) as client:
        while True:
            with contextlib.suppress(ClientError):  # not listening yet
                if (await client.status()).get("device"):
                    return
            await asyncio.sleep(POLL_S)
