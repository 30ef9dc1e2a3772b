"""The publisher and the real store against broker processes: killed, restarted, frozen."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from controller.fanout import Kind
from tests.controller.brokers import PATIENCE_S, Broker, Daemon, watching
from tests.own_time import own_s

pytestmark = pytest.mark.processes


async def hung_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


class Wire:
    """A line between publisher and broker that can be cut and can hold back what the broker says."""

    def __init__(self, broker_port: int) -> None:
        self.broker_port = broker_port
        self.port = 0
        self.whole = True
        self.answers = asyncio.Event()
        self.answers.set()
        self._lines: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def laid(self) -> AsyncIterator["Wire"]:
        server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        yield self
        server.close()
        self.cut()
        if self._lines:
            await asyncio.wait(self._lines)

    def cut(self) -> None:
        self.whole = False
        for line in self._lines:
            line.cancel()

    def mend(self) -> None:
        self.whole = True
        self.answers.set()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.whole:
            await hung_up(writer)
            return
        try:
            from_broker, to_broker = await asyncio.open_connection("127.0.0.1", self.broker_port)
        except OSError:
            await hung_up(writer)
            return
        line = asyncio.create_task(self._carry(reader, to_broker, from_broker, writer))
        self._lines.add(line)
        line.add_done_callback(self._lines.discard)
        await asyncio.wait({line})

    async def _carry(
        self,
        reader: asyncio.StreamReader,
        to_broker: asyncio.StreamWriter,
        from_broker: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        async def there() -> None:
            while data := await reader.read(4096):
                to_broker.write(data)

        async def back() -> None:
            while data := await from_broker.read(4096):
                await self.answers.wait()
                writer.write(data)

        ways = [asyncio.create_task(there()), asyncio.create_task(back())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.wait(ways)
            await hung_up(writer)
            await hung_up(to_broker)


async def test_of_pulses_fired_while_the_broker_is_killed_and_restarted_none_is_lost(
    broker: Broker, quick: None
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        wire = await stack.enter_async_context(Wire(broker.port).laid())
        daemon = Daemon(wire.port)
        before = await stack.enter_async_context(watching(broker.port))
        await stack.enter_async_context(daemon.running())

        await daemon.fire(20)
        await before.until(lambda: len(before.seqs("pulse")) == 20)
        await daemon.emptied()
        wire.answers.clear()  # from here on nothing is acknowledged: it is in flight when the broker dies
        await daemon.fire(20)
        await before.until(lambda: len(before.seqs("pulse")) > 20)
        await broker.kill()
        wire.cut()
        await daemon.fire(20)
        assert await daemon.waiting() >= 20
        await broker.start()
        after = await stack.enter_async_context(watching(broker.port))
        wire.mend()  # a broker that keeps nothing can only bring it to those who have come back before us
        await daemon.fire(20)
        await after.until(lambda: after.seqs("pulse")[-1:] == [80] and after.seqs("event")[-1:] == [16])

        for topic, count in (("pulse", 80), ("event", 16)):
            assert set(before.seqs(topic)) | set(after.seqs(topic)) == set(range(1, count + 1))
            for watcher in (before, after):
                assert watcher.seqs(topic) == sorted(watcher.seqs(topic))
        again = set(before.seqs("pulse")) & set(after.seqs("pulse"))
        assert again, "what was in flight must come again"
        numbers = {(p["boot"], p["seq"]): p["pulse_number"] for p in before.of("pulse") + after.of("pulse")}
        assert numbers == {("run-1", n): n for n in range(1, 81)}
        await after.until(lambda: bool(after.of("status")) and after.of("status")[-1]["online"])
    assert (after.of("status") or before.of("status"))[-1]["boot"] == "run-1"


@pytest.mark.shows("REQ-034")
async def test_a_frozen_broker_never_makes_the_daemon_wait_and_gets_all_when_it_thaws(
    broker: Broker, quick: None
) -> None:
    daemon = Daemon(broker.port)
    loop = asyncio.get_running_loop()
    async with watching(broker.port) as watcher, daemon.running():
        await daemon.fire(5)
        await watcher.until(lambda: len(watcher.seqs("pulse")) == 5)
        broker.freeze()
        try:
            worst_s, fired, gave_up_s = 0.0, 0, loop.time() + PATIENCE_S
            # Until the publisher has noticed and has tried in vain to come back, and 100 pulses at the least.
            while fired < 100 or "no broker answers" not in str(daemon.publisher.health.trouble):
                assert loop.time() < gave_up_s
                began_s = own_s()
                await daemon.fire(1)
                daemon.fanout.tell(Kind.TELEMETRY, {"n": fired})
                daemon.fanout.tell(Kind.STATE, {"n": fired})
                worst_s = max(worst_s, own_s() - began_s)
                fired += 1
                await asyncio.sleep(0.002)  # the pace of the laser, not a wait for anything
            assert worst_s < 1.0  # half of what any wait for the broker takes here
        finally:
            broker.thaw()
        await watcher.until(lambda: watcher.seqs("pulse")[-1] == daemon.pulses)
        assert watcher.seqs("pulse") == list(range(1, daemon.pulses + 1))
        # The will of the connection that was given up may come late; the truth stands at the end.
        births = len(watcher.of("status"))
        await watcher.until(lambda: len(watcher.of("status")) > births and watcher.of("status")[-1]["online"])
        assert daemon.publisher.health.samples_dropped > 0
