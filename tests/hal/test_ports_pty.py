"""Pseudo-terminals as ports."""

import asyncio

from hal.connection import Connection
from hal.errors import PortKind
from hal.outcomes import Done, Uncertain
from hal.port import OUTPUT_MAX
from hal.ports import open_port
from hal.stopping import StopLevel
from protocols import requests as wire
from protocols.frame import Decoder, Frame
from protocols.messages import Beam, Heartbeat, Intent, Stop
from tests.hal.little_laser import LittleLaser, Witness
from tests.hal.peers import PATIENCE_S, Heard
from tests.hal.pty_end import PtyEnd
from tests.own_time import own_s
from tests.still_laser import status

REAL_TIME = True


async def test_bytes_go_both_ways_over_a_pty_and_all_256_of_them_unchanged(line: PtyEnd) -> None:
    everything = bytes(range(256)) * 4
    line.on_bytes = line.write  # echo
    line.thaw()
    port = await open_port(line.path)
    heard = Heard(port)
    port.write(everything)
    assert await heard.until(len(everything)) == everything
    port.close()
    port.close()
    port.write(b"after the end")
    assert not heard.lost.done()


async def test_a_pty_that_is_closed_is_lost_once_and_told(line: PtyEnd) -> None:
    port = await open_port(line.path)
    heard = Heard(port)
    line.close()
    async with asyncio.timeout(PATIENCE_S):
        error = await heard.lost
    assert error.kind is PortKind.LOST
    port.write(b"too late")
    port.discard_output()


async def test_a_frozen_reader_never_blocks_the_writer_and_is_lost_when_too_much_waits(line: PtyEnd) -> None:
    port = await open_port(line.path)
    heard = Heard(port)
    written = 0
    while not port._closed:
        assert written < 1_000_000
        port.write(b"x" * 1000)
        written += 1000
    assert written > OUTPUT_MAX
    async with asyncio.timeout(PATIENCE_S):
        error = await heard.lost
    assert error.kind is PortKind.FROZEN


async def test_a_slow_reader_gets_everything_in_order(line: PtyEnd) -> None:
    port = await open_port(line.path)
    Heard(port)
    written = bytearray()
    for number in range(6_000):  # until the kernel takes no more, and a little further
        if len(port._out) > 14_000:  # type: ignore[attr-defined]  # an FdPort
            break
        piece = number.to_bytes(4, "little") * 5
        port.write(piece)
        written += piece
    arrived, complete = bytearray(), asyncio.Event()

    def take(data: bytes) -> None:
        arrived.extend(data)
        if len(arrived) >= len(written):
            complete.set()

    line.on_bytes = take
    line.thaw()
    async with asyncio.timeout(PATIENCE_S):
        await complete.wait()
    assert arrived == written
    assert len(written) > 14_000
    port.close()


async def test_a_write_to_a_pty_that_is_gone_is_a_loss_too(line: PtyEnd) -> None:
    port = await open_port(line.path)
    heard = Heard(port)
    line.close()
    port.write(b"x")  # before anything was read
    assert not heard.lost.done()  # told from the loop, not from within the call
    async with asyncio.timeout(PATIENCE_S):
        assert (await heard.lost).kind is PortKind.LOST


async def test_what_is_discarded_does_not_come_and_what_is_written_next_does(line: PtyEnd) -> None:
    port = await open_port(line.path)
    Heard(port)
    for _ in range(30):
        port.write(b"x" * 1000)
    port.discard_output()
    port.write(b"STOP")
    arrived = bytearray()
    got = asyncio.Event()

    def take(data: bytes) -> None:
        arrived.extend(data)
        if arrived.endswith(b"STOP"):
            got.set()

    line.on_bytes = take
    line.thaw()
    async with asyncio.timeout(PATIENCE_S):
        await got.wait()
    assert len(arrived) < 8192  # at most what the line discipline held of 30,000
    port.close()


async def test_a_laser_on_a_pty_obeys_and_a_pty_closed_in_mid_series_leaves_no_doubt_unsaid(
    line: PtyEnd,
) -> None:
    laser, witness = LittleLaser(line), Witness()
    line.thaw()
    connection = Connection(await open_port(line.path), witness.hooks)
    await connection.open()
    for index in range(3):
        mode = await connection.request(wire.ReadMode(index), wire.Mode)
        assert isinstance(mode, Done)
    assert isinstance(await connection.request(wire.Standby(), wire.Reply), Done)
    result = await connection.stop()
    assert (result.level, result.confirmed) == (StopLevel.STOP, True)
    laser.silent_on = {wire.Arm}
    asked = asyncio.get_running_loop().create_future()
    laser.on_asked = asked.set_result
    arming = asyncio.ensure_future(connection.request(wire.Arm(1, 1, Beam.APERTURE), wire.Reply))
    async with asyncio.timeout(PATIENCE_S):
        await asked
    line.close()
    assert isinstance(await arming, Uncertain)
    async with asyncio.timeout(PATIENCE_S):
        assert (await connection.ended()).kind is PortKind.LOST
    assert len(witness.downs) == 1


async def test_a_stop_overtakes_a_frozen_pty(line: PtyEnd) -> None:
    laser, witness = LittleLaser(line), Witness()
    line.thaw()
    connection = Connection(await open_port(line.path), witness.hooks)
    await connection.open()
    laser.tell(status())
    line.freeze()
    began_s = own_s()
    for _ in range(900):  # about 20 kB: more than the kernel takes
        connection.send(Heartbeat(1, Intent.PERMIT))
    stopping = connection.stop()
    assert own_s() - began_s < 0.4  # and not as long as the line is frozen
    before = len(laser.received)
    line.thaw()
    result = await stopping
    assert result.confirmed
    found = [f.message for f in Decoder().feed(bytes(laser.received)[before:]) if isinstance(f, Frame)]
    assert isinstance(found[-1], Stop)
    assert len(found) < 300
    connection.close()


async def test_a_request_that_a_stop_dropped_in_the_kernel_does_not_end_the_session(line: PtyEnd) -> None:
    laser, witness = LittleLaser(line), Witness()
    line.thaw()
    connection = Connection(await open_port(line.path), witness.hooks)
    await connection.open()
    line.freeze()
    for _ in range(300):  # about 7 kB: more than the reader's end holds, less than the line does
        connection.send(Heartbeat(1, Intent.IDLE))
    arming = asyncio.ensure_future(connection.request(wire.Arm(1, 0, Beam.APERTURE), wire.Reply))
    await asyncio.sleep(0)  # it is written
    sent = connection.counters.bytes_sent
    stopping = connection.stop()
    assert connection.counters.bytes_sent > sent
    assert isinstance(await arming, Uncertain)
    line.thaw()
    assert (await stopping).confirmed
    assert isinstance(await connection.request(wire.ReadIdentity(), wire.Identity), Done)
    assert [request for request in laser.asked if not isinstance(request, wire.Arm)][
        -1
    ] == wire.ReadIdentity()
    assert laser.sessions == 1
    assert witness.downs == []
    connection.close()
