"""Link failures in words: what was heard, what it means, what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hal.errors import LinkError, LinkKind
from protocols.host_link import Failed, LinkFailure
from protocols.layout import PROTOCOL_VERSION

if TYPE_CHECKING:
    from hal.traffic import Counters

_PRINTABLE: Final = range(0x20, 0x7F)

# LinkFailure -> (kind, what to do); VERSION and a failed opening have sentences of their own below
_ACTIONS: Final[dict[LinkFailure, tuple[LinkKind, str]]] = {
    LinkFailure.NO_ANSWER: (LinkKind.NO_ANSWER, "check the cable; the connection is made anew"),
    LinkFailure.SILENT: (LinkKind.SILENT, "check the device's power and its cable"),
    LinkFailure.SESSION: (LinkKind.SESSION, "see that no other host uses it; the connection is made anew"),
    LinkFailure.DESYNCHRONISED: (LinkKind.DESYNCHRONISED, "the connection is made anew"),
    LinkFailure.REJECTED: (LinkKind.REJECTED, "install matching versions of host and firmware"),
    LinkFailure.STOP_UNCONFIRMED: (LinkKind.STOPPED, "press the emergency stop and look at the laser"),
}


def failure_error(failed: Failed) -> LinkError:
    """The error of a link that was up."""
    if failed.why is LinkFailure.VERSION:
        return _version_error(failed.detail)
    kind, action = _ACTIONS[failed.why]
    detail = f" (opcode {failed.detail:#04x})" if failed.detail else ""
    return LinkError(kind, f"{failed.why.value}{detail}", action)


def opening_error(
    failed: Failed, port: str, first_bytes: bytes, counters: Counters, *, echoed: bool
) -> LinkError:
    """The error of a session that could not be opened, told apart by what came back, if anything."""
    if failed.why is LinkFailure.VERSION:
        return _version_error(failed.detail)
    if not counters.bytes_received:
        return LinkError(
            LinkKind.NOTHING_HEARD,
            f"{port}: nothing was heard",
            "switch the laser on, check the cable, check that this is its port",
        )
    if echoed and not counters.frames_received:
        return LinkError(
            LinkKind.ECHO,
            f"{port}: the line only echoes what is sent",
            "remove the loopback plug, or turn the echo of the other end off",
        )
    heard = f"{counters.bytes_received} bytes came, the first: {show(first_bytes)}"
    if not counters.frames_received:
        return LinkError(
            LinkKind.NO_FRAMES,
            f"{port}: no valid frame was heard; {heard}",
            "check the baud rate (115200 unless set otherwise) and that this is the laser's port",
        )
    return LinkError(
        LinkKind.NO_ANSWER,
        f"{port}: frames were heard, but none answers this host; {heard}",
        "check the wire towards the device, and that the port plays no recording or serves another host",
    )


def not_open_error() -> LinkError:
    """The error of what needs an open session."""
    return LinkError(LinkKind.CLOSED, "the session is not open", "open it, or connect again")


def stopped_error() -> LinkError:
    """The error of a request that a stop overtook."""
    return LinkError(LinkKind.STOPPED, "a stop dropped the request", "look why it was stopped")


def show(data: bytes) -> str:
    """Bytes as hex and as printable text: `41 00 |A.|`."""
    text = "".join(chr(byte) if byte in _PRINTABLE else "." for byte in data)
    return f"{data.hex(' ')} |{text}|"


def _version_error(version: int) -> LinkError:
    if version == PROTOCOL_VERSION:  # the device complained of ours
        text = f"the device does not take protocol version {PROTOCOL_VERSION}, which this host speaks"
    else:
        text = f"the device speaks protocol version {version}, this host {PROTOCOL_VERSION}"
    return LinkError(LinkKind.VERSION, text, "install matching versions of host and firmware")
