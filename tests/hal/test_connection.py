"""Both ends of the link joined over a memory line, in virtual time."""

import asyncio
import struct
import zlib

import pytest
from cobs import cobs
from hypothesis import given
from hypothesis import strategies as st

from hal.connection import Connection
from hal.errors import LinkError, LinkKind, LocalError, LocalKind, PortError, PortKind
from hal.hooks import Hooks
from hal.outcomes import Done, Failed, Refused, Uncertain
from hal.ports import open_port
from hal.time import now_us
from hal.traffic import Direction
from protocols import requests as wire
from protocols.interface import INTERFACE_HASH, MESSAGES
from protocols.messages import AckPulses, Beam, Connect, Effect, Heartbeat, Intent, Message, Stop
from protocols.refusals import Reason, Refusal, reasons
from protocols.timing import REQUESTS_QUEUED_MAX
from rig.virtual_time import VirtualTimeLoop
from tests.hal.little_laser import LittleLaser, Witness, memory_line, status, turns

NO = (Reason("host.test", "not now", "wait"), Reason("host.other", "nor then", "wait longer"))
ARM = wire.Arm(1, 0, Beam.APERTURE)


async def connect(witness: Witness, name: str = "laser") -> Connection:
    connection = Connection(await open_port(f"memory://{name}"), witness.hooks)
    await connection.open()
    return connection


async def test_a_session_opens_and_requests_are_answered_in_no_time() -> None:
    with memory_line() as end:
        laser, witness = LittleLaser(end, boot=9), Witness()
        connection = await connect(witness)
        assert connection.session is not None
        assert (connection.session.boot, connection.session.number) == (9, laser.link.session)
        assert connection.session.interface_matches
        assert connection.session.interface_note == ""
        outcome = await connection.request(wire.ReadIdentity(), wire.Identity)
        assert isinstance(outcome, Done)
        assert outcome.value.serial == "PL755-0001"
        assert now_us() == 0
        connection.close()
        assert [error.kind for error in witness.downs if isinstance(error, LinkError)] == [LinkKind.CLOSED]


async def test_requests_made_at_once_are_answered_in_their_order() -> None:
    with memory_line() as end:
        laser, witness = LittleLaser(end), Witness()
        connection = await connect(witness)
        outcomes = await asyncio.gather(
            *(connection.request(wire.ReadMode(index), wire.Mode) for index in range(3))
        )
        assert [outcome.value.index for outcome in outcomes if isinstance(outcome, Done)] == [0, 1, 2]
        assert laser.asked == [wire.ReadMode(0), wire.ReadMode(1), wire.ReadMode(2)]
        connection.close()


async def test_more_requests_than_may_wait_are_turned_away() -> None:
    with memory_line() as end:
        laser, witness = LittleLaser(end), Witness()
        connection = await connect(witness)
        laser.mute = True
        asking = [
            asyncio.ensure_future(connection.request(wire.ReadCounters(), wire.Counters))
            for _ in range(REQUESTS_QUEUED_MAX + 1)
        ]
        await turns()
        outcome = await connection.request(wire.ReadCounters(), wire.Counters)
        assert isinstance(outcome, Failed)
        assert isinstance(outcome.error, LocalError)
        assert outcome.error.kind is LocalKind.QUEUE_FULL
        connection.close()
        assert {type(outcome) for outcome in await asyncio.gather(*asking)} == {Failed}


async def test_a_device_that_refuses_tells_all_its_reasons() -> None:
    with memory_line() as end:
        laser, witness = LittleLaser(end), Witness()
        laser.refuses[wire.Arm] = frozenset({Refusal.FOOT_HELD, Refusal.NOT_WARM})
        connection = await connect(witness)
        outcome = await connection.request(ARM, wire.Reply)
        assert outcome == Refused(reasons([Refusal.FOOT_HELD, Refusal.NOT_WARM]))
        connection.close()


# -- the gate


