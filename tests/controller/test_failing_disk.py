"""A disk that fails at a reconnection or hangs at the end: the daemon goes on, or ends, all the same."""

import asyncio
from typing import Any

import pytest

from controller.ending import SHUT_DOWN_S
from controller.store import Store, StoreFull
from rig.stack import Stack, plan_text
from safety.latches import LatchId

VIRTUAL_TIME = True


async def test_a_disk_that_fails_at_a_reconnection_does_not_end_the_daemon(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stack.settled()
    stack.line.unplug()
    await asyncio.sleep(1)
    real, failures = Store.save_device, [1, 2]

    def save_device(store: Store, device: Any) -> Any:
        if failures:
            failures.pop()
            raise StoreFull("the disk is full", "free space")
        return real(store, device)

    monkeypatch.setattr(Store, "save_device", save_device)
    stack.line.plug_in()
    await stack.until(lambda: LatchId.STORE_FAILED in stack.latched, "the failure latched")
    await stack.settled()
    assert failures == []
    await stack.prepare(plan_text(series=[2]))
    await stack.arm()
    await stack.give_all()
    assert stack.truth.aperture == 2


@pytest.mark.parametrize("where", ["close", "run"])
async def test_a_disk_that_hangs_at_the_end_does_not_keep_the_daemon(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    await stack.settled()
    real, freed = getattr(stack.daemon.writer, where), asyncio.Event()

    async def hangs(*args: Any, **kwargs: Any) -> Any:
        await freed.wait()
        return await real(*args, **kwargs)

    monkeypatch.setattr(stack.daemon.writer, where, hangs)
    began_s = stack.loop.time()
    stack.daemon.end()
    try:
        await stack.ended(within_s=60)
    finally:
        freed.set()
    assert stack.loop.time() - began_s < 3 * SHUT_DOWN_S
