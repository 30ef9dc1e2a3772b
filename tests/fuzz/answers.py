"""A target of what the client hears: whatever answers where a daemon should be, its user is told in words."""

from __future__ import annotations

import asyncio
import contextlib
import json

import httpx

from controller.cli.app import sentence
from controller.client import ApiRefusal, Client, ClientError, Endpoint
from tests.fuzz.given import Given
from tests.fuzz.target import Target

STATUSES = (200, 204, 301, 400, 401, 403, 404, 409, 413, 422, 500, 503, 599)
TYPES = (
    "application/json",
    "text/plain",
    "application/json; charset=utf-16",
    "text/event-stream; charset=nonsense",
)
ENCODINGS = ("identity", "gzip", "br", "deflate")


async def _ask(client: Client, what: int) -> object:
    match what:
        case 0:
            return await client.stop()
        case 1:
            return await client.status()
        case 2:
            return await client.login("anna", "anna")
        case 3:
            return await client.check_plan("", "plan")
        case _:
            async with contextlib.aclosing(client.watch()) as events:
                return [event async for event in events]


def answers(data: bytes) -> None:
    """Any answer at all is a JSON object or a ClientError that can be shown."""
    given = Given(data)
    what, status = given.number(0, 4), given.pick(STATUSES)
    headers = {"Content-Type": given.pick(TYPES), "Content-Encoding": given.pick(ENCODINGS)}
    content = given.rest()

    async def asked() -> None:
        client = Client(Endpoint(port=1), "token")
        transport = httpx.MockTransport(
            lambda _: httpx.Response(status, headers=headers, stream=Once(content))
        )
        client._http = httpx.AsyncClient(transport=transport, base_url="http://daemon")
        async with client:
            try:
                answer = await _ask(client, what)
            except ClientError as error:
                _shown(error)
            else:
                assert isinstance(answer, dict)

    asyncio.run(asked())


class Once(httpx.AsyncByteStream):
    """A body as it comes from a socket: its encoding has not been looked at."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self):  # type: ignore[no-untyped-def]  # as httpx has it
        yield self._content


def _shown(error: ClientError) -> None:
    assert str(error)
    if isinstance(error, ApiRefusal):
        assert all(sentence(item) for item in (*error.reasons, *error.problems))


ODD: tuple[object, ...] = (5, "text", [1], [None], {"a": 1}, [{"field": None}], [{"text": []}], [[]], True)


def _seeds() -> list[bytes]:
    bodies = [
        *(b"", b"{}", b"null", b"[]", b"[" * 2_000, b'{"a":' * 2_000, b"\xff\xfe{", b"9" * 5_000, b"<html>"),
        *(b'{"token": 1}', b'{"token": null}', b"data: {}\n\ndata: [\n\n", b"data:" + b"[" * 2_000 + b"\n"),
        *(json.dumps({"error": 1, "message": "no", "reasons": odd, "problems": odd}).encode() for odd in ODD),
    ]
    heads = [bytes([what, status, 0, 0]) for what in range(5) for status in (0, 3, 10)]
    return [head + body for head in heads for body in bodies] + [
        bytes([what, 0, 0, 1]) + b"x" for what in range(5)
    ]


TARGETS = (Target("answers", answers, _seeds, 8_192),)