async def test_what_the_gate_refuses_leaves_no_byte_on_the_wire() -> None:
    with memory_line() as end:
        laser, witness = LittleLaser(end), Witness()
        connection = await connect(witness)
        await turns()
        before, sent_before = bytes(laser.received), connection.counters.bytes_sent
        witness.reasons = {wire.Arm: NO, Heartbeat: NO, AckPulses: NO, wire.ReadIdentity: NO}
        assert await connection.request(ARM, wire.Reply) == Refused(NO)
        assert await connection.request(wire.ReadIdentity(), wire.Identity) == Refused(NO)
        assert connection.send(Heartbeat(1, Intent.IDLE)) == Refused(NO)
        assert connection.send(AckPulses(1)) == Refused(NO)
        await asyncio.sleep(0.9)  # nor later
        assert bytes(laser.received) == before
        assert connection.counters.bytes_sent == sent_before
        witness.reasons = {}
        assert isinstance(await connection.request(ARM, wire.Reply), Done)
        connection.close()


async def test_every_message_but_a_stop_is_judged_at_the_moment_of_sending() -> None:
    with memory_line() as end:
        laser, witness = LittleLaser(end), Witness()
        connection = await connect(witness)
        assert witness.judged == [Connect(1001, INTERFACE_HASH)]
        laser.silent_on = {wire.ReadCounters}
        reading = asyncio.ensure_future(connection.request(wire.ReadCounters(), wire.Counters))
        arming = asyncio.ensure_future(connection.request(ARM, wire.Reply))
        await asyncio.sleep(0.05)
        assert ARM not in witness.judged  # it waits for its turn: what holds then is what counts
        witness.reasons = {wire.Arm: NO}
        laser.link.answer(wire.Counters(0, 0, 0, 0, 0, 0))
        laser.flush()
        assert isinstance(await reading, Done)
        assert await arming == Refused(NO)
        assert ARM not in laser.asked
        await connection.stop()
        assert not any(message.effect is Effect.STOPS for message in witness.judged)
        connection.close()


async def test_a_connect_that_the_gate_refuses_is_not_sent() -> None:
    with memory_line() as end:
        laser, witness = LittleLaser(end), Witness()
        witness.reasons = {Connect: NO}
        with pytest.raises(LinkError, match="not now: wait; nor then: wait longer") as caught:
            await connect(witness)
        assert caught.value.kind is LinkKind.GATE
        assert laser.received == b""
        assert end.host is None


async def test_a_permit_that_the_gate_no_longer_wants_is_not_repeated_but_stopped() -> None:
    with memory_line() as end:
        laser, witness = LittleLaser(end), Witness()
        connection = await connect(witness)
        laser.mute = True
        arming = asyncio.ensure_future(connection.request(ARM, wire.Reply))
        await asyncio.sleep(0.01)
        witness.reasons = {wire.Arm: NO}
        laser.mute = False
        frames = [(0, bytes(laser.received))]
        outcome = await arming
        assert isinstance(outcome, Uncertain)
        assert outcome.error.kind is LinkKind.STOPPED
        await turns()
        sent_later = bytes(laser.received)[len(frames[0][1]) :]
        assert len(laser.stops) == 1
        assert ARM.encode() not in cobs.decode(sent_later.strip(b"\0").split(b"\0")[0])
        assert connection.is_up
        connection.close()


# -- what is lost


@pytest.mark.parametrize(
    ("message", "kind"),
    [(wire.ReadCounters(), Failed), (wire.Standby(), Uncertain), (ARM, Uncertain)],
    ids=["reads", "sets", "permits"],
)
async def test_a_lost_answer_is_certain_only_for_what_reads(
    message: wire.Request, kind: type[Failed | Uncertain]
) -> None:
    with memory_line() as end:
        laser, witness = LittleLaser(end), Witness()
        connection = await connect(witness)
        laser.silent_on = {type(message)}
        outcome = await connection.request(message, wire.Answer)
        assert type(outcome) is kind
        assert len(laser.asked) == 1  # repeated on the wire, acted on once
        assert isinstance(await connection.ended(), LinkError)
        after = await connection.request(message, wire.Answer)
        assert type(after) is Failed  # not sent at all
        assert len(witness.downs) == 1


