"""A rig's hands: faults, time, snapshots and truth, in process and over HTTP, with the same answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from protocols.frame import Frame, encode
from protocols.interface import INTERFACE_HASH
from protocols.messages import Connect
from rig.laser import cold_laser, warm_laser
from rig.recording import Header, Recorder, Recording, header_of
from rig.replay import compare, replay
from sim_device.control import build_app, serve_control
from sim_device.control_client import AsyncControl, ControlError
from sim_device.faults import CATALOGUE, FaultError
from sim_device.hands import STEP_MAX_US, HandError, Hands, UnknownError
from sim_device.operator import ActionError
from sim_device.serve import Pump

MS = 1_000


def on(seed: int = 2) -> Hands:
    return Hands.on(warm_laser(seed))


# --- time


def test_time_passes_by_steps_alone() -> None:
    hands = on()
    start_us = hands.state()["now_us"]
    assert hands.state()["now_us"] == start_us
    assert hands.step(250 * MS) == start_us + 250 * MS
    assert hands.state()["now_us"] == start_us + 250 * MS


def test_an_act_happens_in_the_instant_in_which_time_stands() -> None:
    hands = on()
    start_us = hands.state()["now_us"]
    assert hands.operate("door", to="open") == start_us
    hands.step(50 * MS)
    assert hands.state()["inputs"]["door_closed"] is False


@pytest.mark.parametrize("duration_us", [-1, STEP_MAX_US + 1])
def test_a_step_out_of_range_is_refused(duration_us: int) -> None:
    hands = on()
    with pytest.raises(HandError, match=f"duration_us = {duration_us} is not allowed: give 0 to"):
        hands.step(duration_us)


async def test_real_time_is_not_stepped() -> None:
    hands = Hands(Pump(cold_laser(1)))
    with pytest.raises(HandError, match="start the simulator with --stepped"):
        hands.step(1)


async def test_a_stepped_pump_sends_at_each_event_what_comes_of_it() -> None:
    simulator = warm_laser(2)
    pump = Pump(simulator, stepped=True)
    told: list[tuple[int, int]] = []
    pump.wire.clients.append(lambda data: told.append((pump.simulator.now_us, len(data))))
    pump.wire.receive(encode(Frame(0, 0, Connect(7, INTERFACE_HASH))))
    hands = Hands(pump)
    start_us = hands.state()["now_us"]
    hands.step(450 * MS)
    times_us = [time_us for time_us, _ in told]
    assert len({*times_us}) >= 5  # the answer, and a Status every 100 ms
    assert all(start_us <= time_us <= start_us + 450 * MS for time_us in times_us)


# --- faults


def test_a_fault_is_injected_counted_and_cleared() -> None:
    hands = on()
    number = hands.inject("input-stuck", line="door_closed", to=False)
    hands.step(300 * MS)
    (injection,) = hands.injections()
    assert (injection["number"], injection["name"], injection["active"]) == (number, "input-stuck", True)
    assert injection["fired"] > 0
    assert (
        hands.state()["inputs"]["door_closed"] is True
    )  # the plant's own line: only the firmware is deceived
    hands.clear(number)
    assert [one["active"] for one in hands.injections()] == [False]


def test_clearing_all_ends_every_fault() -> None:
    hands = on()
    hands.inject("input-stuck", line="door_closed", to=False)
    hands.inject("input-stuck", line="remote_closed", to=False)
    hands.clear()
    assert [one["active"] for one in hands.injections()] == [False, False]


def test_an_unknown_fault_and_an_unknown_injection_are_refused() -> None:
    hands = on()
    with pytest.raises(FaultError, match="did you mean input-stuck"):
        hands.inject("input-stukc")
    with pytest.raises(UnknownError, match="injection = 0 is not known: there are 0"):
        hands.clear(0)
    assert hands.injections() == []


def test_the_catalogue_has_every_fault() -> None:
    assert [fault["name"] for fault in on().catalogue()["faults"]] == list(CATALOGUE)


# --- snapshots


def test_a_restored_laser_goes_on_as_it_did_the_first_time() -> None:
    hands = on()
    at_us = hands.snapshot("ready")
    hands.inject("input-stuck", line="door_closed", to=False)
    hands.operate("foot", to="press")
    hands.step(500 * MS)
    first = hands.state()
    assert hands.restore("ready") == at_us
    assert hands.injections() == []
    hands.inject("input-stuck", line="door_closed", to=False)
    hands.operate("foot", to="press")
    hands.step(500 * MS)
    assert hands.state() == first


def test_snapshots_are_listed_replaced_and_forgotten() -> None:
    hands = on()
    one_us = hands.snapshot("one")
    hands.step(MS)
    two_us = hands.snapshot("two")
    assert hands.snapshots() == {"one": one_us, "two": two_us}
    assert hands.snapshot("one") == two_us
    hands.forget("two")
    assert hands.snapshots() == {"one": two_us}
    with pytest.raises(UnknownError, match="'two' is not known: there are 'one'"):
        hands.restore("two")


def test_too_many_snapshots_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim_device.hands.SNAPSHOTS_MAX", 2)
    hands = Hands.on(cold_laser(1))
    hands.snapshot("one")
    hands.snapshot("two")
    hands.snapshot("one")
    with pytest.raises(HandError, match="'three': 2 are kept at most: forget one first"):
        hands.snapshot("three")


def test_a_recorded_laser_does_not_go_back_in_time() -> None:
    hands = on()
    hands.snapshot("before")
    recorder = Recorder(hands.simulator, Recording(Header()))
    with pytest.raises(HandError, match="a Recorder is at work"):
        hands.restore("before")
    recorder.close()
    hands.restore("before")


async def test_a_pump_goes_on_with_a_restored_laser() -> None:
    pump = Pump(warm_laser(2), stepped=True)
    hands = Hands(pump)
    told: list[bytes] = []
    pump.wire.clients.append(told.append)
    at_us = hands.snapshot("one")
    hands.step(400 * MS)
    first = told.copy()
    told.clear()
    hands.restore("one")
    assert hands.state()["now_us"] == at_us
    hands.step(400 * MS)
    assert told == first


# --- a recording holds what hands do


def test_what_hands_do_is_replayed_bit_for_bit() -> None:
    simulator = warm_laser(4)
    recording = Recording(header_of(simulator, start="warm", seed=4))
    recorder = Recorder(simulator, recording)
    hands = Hands.on(simulator)
    hands.inject("input-stuck", line="door_closed", to=False, after_s=0.1, for_s=0.2)
    stuck = hands.inject("input-stuck", line="remote_closed", to=False)
    hands.step(350 * MS)
    with pytest.raises(ActionError):
        hands.operate("spot", spot_mm=99)
    hands.operate("handpiece", name="FIXED_6")
    with pytest.raises(ActionError, match="has no zoom ring"):
        hands.operate("spot", spot_mm=3)
    hands.clear(stuck)
    hands.step(100 * MS)
    recorder.close()
    assert any(event.kind == "fault" and event.body["name"] == "fault-begins" for event in recording.events)
    assert compare(recording, replay(recording)) is None


# --- over HTTP


@pytest.fixture
async def served() -> AsyncIterator[tuple[httpx.AsyncClient, Hands]]:
    hands = on()
    transport = httpx.ASGITransport(build_app(hands))
    async with httpx.AsyncClient(transport=transport, base_url="http://simulator") as client:
        yield client, hands


async def test_every_fault_is_documented_with_its_parameters_and_its_trigger(
    served: tuple[httpx.AsyncClient, Hands],
) -> None:
    client, _ = served
    paths = (await client.get("/openapi.json")).json()["paths"]
    for name, fault in CATALOGUE.items():
        content = paths[f"/faults/{name}"]["post"]["requestBody"]["content"]["application/json"]
        assert set(content["schema"]["properties"]) >= {*fault.model_fields, "at_s", "on", "for_s"}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "says"),
    [
        ("POST", "/faults/input-stukc", {}, 422, "did you mean input-stuck"),
        ("POST", "/faults/input-stuck", {"line": "door"}, 422, "input-stuck.line = 'door'"),
        ("POST", "/faults/input-stuck", {"line": "door_closed", "colour": 1}, 422, "colour"),
        ("DELETE", "/injections/7", None, 404, "injection = 7 is not known"),
        ("POST", "/time/step", {"duration_us": -1}, 422, "step.duration_us = -1"),
        ("POST", "/time/step", {"duration_us": 1.5}, 422, "step.duration_us = 1.5"),
        ("POST", "/snapshots/none/restore", None, 404, "'none' is not known"),
        ("DELETE", "/snapshots/none", None, 404, "'none' is not known"),
        ("PUT", "/snapshots/a%20b", None, 409, "snapshot = 'a b' is no name"),
    ],
)
async def test_a_bad_request_is_refused_in_words_and_changes_nothing(  # noqa: PLR0917 # the table's columns
    served: tuple[httpx.AsyncClient, Hands], method: str, path: str, body: Any, status: int, says: str
) -> None:
    client, hands = served
    before = hands.state()
    response = await client.request(method, path, json=body)
    assert response.status_code == status
    assert says in response.json()["error"]
    assert hands.state() == before
    assert hands.injections() == []


async def test_a_client_does_over_a_socket_all_that_hands_do(tmp_path: Path) -> None:
    path = tmp_path / "control"
    pump = Pump(warm_laser(2), stepped=True)
    async with serve_control(pump, path):
        client = AsyncControl(path)
        at_us = await client.snapshot("start-1")
        number = await client.inject("input-stuck", line="door_closed", to=False)
        assert await client.step(300 * MS) == at_us + 300 * MS
        assert (await client.injections())[number]["fired"] > 0
        assert (await client.clear(number))["active"] is False
        assert [one["active"] for one in await client.clear()] == [False]
        assert await client.restore("start-1") == at_us
        assert await client.snapshots() == {"start-1": at_us}
        assert await client.forget("start-1") == {}
        assert len((await client.catalogue())["faults"]) == len(CATALOGUE)
        assert (await client.state())["stepped"] is True
        with pytest.raises(ControlError, match="is not known"):
            await client.restore("start-1")
        await client.close()
