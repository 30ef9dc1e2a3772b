"""The story of an incident, held against what truly happened: the act, the plant's light, the line."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from controller.cli.main import main
from controller.incident import Role, Step, Story, explain
from hal.time import now_us
from rig.stack import Stack
from sim_device.faults import Injector
from sim_device.simulator import Simulator

VIRTUAL_TIME = True

Act = Callable[[Stack], Awaitable[object] | None]


def inject(name: str, **fields: Any) -> Act:
    def act(stack: Stack) -> None:
        def work(simulator: Simulator) -> None:
            Injector.of(simulator).inject(name, **fields)

        stack.laser.work(work)

    return act


def door(stack: Stack) -> None:
    stack.laser.act("door", to="open")


def estop(stack: Stack) -> None:
    stack.laser.act("estop", to="press")


def cable(stack: Stack) -> None:
    stack.laser.act("cable", to="cut")


def stuck_foot(stack: Stack) -> None:
    inject("foot-contact-welded", channel="a")(stack)
    stack.release()


def loop_lag(stack: Stack) -> None:
    stack.daemon._react(stack.daemon.supervisor.loop_lag(200_000, now_us()))


async def stop_of_anna(stack: Stack) -> None:
    await stack.daemon.console.stop("anna", "the patient moves")


class Scene:
    """One incident: the story, and what it is held against; times in ms from the trip."""

    def __init__(self, stack: Stack, story: Story, body: dict[str, Any], cause: str, acted_us: int) -> None:
        trip_us = body["tripped_us"]
        self.story, self.body, self.cause = story, body, cause
        self.act_ms = (acted_us - trip_us) / 1e3
        offset_us = stack.laser.now_us - now_us()
        lights = [pulse.time_us - offset_us for pulse in stack.truth.pulses if pulse.aperture]
        self.last_light_ms = (lights[-1] - trip_us) / 1e3

    def of(self, role: Role) -> Step:
        step = self.story.summary[role]
        assert step is not None, f"{role} is not on record: {self.story.steps}"
        return step


async def scene(act: Act, *, after_s: float = 4.0) -> Scene:
    """Fire, let it happen, and read the only incident of it."""
    async with Stack() as stack:
        await stack.prepare()
        await stack.arm()
        await stack.fire(5)
        await asyncio.sleep(0.05)  # between two pulses
        acted_us = now_us()
        done = act(stack)
        if done is not None:
            await done
        await asyncio.sleep(after_s)
        (kept,) = stack.reader.incidents()
        body = dict(stack.reader.incident(kept.id).body or {})
        return Scene(stack, explain(body), body, kept.first_cause, acted_us)


@pytest.mark.parametrize(("act", "words"), [(door, "door"), (estop, "estop")])
async def test_a_contact_that_opens_while_firing_comes_first_and_the_laser_reacts_before_the_host(
    act: Act, words: str
) -> None:
    told = await scene(act)
    cause, device, host = told.of(Role.CAUSE), told.of(Role.DEVICE), told.of(Role.SUPERVISOR)
    assert words in cause.text
    assert words in told.cause, "the stop that the supervisor asked for in the same moment is no cause"
    assert (cause.who, device.who, host.who) == ("laser", "laser", "host")
    assert told.act_ms <= cause.ms <= told.act_ms + 10.0, "the firmware inhibits within 10 ms"
    assert device.text == "emitting -> fault"
    assert cause.ms <= device.ms <= host.ms == 0.0
    assert 0.0 <= told.of(Role.SENT).ms <= told.of(Role.CONFIRMED).ms <= 50.0
    assert told.of(Role.LAST_PULSE).ms == pytest.approx(told.last_light_ms, abs=1.0)
    assert told.last_light_ms < told.act_ms


async def test_an_energy_beyond_its_bound_is_told_by_the_pulse_that_had_it() -> None:
    told = await scene(inject("energy-off", ratio=1.3))
    cause, last = told.of(Role.CAUSE), told.of(Role.LAST_PULSE)
    assert "energy_high" in cause.text
    assert cause.ms == last.ms == pytest.approx(told.last_light_ms, abs=1.0)
    assert cause.ms > told.act_ms
    assert told.of(Role.DEVICE).text == "emitting -> fault"
    assert cause.ms <= told.of(Role.DEVICE).ms <= told.of(Role.SUPERVISOR).ms == 0.0
    assert any("set 173.0 mJ" in step.text and "energy_high" in step.text for step in told.story.steps)


async def test_a_foot_contact_that_stays_closed_is_told_with_the_release_before_it() -> None:
    told = await scene(stuck_foot)
    assert "foot_disagrees" in told.of(Role.CAUSE).text
    released = next(step for step in told.story.steps if step.text.startswith("emitting -> ready"))
    assert told.act_ms <= released.ms <= told.act_ms + 20.0, "the last pulse comes 20 ms later at most"
    assert released.ms < told.of(Role.CAUSE).ms
    assert told.of(Role.LAST_PULSE).ms == pytest.approx(told.last_light_ms, abs=1.0)


async def test_a_link_that_is_cut_is_told_as_silence_and_nothing_is_claimed_of_the_laser() -> None:
    told = await scene(cable)
    cause = told.of(Role.CAUSE)
    assert cause.text == "nothing more was heard from the laser"
    assert told.act_ms - 110.0 <= cause.ms <= told.act_ms, "a status comes each 100 ms at the least"
    assert told.of(Role.SUPERVISOR).ms == 0.0
    assert "not fresh" in told.of(Role.SUPERVISOR).text
    assert told.of(Role.SENT).ms == 0.0
    assert told.story.summary[Role.CONFIRMED] is None
    assert told.story.summary[Role.DEVICE] is None


@pytest.mark.parametrize(
    ("act", "words"),
    [(stop_of_anna, "stop asked for by anna"), (loop_lag, "the event loop lagged 200000 us")],
)
async def test_what_the_host_itself_decides_comes_first_and_the_laser_reacts_to_its_stop(
    act: Act, words: str
) -> None:
    told = await scene(act)
    cause, device = told.of(Role.CAUSE), told.of(Role.DEVICE)
    assert words in cause.text
    assert words in told.cause
    assert (cause.who, cause.ms, told.act_ms) == ("host", 0.0, 0.0)
    assert told.of(Role.SENT).ms == 0.0
    assert device.text == "emitting -> standby (stop)"
    assert 0.0 < device.ms <= told.of(Role.CONFIRMED).ms <= 50.0
    assert told.of(Role.LAST_PULSE).ms == pytest.approx(told.last_light_ms, abs=1.0)
    assert told.last_light_ms < 0.0


async def test_a_stop_of_a_laser_that_is_not_armed_leaves_no_incident() -> None:
    async with Stack() as stack:
        await stack.prepare()
        await stop_of_anna(stack)
        await asyncio.sleep(4)
        assert stack.reader.incidents() == []


# -- entries by hand: what no scene shows


def status(ms: float, device_ms: float, **changes: object) -> dict[str, Any]:
    return {
        "kind": "message", "name": "Status", "ms": ms, "device_time_s": device_ms / 1e3, "boot": 1,
        "open_interlocks": [], "faults": [], "first_fault": "none", "foot": "pressed", "state": "emitting",
        "leave": "never", "gate_inhibited": False, "hv_inhibited": False, "shutter": "open",
    } | changes  # fmt: skip


def body(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"tripped_us": 0, "entries": list(entries), "traffic": [], "report": {}}


TRIP = {"kind": "trip", "ms": 0.0, "text": "the daemon was late"}


def test_times_of_the_laser_are_mapped_by_the_quickest_message() -> None:
    """Sent each 100 ms, 2 ms on their way, but for the last, which was held up for 90 ms."""
    story = explain(
        body(
            status(-300, 1000 - 302),
            status(-200, 1000 - 202),
            TRIP,
            status(-10, 1000 - 102, state="fault", faults=["door"], first_fault="door"),
        )
    )
    step = story.summary[Role.DEVICE]
    assert step is not None
    assert step.ms == pytest.approx(-100.0)


def test_what_lay_unread_while_the_host_was_held_up_is_no_silence() -> None:
    late = [status(5, 1000 - step) for step in (350, 300, 250, 200, 150, 100, 50, 0)]
    quick = [status(-400, 1000 - 400)]
    story = explain(body(*quick, TRIP, *late))
    first = story.summary[Role.CAUSE]
    assert first is not None
    assert first.text == "tripped: the daemon was late"
    silent = explain(body(*quick, TRIP)).summary[Role.CAUSE]
    assert silent == Step(-400.0, "host", "nothing more was heard from the laser", Role.CAUSE)


def test_a_restart_of_the_laser_is_told_and_its_new_clock_is_mapped_anew() -> None:
    story = explain(
        body(status(-50, 90_000), status(-10, 3, boot=2), TRIP, status(90, 103, boot=2, state="off"))
    )
    assert [step.text for step in story.steps if step.who == "laser"] == [
        "it had restarted",
        "emitting -> off",
    ]
    assert story.summary[Role.DEVICE] == Step(90.0, "laser", "emitting -> off", Role.DEVICE)


def test_what_changed_long_before_did_not_trip_it() -> None:
    entries = [status(-5000, 0), status(-4000, 1000, open_interlocks=["door"]), status(-100, 4900), TRIP]
    story = explain(body(*entries))
    first = story.summary[Role.CAUSE]
    assert first is not None
    assert first.text == "tripped: the daemon was late"


def test_an_empty_box_tells_that_nothing_is_on_record() -> None:
    story = explain({})
    assert story.steps == ()
    assert set(story.summary.values()) == {None}
    assert all(step is None for step in story.plain()["summary"].values())


# -- the command


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with one incident, a door that opened, and its configuration."""
    from rig.virtual_time import VirtualTimeLoop

    folder = tmp_path_factory.mktemp("incident")
    (folder / "picolase.toml").write_text('[device]\nurl = "/dev/ttyUSB0"\n')

    async def trip() -> None:
        async with Stack(folder=folder) as stack:
            await stack.prepare()
            await stack.arm()
            await stack.fire(2)
            door(stack)
            await asyncio.sleep(4)

    loop = VirtualTimeLoop()
    try:
        loop.run_until_complete(trip())
    finally:
        loop.close()
    return folder / "picolase.toml"


def test_the_command_explains_and_gives_the_raw_box_on_demand(kept: Path) -> None:
    def picolase(*arguments: str) -> Any:
        return CliRunner(env={"PICOLASE_CONFIG": str(kept)}).invoke(main, arguments)

    shown = picolase("incident", "show")
    assert shown.exit_code == 0, shown.output
    for words in ("what came first", "door opened", "STOP sent", "STOP confirmed", "last pulse", "+0.000"):
        assert words in shown.stdout
    (row,) = json.loads(picolase("incident", "list", "--json").stdout)
    told = json.loads(picolase("incident", "show", row["id"], "--json").stdout)
    assert told["body"]["entries"]
    assert told["body"]["traffic"]
    assert told["story"] == json.loads(json.dumps(explain(told["body"]).plain()))
    assert picolase("incident", "show", "other").exit_code == 1
