"""One end of the link in hand: frames of the other end are made and read here."""

from protocols import host_link as hl
from protocols.device_link import DeviceLink
from protocols.frame import Decoder, Frame, ParseError, encode
from protocols.host_link import HostLink
from protocols.interface import INTERFACE_HASH
from protocols.messages import Connect, Connected, Message, Result
from protocols.requests import Counters, Reply

SESSION = 0x55AA
DONE = Reply(Result.DONE, frozenset(), 0)
COUNTERS = Counters(0, 0, 0, 0, 0, 0)


def from_device(message: Message, seq: int = 0, session: int = SESSION) -> bytes:
    return encode(Frame(session, seq, message))


def sent(link: HostLink | DeviceLink) -> list[Frame]:
    """What the link wants on the wire, as frames: whole ones, and no byte besides."""
    data = link.outgoing()
    assert data[-1:] in {b"", b"\0"}
    found = Decoder().feed(data)
    assert not any(isinstance(item, ParseError) for item in found)
    return [item for item in found if isinstance(item, Frame)]


def host_up(now_us: int = 0) -> HostLink:
    """A host link in session SESSION."""
    link = HostLink(host_nonce=9)
    link.open(now_us)
    assert [frame.message for frame in sent(link)] == [Connect(9, INTERFACE_HASH)]
    events = link.receive(from_device(Connected(9, 4, INTERFACE_HASH)), now_us)
    assert events == [hl.Up(SESSION, 4, INTERFACE_HASH)]
    return link
