"""The longest body of a request: what is longer is refused while it comes, before it fills the memory."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOO_LONG = 413


class BodyLimit:
    """Wraps an application; reading more than `most` bytes of a body raises HTTPException 413 in it.

    A request whose body nobody reads, such as a STOP, is not concerned.
    """

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, as ASGI has it."""
        taken = 0

        async def limited() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._most:
                raise HTTPException(TOO_LONG, f"a body has at most {self._most} bytes")
            return message

        await self._app(scope, limited, send)
