"""What a session's report says was confirmed: in the checklist's own order, and by every person it took."""

from typing import Any

import pytest

from controller.declined import Declined
from controller.second import Second
from controller.session import SERVICE_CONDITIONS
from controller.session_report import SessionReport, session_report
from controller.session_report_page import html
from controller.store import Role
from rig.stack import BEGAN, Stack, plan_text
from safety.checklist import ITEMS

VIRTUAL_TIME = True

SERVICE = plan_text(indication='"service"', rep_rate_hz=10.0, series="[5]").replace('skin_type = "II"\n', "")
BY_ITSELF = SERVICE.replace("rehearsal =", 'trigger = "internal"\nrehearsal =')
SEAN = Second("sean", "sean")


async def at_the_laser(stack: Stack) -> None:
    """The laser ready to be asked, and a second person who is not logged in."""
    await stack.settled()
    await stack.login("anna", Role.SERVICE)
    await stack.acknowledge()
    assert stack.store is not None
    stack.store.insert_operator("sean", Role.SERVICE, "sean", actor="root", now_us=0)


async def begun(stack: Stack, text: str, second: Second | None = None) -> dict[str, Any]:
    who = await stack.login()
    return await stack.daemon.console.open_session(
        who, text, "plan.toml", 755, list(ITEMS)[::-1], service=True, second=second
    )


def report_of(stack: Stack, session: dict[str, Any]) -> SessionReport:
    return session_report(stack.reader, str(session["id"]))


async def test_items_stand_in_the_order_of_the_checklist(stack: Stack) -> None:
    assert list(ITEMS) != sorted(ITEMS), "or this would show nothing"
    await at_the_laser(stack)
    report = report_of(stack, await begun(stack, plan_text()))
    (one,) = report.confirmed
    assert list(one.items) == list(ITEMS)
    page = html(report, BEGAN)
    places = [page.index(f"<td>{item.key}</td>") for item in ITEMS.values()]
    assert places == sorted(places)


async def test_the_conditions_of_a_service_stand_in_their_order_too(stack: Stack) -> None:
    await at_the_laser(stack)
    (one,) = report_of(stack, await begun(stack, SERVICE)).confirmed
    assert list(one.items.values()) == list(SERVICE_CONDITIONS)
    assert list(one.items) != sorted(one.items), "or this would show nothing"


async def test_whoever_agreed_to_a_plan_without_a_foot_is_among_the_confirmations(stack: Stack) -> None:
    await at_the_laser(stack)
    session = await begun(stack, BY_ITSELF, SEAN)
    report = report_of(stack, session)
    (one,), (line,) = report.confirmed, report.confirmations
    assert (one.actor, one.second) == ("anna", "sean")
    assert line.startswith("anna confirmed")
    assert "sean agreed as the second person" in line
    assert "sean agreed as the second person" in html(report, BEGAN)
    assert report.plain()["confirmed"][0]["second"] == "sean"


async def test_each_beginning_has_its_own_second_person(stack: Stack) -> None:
    await at_the_laser(stack)
    session = await begun(stack, BY_ITSELF, SEAN)
    await stack.daemon.console.stop("anna", "a test")
    await stack.until(lambda: stack.daemon.treatment.session is None, "the session interrupted")
    assert stack.store is not None
    stack.store.insert_operator("ada", Role.ADMINISTRATOR, "ada", actor="root", now_us=0)
    await stack.acknowledge()
    who, ada = await stack.login(), Second("ada", "ada")
    await stack.daemon.console.resume_session(who, 755, (), service=True, second=ada)
    assert [one.second for one in report_of(stack, session).confirmed] == ["sean", "ada"]


async def test_a_second_person_whom_nothing_asked_for_is_not_on_record(stack: Stack) -> None:
    """Their password was not looked at: nobody knows that they agreed."""
    await at_the_laser(stack)
    session = await begun(stack, SERVICE, Second("sean", "wrong"))
    report = report_of(stack, session)
    assert [one.second for one in report.confirmed] == [""]
    assert "second person" not in report.confirmations[0]
    kinds = {entry.kind for entry in stack.reader.audit_entries() if "sean" in entry.actor + entry.body}
    assert kinds == {"operator.add"}


async def test_a_second_person_who_was_not_accepted_begins_nothing(stack: Stack) -> None:
    await at_the_laser(stack)
    with pytest.raises(Declined):
        await begun(stack, BY_ITSELF, Second("sean", "wrong"))
    assert stack.reader.sessions() == []
