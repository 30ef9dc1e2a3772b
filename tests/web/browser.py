"""A real Chromium for the tests, and a page in it that forgives nothing: no error, nothing from outside."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install 'picolase[dev]'")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
without_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium")

PATIENCE_MS = 10_000


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


@contextmanager
def opened(
    browser: Any, address: str, *, waits: bool = True, allowed: tuple[str, ...] = (), **context: Any
) -> Iterator[Any]:
    """The page at `address`; fails on any error of its script and on any request to another place.

    `allowed`: parts of messages of the browser's own console that belong to the test.
    """
    with browser.new_context(**({"viewport": {"width": 1280, "height": 720}} | context)) as kept:
        page = kept.new_page()
        page.set_default_timeout(PATIENCE_MS)
        wrong: list[str] = []
        strangers: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on(
            "console",
            lambda said: (
                wrong.append(f"{said.type}: {said.text}") if said.type in {"error", "warning"} else None
            ),
        )
        page.on(
            "request",
            lambda request: (
                strangers.append(request.url) if not request.url.startswith((address, "data:")) else None
            ),
        )
        page.goto(address)
        if waits:
            sync_api.expect(page.locator("#state-name")).not_to_have_text("UNKNOWN")
        yield page
    assert not strangers, strangers
    assert not (left := [text for text in wrong if not any(part in text for part in allowed)]), left
