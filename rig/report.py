"""A campaign's report: HTML with plots, JSON, JUnit XML."""

from __future__ import annotations

import io
import json
import xml.etree.ElementTree as ET  # only written here
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from rig.invariants import INVARIANTS
from rig.result import LOST, UNSEEN, Kept
from rig.totals import Totals

SLOWEST: Final = 10
WHAT_IS_MISSING: Final = "for a report in HTML: pip install 'picolase[rig]'"


class ReportError(RuntimeError):
    """The report cannot be made: says why."""


class MissingError(ReportError):
    """What draws the page is not installed: says how to get it."""


def write(folder: Path, runs: Sequence[Kept], sums: Totals, title: str) -> list[Path]:
    """Write JSON and JUnit XML into `folder`; returns their paths. Raises ReportError when that cannot be."""
    told = json.dumps(as_json(runs, sums), indent=2, sort_keys=True)
    return [
        _written(folder / "report.json", told + "\n"),
        _written(folder / "report.xml", junit(runs, title)),
    ]


def write_page(folder: Path, runs: Sequence[Kept], sums: Totals, title: str) -> Path:
    """Write the HTML into `folder`; returns its path. Raises MissingError without the `rig` extra."""
    return _written(folder / "report.html", html(runs, sums, title))


def _written(path: Path, text: str) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ReportError(f"{path}: cannot be written: {error.strerror}") from error
    return path


def as_json(runs: Sequence[Kept], sums: Totals) -> dict[str, Any]:
    """The totals and every violation, with the seed that replays it."""
    found = [
        {"scenario": run.scenario, "seed": run.seed, "trace_sha256": run.trace_sha256, **asdict(violation)}
        for run in runs
        for violation in run.violations
    ]
    return sums.as_dict() | {"violation_list": found}


def junit(runs: Iterable[Kept], title: str) -> str:
    """One test case for each run, as CI systems read it."""
    suite = ET.Element("testsuite", name=title)
    counts = {"tests": 0, "failures": 0}
    for run in runs:
        counts["tests"] += 1
        name = f"{run.scenario} seed {run.seed}"
        case = ET.SubElement(suite, "testcase", classname=title, name=name, time=f"{run.wall_s:.3f}")
        texts = [f"{one.invariant} at {one.at_us} us: {one.text}" for one in run.violations]
        texts += [f"the fault {name} was expected and never fired" for name in run.idle_faults]
        if texts:
            counts["failures"] += 1
            ET.SubElement(case, "failure", message=texts[0]).text = "\n".join(texts)
    for name, count in counts.items():
        suite.set(name, str(count))
    suites = ET.Element("testsuites")
    suites.append(suite)
    ET.indent(suites)
    return ET.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def html(runs: Sequence[Kept], sums: Totals, title: str) -> str:
    """One page that needs nothing else."""
    try:
        from jinja2 import Environment  # noqa: PLC0415  # an extra
    except ImportError as error:
        raise MissingError(WHAT_IS_MISSING) from error
    rules = {one.name: one.rule for one in INVARIANTS} | {
        UNSEEN: "no exception stays without anybody seeing it",
        LOST: "no run takes its worker down with it",
    }
    return str(
        Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
        .from_string(_PAGE)
        .render(
            title=title,
            sums=sums,
            rules=rules,
            failed=[run for run in runs if run.violations or run.idle_faults],
            faults=sorted(sums.faults.items()),
            slowest=sorted(runs, key=lambda run: -run.wall_s)[:SLOWEST],
            plots=_plots(runs, sums),
        )
    )


def _plots(runs: Sequence[Kept], sums: Totals) -> list[str]:
    """Inline SVG: how often each fault fired, what the lasers gave, how fast the runs were."""
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415  # an extra
        from matplotlib.ticker import MaxNLocator  # noqa: PLC0415  # as above
    except ImportError as error:
        raise MissingError(WHAT_IS_MISSING) from error
    plots = []
    if sums.faults:
        names = sorted(sums.faults)
        figure = Figure(figsize=(9, 1 + 0.18 * len(names)), layout="constrained")
        axes = figure.subplots()
        counts = [sums.faults[name] for name in names]
        axes.barh(names, [one.injected for one in counts], color="#d0d7de", label="injected")
        axes.barh(names, [one.injected_that_fired for one in counts], color="#1f6feb", label="fired")
        axes.invert_yaxis()
        axes.tick_params(labelsize=7)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("faults")
        axes.legend()
        plots.append(_svg(figure))
    for name, text in (("pulses_true", "pulses of a run"), ("wall_s", "real time of a run, s")):
        figure = Figure(figsize=(9, 2.4), layout="constrained")
        axes = figure.subplots()
        axes.hist([getattr(run, name) for run in runs], bins=40, color="#1f6feb")
        axes.set_xlabel(text)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_ylabel("runs")
        plots.append(_svg(figure))
    return plots


