"""What a whole stack publishes in an eventful run, message by message, against the published contract."""

import asyncio
from collections import Counter

import pytest

from controller import mqtt
from controller.store.records import EventKind, Severity
from controller.telling import ALARM_IDS
from protocols.payloads import Quality
from protocols.topics import STAMP_FIELDS, STATUS, TOPICS
from rig.stack import Stack, plan_text
from tests.controller import contract
from tests.controller.tape import ROOT, Tape

VIRTUAL_TIME = True


@pytest.fixture
def tape(monkeypatch: pytest.MonkeyPatch) -> Tape:
    tape = Tape()
    monkeypatch.setattr(mqtt, "connect", tape.connect)
    return tape


async def test_every_message_of_an_eventful_run_is_as_the_contract_says(tape: Tape) -> None:
    async with Stack(mqtt={"enabled": True, "telemetry_hz": 10.0}) as stack:
        await stack.prepare(plan_text(series=[5, 5]))
        await stack.arm()
        await stack.give_series()
        await stack.permitted()
        stack.press()
        await asyncio.sleep(0.5)
        stack.laser.act("estop", to="press")  # a fault, alarms, a state with an open contact
        await asyncio.sleep(2)
        stack.release()
        stack.line.hang_up()  # nothing is known: stale, then unknown
        await asyncio.sleep(5)
        await stack.end_daemon()

    seen: Counter[str] = Counter()
    wrong: list[str] = []
    for message in tape.got:
        suffix = message.topic.removeprefix(ROOT)
        topic = TOPICS[suffix.partition("/")[0]]
        how = (message.qos, message.retain, message.expiry_s)
        assert how == (topic.qos, topic.retain, topic.expiry_s), suffix
        if suffix.startswith("alarm/"):
            assert suffix.removeprefix("alarm/") in ALARM_IDS
            if not message.payload:
                continue  # clears
        payload = contract.read(message.payload)
        seen[contract.kind_of(suffix, payload)] += 1
        wrong += contract.breaches(suffix, payload)
    assert wrong == []
    # Every kind of message came by, so that none is right for never having been seen.
    assert {*contract.validators()} - {*seen} == {"reply", "cmd-stop"}
    assert seen["pulse"] >= 6
    states = [contract.read(m.payload) for m in tape.got if m.topic == ROOT + "state"]
    assert {state["state"] for state in states} >= {"standby", "ready", "emitting", "fault", "unknown"}


async def test_a_message_that_lacks_a_field_or_has_one_too_many_or_a_wrong_one_is_a_breach(
    tape: Tape,
) -> None:
    async with Stack(mqtt={"enabled": True}) as stack:
        await stack.settled()
        await asyncio.sleep(2)
    (first, *_) = [contract.read(m.payload) for m in tape.got if m.topic == ROOT + "telemetry"]
    assert contract.breaches("telemetry", first) == []
    for name in first:
        assert contract.breaches("telemetry", {key: first[key] for key in first if key != name}), name
    assert contract.breaches("telemetry", first | {"operator": "anna"})
    for wrong in (
        {"q": "fine"},
        {"coolant_c": 151.0},
        {"device_sample": 1.5},
        {"seq": None},
        {"ts": "2026-03-01 12:00"},
    ):
        assert contract.breaches("telemetry", first | wrong), wrong


def test_the_words_that_the_contract_lists_are_the_ones_there_are() -> None:
    listed = {f.name: set(f.values) for topic in TOPICS.values() for f in topic.fields if f.values}
    assert listed["kind"] == {kind.value for kind in EventKind}
    assert listed["severity"] == {severity.value for severity in Severity}
    assert set(next(f for f in STAMP_FIELDS if f.name == "q").values) == {q.value for q in Quality}
    names = {field.name for field in (*STAMP_FIELDS, *STATUS.fields)}
    assert all({*form.fields} | {name for name, _ in form.fixed} <= names for form in STATUS.forms)


async def test_what_stands_retained_is_said_again_each_minute_and_what_is_cleared_is_not(tape: Tape) -> None:
    async with Stack(mqtt={"enabled": True}) as stack:
        await stack.settled()
        await asyncio.sleep(5)
        tape.got.clear()
        await asyncio.sleep(2 * 60 + 5)
        got = list(tape.got)
    said = Counter(message.topic.removeprefix(ROOT) for message in got)
    assert said["about"] == 2
    assert said["alarm/host-start-up"] == 2, "nobody has acknowledged it"
    assert [name for name in said if name.startswith("alarm/")] == ["alarm/host-start-up"]
    assert all(message.payload for message in got)
