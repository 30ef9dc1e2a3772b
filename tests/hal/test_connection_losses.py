"""What is lost on the line or given up by whoever asked: told once, and stopped where it might be light."""

import asyncio

import pytest

from hal.connection import Connection
from hal.errors import LinkError, LinkKind, PortError, PortKind
from hal.hooks import Hooks
from hal.outcomes import Done, Failed, Uncertain
from hal.ports import open_port
from hal.time import now_us
from protocols import requests as wire
from protocols.messages import Heartbeat, Intent, Message
from protocols.refusals import Reason, Refusal
from tests.hal.connecting import ARM, connect
from tests.hal.little_laser import LittleLaser, Witness, memory_line, turns
from tests.still_laser import status


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


@pytest.mark.shows("HZ-034")
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
