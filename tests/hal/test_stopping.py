"""A stop: written at once, first, past everything; how it escalates; that its result always comes."""

import asyncio

import pytest
from cobs import cobs

from hal.connection import Connection
from hal.errors import LinkKind, PortKind
from hal.outcomes import Done, Failed, Refused, Uncertain
from hal.ports import open_port
from hal.stopping import StopLevel
from hal.time import now_us
from protocols import requests as wire
from protocols.frame import Decoder, Frame
from protocols.messages import Beam, Connect, Heartbeat, Intent, Stop, Stopped
from protocols.refusals import Reason
from tests.hal.little_laser import LittleLaser, Witness, memory_line, turns
from tests.still_laser import status

ARM = wire.Arm(1, 0, Beam.APERTURE)
NEVER = 10**6


async def connect(witness: Witness) -> Connection:
    connection = Connection(await open_port("memory://laser"), witness.hooks)
    await connection.open()
    return connection


def frames(data: bytes) -> list[Frame]:
    return [found for found in Decoder().feed(data) if isinstance(found, Frame)]


async def test_a_stop_is_confirmed_and_the_session_goes_on() -> None:
    with memory_line() as end:
        laser, witness = LittleLaser(end), Witness()
        connection = await connect(witness)
        result = await connection.stop()
        assert (result.level, result.confirmed, result.took_us) == (StopLevel.STOP, True, 0)
        assert str(result) == "stop confirmed (STOP, 0.0 ms)"
        assert [type(message) for message, _ in witness.seen] == [Stopped]
        assert isinstance(await connection.request(wire.ReadIdentity(), wire.Identity), Done)
        assert len(laser.stops) == 1
        connection.close()


async def test_a_stop_is_written_before_the_call_returns() -> None:
    with memory_line() as end:
        LittleLaser(end)
        connection = await connect(Witness())
        sent_before = connection.counters.bytes_sent
        stopping = connection.stop()  # not awaited
        assert connection.counters.bytes_sent > sent_before
        await stopping
        connection.close()


async def test_a_stop_passes_a_gate_that_refuses_everything_and_is_not_even_asked_about() -> None:
    with memory_line() as end:
        laser, witness = LittleLaser(end), Witness()
        connection = await connect(witness)
        no = (Reason("host.test", "no", "wait"),)
        witness.reasons = dict.fromkeys((Stop, Connect, Heartbeat, wire.Standby, wire.Arm), no)
        laser.confirms_from = 12  # as far as the link reset, whose Connect is part of the stop
        judged_before = list(witness.judged)
        result = await connection.stop()
        assert result.confirmed
        assert witness.judged == judged_before


async def test_a_stop_overtakes_what_the_port_has_not_delivered() -> None:
    with memory_line() as end:
        laser, witness = LittleLaser(end), Witness()
        connection = await connect(witness)
        await turns()
        end.frozen = True
        before = len(laser.received)
        for _ in range(50):
            connection.send(Heartbeat(1, Intent.PERMIT))
        arming = asyncio.ensure_future(connection.request(ARM, wire.Reply))
        queued = asyncio.ensure_future(connection.request(ARM, wire.Reply))
        await turns()
        stopping = connection.stop()
        assert now_us() == 0  # nothing waited for the frozen device
        assert isinstance(await arming, Uncertain)
        assert isinstance(await queued, Failed)  # it never left, and never will
        await asyncio.sleep(0.01)
        end.frozen = False
        result = await stopping
        assert (result.level, result.confirmed) == (StopLevel.STOP, True)
        assert bytes(laser.received)[before] == 0  # a delimiter ends whatever was cut
        assert [type(frame.message) for frame in frames(bytes(laser.received)[before:])] == [Stop]
        assert laser.asked == []
        connection.close()


async def test_after_a_stop_that_dropped_a_request_the_next_one_is_answered_in_the_same_session() -> None:
    with memory_line() as end:
        laser, witness = LittleLaser(end), Witness()
        connection = await connect(witness)
        assert isinstance(await connection.request(wire.ReadIdentity(), wire.Identity), Done)
        for _ in range(2):
            end.frozen = True
            arming = asyncio.ensure_future(connection.request(ARM, wire.Reply))
            await turns()
            stopping = connection.stop()
            end.frozen = False
            assert (await stopping).confirmed
            assert isinstance(await arming, Uncertain)
        outcome = await connection.request(wire.ReadCounters(), wire.Counters)
        assert isinstance(outcome, Done)
        assert isinstance(await connection.request(wire.ReadIdentity(), wire.Identity), Done)
        assert connection.is_up
        assert laser.sessions == 1
        assert ARM not in laser.asked
        connection.close()


async def test_a_stop_is_repeated_until_it_is_confirmed() -> None:
    with memory_line() as end:
        laser, witness = LittleLaser(end), Witness()
        connection = await connect(witness)
        laser.confirms_from = 4  # the shutter needs its time
        result = await connection.stop()
        assert (result.level, result.confirmed, result.took_us) == (StopLevel.STOP, True, 150_000)
        assert len({stop.stop_id for stop in laser.stops}) == 1  # one stop, one epoch
        connection.close()


async def test_nothing_is_permitted_while_a_stop_is_under_way() -> None:
    with memory_line() as end:
        laser, witness = LittleLaser(end), Witness()
        connection = await connect(witness)
        laser.confirms_from = 3
        stopping = connection.stop()
        outcome = await connection.request(ARM, wire.Reply)
        assert isinstance(outcome, Refused)
        assert outcome.reasons[0].code == "link.stopping"
        assert isinstance(await connection.request(wire.ReadCounters(), wire.Counters), Done)
        await stopping
        assert isinstance(await connection.request(ARM, wire.Reply), Done)
        assert laser.asked == [wire.ReadCounters(), ARM]
        connection.close()


