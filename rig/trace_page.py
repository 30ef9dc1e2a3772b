"""The trace on paper: as a page in the documents, as one HTML file, as a table for a spreadsheet."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator
from html import escape
from typing import Final

from rig.trace import Shown, Trace
from rig.trace_results import file_of
from rig.trace_tables import FOLDER, Hazard, Requirement

_COLUMNS: Final = (
    *("hazard", "severity", "what may happen", "hazard tests", "hazard last result"),
    *("requirement", "what is required", "clause", "wording", "met by", "modules", "tests", "last result"),
)

_STYLE: Final = """
body { font: 15px/1.45 system-ui, sans-serif; color: #1b1f24 }
body { margin: 2rem auto; max-width: 88rem; padding: 0 1rem }
table { border-collapse: collapse; width: 100%; margin: 1rem 0 2.5rem }
th, td { border: 1px solid #d0d7de; padding: .4rem .6rem; text-align: left; vertical-align: top }
th { background: #f6f8fa } th:nth-last-child(2) { width: 40% } th:nth-last-child(3) { width: 15rem }
code { font-size: .85em; overflow-wrap: anywhere } .small { color: #57606a; font-size: .9em }
.passed { color: #116329 } .failed, .skipped, .not { color: #a40e26; font-weight: 600 }
tr:target { background: #fff8c5 }
@media print { body { margin: 0; max-width: none } tr { break-inside: avoid } }
"""


def csv_text(trace: Trace) -> str:
    """One row for each hazard and each requirement that controls it; then what that serve them all."""
    told = io.StringIO()
    writer = csv.writer(told, lineterminator="\n")
    writer.writerow(_COLUMNS)
    tables = trace.tables
    nothing = ("",) * 5
    for hazard in tables.hazards.values():
        line = trace.lines[hazard.id]
        tests = " ".join(test.test for test in line.tests)
        first = (hazard.id, hazard.severity_1_5, hazard.hazard, tests, line.last)
        writer.writerows((*first, *_requirement(trace, number)) for number in hazard.requirements)
    writer.writerows(
        (*nothing, *_requirement(trace, number))
        for number in tables.requirements
        if not tables.hazards_of(number)
    )
    return told.getvalue()


def _requirement(trace: Trace, number: str) -> tuple[str, ...]:
    row, line = trace.tables.requirements[number], trace.lines[number]
    return (
        *(row.id, row.requirement, row.clause, row.wording, row.met_by, " ".join(row.modules)),
        *(" ".join(test.test for test in line.tests), line.last),
    )


def hazard_rows(trace: Trace) -> Iterator[tuple[object, ...]]:
    """The hazards for a page below docs/safety: number, severity, what may happen, requirements, tests."""
    for row in trace.tables.hazards.values():
        yield (
            row.id,
            row.severity_1_5,
            f"{row.hazard}: {row.effect}{_noted(row)}",
            " ".join(row.requirements),
            _files(trace, row.id),
        )


def requirement_rows(trace: Trace) -> Iterator[tuple[object, ...]]:
    """The requirements for a page below docs/safety: number, words, wording, met by, modules, tests."""
    for row in trace.tables.requirements.values():
        words = f"{row.requirement}{_noted(row)}"
        yield row.id, words, row.wording, row.met_by, links(row.modules), _files(trace, row.id)


def _noted(row: Hazard | Requirement) -> str:
    return f". Note: {row.note}" if row.note else ""


def _files(trace: Trace, number: str) -> str:
    return links(file_of(test.test) for test in trace.lines[number].tests)


def links(paths: Iterable[str]) -> str:
    """Each path once, as a link from the folder of the safety documents."""
    return ", ".join(f"[{path}]({os.path.relpath(path, FOLDER)})" for path in dict.fromkeys(paths))


def html_text(trace: Trace) -> str:
    """One page that needs nothing else: hazards, requirements, tests, last results, all linked."""
    tables = trace.tables
    said = ["<!doctype html>", '<html lang="en"><meta charset="utf-8">', "<title>Traceability</title>"]
    said += [f"<style>{_STYLE}</style>", "<h1>From hazard to test</h1>", f"<p>{escape(trace.summary())}.</p>"]
    if trace.results is not None and trace.results.runs:
        last = trace.results.runs[-1]
        said.append(
            f'<p class="small">Results of {escape(last.ended)}, commit {escape(last.commit)}, '
            f"code {escape(trace.results.code)}.</p>"
        )
    if trace.problems:
        said.append("<h2>Problems</h2><ul>")
        said += [f"<li>{escape(p.about)}: {escape(p.text)}</li>" for p in trace.problems]
        said.append("</ul>")
    said += [
        "<h2>Hazards</h2><table><tr><th>Hazard<th>Severity<th>Controlled by<th>Tests<th>Last result</tr>"
    ]
    for hazard in tables.hazards.values():
        line = trace.lines[hazard.id]
        about = f"{escape(hazard.hazard)}<br><span class=small>{escape(hazard.cause)} &rarr; "
        about += f"{escape(hazard.effect)}. Control: {escape(hazard.control)}{escape(_noted(hazard))}.</span>"
        named = " ".join(f'<a href="#{number}">{number}</a>' for number in hazard.requirements)
        said.append(
            _row(hazard.id, about, str(hazard.severity_1_5), named, _tests(line.tests), _last(line.last))
        )
    said += ["</table><h2>Requirements</h2><table>"]
    said += ["<tr><th>Requirement<th>Wording<th>Hazards<th>Met in<th>Tests<th>Last result</tr>"]
    for row in tables.requirements.values():
        line = trace.lines[row.id]
        about = f"{escape(row.requirement)}<br><span class=small>{escape(row.acceptance_criterion)} "
        about += f"[{escape(row.clause)}]{escape(_noted(row))}</span>"
        named = " ".join(f'<a href="#{number}">{number}</a>' for number in tables.hazards_of(row.id))
        met = f"{row.met_by}<br>" + "<br>".join(f"<code>{escape(path)}</code>" for path in row.modules)
        said.append(_row(row.id, about, row.wording, named, met, _tests(line.tests), _last(line.last)))
    return "\n".join([*said, "</table></html>"]) + "\n"


def _row(number: str, about: str, *cells: str) -> str:
    rest = "".join(f"<td>{cell}" for cell in cells)
    return f'<tr id="{number}"><td><b>{number}</b> {about}{rest}</tr>'


def _tests(tests: Iterable[Shown]) -> str:
    return "<br>".join(f"<code>{escape(test.test)}</code> {_last(test.last)}" for test in tests)


def _last(result: str) -> str:
    return f'<span class="{result}">{result}</span>'
