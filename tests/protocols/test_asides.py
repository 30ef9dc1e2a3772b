"""Small print of the wire and of payloads: found missing by mutation testing."""

import pytest

from protocols.device_link import DeviceLink
from protocols.frame import ENCODED_MAX, Decoder, ParseError
from protocols.host_link import HostLink, LinkState
from protocols.interface import INTERFACE_HASH
from protocols.messages import Connect, Connected, Nak, NakReason
from protocols.payloads import encode
from tests.protocols.ends import from_device, sent


def test_a_run_of_as_many_bytes_as_the_longest_frame_has_is_still_waited_for() -> None:
    decoder = Decoder()
    assert decoder.feed(b"\1" * ENCODED_MAX) == []
    (found,) = decoder.feed(b"\1")
    assert isinstance(found, ParseError)
    assert found.reason is NakReason.LENGTH


def test_an_echo_is_a_wrong_opcode() -> None:
    link = HostLink(host_nonce=9)
    link.open(0)
    (found,) = link.receive(from_device(Connect(9, INTERFACE_HASH), session=0), 0)
    assert isinstance(found, ParseError)
    assert (found.reason, found.detail) == (NakReason.OPCODE, Connect.opcode)


@pytest.mark.parametrize("reason", [reason for reason in NakReason if reason is not NakReason.VERSION])
def test_while_connecting_only_another_version_is_told_by_a_nak(reason: NakReason) -> None:
    link = HostLink(host_nonce=9)
    link.open(0)
    assert link.receive(from_device(Nak(reason, 1, 0), session=0), 0) == []
    assert link.state is LinkState.CONNECTING


def test_the_first_session_of_a_start_has_a_number_of_its_own() -> None:
    sessions = []
    for boot in (7, 8):
        device = DeviceLink(boot)
        for nonce in (1, 2):
            device.receive(from_device(Connect(nonce, INTERFACE_HASH), session=0))
            (answer,) = sent(device)
            assert isinstance(answer.message, Connected)
            sessions.append(answer.session)
    assert len(set(sessions)) == 4


def test_a_payload_is_utf_8_and_has_no_blanks() -> None:
    assert encode({"text": "5 µJ", "n": 1}) == '{"text":"5 µJ","n":1}'.encode()
