"""The Grafana dashboard, as code; `make docs` writes it."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, statetimeline, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "dashboards" / "grafana" / "picolase.json"
SOURCE: Final = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
REFRESH: Final = "5s"

GREEN, YELLOW, RED = "green", "yellow", "red"
ONE: Final = 'instance="$instance"'
UNKNOWN: Final = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Query:
    """A PromQL expression, with `ONE` in braces where the chosen laser goes, and what names its series."""

    expr: str
    legend: str = "__auto"


@dataclass(frozen=True, slots=True)
class Words:
    """What a number means, in words and a colour: colours alone say nothing to whoever cannot see them."""

    number: float
    text: str
    colour: str


@dataclass(frozen=True, slots=True)
class Chart:
    """One panel. `limits` are values from which on it takes a colour."""

    title: str
    meaning: str
    queries: tuple[Query, ...]
    unit: str = "short"
    words: tuple[Words, ...] = ()
    limits: tuple[tuple[float | None, str], ...] = ((None, GREEN),)
    span: int = 12
    names: bool = False  # of a stat: show the series' name instead of its number
    decimals: int | None = None


YES_NO: Final = (Words(0, "NO", RED), Words(1, "yes", GREEN))
OFF_ON: Final = (Words(0, "off", GREEN), Words(1, "ON", YELLOW))
FRESH: Final = "Absent when the laser's data is stale: what is not known is not shown."


def _of(name: str, *also: str) -> str:
    return f"{name}{{{','.join((ONE, *also))}}}"


def _mean(name: str) -> str:
    sums, counts = (f"rate({_of(f'{name}_{part}')}[$__rate_interval])" for part in ("sum", "count"))
    return f"{sums} / {counts}"


def _quantile(share: float, name: str) -> str:
    return f"histogram_quantile({share}, rate({_of(f'{name}_bucket')}[$__rate_interval]))"


NOW: Final = (
    Chart("Daemon", "Whether it answers.", (Query(_of("up")),), words=YES_NO, span=3),
    Chart(
        "Line to the laser",
        "Whether it is up.",
        (Query(_of("picolase_link_up")),),
        words=(Words(0, "DOWN", RED), Words(1, "up", GREEN)),
        span=3,
    ),
    Chart(
        "Age of the laser's data",
        "At the last scrape. Beyond 0.5 s nothing here about the laser can be relied on.",
        (Query(_of("picolase_laser_data_age_seconds")),),
        "s",
        limits=((None, GREEN), (0.5, RED)),
        span=3,
    ),
    Chart(
        "State",
        FRESH,
        (Query(f"{_of('picolase_laser_state')} == 1", "{{state}}"),),
        names=True,
        span=3,
    ),
    Chart(
        "Faults of the laser",
        FRESH,
        (Query(f"sum({_of('picolase_fault_latched')})"),),
        limits=((None, GREEN), (1, RED)),
        span=3,
    ),
    Chart(
        "Latched by the host",
        "Latches of the supervisor.",
        (Query(f"sum({_of('picolase_latch_standing')})"),),
        limits=((None, GREEN), (1, RED)),
        span=3,
    ),
    Chart(
        "Calibration ends in",
        "No treatment begins after that.",
        (Query(_of("picolase_calibration_remaining_seconds")),),
        "s",
        limits=((None, RED), (0, YELLOW), (3 * 86_400, GREEN)),
        span=3,
    ),
    Chart(
        "Permit: pulses left",
        FRESH,
        (Query(_of("picolase_permit_pulses")),),
        limits=((None, GREEN), (1, YELLOW)),
        span=3,
    ),
)
TIMELINES: Final = (
    Chart(
        "Operating state",
        FRESH,
        (Query(_of("picolase_laser_state"), "{{state}}"),),
        words=(Words(0, " ", "transparent"), Words(1, "here", YELLOW)),
    ),
    Chart(
        "Interlocks",
        FRESH,
        (Query(_of("picolase_interlock_closed"), "{{interlock}}"),),
        words=(Words(0, "OPEN", RED), Words(1, "closed", GREEN)),
    ),
    Chart(
        "Faults and latches",
        "Those that stood at some time in the range.",
        (
            Query(f"{_of('picolase_fault_latched')} == 1", "laser: {{fault}}"),
            Query(f"{_of('picolase_latch_standing')} == 1", "host: {{latch}}"),
        ),
        words=(Words(1, "latched", RED),),
    ),
    Chart(
        "What the supervisor relies on",
        "What is not good takes permission away.",
        (Query(_of("picolase_input_good"), "{{input}}"), Query(_of("picolase_heartbeat_sent"), "heartbeat")),
        words=YES_NO,
    ),
)
PULSES: Final = (
    Chart(
        "Pulses a second",
        "By what became of them; an unknown one counts as delivered dose.",
        (Query(f"rate({_of('picolase_pulses_total')}[$__rate_interval])", "{{outcome}}"),),
    ),
    Chart(
        "Judgements a second",
        "Pulses with a flag of the laser's judgement.",
        (Query(f"rate({_of('picolase_pulse_flags_total')}[$__rate_interval])", "{{flag}}"),),
    ),
    Chart(
        "Pulse energy",
        "Mean by both monitors, the last pulse, and what was set.",
        (
            Query(_mean("picolase_pulse_energy_joules"), "mean, monitor {{monitor}}"),
            Query(_of("picolase_last_pulse_energy_joules"), "last, monitor {{monitor}}"),
            Query(_of("picolase_last_pulse_set_energy_joules"), "set"),
        ),
        "joule",
        decimals=3,
    ),
    Chart(
        "Energy as a share of what was set",
        "The laser flags a pulse 10 % off and trips 15 % off.",
        (
            Query(_mean("picolase_pulse_energy_to_set_ratio"), "mean, monitor {{monitor}}"),
            Query(_quantile(0.05, "picolase_pulse_energy_to_set_ratio"), "5 % below, {{monitor}}"),
            Query(_quantile(0.95, "picolase_pulse_energy_to_set_ratio"), "5 % above, {{monitor}}"),
        ),
        "percentunit",
        limits=((None, RED), (0.85, YELLOW), (0.9, GREEN), (1.1, YELLOW), (1.15, RED)),
        decimals=1,
    ),
    Chart(
        "Pulse width",
        "Within 450 to 825 ps.",
        (
            Query(_mean("picolase_pulse_width_seconds"), "mean"),
            Query(_of("picolase_last_pulse_width_seconds"), "last"),
        ),
        "s",
        limits=((None, RED), (450e-12, GREEN), (825e-12, RED)),
    ),
    Chart(
        "The plan in hand",
        "Absent without one.",
        (
            Query(_of("picolase_plan_pulses"), "planned"),
            Query(_of("picolase_plan_pulses_given"), "given"),
        ),
    ),
)
VALUES: Final = (
    Chart("Coolant", FRESH, (Query(_of("picolase_coolant_celsius"), "temperature"),), "celsius"),
    Chart(
        "Coolant flow",
        FRESH,
        (Query(f"{_of('picolase_coolant_flow_liters_per_second')} * 60", "flow"),),
        "litermin",
    ),
    Chart("Capacitor", FRESH, (Query(_of("picolase_capacitor_volts"), "voltage"),), "volt"),
    Chart("Lamp shots", FRESH, (Query(_of("picolase_lamp_shots_total"), "this lamp"),)),
)
TO_DO: Final = (
    Chart(
        "Proof tests",
        "Time since each contact was seen open.",
        (Query(_of("picolase_proof_test_age_seconds"), "{{interlock}}"),),
        "s",
    ),
    Chart(
        "Proof tests that are due",
        "An overdue one lets no treatment begin.",
        (
            Query(_of("picolase_proof_test_due"), "{{interlock}}"),
            Query(_of("picolase_proof_test_overdue"), "{{interlock}}, no treatment"),
        ),
        words=(Words(0, "no", GREEN), Words(1, "DUE", YELLOW)),
    ),
)
HOST: Final = (
    Chart(
        "Lateness of the event loop",
        "At 100 ms the daemon stops its heartbeat.",
        (
            Query(_quantile(0.5, "picolase_loop_lag_seconds"), "half of all looks"),
            Query(_quantile(0.99, "picolase_loop_lag_seconds"), "99 %"),
        ),
        "s",
        limits=((None, GREEN), (0.05, YELLOW), (0.1, RED)),
    ),
    Chart(
        "Answer of the database",
        "Its queue included.",
        (Query(_of("picolase_store_answer_seconds"), "answer"),),
        "s",
        limits=((None, GREEN), (0.4, RED)),
    ),
    Chart(
        "Waiting",
        "Absent for what is off.",
        (
            Query(_of("picolase_outbox_waiting"), "for the broker"),
            Query(_of("picolase_records_waiting"), "for the disk"),
            Query(_of("picolase_pulses_missing"), "pulses not on record"),
            Query(_of("picolase_laser_reports_waiting"), "reports in the laser"),
        ),
    ),
    Chart(
        "MQTT broker",
        "Absent where nothing is published.",
        (Query(_of("picolase_mqtt_connected"), "connected"),),
        words=YES_NO,
    ),
)


def write(*, checking: bool) -> int:
    """Write the JSON that Grafana imports, or with `checking` only compare it; returns the exit status."""
    text = _page()
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    name = PAGE.relative_to(ROOT)
    if checking:
        print(f"{name} is out of date: run `make docs` and commit the result", file=sys.stderr)
        return 1
    PAGE.write_text(text, encoding="utf-8")
    print(f"wrote {name}")
    return 0


def _page() -> str:
    made = (
        dashboard.Dashboard("picolase")
        .uid("picolase")
        .description(
            "One picosecond laser. A picture of what its daemon tells, at most as fresh as the last scrape: "
            "no safety function, and nothing here stops the laser."
        )
        .tags(["laser", "picolase"])
        .refresh(REFRESH)
        .time("now-15m", "now")
        .timezone(common_models.TimeZoneBrowser)
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .with_variable(
            dashboard.QueryVariable("instance")
            .label("Laser")
            .datasource(SOURCE)
            .query("label_values(picolase_build_info, instance)")
            .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        )
    )
    for title, charts, kind in (
        ("Now", NOW, _stat),
        ("States", TIMELINES, _timeline),
        ("Pulses", PULSES, _curves),
        ("Slow values", VALUES, _curves),
        ("To be done", TO_DO[:1], _curves),
        ("", TO_DO[1:], _timeline),
        ("The daemon", HOST[:3], _curves),
        ("", HOST[3:], _timeline),
    ):
        if title:
            made = made.with_row(dashboard.Row(title))
        for chart in charts:
            made = made.with_panel(kind(chart))
    return JSONEncoder(sort_keys=True, indent=2).encode(made.build()) + "\n"


def _stat(chart: Chart) -> Any:
    panel = _common(stat.Panel(), chart).height(4).graph_mode(common_models.BigValueGraphMode.NONE)
    panel = panel.color_mode(common_models.BigValueColorMode.BACKGROUND)
    shown = common_models.BigValueTextMode.NAME if chart.names else common_models.BigValueTextMode.VALUE
    newest = common.ReduceDataOptions().calcs(["lastNotNull"])
    return panel.text_mode(shown).no_value(UNKNOWN).reduce_options(newest)


def _timeline(chart: Chart) -> Any:
    panel = _common(statetimeline.Panel(), chart).height(10)
    return panel.show_value(common_models.VisibilityMode.AUTO).merge_values(True)


def _curves(chart: Chart) -> Any:
    panel = _common(timeseries.Panel(), chart).height(8).span_nulls(False)
    if len(chart.limits) > 1:
        style = common.GraphThresholdsStyleConfig().mode(common_models.GraphThresholdsStyleMode.DASHED)
        panel = panel.thresholds_style(style)
    if chart.decimals is not None:
        panel = panel.decimals(chart.decimals)
    return panel


def _common(panel: Any, chart: Chart) -> Any:
    panel = panel.title(chart.title).description(chart.meaning).datasource(SOURCE).unit(chart.unit)
    panel = panel.span(chart.span).mappings(list(_mappings(chart.words)))
    steps = [models.Threshold(value=value, color=colour) for value, colour in chart.limits]
    panel = panel.thresholds(dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps))
    for number, query in enumerate(chart.queries):
        asked = prometheus.Dataquery().expr(query.expr).legend_format(query.legend)
        # Over a range, a stat would show the last value that there was: of a laser that is gone, an old one.
        asked = asked.instant() if isinstance(panel, stat.Panel) else asked.range()
        panel = panel.with_target(asked.ref_id(chr(ord("A") + number)))
    return panel


def _mappings(words: Iterable[Words]) -> Iterable[models.ValueMap]:
    options = {
        f"{one.number:g}": models.ValueMappingResult(text=one.text, color=one.colour, index=index)
        for index, one in enumerate(words)
    }
    if options:
        yield models.ValueMap(options=options)
