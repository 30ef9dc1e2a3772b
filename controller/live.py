"""The live view in a terminal: the picture of a laser drawn again and again, or told line by line."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import astuple
from typing import Any, Final

from rich import box
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from controller.client import NotReachable
from controller.picture import (
    PERMITS,
    Picture,
    latch_line,
    shown,
    words,
)
from protocols.faults import FAULTS

FRAME_S: Final = 0.2  # [C] five frames a second: every pulse at 5 Hz, and a stale view within one of them
RETRY_S: Final = 1.0
BAR_CELLS: Final = 40

_STATE_STYLE: Final = {
    "standby": "bold green",
    "arming": "bold yellow",
    "ready": "bold yellow",
    "emitting": "bold white on red",
    "fault": "bold red",
}


def draw(picture: Picture, now_us: int) -> RenderableType:
    """The whole picture. Colour never is the only sign: everything it says stands there in words too."""
    parts: list[RenderableType] = []
    if stale := picture.stale(now_us):
        parts.append(Panel(Text(f"STALE: {stale}. Do not rely on what is shown.", "bold red"), style="red"))
    if picture.note:
        parts.append(Text(f"> {picture.note}", "bold"))
    # What asks for action stands above what is only nice to see: a small window cuts the lower end.
    parts += [_head(picture, now_us), _chain(picture), *_attention(picture)]
    if picture.session:
        parts.append(_session(picture))
    if picture.pulses:
        parts.append(_pulses(picture))
    return Group(*parts, *(Text(f"event: {text}", "dim") for text in picture.events))


def _head(picture: Picture, now_us: int) -> RenderableType:
    state = picture.state
    device = picture.status.get("device") or {}
    link = picture.status.get("link") or {}
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column()
    meaning = PERMITS.get(state, "nothing is known of the laser; take it to be dangerous")
    line = Text(f" {words(state).upper()} ", _STATE_STYLE.get(state, "bold"))
    grid.add_row("state", line.append(f"  {meaning}", "not bold default on default"))
    simulated = "  SIMULATED" if device.get("simulated") else ""
    who = f"{device.get('model')} {device.get('serial')}, firmware {device.get('firmware')}{simulated}"
    port = f"{link.get('state', 'unknown')}, {link.get('port', 'no port')}"
    why = f": {link['reason']}" if link.get("reason") and link.get("state") != "up" else ""
    grid.add_row("laser", Text(f"{who if device else 'none identified'}  (link {port}{why})"))
    if picture.laser:
        grid.add_row("beam", Text(_beam(picture.laser)))
    if telemetry := picture.status.get("telemetry"):
        grid.add_row("values", Text(_values(telemetry)))
    grid.add_row("heartbeat", Text(_heartbeat(picture)))
    elapsed_s = (now_us - picture.started_us) / 1e6
    grid.add_row(
        "time", Text(f"{elapsed_s:.1f} s elapsed; the laser's data is {_age(picture.age_s(now_us))}")
    )
    return grid


def _beam(laser: Mapping[str, Any]) -> str:
    handpiece, spot_mm = words(str(laser.get("handpiece", "none"))), laser.get("spot_mm")
    switches = [
        f"aiming {'on' if laser.get('aiming_on') else 'off'}",
        f"shutter {words(str(laser.get('shutter', 'unknown')))}",
        f"foot {words(str(laser.get('foot', 'unknown')))}",
        f"emission indicator {'on' if laser.get('indicator_on') else 'off'}",
        "in the calibration port" if laser.get("docked") else "",
        "calibrated" if laser.get("calibrated") else "NOT CALIBRATED",
    ]
    return f"{laser.get('wavelength_nm')} nm, {handpiece}, {spot_mm} mm; {', '.join(filter(None, switches))}"


def _values(telemetry: Mapping[str, Any]) -> str:
    old = "" if telemetry.get("quality") == "good" else f" ({_age_of(telemetry)})"
    coolant, flow = _number(telemetry.get("coolant_c"), 1), _number(telemetry.get("flow_l_min"), 1)
    simmer = "on" if telemetry.get("simmer_on") else "off"
    capacitor = _number(telemetry.get("hv_v"), 0)
    return f"coolant {coolant} degC, flow {flow} l/min, capacitor {capacitor} V, simmer {simmer}{old}"


def _age_of(told: Mapping[str, Any]) -> str:
    age_s = told.get("age_s")
    return _age(age_s if isinstance(age_s, int | float) else math.inf)


def _heartbeat(picture: Picture) -> str:
    supervisor = picture.supervisor
    if supervisor.get("heartbeat") == "sent":
        return "sent"
    because = "; ".join(str(reason.get("text")) for reason in supervisor.get("withheld_because") or ())
    return f"WITHHELD: {because or 'nothing is known of it'}"


def _fault(name: str) -> str:
    """A fault by its name, in the words of the fault table."""
    row = next((row for fault, row in FAULTS.items() if fault.name.lower() == name), None)
    return words(name) if row is None else f"{row.text}: {row.action}"


def _age(age_s: float) -> str:
    return f"{age_s:.1f} s old" if math.isfinite(age_s) else "of unknown age"


def _chain(picture: Picture) -> RenderableType:
    lamps = []
    for lamp in picture.lamps():
        if lamp.closed is None:
            sign, style, word = "?", "yellow", " unknown"
        elif lamp.closed:
            sign, style, word = "\u25cf", "green", ""
        else:
            sign, style, word = "\u2716", "bold red", " OPEN"
        first = " (FIRST CAUSE)" if lamp.first_cause else ""
        lamps.append(Text(f"{sign} {lamp.name}{word}{first}", style))
    grid = Table.grid(padding=(0, 2))
    grid.add_row(Text("interlocks", "dim"), Columns(lamps, padding=(0, 2)))
    return grid


def _session(picture: Picture) -> RenderableType:
    session = picture.session
    grid = Table.grid(padding=(0, 2))
    rehearsal = "  REHEARSAL: the shutter stays closed" if session.get("rehearsal") else ""
    rehearsal += "  SERVICE: light on no person" if session.get("service") else ""
    rehearsal += "  INTERNAL TRIGGER: fires without a foot" if session.get("trigger") == "internal" else ""
    unknown = f", {session['unknown']} of them unknown" if session.get("unknown") else ""
    grid.add_row(
        Text("session", "dim"),
        Text(
            f"{session.get('name')}: {words(str(session.get('state')))}, {session.get('delivered')} of "
            f"{session.get('planned')} pulses{unknown}, {session.get('remaining')} to go; "
            f"dose {_number(session.get('dose_j_cm2'), 2)} J/cm2{rehearsal}"
        ),
    )
    for number, series in enumerate(picture.series(), start=1):
        filled = BAR_CELLS * min(series.done, series.planned) // series.planned if series.planned else 0
        bar = "\u2588" * filled + "\u2591" * (BAR_CELLS - filled)
        grid.add_row(Text(f"series {number}", "dim"), Text(f"{bar} {series.done} of {series.planned}"))
    return grid


def _number(value: object, digits: int) -> str:
    return f"{value:.{digits}f}" if isinstance(value, int | float) else "unknown"


def _pulses(picture: Picture) -> RenderableType:
    table = Table(title="last pulses", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("number", "A mJ", "B mJ", "window", "width ps", "window", "verdict"):
        table.add_column(title)
    for pulse in reversed(picture.pulses):  # the newest on top, for the same reason
        *cells, judged = astuple(shown(pulse))
        table.add_row(*cells, Text(judged, "green" if judged == "ok" else "yellow"))
    return table


def _attention(picture: Picture) -> list[RenderableType]:
    """What somebody has to act on: faults, latches, refusals, what is uncertain."""
    supervisor = picture.supervisor
    laser = picture.laser
    parts: list[RenderableType] = []
    if laser.get("first_fault", "none") != "none":
        fault = _fault(str(laser["first_fault"]))
        others = sorted(set(laser.get("faults") or ()) - {laser["first_fault"]})
        also = f"; also {', '.join(map(words, others))}" if others else ""
        parts.append(Text(f"fault, first cause: {fault} (#{laser.get('fault_instance')}){also}", "bold red"))
    parts += [Text(f"latched: {latch_line(latch)}", "red") for latch in supervisor.get("latches") or ()]
    parts += [
        Text(
            f"uncertain: {item.get('kind')} {item.get('id')}: {item.get('text')}; run `picolase resolve`",
            "red",
        )
        for item in picture.status.get("uncertain") or ()
    ]
    if picture.state == "standby":
        parts += [
            Text(f"not armed yet: {reason.get('text')}: {reason.get('action')}", "yellow")
            for reason in supervisor.get("arm_refusals") or ()
        ]
    proofs = (picture.status.get("proof_tests") or {}).get("inputs") or ()
    parts += [
        Text(f"proof test due: {one.get('text')}: {one.get('action')}", "yellow")
        for one in proofs
        if one.get("standing") in {"due", "overdue"}
    ]
    return parts


class View:
    """Shows a picture on a console until its context is left: drawn on a terminal, line by line elsewhere."""

    def __init__(self, console: Console, picture: Picture, now_us: Callable[[], int]) -> None:
        self.console = console
        self.picture = picture
        self._now_us = now_us
        self._stale = ""
        self._live: Live | None = None

    @contextlib.asynccontextmanager
    async def shown(self) -> AsyncIterator[None]:
        """Keep the view up to date while the block runs; what is on a terminal then, stays there."""
        with contextlib.ExitStack() as stack:
            if self.console.is_terminal:
                self._live = stack.enter_context(Live(console=self.console, auto_refresh=False))
            drawing = asyncio.create_task(self._keep_drawing(), name="live-view")
            try:
                yield
            finally:
                drawing.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await drawing
                self._frame()

    def take(self, message: Mapping[str, Any]) -> None:
        """Show what the stream said."""
        self.say(*self.picture.apply(message, self._now_us()))

    def say(self, *lines: str) -> None:
        """Print lines with the time elapsed; on a terminal the drawing says it."""
        if self._live is None:
            elapsed_s = (self._now_us() - self.picture.started_us) / 1e6
            for line in lines:
                self.console.print(f"{elapsed_s:7.1f} s  {escape(line)}", soft_wrap=True)

    def note(self, text: str) -> None:
        """Say what is being done meanwhile."""
        self.picture.note = text
        self.say(text)

    async def _keep_drawing(self) -> None:
        while True:
            self._frame()
            await asyncio.sleep(FRAME_S)

    def _frame(self) -> None:
        stale = self.picture.stale(self._now_us())
        if self._live is not None:
            self._live.update(draw(self.picture, self._now_us()), refresh=True)
        elif bool(stale) != bool(self._stale) and self.picture.heard_us is not None:
            self.say(f"STALE: {stale}" if stale else "live again")
        self._stale = stale


async def follow(
    view: View,
    stream: Callable[[], AsyncGenerator[Mapping[str, Any], None]],
    until: Callable[[Picture], bool],
    *,
    patient: bool,
) -> None:
    """Show the stream until the picture is as wanted.

    When the daemon goes away: `patient` keeps asking, with a stale view; otherwise `NotReachable`.
    """
    told = False
    while True:
        try:
            async with contextlib.aclosing(stream()) as messages:
                async for message in messages:
                    told = False
                    view.take(message)
                    if until(view.picture):
                        return
        except NotReachable as error:
            if not patient:
                raise
            if not told:  # the first failure; its repeats say nothing new
                view.note(f"{error}; trying again each second")
                told = True
            await asyncio.sleep(RETRY_S)
