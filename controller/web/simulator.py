"""The simulator's panel: hands and faults of a laser that says it is simulated, by its control socket."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import httpx

from controller.declined import Declined

ANSWER_S: Final = 2.0  # [C] it answers within milliseconds, or it hangs


class Simulator:
    """Passes on what is asked; `status` is the daemon's own, which says what kind of laser there is.

    Raises Declined whenever the laser does not say that it is simulated, or no socket is configured.
    """

    def __init__(self, socket: Path | None, status: Callable[[], Mapping[str, Any]]) -> None:
        self._socket = socket
        self._status = status

    async def look(self) -> dict[str, Any]:
        """Its lines and plant values, the faults there are, and those that were injected."""
        return {
            "state": await self._ask("GET", "/state"),
            "faults": await self._ask("GET", "/faults"),
            "injections": await self._ask("GET", "/injections"),
        }

    async def operate(self, action: str, body: Mapping[str, Any]) -> Any:
        """Do what a person at the laser does: key, foot, door, estop..."""
        return await self._ask("POST", f"/operator/{action}", body)

    async def inject(self, fault: str, body: Mapping[str, Any]) -> Any:
        """Let something break."""
        return await self._ask("POST", f"/faults/{fault}", body)

    async def clear(self) -> Any:
        """Mend everything."""
        return await self._ask("DELETE", "/injections")

    async def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        device = self._status().get("device") or {}
        if device.get("simulated") is not True:
            raise Declined(404, "sim.none", "the laser does not say that it is simulated")
        if self._socket is None:
            text = "the simulator's control socket is not configured"
            raise Declined(404, "sim.off", text, "set web.simulator_control and restart the daemon")
        transport = httpx.AsyncHTTPTransport(uds=str(self._socket))
        try:
            async with httpx.AsyncClient(
                transport=transport, base_url="http://simulator", timeout=ANSWER_S
            ) as simulator:
                answer = await simulator.request(method, path, json=body)
            told = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            text = f"the simulator at {self._socket} does not answer [{type(error).__name__}]"
            raise Declined(503, "sim.silent", text, "start it, or correct web.simulator_control") from error
        if not answer.is_success:
            raise Declined(answer.status_code, "sim.refused", str(told.get("error", answer.text)))
        return told
