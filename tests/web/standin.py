"""A stand-in for the page's server on a real port: the real files and words, and whatever it is told."""

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from controller.web.files import Files
from controller.web.guard import HEADERS
from controller.web.words import catalogue
from tests.controller.cli_standin import DONE, SESSION, pulse, status

BEAT_S = 0.2
LOOK_S = 0.01
CSRF = "csrf-of-ada"
ME = {
    "name": "ada",
    "role": "operator",
    "csrf": CSRF,
    "idle_lock_s": 900,
    "expires_in_s": 900.0,
    "training": [],
}


def calm(**changes: Any) -> dict[str, Any]:
    """A status in which all is well and the laser stands by, as the page's server gives it."""
    told = {
        "telemetry": {
            **{"coolant_c": 60.1, "flow_l_min": 4.0, "hv_v": 12.0, "simmer_on": True},
            **{"quality": "good", "age_s": 0.3},
        },
        "supervisor": {"latches": [], "arm_refusals": [], "heartbeat": "sent", "withheld_because": []},
        "people": {"operators": 1, "administrators": 1, "lacking": [], "training": []},
        "proof_tests": {"due": "", "words": "", "inputs": []},
        "mqtt": {"state": "up", "trouble": None, "dropped": 0, "sent": 12},
        "laser_permit_ends_s": 0.0,
        "time": datetime.now(UTC).isoformat(),
        "link": {"state": "up", "port": "run/laser0", "reason": "", "since_s": 7_400.0},
        "clock": {"laser_known": True, "laser_error_ms": 5.2, "laser_drift_ppm": 12.0},
    }
    return status(**(told | changes))


def treating(delivered: int = 27) -> dict[str, Any]:
    """A status in the midst of a treatment."""
    session = SESSION | {"operator": "ada", "trigger": "foot", "service": False, "delivered": delivered}
    session |= {"remaining": 60 - delivered, "series_done": [20, delivered - 20, 0], "dose_j_cm2": 48.6}
    return calm(
        laser_state="emitting",
        laser_foot="pressed",
        laser_shutter="open",
        laser_indicator_on=True,
        laser_permit_id=7,
        laser_permit_pulses_left=13,
        laser_permit_ends_s=71.0,
        session=session,
        lease={"operator": "ada", "expires_s": 60.0},
    )


def faulty() -> dict[str, Any]:
    """A status after the door was opened while armed."""
    made = calm(
        laser_state="fault",
        laser_open_interlocks=["estop", "door"],
        laser_first_fault="door",
        laser_faults=["door"],
        laser_fault_instance=4,
    )
    latch = {"name": "device_fault", "instance": 9, "text": "door opened", "action": "close the door"}
    made["supervisor"]["latches"] = [latch | {"cause_present": True}]
    made["uncertain"] = [{"id": "c-17", "kind": "grant", "text": "its outcome is not known"}]
    made["supervisor"]["heartbeat"] = "withheld"
    made["supervisor"]["withheld_because"] = [
        {"code": "x", "text": "a latch stands", "action": "acknowledge"}
    ]
    return made


def quiet(daemon: "StandIn", page: Any) -> None:
    """Mute the daemon, and wait until a page whose time is held has heard what it said last."""
    daemon.mute = True
    page.wait_for_timeout(500)  # nothing more is said; time that does not pass for the page


def shots(first: int, count: int) -> list[dict[str, Any]]:
    """Good pulses with a little spread."""
    return [
        pulse(
            number,
            monitor_a_mj=172.0 + number % 5,
            monitor_b_mj=171.5 + number % 7,
            pulse_width_ps=742.0 + number % 11,
        )
        for number in range(first, first + count)
    ]


