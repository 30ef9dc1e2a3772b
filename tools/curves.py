"""The physics drawn by the code: `python -m tools.curves [--check]`.

Writes sim_device/plant/head.json (the table of the plant's laser head), docs/images/physics.json (the numbers
behind the curves) and docs/images/physics-*.svg. With --check it writes nothing, works the numbers out again
(of the table a sample) and exits 1 if they are not those that are stored; the pictures' bytes do not count.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeAlias

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim_device.optics.free_running import free_run
from sim_device.optics.modes import CELSIUS, PUBLISHED, PUMP_J, RESONATOR, SETTINGS
from sim_device.optics.resonator import Setting, energies, shot, steady_width_s, without_modulation
from sim_device.optics.table import deviation, table

ROOT: Final = Path(__file__).parents[1]
TABLE: Final = ROOT / "sim_device" / "plant" / "head.json"
IMAGES: Final = ROOT / "docs" / "images"
NUMBERS: Final = IMAGES / "physics.json"
SAME: Final = (
    1e-3  # of the largest value of a curve; what another processor's last digits may do is far smaller
)
STYLE: Final[Any] = {
    "svg.hashsalt": "picolase",  # the same identifiers in every run
    "svg.fonttype": "path",
    "font.size": 9,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}
SHOWN_NS: Final = (-3.4, 6.0)
MODES: Final = tuple(SETTINGS)
Numbers: TypeAlias = dict[str, dict[str, list[float]]]


def main() -> int:
    """Write everything, or check it; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.curves", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if anything is out of date"
    )
    return check() if parser.parse_args().check else write()


def check() -> int:
    """Say what no longer agrees with the model; 1 if anything."""
    stale = list(outdated())
    for name in stale:
        print(f"{name} is out of date: run `python -m tools.curves` and commit the result", file=sys.stderr)
    return 1 if stale else 0


def write() -> int:
    """Work everything out and write it."""
    TABLE.write_text(json.dumps(table(), separators=(",", ":")) + "\n", "utf-8")
    numbers = curves()
    NUMBERS.write_text(json.dumps(numbers, separators=(",", ":")) + "\n", "utf-8")
    draw(numbers)
    print(f"wrote {TABLE.relative_to(ROOT)} and {IMAGES.relative_to(ROOT)}/physics*")
    return 0


def outdated() -> Iterator[str]:
    """What no longer agrees with the model."""
    if not TABLE.exists() or deviation(json.loads(TABLE.read_text("utf-8"))) > SAME:
        yield str(TABLE.relative_to(ROOT))
    stored = json.loads(NUMBERS.read_text("utf-8")) if NUMBERS.exists() else {}
    for name, lines in curves().items():
        if not _same(stored.get(name, {}), lines):
            yield f"{NUMBERS.relative_to(ROOT)}, {name}"
        if not (IMAGES / f"physics-{name}.svg").exists():
            yield f"{IMAGES.relative_to(ROOT)}/physics-{name}.svg"


def curves() -> Numbers:
    """Every curve: a name for each line, and under `x` what they share."""
    return {
        "pump": _over_pump(),
        "temperature": _over_temperature(),
        "dump": _over_dump(),
        "modulation": _over_modulation(),
        "build-up": _build_up(),
        "profile": _profiles(),
        "free-running": _free_running(),
    }


