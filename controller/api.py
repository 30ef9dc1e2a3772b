"""The local API: what the command line and, later, the web console ask of the daemon, over HTTP.

Reading and STOP need no login. Everything that arms, grants or changes needs an operator's token.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI, Header, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException  # of FastAPI's the router's own are no instances

from controller.console import Console
from controller.declined import Declined
from controller.lease import Who
from controller.operators import NotAuthorised
from controller.operators import Reason as LoginReason
from controller.store import Role, StoreError

TEXT_MAX = 200_000  # [C] a plan of a thousand series is a tenth of that


class Body(BaseModel):
    """Base of all request bodies: strict, nothing unknown."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Login(Body):
    """Who wants in."""

    name: str = Field(max_length=64)
    password: str = Field(max_length=256)


class PlanText(Body):
    """A plan file as it stands on the caller's disk."""

    text: str = Field(max_length=TEXT_MAX)
    file: str = Field("plan", max_length=4096)


class Confirmations(Body):
    """What the operator confirms in person before a session may arm."""

    eyewear_nm: int = Field(ge=0, le=2000, description="wavelength the eyewear worn is made for")
    checklist: bool = Field(description="contraindications, site and eye protection checked")
    service: bool = Field(
        False, description="service plan: beam into a dump or power meter, room controlled, eyewear worn"
    )


class NewSession(PlanText, Confirmations):
    """A plan to carry out, with the operator's confirmations."""


class LatchRef(Body):
    """One latch by name and instance, as the caller read it."""

    name: str = Field(max_length=64)
    instance: int = Field(ge=0)


class Acknowledgement(Body):
    """The latches the operator acknowledges."""

    latches: list[LatchRef] = Field(min_length=1, max_length=64)


class Switch(Body):
    """Something to switch on or off."""

    on: bool


def build_api(console: Console) -> FastAPI:
    """The application; `console` does the work."""
    api = FastAPI(title="picolase daemon", version="1", docs_url=None, redoc_url=None)
    _translate_errors(api)

    async def token_of(authorization: Annotated[str | None, Header()] = None) -> str | None:
        scheme, _, token = (authorization or "").partition(" ")
        return token if scheme.lower() == "bearer" and token else None

    Token = Annotated[str | None, Depends(token_of)]  # noqa: N806  # a type, if a local one

    async def who_of(token: Token) -> Who:
        return Who(console.logins.require(token, Role.OPERATOR), token or "")

    Asker = Annotated[Who, Depends(who_of)]  # noqa: N806

    @api.post("/login")
    async def login(body: Login) -> dict[str, Any]:
        return await console.login(body.name, body.password)

    @api.post("/logout")
    async def logout(token: Token) -> dict[str, Any]:
        return console.logout(token)

    @api.get("/status")
    async def status() -> dict[str, Any]:
        return console.status()

    @api.get("/watch", response_class=EventSourceResponse)
    async def watch() -> AsyncIterator[ServerSentEvent]:
        async for item in console.watch():
            yield ServerSentEvent(data=item)

    @api.post("/plan/check")
    async def check(body: PlanText) -> dict[str, Any]:
        return await console.check_plan(body.text, body.file)

    @api.post("/sessions")
    async def open_session(body: NewSession, who: Asker) -> dict[str, Any]:
        return await console.open_session(
            who, body.text, body.file, body.eyewear_nm, body.checklist, service=body.service
        )

    @api.post("/sessions/resume")
    async def resume(body: Confirmations, who: Asker) -> dict[str, Any]:
        return await console.resume_session(who, body.eyewear_nm, body.checklist, service=body.service)

    @api.post("/sessions/abandon")
    async def abandon(who: Asker) -> dict[str, Any]:
        return await console.abandon_session(who)

    @api.post("/arm")
    async def arm(who: Asker) -> dict[str, Any]:
        return await console.arm(who)

    @api.post("/standby")
    async def standby(who: Asker) -> dict[str, Any]:
        return await console.standby(who)

    @api.post("/stop")
    async def stop() -> dict[str, Any]:
        return await console.stop("operator", "stop asked for over the API")

    @api.post("/ack")
    async def acknowledge(body: Acknowledgement, who: Asker) -> dict[str, Any]:
        return await console.acknowledge(who, [(latch.name, latch.instance) for latch in body.latches])

    @api.post("/calibrate")
    async def calibrate(who: Asker) -> dict[str, Any]:
        return await console.calibrate(who)

    @api.post("/aiming")
    async def aiming(body: Switch, who: Asker) -> dict[str, Any]:
        return await console.aiming(who, body.on)

    @api.post("/resolve")
    async def resolve(who: Asker) -> dict[str, Any]:
        return await console.resolve(who)

    return api


class ApiServer(uvicorn.Server):
    """A server that leaves the signals to the daemon, which shuts down in its own order."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


async def serve(api: FastAPI, listening: socket.socket) -> None:
    """Serve until cancelled, then end open streams, close, and take a unix socket's name away."""
    path = listening.getsockname() if listening.family is socket.AF_UNIX else ""
    config = uvicorn.Config(
        api,
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
        ws="none",
    )
    server = ApiServer(config)
    serving = asyncio.create_task(server.serve([listening]), name="api-server")
    try:
        await asyncio.shield(serving)
    finally:
        if path:
            _take_name_away(path)
        server.should_exit = True
        await serving


def _take_name_away(path: str) -> None:
    """Done while it still listens: nobody else can have taken the name."""
    Path(path).unlink(missing_ok=True)


def _translate_errors(api: FastAPI) -> None:
    @api.exception_handler(Declined)
    async def declined(_: Request, error: Declined) -> JSONResponse:
        return _error(error.status, error.code, str(error), error.reasons, error.problems)

    @api.exception_handler(NotAuthorised)
    async def not_authorised(_: Request, error: NotAuthorised) -> JSONResponse:
        status = 403 if error.reason is LoginReason.ROLE else 401
        return _error(status, f"login.{error.reason.name.lower()}", str(error))

    @api.exception_handler(HTTPException)
    async def no_such_route(request: Request, error: HTTPException) -> JSONResponse:
        asked = f"{request.method} {request.url.path}"
        return _error(error.status_code, "route", f"{asked}: {error.detail}; ask for one that the API has")

    @api.exception_handler(StoreError)
    async def store_failed(_: Request, error: StoreError) -> JSONResponse:
        return _error(503, "store", str(error))

    @api.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        problems = [
            {
                "code": found["type"],
                "field": ".".join(str(part) for part in found["loc"][1:]) or "body",
                "value": None if found["loc"][-1] == "password" else repr(found.get("input"))[:200],
                "allowed": found["msg"],
                "source": "",
                "action": "correct the request",
            }
            for found in error.errors()
        ]
        return _error(422, "request", "the request is not as the API describes it", problems=problems)


def _error(
    status: int, code: str, message: str, reasons: list[Any] | None = None, problems: list[Any] | None = None
) -> JSONResponse:
    content = {"error": code, "message": message, "reasons": reasons or [], "problems": problems or []}
    return JSONResponse(content, status_code=status)
