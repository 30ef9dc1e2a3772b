"""The browsers: the cookie by which one is known, the token against forged acts, and how often it may guess.

Theory of operation. A browser sends its cookie with whatever asks, so the cookie alone proves nothing about
who asks; the second token can be read only by the daemon's own page, which must send it with every act. Both
are made from the login's own token by a key of this run: nothing has to be kept or forgotten, the cookie is
no bearer token of the API, and a bearer token is no cookie.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from controller.declined import Declined
from protocols.timing import SECOND

COOKIE: Final = "picolase_session"
BROWSER_COOKIE: Final = "picolase_browser"
"""Tells one browser's windows from another's; proves nothing and lets nobody in."""

FAILURES_PER_MINUTE: Final = 10
"""[C] Of all browsers together: three people who mistype, and too few to guess names; each has its own
lock-out besides."""

_MINUTE_US: Final = 60 * SECOND


class Browsers:
    """`key` is a secret of this run; `now_us` the monotonic clock."""

    def __init__(self, key: bytes, now_us: Callable[[], int]) -> None:
        self._key = key
        self._now_us = now_us
        self._failures: deque[int] = deque()

    def cookie(self, token: str) -> str:
        """The cookie for a login's token."""
        return f"{token}.{self._made('cookie', token)}"

    def token(self, cookie: str | None) -> str | None:
        """The login's token in a cookie; None for none, or one that was not made here."""
        token, _, seal = (cookie or "").rpartition(".")
        return token if token and _same(seal, self._made("cookie", token)) else None

    def csrf(self, token: str) -> str:
        """What the page sends with every act of this login."""
        return self._made("csrf", token)

    def demand_csrf(self, token: str, given: str | None) -> None:
        """Raises Declined unless it is the one of this login."""
        if not _same(given or "", self.csrf(token)):
            text = "this act did not come from the daemon's own page, or from one that was opened before"
            raise Declined(403, "csrf", text, "load the page anew and log in again")

    @contextlib.contextmanager
    def attempt(self) -> Iterator[None]:
        """Around one attempt to log in, which counts unless it succeeds; raises Declined after too many."""
        now_us = self._now_us()
        while self._failures and now_us - self._failures[0] >= _MINUTE_US:
            self._failures.popleft()
        if len(self._failures) >= FAILURES_PER_MINUTE:
            left_s = -(-(self._failures[0] + _MINUTE_US - now_us) // SECOND)
            text = f"{FAILURES_PER_MINUTE} attempts to log in failed within a minute"
            raise Declined(429, "login.rate", text, f"wait {left_s} s; STOP works without a login")
        self._failures.append(now_us)  # before it is known: attempts at once are as many as one by one
        yield
        with contextlib.suppress(ValueError):
            self._failures.remove(now_us)

    def _made(self, purpose: str, token: str) -> str:
        return hmac.new(self._key, f"{purpose}:{token}".encode(), hashlib.sha256).hexdigest()


def _same(given: str, due: str) -> bool:
    return hmac.compare_digest(given.encode(), due.encode())
