"""A real Chromium for the tests, and a page in it that forgives nothing: no error, nothing from outside."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install 'picolase[dev]'")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
without_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium")

PATIENCE_MS = 20_000
LEAPS_MS = (150, 300, 600, 1_200)
"""How far the page's time leaps to be held; to the page a leap is silence, of which 1.5 s make it stale."""


@contextmanager
def chromium() -> Iterator[Any]:
    """The browser, without a window."""
    sync_api.expect.set_options(timeout=PATIENCE_MS)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


class Witness:
    """Hears a page from its first moment: each error of its script or its console, each request elsewhere."""

    def __init__(self, page: Any, address: str) -> None:
        self._address = address.rstrip("/")
        self.wrong: list[str] = []
        self.strangers: list[str] = []
        page.on("pageerror", lambda error: self.wrong.append(f"pageerror: {error}"))
        page.on("console", self._said)
        page.on("request", self._asked)

    def _said(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.wrong.append(f"{message.type}: {message.text}")

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((f"{self._address}/", "data:")):
            self.strangers.append(request.url)

    def judge(self, *allowed: str) -> None:
        """Fail on whatever was wrong; `allowed` are parts of messages that belong to the test."""
        assert not self.strangers, self.strangers
        left = [text for text in self.wrong if not any(part in text for part in allowed)]
        assert not left, left


def clocked(page: Any) -> None:
    """For `opened(before=...)`: the page's time is the test's from then on, see `still`."""
    page.clock.install()


def still(page: Any) -> None:
    """Hold the page's time, however slow the machine is: it passes only by `page.clock.run_for`."""
    for leap_ms in LEAPS_MS:
        try:
            page.clock.pause_at(page.evaluate("Date.now()") + leap_ms)
            return
        except sync_api.Error:  # the page's time went on and is past it already
            continue
    pytest.fail("the page's time could not be held: this machine is too slow")


@contextmanager
def opened(
    browser: Any,
    address: str,
    *,
    waits: bool = True,
    allowed: tuple[str, ...] = (),
    before: Callable[[Any], None] = lambda page: None,
    **context: Any,
) -> Iterator[Any]:
    """The page at `address`, judged at the end by its `Witness`; `before` has it before it is loaded."""
    with browser.new_context(**({"viewport": {"width": 1280, "height": 720}} | context)) as kept:
        page = kept.new_page()
        page.set_default_timeout(PATIENCE_MS)
        witness = Witness(page, address)
        before(page)
        page.goto(address)
        if waits:
            sync_api.expect(page.locator("#state-name")).not_to_have_text("UNKNOWN")
        yield page
    witness.judge(*allowed)
