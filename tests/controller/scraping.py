"""A stack whose daemon has metrics, and what its page tells."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.parser import text_string_to_metric_families as parsed

from controller.api import build_api
from controller.config import MetricsConfig
from rig.stack import Stack


def with_metrics() -> Stack:
    """A stack whose daemon has metrics switched on by its configuration."""
    stack = Stack()
    stack._config = stack._config.model_copy(update={"metrics": MetricsConfig(enabled=True)})
    return stack


@asynccontextmanager
async def asking(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    app = build_api(stack.daemon.console, loopback_only=True, metrics=stack.daemon.metrics)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8755") as client:
        yield client


Series = dict[tuple[str, tuple[str, ...]], float]


def series(families: list[Family]) -> Series:
    """Every value by its name and the values of its labels."""
    found = {}
    for family in families:
        for sample in family.samples:
            key = (sample.name, tuple(sample.labels.values()))
            assert key not in found, f"{key} is there twice"
            found[key] = sample.value
    return found


async def seen(http: httpx.AsyncClient) -> Series:
    response = await http.get("/metrics")
    assert response.status_code == 200
    return series(list(parsed(response.text)))


def names(found: Series) -> set[str]:
    return {name for name, _ in found}
