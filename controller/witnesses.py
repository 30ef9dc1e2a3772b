"""The demo's independent witnesses: the simulator's control channel, and a subscriber at the broker."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from controller.client import NO_TLS

CONTROL_S = 10.0
"""[C] The longest answer takes milliseconds; after this the simulator hangs."""


class WitnessError(Exception):
    """A witness refused or does not answer; the text says which and why."""


class SimulatorHands:
    """Acts on the simulated laser as the people around it do, and asks it what really happened."""

    def __init__(self, socket: Path) -> None:
        self._http = httpx.AsyncClient(
            base_url="http://simulator",
            transport=httpx.AsyncHTTPTransport(uds=str(socket), verify=NO_TLS),
            timeout=CONTROL_S,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.__aexit__(kind, error, trace)

    async def act(self, action: str, **fields: Any) -> None:
        """Carry out one operator action, as `act("foot", to="press")`."""
        await self._call("POST", f"/operator/{action}", fields)

    async def pulses_true(self) -> dict[str, int]:
        """The plant's own count of light: total, aperture, port, and so on."""
        answer = await self._call("GET", "/truth?last=0")
        return {key: value for key, value in answer.items() if type(value) is int}

    async def pulse_number(self) -> int:
        """The device's own count, read from its non-volatile memory."""
        return int((await self._call("GET", "/device"))["pulse_number"])

    async def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        try:
            response = await self._http.request(method, path, json=body)
            answer = response.json()
        except (httpx.TransportError, ValueError) as error:
            raise WitnessError(
                f"the simulator does not answer {path}: {type(error).__name__} {error}"
            ) from error
        if not response.is_success or not isinstance(answer, dict):
            raise WitnessError(f"the simulator refused {path}: {response.text[:300]}")
        return answer


@dataclass(slots=True)
class Subscriber:
    """Counts what the broker delivers below `topic`: each message once, by its boot and sequence number."""

    topic: str
    connected: asyncio.Event = field(default_factory=asyncio.Event)
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    messages: Counter[str] = field(default_factory=Counter)  # by topic
    pulses: dict[tuple[str, int], int] = field(default_factory=dict)  # (boot, seq) -> pulse number
    unreadable: int = 0

    async def run(self, host: str, port: int) -> None:
        """Listen until cancelled; raises WitnessError when the broker goes away."""
        import aiomqtt  # noqa: PLC0415  # only the demo needs it here

        try:
            async with aiomqtt.Client(host, port, identifier="picolase-demo-witness") as client:
                await client.subscribe(f"{self.topic}/#", qos=1)
                self.connected.set()
                async for message in client.messages:
                    self.take(str(message.topic), message.payload)
        except aiomqtt.MqttError as error:
            raise WitnessError(f"the broker went away: {error}") from error

    def take(self, topic: str, payload: object) -> None:
        """Count one message."""
        self.messages[topic] += 1
        if topic == f"{self.topic}/pulse":
            try:
                facts = json.loads(payload) if isinstance(payload, str | bytes | bytearray) else {}
                self.pulses[str(facts["boot"]), int(facts["seq"])] = int(facts["pulse_number"])
            except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
                self.unreadable += 1
        self.heard.set()

    def published(self, *, after: int = 0) -> int:
        """How many distinct pulse messages with a pulse number beyond `after` were delivered."""
        return sum(number > after for number in self.pulses.values())
