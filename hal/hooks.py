"""What a connection asks and tells the rest of the host."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from protocols.fields import U32_MAX

if TYPE_CHECKING:
    from collections.abc import Callable

    from hal.errors import LaserError
    from protocols.messages import Message
    from protocols.refusals import Reason


def fresh_nonce() -> int:
    """An unpredictable number from 1 to 2^32 - 1."""
    return 1 + secrets.randbelow(U32_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """All are called synchronously, from the event loop.

    `gate`: every reason against sending this message, asked at the moment of sending; never about a stop.
    `on_message`: each out-of-band message, before anything else sees it, with its `now_us`. If it raises,
    the laser is stopped and the connection ends.
    `on_down`: once for each connection that was up, with the reason why it ended.
    `nonce`: a fresh number from 1 to 2^32 - 1, for sessions and stops.
    """

    gate: Callable[[Message], tuple[Reason, ...]]
    on_message: Callable[[Message, int], None]
    on_down: Callable[[LaserError], None]
    nonce: Callable[[], int] = fresh_nonce
