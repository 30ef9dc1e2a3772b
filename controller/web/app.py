"""The page's own HTTP application: files, events, login by cookie, and acts that only that page can ask."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI, Header, Query, Request
from fastapi import Path as InPath
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from controller.acts import ACTS, EFFECT_ACTS, add_acts, add_effects
from controller.api import BODY_MAX, translate_errors
from controller.api_bodies import NAME_MAX, Login, PlanText, Refusal
from controller.body_limit import BodyLimit
from controller.console import Console
from controller.lease import Who
from controller.operators import NotAuthorised
from controller.store import Role
from controller.web.archive import Archive
from controller.web.browsers import BROWSER_COOKIE, COOKIE, Browsers
from controller.web.events import Events, Watch
from controller.web.files import Files
from controller.web.fleet_view import FleetView
from controller.web.guard import Guard
from controller.web.simulator import Simulator
from controller.web.words import catalogue

REPORT_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; sandbox"
)
"""Of a session's report: a page that needs nothing, runs nothing and is of no origin."""

SOMEBODY: Final = "somebody at the page"

Token = Callable[..., Awaitable[str | None]]
"""A dependency that tells by which login somebody asks, if by any."""

Viewer = Callable[..., Awaitable[Who]]
"""A dependency that tells who asks, or raises."""

RecordId = Annotated[str, InPath(pattern="^[A-Za-z0-9_-]{1,64}$")]
Subject = Annotated[str, InPath(max_length=NAME_MAX)]
SimName = Annotated[str, InPath(pattern="^[a-z][a-z0-9_.-]{0,63}$")]


