"""What is asked of the API in tests."""

from typing import Any

import httpx

from controller.store import Role
from rig.stack import PLAN, Stack

PLAN_BODY = {"text": PLAN, "file": "plan.toml"}
CONFIRMED = {"eyewear_nm": 755, "checklist": True}
ERROR_KEYS = {"error", "message", "reasons", "problems"}


async def logged_in(stack: Stack, role: Role = Role.OPERATOR, name: str = "anna") -> dict[str, str]:
    return {"Authorization": f"Bearer {(await stack.login(name, role)).token}"}


def told(response: httpx.Response, status: int) -> dict[str, Any]:
    """The body of an error, in the one form that all errors have."""
    assert response.status_code == status, response.text
    body: dict[str, Any] = response.json()
    assert body.keys() == ERROR_KEYS
    assert body["error"]
    assert body["message"]
    for reason in body["reasons"]:
        assert reason.keys() == {"code", "text", "action"}
    for problem in body["problems"]:
        assert problem.keys() == {"code", "field", "value", "allowed", "source", "action"}
    return body
