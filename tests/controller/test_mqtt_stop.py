"""The one command over MQTT: whatever is published, it can only stop; a retained message is refused."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller import mqtt
from controller.mqtt_link import Incoming, MqttLink
from controller.mqtt_stop import ASKERS_MAX, READ_MAX, SPACING_S, WAITING_MAX
from protocols.states import State
from protocols.topics import STOP, TOPICS
from rig.stack import Stack, plan_text
from rig.virtual_time import VirtualTimeLoop
from tests.controller import contract
from tests.controller.lever import TREE, Lever
from tests.controller.tape import Tape

VIRTUAL_TIME = True
NAME = "laser/v1/site/laser/cmd/stop"
ALLOWED = {"enabled": True, "allow_stop": True}


def said(payload: bytes = b"", *, retained: bool = False, topic: str = NAME) -> Incoming:
    return Incoming(topic, payload, retained)


@pytest.fixture
def tape(monkeypatch: pytest.MonkeyPatch) -> Tape:
    tape = Tape()
    monkeypatch.setattr(mqtt, "connect", tape.connect)
    return tape


def stops(stack: Stack) -> list[str]:
    events = stack.reader.events(limit=1_000)
    return [event.text for event in events if event.kind.value == "stop" and event.actor == "mqtt"]


def texts(stack: Stack) -> list[str]:
    return [event.text for event in stack.reader.events(limit=1_000)]


async def emitting(stack: Stack) -> None:
    await stack.prepare(plan_text(series=[20]))
    await stack.arm()
    await stack.fire(2)


def tell(tape: Tape, *messages: Incoming) -> None:
    assert tape.says is not None
    for message in messages:
        tape.says(message)


@pytest.mark.parametrize(
    "payload", [b"", b"{}", b'{"id":"a-1"}', b"rubbish", b"\xff\x00", b"[" * 5_000, b"null", b"x" * 100_000]
)
@pytest.mark.shows("REQ-034")
async def test_any_message_stops_an_emitting_laser_whatever_it_says(payload: bytes, tape: Tape) -> None:
    async with Stack(mqtt=ALLOWED) as stack:
        await emitting(stack)
        tell(tape, said(payload))
        await stack.until(lambda: stack.device.state is State.STANDBY, "STANDBY", within_s=0.25)
        assert not stack.device.permit_id
        assert stops(stack) == ["stop: cmd/stop"]
        await asyncio.sleep(1)
        assert len(tape.replies()) == (payload == b'{"id":"a-1"}')


@pytest.mark.shows("REQ-034")
async def test_a_stop_is_heard_while_the_outbox_is_stuck_and_is_answered(tape: Tape) -> None:
    async with Stack(mqtt=ALLOWED) as stack:
        tape.stuck = True
        await emitting(stack)
        tell(tape, said(b'{"client":"dash-1","id":"stop-7"}'))
        await stack.until(lambda: stack.device.state is State.STANDBY, "STANDBY", within_s=0.25)
        await stack.until(lambda: bool(tape.replies()), "a reply", within_s=1)
        ((client, reply),) = tape.replies()
        assert client == "dash-1"
        assert (reply["id"], reply["outcome"], reply["confirmed"]) == ("stop-7", "done", True)
        assert (reply["level"], reply["sim"], reply["seq"]) == ("STOP", True, 0)
        assert reply["took_ms"] < 50
        assert contract.breaches("reply/dash-1", reply) == []


@pytest.mark.shows("REQ-034")
async def test_a_retained_message_stops_nothing_is_reported_and_answered_as_refused(tape: Tape) -> None:
    async with Stack(mqtt=ALLOWED) as stack:
        await emitting(stack)
        for _ in range(50):
            tell(tape, said(b'{"id":"old"}', retained=True))
        await asyncio.sleep(0.5)
        assert stack.device.state is State.EMITTING
        assert stops(stack) == []
        told = [text for text in texts(stack) if "a retained message on cmd/stop was refused" in text]
        assert len(told) == 1, "once in ten seconds"
        replies = tape.replies()
        assert {(name, reply["outcome"], reply["level"]) for name, reply in replies} == {
            ("old", "refused", None)
        }
        assert [
            breach for name, reply in replies for breach in contract.breaches(f"reply/{name}", reply)
        ] == []
        await asyncio.sleep(10)
        tell(tape, said(retained=True))
        await asyncio.sleep(0.5)
        assert sum("a retained message on cmd/stop was refused" in text for text in texts(stack)) == 2
        assert stops(stack) == []


async def test_nothing_is_listened_to_unless_it_is_allowed(tape: Tape) -> None:
    async with Stack(mqtt={"enabled": True}) as stack:
        await stack.settled()
        assert (tape.subscribed, tape.says) == ([], None)
    async with Stack(mqtt=ALLOWED) as stack:
        await stack.settled()
        assert tape.subscribed == [NAME]


async def test_a_broker_that_lets_nobody_listen_is_reported_and_published_to_all_the_same(tape: Tape) -> None:
    tape.lets_listen = False
    async with Stack(mqtt=ALLOWED) as stack:
        await stack.settled()
        await asyncio.sleep(2)
        told = [text for text in texts(stack) if "nobody can stop the laser over MQTT" in text]
        assert len(told) == 1
        assert {m.topic.rpartition("/")[2] for m in tape.got} >= {"status", "state", "telemetry", "event"}


@pytest.mark.shows("REQ-034", "HZ-038")
@given(
    suffix=st.sampled_from([*TOPICS, "cmd/arm", "cmd/grant", "cmd/fire", "cmd/stop/x", "", "#"]),
    payload=st.binary(max_size=60)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    ).map(lambda thing: json.dumps(thing).encode()),
    retained=st.booleans(),
)
def test_what_comes_on_any_other_topic_does_nothing_at_all(
    suffix: str, payload: bytes, retained: bool
) -> None:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(_nothing(said(payload, retained=retained, topic=f"laser/v1/site/laser/{suffix}")))


async def _nothing(message: Incoming) -> None:
    lever = Lever()
    lever.remote.heard(message)
    await asyncio.sleep(2 * SPACING_S)
    assert (lever.pulled_s, lever.reports) == ([], [])


@pytest.mark.shows("REQ-034")
@given(
    payload=st.binary(max_size=80)
    | st.fixed_dictionaries(
        {}, optional={"id": st.text(max_size=70) | st.integers(), "client": st.text(max_size=70) | st.none()}
    ).map(lambda asked: json.dumps(asked).encode())
    | st.from_regex(r"[a-z0-9-]{1,64}", fullmatch=True).map(lambda i: json.dumps({"id": i}).encode()),
    retained=st.booleans(),
)
def test_every_message_either_stops_or_is_refused_as_retained_and_a_reply_goes_only_to_a_fit_name(
    payload: bytes, retained: bool
) -> None:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(_stops_or_refuses(payload, retained))


async def _stops_or_refuses(payload: bytes, retained: bool) -> None:
    lever = Lever()
    lever.remote.heard(said(payload, retained=retained))
    assert (len(lever.pulled_s), len(lever.reports)) == ((0, 1) if retained else (1, 0))
    lever.confirm()
    for message in await lever.published():
        fit = set("abcdefghijklmnopqrstuvwxyz0123456789-")
        name = message.topic.removeprefix("laser/v1/site/laser/reply/")
        asked = json.loads(payload)
        assert name in (asked.get("client"), asked.get("id"))
        assert set(name) <= fit
        assert 1 <= len(name) <= 64
        reply = contract.read(message.payload)
        assert contract.breaches(f"reply/{name}", reply) == []
        assert (reply["outcome"] == "refused") is retained


async def test_a_flood_stops_at_once_and_then_five_times_a_second_and_the_last_message_counts() -> None:
    lever = Lever()
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    while loop.time() < began_s + 1.03:
        for n in range(20):
            lever.remote.heard(said(json.dumps({"id": f"n-{n}"}).encode()))
        await asyncio.sleep(0.01)
    last_s = loop.time()
    await asyncio.sleep(1)
    after_s = [round(at_s - began_s, 3) for at_s in lever.pulled_s]
    assert after_s == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2]
    assert lever.pulled_s[-1] >= last_s - 0.01
    lever.confirm()
    published = await lever.published()
    assert 1 <= len(published) <= min(WAITING_MAX, ASKERS_MAX * len(after_s))
    assert len({(m.topic, contract.read(m.payload)["seq"]) for m in published}) == len(published)


async def test_a_stop_that_is_not_confirmed_says_so_and_names_the_hardware_stop() -> None:
    lever = Lever()
    lever.remote.heard(said(b'{"id":"a"}'))
    lever.confirm(really=False)
    (message,) = await lever.published()
    reply = contract.read(message.payload)
    assert (reply["outcome"], reply["confirmed"], reply["level"]) == ("uncertain", False, "port closed")
    assert "use the hardware stop" in reply["text"]


async def test_a_stop_that_is_due_is_sent_when_listening_ends() -> None:
    lever = Lever()
    lever.remote.heard(said())
    lever.remote.heard(said())
    assert len(lever.pulled_s) == 1
    lever.remote.close()
    assert len(lever.pulled_s) == 2
    await asyncio.sleep(1)
    assert len(lever.pulled_s) == 2


async def test_what_is_too_long_to_be_read_stops_and_is_not_answered() -> None:
    lever = Lever()
    lever.remote.heard(said(b'{"id":"a"' + b" " * READ_MAX + b"}"))
    lever.confirm()
    assert len(lever.pulled_s) == 1
    assert await lever.published() == []


def test_the_tape_has_what_a_link_has() -> None:
    assert all(hasattr(MqttLink, name) for name in ("send", "listen_to", "lost", "drop", "close"))
    assert TREE.name(STOP) == NAME