def draw(numbers: Numbers) -> None:
    """One picture for each curve."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(STYLE):
        for name, painter in PAINTERS.items():
            figure = Figure(figsize=(6.4, 3.4), layout="constrained")
            painter(figure.subplots(), numbers[name])
            figure.savefig(IMAGES / f"physics-{name}.svg", metadata={"Date": None})


# -- the numbers


def _over_pump() -> dict[str, list[float]]:
    pumps_j = np.arange(8.0, 60.5, 1.0)
    lines = {
        f"{mode} ps": energies(RESONATOR, setting, pumps_j, np.array(CELSIUS), starts=32)[0] * 1e3
        for mode, setting in SETTINGS.items()
    }
    return _lists(x=pumps_j, **lines)


def _over_temperature() -> dict[str, list[float]]:
    celsius = np.arange(10.0, 81.0, 2.5)
    lines = {
        f"{mode} ps": energies(RESONATOR, setting, np.array(PUMP_J), celsius, starts=32)[0] * 1e3
        for mode, setting in SETTINGS.items()
    }
    return _lists(x=celsius, **lines)


def _over_dump() -> dict[str, list[float]]:
    trips = range(-16, 17)
    lines = {}
    for mode, setting in SETTINGS.items():
        late = [
            energies(
                RESONATOR, replace(setting, offset_trips=n), np.array([PUMP_J]), np.array(CELSIUS), starts=16
            )
            for n in trips
        ]
        lines[f"{mode} ps"] = np.array([energy_j[0] * 1e3 for energy_j, _ in late])
    return _lists(x=np.array(trips, float), **lines)


def _over_modulation() -> dict[str, list[float]]:
    depths = np.arange(0.2, 1.21, 0.1)

    def width_ps(depth: float, pump_j: float) -> float:
        setting = Setting(depth_rad=depth, dump_charge_j=SETTINGS[750].dump_charge_j)
        return shot(RESONATOR, setting, pump_j, CELSIUS, slices=256).width_s * 1e12

    return _lists(
        x=depths,
        **{
            f"{PUMP_J:g} J": np.array([width_ps(depth, PUMP_J) for depth in depths]),
            "20 J": np.array([width_ps(depth, 20.0) for depth in depths]),
            "steady state": np.array([steady_width_s(RESONATOR, depth) * 1e12 for depth in depths]),
        },
    )


def _build_up() -> dict[str, list[float]]:
    setting = replace(SETTINGS[750], offset_trips=40)
    late = shot(RESONATOR, setting, PUMP_J, CELSIUS)
    dumped = shot(RESONATOR, SETTINGS[750], PUMP_J, CELSIUS)
    return _lists(
        x=np.arange(late.gains.size, dtype=float),
        energy=late.circulating_j * 1e3,
        gain=late.gains,
        dump=np.array([dumped.gains.size - 1.0]),
    )


def _profiles() -> dict[str, list[float]]:
    shots = {f"{mode} ps": shot(RESONATOR, setting, PUMP_J, CELSIUS) for mode, setting in SETTINGS.items()}
    shots["modulation off"] = shot(RESONATOR, without_modulation(SETTINGS[750]), PUMP_J, CELSIUS)
    times_ns = shots["750 ps"].times_s * 1e9
    first_ns, last_ns = SHOWN_NS
    shown = (times_ns > first_ns) & (times_ns < last_ns)
    return _lists(
        x=times_ns[shown][::2], **{name: one.power_w[shown][::2] / 1e6 for name, one in shots.items()}
    )


def _free_running() -> dict[str, list[float]]:
    run = free_run(RESONATOR, PUMP_J, CELSIUS)
    return _lists(x=run.times_s[::40] * 1e6, power=_means(run.power_w) / 1e3, gain=run.gains[::40])


def _means(values: Any) -> Any:
    return np.add.reduceat(values, np.arange(0, values.size, 40)) / 40


def _lists(**lines: Any) -> dict[str, list[float]]:
    return {name: [float(f"{value:.6g}") for value in line] for name, line in lines.items()}


def _same(stored: dict[str, list[float]], worked_out: dict[str, list[float]]) -> bool:
    if stored.keys() != worked_out.keys():
        return False
    for name, line in worked_out.items():
        largest = max(map(abs, line))
        if len(stored[name]) != len(line):
            return False
        if any(
            not math.isclose(a, b, abs_tol=SAME * largest) for a, b in zip(stored[name], line, strict=True)
        ):
            return False
    return True


# -- the pictures


def _paint_pump(axes: Axes, lines: dict[str, list[float]]) -> None:
    _paint_modes(axes, lines)
    for mode in MODES:
        axes.plot(PUMP_J, PUBLISHED[mode].energy_j * 1e3, "o", color="black", markersize=4)
    axes.set(xlabel="lamp energy, J", ylabel="pulse energy, mJ", title="60 °C; dots: the device's modes")


def _paint_temperature(axes: Axes, lines: dict[str, list[float]]) -> None:
    _paint_modes(axes, lines)
    axes.set(xlabel="rod temperature, °C", ylabel="pulse energy, mJ", title=f"{PUMP_J:g} J", ylim=(0, None))


def _paint_dump(axes: Axes, lines: dict[str, list[float]]) -> None:
    _paint_modes(axes, lines)
    axes.axvline(0.0, color="black", linewidth=0.8)
    axes.set(
        xlabel="round trips after the set charge", ylabel="pulse energy, mJ", title=f"{PUMP_J:g} J, 60 °C"
    )


def _paint_modulation(axes: Axes, lines: dict[str, list[float]]) -> None:
    for name, style in ((f"{PUMP_J:g} J", "-"), ("20 J", "--"), ("steady state", ":")):
        axes.plot(lines["x"], lines[name], style, label=name)
    for mode, setting in SETTINGS.items():
        axes.plot(setting.depth_rad, mode, "o", color="black", markersize=4)
    axes.set(
        xlabel="modulation depth, rad",
        ylabel="pulse width, ps",
        title="dots: the device's modes",
        ylim=(0, None),
    )
    axes.legend()


def _paint_build_up(axes: Axes, lines: dict[str, list[float]]) -> None:
    axes.semilogy(lines["x"], lines["energy"], color="C0")
    axes.axvline(lines["dump"][0], color="black", linewidth=0.8)
    axes.set(
        xlabel="round trip",
        ylabel="circulating energy, mJ",
        title="750 ps mode; line: dump; undumped after it",
    )
    beside = axes.twinx()
    beside.plot(lines["x"], lines["gain"], color="C1")
    beside.set(ylabel="round-trip log gain", ylim=(0, None))
    beside.grid(visible=False)
    axes.yaxis.label.set_color("C0")
    beside.yaxis.label.set_color("C1")


def _paint_profile(axes: Axes, lines: dict[str, list[float]]) -> None:
    for name, line in lines.items():
        if name != "x":
            axes.plot(lines["x"], line, label=name)
    axes.set(xlabel="time, ns", ylabel="power, MW", title=f"{PUMP_J:g} J, 60 °C")
    axes.legend()


def _paint_free_running(axes: Axes, lines: dict[str, list[float]]) -> None:
    axes.plot(lines["x"], lines["power"], color="C0")
    axes.set(xlabel="time from the start of the pump, µs", ylabel="power, kW", title="hold-off failed, 43 J")
    beside = axes.twinx()
    beside.plot(lines["x"], lines["gain"], color="C1")
    beside.set(ylabel="round-trip log gain", ylim=(0, None))
    beside.grid(visible=False)
    axes.yaxis.label.set_color("C0")
    beside.yaxis.label.set_color("C1")


def _paint_modes(axes: Axes, lines: dict[str, list[float]]) -> None:
    for mode in MODES:
        axes.plot(lines["x"], lines[f"{mode} ps"], label=f"{mode} ps")
    axes.legend()


PAINTERS: Final[dict[str, Callable[[Axes, dict[str, list[float]]], None]]] = {
    "pump": _paint_pump,
    "temperature": _paint_temperature,
    "dump": _paint_dump,
    "modulation": _paint_modulation,
    "build-up": _paint_build_up,
    "profile": _paint_profile,
    "free-running": _paint_free_running,
}

if __name__ == "__main__":
    sys.exit(main())
