"""The daemon itself: a full disk, a late loop, a dead part, its black box and its listeners."""

import asyncio
from typing import Any

import pytest

from controller.declined import Declined
from controller.fanout import Kind
from controller.mqtt import MqttPublisher
from controller.store import SessionState, StoreError
from protocols.frame import Frame
from protocols.messages import AckPulses, Heartbeat
from protocols.states import ARMED, State
from rig.stack import Stack, plan_text
from safety.latches import LatchId
from sim_device.vices import Tap
from tests.controller.firing import SHORT, firing, last_us, numbers

VIRTUAL_TIME = True


# -- the disk


@pytest.mark.shows("REQ-042", "HZ-035")
async def test_a_full_disk_stops_the_laser_and_nothing_unwritten_is_acknowledged(stack: Stack) -> None:
    acknowledged: list[tuple[int, int]] = []

    def note(piece: bytes, frame: Frame | None) -> list[bytes]:
        if frame is not None and isinstance(frame.message, AckPulses):
            on_disk = stack.reader.highest_pulse(stack.serial) or 0
            acknowledged.append((frame.message.pulse_number, on_disk))
        return [piece]

    stack.line.to_device.vices = (Tap(note),)
    await firing(stack)
    assert stack.store is not None
    stack.store.fill_disk()
    full_us = stack.laser.now_us
    await stack.until(lambda: LatchId.STORE_FAILED in stack.latched, "the failure latched")
    await asyncio.sleep(5)
    assert stack.device.state not in ARMED
    assert last_us(stack) <= full_us + 1_000_000  # what still fitted, and the pulse that did not
    assert acknowledged
    assert all(number <= on_disk for number, on_disk in acknowledged)
    counter = stack.device.pulse_number
    assert stack.daemon.recorder.books.missing == counter - len(numbers(stack)) > 0
    assert stack.device.reports_waiting == counter - len(numbers(stack))
    assert not stack.daemon.reporter.report()["store"]["ok"]
    refused = stack.daemon.supervisor.acknowledge(
        [latch.instance for latch in stack.latches], stack.loop.now_us()
    )
    assert "host.cause_present" in {reason.code for reason in refused}

    stack.release()
    stack.store.free_disk()
    await stack.until(lambda: stack.daemon.recorder.balanced, "all written")
    assert numbers(stack) == list(range(1, counter + 1))
    assert stack.reader.check() == []
    assert stack.reader.sessions()[0].delivered_pulses == stack.truth.aperture
    await stack.resume()
    await stack.arm()
    await stack.give_all()
    assert stack.truth.aperture == 20
    assert stack.reader.sessions()[0].state is SessionState.DONE


async def test_on_a_full_disk_nothing_is_armed(stack: Stack) -> None:
    await stack.prepare(SHORT)
    assert stack.store is not None
    stack.store.fill_disk()
    refused = 0
    for _ in range(20):  # until the pages that are begun are full
        try:
            answer = await stack.daemon.console.aiming(await stack.login(), on=True)
        except StoreError:
            refused += 1
        else:
            refused += answer["outcome"] != "done"
        if refused:
            break
    with pytest.raises((StoreError, Declined)):
        await stack.daemon.console.arm(await stack.login())
    await asyncio.sleep(1)
    assert stack.device.state is State.STANDBY
    assert stack.device.arm_epoch == 0
    stack.store.free_disk()
    await stack.until(lambda: stack.daemon.reporter.report()["store"]["ok"], "written again")


async def test_a_disk_that_is_full_at_the_end_of_a_session_leaves_no_session_stuck(stack: Stack) -> None:
    await stack.prepare(plan_text(series=[2]))
    await stack.arm()
    stack.press()
    await stack.until(lambda: stack.truth.aperture == 1, "the first pulse")
    assert stack.store is not None
    stack.store.fill_disk()
    await asyncio.sleep(3)
    stack.release()
    stack.store.free_disk()
    await stack.until(lambda: stack.daemon.recorder.balanced, "all written")
    await asyncio.sleep(2)
    first = stack.reader.sessions()[0]
    assert first.delivered_pulses == stack.truth.aperture
    if first.remaining_pulses:
        await stack.resume()
    else:
        assert (await stack.acknowledge())["kept"] == []
        await stack.prepare(plan_text(series=[2]))
    await stack.arm()
    await stack.give_all()
    assert {session.state for session in stack.reader.sessions()} == {SessionState.DONE}


