"""The acts: what may be asked of the daemon, as routes, for the API and for the page alike."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI

from controller.api_bodies import (
    NOBODY,
    Acknowledgement,
    Agreed,
    Confirmations,
    EffectCorrection,
    NewEffect,
    NewSession,
    Resolution,
    Switch,
)
from controller.console import Console
from controller.lease import Who

ACTS: Final = ("open", "resume", "abandon", "arm", "standby", "ack", "calibrate", "aiming", "resolve")
EFFECT_ACTS: Final = ("effects", "effects/resolve", "effects/correct")


def add_acts(
    app: FastAPI, console: Console, asker: Callable[..., Awaitable[Who]], paths: Mapping[str, str]
) -> None:
    """Add a POST for each of `ACTS` at its path; `asker` is the dependency that tells who asks, or raises."""
    Asker = Annotated[Who, Depends(asker)]  # noqa: N806  # a type, if a local one

    @app.post(paths["open"])
    async def open_session(body: NewSession, who: Asker) -> dict[str, Any]:
        return await console.open_session(
            who,
            body.text,
            body.file,
            body.eyewear_nm,
            body.checklist,
            service=body.service,
            course=body.course,
            second=body.given(),
        )

    @app.post(paths["resume"])
    async def resume(body: Confirmations, who: Asker) -> dict[str, Any]:
        return await console.resume_session(
            who,
            body.eyewear_nm,
            body.checklist,
            service=body.service,
            course=body.course,
            second=body.given(),
        )

    @app.post(paths["abandon"])
    async def abandon(who: Asker, body: Agreed = NOBODY) -> dict[str, Any]:
        return await console.abandon_session(who, second=body.given())

    @app.post(paths["arm"])
    async def arm(who: Asker) -> dict[str, Any]:
        return await console.arm(who)

    @app.post(paths["standby"])
    async def standby(who: Asker) -> dict[str, Any]:
        return await console.standby(who)

    @app.post(paths["ack"])
    async def acknowledge(body: Acknowledgement, who: Asker) -> dict[str, Any]:
        return await console.acknowledge(who, [(latch.name, latch.instance) for latch in body.latches])

    @app.post(paths["calibrate"])
    async def calibrate(who: Asker) -> dict[str, Any]:
        return await console.calibrate(who)

    @app.post(paths["aiming"])
    async def aiming(body: Switch, who: Asker) -> dict[str, Any]:
        return await console.aiming(who, body.on)

    @app.post(paths["resolve"])
    async def resolve(who: Asker, body: Agreed = NOBODY) -> dict[str, Any]:
        return await console.resolve(who, second=body.given())


def add_effects(
    app: FastAPI, console: Console, asker: Callable[..., Awaitable[Who]], paths: Mapping[str, str]
) -> None:
    """Add a POST for each of `EFFECT_ACTS`, as `add_acts` does for its own: of adverse effects."""
    Asker = Annotated[Who, Depends(asker)]  # noqa: N806  # a type, if a local one

    @app.post(paths["effects"])
    async def effect(body: NewEffect, who: Asker) -> dict[str, Any]:
        return await console.subjects.record(
            who, body.session, body.kind, body.severity, onset=body.onset, resolved=body.resolved
        )

    @app.post(paths["effects/resolve"])
    async def resolve_effect(body: Resolution, who: Asker) -> dict[str, Any]:
        return await console.subjects.resolve(who, body.effect, body.on)

    @app.post(paths["effects/correct"])
    async def correct_effect(body: EffectCorrection, who: Asker) -> dict[str, Any]:
        instead = None if body.instead is None else body.instead.finding()
        return await console.subjects.correct(who, body.effect, body.reason, instead)
