"""The ending: how the laser is made safe before the daemon goes, and in which order the rest is closed."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from controller.checkpointer import Checkpointer
from controller.commands import Commands
from controller.console import WATCHER
from controller.fanout import Fanout
from controller.publishers import Publishers
from controller.recorder import Recorder
from controller.store import StoreWriter
from controller.telling import Teller
from controller.treatment import Treatment
from hal.time import now_us
from protocols.timing import SECOND

REPORTS_US: Final = SECOND  # [C] three repetitions of a report; what is later comes at the next start
SHUT_DOWN_S: Final = 5.0  # [C] for each step of the ending: a stuck disk or broker must not keep the laser's
_WHY: Final = "the daemon is shutting down"
_log = logging.getLogger(__name__)


async def make_safe(treatment: Treatment, commands: Commands, recorder: Recorder, fanout: Fanout) -> None:
    """Stop the laser and let it confirm, end the API's streams, and wait for the reports on their way."""
    treatment.trip(_WHY)
    for feed in fanout.subscriptions:
        if feed.name == WATCHER:
            feed.close()  # streams of the API end, so that its server can
    if commands.connected is None:
        return  # no heartbeat leaves without a connection: the device's own watchdog has acted
    result = await asyncio.shield(commands.stop("daemon", _WHY))
    _log.info("shutting down: %s", result)
    deadline_us = now_us() + REPORTS_US
    while not recorder.balanced and now_us() < deadline_us:  # noqa: ASYNC110  # they are on their way
        await asyncio.sleep(0.05)


async def close_records(
    recording: asyncio.Task[None],
    publishing: asyncio.Task[None] | None,
    *,
    recorder: Recorder,
    checkpointer: Checkpointer,
    teller: Teller,
    mqtt: Publishers | None,
    writer: StoreWriter,
) -> None:
    """Everything reported is recorded, everything recorded is published, then the store is closed."""
    draining = asyncio.create_task(recorder.drain(), name="drain")
    await asyncio.wait({draining}, timeout=SHUT_DOWN_S)
    draining.cancel()
    recording.cancel()
    await checkpointer.close(SHUT_DOWN_S)
    teller.refresh(at_once=True)  # the last head goes out with the last state
    if mqtt is not None and publishing is not None:
        mqtt.stop()
        await asyncio.wait({publishing}, timeout=SHUT_DOWN_S)
        publishing.cancel()
    await asyncio.wait({task for task in (recording, publishing) if task is not None})
    closing = asyncio.create_task(writer.close(), name="close the store")
    await asyncio.wait({closing}, timeout=SHUT_DOWN_S)