# -- the loop and the tasks


@pytest.mark.shows("REQ-032", "HZ-024", "HZ-035")
async def test_a_late_event_loop_withholds_the_heartbeat_stops_and_latches() -> None:
    async with Stack(safety={"loop_lag_max_ms": 20}) as stack:
        await firing(stack)
        late_us = stack.laser.now_us
        stack.loop.jump(0.08)  # the device's own 200 ms are not over yet
        await asyncio.sleep(0.05)
        assert stack.latched == {LatchId.LOOP_LAG}
        await asyncio.sleep(1)
        assert stack.device.state is State.STANDBY
        assert last_us(stack) <= late_us + 150_000
        await go_on(stack)


@pytest.mark.shows("REQ-032", "HZ-024", "HZ-035")
@pytest.mark.parametrize("lag_s", [0.26, 0.6, 1.5])
async def test_while_the_event_loop_hangs_the_device_ends_by_itself(stack: Stack, lag_s: float) -> None:
    await firing(stack)
    late_us = stack.laser.now_us
    stack.loop.jump(lag_s)
    await asyncio.sleep(3)
    assert last_us(stack) <= late_us + 250_000
    assert stack.device.state is State.FAULT
    assert stack.latched & {LatchId.LOOP_LAG, LatchId.DEVICE_FAULT, LatchId.RECONNECTED}
    await go_on(stack)


async def go_on(stack: Stack) -> None:
    stack.release()
    await stack.resume()
    await stack.arm()
    await stack.give_all()
    assert stack.truth.aperture == 20
    assert numbers(stack) == list(range(1, stack.device.pulse_number + 1))


async def test_a_loop_that_is_a_little_late_goes_on(stack: Stack) -> None:
    await firing(stack)
    for _ in range(5):
        stack.loop.jump(0.06)
        await asyncio.sleep(0.2)
    assert stack.latched == set()
    await stack.until(lambda: stack.truth.aperture == 10, "the series")


