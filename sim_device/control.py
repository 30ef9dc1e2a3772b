"""The rig's control channel: `sim_device.hands` over HTTP on a unix socket, with an OpenAPI document."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Final

import uvicorn
from fastapi import Body as FromBody
from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException  # of FastAPI's the router's own are no instances

from sim_device.errors import SetupError
from sim_device.faults import CATALOGUE, Fault, FaultError, Trigger, meaning_of
from sim_device.hands import STEP_MAX_US, HandError, Hands, Owner, UnknownError
from sim_device.operator import ACTIONS, Action, ActionError, Body, explain
from sim_device.plant.truth import KEPT_PULSES
from sim_device.serve import claim

SOCKET_PATH_MAX: Final = 107  # sun_path of Linux: 108 bytes with the closing zero


class Refusal(BaseModel):
    """The body of every answer that is no 2xx."""

    error: str = Field(description="Why nothing was done, and what would be.")


def build_app(hands: Hands) -> FastAPI:
    """The API. Handlers run in the simulator's own event loop, one at a time, between its events."""
    app = FastAPI(
        title="picolase simulator",
        version=version("picolase"),
        description="Hands, faults, time, snapshots and ground truth of one simulated laser.",
        responses={"4XX": {"model": Refusal, "description": "Refused; nothing was changed."}},
        redirect_slashes=False,  # a path with a slash too many is answered like any other that is not there
        docs_url=None,  # pages that a browser loads from somebody else: this is a socket in a laboratory
        redoc_url=None,
    )

    @app.exception_handler(RequestValidationError)
    async def refuse_fields(request: Request, error: RequestValidationError) -> JSONResponse:
        place, _, name = request.url.path.strip("/").rpartition("/")
        known = ACTIONS[name].body.model_fields if place == "operator" and name in ACTIONS else ()
        told = name if request.path_params.keys().isdisjoint(("name", "number")) else place
        details = list(error.errors())
        if any(isinstance(detail["input"], bytes) for detail in details):
            words = f"{told}: the body is not called JSON: send it with Content-Type: application/json"
            return JSONResponse({"error": words}, status_code=422)
        return JSONResponse({"error": explain(told, details, known)}, status_code=422)

    @app.exception_handler(HTTPException)
    async def refuse_path(request: Request, error: HTTPException) -> JSONResponse:
        asked = f"{request.method} {request.url.path}"
        if error.status_code == HTTPStatus.BAD_REQUEST:
            words = f"{asked}: the body cannot be read: no number here has so many digits, no list such depth"
        else:
            words = f"{asked} is nothing that can be done here: GET /openapi.json lists what can"
        return JSONResponse({"error": words}, status_code=error.status_code, headers=error.headers)

    @app.exception_handler(ActionError)
    @app.exception_handler(HandError)
    async def refuse_action(_: Request, error: ValueError) -> JSONResponse:
        return JSONResponse({"error": str(error)}, status_code=409)

    @app.exception_handler(UnknownError)
    async def refuse_unknown(_: Request, error: UnknownError) -> JSONResponse:
        return JSONResponse({"error": str(error)}, status_code=404)

    @app.exception_handler(FaultError)
    async def refuse_fault(_: Request, error: FaultError) -> JSONResponse:
        return JSONResponse({"error": str(error)}, status_code=422)

    _add_hands(app, hands)
    _add_faults(app, hands)
    _add_time(app, hands)

    app.get("/state")(_reading(hands.state))
    app.get("/device")(_reading(hands.device))

    @app.get("/truth")
    async def truth(last: Annotated[int, Query(ge=0, le=KEPT_PULSES)] = 100) -> dict[str, Any]:
        """Counters of all light there ever was, and the latest pulses."""
        return hands.truth(last)

    return app


def _reading(read: Callable[[], dict[str, Any]]) -> Callable[..., Any]:
    async def answer() -> dict[str, Any]:
        return read()

    answer.__doc__ = read.__doc__
    answer.__name__ = read.__name__
    return answer


def _add_hands(app: FastAPI, hands: Hands) -> None:
    for name, action in ACTIONS.items():
        app.post(f"/operator/{name}", summary=action.meaning, name=name)(_endpoint(hands, name, action))

    @app.post("/operator/{action}", include_in_schema=False)
    async def refuse_name(action: str) -> JSONResponse:
        known = ", ".join(ACTIONS)
        return JSONResponse({"error": f"action = {action!r} is not known: give one of {known}"}, 404)


def _endpoint(hands: Hands, name: str, action: Action) -> Callable[..., Any]:
    """A handler whose body FastAPI checks and documents by the action's own model."""

    async def act(body: Body) -> dict[str, int]:
        return {"now_us": hands.operate(name, **body.model_dump())}

    default = FromBody(default_factory=Body) if action.body is Body else FromBody()
    act.__annotations__["body"] = Annotated[action.body, default]
    return act


