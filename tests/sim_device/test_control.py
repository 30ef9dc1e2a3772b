"""The control channel: every action and every error, in process and over HTTP."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from protocols.messages import Handpiece
from sim_device.board import Inputs, Outputs, lines_of
from sim_device.control import build_app
from sim_device.firmware import Reference
from sim_device.hands import Hands
from sim_device.memory import RamMemory
from sim_device.operator import ACTIONS, ActionError, Plug, perform
from sim_device.plant import Contacts, Plant
from sim_device.serve import Pump
from sim_device.simulator import RESET_US, Simulator
from tests.sim_device.controlled import MS, Idle, bench

S = 1_000_000


# --- actions in process
CASES: list[tuple[str, dict[str, Any], dict[str, object]]] = [
    ("key", {"to": "on"}, {"key_on": True}),
    ("key", {"to": "off"}, {"key_on": False}),
    ("estop", {"to": "press"}, {"estop_a_closed": False, "estop_b_closed": False}),
    ("estop", {"to": "release"}, {"estop_a_closed": True, "estop_b_closed": True}),
    ("door", {"to": "open"}, {"door_closed": False}),
    ("door", {"to": "close"}, {"door_closed": True}),
    ("remote", {"to": "open"}, {"remote_closed": False}),
    ("remote", {"to": "close"}, {"remote_closed": True}),
    ("cover", {"to": "open"}, {"cover_a_closed": False, "cover_b_closed": False}),
    ("defeat-key", {"to": "out"}, {"defeat_key_out": True}),
    ("cover", {"to": "close"}, {"cover_a_closed": True, "cover_b_closed": True}),
    ("arm", {"to": "open"}, {"arm_connected": False}),
    ("arm", {"to": "close"}, {"arm_connected": True}),
    ("handpiece", {"name": "FIXED_10"}, {"handpiece": 4, "spot_um": 10_000}),
    ("handpiece", {"name": "NONE"}, {"handpiece": 0, "spot_um": 0}),
    ("spot", {"spot_mm": 2.4}, {"spot_um": 2400}),
    ("wavelength", {"wavelength_nm": 1064}, {"wavelength_nm": 1064}),
    ("dock", {}, {"docked_a_closed": True, "docked_b_closed": True}),
    ("undock", {}, {"docked_a_closed": False, "docked_b_closed": False}),
    ("strap", {"to": "on"}, {"internal_trigger_strap": True}),
    ("strap", {"to": "off"}, {"internal_trigger_strap": False}),
    ("level", {"to": "bad"}, {"level_ok": False}),
    ("mains", {"to": "bad"}, {"mains_ok": False}),
    ("foot", {"to": "press"}, {"foot_a_closed": True, "foot_b_closed": True}),
    ("foot", {"to": "release"}, {"foot_a_closed": False, "foot_b_closed": False}),
]


@pytest.mark.parametrize(("action", "fields", "lines"), CASES)
def test_each_action_moves_its_lines(action: str, fields: dict[str, Any], lines: dict[str, object]) -> None:
    simulator = bench()
    perform(simulator, action, fields, S)
    simulator.advance(S + 10 * MS)
    present = lines_of(simulator.plant.inputs)
    assert {line: present[line] for line in lines} == lines


def test_every_action_of_the_table_is_tried_here() -> None:
    tried_below = {"power", "reset", "cable", "host-port"}
    assert {action for action, _, _ in CASES} | tried_below == set(ACTIONS)


def test_the_cable_and_the_rate_of_the_host_act_on_the_line() -> None:
    simulator = bench()
    wire = simulator.wire
    wire.set_device(115_200)
    perform(simulator, "cable", {"to": "unplug"}, S)
    assert not wire.plugged
    perform(simulator, "cable", {"to": "plug"}, S)
    assert wire.plugged
    wire.to_device.put(b"whole", S)
    perform(simulator, "cable", {"to": "cut"}, S)
    simulator.receive(b"lost", S)
    assert wire.next_us > 2 * S
    perform(simulator, "cable", {"to": "mend"}, S)
    simulator.receive(b"\0", S)
    byte_us = wire.next_us - S
    perform(simulator, "host-port", {"baud": 115_200, "stop_bits": 2}, 2 * S)
    simulator.receive(b"\0", 2 * S)
    assert wire.next_us - 2 * S == pytest.approx(byte_us * 11 / 10, rel=0.02)


def test_power_and_reset_act_on_the_processor() -> None:
    simulator = bench()
    firmware = simulator.firmware
    assert isinstance(firmware, Idle)
    perform(simulator, "power", {"to": "cut"}, S)
    assert not simulator.running
    perform(simulator, "power", {"to": "return"}, 2 * S)
    assert firmware.boots == 2
    perform(simulator, "reset", {}, 3 * S)
    simulator.advance(3 * S + RESET_US)
    assert firmware.boots == 3


BAD: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("feet", {}, ("action = 'feet'", "foot", "estop")),
    ("foot", {}, ("foot.to", "required")),
    ("foot", {"to": "stamp"}, ("foot.to = 'stamp'", "'press' or 'release'")),
    ("foot", {"to": "press", "hard": 1}, ("foot.hard = 1", "not permitted: give to")),
    ("spot", {"spot": 3}, ("spot.spot_mm: Field required", "spot.spot = 3", "did you mean spot_mm?")),
    ("handpiece", {"name": "zoom"}, ("handpiece.name = 'zoom'", "'ZOOM'", "'LENS_ARRAY_6'")),
    ("spot", {"spot_mm": 1.9}, ("spot.spot_mm = 1.9", "greater than or equal to 2")),
    ("spot", {"spot_mm": "wide"}, ("spot.spot_mm = 'wide'", "valid number")),
    ("spot", {"spot_mm": float("nan")}, ("spot.spot_mm = nan", "6")),
    ("wavelength", {"wavelength_nm": 633}, ("wavelength.wavelength_nm = 633", "532, 755 or 1064")),
    ("power", {"to": "on"}, ("power.to = 'on'", "'cut' or 'return'")),
    ("dock", {"to": "press"}, ("dock.to = 'press'", "not permitted: leave it out")),
]


@pytest.mark.parametrize(("action", "fields", "words"), BAD)
def test_a_wrong_action_names_field_value_and_what_is_allowed(
    action: str, fields: dict[str, Any], words: tuple[str, ...]
) -> None:
    simulator = bench()
    before = lines_of(simulator.plant.inputs)
    with pytest.raises(ActionError) as caught:
        perform(simulator, action, fields, S)
    for word in words:
        assert word in str(caught.value)
    assert lines_of(simulator.plant.inputs) == before


def test_a_fixed_handpiece_has_no_ring_to_turn() -> None:
    simulator = bench(handpiece=Handpiece.FIXED_8)
    with pytest.raises(ActionError, match="FIXED_8 has no zoom ring; plug the handpiece ZOOM first"):
        perform(simulator, "spot", {"spot_mm": 3.0}, S)


def test_the_handpieces_of_the_action_are_those_of_the_wire() -> None:
    schema = Plug.model_json_schema()
    assert schema["properties"]["name"]["enum"] == [handpiece.name for handpiece in Handpiece]


# --- the HTTP API


@contextlib.asynccontextmanager
async def served(
    make: Callable[[], Simulator] = bench,
) -> AsyncIterator[tuple[httpx.AsyncClient, Simulator]]:
    """The API in process; the device's time is the loop's."""
    simulator = make()
    transport = httpx.ASGITransport(build_app(Hands(Pump(simulator))))
    async with httpx.AsyncClient(transport=transport, base_url="http://simulator") as client:
        yield client, simulator


@pytest.mark.parametrize(("action", "fields", "lines"), CASES)
async def test_each_action_is_there_over_http(
    action: str, fields: dict[str, Any], lines: dict[str, object]
) -> None:
    async with served() as (client, simulator):
        answer = await client.post(f"/operator/{action}", json=fields)
        assert answer.status_code == 200
        assert answer.json() == {"now_us": simulator.now_us}
        await asyncio.sleep(0.01)  # the pump goes on: contacts settle
        present = lines_of(simulator.plant.inputs)
        assert {line: present[line] for line in lines} == lines


@pytest.mark.parametrize(("action", "fields", "words"), BAD)
async def test_each_error_is_there_over_http(
    action: str, fields: dict[str, Any], words: tuple[str, ...]
) -> None:
    if fields.get("spot_mm") != fields.get("spot_mm"):
        return  # JSON has no NaN to send
    async with served() as (client, simulator):
        before = lines_of(simulator.plant.inputs)
        answer = await client.post(f"/operator/{action}", json=fields)
        assert answer.status_code == (404 if action == "feet" else 422)
        for word in words:
            assert word in answer.json()["error"]
        assert lines_of(simulator.plant.inputs) == before


async def test_actions_without_fields_need_no_body_and_broken_json_is_explained() -> None:
    async with served() as (client, simulator):
        assert (await client.post("/operator/undock")).status_code == 200
        assert not simulator.plant.inputs.docked_a_closed
        answer = await client.post(
            "/operator/foot", content=b"{", headers={"content-type": "application/json"}
        )
        assert answer.status_code == 422
        assert answer.json()["error"] == "foot: the body is no JSON, from byte 1 on"
        answer = await client.post("/operator/foot")
        assert answer.status_code == 422
        assert "foot" in answer.json()["error"]


async def test_an_impossible_action_is_a_conflict() -> None:
    async with served(lambda: bench(handpiece=Handpiece.NONE)) as (client, _):
        answer = await client.post("/operator/spot", json={"spot_mm": 3})
        assert answer.status_code == 409
        assert "no zoom ring" in answer.json()["error"]


async def test_the_state_shows_time_lines_and_plant() -> None:
    async with served() as (client, simulator):
        state = (await client.get("/state")).json()
        assert state["now_us"] == simulator.now_us
        assert (state["speed"], state["powered"], state["running"]) == (1, True, True)
        assert state["state"] is None  # this firmware keeps it to itself
        assert set(state["inputs"]) == set(lines_of(Inputs()))
        assert set(state["outputs"]) == set(lines_of(Outputs()))
        assert state["plant"]["coolant_c"] == 20.0


def after_startup() -> Simulator:
    """A laser that has calibrated itself: 2 pulses on the shutter, 30 into the port."""
    simulator = Simulator(Reference(), Plant(1, Contacts(key_on=True)), RamMemory())
    simulator.advance(640 * S)
    return simulator


async def test_truth_and_device_tell_the_same_pulses_each_from_its_own_place() -> None:
    async with served(after_startup) as (client, simulator):
        truth = (await client.get("/truth", params={"last": 3})).json()
        assert (truth["total"], truth["port"], truth["shuttered"], truth["aperture"]) == (32, 30, 2, 0)
        assert [pulse["number"] for pulse in truth["pulses"]] == [30, 31, 32]
        latest = simulator.plant.truth.pulses[-1]._asdict()
        assert truth["pulses"][-1] == {**latest, "open_contacts": []}
        assert (await client.get("/truth", params={"last": 0})).json()["pulses"] == []
        assert len((await client.get("/truth")).json()["pulses"]) == 32
        answer = await client.get("/truth", params={"last": -1})
        assert answer.status_code == 422
        assert "truth.last = '-1'" in answer.json()["error"]
        device = (await client.get("/device")).json()
        assert device["pulse_number"] == device["lamp_shots"] == device["reports_waiting"] == 32
        assert (device["boots"], device["broken"]) == (1, False)
        state = (await client.get("/state")).json()
        assert state["state"] == "STANDBY"


async def test_the_open_api_document_lists_every_action_with_its_fields() -> None:
    async with served() as (client, _):
        document = (await client.get("/openapi.json")).json()
        for name, action in ACTIONS.items():
            operation = document["paths"][f"/operator/{name}"]["post"]
            assert operation["summary"] == action.meaning
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            reference = schema.get("$ref") or schema["allOf"][0]["$ref"]
            assert reference.endswith(f"/{action.body.__name__}")
        assert document["components"]["schemas"]["Turn"]["properties"]["spot_mm"]["maximum"] == 6


REFUSED: list[tuple[str, str, int, str]] = [
    ("GET", "/", 404, "GET / is nothing that can be done here: GET /openapi.json lists what can"),
    ("GET", "/operator/foot", 405, "GET /operator/foot is nothing that can be done here"),
    ("GET", "/docs", 404, "GET /docs is nothing"),  # it would load its page from somebody else's server
    ("DELETE", "/injections/x", 422, "injections.number = 'x': Input should be a valid integer"),
    ("DELETE", "/injections/7", 404, "injection = 7 is not known"),
    ("GET", "/truth?last=x", 422, "truth.last = 'x': Input should be a valid integer"),
    ("POST", "/time/step", 422, "step: Field required"),
    ("PUT", "/snapshots/a%20b", 409, "snapshot = 'a b' is no name"),
    ("POST", "/faults/shuter-stuck", 422, "fault = 'shuter-stuck' is not known: did you mean shutter-stuck?"),
]


@pytest.mark.parametrize(("method", "path", "status", "words"), REFUSED)
async def test_whatever_is_refused_is_refused_in_the_form_that_the_document_tells(
    method: str, path: str, status: int, words: str
) -> None:
    async with served() as (client, _):
        answer = await client.request(method, path)
        assert answer.status_code == status
        assert list(answer.json()) == ["error"]
        assert answer.json()["error"].startswith(words)
        document = (await client.get("/openapi.json")).json()
    assert document["components"]["schemas"]["Refusal"]["properties"].keys() == {"error"}
    for operations in document["paths"].values():
        for operation in operations.values():
            assert operation["responses"].keys() == {"200", "4XX"}
            schema = operation["responses"]["4XX"]["content"]["application/json"]["schema"]
            assert schema["$ref"].endswith("/Refusal")


async def test_a_mistyped_parameter_of_a_fault_is_answered_with_the_nearest() -> None:
    async with served() as (client, _):
        answer = await client.post("/faults/shutter-slow-to-close", json={"travel_mss": 200, "onn": "pulse"})
        assert answer.status_code == 422
        assert answer.json()["error"] == (
            "shutter-slow-to-close.travel_mss = 200: is not permitted: did you mean travel_ms?; "
            "shutter-slow-to-close.onn = 'pulse': is not permitted: did you mean on?"
        )
        answer = await client.post("/faults/shutter-stuck", json={"on": "pulsee"})
        assert answer.json()["error"].startswith("shutter-stuck.on = 'pulsee': is no event: write one like")