async def test_stops_asked_for_again_join_the_first_and_do_not_put_off_its_escalation() -> None:
    with memory_line() as end:
        laser, witness = LittleLaser(end), Witness()
        connection = await connect(witness)
        laser.confirms_from = NEVER
        stoppings = []
        for _ in range(12):
            stoppings.append(connection.stop())
            await asyncio.sleep(0.1)
        results = await asyncio.gather(*stoppings)
        assert {result.level for result in results} == {StopLevel.PORT_CLOSED}
        assert [result.took_us for result in results][:10] == [1_000_000] * 10


async def test_a_caller_that_gives_up_waiting_takes_nothing_from_the_others() -> None:
    with memory_line() as end:
        laser, witness = LittleLaser(end), Witness()
        connection = await connect(witness)
        laser.confirms_from = 3
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await connection.stop()
        assert (await connection.stop()).confirmed
        connection.close()


async def test_unconfirmed_after_half_a_second_the_link_is_reset() -> None:
    with memory_line() as end:
        laser, witness = LittleLaser(end), Witness()
        connection = await connect(witness)
        laser.confirms_from = 11  # 10 are sent in the first 500 ms
        result = await connection.stop()
        assert (result.level, result.confirmed, result.took_us) == (StopLevel.LINK_RESET, True, 500_000)
        assert laser.sessions == 2  # whatever the first session was permitted is void
        error = await connection.ended()
        assert error.kind is LinkKind.STOPPED
        assert witness.downs == [error]
        assert end.host is None
        assert len({stop.stop_id for stop in laser.stops}) == 1


async def test_unconfirmed_over_a_fresh_link_too_the_port_is_closed() -> None:
    with memory_line() as end:
        laser, witness = LittleLaser(end), Witness()
        connection = await connect(witness)
        laser.confirms_from = NEVER
        result = await connection.stop()
        assert (result.level, result.confirmed, result.took_us) == (StopLevel.PORT_CLOSED, False, 1_000_000)
        assert "NOT CONFIRMED" in str(result)
        assert end.host is None
        assert laser.sessions == 2
        received = len(laser.received)
        await asyncio.sleep(5)
        assert len(laser.received) == received  # no heartbeat, nothing: the device's watchdog has the word
        assert len(witness.downs) == 1


async def test_a_device_that_does_not_hear_ends_with_a_closed_port() -> None:
    with memory_line() as end:
        LittleLaser(end)
        connection = await connect(Witness())
        end.frozen = True
        result = await connection.stop()
        assert (result.level, result.confirmed) == (StopLevel.PORT_CLOSED, False)


async def test_a_link_that_fails_meanwhile_does_not_end_the_stop() -> None:
    with memory_line() as end:
        laser, witness = LittleLaser(end), Witness()
        connection = await connect(witness)
        laser.tell(status())
        await asyncio.sleep(0.9)
        laser.mute = True
        stopping = connection.stop()
        await asyncio.sleep(0.2)  # the link has been silent for 1 s by now
        assert not stopping.done()
        assert end.host is not None
        laser.mute = False
        result = await stopping
        assert (result.level, result.confirmed) == (StopLevel.STOP, True)
        assert (await connection.ended()).kind is LinkKind.SILENT
        assert len(witness.downs) == 1


async def test_a_cable_pulled_in_mid_stop_is_told_at_once_as_unconfirmed() -> None:
    with memory_line() as end:
        laser, witness = LittleLaser(end), Witness()
        connection = await connect(witness)
        laser.confirms_from = NEVER
        stopping = connection.stop()
        await asyncio.sleep(0.12)
        end.close()
        result = await stopping
        assert (result.level, result.confirmed, result.took_us) == (StopLevel.PORT_CLOSED, False, 120_000)
        assert [error.kind for error in witness.downs if hasattr(error, "kind")] == [PortKind.LOST]


async def test_a_stop_on_a_connection_that_is_down_says_that_nothing_was_confirmed() -> None:
    with memory_line() as end:
        LittleLaser(end)
        connection = await connect(Witness())
        connection.close()
        result = await connection.stop()
        assert (result.level, result.confirmed) == (StopLevel.PORT_CLOSED, False)


async def test_a_stop_works_before_the_session_is_open() -> None:
    with memory_line() as end:
        laser, witness = LittleLaser(end), Witness()
        connection = Connection(await open_port("memory://laser"), witness.hooks)
        result = await connection.stop()
        assert (result.level, result.confirmed) == (StopLevel.STOP, True)
        laser.confirms_from = NEVER  # and while it is being opened: its reset does not count as opened
        opening = asyncio.ensure_future(connection.open())
        laser.mute = True
        await turns()
        stopping = connection.stop()
        await asyncio.sleep(0.5)
        laser.mute = False
        assert not (await stopping).confirmed
        with pytest.raises(Exception, match="stop"):
            await opening
        assert witness.downs == []


async def test_a_repeated_stop_frame_begins_with_a_delimiter_so_that_half_a_frame_cannot_spoil_it() -> None:
    with memory_line() as end:
        laser, witness = LittleLaser(end), Witness()
        connection = await connect(witness)
        await turns()
        laser.confirms_from = 3
        before = len(laser.received)
        await connection.stop()
        stops = bytes(laser.received)[before:].split(b"\0\0")
        assert all(cobs.decode(stop.strip(b"\0"))[1] == Stop.opcode for stop in stops)
        connection.close()
