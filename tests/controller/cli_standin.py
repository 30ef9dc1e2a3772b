"""A stand-in for the daemon's API on a real unix socket: it answers as told and notes what is asked."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from click.testing import Result
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

DONE = {"outcome": "done", "reasons": [], "text": ""}
Picolase = Callable[..., Result]

LASER = {
    "device_time_s": 12.5,
    "boot": 3,
    "state": "standby",
    "beam": "aperture",
    "leave": "never",
    "open_interlocks": [],
    "blocks": [],
    "faults": [],
    "faults_present": [],
    "first_fault": "none",
    "fault_instance": 0,
    "permit_id": 0,
    "permit_pulses_left": 0,
    "handpiece": "zoom",
    "spot_mm": 3.5,
    "wavelength_nm": 755,
    "foot": "released",
    "shutter": "closed",
    "gate_inhibited": True,
    "hv_inhibited": True,
    "indicator_on": False,
    "aiming_on": True,
    "docked": False,
    "calibrated": True,
    "pulse_number": 32,
    "reports_waiting": 0,
    "age_s": 0.05,
    "quality": "good",
}

SESSION = {
    "id": "s-1",
    "name": "Tattoo, left forearm",
    "state": "open",
    "planned": 60,
    "delivered": 0,
    "unknown": 0,
    "remaining": 60,
    "series": [20, 20, 20],
    "series_done": [0, 0, 0],
    "dose_j_cm2": 0.0,
    "energy_mj": 0.0,
    "rehearsal": False,
}


def status(**changes: Any) -> dict[str, Any]:
    """A status in which all is well and nothing goes on; `laser_...` changes a field of the laser."""
    laser = LASER | {
        key.removeprefix("laser_"): changes.pop(key) for key in list(changes) if key[:6] == "laser_"
    }
    return {
        "time": "2026-01-02T03:04:05.000000Z",
        "boot": "b00t",
        "link": {"state": "up", "port": "run/laser0", "reason": "", "since": "2026-01-02T03:00:00.000000Z"},
        "device": {
            "serial": "PL755-0001",
            "model": "PL755",
            "firmware": "1.0",
            "simulated": True,
            "interface_matches": True,
        },
        "laser": laser,
        "telemetry": None,
        "supervisor": {"latches": [], "arm_refusals": [], "heartbeat": "sent", "withheld_because": ""},
        "session": None,
        "lease": None,
        "books": {"device_counter": 32, "recorded": 32, "missing": 0, "waiting": 0},
        "uncertain": [],
        "mqtt": {"state": "connected", "dropped": 0, "waiting": 0},
        "store": {"path": "picolase.db", "ok": True, "text": ""},
    } | changes


def pulse(number: int = 33, **changes: Any) -> dict[str, Any]:
    """The stream's message of one good pulse."""
    return {
        "kind": "pulse",
        "device_serial": "PL755-0001",
        "pulse_number": number,
        "set_energy_mj": 173.0,
        "monitor_a_mj": 172.4,
        "monitor_b_mj": 173.9,
        "pulse_width_ps": 751.0,
        "mode_width_ps": 750,
        "flags": [],
        "aperture": True,
        "unknown": False,
    } | changes


@dataclass
class StandIn:
    """Answers by route; `asked` is what came, in order, as (route, body, token)."""

    socket: Path
    answers: dict[str, Any] = field(default_factory=dict)
    stream: list[dict[str, Any]] = field(default_factory=list)
    hold_stream: threading.Event | None = None  # keeps the stream open after its last message
    asked: list[tuple[str, Any, str | None]] = field(default_factory=list)
    came: threading.Condition = field(default_factory=threading.Condition)

    def forget(self) -> None:
        """Be as new, for the next test."""
        self.answers, self.stream, self.asked, self.hold_stream = {}, [], [], None

    def routes(self) -> list[str]:
        """The routes that were asked for, in order."""
        return [route for route, _, _ in self.asked]

    def wait_for(self, route: str, timeout_s: float = 50.0) -> None:
        """Wait until a route was asked for."""
        with self.came:
            assert self.came.wait_for(lambda: route in self.routes(), timeout_s), (
                f"{route} was never asked for"
            )


def _app(stand_in: StandIn) -> FastAPI:
    app = FastAPI()

    @app.api_route("/{path:path}", methods=["GET", "POST"])
    async def any_route(path: str, request: Request) -> Response:
        body = await request.body()
        token = request.headers.get("authorization")
        with stand_in.came:
            stand_in.asked.append((path, json.loads(body) if body else None, token))
            stand_in.came.notify_all()
        if path == "watch" and path not in stand_in.answers:
            return StreamingResponse(_events(stand_in), media_type="text/event-stream")
        answer = stand_in.answers.get(path, (404, {"error": "none", "message": f"no answer for {path}"}))
        if isinstance(answer, list):  # one after another
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        code, content = answer if isinstance(answer, tuple) else (200, answer)
        return Response(content, code) if isinstance(content, str) else JSONResponse(content, code)

    return app


def _events(stand_in: StandIn) -> Iterator[str]:
    for message in stand_in.stream:
        yield f"data: {json.dumps(message)}\n\n"
    if stand_in.hold_stream is not None:
        stand_in.hold_stream.wait(20)


def serve(path: Path) -> Iterator[StandIn]:
    """Serve a stand-in on the unix socket `path` in a thread."""
    stand_in = StandIn(path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen(64)  # from here on clients can connect and are answered as soon as the server runs
        config = uvicorn.Config(_app(stand_in), log_config=None, lifespan="off", ws="none", http="h11")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield stand_in
        finally:
            if stand_in.hold_stream is not None:
                stand_in.hold_stream.set()
            server.should_exit = server.force_exit = True
            thread.join(10)
