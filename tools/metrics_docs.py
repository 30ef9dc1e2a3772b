"""The metrics as a document: docs/metrics.md."""

from __future__ import annotations

from controller.metric import Label
from controller.metrics import METRICS
from tools.page import page, table


def documents() -> dict[str, str]:
    """The document by its name under docs/."""
    return {"metrics.md": _metrics()}


def _metrics() -> str:
    return page(
        "Metrics, alerts and dashboard",
        "The daemon tells [Prometheus](https://prometheus.io) how laser and daemon are, where its "
        "configuration says so:",
        "```toml\n[metrics]\nenabled = true\n```",
        "`GET /metrics` of its API then answers in Prometheus' text format, or in OpenMetrics where that is "
        "asked for. Like `GET /status` it needs no login, changes nothing, and answers only who calls this "
        "machine by a name of its own (`localhost`, `127.0.0.1`) unless `api.allow_remote` is set. No label "
        "names a person, a subject, a plan or a session; all values of labels but the laser's and the "
        "daemon's own names come from enumerations, so their number does not grow.",
        "Prometheus cannot scrape a unix socket: leave `api.socket` out, so that the API listens on "
        "`127.0.0.1:8755`, and run Prometheus, or an agent of it that sends on, on the same computer. "
        "[prometheus.yml](../dashboards/prometheus/prometheus.yml) is a configuration for that.",
        "## What it says of age",
        "`picolase_laser_data_age_seconds` is always there, and infinite when nothing is known of the laser. "
        "What the laser says itself is there only while it is fresh (300 ms as delivered): a series that "
        "ends says more than an old value. So test for absence where it matters, and never fill gaps with "
        "the last value. The counts begin at zero with each start of the daemon; the laser's own count, "
        "`picolase_laser_pulse_number`, goes on. A scrape is a look every few seconds: each single pulse is "
        "in the database and on MQTT.",
        "## All metrics",
        table(
            ("name", "type", "labels", "meaning"),
            [
                (f"`{one.sample}`", one.kind.value, "; ".join(map(_label, one.labels)), one.meaning)
                for one in METRICS
            ],
        ),
        "## Alerts",
        "[picolase.rules.yml](../dashboards/prometheus/picolase.rules.yml) has the rules, each with what to "
        "do; [picolase.rules.test.yml](../dashboards/prometheus/picolase.rules.test.yml) tries each with a "
        "laser that has its cause and one that has not: "
        "`promtool test rules dashboards/prometheus/picolase.rules.test.yml`. An alert comes seconds or "
        "minutes late, or not at all: it is no safety function.",
        "## Dashboard",
        "[picolase.json](../dashboards/grafana/picolase.json) is for Grafana 11 and later: *Dashboards, New, "
        "Import*, then choose Prometheus and laser. It is made by `tools/dashboard.py` with Grafana's own "
        "builders. The tests put each of its queries to a real Prometheus that scrapes a real daemon; how it "
        "looks they cannot tell: no Grafana runs there.",
    )


def _label(label: Label) -> str:
    """A label with the values it can have."""
    among = ", ".join(f"`{value}`" for value in label.among)
    return f"{label.name}: {among}" if among else label.name
