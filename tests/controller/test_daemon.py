"""The daemon itself: a full disk, a late loop, a dead part, people who leave, and what it keeps of it."""

import asyncio
from typing import Any

import pytest

from controller.declined import Declined
from controller.fanout import Kind
from controller.lease import Who
from controller.mqtt import MqttPublisher
from controller.operators import NotAuthorised
from controller.store import Role, SessionState, StoreError
from protocols.frame import Frame
from protocols.messages import AckPulses, Heartbeat
from protocols.states import ARMED, State
from rig.records import Records
from rig.stack import Stack, plan_text
from safety.latches import LatchId
from sim_device.vices import Tap

VIRTUAL_TIME = True

SHORT = plan_text(series=[10, 10])


async def firing(stack: Stack, pulses: int = 3) -> None:
    await stack.prepare(SHORT)
    await stack.arm()
    await stack.fire(pulses)


def last_us(stack: Stack) -> int:
    return max(pulse.time_us for pulse in stack.truth.pulses)


def numbers(stack: Stack) -> list[int]:
    return [pulse.pulse_number for pulse in stack.reader.pulses(stack.serial)]


# -- the disk


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


# -- people who leave


async def test_logging_out_while_armed_ends_the_permission(stack: Stack) -> None:
    await firing(stack)
    who = await stack.login()
    stack.daemon.console.logout(who.token)
    out_us = stack.laser.now_us
    await asyncio.sleep(3)
    assert stack.device.state not in ARMED
    assert last_us(stack) <= out_us + 1_250_000  # [C] housekeeping looks once a second
    with pytest.raises(NotAuthorised):
        stack.daemon.logins.require(who.token, Role.OPERATOR)


async def test_a_login_idle_for_too_long_is_locked_and_the_laser_disarmed() -> None:
    async with Stack(safety={"idle_lock_s": 60, "idle_standby_s": 300}) as stack:
        await stack.prepare(SHORT)
        await stack.arm()
        who = await stack.login()
        await stack.until(lambda: stack.device.state is State.STANDBY, "STANDBY", within_s=70)
        assert stack.loop.time() >= 60
        with pytest.raises(NotAuthorised, match="without use"):
            stack.daemon.logins.require(who.token, Role.OPERATOR)
        assert stack.daemon.reporter.report()["lease"] is None


async def test_pulses_keep_the_console_of_whoever_fires_them_open() -> None:
    async with Stack(safety={"idle_lock_s": 60}) as stack:
        await stack.prepare(plan_text(series=[100, 100, 100, 50]))
        await stack.arm()
        await stack.give_all()  # 70 s of treatment without any other command
        assert stack.loop.time() > 70
        assert stack.truth.aperture == 350
        assert stack.daemon.reporter.report()["lease"]["operator"] == "anna"


async def test_the_lease_keeps_another_login_out_until_the_first_logs_out(stack: Stack) -> None:
    await stack.prepare(SHORT)
    bob = await stack.login("bob")
    for asked in (
        stack.daemon.console.arm(bob),
        stack.daemon.console.calibrate(bob),
        stack.daemon.console.aiming(bob, on=True),
        stack.daemon.console.abandon_session(bob),
        stack.daemon.console.acknowledge(bob, [("start_up", 1)]),
        stack.daemon.console.resolve(bob),
        stack.daemon.console.resume_session(bob, 755, checklist=True),
        stack.daemon.console.open_session(bob, SHORT, "plan", 755, checklist=True),
    ):
        with pytest.raises(Declined, match="anna commands the laser"):
            await asked
    assert (await stack.daemon.console.standby(bob))["outcome"] in {"done", "refused"}  # whoever may disarm
    assert (await stack.daemon.console.stop("bob", "anybody may"))["confirmed"]
    stack.daemon.console.logout((await stack.login()).token)
    assert (await stack.daemon.console.resolve(bob))["open"] == []


async def test_anybody_logged_in_may_disarm_what_another_armed(stack: Stack) -> None:
    await firing(stack)
    bob = await stack.login("bob")
    assert (await stack.daemon.console.standby(bob))["outcome"] == "done"
    await asyncio.sleep(1)
    assert stack.device.state is State.STANDBY


# -- calibration, and settling by hand


