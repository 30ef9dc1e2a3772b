"""What `picolase sim` does: simulated lasers served until it is enough, or through a scenario."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from controller.cli.app import note
from controller.cli.exits import CommandFailed, Exit
from rig.cli.recorder import Attach, recorded
from rig.recording import packed
from rig.scenario import Scenario, Staged, read_scenario
from sim_device import firmwares
from sim_device.errors import SetupError
from sim_device.memory import MEMORY_NAME
from sim_device.process import Options, run
from sim_device.simulator import Simulator


def serve(given: dict[str, Any], scenario: Path | None, *, device_only: bool, record: Path | None) -> None:
    """Serve until it is over; `given` are the other options of the command, as `Options` has them.

    CommandFailed for what cannot be had, and for a scenario that has shown nothing.
    """
    loaded = None if scenario is None else _load(scenario, device_only=device_only)
    if given["seed"] is None:
        given["seed"] = 1 if loaded is None else loaded.seed
    options = Options(**given)
    try:
        firmwares.make(options.firmware, options.serial)  # or nothing is begun
        with recorded(record, **_header(options, loaded)) as attach:
            if loaded is None:
                asyncio.run(run(options, attach))
            else:
                _play(loaded, options, attach)
    except SetupError as error:
        raise CommandFailed(Exit.FAILED, f"{error}.") from error


def _header(options: Options, scenario: Scenario | None) -> dict[str, Any]:
    """What a recording says of the laser it begins with."""
    image = b""
    if options.state is not None and (options.state / MEMORY_NAME).exists():
        image = (options.state / MEMORY_NAME).read_bytes()
    return {
        "start": "cold",
        "seed": options.seed,
        "serial": options.serial,
        "firmware": options.firmware,
        "memory": packed(image),
        "scenario": "" if scenario is None else scenario.script.name,
    }


def _load(file: Path, *, device_only: bool) -> Scenario:
    loaded = read_scenario(file)
    if loaded.hosted and not device_only:
        raise CommandFailed(
            Exit.BAD_INPUT,
            f"{file}: has a part for the host: run it with `picolase simulate {file}`, "
            "or its faults alone with --device-only.",
        )
    return loaded


def _play(scenario: Scenario, options: Options, attach: Attach) -> None:
    """Serve the laser while the scenario happens.

    CommandFailed if an expected fault never fired, or if it was ended before its time: that shows nothing.
    """
    staged: list[Staged] = []

    async def played() -> bool:
        ended, over = asyncio.Event(), asyncio.Event()

        def stage(simulator: Simulator) -> None:
            attach(simulator)
            laid = Staged(scenario.device_script, simulator, options.seed)
            simulator.at(laid.ends_us, _End(over, ended))
            staged.append(laid)
            note(f"{scenario.script.name}: {scenario.script.duration_s:g} s of it begin now")

        await run(options, stage, ended)
        return over.is_set()

    whole = asyncio.run(played())
    for laid in staged:
        _tell(laid, whole=whole)


def _tell(laid: Staged, *, whole: bool) -> None:
    """What came of it."""
    reports = laid.injector.reports()
    for report in reports:
        parameters = ", ".join(f"{name} = {value!r}" for name, value in report.parameters.items())
        words = f"{report.name}{f' ({parameters})' if parameters else ''}"
        click.echo(f"{words}: came {report.begun} times, fired {report.fired} times")
    for sentence in laid.declined:
        click.echo(f"could not be done: {sentence}")
    if not whole:
        raise CommandFailed(Exit.INTERRUPTED, "The scenario was ended before its time: it has shown nothing.")
    idle = [report.name for report in reports if report.idle]
    if idle:
        raise CommandFailed(
            Exit.FAILED,
            f"{', '.join(idle)} never fired: this run has shown nothing of it. "
            "Let it come when it matters, or write expected = false.",
        )


class _End:
    """The end of the scenario on the agenda; in a copy of the simulator it ends nothing."""

    def __init__(self, *ended: asyncio.Event) -> None:
        self._ended = ended

    def __call__(self, _: Simulator) -> None:
        """It is over."""
        for event in self._ended:
            event.set()

    def __reduce__(self) -> tuple[type[_End], tuple[()]]:
        return _End, ()
