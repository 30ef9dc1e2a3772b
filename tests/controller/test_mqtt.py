"""The publisher against the embedded broker in the same process: what is published, when, in which order."""

import asyncio
import json

import aiomqtt
import pytest

from controller import mqtt
from controller.fanout import Kind
from controller.store.errors import StoreLocked
from tests.controller.brokers import PATIENCE_S
from tests.controller.publishing import ROOT, STAMP, Bench, watching


async def test_a_birth_follows_about_state_and_alarms_and_a_clean_end_is_said(broker_port: int) -> None:
    bench = Bench(broker_port)
    bench.tell(Kind.ABOUT, serial="PL-1", period_ms=100)
    bench.tell(Kind.STATE, state="standby", ilk_door=True)
    bench.fanout.tell(Kind.ALARMS, {"door": {**STAMP, "text": "door opened"}})
    async with watching(broker_port) as watcher:
        async with bench.running():
            await watcher.until_seen("status")
        (*_, clean) = await watcher.until_seen("status", 2)
        order = [name.removeprefix(ROOT) for name, _, _ in watcher.seen]
        assert order == ["about", "state", "alarm/door", "alarm/estop", "status", "status"]
        assert watcher.of("status")[0] == {
            "online": True,
            "boot": "run-1",
            "ts": "2026-03-01T12:00:00.000000Z",
            "schema": "1.0",
            "seq": 0,
        }
        assert clean is not None
        assert (clean["online"], clean["reason"], clean["seq"]) == (False, "clean", 1)
        assert watcher.of("state") == [{**STAMP, "state": "standby", "ilk_door": True, "seq": 0}]
        assert watcher.of("alarm/estop") == [None]  # one that stood there from an earlier run
    async with watching(broker_port) as late:
        await late.until(lambda: len(late.seen) >= 4)
        assert {(name.removeprefix(ROOT), kept) for name, _, kept in late.seen} == {
            ("about", True),
            ("state", True),
            ("alarm/door", True),
            ("status", True),
        }
    assert bench.publisher.health.trouble is None


async def test_state_is_published_when_its_content_changes_and_not_with_every_status(
    broker_port: int,
) -> None:
    bench = Bench(broker_port)
    async with watching(broker_port) as watcher, bench.running():
        await watcher.until_seen("status")
        for n in range(50):
            bench.tell(Kind.STATE, state="standby", mono_ns=n)
        bench.tell(Kind.STATE, state="standby", mono_ns=99)
        await watcher.until_seen("state")
        bench.tell(Kind.STATE, state="standby", mono_ns=100)
        bench.tell(Kind.EVENT)  # wakes the publisher for nothing
        bench.tell(Kind.STATE, state="fault", mono_ns=101)
        states = await watcher.until_seen("state", 2)
        assert [(s["state"], s["seq"]) for s in states if s] == [("standby", 0), ("fault", 1)]


async def test_state_and_birth_are_refreshed_and_an_old_state_is_marked_stale(
    broker_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt, "REFRESH_S", 0.05)
    monkeypatch.setattr(mqtt, "STALE_S", 1.0)
    bench = Bench(broker_port)
    async with watching(broker_port) as watcher, bench.running():
        bench.tell(Kind.STATE, state="standby")
        await watcher.until(lambda: any(s is not None and s["q"] == "stale" for s in watcher.of("state")))
        states = [s for s in watcher.of("state") if s]
        told = [s["q"] for s in states]
        assert told == sorted(told), "once stale, stale"
        assert set(told) == {"sim", "stale"}
        assert {s["ts"] for s in states} == {STAMP["ts"]}  # it does not get younger by being told again
        assert [s["seq"] for s in states] == list(range(len(states)))
        bench.tell(Kind.STATE, state="standby")
        await watcher.until(lambda: any((s or {})["q"] == "sim" for s in watcher.of("state")[len(states) :]))
        await watcher.until_seen("status", 3)
        assert all(s and s["online"] for s in watcher.of("status"))