def _svg(figure: Any) -> str:
    drawn = io.StringIO()
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(drawn, format="svg", metadata={"Date": None})
    text = drawn.getvalue()
    return text[text.index("<svg") :]


_PAGE: Final = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{{ title }}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid #d0d7de; vertical-align: top; }
.good { color: #1a7f37; } .bad { color: #cf222e; }
table.facts th { width: 10rem; } .time { white-space: nowrap; }
svg { width: 100%; height: auto; }
</style>
<h1>{{ title }}</h1>
<p class="{{ 'good' if sums.good else 'bad' }}">
{{ sums.violations }} violation{{ '' if sums.violations == 1 else 's' }}
in {{ sums.seeds }} run{{ '' if sums.seeds == 1 else 's' }}
{%- if sums.idle_faults %}; expected faults that never fired: {{ sums.idle_faults }}{% endif %}.
</p>
<table class="facts">
<tr><th>code</th><td>{{ sums.code }}</td></tr>
<tr><th>seeds</th><td>{{ sums.seeds }}</td></tr>
<tr><th>simulated</th><td>{{ '%.0f' % sums.simulated_s }} s</td></tr>
<tr><th>real time, added up</th><td>{{ '%.0f' % sums.wall_s }} s</td></tr>
<tr><th>longest turn of the loop</th><td>{{ '%.1f' % sums.turn_ms_max }} ms of real time</td></tr>
<tr><th>pulses</th><td>{{ sums.pulses }}</td></tr>
<tr><th>faults that fired</th><td>{{ sums.faults_fired }}</td></tr>
{% if sums.workers_lost %}
<tr><th>workers lost</th><td>{{ sums.workers_lost }}; what they had was done again</td></tr>
{% endif %}
</table>
{% if failed %}
<h2>What failed</h2>
<p>To see one again, with the same scenario and the same code:
<code>picolase campaign --seeds 1 --out again --first-seed</code> and its seed. The first of each promise is
shrunk and written as a scenario into <code>violations/</code> beside this page.</p>
<table>
<tr><th>scenario</th><th>seed</th><th>promise</th><th>after</th><th>what happened</th></tr>
{% for run in failed %}
{% for one in run.violations %}
<tr><td>{{ run.scenario }}</td><td>{{ run.seed }}</td><td>{{ one.invariant }}</td>
<td class="time">{{ '%.6f' % ((one.at_us - run.began_us) / 1e6) }} s</td><td>{{ one.text }}</td></tr>
{% endfor %}
{% for name in run.idle_faults %}
<tr><td>{{ run.scenario }}</td><td>{{ run.seed }}</td><td></td><td></td>
<td>the fault {{ name }} was expected and never fired</td></tr>
{% endfor %}
{% endfor %}
</table>
{% endif %}
<h2>What was promised</h2>
<table>
<tr><th>promise</th><th>rule</th><th>broken</th><th>excused</th></tr>
{% for name, rule in rules.items() %}
<tr><td>{{ name }}</td><td>{{ rule }}</td>
<td class="{{ 'bad' if sums.invariants.get(name) }}">{{ sums.invariants.get(name, 0) }}</td>
<td>{{ sums.excused.get(name, 0) }}</td></tr>
{% endfor %}
</table>
<h2>Faults</h2>
<table>
<tr><th>fault</th><th>injected</th><th>of these fired</th><th>times fired, in all</th></tr>
{% for name, counts in faults %}
<tr><td>{{ name }}</td><td>{{ counts.injected }}</td><td>{{ counts.injected_that_fired }}</td>
<td>{{ counts.times_fired }}</td></tr>
{% endfor %}
</table>
<h2>Plots</h2>
{% for plot in plots %}{{ plot | safe }}{% endfor %}
<h2>The slowest runs</h2>
<table>
<tr><th>seed</th><th>real time</th><th>simulated</th></tr>
{% for run in slowest %}
<tr><td>{{ run.seed }}</td><td>{{ '%.2f' % run.wall_s }} s</td><td>{{ '%.0f' % run.simulated_s }} s</td></tr>
{% endfor %}
</table>
</html>
"""
