"""The two-person rule: what overrides a safety record, by whom, with whom, and that both are on record."""

import asyncio
import itertools
import json
from collections.abc import Awaitable
from typing import Any

import httpx
import pytest

from controller.declined import Declined
from controller.lease import Who
from controller.second import Second
from controller.store import Role, SessionState
from protocols.states import State
from rig.records import Records
from rig.stack import Stack, plan_text
from safety.latches import LatchId
from tests.controller.asking import told

VIRTUAL_TIME = True
pytestmark = pytest.mark.shows("REQ-045")

BY_ITSELF = (
    plan_text(indication='"service"', rep_rate_hz=10.0, series="[5]")
    .replace('skin_type = "II"\n', "")
    .replace("rehearsal =", 'trigger = "internal"\nrehearsal =')
)
WITH_FOOT = BY_ITSELF.replace('trigger = "internal"\n', "")


async def people(stack: Stack) -> None:
    """One of each role, by its first letter."""
    assert stack.store is not None
    for role in Role:
        name = f"{role.value[0]}-person"
        stack.store.insert_operator(name, role, name, actor="root", now_us=0)


async def interrupted(stack: Stack, owner: str = "olga") -> str:
    """An interrupted session of `owner`, who has left."""
    await stack.settled()
    who, console = await stack.login(owner), stack.daemon.console
    await console.acknowledge(who, [(latch.id.value, latch.instance) for latch in stack.latches])
    session = await console.open_session(who, plan_text(series=[10]), "plan", 755, checklist=True)
    await console.stop(owner, "a test")
    await stack.until(lambda: stack.daemon.treatment.session is None, "the session interrupted")
    console.logout(who.token)
    return str(session["id"])


def overrides(stack: Stack) -> list[tuple[str, dict[str, Any]]]:
    entries = [entry for entry in stack.reader.audit_entries() if entry.kind == "override"]
    return [(entry.actor, json.loads(entry.body)) for entry in entries]


async def declined(work: Awaitable[object]) -> str:
    with pytest.raises(Declined) as caught:
        await work
    assert caught.value.status == 403
    return caught.value.code


# -- who may be the second


async def test_nobody_but_somebody_else_of_the_service_role_or_above_can_agree(stack: Stack) -> None:
    """Every role as the first, every role as the second, with the right and with a wrong password."""
    session_id = await interrupted(stack)
    await people(stack)
    console, store = stack.daemon.console, stack.store
    assert store is not None
    names = [f"{role.value[0]}-person" for role in Role]
    for first, second, right in itertools.product(names[1:], [*names, "nobody"], (True, False)):
        if first != second and right and second in {"s-person", "a-person"}:
            continue  # they may: the next test
        who = await stack.login_again(first)
        code = await declined(console.abandon_session(who, second=Second(second, second if right else "no")))
        if first == second:
            assert code == "second.same"
        elif right and second != "nobody":
            assert code == "second.role"
        else:
            assert code == "second.wrong"
        console.logout(who.token)
        for name in names:  # wrong passwords count, and five lock out
            store.unlock_operator(name, actor="root", now_us=0)
    assert overrides(stack) == []
    assert stack.reader.session(session_id).state is SessionState.INTERRUPTED


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("o-person", "s-person"),
        ("o-person", "a-person"),
        ("s-person", "a-person"),
        ("a-person", "s-person"),
    ],
)
async def test_with_such_a_second_person_it_is_done_and_both_are_on_record(
    stack: Stack, first: str, second: str
) -> None:
    session_id = await interrupted(stack)
    await people(stack)
    who = await stack.login(first)
    await stack.daemon.console.abandon_session(who, second=Second(second, second))
    assert stack.reader.session(session_id).state is SessionState.ABANDONED
    ((actor, body),) = overrides(stack)
    assert (actor, body["second"], body["act"]) == (first, second, "abandon")
    assert (body["session_id"], body["operator"]) == (session_id, "olga")
    kinds = [(entry.kind, entry.actor) for entry in stack.reader.audit_entries()]
    place = kinds.index(("override", first))
    assert kinds[place - 1] == ("second", second)
    assert "session.abandoned" in [kind for kind, _ in kinds[place:]], "written down before it is done"


