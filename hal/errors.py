"""The errors of the driver: one root, below it whose fault it is, each with fields and a way out.

`LocalError`: we asked wrongly. `DeviceError`: it answered, but not as it must. `LinkError`: no valid answer.
`PortError` is the link error of the port itself. Whether something may have happened in spite of the error
is told by the outcome that carries it, not by the error.
"""

from __future__ import annotations

import enum


class LocalKind(enum.StrEnum):
    """What was wrong with what we asked."""

    VALUE = "value"  # outside what the wire or the laser can carry
    QUEUE_FULL = "queue_full"
    CLOCK = "clock"  # the laser's time is not known yet
    DRIVER = "driver"  # no such driver installed, or it does not load


class DeviceKind(enum.StrEnum):
    """What was wrong with what the device said."""

    READ_BACK = "read_back"  # the set-point read back is not the one that was committed
    OTHER_SERIAL = "other_serial"
    NO_SERIAL = "no_serial"
    RESTARTED = "restarted"  # the facts at hand are from an earlier start of the device


class LinkKind(enum.StrEnum):
    """Why there is no valid answer."""

    NOTHING_HEARD = "nothing_heard"
    NO_FRAMES = "no_frames"  # bytes, but never a frame
    ECHO = "echo"  # only what we sent ourselves
    NO_ANSWER = "no_answer"
    VERSION = "version"
    SILENT = "silent"
    SESSION = "session"
    DESYNCHRONISED = "desynchronised"
    REJECTED = "rejected"
    GATE = "gate"  # our own gate did not let the session be opened
    STOPPED = "stopped"  # a stop dropped it, or ended the connection
    OBSERVER = "observer"  # what watches the messages broke
    CLOSED = "closed"  # we closed it ourselves


class PortKind(enum.StrEnum):
    """What is wrong with a port."""

    NAME = "name"  # no URL that we know
    ABSENT = "absent"
    BUSY = "busy"
    PERMISSION = "permission"
    NOT_SERIAL = "not_serial"
    REFUSED = "refused"
    BAUD = "baud"
    TIMEOUT = "timeout"
    FROZEN = "frozen"  # the other end takes no bytes any more
    LOST = "lost"  # it was open and went away


class LaserError(Exception):
    """Root of all driver errors: `kind` for programs, `text` and `action` for people."""

    def __init__(self, kind: enum.StrEnum, text: str, action: str) -> None:
        super().__init__(f"{text}: {action}")
        self.kind = kind
        self.text = text
        self.action = action


class LocalError(LaserError):
    """We asked wrongly; nothing was sent. `field` and `value` name the culprit where there is one."""

    def __init__(
        self, kind: LocalKind, text: str, action: str, *, field: str = "", value: object = None
    ) -> None:
        super().__init__(kind, text, action)
        self.field = field
        self.value = value


class DeviceError(LaserError):
    """The device answered, but the answer cannot be accepted."""

    def __init__(self, kind: DeviceKind, text: str, action: str) -> None:
        super().__init__(kind, text, action)


class LinkError(LaserError):
    """There was no valid answer."""

    def __init__(self, kind: LinkKind | PortKind, text: str, action: str) -> None:
        super().__init__(kind, text, action)


class PortError(LinkError):
    """The port `url` cannot be used, or not any more."""

    def __init__(self, kind: PortKind, url: str, text: str, action: str) -> None:
        super().__init__(kind, text, action)
        self.url = url
