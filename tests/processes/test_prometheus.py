"""A real Prometheus scrapes a real daemon: each query of the dashboard has data, each alert its cause."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from controller.client import Client, Endpoint
from controller.processes import Child
from tests.controller.promtool import PROMETHEUS, without_promtool
from tests.processes.judge import running
from tests.processes.rig import START_S, Rig, plan

pytestmark = [pytest.mark.processes, pytest.mark.slow, pytest.mark.timeout(600), without_promtool]

DASHBOARDS = Path(__file__).parents[2] / "dashboards"
PULSES = 10
EVERY_S = 0.5  # between two scrapes


class TcpRig(Rig):
    """A rig whose daemon listens on a TCP port, as it must for Prometheus, with metrics on."""

    def __init__(self, folder: Path, template: Path, port: int) -> None:
        super().__init__(folder, template)
        self.api_port = port
        self.client = Client(Endpoint(port=port))

    def write_config(self) -> None:
        super().write_config()
        text = self.config.read_text()
        assert f'socket = "{self.api}"\n' in text
        text = text.replace(f'socket = "{self.api}"\n', f"port = {self.api_port}\n")
        self.config.write_text(f"{text}[metrics]\nenabled = true\n")


class Prometheus:
    """Prometheus as a process, and what it answers."""

    def __init__(self, folder: Path, target: str, port: int) -> None:
        self.target = target
        self._folder = folder
        self._port = port
        self._child: Child | None = None
        self._http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/api/v1/")

    async def start(self) -> None:
        config = {
            "global": {"scrape_interval": f"{EVERY_S * 1e3:.0f}ms", "evaluation_interval": "500ms"},
            "rule_files": [str(DASHBOARDS / "prometheus" / "picolase.rules.yml")],
            "scrape_configs": [{"job_name": "picolase", "static_configs": [{"targets": [self.target]}]}],
        }
        path = self._folder / "prometheus.yml"
        path.write_text(json.dumps(config))  # JSON is YAML
        command = [str(PROMETHEUS), f"--config.file={path}", f"--storage.tsdb.path={self._folder / 'tsdb'}"]
        command += [f"--web.listen-address=127.0.0.1:{self._port}"]
        self._child = await Child.start("prometheus", command, self._folder / "prometheus.log")

    async def end(self) -> None:
        if self._child is not None:
            os.kill(self._child.pid, signal.SIGTERM)
            await self._child.end()
        await self._http.aclose()

    async def ask(self, path: str, **parameters: Any) -> Any:
        """The data of an answer; AssertionError with Prometheus' own words when it refuses."""
        response = await self._http.get(path, params=parameters)
        if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            raise httpx.TransportError("it is still starting")
        answer = response.json()
        assert answer["status"] == "success", f"{parameters}: {answer}"
        return answer["data"]

    async def now(self, query: str) -> list[Mapping[str, Any]]:
        """What an instant query finds."""
        found: list[Mapping[str, Any]] = (await self.ask("query", query=query))["result"]
        return found

    async def number(self, query: str) -> float | None:
        """The value of the one series that a query finds; None for no series."""
        found = await self.now(query)
        assert len(found) <= 1, found
        return float(found[0]["value"][1]) if found else None

    async def alerts(self) -> set[tuple[str, str]]:
        """Names and states of the alerts that are pending or firing."""
        found = (await self.ask("alerts"))["alerts"]
        return {(alert["labels"]["alertname"], alert["state"]) for alert in found}

    async def until_up(self) -> None:
        async with asyncio.timeout(START_S):
            while True:
                try:
                    if await self.number('up{job="picolase"}') == 1:
                        return
                except httpx.TransportError:  # it is not there yet
                    pass
                await asyncio.sleep(0.1)


@pytest.fixture
async def rig(folder: Path, template: Path, free_port: int) -> AsyncIterator[TcpRig]:
    async with TcpRig(folder, template, free_port) as made:
        yield made


@pytest.fixture
async def prometheus(rig: TcpRig, unused_tcp_port: int) -> AsyncIterator[Prometheus]:
    made = Prometheus(rig.folder, f"127.0.0.1:{rig.api_port}", unused_tcp_port)
    yield made
    await made.end()


def queries() -> Iterator[tuple[bool, str]]:
    """Every query of the dashboard, and whether it asks for the newest value alone."""
    page = json.loads((DASHBOARDS / "grafana" / "picolase.json").read_text())
    for panel in page["panels"]:
        for target in panel.get("targets", ()):
            yield target["instant"], target["expr"]


async def test_a_treatment_is_seen_by_prometheus_as_it_was(
    rig: TcpRig, prometheus: Prometheus, unused_tcp_port_factory: Any
) -> None:
    rig.mqtt_port = unused_tcp_port_factory()  # nobody listens there: the outbox fills
    await rig.start()
    await prometheus.start()
    await prometheus.until_up()
    began_s = await prometheus.number("vector(time())")
    assert began_s is not None

    session = await rig.begin(plan(PULSES))
    await rig.arm()
    await rig.finish(session)
    aperture = (await rig.truth()).aperture
    delivered = 'picolase_pulses_total{outcome="delivered"}'

    async def all_counted() -> bool:
        return await prometheus.number(delivered) == aperture

    await rig.wait("Prometheus counts every pulse", all_counted)
    assert aperture >= PULSES
    assert (await prometheus.number("picolase_outbox_waiting") or 0) >= PULSES
    assert await prometheus.number("picolase_mqtt_connected") == 0
    assert await prometheus.number('picolase_laser_state{state="standby"}') == 1
    ratio = "picolase_pulse_energy_to_set_ratio"
    mean = await prometheus.number(f'{ratio}_sum{{monitor="a"}} / on () {ratio}_count{{monitor="a"}}')
    assert mean == pytest.approx(1, abs=0.1)
    assert "firing" not in {state for _, state in await prometheus.alerts()}

    await rig.control.operate("estop", to="press")

    async def alerted() -> bool:
        return ("PicolaseFaultLatched", "firing") in await prometheus.alerts()

    await rig.wait("the alert of a fault", alerted)
    await every_query_has_data(prometheus, began_s)

    await running(rig.laser).end()

    async def link_lost() -> bool:
        return await prometheus.number("picolase_link_up") == 0

    await rig.wait("the line is told to be down", link_lost)
    assert await prometheus.now("picolase_laser_state") == [], "of a laser that is gone nothing is claimed"
    assert await prometheus.number("picolase_laser_data_age_seconds") == float("inf")
    assert await prometheus.number(delivered) == aperture

    await rig.kill(rig.daemon)

    async def down() -> bool:
        return await prometheus.number("up") == 0

    await rig.wait("the daemon is told to be down", down)
    assert await prometheus.now('{__name__=~"picolase_.+"}') == [], "of a daemon that is gone neither"


async def every_query_has_data(prometheus: Prometheus, began_s: float) -> None:
    assert await prometheus.ask("label/instance/values", **{"match[]": "picolase_build_info"}) == [
        prometheus.target
    ]
    asked = list(queries())
    assert len(asked) > 40
    ends_s = await prometheus.number("vector(time())")
    for newest, expr in asked:
        query = expr.replace("$instance", prometheus.target).replace("$__rate_interval", "5s")
        assert "$" not in query, expr
        if newest:
            found = await prometheus.now(query)
        else:
            span = {"start": began_s, "end": ends_s, "step": EVERY_S}
            found = (await prometheus.ask("query_range", query=query, **span))["result"]
        assert found, expr
