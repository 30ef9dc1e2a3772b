"""Prometheus' own programs, and the names that it gives to what the daemon tells."""

import shutil

import pytest

from controller.metric import Kind
from controller.metrics import METRICS

PROMTOOL = shutil.which("promtool")
PROMETHEUS = shutil.which("prometheus")

without_promtool = pytest.mark.skipif(
    PROMTOOL is None or PROMETHEUS is None,
    reason="no promtool: apt-get install prometheus, brew install prometheus, or prometheus.io/download",
)

SERIES = {
    name
    for metric in METRICS
    for name in (
        [f"{metric.name}_{part}" for part in ("bucket", "count", "sum")]
        if metric.kind is Kind.HISTOGRAM
        else [metric.sample]
    )
}
