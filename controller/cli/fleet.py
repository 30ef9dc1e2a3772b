"""The fleet: all lasers of a broker in the terminal."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from controller.cli.app import App, config_option, console, json_option, pass_app, print_json, wall_clock
from controller.cli.exits import CommandFailed, Exit
from controller.cli.signals import run_interruptible

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from controller.config import MqttConfig
    from controller.fleet import Energy, Fleet, Row
    from controller.fleet_watch import FleetWatch

FRAME_S: Final = 0.5  # [C] to look at a thousand lasers and draw takes 35 ms of it
TOLD_EVERY_S: Final = 1.0  # [C] of lines, for programs and files
LINES_AROUND: Final = 9  # of a window: the heading, the table's frame, what is left out
MQTT_PORT: Final = 1883
ARROWS: Final = {"rising": "\u2191", "falling": "\u2193", "steady": "\u2192"}

ORDERS: Final[dict[str, Callable[[Row], Any]]] = {
    "name": lambda row: (row.site, row.device),
    "trouble": lambda row: (not row.alarms, row.live, not row.troubled, row.site, row.device),
    "state": lambda row: (row.state, row.site, row.device),
    "seen": lambda row: (row.seen or "", row.site, row.device),  # the longest silent first
    "energy": lambda row: (-abs(row.energy.off_percent) if row.energy else 1.0, row.site, row.device),
    "pulses": lambda row: (-(row.pulses or 0), row.site, row.device),
    "dropped": lambda row: (-(row.samples_dropped or 0), row.site, row.device),
}
"""What the lasers can be sorted by; what asks for a look stands first."""


@click.command()
@click.option("--site", "sites", multiple=True, metavar="SITE", help="Only this site; may be given again.")
@click.option(
    "--sort", type=click.Choice(list(ORDERS)), default="name", show_default=True, help="What stands first."
)
@click.option("--once", is_flag=True, help="Print once, when each laser has had its time to speak, and end.")
@click.option(
    "--broker",
    metavar="HOST[:PORT]",
    help="The broker, without encryption or user; instead of [mqtt] of the configuration.",
)
@config_option
@json_option
@pass_app
def fleet(  # noqa: PLR0917  # click gives them by name
    app: App, sites: tuple[str, ...], sort: str, once: bool, broker: str | None, as_json: bool
) -> None:
    """Show all lasers on an MQTT broker, live, until Ctrl-C. Watching publishes nothing and commands nothing.

    Broker, user and prefix are those of [mqtt] in the configuration, or --broker. No daemon is needed. A
    laser is live if its status says online and something of the same start came within three of its periods.

    With --json, one JSON object a line: each laser that has changed; with --once, all of it in one.
    """
    from controller.fleet import Fleet
    from controller.fleet_watch import FleetWatch
    from controller.mqtt_link import LinkTrouble

    settings = _settings(app, broker)
    lasers = Fleet(settings.prefix)
    watch = FleetWatch(settings, lasers, name=f"picolase-fleet-{secrets.token_hex(6)}")
    shown = _Shown(lasers, watch, f"mqtt://{settings.host}:{settings.port}", sites, sort)
    try:
        run_interruptible(shown.once(as_json) if once else shown.on(as_json))
    except LinkTrouble as trouble:
        exits = {"refused": Exit.NOT_ALLOWED, "settings": Exit.BAD_INPUT}
        raise CommandFailed(exits.get(trouble.kind, Exit.NOT_REACHABLE), str(trouble)) from trouble


def _settings(app: App, broker: str | None) -> MqttConfig:
    if broker is None:
        return app.config.mqtt
    from pydantic import ValidationError

    from controller.config import MqttConfig

    host, _, port = broker.rpartition(":") if broker.count(":") == 1 else (broker, "", str(MQTT_PORT))
    try:
        return MqttConfig(host=host, port=int(port))
    except (ValidationError, ValueError) as error:
        raise CommandFailed(Exit.USAGE, f"--broker = {broker!r}: give it as HOST or HOST:PORT.") from error


class _Shown:
    """The fleet as it is shown."""

    def __init__(
        self, lasers: Fleet, watch: FleetWatch, broker: str, sites: Sequence[str], sort: str
    ) -> None:
        self._lasers = lasers
        self._watch = watch
        self._broker = broker
        self._sites = sites
        self._sort = sort
        self._told: dict[tuple[str, str], dict[str, Any]] = {}

    async def once(self, as_json: bool) -> None:
        """Print all of it, once it has come."""
        await self._while_watching(self._watch.settled(_wall_us))
        rows = self._rows()
        if as_json:
            print_json(self._plain(rows))
        else:
            console().print(self._head(rows), _table(rows))

    async def on(self, as_json: bool) -> None:
        """Show it until cancelled: drawn on a terminal, as lines elsewhere and for programs."""
        screen = console()
        await self._while_watching(
            self._draw(screen) if screen.is_terminal and not as_json else self._tell(as_json)
        )

    async def _while_watching(self, work: Any) -> None:
        """Do the work; the end of the watch, as with no broker, comes first."""
        watching = asyncio.create_task(self._watch.run(), name="fleet-watch")
        working = asyncio.create_task(work, name="fleet-show")
        try:
            await asyncio.wait({watching, working}, return_when=asyncio.FIRST_COMPLETED)
            (watching if watching.done() else working).result()
        finally:
            for task in (watching, working):
                task.cancel()
            await asyncio.gather(watching, working, return_exceptions=True)

    async def _draw(self, screen: Console) -> None:
        from rich.live import Live

        await self._watch.subscribed.wait()
        with Live(console=screen, auto_refresh=False) as live:
            while True:
                rows = self._rows()
                live.update(self._drawing(rows, screen.height - LINES_AROUND), refresh=True)
                await asyncio.sleep(FRAME_S)

    def _drawing(self, rows: list[Row], height: int) -> RenderableType:
        from rich.console import Group
        from rich.panel import Panel
        from rich.text import Text

        parts: list[RenderableType] = [Text(self._head(rows), "bold")]
        if self._watch.trouble:
            words = f"STALE: {self._watch.trouble}. Do not rely on what is shown."
            parts.insert(0, Panel(Text(words, "bold red"), style="red"))
        parts.append(_table(rows[: max(height, 1)]))
        if (left_out := len(rows) - max(height, 1)) > 0:
            parts.append(Text(f"and {left_out} more: --site and --sort choose, a higher window shows more"))
        return Group(*parts)

    async def _tell(self, as_json: bool) -> None:
        """A line for each laser that is not as it was told before."""
        await self._watch.settled(_wall_us)
        trouble = ""
        while True:
            if self._watch.trouble != trouble:
                trouble = self._watch.trouble
                click.echo(f"STALE: {trouble}" if trouble else "the broker is there again", err=True)
            rows = self._rows()
            for row in rows:
                key, content = (row.site, row.device), _content(row, as_json=as_json)
                if self._told.get(key) != content:
                    self._told[key] = content
                    print_json(row.plain()) if as_json else click.echo(_line(row))
            for key in self._told.keys() - {(row.site, row.device) for row in rows}:
                del self._told[key]
                gone = {"site": key[0], "device": key[1], "gone": True}
                print_json(gone) if as_json else click.echo(f"{key[0]}/{key[1]}: nothing is left of it")
            await asyncio.sleep(TOLD_EVERY_S)

    def _rows(self) -> list[Row]:
        return sorted(self._lasers.rows(_wall_us(), self._sites), key=ORDERS[self._sort])

    def _counts(self, rows: list[Row]) -> dict[str, Any]:
        from controller.fleet_counts import counts

        return counts(self._lasers, rows)

    def _plain(self, rows: list[Row]) -> dict[str, Any]:
        about = {"at": wall_clock().isoformat(), "broker": self._broker, "trouble": self._watch.trouble}
        return about | {"counts": self._counts(rows), "lasers": [row.plain() for row in rows]}

    def _head(self, rows: list[Row]) -> str:
        counts = self._counts(rows)
        states = ", ".join(f"{count} {state.replace('_', ' ')}" for state, count in counts["states"].items())
        parts = [
            f"{counts['lasers']} lasers at {self._broker}",
            f"{counts['live']} live" + (f" ({states})" if states else ""),
            f"{counts['lasers'] - counts['live']} not live",
            f"{counts['with_alarms']} with alarms",
        ]
        if counts["unreadable"]:
            parts.append(f"{counts['unreadable']} messages could not be read")
        if counts["crowded_out"]:
            parts.append(f"{counts['crowded_out']} messages of lasers beyond the most that are shown")
        return "; ".join(parts)


def _table(rows: Iterable[Row]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("laser", "", "state", "seen", "alarms", "pulses", "energy", "dropped"):
        table.add_column(title, overflow="ellipsis", no_wrap=True)
    for row in rows:
        style = "" if row.live else "dim"
        table.add_row(
            Text(f"{row.site}/{row.device}"),
            Text("LIVE", "green") if row.live else Text("not live", "bold red"),
            Text(_state(row), style),
            Text(_age(row.age_s), style),
            Text(_wrong(row), "red" if row.troubled else ""),
            Text(_pulses(row), style),
            Text(_energy(row.energy), style),
            Text("" if row.samples_dropped is None else str(row.samples_dropped), style),
        )
    return table


def _state(row: Row) -> str:
    simulated = " (simulated)" if row.simulated else ""
    return ("" if row.live else "was ") + row.state.replace("_", " ") + simulated


def _age(age_s: float | None) -> str:
    if age_s is None:
        return "never"
    if abs(age_s) < 100:  # noqa: PLR2004  # two digits
        return f"{age_s:.0f} s ago" if age_s >= 0 else f"{-age_s:.0f} s ahead"
    minutes, hours, days = age_s / 60, age_s / 3600, age_s / 86_400
    if abs(minutes) < 100:  # noqa: PLR2004
        return f"{minutes:.0f} min ago"
    return f"{hours:.0f} h ago" if abs(hours) < 100 else f"{days:.0f} days ago"  # noqa: PLR2004


def _wrong(row: Row) -> str:
    """What is wrong with it, the first cause first; the words of an alarm, else its name."""
    alarms = [text or name.replace("-", " ") for name, text in row.alarms.items()]
    told = {name.replace("-", "_") for name in row.alarms}
    faults = [name.replace("_", " ") for name in (*row.faults, *row.latches) if name not in told]
    link = ["its daemon does not hear the laser"] if row.link_up is False else []
    return "; ".join([*([row.why] if row.why else []), *alarms, *faults, *link])


def _pulses(row: Row) -> str:
    if row.pulses is None:
        return ""
    session = f" ({row.pulses_delivered or 0} of {row.pulses_planned})" if row.pulses_planned else ""
    return f"{row.pulses}{session}"


def _energy(energy: Energy | None) -> str:
    if energy is None:
        return ""
    arrow = ARROWS.get(energy.trend or "", "")
    return f"{energy.mean_mj:.1f} of {energy.set_mj:.1f} mJ {arrow} {energy.off_percent:+.1f} %"


def _content(row: Row, *, as_json: bool) -> dict[str, Any]:
    """What a change of is told: for programs all but the age, for people what they would act on."""
    plain = row.plain()
    if as_json:
        return {name: value for name, value in plain.items() if name not in {"age_s", "seen", "why"}}
    return {name: plain[name] for name in ("live", "state", "link_up", "alarms", "faults", "latches")}


def _line(row: Row) -> str:
    said = [f"{row.site}/{row.device}", "LIVE" if row.live else "not live", _state(row), _age(row.age_s)]
    said += [text for text in (_wrong(row), _energy(row.energy)) if text]
    return "  ".join(said)


def _wall_us() -> int:
    """Microseconds since 1970."""
    return int(wall_clock().timestamp() * 1e6)
