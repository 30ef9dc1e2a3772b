"""The guard: what every request must bring, and every answer carries, before the page's own routes see it.

Theory of operation. A browser obeys whatever page it shows, and any page may send it here. Browsers say by
which name they were led here (Host), which page asks (Origin) and how that page stands to this one
(Sec-Fetch-Site), and no page can change what they say. What comes from another page is refused; programs say
nothing of it, and only their STOP is taken.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Message, Receive, Scope, Send

from controller.api import error_answer, is_own_name

PAGE_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "font-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
"""What a browser lets the page do: load and ask nothing outside, run nothing that stands in its text."""

HEADERS: Final = {
    "content-security-policy": PAGE_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""On every answer, errors too, unless the route itself says otherwise."""

_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Guard:
    """Wraps the application `app`; with `loopback_only` it answers only to this machine's own names."""

    def __init__(self, app: FastAPI, *, loopback_only: bool) -> None:
        self.app = app
        self._loopback_only = loopback_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, as ASGI has it."""

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        text = self._refused(scope) if scope["type"] == "http" else ""
        if text:
            await error_answer(403, "origin", text)(scope, receive, sealed)
        else:
            await self.app(scope, receive, sealed)

    def _refused(self, scope: Scope) -> str:
        """Why the request is not looked at; empty when it is."""
        headers, path = Headers(scope=scope), scope["path"]
        host = headers.get("host", "")
        if self._loopback_only and not is_own_name(host):
            return (
                "this port is for this machine alone and was called by another name: use localhost or "
                "127.0.0.1, or set web.allow_remote = true"
            )
        if scope["method"] in _READS:
            # A link may lead to the page from anywhere; its data are for the page itself.
            strange = path != "/" and headers.get("sec-fetch-site") in {"cross-site", "same-site"}
        else:
            strange = _is_strange(headers, host, programs_may=path == "/stop")
        return "this was asked by another page than the daemon's own: open that one" if strange else ""


def _is_strange(headers: Headers, host: str, *, programs_may: bool) -> bool:
    """Whether another page than ours asks, or nobody knows which one does."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        # Without a referrer some ways of asking send the origin "null", also between a page and its own host.
        return site != "same-origin" or (origin not in {None, "null"} and not _is_own(origin, host))
    if origin is None:
        return not programs_may
    return not _is_own(origin, host)


def _is_own(origin: str | None, host: str) -> bool:
    try:
        parts = urlsplit(origin or "")
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(host) and parts.netloc.lower() == host.lower()
