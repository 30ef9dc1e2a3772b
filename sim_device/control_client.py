"""Clients of the simulator's control channel: `Control` for plain code, `AsyncControl` for asyncio."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Final

import httpx

BASE_URL: Final = "http://simulator"
TIMEOUT_S: Final = 10.0  # [C] the longest answer takes milliseconds; then the simulator hangs
STEP_TIMEOUT_S: Final = 600.0  # [C] an hour of a lasing laser may take minutes


class ControlError(Exception):
    """The simulator refused, or does not answer; the text says why."""


class Calls(ABC):
    """The calls of `sim_device.hands.Hands`, by the same names. They raise ControlError.

    `Control` returns what is described here, `AsyncControl` awaitables of it.
    """

    @abstractmethod
    def _ask(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> Any:
        """Send a request; its answer, or what stands under `key` in it."""

    def operate(self, action: str, **fields: Any) -> Any:
        """Carry out one operator action (`operate("foot", to="press")`); the device's time in us."""
        return self._ask("POST", f"/operator/{action}", fields, key="now_us")

    def inject(self, name: str, **given: Any) -> Any:
        """Add a fault with its parameters and trigger; the number of the injection."""
        return self._ask("POST", f"/faults/{name}", given, key="number")

    def clear(self, number: int | None = None) -> Any:
        """End the fault of this number, or all; the injection, or all, as they then are."""
        return self._ask("DELETE", "/injections" if number is None else f"/injections/{number}")

    def step(self, duration_us: int) -> Any:
        """Let time pass, where it is stepped; the device's time in us."""
        return self._ask("POST", "/time/step", {"duration_us": duration_us}, key="now_us")

    def snapshot(self, name: str) -> Any:
        """Keep the whole state under this name; the device's time in us."""
        return self._ask("PUT", f"/snapshots/{name}", key="now_us")

    def restore(self, name: str) -> Any:
        """Go back to a snapshot; the device's time in us."""
        return self._ask("POST", f"/snapshots/{name}/restore", key="now_us")

    def forget(self, name: str) -> Any:
        """Drop a snapshot; those that are left, by name, with their times in us."""
        return self._ask("DELETE", f"/snapshots/{name}")

    def snapshots(self) -> Any:
        """The snapshots by name, with their times in us."""
        return self._ask("GET", "/snapshots")

    def injections(self) -> Any:
        """Every injection, and how often it really fired."""
        return self._ask("GET", "/injections")

    def catalogue(self) -> Any:
        """Every fault there is, and what triggers one."""
        return self._ask("GET", "/faults")

    def state(self) -> Any:
        """Time, lines and plant values."""
        return self._ask("GET", "/state")

    def truth(self, last: int = 100) -> Any:
        """Counters of all light, and the latest pulses."""
        return self._ask("GET", f"/truth?last={last}")

    def device(self) -> Any:
        """The firmware's own counters."""
        return self._ask("GET", "/device")


class Control(Calls):
    """The client for plain code."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._client = httpx.Client(
            transport=httpx.HTTPTransport(uds=str(path)), base_url=BASE_URL, timeout=TIMEOUT_S
        )

    def close(self) -> None:
        """Give the connection up."""
        self._client.close()

    def _ask(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> Any:
        if not self._path.is_socket():  # httpcore would leak its socket on a path that is not there
            raise ControlError(f"the simulator does not answer: {self._path} is not there")
        try:
            response = self._client.request(method, path, json=body, timeout=_timeout_s(path))
        except httpx.TransportError as error:
            raise _silent(error) from error
        return _content(response, key)


class AsyncControl(Calls):
    """The client for asyncio."""

    def __init__(self, path: Path) -> None:
        self._client = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=str(path)), base_url=BASE_URL, timeout=TIMEOUT_S
        )

    async def close(self) -> None:
        """Give the connection up."""
        await self._client.aclose()

    async def _ask(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> Any:
        try:
            response = await self._client.request(method, path, json=body, timeout=_timeout_s(path))
        except httpx.TransportError as error:
            raise _silent(error) from error
        return _content(response, key)


def _timeout_s(path: str) -> float:
    return STEP_TIMEOUT_S if path == "/time/step" else TIMEOUT_S


def _silent(error: httpx.TransportError) -> ControlError:
    return ControlError(f"the simulator does not answer: {error}")


def _content(response: httpx.Response, key: str | None) -> Any:
    if response.is_success:
        content = response.json()
        return content if key is None else content[key]
    try:
        reason = response.json()["error"]
    except (ValueError, KeyError):
        reason = response.text
    raise ControlError(f"the simulator refused ({response.status_code}): {reason}")
