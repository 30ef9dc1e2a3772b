"""A laser at 10 Hz with ten who watch its page: how old what goes out by MQTT and what is drawn is.

The laser, its daemon and mosquitto are processes of their own and in real time; one watcher is Chromium with
the real page, nine read the page's stream and note when each pulse comes. A pulse's own time is that of the
bytes in which the laser reported it: it is put on record before anybody hears of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import shutil
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic_ns, perf_counter
from typing import TYPE_CHECKING, Any, Final

from bench.broker import ABSENT, HOST, program, serving
from bench.figures import Figure, Group, percentile, worked_by
from bench.live_laser import LiveError, LiveLaser, clocks_apart_ns, live_laser

if TYPE_CHECKING:
    from playwright.async_api import CDPSession, Page

TITLE: Final = "Live: samples and pulses at 10 Hz, ten who watch the page"
READERS: Final = 9
ATTEMPTS: Final = 3
PULSES: Final = 200  # twenty seconds of them
LEAST: Final = 30  # pulses that say something
FIRING_S: Final = 90.0
PAGE_MS: Final = 60_000
SETTLE_S: Final = 2.0  # the page has loaded all then, and the first pulse has drawn the charts
READ_BYTES: Final = 65_536
CHROMIUM: Final = ("chromium", "chromium-browser", "google-chrome")

SAMPLE: Final = "sample, from the laser's bytes to the bytes of its MQTT message"

WATCH: Final = """
(() => {
  const shown = [];
  window.benchShown = shown;
  document.addEventListener("DOMContentLoaded", () => {
    const rows = document.getElementById("last").tBodies[0];
    new MutationObserver(() => {
      const numbers = [...rows.rows].map((row) => Number(row.cells[0].textContent));
      requestAnimationFrame(() => requestAnimationFrame(() => {
        shown.push([performance.timeOrigin + performance.now(), numbers]);
      }));
    }).observe(rows, { childList: true });
  });
})();
"""
"""Notes when the table of the last pulses has been drawn: at the frame after the one that shows it."""


def measure(folder: Path) -> Group:
    """With a mosquitto of its own in `folder`; what needs Chromium is left out where there is none."""
    mosquitto = program()
    if mosquitto is None:
        return Group(TITLE, notes=[ABSENT])
    trouble = ""
    for attempt in range(ATTEMPTS):
        place = folder / str(attempt)
        place.mkdir()
        try:
            with serving(mosquitto, place) as (_, port):
                return asyncio.run(_measure(place, port))
        except LiveError as error:
            trouble = str(error)
    return Group(
        TITLE, notes=[f"left out: the laser did not fire to the end in {ATTEMPTS} attempts: {trouble}"]
    )


@dataclass
class _Heard:
    """Pulses as nine readers heard them: when the laser reported each, and how old it was for each reader."""

    reported_ns: dict[int, int] = field(default_factory=dict)
    took_ns: list[int] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)  # why there were no more for a while
    since_ns: int = field(default_factory=monotonic_ns)

    async def read(self, port: int) -> None:
        """Be one of them until cancelled."""
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(
            f"GET /events HTTP/1.1\r\nHost: {HOST}:{port}\r\nAccept: text/event-stream\r\n\r\n".encode()
        )
        try:
            kept = b""
            while data := await reader.read(READ_BYTES):
                now_ns = monotonic_ns()
                *whole, kept = (kept + data).split(b"\n")
                for line, before in zip(whole[1:], whole, strict=False):
                    if before.strip() == b"event: pulse":
                        self._take(json.loads(line.removeprefix(b"data: ")), now_ns)
                kept = b"\n".join([*whole[-1:], kept])  # the line before belongs to the next one
        finally:
            writer.close()

    def _take(self, pulse: Mapping[str, Any], now_ns: int) -> None:
        if pulse["mono_us"] * 1000 < self.since_ns:
            return  # one that is told to whoever comes later
        self.reported_ns[pulse["pulse_number"]] = pulse["mono_us"] * 1000
        self.took_ns.append(now_ns - pulse["mono_us"] * 1000)


@dataclass(frozen=True, slots=True)
class _Drawn:
    """What Chromium did while pulses came."""

    loaded_bytes: int
    took_ms: Sequence[float]
    main_thread: float  # cores, the page's own thread
    processes: Mapping[str, float]  # cores, by the kind of process


async def _measure(folder: Path, broker_port: int) -> Group:
    page_port = _free_port()
    notes: list[str] = []
    drawn: _Drawn | None = None
    async with live_laser(folder, broker_port, page_port) as laser, _page(laser.page) as page:
        if page is None:
            notes.append("the page is left out: no Chromium, or no playwright")
        heard = _Heard()
        readers = [asyncio.create_task(heard.read(page_port)) for _ in range(READERS)]
        try:
            worked_s, began_s = worked_by(laser.daemon_pid), perf_counter()
            drawn = await _watched(page, laser, heard)
            load = (worked_by(laser.daemon_pid) - worked_s) / (perf_counter() - began_s)
        finally:
            for reader in readers:
                reader.cancel()
            await asyncio.gather(*readers, return_exceptions=True)
    if len(heard.reported_ns) < LEAST:
        raise LiveError("; ".join(heard.ended))
    took_ns = json.loads((folder / "times.json").read_text("utf-8"))
    figures = [
        *_latency(SAMPLE, [clock_ns for clock_ns, _ in took_ns], "<= 5"),
        *_latency(f"{SAMPLE}, processor time", [worked_ns for _, worked_ns in took_ns], "<= 5"),
        *_latency("pulse, from the laser's bytes to a reader of the stream", heard.took_ns, ""),
    ]
    if drawn is not None:
        figures += [
            *_latency(
                "pulse, from the laser's bytes to the page, drawn",
                [1e6 * ms for ms in drawn.took_ms],
                "<= 100",
            ),
            Figure("page, all that is loaded", "kB", (drawn.loaded_bytes / 1000,), "< 200"),
            Figure("page, its thread while live", "% of a core", (100 * drawn.main_thread,), "< 5"),
            *(
                Figure(f"Chromium's {kind} process while live", "% of a core", (100 * load,))
                for kind, load in sorted(drawn.processes.items())
            ),
        ]
    figures.append(Figure("daemon, while ten watch", "% of a core", (100 * load,)))
    notes.append(
        f"{len(took_ns)} samples, {len(heard.reported_ns)} pulses; one run: a busy machine shows in the p99"
    )
    notes += [f"a machine too busy for a laser: {ended}" for ended in heard.ended]
    return Group(TITLE, figures, notes)


def _latency(name: str, took_ns: Sequence[float], goal: str) -> list[Figure]:
    if not took_ns:
        raise LiveError(f"nothing was noted of: {name}")
    return [
        Figure(f"{name}, p{percent}", "ms", (percentile(took_ns, percent) / 1e6,), goal_of_it)
        for percent, goal_of_it in ((50, ""), (99, goal))
    ]


async def _watched(page: _Page | None, laser: LiveLaser, heard: _Heard) -> _Drawn | None:
    """Fire, and return what the page did meanwhile."""
    if page is None:
        heard.ended = await laser.fire(PULSES, within_s=FIRING_S)
        return None
    await asyncio.sleep(SETTLE_S)
    before, began_s = await page.worked(), perf_counter()
    heard.ended = await laser.fire(PULSES, within_s=FIRING_S)
    took_s = perf_counter() - began_s
    after = await page.worked()
    apart_ms = clocks_apart_ns() / 1e6
    first_ms: dict[int, float] = {}
    for at_ms, numbers in await page.page.evaluate("window.benchShown"):
        for number in numbers:
            first_ms.setdefault(number, at_ms)
    loads = {kind: (after[kind] - before.get(kind, 0.0)) / took_s for kind in after}
    return _Drawn(
        loaded_bytes=page.loaded_bytes,
        took_ms=[
            first_ms[number] - apart_ms - reported_ns / 1e6
            for number, reported_ns in heard.reported_ns.items()
            if number in first_ms
        ],
        main_thread=loads.pop(""),
        processes=loads,
    )


@dataclass
class _Page:
    """The page in Chromium."""

    page: Page
    own: CDPSession
    whole: CDPSession
    loaded_bytes: int = 0

    async def worked(self) -> dict[str, float]:
        """Seconds of processor time: of each kind of process, and under "" of the page's own thread."""
        told = await self.whole.send("SystemInfo.getProcessInfo")
        worked_s: dict[str, float] = {}
        for process in told["processInfo"]:
            kind = str(process["type"])
            worked_s[kind] = worked_s.get(kind, 0.0) + worked_by(int(process["id"]))
        metrics = (await self.own.send("Performance.getMetrics"))["metrics"]
        worked_s[""] = next(float(one["value"]) for one in metrics if one["name"] == "TaskDuration")
        return worked_s

    def loaded(self, told: Mapping[str, Any]) -> None:
        """A request was answered to its end."""
        self.loaded_bytes += int(told["encodedDataLength"])


@contextlib.asynccontextmanager
async def _page(address: str) -> AsyncIterator[_Page | None]:
    """The page, opened and live; None where that cannot be."""
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None or importlib.util.find_spec("playwright") is None:
        yield None
        return
    from playwright.async_api import async_playwright  # noqa: PLC0415  # of the extra `dev`

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            context = await browser.new_context(viewport={"width": 1280, "height": 720})
            opened = await context.new_page()
            opened.set_default_timeout(PAGE_MS)
            own = await context.new_cdp_session(opened)
            page = _Page(opened, own, await browser.new_browser_cdp_session())
            own.on("Network.loadingFinished", page.loaded)
            await own.send("Network.enable")
            await own.send("Performance.enable", {"timeDomain": "threadTicks"})
            await opened.add_init_script(WATCH)
            await opened.goto(address)
            await opened.wait_for_function("document.getElementById('state-name').textContent.length > 1")
            yield page
        finally:
            await browser.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