async def test_the_refresh_comes_also_while_there_is_always_news(
    broker_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt, "REFRESH_S", 0.05)
    bench = Bench(broker_port)
    async with watching(broker_port) as watcher, bench.running():
        await watcher.until_seen("status")
        n = 0
        while len(watcher.of("status")) < 3:
            n += 1
            bench.tell(Kind.STATE, n=n)
            bench.fanout.tell(Kind.ALARMS, {"door": {**STAMP, "mono_ns": n}})
            await watcher.until_seen("state", len(watcher.of("state")) + 1)
            assert n < 10_000
        assert len(watcher.of("alarm/door")) == 2  # cleared at first, then raised once: only its time changed


async def test_alarms_are_raised_changed_and_cleared(broker_port: int) -> None:
    bench = Bench(broker_port)
    async with watching(broker_port) as watcher, bench.running():
        await watcher.until_seen("status")
        for present in (True, False):
            bench.fanout.tell(Kind.ALARMS, {"door": {**STAMP, "present": present}})
            await watcher.until(lambda p=present: watcher.of("alarm/door")[-1] is not None)  # type: ignore[misc]  # bound now
            await watcher.until(lambda p=present: (watcher.of("alarm/door")[-1] or {})["present"] is p)  # type: ignore[misc]
        bench.fanout.tell(Kind.ALARMS, {"host-stale": {**STAMP, "text": "stale"}})
        await watcher.until_seen("alarm/host-stale")
        assert watcher.of("alarm/door")[-1] is None
        bench.fanout.tell(Kind.ALARMS, {"door": {**STAMP, "present": True}})
        await watcher.until(lambda: watcher.of("alarm/door")[-1] is not None)
        assert watcher.of("alarm/estop") == [None]  # cleared once, not again with each change


async def test_samples_come_at_their_rate_newest_first_and_the_replaced_ones_are_counted(
    broker_port: int,
) -> None:
    bench = Bench(broker_port)
    async with watching(broker_port) as watcher, bench.running():
        await watcher.until_seen("status")
        for n in range(100):
            bench.tell(Kind.TELEMETRY, n=n)
        (first,) = await watcher.until_seen("telemetry")
        assert first is not None
        assert (first["n"], first["samples_dropped"], first["seq"]) == (99, 99, 0)
        for n in range(100, 110):  # each told when the one before was taken, so that both places count
            bench.tell(Kind.TELEMETRY, n=n)
            await asyncio.sleep(0)
        samples = await watcher.until_seen("telemetry", 2)
        assert samples[1] is not None
        told = samples[1]["n"] + 1
        assert told == 110
        assert samples[1]["samples_dropped"] == told - 2  # all but the two that were published
        assert bench.publisher.health.samples_dropped == told - 2


async def test_a_rate_is_kept(broker_port: int) -> None:
    bench = Bench(broker_port, telemetry_hz=10.0)
    loop = asyncio.get_running_loop()
    async with watching(broker_port) as watcher, bench.running():
        await watcher.until_seen("status")
        began_s = loop.time()
        for n in range(4):
            bench.tell(Kind.TELEMETRY, n=n)
            await watcher.until_seen("telemetry", n + 1)
        assert loop.time() - began_s > 0.29  # three periods of 0.1 s, and the jitter of the timer


async def test_the_outbox_is_emptied_in_order_with_seq_lateness_and_stamp(broker_port: int) -> None:
    bench = Bench(broker_port)
    bench.tell(Kind.ABOUT, serial="PL-1", sim=True)
    for n in range(200):
        bench.outbox.put("pulse", pulse_number=n, set_energy_mj=173.0, unknown=int(n == 7))
        bench.outbox.put("event", id=n, text="x", subject="patient 7", daemon_boot="run-0")
    async with watching(broker_port) as watcher, bench.running():
        async with asyncio.timeout(PATIENCE_S):
            await bench.outbox.empty.wait()
        pulses = [p for p in await watcher.until_seen("pulse", 200) if p]
        events = [e for e in await watcher.until_seen("event", 200) if e]
    assert [(p["pulse_number"], p["seq"], p["boot"]) for p in pulses] == [
        (n, n + 1, "run-1") for n in range(200)
    ]
    assert [(e["event_id"], e["seq"], e["boot"]) for e in events] == [(n, n + 1, "run-0") for n in range(200)]
    first = pulses[0]
    assert (first["ts"], first["mono_ns"]) == ("2026-03-01T11:59:00.000000Z", 7000)
    assert (first["late_s"], first["set_energy_mj"], first["q"], first["sim"]) == (60.0, 173.0, "sim", True)
    assert pulses[7]["q"] == "bad"
    assert "patient" not in json.dumps(events)
    assert bench.outbox.most_asked <= 64


