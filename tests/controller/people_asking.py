"""Every kind of person who may ask something of the daemon."""

import asyncio

from controller.store import Role
from rig.stack import BEGAN, Stack
from tests.controller.asking import PLAN_BODY

# Who asks, in this order: somebody without a login; with a made-up one; a viewer; an operator; service; an
# administrator; one who was idle too long; one who logged out; one who was barred while logged in; one who
# got another password meanwhile; one locked out by wrong passwords after logging in; one whose training has
# ended.
ASKERS = (
    *("nobody", "made-up", "viewer", "operator", "service", "administrator"),
    *("idle", "logged-out", "disabled", "new-password", "locked-out", "expired"),
)
ROLES = {"viewer": Role.VIEWER, "service": Role.SERVICE, "administrator": Role.ADMINISTRATOR}
IDLE_LOCK_S = 60


async def interrupted_by_another(stack: Stack) -> None:
    """Somebody else opened a session, and was stopped."""
    await stack.settled()
    who, console = await stack.login("olga"), stack.daemon.console
    await console.acknowledge(who, [(latch.id.value, latch.instance) for latch in stack.latches])
    await console.open_session(who, PLAN_BODY["text"], "plan", 755, checklist=True)
    await console.stop("olga", "a test")
    await stack.until(lambda: stack.daemon.treatment.session is None, "the session interrupted")
    console.logout(who.token)


async def become(stack: Stack, kind: str) -> str | None:
    """Do to anna what makes her one of the kind; returns the token of her login."""
    if kind == "nobody":
        return None
    if kind == "made-up":
        return "made-up"
    who, store = await stack.login("anna", ROLES.get(kind, Role.OPERATOR)), stack.store
    assert store is not None
    match kind:
        case "idle":
            await asyncio.sleep(IDLE_LOCK_S)
        case "logged-out":
            stack.daemon.console.logout(who.token)
        case "disabled":
            store.deactivate_operator("anna", actor="root", now_us=0)
        case "new-password":
            store.update_password("anna", "another", actor="root", now_us=0)
        case "locked-out":
            store.note_login("anna", accepted=False, failed_logins=5, now_us=0)
        case "expired":
            store.record_training("anna", 755, BEGAN, actor="root", now_us=0)
    return who.token
