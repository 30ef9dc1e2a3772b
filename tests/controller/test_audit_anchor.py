"""The audit's head at the broker: retained with the state, in no hurry but at the end."""

from controller.fanout import Kind
from tests.controller.publishing import Bench, watching


async def test_a_head_that_grows_waits_for_the_refresh_and_goes_out_at_the_end(broker_port: int) -> None:
    bench = Bench(broker_port)
    async with watching(broker_port) as watcher:
        async with bench.running():
            await watcher.until_seen("status")
            bench.tell(Kind.STATE, state="emitting", audit_index=1, audit_hash="a")
            await watcher.until_seen("state")
            for number in range(2, 30):
                bench.tell(Kind.STATE, state="emitting", audit_index=number, audit_hash="b")
            bench.tell(Kind.EVENT)
            await watcher.until_seen("status")
            assert len(watcher.of("state")) == 1
        await watcher.until_seen("status", 2)
        told = [(state["audit_index"], state["audit_hash"]) for state in watcher.of("state") if state]
        assert told == [(1, "a"), (29, "b")]
