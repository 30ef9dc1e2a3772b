"""Bodies of requests to the control channel as nobody expects them: refused in words, or done as they say."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from rig.laser import cold_laser
from sim_device.control import build_app
from sim_device.hands import Hands
from sim_device.operator import ActionError

QUESTIONS = (b"*IDN?\n", b"NOTHING:LIKE:THIS?\n", b"SOUR:ENER 1e9999\n", b"\xff\n", b"SYST:ERR?\n" * 30)

WRONG: tuple[tuple[str, dict[str, Any]], ...] = (
    ("spot", {"spot_mm": "3.5"}),
    ("spot", {"spot_mm": True}),
    ("host-port", {"baud": "9600"}),
    ("host-port", {"baud": True}),
    ("host-port", {"baud": 9600.5}),
    ("host-port", {"baud": 9600, "stop_bits": "2"}),
    ("wavelength", {"wavelength_nm": "755"}),
    ("door", {"to": 1}),
    ("handpiece", {"name": None}),
)

PATHS = ("/time/step", "/operator/door", "/operator/dock", "/faults/shutter-stuck")


@pytest.fixture
async def served() -> AsyncIterator[tuple[httpx.AsyncClient, Hands]]:
    hands = Hands.on(cold_laser(1))
    transport = httpx.ASGITransport(build_app(hands))
    async with httpx.AsyncClient(transport=transport, base_url="http://simulator") as client:
        yield client, hands


async def test_a_key_that_no_fault_has_is_refused_whatever_the_code_calls_its_own(
    served: tuple[httpx.AsyncClient, Hands],
) -> None:
    client, hands = served
    for key in ("name", "self", "simulator", "given", "fault", "trigger", "kind"):
        answer = await client.post("/faults/shutter-stuck", json={key: "x"})
        assert answer.status_code == 422, key
        assert answer.json()["error"].startswith(f"shutter-stuck.{key} = 'x': is not permitted")
    assert hands.injections() == []


async def test_whether_a_fault_is_expected_stands_in_the_document_and_is_yes_or_no(
    served: tuple[httpx.AsyncClient, Hands],
) -> None:
    client, hands = served
    paths = (await client.get("/openapi.json")).json()["paths"]
    content = paths["/faults/shutter-stuck"]["post"]["requestBody"]["content"]["application/json"]
    declared = content["schema"]["properties"]["expected"]
    assert (declared["type"], declared["default"]) == ("boolean", True)
    wrongs: tuple[object, ...] = ("yes", None, 1, [])
    for wrong in wrongs:
        answer = await client.post("/faults/shutter-stuck", json={"expected": wrong})
        assert answer.status_code == 422
        assert f"shutter-stuck.expected = {wrong!r}: give true or false" in answer.json()["error"]
    assert hands.injections() == []
    for expected in (True, False):
        await client.post("/faults/shutter-stuck", json={"at_s": 9.0, "expected": expected})
    assert [one["expected"] for one in hands.injections()] == [True, False]


async def test_no_text_becomes_a_number_and_no_yes_a_one(served: tuple[httpx.AsyncClient, Hands]) -> None:
    client, hands = served
    before = json.dumps(hands.state())
    for action, fields in WRONG:
        answer = await client.post(f"/operator/{action}", json=fields)
        name, value = list(fields.items())[-1]
        assert answer.status_code == 422, fields
        assert answer.json()["error"].startswith(f"{action}.{name} = {value!r}: ")
        with pytest.raises(ActionError, match=f"^{action}.{name} = "):
            hands.operate(action, **fields)
    assert json.dumps(hands.state()) == before


async def test_a_slash_too_many_is_no_way_to_anything(served: tuple[httpx.AsyncClient, Hands]) -> None:
    client, _ = served
    answer = await client.get("/state/")
    assert answer.status_code == 404
    assert answer.json()["error"].startswith("GET /state/ is nothing that can be done here")


@pytest.mark.parametrize("asked", range(1, len(QUESTIONS) + 1))
async def test_what_was_asked_wrongly_at_the_console_is_kept_in_a_snapshot(
    served: tuple[httpx.AsyncClient, Hands], asked: int
) -> None:
    client, hands = served
    hands.operate("key", to="on")
    hands.step(500_000)
    for line in QUESTIONS[:asked]:
        hands.simulator.receive_console(line, hands.simulator.now_us)
        hands.step(10_000)
    hands.simulator.console_sent()
    answer = await client.put("/snapshots/asked")
    assert answer.status_code == 200
    told = []
    for _ in range(2):
        hands.simulator.receive_console(b"SYST:ERR?\n" * 3, hands.simulator.now_us)
        hands.step(50_000)
        told.append(hands.simulator.console_sent())
        assert (await client.post("/snapshots/asked/restore")).status_code == 200
    assert told[0] == told[1]
    assert (b"-113" in told[0]) is (asked in {2, 3, 4})


@pytest.mark.parametrize(
    ("body", "kind", "status", "says"),
    [
        (b"[" * 100_000, "application/json", 400, ": the body cannot be read"),
        (b'{"at_s":' + b"9" * 5_000 + b"}", "application/json", 400, ": the body cannot be read"),
        (b"\xff\xfe{}", "application/json", 422, ": the body is no JSON, from byte 0 on"),
        (b'{"to": "open"}', "text/plain", 422, ": the body is not called JSON: send it with Content-Type"),
        (b'{"to": "open"}', None, 422, ": the body is not called JSON"),
    ],
    ids=("deep", "long", "no text", "called text", "called nothing"),
)
async def test_a_body_that_nobody_can_read_is_told_as_what_it_is(
    served: tuple[httpx.AsyncClient, Hands], body: bytes, kind: str | None, status: int, says: str
) -> None:
    client, hands = served
    before = json.dumps(hands.state())
    headers = {} if kind is None else {"content-type": kind}
    for path in PATHS:
        answer = await client.post(path, content=body, headers=headers)
        assert answer.status_code == status, path
        assert says in answer.json()["error"]
    assert json.dumps(hands.state()) == before
