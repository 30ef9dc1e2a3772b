"""The local API: what the command line and, later, the web console ask of the daemon, over HTTP.

Looking at the laser and STOP need no login, looking at a subject's course a viewer's token. Everything that
arms, grants or changes needs an operator's.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import uvicorn
from fastapi import Depends, FastAPI, Header, Request
from fastapi import Path as InPath
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.exceptions import HTTPException  # of FastAPI's the router's own are no instances
from starlette.types import ASGIApp

from controller.acts import ACTS, EFFECT_ACTS, add_acts, add_effects
from controller.api_bodies import (
    NAME_MAX,
    TEXT_MAX,
    Login,
    PlanText,
    Refusal,
)
from controller.body_limit import TOO_LONG, BodyLimit
from controller.config import is_loopback
from controller.console import Console
from controller.declined import Declined
from controller.lease import Who
from controller.metrics_page import MEDIA_TYPES, MetricsPage
from controller.operators import NotAuthorised
from controller.operators import Reason as LoginReason
from controller.store import Role, StoreError

PATHS = {name: f"/{name}" for name in ACTS} | {
    "open": "/sessions",
    "resume": "/sessions/resume",
    "abandon": "/sessions/abandon",
}
BODY_MAX = 16 * TEXT_MAX  # [D] each character may be written as six, and the other fields take room
TEXT = {"schema": {"type": "string"}}


def build_api(
    console: Console, *, loopback_only: bool = False, metrics: MetricsPage | None = None
) -> FastAPI:
    """The application; `console` does the work, `metrics` tells them where they are switched on.

    With `loopback_only` it answers, but for a STOP, only who calls this machine by a name of its own: a page
    in a browser here whose own name was made to lead to this machine would else read and guess passwords.
    """

    async def called_by_its_name(request: Request) -> None:
        if loopback_only and request.url.path != "/stop" and not is_own_name(request.headers.get("host")):
            text = "this port is for this machine alone and was called by another name"
            raise Declined(403, "host", text, "use localhost or 127.0.0.1, or set api.allow_remote = true")

    api = FastAPI(
        title="picolase daemon",
        version="1",
        description="Looking, checking and stopping need no login; all else needs an operator's token.",
        responses={
            "4XX": {"model": Refusal, "description": "Refused; nothing was done."},
            "503": {"model": Refusal, "description": "The records cannot be written or read."},
        },
        docs_url=None,
        redoc_url=None,
        dependencies=[Depends(called_by_its_name)],
    )
    api.add_middleware(BodyLimit, most=BODY_MAX)
    translate_errors(api)

    async def token_of(authorization: Annotated[str | None, Header()] = None) -> str | None:
        scheme, _, token = (authorization or "").partition(" ")
        return token if scheme.lower() == "bearer" and token else None

    Token = Annotated[str | None, Depends(token_of)]  # noqa: N806  # a type, if a local one

    async def who_of(token: Token) -> Who:
        return await console.who(token, Role.OPERATOR)

    async def viewer_of(token: Token) -> Who:
        return await console.who(token, Role.VIEWER, in_use=False)  # as watching is no use

    @api.post("/login")
    async def login(body: Login) -> dict[str, Any]:
        return await console.login(body.name, body.password)

    @api.post("/logout")
    async def logout(token: Token) -> dict[str, Any]:
        return console.logout(token)

    @api.get("/status")
    async def status() -> dict[str, Any]:
        return console.status()

    # Not by a response class of its own: FastAPI would have the refusals be of its media type as well.
    @api.get("/metrics", responses={"200": {"content": dict.fromkeys(MEDIA_TYPES, TEXT)}})
    async def scraped(request: Request) -> Response:
        if metrics is None:
            text = "metrics are off at this daemon"
            raise Declined(404, "metrics.off", text, "set enabled = true under [metrics], restart the daemon")
        page, content_type = await metrics.page(request.headers.get("accept", ""))
        return Response(page, headers={"content-type": content_type})

    async def room_to_watch() -> None:
        console.demand_room_to_watch()

    @api.get("/watch", response_class=EventSourceResponse, dependencies=[Depends(room_to_watch)])
    async def watch() -> AsyncIterator[ServerSentEvent]:
        async for item in console.watch():
            yield ServerSentEvent(data=item)

    @api.post("/plan/check")
    async def check(body: PlanText) -> dict[str, Any]:
        return await console.check_plan(body.text, body.file)

    @api.post("/stop")
    async def stop() -> dict[str, Any]:
        return await console.stop("operator", "stop asked for over the API")

    add_acts(api, console, who_of, PATHS)
    add_effects(api, console, who_of, {name: f"/{name}" for name in EFFECT_ACTS})

    Subject = Annotated[str, InPath(max_length=NAME_MAX)]  # noqa: N806

    @api.get("/courses/{subject}", dependencies=[Depends(viewer_of)])
    async def course(subject: Subject) -> dict[str, Any]:
        return await console.subjects.tell(subject)

    return api


class ApiServer(uvicorn.Server):
    """A server that leaves the signals to the daemon, which shuts down in its own order."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