async def test_a_request_whose_answer_was_lost_once_is_answered_and_acted_on_once() -> None:
    with memory_line() as end:
        laser, witness = LittleLaser(end), Witness()
        connection = await connect(witness)
        laser.mute = True
        asking = asyncio.ensure_future(connection.request(ARM, wire.Reply))
        await asyncio.sleep(0.1)
        laser.mute = False
        outcome = await asking
        assert isinstance(outcome, Done)
        assert laser.asked == [ARM]
        connection.close()


async def test_a_line_that_falls_silent_is_down_after_a_second() -> None:
    with memory_line() as end:
        laser, witness = LittleLaser(end), Witness()
        connection = await connect(witness)
        laser.tell(status())
        await turns()
        error = await connection.ended()
        assert error.kind is LinkKind.SILENT
        assert now_us() == 1_000_000
        assert witness.downs == [error]
        assert end.host is None


async def test_a_half_open_line_that_takes_but_does_not_answer_is_down_and_told_once() -> None:
    with memory_line() as end:
        laser, witness = LittleLaser(end), Witness()
        connection = await connect(witness)

        async def chatter() -> None:  # one direction lives on
            while True:
                laser.tell(status())
                await asyncio.sleep(0.25)

        end.on_bytes = lambda _: None
        chattering = asyncio.ensure_future(chatter())
        outcome = await connection.request(ARM, wire.Reply)
        assert isinstance(outcome, Uncertain)
        assert outcome.error.kind is LinkKind.NO_ANSWER
        assert connection.is_up  # it is being stopped: nobody knows whether it is armed
        assert isinstance(connection.send(Heartbeat(1, Intent.ARMED)), Failed)  # and nothing keeps it alive
        error = await connection.ended()
        assert error.kind is LinkKind.STOPPED
        assert witness.downs == [error]
        chattering.cancel()


async def test_a_permit_that_was_lost_on_a_line_that_still_carries_out_is_stopped() -> None:
    with memory_line() as end:
        laser, witness = LittleLaser(end), Witness()
        connection = await connect(witness)
        laser.silent_on = {wire.Arm}
        outcome = await connection.request(ARM, wire.Reply)
        assert isinstance(outcome, Uncertain)
        assert (await connection.ended()).kind is LinkKind.SILENT
        assert len(laser.stops) == 1
        laser.silent_on = {wire.ReadCounters}  # what only reads needs no stop
        connection = await connect(witness)
        assert isinstance(await connection.request(wire.ReadCounters(), wire.Counters), Failed)
        assert len(laser.stops) == 1


async def test_a_gate_that_breaks_while_a_permit_is_repeated_stops_the_laser() -> None:
    with memory_line() as end:
        laser, witness = LittleLaser(end), Witness()

        def breaking(message: Message) -> tuple[Reason, ...]:
            if isinstance(message, wire.Arm) and laser.asked:
                raise ZeroDivisionError("a bug")
            return ()

        hooks = Hooks(gate=breaking, on_message=witness.hooks.on_message, on_down=witness.hooks.on_down)
        connection = Connection(await open_port("memory://laser"), hooks)
        await connection.open()
        laser.silent_on = {wire.Arm}
        assert isinstance(await connection.request(ARM, wire.Reply), Uncertain)
        await turns()
        assert now_us() == 200_000
        assert len(laser.stops) == 1
        with pytest.raises(ZeroDivisionError):  # asked anew, the asker learns of the bug, and nothing is sent
            await connection.request(ARM, wire.Reply)
        assert len(laser.asked) == 1
        connection.close()