async def test_agreeing_is_no_login_and_holds_for_one_act_only(stack: Stack) -> None:
    await interrupted(stack)
    await people(stack)
    who, console = await stack.login("o-person"), stack.daemon.console
    before = dict(stack.daemon.logins._logins)
    await console.abandon_session(who, second=Second("s-person", "s-person"))
    assert stack.daemon.logins._logins == before
    console.logout(who.token)
    await interrupted(stack, "otto")
    again = await stack.login_again("o-person")
    assert await declined(console.abandon_session(again)) == "second.needed"


async def test_a_second_person_who_was_barred_or_is_locked_out_cannot_agree(stack: Stack) -> None:
    await interrupted(stack)
    await people(stack)
    who, console, store = await stack.login("o-person"), stack.daemon.console, stack.store
    assert store is not None
    for _ in range(5):
        assert await declined(console.abandon_session(who, second=Second("s-person", "no"))) == "second.wrong"
    right = Second("s-person", "s-person")
    assert await declined(console.abandon_session(who, second=right)) == "second.locked_out"
    store.unlock_operator("s-person", actor="root", now_us=0)
    store.deactivate_operator("s-person", actor="root", now_us=0)
    assert await declined(console.abandon_session(who, second=right)) == "second.wrong"
    assert [entry.kind for entry in stack.reader.audit_entries()].count("second.failed") == 6
    assert overrides(stack) == []


async def test_a_password_of_the_second_person_stands_nowhere(stack: Stack) -> None:
    await interrupted(stack)
    await people(stack)
    assert stack.store is not None
    stack.store.update_password("s-person", "very-secret", actor="root", now_us=0)
    second = Second("s-person", "very-secret")
    assert "very-secret" not in repr(second)
    await stack.daemon.console.abandon_session(await stack.login("o-person"), second=second)
    assert overrides(stack)
    written = [entry.body for entry in stack.reader.audit_entries()]
    written += [event.text + str(event.body) for event in stack.reader.events()]
    assert not [text for text in written if "very-secret" in text]


# -- what needs one


async def test_ones_own_session_is_abandoned_alone_and_somebody_elses_not_even_after_resuming_it(
    stack: Stack,
) -> None:
    await interrupted(stack)
    bert, console = await stack.login("bert"), stack.daemon.console
    await console.acknowledge(bert, [(latch.id.value, latch.instance) for latch in stack.latches])
    assert (await console.resume_session(bert, 755, checklist=True))["state"] == "open"
    assert await declined(console.abandon_session(bert)) == "second.needed"
    console.logout(bert.token)
    assert (await console.abandon_session(await stack.login_again("olga")))["state"] == "abandoned"
    assert overrides(stack) == []


@pytest.mark.parametrize("ask", ["open", "resume"])
async def test_a_plan_that_fires_without_the_foot_needs_two_persons_each_time_it_is_begun(ask: str) -> None:
    async with Stack(role=Role.SERVICE) as stack:
        stack.laser.act("strap", to="on")
        await stack.settled()
        await stack.acknowledge()
        console, who = stack.daemon.console, await stack.login()

        async def begin(second: Second | None) -> object:
            if ask == "open" or not stack.reader.sessions():
                return await console.open_session(
                    who, BY_ITSELF, "plan", 755, checklist=False, service=True, second=second
                )
            return await console.resume_session(who, 755, checklist=False, service=True, second=second)

        if ask == "resume":
            await begin(stack.second())
            await console.stop("anna", "a test")
            await stack.until(lambda: stack.daemon.treatment.session is None, "the session interrupted")
            await stack.acknowledge()
            await stack.settled()
        begun = len(overrides(stack))
        for second in (None, Second("anna", "anna"), Second("sven", "wrong")):
            assert (await declined(begin(second))).startswith("second.")
            assert stack.daemon.treatment.session is None
        assert len(overrides(stack)) == begun
        await begin(stack.second())
        assert [body["act"] for _, body in overrides(stack)] == ["no_foot"] * (begun + 1)
        assert (await console.arm(who))["outcome"] == "done"
        await stack.until(lambda: stack.daemon.treatment.session is None, "the session done", within_s=30)
        assert stack.truth.aperture == 5


async def test_a_service_plan_that_is_fired_by_the_foot_needs_nobody_else() -> None:
    async with Stack(role=Role.SERVICE) as stack:
        await stack.prepare(WITH_FOOT)
        assert stack.daemon.treatment.session is not None
        assert overrides(stack) == []


