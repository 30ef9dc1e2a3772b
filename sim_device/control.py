"""The rig's control channel, HTTP over a unix socket: operator actions, ground truth, and the client."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Protocol

import httpx
import uvicorn
from fastapi import Body as FromBody
from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from sim_device.board import lines_of
from sim_device.errors import SetupError
from sim_device.firmware.memory import NonVolatile
from sim_device.operator import ACTIONS, Action, ActionError, Body, explain
from sim_device.plant.truth import KEPT_PULSES
from sim_device.serve import claim
from sim_device.simulator import Simulator

SOCKET_PATH_MAX: Final = 107  # sun_path of Linux: 108 bytes with the closing zero
CLIENT_TIMEOUT_S: Final = 10.0  # [C] the longest answer takes milliseconds; then the simulator hangs


class SimulatorHandle(Protocol):
    """What the control channel needs of whoever gives the simulator its time."""

    simulator: Simulator
    slipped_us: int

    @property
    def speed(self) -> int:
        """Device time for each real time, now."""
        ...

    def sync(self) -> int:
        """Bring the simulator to the present; its time in us."""
        ...

    def perform(self, work: Callable[[Simulator, int], None]) -> None:
        """Do something to the simulator now."""
        ...


def build_app(handle: SimulatorHandle) -> FastAPI:
    """The API. Handlers run in the simulator's own event loop, one at a time, between its events."""
    app = FastAPI(title="picolase simulator", description="Hands and ground truth of one simulated laser.")
    simulator = handle.simulator

    @app.exception_handler(RequestValidationError)
    async def refuse_fields(request: Request, error: RequestValidationError) -> JSONResponse:
        name = request.url.path.strip("/").rpartition("/")[2]
        return JSONResponse({"error": explain(name, list(error.errors()))}, status_code=422)

    @app.exception_handler(ActionError)
    async def refuse_action(_: Request, error: ActionError) -> JSONResponse:
        return JSONResponse({"error": str(error)}, status_code=409)

    for name, action in ACTIONS.items():
        app.post(f"/operator/{name}", summary=action.meaning, name=name)(_endpoint(handle, action))

    @app.post("/operator/{action}", include_in_schema=False)
    async def refuse_name(action: str) -> JSONResponse:
        known = ", ".join(ACTIONS)
        return JSONResponse({"error": f"action = {action!r} is not known: give one of {known}"}, 404)

    @app.get("/state")
    async def state() -> dict[str, Any]:
        """Time, speed, every line of the board, and what the plant really does."""
        now_us = handle.sync()
        plant = simulator.plant
        return {
            "now_us": now_us,
            "speed": handle.speed,
            "slipped_us": handle.slipped_us,
            "powered": plant.powered,
            "running": simulator.running,
            "state": simulator.state.name if simulator.state is not None else None,
            "watchdog_resets": simulator.resets,
            "inputs": lines_of(plant.inputs),
            "outputs": lines_of(simulator.firmware.outputs),
            "plant": {
                "hv_v": plant.capacitor.volts(now_us),
                "coolant_c": plant.coolant.celsius(now_us),
                "shutter_position": plant.shutter.position(now_us),
                "foot_pressed": plant.foot.pressed,
                "gate_open": plant.gate_open,
                "lamp_shots": plant.lamp.shots,
                "energy_drift": plant.rod.drift,
            },
        }

    @app.get("/truth")
    async def truth(last: Annotated[int, Query(ge=0, le=KEPT_PULSES)] = 100) -> dict[str, Any]:
        """Counters of all light there ever was, and the latest pulses."""
        now_us = handle.sync()
        known = simulator.plant.truth
        pulses = list(known.pulses)
        return {
            "now_us": now_us,
            "total": known.total,
            "aperture": known.aperture,
            "port": known.port,
            "shuttered": known.shuttered,
            "triggers": known.triggers,
            "blocked": known.blocked,
            "dark": known.dark,
            "pulses": [pulse._asdict() for pulse in pulses[len(pulses) - min(last, len(pulses)) :]],
        }

    @app.get("/device")
    async def device() -> dict[str, Any]:
        """The firmware's own counters, read from its non-volatile memory."""
        handle.sync()
        stored = NonVolatile(simulator.memory)
        return {
            "pulse_number": stored.pulse_number,
            "acknowledged": stored.acknowledged,
            "reports_waiting": stored.waiting,
            "lamp_shots": stored.lamp_shots,
            "boots": stored.books.boots,
            "trips": stored.books.trips,
            "broken": stored.broken,
        }

    return app


