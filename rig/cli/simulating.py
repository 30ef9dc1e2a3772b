"""What `picolase simulate` does: plays a scenario, shows how far it is, and tells what came of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click

from controller.cli.app import note, print_json
from controller.cli.exits import CommandFailed, Exit
from rig.cli.firmware import needed
from rig.cli.recorder import recorded
from rig.result import Result
from rig.scenario import read_scenario
from rig.simulate import simulate
from sim_device.board import Inputs, Outputs
from sim_device.doors import Observer
from sim_device.plant.truth import TruePulse
from sim_device.simulator import Simulator

TELL_S: Final = 1.0  # [C] how often the progress is shown
WIPE: Final = "\r\x1b[K"  # to the line's beginning, and nothing on it: ECMA-48 EL


def play(scenario: Path, *, seed: int | None, record: Path | None, firmware: str, as_json: bool) -> None:
    """All of it; CommandFailed when it cannot be played, a promise was broken or a fault stayed idle."""
    loaded = read_scenario(scenario)
    if not loaded.hosted:
        raise CommandFailed(
            Exit.BAD_INPUT,
            f"{scenario}: has no part for the host (a table [host] with the plan): "
            f"run it with `picolase sim --scenario {scenario}`.",
        )
    seed = loaded.seed if seed is None else seed
    head = {"start": loaded.script.start, "seed": seed, "firmware": firmware, "scenario": loaded.script.name}
    shown = not as_json and sys.stderr.isatty()
    with needed(firmware), recorded(record, **head) as record_it, _progress(shown=shown) as show_it:

        def attach(simulator: Simulator) -> None:
            record_it(simulator)
            show_it(simulator)

        result = simulate(loaded.script, seed, firmware=firmware, clock=time.perf_counter, attach=attach)
    if as_json:
        print_json(told(result))
    else:
        _tell(result)
    if result.violations:
        raise CommandFailed(
            Exit.FAILED, f"{len(result.violations)} promises were broken; seed {result.seed} shows it again."
        )
    if result.idle_faults:
        raise CommandFailed(
            Exit.FAILED,
            f"{', '.join(result.idle_faults)} never fired: this run has shown nothing of it. "
            "Let it come when it matters, or write expected = false.",
        )


class Progress(Observer):
    """Shows, now and then, how far a laser is in its own time; `clock` is real time in s."""

    watches_only = True

    def __init__(self, simulator: Simulator, clock: Callable[[], float], show: Callable[[str], None]) -> None:
        self._began_us = simulator.now_us
        self._pulses = 0
        self._clock = clock
        self._show = show
        self._next_s = clock() + TELL_S
        simulator.observers.append(self)

    def pulsed(self, pulse: TruePulse) -> None:
        """One more."""
        self._pulses += 1

    def stepped(self, now_us: int, inputs: Inputs, outputs: Outputs) -> None:
        """Look at the clock."""
        now_s = self._clock()
        if now_s >= self._next_s:
            self._next_s = now_s + TELL_S
            self._show(f"{(now_us - self._began_us) / 1e6:.1f} simulated s, {self._pulses} pulses")


@contextmanager
def _progress(*, shown: bool) -> Iterator[Callable[[Simulator], object]]:
    """What lets a laser show its progress in one line of the terminal, which is gone when this ends."""
    if not shown:
        yield lambda _: None
        return
    try:
        yield lambda simulator: Progress(simulator, time.monotonic, lambda text: _print(WIPE + text))
    finally:
        _print(WIPE)


def _print(text: str) -> None:
    click.echo(text, err=True, nl=False)


def told(result: Result) -> dict[str, Any]:
    """A result as JSON tells it: `violations` is how many, `violation_list` which."""
    data = result.as_dict()
    return data | {"violations": len(result.violations), "violation_list": data["violations"]}


def _tell(result: Result) -> None:
    rate = result.simulated_s / result.wall_s if result.wall_s else 0.0
    rows: list[tuple[str, object]] = [
        ("scenario", result.scenario),
        ("seed", result.seed),
        ("firmware", result.firmware),
        ("trace_sha256", result.trace_sha256),
        ("simulated_s", f"{result.simulated_s:.1f}"),
        ("wall_s", f"{result.wall_s:.2f} ({rate:.0f} simulated s per s)"),
        ("turn_ms_max", f"{result.turn_ms_max:.1f}"),
        ("pulses_true", result.pulses_true),
        ("pulses_recorded", result.pulses_recorded),
        ("violations", len(result.violations)),
        ("faults_fired", result.faults_fired),
    ]
    for name, value in rows:
        click.echo(f"{name:<16} {value}")
    for fault in result.faults:
        click.echo(f"  {fault.name}: came {fault.begun} times, fired {fault.fired} times")
    for name, reason in result.excused.items():
        click.echo(f"  {name} was broken, which is excused by {reason}")
    for violation in result.violations:
        note(f"VIOLATION of {violation.invariant} at {violation.at_us / 1e6:.6f} s: {violation.text}")