def _add_faults(app: FastAPI, hands: Hands) -> None:
    app.get("/faults")(_reading(hands.catalogue))
    for name, fault in CATALOGUE.items():
        schema = {"application/json": {"schema": _fault_schema(fault)}}
        extra = {"requestBody": {"content": schema, "required": False}}
        summary = meaning_of(fault)
        app.post(f"/faults/{name}", name=name, summary=summary, openapi_extra=extra)(_injecting(hands, name))

    @app.post("/faults/{name}", include_in_schema=False)
    async def refuse_name(name: str) -> dict[str, int]:
        return {"number": hands.inject(name)}  # which refuses it, with the nearest name there is

    @app.get("/injections")
    async def injections() -> list[dict[str, Any]]:
        """Every injection: parameters, whether it is active, how often it really fired."""
        return hands.injections()

    @app.delete("/injections")
    async def clear_all() -> list[dict[str, Any]]:
        """End every fault, now and for good; the injections as they then are."""
        hands.clear()
        return hands.injections()

    @app.delete("/injections/{number}")
    async def clear(number: int) -> dict[str, Any]:
        """End one fault, now and for good; the injection as it then is."""
        hands.clear(number)
        return hands.injections()[number]


def _injecting(hands: Hands, name: str) -> Callable[..., Any]:
    async def inject(given: Annotated[dict[str, Any], FromBody(default_factory=dict)]) -> dict[str, int]:
        return {"number": hands.inject(name, **given)}

    return inject


_EXPECTED: Final = {
    "type": "boolean",
    "default": True,
    "description": "Whether a run fails in which it never really fires.",
}


def _fault_schema(fault: type[Fault]) -> dict[str, Any]:
    """A fault's parameters, its trigger's fields and `expected`, which stand in one table."""
    both = [fault.model_json_schema(), Trigger.model_json_schema()]
    merged = {key: value for schema in both for key, value in schema.get("$defs", {}).items()}
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            **{key: value for schema in both for key, value in schema["properties"].items()},
            "expected": _EXPECTED,
        },
        "required": both[0].get("required", []),
        **({"$defs": merged} if merged else {}),
    }


class Duration(BaseModel):
    """How long."""

    model_config = ConfigDict(extra="forbid", strict=True)

    duration_us: int = Field(ge=0, le=STEP_MAX_US)


def _add_time(app: FastAPI, hands: Hands) -> None:
    @app.post("/time/step")
    async def step(body: Duration) -> dict[str, int]:
        """Let time pass; only where it is stepped (`--stepped`)."""
        return {"now_us": hands.step(body.duration_us)}

    @app.get("/snapshots")
    async def snapshots() -> dict[str, int]:
        """The snapshots by name, with their times in us."""
        return hands.snapshots()

    @app.put("/snapshots/{name}")
    async def snapshot(name: str) -> dict[str, int]:
        """Keep the whole state under this name."""
        return {"now_us": hands.snapshot(name)}

    @app.post("/snapshots/{name}/restore")
    async def restore(name: str) -> dict[str, int]:
        """Go back to this snapshot; it may be restored again."""
        return {"now_us": hands.restore(name)}

    @app.delete("/snapshots/{name}")
    async def forget(name: str) -> dict[str, int]:
        """Drop this snapshot."""
        hands.forget(name)
        return hands.snapshots()


class _Server(uvicorn.Server):
    """Leaves the process's signals to the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def serve_control(owner: Owner, path: Path, seed: int = 1) -> AsyncIterator[None]:
    """Serve the API on the unix socket `path`, for this user only; the socket is gone at the end.

    `seed` is that of all chance of injected faults.

    Raises SetupError when the path is too long, taken by something else, or served by a living process.
    """
    if len(os.fsencode(path)) > SOCKET_PATH_MAX:
        raise SetupError(
            f"control socket {path} has {len(os.fsencode(path))} bytes, the system allows {SOCKET_PATH_MAX}: "
            "give a shorter path, or a relative one"
        )
    with claim(path), _listening(path) as listener:
        config = uvicorn.Config(
            build_app(Hands(owner, seed)),
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            http="h11",
        )
        server = _Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]), name="control channel")
        try:
            yield
        finally:
            server.should_exit = server.force_exit = True
            await serving


@contextlib.contextmanager
def _listening(path: Path) -> Iterator[socket.socket]:
    _remove_stale(path)
    listener = socket.socket(socket.AF_UNIX)
    try:
        mask = os.umask(0o177)  # the socket is 0600 from its first instant
        try:
            listener.bind(str(path))
        except OSError as error:
            raise SetupError(f"control socket {path}: {error.strerror}; give another path") from error
        finally:
            os.umask(mask)
        try:
            listener.listen()
            yield listener
        finally:
            path.unlink(missing_ok=True)
    finally:
        listener.close()


def _remove_stale(path: Path) -> None:
    """Remove the socket of a dead process; SetupError for a living one's and for anything else."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise SetupError(f"control socket {path} exists and is no socket: remove it or give another path")
    with socket.socket(socket.AF_UNIX) as probe:
        found = probe.connect_ex(str(path))
    if found != errno.ECONNREFUSED:
        raise SetupError(f"control socket {path} is served by another process: give another path")
    path.unlink()