def _endpoint(handle: SimulatorHandle, action: Action) -> Callable[..., Any]:
    """A handler whose body FastAPI checks and documents by the action's own model."""

    async def act(body: Body) -> dict[str, int]:
        handle.perform(lambda simulator, now_us: action.apply(simulator, body, now_us))
        return {"now_us": handle.simulator.now_us}

    default = FromBody(default_factory=Body) if action.body is Body else FromBody()
    act.__annotations__["body"] = Annotated[action.body, default]
    return act


class _Server(uvicorn.Server):
    """Leaves the process's signals to the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def serve_control(handle: SimulatorHandle, path: Path) -> AsyncIterator[None]:
    """Serve the API on the unix socket `path`, for this user only; the socket is gone at the end.

    Raises SetupError when the path is too long, taken by something else, or served by a living process.
    """
    if len(os.fsencode(path)) > SOCKET_PATH_MAX:
        raise SetupError(
            f"control socket {path} has {len(os.fsencode(path))} bytes, the system allows {SOCKET_PATH_MAX}: "
            "give a shorter path, or a relative one"
        )
    with claim(path), _listening(path) as listener:
        config = uvicorn.Config(
            build_app(handle), log_config=None, access_log=False, lifespan="off", ws="none", http="h11"
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


class ControlError(Exception):
    """The simulator refused, or does not answer; the text says why."""


class Control:
    """Client of the control channel. Methods raise ControlError; each has an async twin in `AsyncControl`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._client = httpx.Client(
            transport=httpx.HTTPTransport(uds=str(path)),
            base_url="http://simulator",
            timeout=CLIENT_TIMEOUT_S,
        )

    def operate(self, action: str, **fields: Any) -> int:
        """Carry out one operator action (`operate("foot", to="press")`); the device's time in us."""
        return int(self._ask("POST", f"/operator/{action}", fields)["now_us"])

    def state(self) -> dict[str, Any]:
        """Time, lines and plant values."""
        return self._ask("GET", "/state")

    def truth(self, last: int = 100) -> dict[str, Any]:
        """Counters of all light, and the latest pulses."""
        return self._ask("GET", f"/truth?last={last}")

    def device(self) -> dict[str, Any]:
        """The firmware's own counters."""
        return self._ask("GET", "/device")

    def close(self) -> None:
        """Give the connection up."""
        self._client.close()

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        if not self._path.is_socket():  # httpcore would leak its socket on a path that is not there
            raise ControlError(f"the simulator does not answer: {self._path} is not there")
        try:
            return _content(self._client.request(method, path, json=body))
        except httpx.TransportError as error:
            raise ControlError(f"the simulator does not answer: {error}") from error


class AsyncControl:
    """The same client for asyncio."""

    def __init__(self, path: Path) -> None:
        self._client = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=str(path)),
            base_url="http://simulator",
            timeout=CLIENT_TIMEOUT_S,
        )

    async def operate(self, action: str, **fields: Any) -> int:
        """Carry out one operator action (`operate("foot", to="press")`); the device's time in us."""
        return int((await self._ask("POST", f"/operator/{action}", fields))["now_us"])

    async def state(self) -> dict[str, Any]:
        """Time, lines and plant values."""
        return await self._ask("GET", "/state")

    async def truth(self, last: int = 100) -> dict[str, Any]:
        """Counters of all light, and the latest pulses."""
        return await self._ask("GET", f"/truth?last={last}")

    async def device(self) -> dict[str, Any]:
        """The firmware's own counters."""
        return await self._ask("GET", "/device")

    async def close(self) -> None:
        """Give the connection up."""
        await self._client.aclose()

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        try:
            return _content(await self._client.request(method, path, json=body))
        except httpx.TransportError as error:
            raise ControlError(f"the simulator does not answer: {error}") from error


def _content(response: httpx.Response) -> dict[str, Any]:
    if response.is_success:
        return dict(response.json())
    try:
        reason = response.json()["error"]
    except (ValueError, KeyError):
        reason = response.text
    raise ControlError(f"the simulator refused ({response.status_code}): {reason}")