@pytest.mark.shows("REQ-032", "HZ-035")
@pytest.mark.parametrize(
    "part", ["treatment.end_idle_ready", "blackbox._keep", "supervisor.tick", "treatment._step"]
)
async def test_a_part_that_dies_ends_the_daemon_and_the_emission(
    stack: Stack, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await firing(stack)

    def broken(*_: object, **__: object) -> Any:
        raise ZeroDivisionError("injected")

    owner, name = part.split(".")
    monkeypatch.setattr(getattr(stack.daemon, owner), name, broken)
    if part == "blackbox._keep":
        stack.daemon.blackbox.trip("a reason to write")
    broken_us = stack.laser.now_us
    assert not await stack.ended()
    assert last_us(stack) <= broken_us + 2_500_000  # the black box writes two seconds after its trip
    await asyncio.sleep(1)
    given = stack.truth.aperture
    await asyncio.sleep(2)
    assert stack.truth.aperture == given
    assert stack.laser.state not in ARMED
    assert any("ended" in event.text for event in stack.reader.events())
    monkeypatch.undo()
    stack.release()
    stack.start_daemon()
    await stack.until(lambda: stack.status is not None and stack.daemon.recorder.balanced, "books")
    assert numbers(stack) == list(range(1, stack.device.pulse_number + 1))


async def test_a_listener_inside_that_breaks_stops_the_laser_and_the_line_is_made_anew(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    await firing(stack)

    def broken(_: object) -> None:
        monkeypatch.undo()
        raise ZeroDivisionError("injected")

    monkeypatch.setattr(stack.daemon.teller, "status", broken)
    broken_us = stack.laser.now_us
    await stack.until(lambda: LatchId.RECONNECTED in stack.latched, "connected again")
    assert last_us(stack) <= broken_us + 100_000  # the next Status, and the stop
    await go_on(stack)


async def test_heartbeats_leave_only_while_the_supervisor_gives_them(stack: Stack) -> None:
    beats: list[int] = []

    def count(piece: bytes, frame: Frame | None) -> list[bytes]:
        if frame is not None and isinstance(frame.message, Heartbeat):
            beats.append(stack.loop.now_us())
        return [piece]

    stack.line.to_device.vices = (Tap(count),)
    await stack.settled()
    assert beats == []  # the start is latched
    await stack.acknowledge()
    await asyncio.sleep(1)
    assert 19 <= len(beats) <= 22
    stack.daemon.supervisor.task_ended("a test", stack.loop.now_us())
    await asyncio.sleep(0.05)
    beats.clear()
    await asyncio.sleep(1)
    assert beats == []


# -- the black box, and listeners


async def test_a_trip_keeps_frames_messages_and_words_of_the_seconds_around_it(stack: Stack) -> None:
    await firing(stack)
    stack.laser.act("door", to="open")
    await asyncio.sleep(4)
    incidents = stack.reader.incidents()
    assert len(incidents) == 1
    body = stack.reader.incident(incidents[0].id).body
    assert body is not None
    entries = body["entries"]
    assert isinstance(entries, list)
    kinds = {entry["kind"] for entry in entries}
    assert {"message", "event", "trip"} <= kinds
    names = {entry.get("name") for entry in entries}
    assert {"Status", "PulseReport", "Telemetry"} <= names
    trip_ms = [entry["ms"] for entry in entries if entry["kind"] == "trip"]
    assert trip_ms[0] == 0
    assert max(entry["ms"] for entry in entries) > 1_500  # and what was done about it
    assert "door" in incidents[0].first_cause or "fault" in incidents[0].first_cause
    traffic = body["traffic"]
    assert isinstance(traffic, list)
    assert {chunk["way"] for chunk in traffic} == {"in", "out"}
    assert all(bytes.fromhex(chunk["hex"]) for chunk in traffic)
    report = body["report"]
    assert isinstance(report, dict)
    assert report["laser"]["state"] == "fault"


async def test_without_mqtt_nothing_else_changes(stack: Stack) -> None:
    await stack.prepare(plan_text(series=[3]))
    await stack.arm()
    await stack.give_all()
    assert stack.daemon.reporter.report()["mqtt"]["state"] == "off"
    assert stack.reader.outbox_depth() == 0
    assert stack.truth.aperture == 3


async def test_how_well_the_laser_s_clock_is_known_is_told_and_with_its_line_it_is_unknown(
    stack: Stack,
) -> None:
    await stack.settled()
    await asyncio.sleep(30)
    clock = stack.daemon.reporter.report()["clock"]
    assert clock["laser_known"]
    assert 0 < clock["laser_error_ms"] < 20
    assert abs(clock["laser_drift_ppm"]) < 500
    stack.line.unplug()
    await stack.until(lambda: stack.daemon.commands.laser is None, "the line noticed as gone")
    clock = stack.daemon.reporter.report()["clock"]
    assert clock == {"laser_known": False, "laser_error_ms": None, "laser_drift_ppm": None}


@pytest.mark.shows("REQ-034")
async def test_a_broker_that_is_away_touches_no_pulse(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hopeless(_: MqttPublisher) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(MqttPublisher, "run", hopeless)  # sockets have no place in virtual time
    async with Stack(mqtt={"enabled": True}) as stack:
        await stack.prepare(plan_text(series=[5]))
        await stack.arm()
        await stack.give_all()
        assert stack.truth.aperture == 5
        assert [message.topic for message in stack.reader.outbox_next(1000)].count("pulse") == len(
            numbers(stack)
        )


async def test_a_listener_that_never_listens_delays_nobody(stack: Stack) -> None:
    with stack.daemon.fanout.subscribe("deaf", {Kind.STATE: 1, Kind.PULSE: 2, Kind.EVENT: 2}) as deaf:
        await stack.prepare(plan_text(series=[10]))
        await stack.arm()
        await stack.give_all()
        assert stack.truth.aperture == 10
        assert deaf.dropped[Kind.PULSE] >= 8
