"""The control channel: every action and every error, in process and over a real unix socket."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from protocols.messages import Handpiece
from sim_device.board import Inputs, Memory, Outputs, Step, lines_of
from sim_device.control import build_app, serve_control
from sim_device.control_client import AsyncControl, Control, ControlError
from sim_device.errors import SetupError
from sim_device.firmware import Reference
from sim_device.hands import Hands
from sim_device.memory import RamMemory
from sim_device.operator import ACTIONS, ActionError, Plug, perform
from sim_device.plant import Contacts, Plant
from sim_device.serve import Pump
from sim_device.simulator import RESET_US, Simulator

S = 1_000_000
MS = 1_000


class Idle:
    """A firmware that only keeps its watchdog quiet."""

    def __init__(self) -> None:
        self.outputs = Outputs()
        self.boots = 0
        self.kick_us = 0

    def boot(self, now_us: int, memory: Memory, *, watchdog_reset: bool) -> None:
        self.outputs = Outputs()
        self.boots += 1
        self.kick_us = now_us

    def step(self, now_us: int, inputs: Inputs, received: bytes, console: bytes) -> Step:
        if now_us >= self.kick_us:
            self.outputs.watchdog_kicks += 1
            self.kick_us = now_us + 50 * MS
        return Step(b"", b"", self.kick_us)


def bench(**contacts: Any) -> Simulator:
    return Simulator(Idle(), Plant(1, Contacts(**contacts)), RamMemory())


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
    ("foot", {"to": "press", "hard": 1}, ("foot.hard = 1", "not permitted")),
    ("handpiece", {"name": "zoom"}, ("handpiece.name = 'zoom'", "'ZOOM'", "'LENS_ARRAY_6'")),
    ("spot", {"spot_mm": 1.9}, ("spot.spot_mm = 1.9", "greater than or equal to 2")),
    ("spot", {"spot_mm": "wide"}, ("spot.spot_mm = 'wide'", "valid number")),
    ("spot", {"spot_mm": float("nan")}, ("spot.spot_mm = nan", "6")),
    ("wavelength", {"wavelength_nm": 633}, ("wavelength.wavelength_nm = 633", "532, 755 or 1064")),
    ("power", {"to": "on"}, ("power.to = 'on'", "'cut' or 'return'")),
    ("dock", {"to": "press"}, ("dock.to = 'press'", "not permitted")),
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
        assert "JSON" in answer.json()["error"]
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
        assert "truth.query.last = '-1'" in answer.json()["error"]
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


# --- over a unix socket


async def test_both_clients_work_over_a_private_socket_that_is_gone_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "run" / "laser0.control"
    simulator = bench()

    def use_blocking() -> None:
        client = Control(path)
        client.operate("door", to="open")
        assert client.state()["inputs"]["door_closed"] is False
        assert client.truth(last=5)["total"] == 0
        assert client.device()["pulse_number"] == 0
        with pytest.raises(ControlError, match=r"foot.to = 'x': Input should be 'press' or 'release'"):
            client.operate("foot", to="x")
        client.close()

    async with serve_control(Pump(simulator), path):
        assert path.stat().st_mode & 0o777 == 0o600
        client = AsyncControl(path)
        now_us = await client.operate("undock")
        assert 0 <= now_us <= simulator.now_us
        assert (await client.state())["inputs"]["docked_a_closed"] is False
        assert (await client.truth())["pulses"] == []
        assert (await client.device())["boots"] == 0
        with pytest.raises(ControlError, match="is not known: give one of key, foot"):
            await client.operate("nonsense")
        await client.close()
        await asyncio.to_thread(use_blocking)
    assert list(path.parent.iterdir()) == []
    gone, gone_too = Control(path), AsyncControl(path)
    with pytest.raises(ControlError, match="does not answer"):
        gone.state()
    with pytest.raises(ControlError, match="does not answer"):
        await gone_too.state()
    gone.close()
    await gone_too.close()


async def test_a_stale_socket_is_replaced_and_a_live_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "control"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))  # closed without being removed, as by a killed process
    pump = Pump(bench())
    async with serve_control(pump, path):
        client = AsyncControl(path)
        assert (await client.state())["powered"]
        await client.close()
        with pytest.raises(SetupError, match="belongs to a running simulator"):
            async with serve_control(pump, path):
                pass
        assert path.is_socket()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with pytest.raises(SetupError, match="is served by another process"):
            async with serve_control(pump, path):
                pass
        assert path.is_socket()


async def test_a_path_that_cannot_be_a_socket_is_explained(tmp_path: Path) -> None:
    pump = Pump(bench())
    (tmp_path / "file").write_text("mine")
    with pytest.raises(SetupError, match="exists and is no socket"):
        async with serve_control(pump, tmp_path / "file"):
            pass
    assert (tmp_path / "file").read_text() == "mine"
    long = tmp_path / ("x" * 120)
    with pytest.raises(SetupError, match=f"has {len(os.fsencode(long))} bytes, the system allows 107"):
        async with serve_control(pump, long):
            pass
    with pytest.raises(SetupError, match="a directory that you may write"):
        async with serve_control(pump, tmp_path / "file" / "below"):
            pass
