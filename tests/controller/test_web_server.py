"""The page's listener: a real daemon, real sockets, and a laser that is not there."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from controller.config import Config, parse_config
from controller.daemon import Daemon
from controller.declined import Declined
from controller.store import DeviceRecord, Store, StoreWriter
from controller.web import server
from controller.web.archive import Archive
from tests.controller.stored import ROOT, SERIAL, opened, pulse
from tests.controller.webbing import messages

PATIENCE_S = 10.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Running:
    """A daemon whose laser is not there, and where its page is."""

    daemon: Daemon
    life: asyncio.Task[bool]
    url: str
    port: int

    async def until_up(self) -> None:
        await self.until(lambda: self.daemon.reporter.report()["web"]["state"] == "up")

    async def until(self, wanted: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not wanted():  # noqa: ASYNC110  # what it looks at tells nobody when it changes
                await asyncio.sleep(0.01)

    def http(self) -> httpx.AsyncClient:
        own = {"Origin": self.url, "Sec-Fetch-Site": "same-origin"}
        return httpx.AsyncClient(base_url=self.url, headers=own, timeout=PATIENCE_S, trust_env=False)


def config_of(folder: Path, port: int) -> Config:
    text = (
        f'[device]\nurl = "./no-such-port"\n[api]\nsocket = "d.sock"\n[web]\nport = {port}\n'
        '[store]\npath = "picolase.db"\n'
    )
    return parse_config(text, folder / "picolase.toml")


@contextlib.asynccontextmanager
async def running(folder: Path, port: int) -> AsyncIterator[Running]:
    def wall_clock() -> datetime:
        return datetime.now(UTC)

    config = config_of(folder, port)
    store = Store.open(config.store.path, wall_clock=wall_clock)
    daemon = Daemon(config, store, wall_clock=wall_clock)
    life = asyncio.create_task(daemon.run())
    try:
        yield Running(daemon, life, f"http://127.0.0.1:{port}", port)
    finally:
        daemon.end()
        async with asyncio.timeout(PATIENCE_S):
            assert await life


@pytest.fixture
async def laser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    monkeypatch.chdir(tmp_path)
    async with running(Path(), free_port()) as made:
        await made.until_up()
        yield made


async def test_the_page_and_all_that_it_loads_come_from_the_daemon(laser: Running) -> None:
    async with laser.http() as http:
        page = await http.get("/")
        assert page.status_code == 200
        assert page.headers["content-type"].startswith("text/html")
        paths = [part.split('"')[0] for part in page.text.split('"/static/')[1:]]
        assert paths
        for path in paths:
            answer = await http.get(f"/static/{path}")
            assert answer.status_code == 200, path
            assert "immutable" in answer.headers["cache-control"]
            name = path.split("/", 1)[1]
            plain = await http.get(f"/static/{name}")
            assert plain.content == answer.content
            assert plain.headers["cache-control"] == "no-cache"
            assert answer.headers["content-type"].startswith(
                "text/css" if name.endswith(".css") else "text/javascript"
            )
        for wrong in (
            "../app.py",
            "%2e%2e/app.py",
            "/etc/passwd",
            "",
            "vendor",
            "0123456789abcdef/index.html",
        ):
            assert (await http.get(f"/static/{wrong}")).status_code == 404, wrong
        assert (await http.get("/words")).json()["labels"]


async def test_events_come_over_the_wire_and_are_resumed_where_they_ended(laser: Running) -> None:
    async with laser.http() as http:

        async def read(enough: set[str], headers: dict[str, str]) -> list[tuple[str, str, object]]:
            text = b""
            async with asyncio.timeout(PATIENCE_S), http.stream("GET", "/events", headers=headers) as stream:
                assert stream.headers["content-type"].startswith("text/event-stream")
                async for piece in stream.aiter_bytes():
                    text += piece
                    if enough <= {kind for kind, _, _ in messages(text)}:
                        break
            return messages(text)

        first = await read({"status", "event", "beat"}, {})
        ids = [known_as for kind, known_as, _ in first if kind == "event"]
        assert ids == [f"{laser.daemon.boot}-{n}" for n in range(1, len(ids) + 1)]
        await laser.until(lambda: laser.daemon.reporter.report()["web"]["watchers"] == 0)
        again = await read({"status", "beat"}, {"Last-Event-ID": ids[0]})
        assert [known_as for kind, known_as, _ in again if kind == "event"][: len(ids) - 1] == ids[1:]
        assert "gap" not in {kind for kind, _, _ in again}
        last = f"{laser.daemon.boot}-{len(ids)}"
        at_last = await read({"status", "beat"}, {"Last-Event-ID": last})
        by_page = await http.send(http.build_request("GET", f"/events?since={last}"), stream=True)
        assert by_page.status_code == 200
        await by_page.aclose()
        assert not [known_as for _, known_as, _ in at_last if known_as in ids]


async def test_a_stop_of_a_laser_that_is_not_there_is_never_called_confirmed(laser: Running) -> None:
    async with laser.http() as http:
        answer = (await http.post("/stop")).json()
    assert answer["confirmed"] is False
    assert "use the hardware stop" in answer["text"]


async def test_the_daemon_ends_at_once_although_pages_are_open(laser: Running) -> None:
    async with laser.http() as http, http.stream("GET", "/events") as stream:
        assert stream.status_code == 200
        began = asyncio.get_running_loop().time()
        laser.daemon.end()
        async with asyncio.timeout(PATIENCE_S):
            async for _ in stream.aiter_bytes():
                pass
            assert await laser.life
        assert asyncio.get_running_loop().time() - began < 3
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", laser.port), timeout=1)


async def test_a_port_that_is_taken_is_told_and_the_daemon_runs_on_until_it_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(server, "AGAIN_S", 0.05)
    taken = socket.create_server(("127.0.0.1", 0))
    port = int(taken.getsockname()[1])
    async with running(Path(), port) as laser:
        await laser.until(
            lambda: f"web.port = {port}" in (laser.daemon.reporter.report()["web"]["trouble"] or "")
        )
        await asyncio.sleep(0.2)
        told = [record for record in caplog.records if "no page for people" in record.message]
        assert len(told) == 1  # not with each try
        status = laser.daemon.reporter.report()["web"]
        assert (status["state"], status["address"]) == ("down", f"http://127.0.0.1:{port}/")
        assert not laser.life.done()
        transport = httpx.AsyncHTTPTransport(uds="d.sock")
        async with httpx.AsyncClient(transport=transport, base_url="http://d") as api:
            assert (await api.get("/status")).json()["web"]["state"] == "down"
        taken.close()
        await laser.until_up()
        assert laser.daemon.reporter.report()["web"]["trouble"] is None
        async with laser.http() as http:
            assert (await http.get("/")).status_code == 200


async def test_a_defect_of_the_page_ends_no_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(server, "AGAIN_S", 0.05)
    with monkeypatch.context() as broken:
        broken.setattr("controller.web.events.Events._keep", _fails)
        async with running(Path(), free_port()) as laser:
            await laser.until(lambda: "failed" in (laser.daemon.reporter.report()["web"]["trouble"] or ""))
            assert not laser.life.done()
            broken.undo()
            monkeypatch.chdir(tmp_path)
            await laser.until_up()
    assert "the page failed" in caplog.text


async def _fails(_: object) -> None:
    raise RuntimeError("a defect")


async def test_reports_are_read_by_a_process_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    path = tmp_path / "picolase.db"
    with Store.open(path, wall_clock=lambda: datetime(2026, 3, 4, tzinfo=UTC)) as store:
        store.save_device(DeviceRecord(SERIAL, "PL-200", "1.0", True, {}, 0))
        opened(store, "s1")
        store.record_pulses([pulse(1, "s1"), pulse(2, "s1")])
        store.save_incident("i1", "a trip", {"entries": [], "traffic": []}, now_us=0)
    reader = Store.open(path, wall_clock=lambda: datetime(2026, 3, 4, tzinfo=UTC))
    async with StoreWriter(reader) as writer:
        archive = Archive(writer, path)
        assert [one["id"] for one in await archive.sessions()] == ["s1"]
        assert [one["id"] for one in await archive.incidents()] == ["i1"]
        session = await archive.answer("session", "s1")
        assert b'"pulse_number":2' in session
        assert b"<svg" in await archive.answer("page", "s1")
        assert b'"first_cause":"a trip"' in await archive.answer("incident", "i1")
        with pytest.raises(Declined, match="there is no session 'none'") as absent:
            await archive.answer("session", "none")
        assert absent.value.status == 404
    os.rename(path, tmp_path / "gone")
    with pytest.raises(Declined) as unreadable:
        await Archive(writer, path).answer("session", "s1")
    assert unreadable.value.status == 503