@dataclass
class StandIn:
    """Tells all who watch what it is told to tell; answers by path; notes what was asked."""

    address: str = ""
    status: dict[str, Any] = field(default_factory=calm)
    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, Any, dict[str, str]]] = field(default_factory=list)
    frozen: bool = False
    mute: bool = False  # beats and statuses stay away, acts are answered
    beats_alone: bool = False  # statuses stay away
    away: bool = False  # streams are declined, and end
    logged_in: bool = False
    streams: int = 0
    ahead_s: float = 0.0  # of its clock
    _told: list[str] = field(default_factory=list)
    _ending: bool = False
    _came: threading.Condition = field(default_factory=threading.Condition)

    def forget(self) -> None:
        """Be as new, for the next test."""
        self.status, self.answers, self.asked = calm(), {}, []
        self.frozen = self.mute = self.beats_alone = self.away = self.logged_in = False
        self.ahead_s = 0.0
        self._told.clear()

    def tell(self, kind: str, value: dict[str, Any]) -> None:
        """Send one message to all who watch, now and later."""
        self._told.append(f"id: b00t-{len(self._told) + 1}\nevent: {kind}\ndata: {json.dumps(value)}\n\n")

    def be(self, made: dict[str, Any]) -> None:
        """Have this status from now on."""
        self.status = made
        self._told.append(_message("status", made))

    def asked_for(self, path: str) -> list[Any]:
        """Bodies of what was asked under a path, in order."""
        return [body for known, body, _ in self.asked if known == path]

    def wait_for(self, path: str, count: int = 1, timeout_s: float = 10.0) -> None:
        """Wait until a path was asked for so often."""
        with self._came:
            assert self._came.wait_for(lambda: len(self.asked_for(path)) >= count, timeout_s), path

    def note(self, path: str, body: Any, headers: dict[str, str]) -> None:
        """Something was asked."""
        with self._came:
            self.asked.append((path, body, headers))
            self._came.notify_all()

    def end(self) -> None:
        """End every stream for good."""
        self._ending = True
        self.frozen = False

    async def stream(self, since: str) -> AsyncIterator[str]:
        """What one who watches is told."""
        time = asyncio.get_running_loop().time
        beaten = -1.0
        at = int(since.rpartition("-")[2]) if since else 0
        self.streams += 1
        try:
            yield "retry: 200\n\n" + _message("status", self.status)
            while not (self._ending or self.away):
                if not (self.frozen or self.mute):
                    at = min(at, len(self._told))
                    for told in self._told[at:]:
                        at += 1
                        yield told
                    if time() - beaten >= BEAT_S:
                        beaten = time()
                        if not self.beats_alone:
                            yield _message("status", self.status)
                        now = datetime.now(UTC) + timedelta(seconds=self.ahead_s)
                        yield _message("beat", {"time": now.isoformat(), "boot": "b00t"})
                await asyncio.sleep(LOOK_S)
        finally:
            self.streams -= 1


def _message(kind: str, value: dict[str, Any]) -> str:
    return f"event: {kind}\ndata: {json.dumps(value)}\n\n"


def _app(stand_in: StandIn) -> FastAPI:
    app = FastAPI()
    files = Files()

    @app.middleware("http")
    async def as_the_daemon(request: Request, call_next: Any) -> Response:
        while stand_in.frozen:  # noqa: ASYNC110  # set in another thread
            await asyncio.sleep(LOOK_S)
        answer: Response = await call_next(request)
        answer.headers.update(HEADERS)
        return answer

    @app.get("/")
    async def page() -> Response:
        return files.page()

    @app.get("/static/{path:path}")
    async def static(path: str) -> Response:
        return files.file(path)

    @app.get("/words")
    async def words() -> dict[str, Any]:
        return catalogue()

    @app.get("/events")
    async def events(request: Request, since: str = "") -> Response:
        since = request.headers.get("last-event-id") or since
        stand_in.note("/events", since, {})
        if stand_in.away:
            return JSONResponse({"error": "watchers", "message": "32 windows watch already"}, 429)
        return StreamingResponse(stand_in.stream(since), media_type="text/event-stream")

    @app.get("/me")
    async def me() -> Response:
        nobody = {"name": None, "error": "login.idle", "message": "logged out: not used for 15 min"}
        return JSONResponse(ME if stand_in.logged_in else nobody)

    @app.post("/login")
    async def login(request: Request) -> Response:
        body = await request.json()
        stand_in.note("/login", body, dict(request.headers))
        stand_in.logged_in = body["password"] == "correct horse"
        refused = {
            "error": "login.wrong",
            "message": "name or password is wrong",
            "reasons": [],
            "problems": [],
        }
        return JSONResponse(ME) if stand_in.logged_in else JSONResponse(refused, 401)

    @app.api_route("/{path:path}", methods=["GET", "POST"])
    async def any_route(path: str, request: Request) -> Response:
        text = await request.body()
        stand_in.note(f"/{path}", json.loads(text) if text else None, dict(request.headers))
        if path == "logout":
            stand_in.logged_in = False
        answer = stand_in.answers.get(f"/{path}", DONE)
        code, content = answer if isinstance(answer, tuple) else (200, answer)
        return JSONResponse(content, code)

    return app


@contextmanager
def serving() -> Iterator[StandIn]:
    """A stand-in on a free port of the loopback interface."""
    stand_in = StandIn()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        stand_in.address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        config = uvicorn.Config(_app(stand_in), log_config=None, lifespan="off", ws="none", http="h11")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield stand_in
        finally:
            stand_in.end()
            server.should_exit = server.force_exit = True
            thread.join(10)