async def test_a_pulled_cable_ends_the_connection_and_what_was_asked() -> None:
    with memory_line() as end:
        laser, witness = LittleLaser(end), Witness()
        connection = await connect(witness)
        laser.mute = True
        arming = asyncio.ensure_future(connection.request(ARM, wire.Reply))
        reading = asyncio.ensure_future(connection.request(wire.ReadCounters(), wire.Counters))
        await turns()
        end.close()
        assert isinstance(await arming, Uncertain)
        assert isinstance(await reading, Failed)
        assert [error.kind for error in witness.downs if isinstance(error, PortError)] == [PortKind.LOST]
        assert not connection.is_up
        assert isinstance(connection.send(Heartbeat(1, Intent.IDLE)), Failed)


async def test_a_permit_whose_asker_is_cancelled_becomes_a_stop() -> None:
    with memory_line() as end:
        laser, witness = LittleLaser(end), Witness()
        connection = await connect(witness)
        laser.silent_on = {wire.Arm}
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await connection.request(ARM, wire.Reply)
        await turns()
        assert len(laser.stops) == 1
        connection.close()


async def test_a_permit_that_was_given_while_its_asker_was_cancelled_becomes_a_stop() -> None:
    with memory_line() as end:
        laser, witness = LittleLaser(end), Witness()
        connection = await connect(witness)
        for message, stops in ((wire.ReadCounters(), 0), (ARM, 1)):
            laser.silent_on = {type(message)}
            asking = asyncio.ensure_future(connection.request(message, wire.Answer))
            await turns()
            laser.link.answer(laser.answer(message))
            laser.flush()
            asyncio.get_running_loop().call_soon(asking.cancel)  # right behind the answer, before its asker
            with pytest.raises(asyncio.CancelledError):
                await asking
            await turns()
            assert len(laser.stops) == stops
        laser.silent_on = set()
        laser.refuses[wire.Arm] = frozenset({Refusal.FOOT_HELD})
        laser.silent_on = {wire.Arm}
        asking = asyncio.ensure_future(connection.request(ARM, wire.Reply))
        await turns()
        laser.link.answer(laser.answer(ARM))
        laser.flush()
        asyncio.get_running_loop().call_soon(asking.cancel)
        with pytest.raises(asyncio.CancelledError):
            await asking
        await turns()
        assert len(laser.stops) == 1  # it was refused: nothing to stop
        connection.close()


