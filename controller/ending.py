"""The ending: how the laser is made safe before the daemon goes, while all that this needs still runs."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from controller.commands import Commands
from controller.console import WATCHER
from controller.fanout import Fanout
from controller.recorder import Recorder
from controller.treatment import Treatment
from hal.time import now_us
from protocols.timing import SECOND

REPORTS_US: Final = SECOND  # [C] three repetitions of a report; what is later comes at the next start
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
