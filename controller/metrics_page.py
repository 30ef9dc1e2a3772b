"""The metrics page: what `GET /metrics` answers, from one consistent snapshot, in the format asked for.

Theory of operation. Pulses are heard from the fan-out like by any other listener, in a task of its own, so
that no counting stands in the way of a record. A scrape reads everything at one moment, without waiting; only
the database is asked a little before, by one question at a time and for a short while, so that a disk that
hangs neither fills its queue nor keeps the page back. A page takes the loop some 5 ms: however many ask at
once, the heart beats between two of them.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Iterator
from datetime import datetime
from importlib.metadata import version
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from controller.fanout import Fanout, Kind
from controller.meter import Histogram, Meter
from controller.metric import Metric, Snapshot
from controller.metrics import METRICS, OUTBOX_COUNTED_MAX
from controller.report import Reporter
from controller.store import Store, StoreError, StoreWriter

PULSES_WAITING_MAX: Final = 2_048  # [C] as many as the recorder writes at most at once, and eight times that
LAG_PERIOD_S: Final = 0.05  # [D] the heart's own
ANSWER_S: Final = 0.5  # [C] a scrape is given up after 10 s, and every few seconds there is another
ASK_EVERY_S: Final = 1.0  # [C] however many ask, the disk is not kept from the pulses
MEDIA_TYPES: Final = ("text/plain", "application/openmetrics-text")
UNITS: Final = ("amperes", "celsius", "joules", "ratio", "seconds", "volts", "watts")

_log = logging.getLogger(__name__)


class MetricsPage(Collector):
    """One daemon's metrics: `run` counts, `page` answers a scrape."""

    def __init__(
        self,
        reporter: Reporter,
        writer: StoreWriter,
        fanout: Fanout,
        wall_clock: Callable[[], datetime],
    ) -> None:
        self.meter = Meter()
        self._reporter = reporter
        self._writer = writer
        self._feed = fanout.subscribe("metrics", {Kind.PULSE: PULSES_WAITING_MAX})
        self._started = wall_clock()
        self._version = version("picolase")
        self._failed = 0
        self._asking: asyncio.Task[int | None] | None = None
        self._asked_s = self._answered_s = -math.inf
        self._turn = asyncio.Lock()
        self._registry = CollectorRegistry()
        self._registry.register(self)

    async def run(self) -> None:
        """Count until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._count_pulses(), name="metrics-pulses")
                group.create_task(self._measure_lag(), name="metrics-lag")
        finally:
            self._feed.close()
            if self._asking is not None:
                self._asking.cancel()
                await asyncio.wait({self._asking})

    async def page(self, accept: str) -> tuple[bytes, str]:
        """The page and its content type, as the `Accept` header asks: OpenMetrics or Prometheus' own text."""
        await self._ask_store()
        encode, content_type = choose_encoder(accept)
        async with self._turn:
            await asyncio.sleep(0)
            return encode(self._registry), content_type

    def collect(self) -> Iterator[Family]:
        """Every metric that has a value, as the registry wants them."""
        seen = self.snapshot()
        for metric in METRICS:
            family = Family(metric.name, metric.meaning, metric.kind.value, _unit(metric))
            for values, reading in metric.read(seen).items():
                if reading is not None:
                    labels = (label.name for label in metric.labels)
                    _add(family, metric, dict(zip(labels, values, strict=True)), reading)
            if family.samples:
                yield family

    def snapshot(self) -> Snapshot:
        """Everything that the metrics are read from, now."""
        session = self._reporter.treatment.session
        asked, now_s = self._asking, asyncio.get_running_loop().time()
        answered = asked is not None and asked.done()
        until_s = self._answered_s if answered else now_s
        return Snapshot(
            report=self._reporter.report(),
            meter=self.meter,
            version=self._version,
            started=self._started,
            set_energy_mj=session.plan.pulse_energy_mj if session else None,
            planned=(session.plan.pulses, session.tally.given) if session else None,
            calibration_left_s=self._reporter.calibrations.left_s,
            uncounted=self._failed + self._feed.dropped[Kind.PULSE],
            store_waiting=self._writer.pending,
            store_answer_s=until_s - self._asked_s if asked is not None else None,
            outbox_waiting=asked.result() if answered and asked is not None else None,
        )

    # -- within

    async def _count_pulses(self) -> None:
        async for item in self._feed:
            try:
                self.meter.pulse(item.value)
            except Exception as error:  # noqa: BLE001  # top of the task: one bad item must not end the daemon
                level = logging.DEBUG if self._failed else logging.ERROR
                _log.log(level, "metrics: a pulse could not be counted: %r", error)
                self._failed += 1

    async def _measure_lag(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + LAG_PERIOD_S
            await asyncio.sleep(LAG_PERIOD_S)
            self.meter.lag(loop.time() - due_s)

    async def _ask_store(self) -> None:
        """Have an answer of the database that is not old, unless it takes too long."""
        now_s = asyncio.get_running_loop().time()
        if self._asking is None or (self._asking.done() and now_s - self._asked_s >= ASK_EVERY_S):
            self._asked_s = now_s
            self._asking = asyncio.create_task(self._outbox_waiting(), name="metrics-store")
        await asyncio.wait({self._asking}, timeout=ANSWER_S)

    async def _outbox_waiting(self) -> int | None:
        try:
            return await self._writer.run(Store.outbox_depth, at_most=OUTBOX_COUNTED_MAX)
        except StoreError:
            return None  # the store's own metrics and the latch say so
        finally:
            self._answered_s = asyncio.get_running_loop().time()


def _unit(metric: Metric) -> str:
    """The unit that its name ends in, if that is one; OpenMetrics tells it apart."""
    return next((unit for unit in UNITS if metric.name.endswith(f"_{unit}")), "")


def _add(family: Family, metric: Metric, labels: dict[str, str], reading: float | Histogram) -> None:
    if not isinstance(reading, Histogram):
        family.add_sample(metric.sample, labels, float(reading))
        return
    for bound, count in reading.cumulative():
        upper = "+Inf" if math.isinf(bound) else repr(bound)
        family.add_sample(f"{metric.name}_bucket", labels | {"le": upper}, count)
    family.add_sample(f"{metric.name}_count", labels, reading.count)
    family.add_sample(f"{metric.name}_sum", labels, reading.sum)
