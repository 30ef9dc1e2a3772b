"""The client of the daemon's programming interface: one method for each route, every failure in words."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import quote

import httpx

if TYPE_CHECKING:
    from controller.second import Second

NO_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Trusts nobody: the interface is plain HTTP on this machine, and loading the system's certificates takes
longer than a stop does."""

CONNECT_S = 2.0
"""[C] The daemon is on this machine: a connection that takes longer will not come."""

ANSWER_S = 10.0
"""[C] Arming takes 2.5 s, a request to the laser gives up after 5 tries of 0.8 s: both fit."""

STOP_S = 3.0
"""[C] The daemon's own escalation (stop, link reset, port close) ends within this."""

SILENCE_S = 3.0
"""[C] The stream sends a status each second: three missed ones mean that nobody is there."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the daemon listens: a unix socket, or host and port."""

    socket: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8755

    def __str__(self) -> str:
        return str(self.socket) if self.socket is not None else f"http://{self._netloc}"

    @property
    def base_url(self) -> str:
        """What httpx calls the daemon; over a socket the name means nothing."""
        return "http://picolase" if self.socket is not None else f"http://{self._netloc}"

    @property
    def _netloc(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class ClientError(Exception):
    """The daemon did not do what was asked, or nobody knows; `text` is a message for the person who asked."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class NotReachable(ClientError):
    """Nobody answers at the endpoint; nothing was asked of the laser."""


class NoAnswer(ClientError):
    """The request went out and its answer was lost: whether it was done is not known."""


class NotUnderstood(ClientError):
    """Something answers there that is no picolase daemon, or one of another version."""


class ApiRefusal(ClientError):
    """The daemon answered with an error; `reasons` and `problems` are all that stands against the request."""

    def __init__(
        self,
        status: int,
        code: str,
        text: str,
        reasons: Sequence[Mapping[str, Any]] = (),
        problems: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.reasons = tuple(reasons)
        self.problems = tuple(problems)

    @property
    def server_failed(self) -> bool:
        """Whether the daemon itself failed, rather than refused."""
        return httpx.codes.is_server_error(self.status)


Answer = dict[str, Any]


class Client:
    """Talks to one daemon, as one operator if `token` is given. Every failure is a `ClientError`.

    Use as an asynchronous context manager.
    """

    def __init__(self, endpoint: Endpoint, token: str | None = None) -> None:
        self.endpoint = endpoint
        self.token = token
        uds = None if endpoint.socket is None else str(endpoint.socket)
        self._http = httpx.AsyncClient(
            base_url=endpoint.base_url,
            transport=httpx.AsyncHTTPTransport(uds=uds, verify=NO_TLS),
            timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S),
            trust_env=False,  # a proxy for the web must never stand between stop and the laser
        )

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.__aexit__(kind, error, trace)

    async def login(self, name: str, password: str) -> Answer:
        """Log in and stay so; returns token, name, role, idle_lock_s, and the training that ends."""
        answer = await self._post("/login", {"name": name, "password": password})
        if not isinstance(answer.get("token"), str):
            raise NotUnderstood(f"what answers at {self.endpoint} logs nobody in: it gave no token")
        self.token = answer["token"]
        return answer

    async def logout(self) -> Answer:
        """Forget the token on both sides."""
        answer = await self._post("/logout")
        self.token = None
        return answer

    async def status(self) -> Answer:
        """Everything the daemon knows now."""
        return await self._get("/status")

    async def check_plan(self, text: str, file: str) -> Answer:
        """Whether the plan may be carried out: ok, refusals (all of them), summary."""
        return await self._post("/plan/check", {"text": text, "file": file})

    async def open_session(
        self,
        text: str,
        file: str,
        eyewear_nm: int,
        *,
        checklist: bool | Sequence[str],
        service: bool = False,
        course: Sequence[str] = (),
        second: Second | None = None,
    ) -> Answer:
        """Open a session for the plan; returns the session. `second`: who agrees to one without a foot.

        `checklist`: the items that are confirmed, True for all; `course`: what stood against it in the
        subject's course, by the names of the refusal with the code `course`.
        """
        confirmed = _confirmed(eyewear_nm, checklist, service, course)
        return await self._post("/sessions", {"text": text, "file": file} | confirmed | _agreed(second))

    async def resume_session(
        self,
        eyewear_nm: int,
        *,
        checklist: bool | Sequence[str],
        service: bool = False,
        course: Sequence[str] = (),
        second: Second | None = None,
    ) -> Answer:
        """Go on with what remains of the interrupted session; returns the session."""
        confirmed = _confirmed(eyewear_nm, checklist, service, course)
        return await self._post("/sessions/resume", confirmed | _agreed(second))

    async def abandon_session(self, second: Second | None = None) -> Answer:
        """End the unfinished session for good; returns it. `second`: who agrees, if it is not your own."""
        return await self._post("/sessions/abandon", _agreed(second))

    async def arm(self) -> Answer:
        """Bring the laser to READY; returns outcome, reasons, text."""
        return await self._post("/arm")

    async def standby(self) -> Answer:
        """Bring the laser to STANDBY; returns outcome, reasons, text."""
        return await self._post("/standby")

    async def calibrate(self) -> Answer:
        """Begin to calibrate the energy monitors in the port; returns outcome, reasons, text."""
        return await self._post("/calibrate")

    async def aiming(self, *, on: bool) -> Answer:
        """Switch the aiming beam; returns outcome, reasons, text."""
        return await self._post("/aiming", {"on": on})

    async def stop(self) -> Answer:
        """Stop emission now, whoever asks; returns confirmed, level, took_ms, text."""
        return await self._post("/stop", timeout_s=STOP_S)

    async def acknowledge(self, latches: Sequence[Mapping[str, Any]]) -> Answer:
        """Acknowledge these latches by name and instance; returns cleared, kept, outcome."""
        return await self._post("/ack", {"latches": [dict(latch) for latch in latches]})

    async def resolve(self, second: Second | None = None) -> Answer:
        """Settle what is uncertain by the laser's own counters; returns settled, open.

        `second`: who agrees to giving up pulses that have no record.
        """
        return await self._post("/resolve", _agreed(second))

    async def course(self, subject: str) -> Answer:
        """What is on record of a subject: courses with their sessions, and effects."""
        return await self._get(f"/courses/{quote(subject, safe='')}")

    async def record_effect(self, found: Mapping[str, Any]) -> Answer:
        """Record an adverse effect: session, kind, severity, onset and resolved; returns it."""
        return await self._post("/effects", found)

    async def resolve_effect(self, number: int, on: str | None = None) -> Answer:
        """Record that an adverse effect had gone, on that day or today; returns it."""
        return await self._post("/effects/resolve", {"effect": number, "on": on})

    async def correct_effect(
        self, number: int, reason: str, instead: Mapping[str, Any] | None = None
    ) -> Answer:
        """Take an adverse effect back; returns it, and under `recorded` what stands instead of it."""
        return await self._post("/effects/correct", {"effect": number, "reason": reason, "instead": instead})

    async def watch(self) -> AsyncGenerator[Answer, None]:
        """Yield what happens, as it happens; ends only by `NotReachable` when the daemon goes away.

        Close it (`contextlib.aclosing`) when you stop listening before that.
        """
        timeout = httpx.Timeout(SILENCE_S, connect=CONNECT_S)
        gone = "the daemon went away"
        try:
            async with self._http.stream(
                "GET", "/watch", headers=self._headers(), timeout=timeout
            ) as response:
                if response.status_code != httpx.codes.OK:
                    await response.aread()
                    self._object(response)
                async for line in response.aiter_lines():
                    if line.startswith("data:"):
                        yield self._event(line.removeprefix("data:"))
        except httpx.ConnectError as error:
            raise self._not_reachable(error) from error
        except httpx.ReadTimeout as error:
            gone = f"the daemon has said nothing for {SILENCE_S:.0f} s"
            raise NotReachable(gone) from error
        except httpx.RequestError as error:
            raise NotReachable(gone) from error
        except UnicodeError as error:
            raise NotUnderstood(f"the daemon's stream is no text: {error}") from error
        raise NotReachable(gone)

    async def _get(self, path: str) -> Answer:
        try:
            return self._object(await self._http.get(path, headers=self._headers()))
        except httpx.TimeoutException as error:
            raise NotReachable(f"the daemon at {self.endpoint} does not answer") from error
        except httpx.RequestError as error:
            raise self._not_reachable(error) from error

    async def _post(
        self, path: str, body: Mapping[str, Any] | None = None, *, timeout_s: float = ANSWER_S
    ) -> Answer:
        timeout = httpx.Timeout(timeout_s, connect=CONNECT_S)
        try:
            response = await self._http.post(path, json=body or {}, headers=self._headers(), timeout=timeout)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise self._not_reachable(error) from error
        except httpx.RequestError as error:
            raise NoAnswer(
                f"{path.removeprefix('/')} was sent to the daemon and no answer came "
                f"({type(error).__name__}): whether it was done is not known"
            ) from error
        return self._object(response)

    def _headers(self) -> dict[str, str]:
        return {} if self.token is None else {"Authorization": f"Bearer {self.token}"}

    def _not_reachable(self, error: Exception) -> NotReachable:
        why = str(error) or type(error).__name__
        if self.endpoint.socket is not None and not self.endpoint.socket.exists():
            why = "there is no such socket"
        return NotReachable(f"the daemon is not reachable at {self.endpoint}: {why}")

    def _object(self, response: httpx.Response) -> Answer:
        """The JSON object of a good answer; raises what an error answer means."""
        try:
            answer = response.json()
        except (ValueError, RecursionError):
            answer = None
        if response.is_success and isinstance(answer, dict):
            return answer
        if isinstance(answer, dict) and isinstance(answer.get("message"), str):
            raise ApiRefusal(
                response.status_code,
                str(answer.get("error", "")),
                answer["message"],
                _listed(answer.get("reasons")),
                _listed(answer.get("problems")),
            )
        if httpx.codes.is_server_error(response.status_code):
            text = f"the daemon failed at this request (HTTP {response.status_code}); its log says why"
            raise ApiRefusal(response.status_code, "server", text)
        raise NotUnderstood(
            f"what answers at {self.endpoint} is no picolase daemon, or one of another version "
            f"(HTTP {response.status_code}): {response.content[:200].decode(errors='replace')!r}"
        )

    def _event(self, data: str) -> Answer:
        try:
            event = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise NotUnderstood(f"the daemon's stream is not understood: {data[:200]!r}") from error
        if not isinstance(event, dict):
            raise NotUnderstood(f"the daemon's stream is not understood: {data[:200]!r}")
        return event


def _listed(told: object) -> list[Mapping[str, Any]]:
    """The objects of a list; of anything else none."""
    return [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []


def _agreed(second: Second | None) -> dict[str, Any]:
    return {} if second is None else {"second": {"name": second.name, "password": second.password}}


def _confirmed(
    eyewear_nm: int, checklist: bool | Sequence[str], service: bool, course: Sequence[str]
) -> dict[str, Any]:
    items = checklist if isinstance(checklist, bool) else list(checklist)
    body: dict[str, Any] = {"eyewear_nm": eyewear_nm, "checklist": items}
    return body | ({"service": True} if service else {}) | ({"course": list(course)} if course else {})