async def test_a_service_by_itself_is_no_use_of_the_console_and_ends_when_nobody_is_there() -> None:
    """Pulses without a foot keep nobody logged in: after the idle lock's time the laser is disarmed."""
    async with Stack(role=Role.SERVICE, safety={"idle_lock_s": 60}) as stack:
        stack.laser.act("strap", to="on")
        await stack.settled()
        await stack.acknowledge()
        console, who = stack.daemon.console, await stack.login()
        text = BY_ITSELF.replace("[5]", "[200, 200, 200, 200, 200]")
        await console.open_session(who, text, "p", 755, checklist=False, service=True, second=stack.second())
        assert (await console.arm(who))["outcome"] == "done"
        used_us = stack.loop.now_us()
        await stack.until(lambda: stack.truth.aperture > 100, "it fires", within_s=30)
        await stack.until(lambda: stack.device.state is State.STANDBY, "STANDBY", within_s=70)
        assert 58_000_000 <= stack.loop.now_us() - used_us <= 62_000_000
        assert 0 < stack.truth.aperture < 1000


async def lost_pulses(stack: Stack) -> None:
    """The device has told its pulses to another host: this database knows twenty of them only."""
    await stack.settled()
    await stack.end_daemon()
    known, device = stack.reader.pulses(stack.serial, limit=20), stack.reader.device(stack.serial)
    assert device is not None
    stack.records.close()
    stack.records = Records(None, stack.wall_clock)
    store = stack.records.open()
    store.save_device(device)
    assert store.record_pulses(known) == 20
    stack.start_daemon()
    await stack.until(lambda: LatchId.COUNTER_GAP in stack.latched, "the gap latched")


async def test_lost_pulses_are_given_up_by_two_and_by_nobody_alone(stack: Stack) -> None:
    await lost_pulses(stack)
    console, who = stack.daemon.console, await stack.login()
    for second, code in ((None, "needed"), (Second("anna", "anna"), "same"), (Second("x", "x"), "wrong")):
        assert await declined(console.resolve(who, second=second)) == f"second.{code}"
    await asyncio.sleep(3)
    assert stack.daemon.recorder.books.missing == 12
    given_up = (await console.resolve(who, second=stack.second()))["given_up_pulses"]
    assert given_up == 12
    assert stack.daemon.recorder.balanced
    ((actor, body),) = overrides(stack)
    assert body.pop("text") == "sven agreed with anna to giving up pulses that have no record"
    assert (actor, body) == (
        "anna",
        {"act": "give_up_pulses", "second": "sven", "pulses": 12, "up_to": 32},
    )


async def test_what_the_devices_own_books_settle_needs_nobody_else(stack: Stack) -> None:
    await stack.prepare()
    assert (await stack.daemon.console.resolve(await stack.login())) == {
        "settled": [],
        "given_up_pulses": 0,
        "open": [],
    }


# -- over the API


async def test_the_api_takes_the_second_person_with_the_request(
    stack: Stack, http: httpx.AsyncClient
) -> None:
    await interrupted(stack)
    await people(stack)
    who: Who = await stack.login("o-person")
    http.headers["Authorization"] = f"Bearer {who.token}"
    asked = "/sessions/abandon"
    assert told(await http.post(asked), 403)["error"] == "second.needed"
    assert told(await http.post(asked, json={}), 403)["error"] == "second.needed"
    assert told(await http.post(asked, json={"second": None}), 403)["error"] == "second.needed"
    for body in (
        {"second": {"name": "s-person"}},
        {"second": {"name": 5, "password": "secret-1"}},
        {"second": {"password": "secret-1"}},
        {"second": "secret-1"},
        {"second": ["s-person", "secret-1"]},
        {"second": {"name": "s-person", "password": ["secret-1"]}},
        {"second": {"name": "s-person", "password": "secret-1", "role": "service"}},
    ):
        response = await http.post(asked, json=body)
        assert told(response, 422)["error"] == "request"
        assert "secret-1" not in response.text
    right = {"second": {"name": "s-person", "password": "s-person"}}
    answer = await http.post(asked, json=right)
    assert (answer.status_code, answer.json()["state"]) == (200, "abandoned")


async def test_no_password_of_a_login_is_told_back_either(http: httpx.AsyncClient) -> None:
    for body in ({"password": "secret-1"}, ["anna", "secret-1"], {"name": ["a"], "password": "secret-1"}):
        response = await http.post("/login", json=body)
        told(response, 422)
        assert "secret-1" not in response.text