async def serve(api: ASGIApp, listening: socket.socket) -> None:
    """Serve until cancelled, then end open streams, close, and take a unix socket's name away."""
    path = listening.getsockname() if listening.family is socket.AF_UNIX else ""
    config = uvicorn.Config(
        api,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
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


def translate_errors(api: FastAPI) -> None:
    """Every error of the application is told in the one form that `Refusal` describes."""

    @api.exception_handler(Declined)
    async def declined(_: Request, error: Declined) -> JSONResponse:
        return error_answer(error.status, error.code, str(error), error.reasons, error.problems)

    @api.exception_handler(NotAuthorised)
    async def not_authorised(_: Request, error: NotAuthorised) -> JSONResponse:
        status = 403 if error.reason is LoginReason.ROLE else 401
        return error_answer(status, f"login.{error.reason.name.lower()}", str(error))

    @api.exception_handler(HTTPException)
    async def no_such_route(request: Request, error: HTTPException) -> JSONResponse:
        asked = f"{request.method} {request.url.path}: {error.detail}"
        if error.status_code == TOO_LONG:
            return error_answer(TOO_LONG, "request", f"{asked}; send less")
        return error_answer(error.status_code, "route", f"{asked}; ask for one that the API has")

    @api.exception_handler(StoreError)
    async def store_failed(_: Request, error: StoreError) -> JSONResponse:
        return error_answer(503, "store", str(error))

    @api.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        problems = [
            {
                "code": found["type"],
                "field": ".".join(str(part) for part in found["loc"][1:]) or "body",
                "value": None if _secret(found) else repr(found.get("input"))[:200],
                "allowed": found["msg"],
                "source": "",
                "action": "correct the request",
            }
            for found in error.errors()
        ]
        return error_answer(422, "request", "the request is not as the API describes it", problems=problems)


def is_own_name(host: str | None) -> bool:
    """Whether a Host header names this machine in a way that leads nowhere else."""
    try:
        name = urlsplit(f"//{host or ''}").hostname
    except ValueError:  # no name at all
        return False
    return name is not None and is_loopback(name)


def _secret(found: Any) -> bool:
    """Whether what was wrong may hold a password: one itself, a field that should be one, or a whole body."""
    told = isinstance(found["input"], bool | int | float | str) and found["type"] != "extra_forbidden"
    return not told or found["loc"][-1] in {"password", "second"}


def error_answer(
    status: int, code: str, message: str, reasons: list[Any] | None = None, problems: list[Any] | None = None
) -> JSONResponse:
    """An error in the one form that all have."""
    content = {"error": code, "message": message, "reasons": reasons or [], "problems": problems or []}
    return JSONResponse(content, status_code=status)
