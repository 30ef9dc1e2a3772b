"""Both HTTP interfaces by their own OpenAPI documents: schemathesis asks each route rightly and wrongly."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from controller.api import build_api
from controller.store import Role
from rig.laser import cold_laser
from sim_device.control import build_app
from sim_device.hands import Hands
from tests.controller.asking import ERROR_KEYS
from tests.fuzz import api
from tests.fuzz.api import Served, situation

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
ENDLESS = {"/watch"}  # a stream
FAULT_EVERY = 10  # of the hundred faults, which are alike, one in so many is tried in a short run
LONG = 10  # examples of each route in a run that has time for all


@functools.cache
def operations(whose: str) -> dict[str, Any]:
    """The routes by their labels, from the document that anybody can get."""
    if whose == "daemon":
        document = build_api(None).openapi()  # type: ignore[arg-type]  # only its routes are looked at
    else:
        document = build_app(Hands.on(cold_laser(1))).openapi()
    results: Any = schemathesis.openapi.from_dict(document).get_all_operations()
    found = [result.ok() for result in results]
    return {one.label: one for one in found if one.path not in ENDLESS}


def may_be_wrong(operation: Any) -> bool:
    """Any text may be the name in a path; whether there is such a thing is another question."""
    return bool(operation.body or operation.query or "{number}" in operation.path)


def ways(whose: str, mode: GenerationMode) -> list[tuple[str, Any]]:
    """Each route asked in this mode, by its label; wrongly only where there is anything to be wrong."""
    right = mode is GenerationMode.POSITIVE
    return [
        (label, operation.as_strategy(generation_mode=mode))
        for label, operation in sorted(operations(whose).items())
        if right or may_be_wrong(operation)
    ]


@pytest.fixture(scope="module")
def daemon() -> Iterator[Served]:
    with api.daemon():
        assert api._daemon is not None
        yield api._daemon


@pytest.fixture(scope="module")
def simulator() -> Iterator[Served]:
    with api.simulator():
        assert api._simulator is not None
        yield api._simulator


def asked(served: Served, case: Any, token: str = "") -> Any:
    """The request of the case as it goes over the wire, and what is answered."""
    sent = requests.Request(**case.as_transport_kwargs(base_url="http://fuzzed")).prepare()
    assert sent.method is not None
    assert sent.url is not None
    headers = {name: str(value) for name, value in sent.headers.items() if name.lower() != "authorization"}
    headers |= {"Authorization": token} if token else {}
    body: Any = sent.body or b""
    content = body.encode() if isinstance(body, str) else bytes(body)
    return served.ask(sent.method, sent.url.removeprefix("http://fuzzed"), content, headers)


def try_all(conforms: Callable[[Any], None], cases: Any, most: int) -> None:
    """Give it so many examples: a test here is many."""
    chosen = settings(max_examples=most, suppress_health_check=list(HealthCheck), database=None)
    test: Callable[[], None] = chosen(given(cases)(conforms))  # type: ignore[no-untyped-call]  # a test in its place
    test()


def examples_each() -> int:
    """Of each route: two in the profile of CI, all that a profile for hours gives."""
    return max(2, settings().max_examples // 50)


def test_the_documents_tell_of_every_refusal() -> None:
    for whose in ("daemon", "simulator"):
        for label, operation in operations(whose).items():
            told = operation.definition.raw["responses"]
            assert "4XX" in told, label
            assert "422" not in told, f"{label}: not in the form that FastAPI would give it"


@pytest.mark.timeout(900)
@pytest.mark.parametrize("mode", GenerationMode, ids=lambda mode: mode.value)
@pytest.mark.parametrize(
    "role", [None, Role.VIEWER, Role.OPERATOR], ids=lambda role: role.value if role else "nobody"
)
def test_the_daemon_answers_as_its_document_says(
    daemon: Served, mode: GenerationMode, role: Role | None
) -> None:
    stack = daemon.stack
    assert stack is not None
    token = ""
    if role is not None:
        name = {Role.VIEWER: "vera", Role.OPERATOR: "anna"}[role]
        token = "Bearer " + daemon.loop.run_until_complete(stack.login(name, role)).token

    def conforms(case: Any) -> None:
        before = daemon.loop.run_until_complete(situation(stack))
        response = asked(daemon, case, token)
        case.validate_response(response, checks=CHECKS)
        if response.status_code >= 400:
            assert response.json().keys() == ERROR_KEYS
        if role is not Role.OPERATOR and case.path != "/stop":
            assert daemon.loop.run_until_complete(situation(stack)) == before

    for _, cases in ways("daemon", mode):
        try_all(conforms, cases, examples_each())


@pytest.mark.timeout(900)
@pytest.mark.parametrize("mode", GenerationMode, ids=lambda mode: mode.value)
def test_the_control_channel_answers_as_its_document_says(simulator: Served, mode: GenerationMode) -> None:
    def conforms(case: Any) -> None:
        if isinstance(case.body, dict) and case.body.get("duration_us", 0) in range(10_000_000, 2**62):
            return  # an hour of a laser takes too long
        response = asked(simulator, case)
        case.validate_response(response, checks=CHECKS)

    routes = ways("simulator", mode)
    faults = [way for way in routes if way[0].startswith("POST /faults/")]
    if examples_each() < LONG:
        routes = [way for way in routes if way not in faults] + faults[::FAULT_EVERY]
    for _, cases in routes:
        try_all(conforms, cases, examples_each())
        simulator.begin_anew()


def test_all_of_the_loop_is_over() -> None:
    """The control: no task of the interfaces outlives its requests in these loops."""
    with api.daemon():
        assert api._daemon is not None
        tasks = asyncio.all_tasks(api._daemon.loop)
        api._daemon.ask("GET", "/status", b"", {})
        assert asyncio.all_tasks(api._daemon.loop) == tasks