async def test_what_cannot_be_published_stays_and_holds_up_nothing(
    broker_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(broker_port)
    bench.outbox.put("pulse", pulse_number=1)
    bench.outbox.put("gossip", text="no such topic")
    bench.outbox.put("event", wall_time="yesterday")
    bench.outbox.put("pulse", pulse_number=2)
    async with watching(broker_port) as watcher, bench.running():
        await watcher.until_seen("pulse", 2)
        await watcher.until(lambda: len(bench.outbox.rows) == 2)
    assert [row.id for row in bench.outbox.rows.values()] == [2, 3]
    assert [r.levelname for r in caplog.records if "cannot be published" in r.message] == ["ERROR", "ERROR"]


async def test_an_outbox_that_fails_is_tried_again_without_losing_the_connection(
    broker_port: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(mqtt, "OUTBOX_POLL_S", 0.01)
    bench = Bench(broker_port)
    bench.outbox.failures = [StoreLocked("the database is locked", "close it")] * 2
    bench.outbox.put("pulse", pulse_number=1)
    async with watching(broker_port) as watcher, bench.running():
        await watcher.until_seen("pulse")
        assert len(watcher.of("status")) == 1
    levels = [record.levelname for record in caplog.records if "the database is locked" in record.message]
    assert levels == ["ERROR"]  # the second one at DEBUG, which is not captured here


async def test_a_publisher_asked_to_stop_brings_out_what_it_was_told_before(broker_port: int) -> None:
    bench = Bench(broker_port)
    async with watching(broker_port) as watcher:
        async with bench.running():
            await watcher.until_seen("status")
            for n in range(130):
                bench.outbox.put("pulse", pulse_number=n)
            bench.tell(Kind.STATE, state="off")
        await watcher.until_seen("status", 2)
        assert [state and state["state"] for state in watcher.of("state")] == ["off"]
        assert len(watcher.of("pulse")) == 130
        assert watcher.seen[-1][0] == ROOT + "status"
    assert not bench.outbox.rows


async def test_a_cancelled_publisher_leaves_the_word_to_the_broker(broker_port: int) -> None:
    bench = Bench(broker_port)
    async with watching(broker_port) as watcher:
        task = asyncio.create_task(bench.publisher.run())
        await watcher.until_seen("status")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await watcher.until_seen("status", 2))[1] == {
            "online": False,
            "reason": "lost",
            "boot": "run-1",
        }
    assert bench.fanout.subscriptions == ()


@pytest.mark.shows("REQ-034", "HZ-038")
async def test_one_who_publishes_on_every_topic_changes_nothing(broker_port: int) -> None:
    bench = Bench(broker_port)
    async with watching(broker_port) as watcher, bench.running():
        await watcher.until_seen("status")
        async with aiomqtt.Client("127.0.0.1", broker_port) as vandal:
            for topic in ("cmd/stop", "status", "state", "pulse"):
                await vandal.publish(ROOT + topic, b'"rubbish"', qos=1)
        bench.outbox.put("pulse", pulse_number=1)
        bench.tell(Kind.PULSE)
        async with asyncio.timeout(PATIENCE_S):
            await bench.outbox.empty.wait()
        health = bench.publisher.health
        assert health.connected
        assert 0 <= health.since_s < 60
    assert not bench.publisher.health.connected
    assert bench.publisher.health.since_s < 60  # counted anew
