"""The longest body of a request: refused while it comes, and never in the way of a STOP."""

from collections.abc import AsyncIterator

import httpx
import pytest

from controller.api import BODY_MAX
from controller.api_bodies import TEXT_MAX
from rig.stack import PLAN, Stack
from tests.controller.asking import told

VIRTUAL_TIME = True


class Endless:
    """A body that goes on until nobody reads it any more."""

    def __init__(self, most: int) -> None:
        self.given = 0
        self._most = most

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self.given < self._most:
            self.given += 65_536
            yield b" " * 65_536


async def test_a_body_without_end_is_refused_before_it_fills_the_memory(
    stack: Stack, http: httpx.AsyncClient
) -> None:
    await stack.settled()
    body = Endless(64 * BODY_MAX)
    error = told(await http.post("/login", content=body), 413)
    assert error["error"] == "request"
    assert f"at most {BODY_MAX} bytes; send less" in error["message"]
    assert body.given <= BODY_MAX + 2 * 65_536


async def test_a_stop_is_taken_whatever_comes_with_it(stack: Stack, http: httpx.AsyncClient) -> None:
    await stack.settled()
    assert (await http.post("/stop", content=b"x" * (2 * BODY_MAX))).json()["confirmed"]


@pytest.mark.parametrize("character", ["#", "\u00e9", "\U0001f600"])
async def test_the_longest_text_fits_however_it_is_written(
    stack: Stack, http: httpx.AsyncClient, character: str
) -> None:
    await stack.settled()
    text = f"{PLAN}# ".ljust(TEXT_MAX, character)
    answer = await http.post("/plan/check", json={"text": text, "file": character * 4_096})
    assert answer.status_code == 200
    assert answer.json()["ok"]
