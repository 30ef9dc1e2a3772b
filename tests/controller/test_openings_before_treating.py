"""What was seen of the interlocks, before a treatment: told with the confirmation, and refused in the end."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from controller.declined import Declined
from controller.store import Role
from rig.stack import plan_text
from safety.checklist import INTERLOCKS, ITEMS
from tests.controller.dated import BY_HAND, Dated

VIRTUAL_TIME = True

pytestmark = pytest.mark.shows("HZ-039")

SERVICE_PLAN = Path(__file__).parents[2] / "plans" / "service-10hz.toml"


@pytest.fixture
async def stack() -> AsyncIterator[Dated]:
    async with Dated() as stack:
        yield stack


async def begun(stack: Dated, **changes: object) -> dict[str, Any]:
    return await stack.prepare(plan_text(series=[2], **changes))


@pytest.mark.shows("REQ-042")
async def test_what_was_seen_stands_with_the_confirmation_of_the_interlocks(stack: Dated) -> None:
    await stack.known()
    await stack.days_pass(31)
    await stack.open_and_close("door")
    await begun(stack)
    [entry] = [one for one in stack.reader.audit_entries() if one.kind == "session.confirmed"]
    words = json.loads(entry.body)["items"][INTERLOCKS]
    assert words.startswith(ITEMS[INTERLOCKS].statement)
    assert "the door was seen open less than an hour ago" in words
    assert "the remote interlock was never seen open, in 31 days of looking" in words


@pytest.mark.parametrize("missing", BY_HAND)
async def test_no_treatment_begins_after_three_times_the_limit_until_the_contact_was_opened(
    stack: Dated, missing: str
) -> None:
    await stack.known()
    await stack.days_pass(91)
    others = [name for name in BY_HAND if name != missing]
    await stack.open_and_close(*others)
    await stack.standby_again()
    with pytest.raises(Declined) as declined:
        await begun(stack)
    [reason] = declined.value.reasons
    assert reason["code"] == f"proof.{missing}"
    assert "91 days" in reason["text"]
    assert stack.reader.sessions() == []
    assert stack.told("proof_test_due")[-1].text.endswith("; no treatment begins before that")
    await stack.open_and_close(missing)
    await stack.standby_again()
    await begun(stack)


async def test_up_to_three_times_the_limit_a_treatment_is_begun(stack: Dated) -> None:
    await stack.known()
    await stack.days_pass(89.9)
    assert stack.due == BY_HAND
    await begun(stack)


async def test_an_interrupted_treatment_goes_on_once_the_contact_was_opened(stack: Dated) -> None:
    await begun(stack)
    await stack.arm()
    await stack.fire(1)
    stack.release()
    await stack.daemon.console.stop("anna", "a pause")
    await stack.settled()
    await stack.open_and_close("estop", "key", "remote")
    await stack.days_pass(60)
    await stack.open_and_close("estop", "key", "remote")
    await stack.days_pass(31)
    await stack.standby_again()
    with pytest.raises(Declined) as declined:
        await stack.resume()
    assert [reason["code"] for reason in declined.value.reasons] == ["proof.door"]
    await stack.open_and_close("door")
    await stack.resume()


async def test_light_on_no_person_is_not_refused_for_it() -> None:
    async with Dated(role=Role.SERVICE) as stack:
        await stack.known()
        await stack.days_pass(91)
        assert len(stack.daemon.openings.evidence().against) == len(BY_HAND)
        await stack.prepare(SERVICE_PLAN.read_text("utf-8"))
        [entry] = [one for one in stack.reader.audit_entries() if one.kind == "session.confirmed"]
        assert "seen open" not in entry.body
