"""The page of a session's report: one HTML file that needs nothing else, pleasant on screen and in print."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.resources import files
from typing import Any, Final, cast

from controller.session_report import SessionReport
from controller.store import PulseRecord
from safety.judgement import ENERGY_TRIP_PERCENT

WHAT_IS_MISSING: Final = "for a report with plots: pip install 'picolase[report]'"

METERS_PERCENT: Final = 5  # REQ-018: so good are the meters

_INK, _SET, _MEASURED, _UNKNOWN = "#1d2733", "#8a97a6", "#0b62a4", "#b3261e"
_STYLE: Final[Any] = {
    "font.size": 9,
    "svg.fonttype": "none",
    "svg.hashsalt": "picolase",
    "font.family": "sans-serif",
    "axes.edgecolor": _SET,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6eaee",
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
}


class MissingError(RuntimeError):
    """What draws the page is not installed: says how to get it."""


def html(report: SessionReport, made: datetime) -> str:
    """The page, as made at that time; raises MissingError without the `report` extra."""
    try:
        from jinja2 import Environment  # noqa: PLC0415  # an extra
    except ImportError as error:
        raise MissingError(WHAT_IS_MISSING) from error
    session, plan = report.session, cast("Mapping[str, Any]", report.session.plan)
    return str(
        Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
        .from_string(files("controller").joinpath("session_report.html").read_text("utf-8"))
        .render(
            report=report,
            session=session,
            plan=plan,
            subject=plan.get("subject") or "not named",
            series=", ".join(map(str, plan.get("series") or ())) or "-",
            when=_when,
            clock=_clock,
            made=made,
            numbers=figures(report),
            odd=[pulse for pulse in report.pulses if pulse.flags or not pulse.delivered],
            plots=plots(report.pulses),
        )
    )


def _when(moment: datetime | None) -> str:
    return "-" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _clock(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")[11:23]


def figures(report: SessionReport) -> list[tuple[str, str, str]]:
    """Name, value and remark of each figure."""
    session = report.session
    rows = [
        ("Pulses", f"{session.delivered_pulses} of {session.planned_pulses}", "delivered of planned"),
        ("Of unknown fate", str(session.unknown_pulses), "counted as delivered"),
        ("Energy, total", f"{session.energy_mj / 1000:.3f} J", "delivered"),
        ("Dose", f"{session.dose_j_cm2:.2f} J/cm²", "sum of the single pulses' fluences"),
    ]
    for name, spread, unit, digits in (
        ("Pulse energy", report.energy_mj, "mJ", 1),
        ("Pulse width", report.width_ps, "ps", 0),
    ):
        value = "not measured" if spread is None else f"{spread.mean:.{digits}f} {unit}"
        remark = "" if spread is None else f"mean of {spread.count}, deviation {spread.deviation:.{digits}f}"
        rows.append((name, value, remark))
    return rows


def plots(pulses: Sequence[PulseRecord]) -> list[tuple[str, str]]:
    """Inline SVG with what it shows in words: energy and width per pulse. None without pulses."""
    if not pulses:
        return []
    try:
        import matplotlib as mpl  # noqa: PLC0415  # an extra
        from matplotlib.figure import Figure  # noqa: PLC0415
        from matplotlib.ticker import MaxNLocator  # noqa: PLC0415
    except ImportError as error:
        raise MissingError(WHAT_IS_MISSING) from error
    drawn = []
    with mpl.rc_context(_STYLE):
        for what, draw in (("energy", _draw_energy), ("width", _draw_width)):
            figure = Figure(figsize=(7.2, 2.5), layout="constrained")
            axes = figure.add_subplot()
            draw(axes, pulses)
            axes.set_xlabel("pulse of the session")
            axes.set_xlim(0.5, len(pulses) + 0.5)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            handles, labels = axes.get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside upper right", ncols=len(labels), frameon=False)
            out = io.StringIO()
            figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
            svg = out.getvalue()
            label = f"{what} of each pulse, set and measured"
            drawn.append((label, svg[svg.index("<svg") :]))
    return drawn


def _draw_energy(axes: Any, pulses: Sequence[PulseRecord]) -> None:
    numbers = range(1, len(pulses) + 1)
    intended = [pulse.set_energy_mj for pulse in pulses]
    for percent, shade in ((ENERGY_TRIP_PERCENT, "#f3f5f7"), (METERS_PERCENT, "#e4eef6")):
        low, high = ([value * (1 + sign * percent / 100) for value in intended] for sign in (-1, 1))
        axes.fill_between(numbers, low, high, step="mid", color=shade, label=f"±{percent} %", linewidth=0)
    axes.step(numbers, intended, where="mid", color=_SET, linewidth=1, label="set")
    _points(axes, pulses, [pulse.monitor_b_mj for pulse in pulses])
    unknown = [(n, pulse.set_energy_mj) for n, pulse in zip(numbers, pulses, strict=True) if pulse.unknown]
    if unknown:
        axes.plot(*zip(*unknown, strict=True), "x", color=_UNKNOWN, label="of unknown fate")
    axes.set_ylabel("energy, mJ")


def _draw_width(axes: Any, pulses: Sequence[PulseRecord]) -> None:
    numbers = range(1, len(pulses) + 1)
    modes = [pulse.mode_width_ps for pulse in pulses]
    axes.step(numbers, modes, where="mid", color=_SET, linewidth=1, label="of the mode")
    measured = [pulse.pulse_width_ps for pulse in pulses]
    _points(axes, pulses, measured)
    known = [*modes, *(value for value in measured if value is not None)]
    margin = max(20.0, 0.1 * (max(known) - min(known)))
    axes.set_ylim(min(known) - margin, max(known) + margin)
    axes.set_ylabel("width, ps")


def _points(axes: Any, pulses: Sequence[PulseRecord], values: Sequence[float | None]) -> None:
    """What was measured: full where light left the aperture, open where it stayed inside."""
    for inside, style in ((False, {"color": _MEASURED}), (True, {"mfc": "white", "mec": _MEASURED})):
        known = [
            (number, value)
            for number, (pulse, value) in enumerate(zip(pulses, values, strict=True), start=1)
            if value is not None and pulse.delivered is not inside
        ]
        if known:
            label = "measured, inside the laser" if inside else "measured"
            axes.plot(*zip(*known, strict=True), "o", markersize=3, label=label, linestyle="none", **style)
