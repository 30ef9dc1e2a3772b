"""A target of what an operator may ask for: whatever the plan, the set-point stays within the class."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from protocols.messages import Handpiece
from rig.stack import Stack, plan_text
from tests.fuzz import api
from tests.fuzz.api import answered
from tests.fuzz.firmware import within_limits
from tests.fuzz.given import Given
from tests.fuzz.target import Target

ENERGIES_MJ = (0.1, 9.9, 10.0, 50.0, 165.0, 165.1, 173.0, 180.1, 200.0, 200.1, 500.0, 1e9)
RATES_HZ = (0.5, 1.0, 2.5, 5.0, 10.0, 10.1, 20.0, 1e3)
SPOTS_MM = (1.9, 2.0, 3.5, 6.0, 6.1, 8.0, 10.0, 20.0)
WIDTHS_PS = (750, 750, 650, 550, 751, 100)
HANDPIECES = [one.name for one in Handpiece if one is not Handpiece.NONE]
INDICATIONS = ("tattoo", "service", "pigmentation", "acne_scars")
PATHS = ("/sessions", "/sessions", "/arm", "/sessions/resume", "/sessions/abandon", "/ack")


def asked_for(given: Given, stack: Stack) -> tuple[str, dict[str, Any] | None]:
    """A path and its body: a plan with any values, or what goes on with one."""
    path = given.pick(PATHS)
    confirmed = {"eyewear_nm": 755, "checklist": True, "service": given.flag()}
    if path == "/sessions":
        handpiece = given.pick(HANDPIECES)
        if given.flag():
            stack.laser.act("handpiece", name=handpiece)
        text = plan_text(
            pulse_energy_mj=given.pick(ENERGIES_MJ),
            rep_rate_hz=given.pick(RATES_HZ),
            spot_mm=given.pick(SPOTS_MM),
            mode_width_ps=given.pick(WIDTHS_PS),
            handpiece=json.dumps(handpiece.lower()),
            indication=json.dumps(indication := given.pick(INDICATIONS)),
        )
        if indication == "service":
            text = "\n".join(line for line in text.splitlines() if not line.startswith("skin_type"))
        return path, {"text": text, "file": "f"} | confirmed
    if path == "/sessions/resume":
        return path, confirmed
    if path == "/ack":
        latches = [{"name": latch.id.value, "instance": latch.instance} for latch in stack.latches]
        return path, {"latches": latches}
    return path, None


def orders(data: bytes) -> None:
    """Whatever an operator asks the daemon for, the set-point stays within the class, and nothing fires."""
    served = api._daemon
    assert served is not None
    stack = served.stack
    assert stack is not None
    firmware: Any = stack.laser.simulator.firmware
    headers = {"Content-Type": "application/json", "Authorization": served.operator}

    async def prepared() -> tuple[str, dict[str, Any] | None]:
        return asked_for(given, stack)

    async def judged() -> None:
        assert stack.truth.aperture == 0, "light without a foot"
        within_limits(firmware.device.setpoints.committed)

    given = Given(data)
    for _ in range(8):
        if not given:
            break
        path, body = served.loop.run_until_complete(prepared())
        answered(served.ask("POST", path, b"" if body is None else json.dumps(body).encode(), headers))
        served.loop.run_until_complete(judged())
    for path in ("/standby", "/sessions/abandon"):
        answered(served.ask("POST", path, b"", headers))
        served.loop.run_until_complete(asyncio.sleep(0.5))


def _seeds() -> list[bytes]:
    ack, session, arm = bytes([5, 0]), bytes([0, 0, 0, 1, 6, 3, 2, 0, 0]), bytes([2, 0])
    service = bytes([0, 1, 0, 1, 3, 4, 2, 0, 1])
    return [
        ack + session + arm,
        ack + service + arm,
        *(ack + bytes([0, 1, 0, 1, energy, 2, 2, 0, 1]) + arm for energy in range(len(ENERGIES_MJ))),
        *(ack + bytes([0, 1, 0, 1, 3, rate, 2, 0, 1]) + arm for rate in range(len(RATES_HZ))),
    ]


TARGETS = (Target("orders", orders, _seeds, 256, ("REQ-023",), api.daemon),)
