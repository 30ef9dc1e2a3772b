"""Openings of a connection that fail, each told apart."""

import asyncio
import struct
import zlib

import pytest
from cobs import cobs
from hypothesis import given
from hypothesis import strategies as st

from hal.errors import LinkError, LinkKind
from hal.hooks import Hooks
from hal.outcomes import Done
from hal.time import now_us
from protocols import requests as wire
from protocols.interface import INTERFACE_HASH
from rig.virtual_time import VirtualTimeLoop
from tests.hal.connecting import ARM, connect
from tests.hal.little_laser import LittleLaser, Witness, memory_line, turns
from tests.still_laser import status


async def opening_error(witness: Witness) -> LinkError:
    with pytest.raises(LinkError) as caught:
        await connect(witness)
    assert witness.downs == []  # it was never up
    return caught.value


async def test_nothing_heard_means_off_or_another_port() -> None:
    with memory_line() as end:
        error = await opening_error(Witness())
        assert error.kind is LinkKind.NOTHING_HEARD
        assert "memory line laser: nothing was heard" in str(error)
        assert "switch the laser on" in str(error)
        assert now_us() <= 4_000_000
        assert end.host is None  # the port is free again


async def test_bytes_without_a_frame_are_shown_as_hex_and_text() -> None:
    with memory_line() as end:
        end.on_bytes = lambda _: end.write(b"login: \x80\r\n\0")
        error = await opening_error(Witness())
        assert error.kind is LinkKind.NO_FRAMES
        assert "6c 6f 67 69 6e 3a 20 80 0d 0a 00" in error.text
        assert "|login: ...." in error.text
        assert "baud rate" in error.action


async def test_a_loopback_plug_is_recognised() -> None:
    with memory_line() as end:
        end.on_bytes = end.write
        assert (await opening_error(Witness())).kind is LinkKind.ECHO


async def test_another_protocol_version_is_told_with_both_numbers() -> None:
    def answer_in_version_2(_: bytes) -> None:
        raw = struct.pack("<BBBII", 2, 0x02, 0, 7, 0)
        end.write(cobs.encode(raw + struct.pack("<I", zlib.crc32(raw))) + b"\0")

    with memory_line() as end:
        end.on_bytes = answer_in_version_2
        error = await opening_error(Witness())
        assert error.kind is LinkKind.VERSION
        assert "version 2, this host 1" in error.text


async def test_an_older_session_played_back_is_not_taken_for_a_laser() -> None:
    with memory_line("recorded") as end:
        laser, witness = LittleLaser(end), Witness()
        connection = await connect(witness, "recorded")
        laser.tell(status())
        await connection.request(wire.ReadIdentity(), wire.Identity)
        await connection.request(ARM, wire.Reply)
        await connection.stop()
        connection.close()
        recording = bytes(laser.sent)
    with memory_line("player") as end:
        witness = Witness()
        witness.hooks = Hooks(
            gate=witness.gate,
            on_message=witness.hooks.on_message,
            on_down=witness.hooks.on_down,
            nonce=iter(range(5000, 6000)).__next__,  # as chance would have it: other than the recorded ones
        )
        end.on_bytes = lambda _: end.write(recording)
        with pytest.raises(LinkError) as caught:
            await connect(witness, "player")
        assert caught.value.kind is LinkKind.NO_ANSWER
        assert "frames were heard, but none answers this host" in caught.value.text
        assert witness.seen == []


@pytest.mark.shows("REQ-033", "HZ-036")
async def test_an_older_session_played_back_into_a_live_one_changes_nothing() -> None:
    with memory_line() as end:
        laser, witness = LittleLaser(end), Witness()
        connection = await connect(witness)
        laser.tell(status(challenge=77))
        await connection.request(ARM, wire.Reply)
        connection.close()
        recording = bytes(laser.sent)
        witness.seen.clear()
        connection = await connect(witness)
        end.write(recording)
        outcome = await connection.request(wire.ReadIdentity(), wire.Identity)
        assert isinstance(outcome, Done)
        assert witness.seen == []
        assert connection.is_up
        connection.close()


async def test_another_interface_connects_for_reading_and_says_both_hashes() -> None:
    with memory_line() as end:
        LittleLaser(end, interface_hash=0xABCD)
        connection = await connect(Witness())
        assert connection.session is not None
        assert not connection.session.interface_matches
        assert "000000000000abcd" in connection.session.interface_note
        assert f"{INTERFACE_HASH:016x}" in connection.session.interface_note
        assert isinstance(await connection.request(wire.ReadIdentity(), wire.Identity), Done)
        connection.close()


async def test_a_cancelled_opening_frees_the_port() -> None:
    with memory_line() as end:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await connect(Witness())
        assert end.host is None


@given(st.lists(st.binary(max_size=400), max_size=20), st.integers(0, 19))
def test_random_bytes_are_never_taken_for_anything(noise: list[bytes], ask_at: int) -> None:
    async def scenario() -> None:
        with memory_line() as end:
            laser, witness = LittleLaser(end), Witness()
            connection = await connect(witness)
            for index, chunk in enumerate(noise):
                end.write(chunk)
                if index == ask_at:
                    end.write(b"\0")
                    assert isinstance(await connection.request(ARM, wire.Reply), Done)
            end.write(b"\0")
            await turns()
            assert witness.seen == []
            assert len(laser.asked) <= 1
            assert connection.is_up
            connection.close()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(scenario())
