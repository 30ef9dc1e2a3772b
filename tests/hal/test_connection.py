"""Both ends of the link joined over a memory line, in virtual time: requests, gate, what is out of band."""

import asyncio

import pytest
from cobs import cobs

from hal.connection import Connection
from hal.errors import LinkError, LinkKind, LocalError, LocalKind
from hal.hooks import Hooks
from hal.outcomes import Done, Failed, Refused, Uncertain
from hal.ports import open_port
from hal.time import now_us
from hal.traffic import Direction
from protocols import requests as wire
from protocols.interface import INTERFACE_HASH, MESSAGES
from protocols.messages import AckPulses, Connect, Effect, Heartbeat, Intent, Message, Stop
from protocols.refusals import Reason, Refusal, reasons
from protocols.timing import REQUESTS_QUEUED_MAX
from tests.hal.connecting import ARM, connect
from tests.hal.little_laser import LittleLaser, Witness, memory_line, turns
from tests.still_laser import status

NO = (Reason("host.test", "not now", "wait"), Reason("host.other", "nor then", "wait longer"))


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


def test_every_message_that_stops_is_out_of_reach_of_send_and_request() -> None:
    assert [message for message in MESSAGES if message.effect is Effect.STOPS] == [Stop]
    assert not issubclass(Stop, wire.Request)