async def test_one_who_gives_up_waiting_for_the_wire_takes_the_turn_from_nobody() -> None:
    with memory_line() as end:
        laser, witness = LittleLaser(end), Witness()
        connection = await connect(witness)
        laser.silent_on = {wire.ReadCounters}
        asking = [
            asyncio.ensure_future(connection.request(message, wire.Answer))
            for message in (wire.ReadCounters(), wire.ReadMode(0), wire.ReadMode(1), wire.ReadMode(2))
        ]
        await turns()
        asking[1].cancel()  # while it waits
        laser.link.answer(wire.Counters(0, 0, 0, 0, 0, 0))
        laser.flush()
        asyncio.get_running_loop().call_soon(asking[2].cancel)  # just as its turn comes
        outcomes = await asyncio.gather(*asking, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [
            *(Done, asyncio.CancelledError, asyncio.CancelledError, Done)
        ]
        assert laser.asked == [wire.ReadCounters(), wire.ReadMode(2)]
        assert isinstance(await connection.request(wire.ReadIdentity(), wire.Identity), Done)
        connection.close()


async def test_a_reading_whose_asker_is_cancelled_does_not_hold_up_or_confuse_the_next() -> None:
    with memory_line() as end:
        laser, witness = LittleLaser(end), Witness()
        connection = await connect(witness)
        laser.silent_on = {wire.ReadCounters}
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await connection.request(wire.ReadCounters(), wire.Counters)
        asking = asyncio.ensure_future(connection.request(wire.ReadIdentity(), wire.Identity))
        await turns()
        assert wire.ReadIdentity() not in witness.judged  # its turn has not come
        laser.link.answer(wire.Counters(0, 0, 0, 0, 0, 0))
        laser.flush()
        assert isinstance(await asking, Done)
        assert not laser.stops
        connection.close()


async def test_an_answer_of_another_type_than_asked_for_is_a_mistake_of_the_caller() -> None:
    with memory_line() as end:
        LittleLaser(end)
        connection = await connect(Witness())
        with pytest.raises(TypeError, match="ReadIdentity is not answered by Counters"):
            await connection.request(wire.ReadIdentity(), wire.Counters)
        connection.close()


async def test_one_who_breaks_when_told_of_the_end_keeps_nothing_from_ending(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(_: Exception) -> None:
        raise ZeroDivisionError("a bug")

    with memory_line() as end:
        laser, witness = LittleLaser(end), Witness()
        hooks = Hooks(gate=witness.gate, on_message=witness.hooks.on_message, on_down=broken)
        connection = Connection(await open_port("memory://laser"), hooks)
        await connection.open()
        laser.silent_on = {wire.ReadCounters}
        asking = asyncio.ensure_future(connection.request(wire.ReadCounters(), wire.Counters))
        await turns()
        connection.close()
        assert isinstance(await asking, Failed)
        assert (await connection.ended()).kind is LinkKind.CLOSED
        assert end.host is None
        assert "a bug" in caplog.text


# -- out of band


async def test_messages_reach_the_observer_at_once_with_their_time_and_gaps_are_counted() -> None:
    with memory_line() as end:
        laser, witness = LittleLaser(end), Witness()
        connection = await connect(witness)
        await asyncio.sleep(0.25)
        laser.tell(status(challenge=5))
        laser.mute = True
        laser.tell(status(challenge=6))
        laser.tell(status(challenge=7))
        laser.mute = False
        laser.tell(status(challenge=8))
        await turns()
        assert witness.seen == [(status(challenge=5), 250_000), (status(challenge=8), 250_000)]
        assert connection.counters.messages_lost == 2
        assert isinstance(connection.send(Heartbeat(8, Intent.IDLE)), Done)
        await turns()
        assert laser.heard == [Heartbeat(8, Intent.IDLE)]
        connection.close()


async def test_an_observer_that_breaks_stops_the_laser_and_ends_the_connection() -> None:
    def broken(message: Message, at_us: int) -> None:
        raise ZeroDivisionError("a bug")

    with memory_line() as end:
        laser, witness = LittleLaser(end), Witness()
        hooks = Hooks(
            gate=witness.gate, on_message=broken, on_down=witness.downs.append, nonce=witness.hooks.nonce
        )
        connection = Connection(await open_port("memory://laser"), hooks)
        await connection.open()
        laser.tell(status())
        error = await connection.ended()
        assert error.kind is LinkKind.OBSERVER
        assert "a bug" in error.text
        assert len(laser.stops) == 1
        assert witness.downs == [error]


async def test_the_last_thirty_seconds_of_bytes_are_kept_both_ways() -> None:
    with memory_line() as end:
        laser, witness = LittleLaser(end), Witness()
        connection = await connect(witness)
        for _ in range(100):
            laser.tell(status())
            connection.send(Heartbeat(1, Intent.IDLE))
            await asyncio.sleep(0.5)
        kept = connection.recent_traffic()
        assert kept[-1].at_us - kept[0].at_us <= 30_000_000
        assert kept[0].at_us >= 19_500_000
        for direction, of_device in ((Direction.OUT, laser.received), (Direction.IN, laser.sent)):
            said = b"".join(chunk.data for chunk in kept if chunk.direction is direction)
            assert len(said) > 1000
            assert bytes(of_device).endswith(said)
        assert connection.counters.bytes_sent == len(laser.received)
        assert connection.counters.bytes_received == len(laser.sent)
        assert connection.counters.frames_received == 1 + 100
        connection.close()


# -- openings that fail


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


def test_every_message_that_stops_is_out_of_reach_of_send_and_request() -> None:
    assert [message for message in MESSAGES if message.effect is Effect.STOPS] == [Stop]
    assert not issubclass(Stop, wire.Request)
