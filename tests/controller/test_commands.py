"""Commands: written down before their bytes leave, with what became of them, settled when that is unknown."""

import asyncio
import contextlib

import pytest

from controller.commands import described
from controller.declined import Declined
from controller.store import CommandOutcome, EventKind, SessionState, Store, StoreFull
from hal.errors import LinkError, LinkKind
from hal.outcomes import Done, Failed, Outcome, Refused, Uncertain
from protocols.frame import Frame
from protocols.messages import Stop
from protocols.refusals import Reason
from protocols.requests import Arm, CommitSetpoint, Grant, Reply, SetAiming, StageSetpoint, Standby
from protocols.states import State
from rig.stack import Stack, plan_text
from safety.latches import LatchId
from sim_device.vices import Drop, Tap

VIRTUAL_TIME = True

KINDS = {
    StageSetpoint: "set_point",
    CommitSetpoint: "set_point",
    SetAiming: "aiming",
    Arm: "arm",
    Grant: "grant",
    Standby: "standby",
}


async def test_every_command_is_on_disk_without_an_outcome_when_its_bytes_leave(stack: Stack) -> None:
    seen: list[tuple[type, bool]] = []

    def look(piece: bytes, frame: Frame | None) -> list[bytes]:
        if frame is not None and type(frame.message) in KINDS:
            newest = stack.reader.commands(KINDS[type(frame.message)])[0]
            seen.append((type(frame.message), newest.unresolved))
        return [piece]

    stack.line.to_device.vices = (Tap(look),)
    await stack.prepare(plan_text(series=[2, 2]))
    await stack.arm()
    await stack.give_all()
    assert [kind for kind, _ in seen] == [
        StageSetpoint,
        CommitSetpoint,
        SetAiming,
        Arm,
        Grant,
        Grant,
        Standby,
    ]
    assert all(open_then for _, open_then in seen)
    for kind in set(KINDS.values()):
        assert all(command.outcome is CommandOutcome.DONE for command in stack.reader.commands(kind))


async def test_a_refusal_is_recorded_with_every_reason(stack: Stack) -> None:
    await stack.prepare()
    stack.press()
    stack.laser.act("door", to="open")
    await asyncio.sleep(0.5)
    answer = await stack.daemon.console.aiming(await stack.login(), on=True)
    assert answer["outcome"] == "done"  # the aiming beam is no treatment
    refused = await stack.daemon.console.arm(await stack.login())
    assert refused["outcome"] == "refused"
    codes = {reason["code"] for reason in refused["reasons"]}
    assert {"host.interlock", "host.block"} <= codes
    command = stack.reader.commands("arm")[0]
    assert command.outcome is CommandOutcome.REFUSED
    assert all(reason["text"] in (command.detail or "") for reason in refused["reasons"])
    assert [event.kind for event in stack.reader.events() if "arm was refused" in event.text] == [
        EventKind.REFUSAL
    ]


async def test_without_a_laser_a_command_is_refused_and_not_written_down(stack: Stack) -> None:
    await stack.settled()
    stack.line.unplug()
    await stack.until(lambda: stack.status is None, "the loss seen")
    answer = await stack.daemon.console.standby(await stack.login())
    assert (answer["outcome"], answer["reasons"][0]["code"]) == ("refused", "host.link_down")
    assert stack.reader.commands("standby") == []
    stack.line.plug_in()


async def test_a_stop_under_way_is_joined_not_doubled(stack: Stack) -> None:
    await stack.prepare()
    await stack.arm()
    await stack.fire(2)
    ids: set[int] = set()

    def collect(piece: bytes, frame: Frame | None) -> list[bytes]:
        if frame is not None and isinstance(frame.message, Stop):
            ids.add(frame.message.stop_id)
        return [piece]

    stack.line.to_device.vices = (Tap(collect),)
    both = await asyncio.gather(*(stack.daemon.console.stop(f"hand {n}", "enough") for n in range(5)))
    assert all(answer["confirmed"] for answer in both)
    assert len(ids) == 1
    assert stack.device.stop_epoch == 1
    await asyncio.sleep(0.5)
    assert (await stack.daemon.console.stop("a later hand", "again"))["confirmed"]
    assert len(ids) == 2


async def test_a_stop_waits_for_no_command(stack: Stack) -> None:
    await stack.prepare()
    stack.line.to_host.vices = (Drop().only(Reply),)  # the aiming command hangs on its answer
    aiming = asyncio.create_task(stack.daemon.console.aiming(await stack.login(), on=True))
    await asyncio.sleep(0.01)
    answer = await stack.daemon.console.stop("operator", "enough")
    assert answer["confirmed"]
    assert answer["took_ms"] <= 50
    stack.line.to_host.vices = ()
    assert (await aiming)["outcome"] == "uncertain"


async def test_an_uncertain_command_latches_settles_by_the_counters_and_stays_to_be_acknowledged(
    stack: Stack,
) -> None:
    await stack.prepare()
    stack.line.to_host.vices = (Drop().only(Reply),)
    answer = await stack.daemon.console.aiming(await stack.login(), on=True)
    stack.line.to_host.vices = ()
    assert answer["outcome"] == "uncertain"
    assert "not known" in answer["text"]
    command = stack.reader.commands("aiming")[0]
    assert command.unresolved
    assert stack.daemon.reporter.report()["uncertain"] == [
        {"id": command.id, "kind": "aiming", "text": "its outcome is not known"}
    ]
    await stack.until(lambda: stack.status is not None, "connected again")
    await stack.until(lambda: not stack.daemon.commands.uncertain, "settled")
    settled = stack.reader.command(command.id)
    assert not settled.unresolved
    assert settled.settled_by == "daemon"
    assert "all its 32 pulses are recorded" in (settled.settled_how or "")
    assert LatchId.UNCERTAIN in stack.latched
    await stack.resume()
    assert stack.latched == set()