def build_web(
    console: Console,
    *,
    browsers: Browsers,
    events: Events,
    archive: Archive,
    files: Files,
    simulator: Simulator,
    fleet: FleetView,
    loopback_only: bool,
    new_browser: Callable[[], str],
) -> Guard:
    """The application, with its guard; `new_browser` makes a name for a browser that has none."""
    app = FastAPI(
        title="picolase page",
        version="1",
        responses={"4XX": {"model": Refusal}, "503": {"model": Refusal}},
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.add_middleware(BodyLimit, most=BODY_MAX)
    translate_errors(app)

    async def token_of(request: Request) -> str | None:
        return browsers.token(request.cookies.get(COOKIE))

    Given = Annotated[str | None, Depends(token_of)]  # noqa: N806  # a type, if a local one

    async def viewer_of(token: Given) -> Who:
        return await console.who(token, Role.VIEWER, in_use=False)  # as watching is no use

    async def asker_of(request: Request, token: Given) -> str | None:
        if token is not None:
            browsers.demand_csrf(token, request.headers.get("x-csrf"))
        return token

    Asking = Annotated[str | None, Depends(asker_of)]  # noqa: N806

    async def asking_viewer_of(token: Asking) -> Who:
        return await console.who(token, Role.VIEWER)

    async def asking_operator_of(token: Asking) -> Who:
        return await console.who(token, Role.OPERATOR)

    _add_page(app, files, events, new_browser)
    _add_login(app, console, browsers, token_of=token_of, asker_of=asker_of)
    add_acts(app, console, asking_operator_of, {name: f"/act/{name}" for name in ACTS})
    add_effects(app, console, asking_operator_of, {name: f"/act/{name}" for name in EFFECT_ACTS})

    @app.post("/stop")
    async def stop(token: Given) -> dict[str, Any]:
        return await console.stop(_name_of(console, token), "STOP pressed on the page")

    @app.post("/act/check", dependencies=[Depends(asking_viewer_of)])
    async def check(body: PlanText) -> dict[str, Any]:
        return await console.check_plan(body.text, body.file)

    _add_records(app, console, archive, viewer_of)

    @app.get("/fleet", dependencies=[Depends(viewer_of)])
    async def lasers() -> Response:
        return Response(fleet.picture(), media_type="application/json")

    _add_simulator(app, simulator, viewer_of, asking_operator_of)
    return Guard(app, loopback_only=loopback_only)


def _add_page(app: FastAPI, files: Files, events: Events, new_browser: Callable[[], str]) -> None:
    @app.get("/")
    async def page(request: Request) -> Response:
        answer = files.page()
        if BROWSER_COOKIE not in request.cookies:
            _set_cookie(request, answer, BROWSER_COOKIE, new_browser())
        return answer

    @app.get("/static/{path:path}")
    async def static(path: str) -> Response:
        return files.file(path)

    @app.get("/words")
    async def words() -> JSONResponse:
        return JSONResponse(catalogue())

    @app.get("/events")
    async def watch(
        request: Request,
        last_event_id: Annotated[str, Header(max_length=100)] = "",
        since: Annotated[str, Query(max_length=100)] = "",
    ) -> Response:
        # What the browser remembers by itself is newer than what the page asked for at first.
        return EventStream(events.open(request.cookies.get(BROWSER_COOKIE, ""), last_event_id or since))


def _add_login(
    app: FastAPI, console: Console, browsers: Browsers, *, token_of: Token, asker_of: Token
) -> None:
    def about(who: Who) -> dict[str, Any]:
        logins = console.logins
        return {
            "name": who.name,
            "role": who.operator.role.value,
            "csrf": browsers.csrf(who.token),
            "idle_lock_s": logins.idle_lock_us // 1_000_000,
            "expires_in_s": logins.left_us(who.token) / 1e6,
            "trained": {str(nm): ends.isoformat() for nm, ends in sorted(who.operator.training.items())},
            "training": console.training(who.operator),
        }

    # The one question that whoever is not logged in may ask: an error would stand in every browser's console.
    @app.get("/me")
    async def me(token: Annotated[str | None, Depends(token_of)]) -> dict[str, Any]:
        try:
            return about(await console.who(token, Role.VIEWER, in_use=False))
        except NotAuthorised as error:
            return {"name": None, "error": f"login.{error.reason.name.lower()}", "message": str(error)}

    @app.post("/login")
    async def login(
        body: Login, request: Request, before: Annotated[str | None, Depends(token_of)]
    ) -> JSONResponse:
        with browsers.attempt():
            token = (await console.login(body.name, body.password))["token"]
        if before is not None:
            console.logout(before)  # whoever sat here until now, no longer does
        answer = JSONResponse(about(await console.who(token, Role.VIEWER)))
        _set_cookie(request, answer, COOKIE, browsers.cookie(token))
        return answer

    @app.post("/logout")
    async def logout(token: Annotated[str | None, Depends(asker_of)]) -> JSONResponse:
        answer = JSONResponse(console.logout(token))
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
        return answer


def _add_records(app: FastAPI, console: Console, archive: Archive, viewer_of: Viewer) -> None:
    viewer = [Depends(viewer_of)]

    @app.get("/sessions", dependencies=viewer)
    async def sessions() -> list[dict[str, Any]]:
        return await archive.sessions()

    @app.get("/sessions/{known_as}", dependencies=viewer)
    async def session(known_as: RecordId) -> Response:
        return Response(await archive.answer("session", known_as), media_type="application/json")

    @app.get("/sessions/{known_as}/report", dependencies=viewer)
    async def report(known_as: RecordId) -> Response:
        page = await archive.answer("page", known_as)
        return Response(page, media_type="text/html", headers={"content-security-policy": REPORT_POLICY})

    @app.get("/sessions/{known_as}/effects", dependencies=viewer)
    async def effects(known_as: RecordId) -> list[dict[str, Any]]:
        return await archive.effects(known_as)

    @app.get("/courses/{subject}", dependencies=viewer)
    async def course(subject: Subject) -> dict[str, Any]:
        return await console.subjects.tell(subject)

    @app.get("/incidents", dependencies=viewer)
    async def incidents() -> list[dict[str, Any]]:
        return await archive.incidents()

    @app.get("/incidents/{known_as}", dependencies=viewer)
    async def incident(known_as: RecordId) -> Response:
        return Response(await archive.answer("incident", known_as), media_type="application/json")


def _add_simulator(app: FastAPI, simulator: Simulator, viewer_of: Viewer, operator_of: Viewer) -> None:
    operator = [Depends(operator_of)]

    @app.get("/sim", dependencies=[Depends(viewer_of)])
    async def look() -> dict[str, Any]:
        return await simulator.look()

    @app.post("/sim/operator/{action}", dependencies=operator)
    async def operate(action: SimName, body: dict[str, Any]) -> Any:
        return await simulator.operate(action, body)

    @app.post("/sim/faults/{fault}", dependencies=operator)
    async def inject(fault: SimName, body: dict[str, Any]) -> Any:
        return await simulator.inject(fault, body)

    @app.post("/sim/clear", dependencies=operator)
    async def clear() -> Any:
        return await simulator.clear()


class EventStream(StreamingResponse):
    """A watch as server-sent events; it is closed whatever ends the stream."""

    media_type = "text/event-stream"

    def __init__(self, watch: Watch) -> None:
        super().__init__(_of(watch), headers={"x-accel-buffering": "no"})  # nginx would keep them back
        self._watch = watch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the daemon ends or nobody is there any more."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._watch.close()


async def _of(watch: Watch) -> AsyncIterator[bytes]:
    async with aclosing(watch.pieces()) as pieces:
        async for piece in pieces:
            yield piece


def _set_cookie(request: Request, answer: Response, name: str, value: str) -> None:
    secure = request.url.scheme == "https"
    answer.set_cookie(name, value, path="/", httponly=True, samesite="strict", secure=secure)


def _name_of(console: Console, token: str | None) -> str:
    """Who pressed STOP, as far as known: nobody needs a login for it."""
    try:
        return console.logins.require(token, Role.VIEWER, in_use=False).name
    except NotAuthorised:
        return SOMEBODY
