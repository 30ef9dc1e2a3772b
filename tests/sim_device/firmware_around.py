"""What stands in for the line and the memory around an enumerated firmware, and what is so around it."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from protocols.device_link import DeviceEvent
from protocols.messages import Message
from protocols.requests import Grant

PAGE: Final = 128


class Pages:
    """Non-volatile memory of which an image costs nothing while nothing is written."""

    def __init__(self, data: bytes) -> None:
        self.size = len(data)
        self.pages = tuple(data[at : at + PAGE] for at in range(0, len(data), PAGE))
        self.broken = False

    def read(self, offset: int, length: int) -> bytes:
        first, last = offset // PAGE, (offset + length - 1) // PAGE
        return b"".join(self.pages[first : last + 1])[offset % PAGE :][:length]

    def write(self, offset: int, data: bytes) -> None:
        if self.broken:
            raise OSError("broken")
        pages, first = list(self.pages), offset // PAGE
        last = (offset + len(data) - 1) // PAGE
        run = bytearray(b"".join(pages[first : last + 1]))
        run[offset % PAGE : offset % PAGE + len(data)] = data
        for index in range(first, last + 1):
            pages[index] = bytes(run[(index - first) * PAGE :][:PAGE])
        self.pages = tuple(pages)


class NoLink:
    """The place of the link: what is put into it was received, what is answered is kept."""

    frames_rejected = 0

    def __init__(self) -> None:
        self.coming: list[DeviceEvent] = []
        self.answers: list[Any] = []

    def receive(self, _: bytes) -> list[DeviceEvent]:
        coming, self.coming = self.coming, []
        return coming

    def answer(self, message: Any) -> None:
        self.answers.append(message)

    def send(self, _: Message) -> None: ...

    def outgoing(self) -> bytes:
        return b""


class Facts(NamedTuple):
    """What is so around the firmware."""

    flaws: tuple[str, ...] = ()
    light_uj: int = 0  # the lamp was triggered: light of this energy comes, or does not
    width_ps: int = 0
    rested: bool = True  # a period has gone by since the last trigger
    given: int = 0  # pulses under the newest permit
    permit: Grant | None = None  # the newest that was granted
    down: bool = False  # both contacts of the footswitch are closed
    pressed_since: bool = False  # they were closed after the permit was granted
    pedal: bool = False  # what the foot does, whatever the contacts say
    sessions: int = 1
    permits: int = 0