async def test_the_guided_calibration_runs_into_the_port_and_is_told(stack: Stack) -> None:
    await stack.settled()
    await stack.acknowledge()
    console, who = stack.daemon.console, await stack.login()
    refused = await console.calibrate(who)
    assert refused["outcome"] == "refused"
    assert {reason["code"] for reason in refused["reasons"]} == {"device.not_docked"}
    stack.laser.act("dock")
    await stack.until(lambda: stack.device.docked, "docked")
    port = stack.truth.port
    assert (await console.calibrate(who))["outcome"] == "done"
    await stack.until(lambda: stack.device.state is State.CALIBRATING, "CALIBRATING")
    await stack.until(lambda: stack.device.state is State.STANDBY, "STANDBY", within_s=60)
    assert stack.device.calibrated
    assert stack.truth.port > port
    assert stack.truth.aperture == 0
    await stack.until(lambda: stack.daemon.recorder.balanced, "its pulses recorded")
    assert numbers(stack) == list(range(1, stack.truth.total + 1))
    assert all(not pulse.aperture for pulse in stack.reader.pulses(stack.serial))
    stack.laser.act("undock")
    await stack.until(lambda: not stack.device.docked, "undocked")
    await stack.prepare(SHORT)
    await stack.arm()
    await stack.give_all()
    assert stack.truth.aperture == 20


def begin_database(stack: Stack, known_to: int = 0) -> None:
    """Another database for the next daemon, which knows the laser's pulses up to `known_to` only."""
    known, device = (
        stack.reader.pulses(stack.serial, limit=max(1, known_to)),
        stack.reader.device(stack.serial),
    )
    stack.records.close()
    stack.records = Records(None, stack.wall_clock)
    if known_to:
        assert device is not None
        store = stack.records.open()
        store.save_device(device)
        assert store.record_pulses(known) == known_to


async def test_a_new_database_takes_a_laser_with_a_past_from_where_it_is(stack: Stack) -> None:
    """The pulses that another host has acknowledged are its matter; the counting begins after them."""
    await stack.settled()
    await stack.until(lambda: stack.device.reports_waiting == 0, "every report acknowledged")
    await stack.end_daemon()
    begin_database(stack)
    stack.start_daemon()
    await stack.settled()
    assert numbers(stack) == []
    assert stack.reader.missing_pulses(stack.serial) == []
    await stack.prepare(plan_text(series=[3]))
    await stack.arm()
    await stack.give_all()
    assert numbers(stack) == [33, 34, 35]
    assert stack.reader.check() == []


async def test_resolve_gives_up_pulses_that_can_never_come_and_only_then_arming_goes_on(stack: Stack) -> None:
    """Somebody told the device to forget reports that this database never saw: a person must settle it."""
    await stack.settled()
    device = stack.laser.simulator.firmware.device  # type: ignore[attr-defined]  # the reference's inside
    await stack.end_daemon()
    begin_database(stack, known_to=20)
    stack.start_daemon()
    await stack.until(lambda: LatchId.COUNTER_GAP in stack.latched, "the gap latched")
    assert device.memory.acknowledged == 32
    await asyncio.sleep(3)
    assert stack.daemon.recorder.books.missing == 12
    kept = (await stack.acknowledge())["kept"]
    assert "counter_gap" in {latch["name"] for latch in kept}
    await stack.daemon.console.resolve(await stack.login())
    assert stack.daemon.recorder.balanced
    assert (await stack.acknowledge())["kept"] == []
    await stack.prepare(plan_text(series=[2]))
    await stack.arm()
    await stack.give_all()
    assert numbers(stack)[-2:] == [33, 34]


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


async def test_a_viewer_may_look_and_nothing_else(stack: Stack) -> None:
    await stack.settled()
    viewer: Who = await stack.login("vera", Role.VIEWER)
    with pytest.raises(NotAuthorised, match="needs operator"):
        stack.daemon.logins.require(viewer.token, Role.OPERATOR)
    await stack.daemon.console.acknowledge(viewer, [])  # the API would not let it come so far
    assert "host.operator" in {reason["code"] for reason in arm_refusals(stack)}


def arm_refusals(stack: Stack) -> list[dict[str, Any]]:
    refused: list[dict[str, Any]] = stack.daemon.reporter.report()["supervisor"]["arm_refusals"]
    return refused


async def test_the_same_operator_at_another_console_takes_over_and_nothing_stays_armed(stack: Stack) -> None:
    await firing(stack)
    again = await stack.login_again()
    assert (await stack.daemon.console.aiming(again, on=False))["outcome"] in {"done", "refused"}
    await stack.until(lambda: stack.status is not None and stack.status.state not in ARMED, "disarmed", 1.0)
    stack.release()
