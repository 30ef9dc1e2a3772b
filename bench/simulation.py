"""Simulated seconds per second at 10 Hz lasing: the plant alone, the device, the whole stack, `simulate`.

Processor time, not the clock's: nothing here waits, and what else runs on the machine shall not count.
"""

from __future__ import annotations

import asyncio
import cProfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from types import CodeType
from typing import Final

from bench.figures import Figure, Group, worked
from bench.host import SECOND_US, Host
from controller.store import Role
from rig.laser import warm_laser
from rig.scenario import read_scenario
from rig.simulate import simulate
from rig.stack import Stack
from rig.virtual_time import VirtualTimeLoop
from sim_device.board import Outputs
from sim_device.plant import Contacts, Plant

REPEATS: Final = 5
PERIOD_US: Final = SECOND_US // 10
CHARGE_MV: Final = 1_150_000
HEAVIEST: Final = 10
ROOT: Final = Path(__file__).parents[1]
WORDS: Final = {"reference": "reference firmware", "native": "C core"}
SERVICE: Final = ROOT / "plans" / "service-10hz.toml"
NOMINAL: Final = ROOT / "scenarios" / "nominal-10hz.toml"
DEVICE_GOAL: Final = ">= 10,000, the least 1,000"
STACK_GOAL: Final = ">= 1,000, the least 200"

Firing = Callable[[int], None]
"""Fires for so many simulated seconds."""


def measure(_folder: Path) -> Group:
    """All four, device and stack with either firmware, each with what costs most."""
    figures, notes = [], []
    measured = [("plant alone", "", 60, _rates(_plant(), 60))]
    for firmware, words in WORDS.items():
        measured.append((f"device: plant and {words}", DEVICE_GOAL, 15, _rates(_device(firmware), 15)))
    for firmware, words in WORDS.items():
        measured.append((f"whole stack with {words}", STACK_GOAL, 5, _stack_rates(firmware, 5)))
    name = f"`simulate` with {WORDS['native']}, its invariants watching"
    measured.append((name, STACK_GOAL, 60, _rates(_simulate, 60)))
    for name, goal, simulated_s, (rates, profile) in measured:
        figures.append(Figure(name, "simulated s/s", rates, goal))
        notes += [f"{name}, the heaviest functions (share of all, calls in {simulated_s} s):", *profile]
    return Group("Simulated seconds per second of processor time, at 10 Hz lasing", figures, notes)


def _rates(fire: Firing, simulated_s: int) -> tuple[tuple[float, ...], list[str]]:
    """The rate in each repeat, and what costs most in one more."""
    rates = [simulated_s / worked(lambda: fire(simulated_s)) for _ in range(REPEATS)]
    profile = cProfile.Profile()
    with profile:
        fire(simulated_s)
    return tuple(rates), _heaviest(profile)


def _plant() -> Firing:
    """A plant whose outputs are driven as firmware would, by rote."""
    plant = Plant(1, Contacts(key_on=True, docked=False))
    out = Outputs(
        hv_enable=True,
        hv_set_mv=CHARGE_MV,
        dump_hold=True,
        simmer_start=True,
        gate_enable=True,
        mode_width_ps=750,
        comparator_uj=230_000,
        shutter_open=True,
        indicator_on=True,
        aiming_on=True,
        pump_on=True,
    )
    plant.drive(replace(out, comparator_reset=True))
    plant.advance(plant.now_us + 5 * SECOND_US)

    def fire(simulated_s: int) -> None:
        before = plant.truth.aperture
        for _ in range(simulated_s * 10):
            out.lamp_triggers += 1
            plant.drive(out)
            until_us = plant.now_us + PERIOD_US
            while plant.next_event_us <= until_us:  # as the simulator does: from one event to the next
                plant.advance(plant.next_event_us)
            plant.advance(until_us)
        _lased(plant.truth.aperture - before, simulated_s)

    plant.drive(out)
    return fire


def _device(firmware: str) -> Firing:
    """Firmware and plant, with the least host; a fresh permit is not needed for what is fired here."""
    simulator = warm_laser(1, firmware)
    host = Host(simulator)
    host.begin_firing()

    def fire(simulated_s: int) -> None:
        before = simulator.plant.truth.aperture
        host.fire(simulated_s * SECOND_US)
        _lased(simulator.plant.truth.aperture - before, simulated_s)

    return fire


def _stack_rates(firmware: str, simulated_s: int) -> tuple[tuple[float, ...], list[str]]:
    """The whole stack: daemon, database in memory, line, firmware, plant."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        stack = runner.run(_enter(firmware))

        def fire(simulated_s: int) -> None:
            truth = stack.laser.simulator.plant.truth
            before = truth.aperture
            runner.run(asyncio.sleep(simulated_s))
            _lased(truth.aperture - before, simulated_s)

        try:
            return _rates(fire, simulated_s)
        finally:
            runner.run(stack.__aexit__(None, None, None))


def _simulate(simulated_s: int) -> None:
    """What `picolase simulate` does, from the laser's warm-up to the verdict."""
    script = replace(read_scenario(NOMINAL).script, duration_s=float(simulated_s))
    result = simulate(script, 1, clock=perf_counter, firmware="native")
    if result.violations or result.pulses_true < 9 * simulated_s:  # a moment to arm, one between two series
        raise RuntimeError(f"{result.pulses_true} pulses in {simulated_s} s, {result.violations}")


async def _enter(firmware: str) -> Stack:
    """A stack that has just begun to fire."""
    stack = await Stack(role=Role.SERVICE, firmware=firmware).__aenter__()
    await stack.prepare(SERVICE.read_text("utf-8"))
    await stack.daemon.console.aiming(await stack.login(), on=True)
    await stack.arm()
    await stack.fire(5)
    return stack


def _lased(pulses: int, simulated_s: int) -> None:
    """A laser that did not fire was not measured."""
    if abs(pulses - 10 * simulated_s) > 1:
        raise RuntimeError(f"{pulses} pulses left the aperture in {simulated_s} s: 10 a second should have")


def _heaviest(profile: cProfile.Profile) -> list[str]:
    """The functions that take most, without what they call."""
    entries = sorted(profile.getstats(), key=lambda entry: entry.inlinetime, reverse=True)
    all_s = sum(entry.inlinetime for entry in entries)
    return [
        f"{entry.inlinetime / all_s:6.1%} {entry.callcount:>8}  {_place(entry.code)}"
        for entry in entries[:HEAVIEST]
    ]


def _place(code: str | CodeType) -> str:
    if isinstance(code, str):
        return code
    path = Path(code.co_filename)
    short = path.relative_to(ROOT) if path.is_relative_to(ROOT) else Path(*path.parts[-2:])
    return f"{short}:{code.co_firstlineno} {code.co_qualname}"