async def test_what_is_uncertain_does_not_settle_while_pulses_are_missing_or_the_laser_is_armed(
    stack: Stack,
) -> None:
    await stack.prepare()
    await stack.arm()
    stack.daemon.commands._doubtful("grant-1", "grant", "a test")
    assert await stack.daemon.commands.settle("test") == []  # the laser is armed still
    await stack.standby()
    stack.daemon.recorder.device_counter(33)  # a pulse that nobody has reported
    assert await stack.daemon.commands.settle("test") == []
    assert "grant-1" in stack.daemon.commands.uncertain


async def test_a_command_cut_off_by_the_end_of_the_daemon_is_uncertain_for_the_next(stack: Stack) -> None:
    await stack.prepare()
    await stack.daemon.console.aiming(await stack.login(), on=True)
    await asyncio.sleep(0.2)

    def kill_at_arm(piece: bytes, frame: Frame | None) -> list[bytes]:
        if frame is not None and isinstance(frame.message, Arm):
            stack.loop.call_soon(stack.kill_daemon)
        return [piece]

    stack.line.to_device.vices = (Tap(kill_at_arm),)
    arming = asyncio.create_task(stack.daemon.console.arm(await stack.login()))
    await asyncio.sleep(1)
    arming.cancel()
    await asyncio.wait({arming})
    stack.line.to_device.vices = ()
    command = stack.reader.commands("arm")[0]
    assert command.outcome is None
    assert stack.laser.state is State.FAULT  # it was armed, and nobody was there
    daemon = stack.start_daemon()
    await asyncio.sleep(0)
    await stack.until(lambda: LatchId.UNCERTAIN in stack.latched, "recalled")
    assert daemon.commands.uncertain == {command.id: "arm"}
    await stack.until(lambda: not daemon.commands.uncertain, "settled")
    assert not stack.reader.command(command.id).unresolved
    await stack.resume()
    await stack.arm()
    await stack.give_series()


async def test_an_outcome_that_cannot_be_written_down_stays_open_and_latches(stack: Stack) -> None:
    await stack.prepare()
    store = stack.store
    assert store is not None

    def fill_meanwhile(piece: bytes, frame: Frame | None) -> list[bytes]:
        """Between the command's record and that of its outcome the last page is used up."""
        if frame is not None and isinstance(frame.message, SetAiming):
            store.fill_disk()
            for size in (3_000, 300, 30, 0):
                with contextlib.suppress(StoreFull):
                    while True:
                        store.append_audit("f", "t", {"x": "y" * size}, now_us=0)
        return [piece]

    stack.line.to_device.vices = (Tap(fill_meanwhile),)
    answer = await stack.daemon.console.aiming(await stack.login(), on=True)
    stack.line.to_device.vices = ()
    assert answer["outcome"] == "done"  # it was, whatever the disk says
    assert LatchId.STORE_FAILED in stack.latched
    store.free_disk()
    assert stack.reader.commands("aiming")[0].unresolved
    stack.kill_daemon()
    stack.start_daemon()
    await stack.until(lambda: bool(stack.daemon.commands.uncertain), "recalled")
    await stack.until(lambda: not stack.daemon.commands.uncertain, "settled")


async def test_nothing_is_sent_when_it_cannot_be_written_down_first(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stack.prepare()

    def full(*_: object, **__: object) -> None:
        raise StoreFull("the disk is full", "free space")

    monkeypatch.setattr(Store, "begin_command", full)
    heard: list[object] = []

    def listen(piece: bytes, frame: Frame | None) -> list[bytes]:
        if frame is not None and type(frame.message) in KINDS:
            heard.append(frame.message)
        return [piece]

    stack.line.to_device.vices = (Tap(listen),)
    who = await stack.login()
    for ask in (
        stack.daemon.console.arm(who),
        stack.daemon.console.aiming(who, on=True),
        stack.daemon.console.calibrate(who),
        stack.daemon.console.standby(who),
    ):
        with pytest.raises((StoreFull, Declined)):
            await ask
    assert heard == []


async def test_the_session_of_an_uncertain_grant_is_interrupted(stack: Stack) -> None:
    await stack.prepare()
    stack.line.to_host.vices = (Drop().only(Reply, times=1000),)
    await asyncio.sleep(0)
    arming = await stack.daemon.console.arm(await stack.login())
    stack.line.to_host.vices = ()
    assert arming["outcome"] in {"uncertain", "failed"}
    await stack.until(lambda: stack.daemon.treatment.session is None, "out of hand")
    assert stack.reader.sessions()[0].state is SessionState.INTERRUPTED


REASONS = (Reason("a", "one", "do this"), Reason("b", "two", "do that"))
ERROR = LinkError(LinkKind.CLOSED, "it is gone", "connect again")


@pytest.mark.parametrize(
    ("outcome", "value", "detail"),
    [
        (Done(None), CommandOutcome.DONE, ""),
        (Refused(REASONS), CommandOutcome.REFUSED, "one: do this; two: do that"),
        (Failed(ERROR), CommandOutcome.FAILED, str(ERROR)),
        (Uncertain(ERROR), CommandOutcome.UNCERTAIN, str(ERROR)),
    ],
)
def test_each_outcome_is_told_in_words(outcome: Outcome[None], value: CommandOutcome, detail: str) -> None:
    assert described(outcome) == (value, detail)
