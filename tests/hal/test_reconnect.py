"""The policy: back-off, identification before trust, one warning for each kind of failure."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from hal.errors import LinkError, LinkKind, PortKind
from hal.hooks import Hooks
from hal.laser import Laser
from hal.laser_values import LaserIdentity
from hal.memory_port import MemoryEnd
from hal.outcomes import Done
from hal.picolase_laser import PicolaseLaser
from hal.port import Port
from hal.ports import open_port
from hal.reconnect import LineState, Reconnect
from hal.time import now_us
from protocols import requests as wire
from protocols.messages import Heartbeat, Intent, Status
from protocols.refusals import Reason
from tests.hal.little_laser import LittleLaser, Witness, memory_line, turns
from tests.still_laser import status


class Bench:
    """A policy under way, and what it told."""

    def __init__(self, witness: Witness, *, expected_serial: str = "", jitter: float = 0.0) -> None:
        self.tries_us: list[int] = []
        self.states: list[tuple[LineState, str]] = []
        self.served: list[tuple[LaserIdentity, int]] = []
        self.lasers: list[Laser] = []
        self.policy = Reconnect(
            "memory://laser",
            PicolaseLaser,
            witness.hooks,
            jitter=lambda: jitter,
            expected_serial=expected_serial,
            on_state=lambda state, text: self.states.append((state, text)),
            opener=self.open_port,
        )

    async def open_port(self, url: str, *, baud: int = 0) -> Port:
        self.tries_us.append(now_us())
        return await open_port(url, baud=baud)

    async def serve(self, laser: Laser, identity: LaserIdentity) -> None:
        self.served.append((identity, now_us()))
        self.lasers.append(laser)
        await asyncio.get_running_loop().create_future()

    async def run(self, duration_s: float) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(duration_s):
                await self.policy.run(self.serve)


async def chatter(laser: LittleLaser) -> None:
    while True:
        laser.tell(status())
        await asyncio.sleep(0.25)


async def test_tries_are_spaced_by_a_back_off_that_doubles_up_to_five_seconds() -> None:
    bench = Bench(Witness())
    await bench.run(30)
    gaps = [late - early for early, late in zip(bench.tries_us, bench.tries_us[1:], strict=False)]
    assert gaps == [200_000, 400_000, 800_000, 1_600_000, 3_200_000] + [5_000_000] * 4
    jittered = Bench(Witness(), jitter=1.0)
    await jittered.run(3)
    assert jittered.tries_us[1] - jittered.tries_us[0] == 150_000


async def test_the_first_failure_of_a_kind_is_a_warning_and_its_repeats_are_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, logger="hal.reconnect")
    bench = Bench(Witness())
    await bench.run(10)
    levels = [record.levelno for record in caplog.records]
    assert levels == [logging.WARNING] + [logging.DEBUG] * (len(levels) - 1)
    assert len(levels) > 3
    assert [state for state, _ in bench.states] == [LineState.CONNECTING, LineState.WAITING]
    assert "no such line" in bench.states[1][1]


@pytest.mark.shows("REQ-008")
async def test_a_laser_that_comes_back_is_served_again_with_a_new_connection_and_never_armed() -> None:
    witness = Witness()
    bench = Bench(witness)
    devices: list[LittleLaser] = []

    async def story() -> None:
        for boot in (1, 2):
            with memory_line() as end:
                devices.append(LittleLaser(end, boot=boot))
                task = asyncio.ensure_future(chatter(devices[-1]))
                await asyncio.sleep(8)
                task.cancel()
            await asyncio.sleep(1)

    telling = asyncio.ensure_future(story())
    await turns(1)
    await bench.run(17.5)
    await telling
    assert [identity.boot for identity, _ in bench.served] == [1, 2]
    assert bench.lasers[0] is not bench.lasers[1]
    assert [error.kind for error in witness.downs if isinstance(error, LinkError)] == [PortKind.LOST] * 2
    assert [state for state, _ in bench.states] == [
        LineState.CONNECTING,
        LineState.CONNECTED,
        LineState.WAITING,  # lost
        LineState.WAITING,  # absent
        LineState.CONNECTED,
        LineState.WAITING,
        LineState.WAITING,
    ]
    # It held for 8 s: the first try after the loss comes after 0.2 s, not after what had built up.
    assert 8_200_000 in bench.tries_us
    for device in devices:
        assert {type(request) for request in device.asked} == {wire.ReadIdentity}
        assert device.heard == []


async def test_connections_that_do_not_hold_do_not_start_the_back_off_anew() -> None:
    with memory_line() as end:
        laser, bench = LittleLaser(end), Bench(Witness())

        async def serve(_laser: Laser, _identity: LaserIdentity) -> None:
            await asyncio.sleep(0.1)

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(20):
                await bench.policy.run(serve)
        gaps = [late - early for early, late in zip(bench.tries_us, bench.tries_us[1:], strict=False)]
        assert gaps[:5] == [300_000, 500_000, 900_000, 1_700_000, 3_300_000]
        assert laser.sessions == len(bench.tries_us)


@pytest.mark.parametrize("expected", ["PL755-0001", ""])
async def test_another_laser_on_the_port_is_not_served_heard_or_let_go_unnoticed(expected: str) -> None:
    witness = Witness()
    bench = Bench(witness, expected_serial=expected)

    async def story() -> None:
        for serial in ("PL755-0001", "PL755-0002", "PL755-0001"):
            with memory_line() as end:
                laser = LittleLaser(end, serial=serial)
                task = asyncio.ensure_future(chatter(laser))
                await asyncio.sleep(10)
                task.cancel()
                if serial == "PL755-0002":
                    assert end.host is None  # it does not sit on a port it does not use
                    assert witness.seen == []
                else:
                    assert len(witness.seen) > 10
                witness.seen.clear()

    telling = asyncio.ensure_future(story())
    await turns(1)
    await bench.run(29.9)
    await telling  # its assertions count
    assert [identity.serial for identity, _ in bench.served] == ["PL755-0001", "PL755-0001"]
    texts = [text for state, text in bench.states if state is LineState.OTHER_DEVICE]
    assert texts == [
        "memory://laser: the laser there is PL755-0002, not PL755-0001: "
        "connect the right laser, or restart with the other's serial number configured"
    ]
    # of the laser that was served, twice; the other was never up for the host
    kinds = [error.kind for error in witness.downs if isinstance(error, LinkError)]
    assert kinds == [PortKind.LOST, LinkKind.CLOSED]


async def test_a_laser_without_a_serial_number_is_not_trusted() -> None:
    with memory_line() as end:
        LittleLaser(end, serial="")
        bench = Bench(Witness())
        await bench.run(3)
        assert bench.served == []
        assert bench.states[-1][0] is LineState.OTHER_DEVICE


async def test_no_message_is_delivered_before_the_laser_is_handed_over() -> None:
    witness, order = Witness(), list[str]()
    hooks = Hooks(
        gate=witness.gate,
        on_message=lambda message, _: order.append(type(message).__name__),
        on_down=witness.downs.append,
    )

    async def serve(_laser: Laser, identity: LaserIdentity) -> None:
        order.append(f"up {identity.serial}")
        await asyncio.get_running_loop().create_future()

    with memory_line() as end:
        laser = LittleLaser(end)
        original = laser.answer

        def talkative(request: wire.Request) -> wire.Answer:
            laser.link.send(status())  # on every occasion, before the answer
            return original(request)

        laser.answer = talkative  # type: ignore[method-assign]  # a habit of this one device
        task = asyncio.ensure_future(chatter(laser))
        policy = Reconnect("memory://laser", PicolaseLaser, hooks, jitter=lambda: 0.0)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await policy.run(serve)
        task.cancel()
    assert order[0] == "up PL755-0001"
    assert set(order[1:]) == {Status.__name__}


async def test_a_gate_that_forbids_reading_keeps_the_laser_out() -> None:
    with memory_line() as end:
        LittleLaser(end)
        witness = Witness()
        witness.reasons = {wire.ReadIdentity: (Reason("host.test", "not now", "wait"),)}
        bench = Bench(witness)
        await bench.run(1)
        assert bench.served == []
        assert "identifying was refused: not now: wait" in bench.states[-1][1]


async def test_a_connection_that_ends_ends_its_serving() -> None:
    ended: list[str] = []

    async def serve(laser: Laser, _identity: LaserIdentity) -> None:
        try:
            for _ in range(1000):
                assert isinstance(laser.heartbeat(Heartbeat(1, Intent.IDLE)), Done)
                await asyncio.sleep(0.05)
        finally:
            ended.append("served")

    with ExitStack() as lines:
        end: MemoryEnd = lines.enter_context(memory_line())
        device, bench = LittleLaser(end), Bench(Witness())
        policy = asyncio.ensure_future(bench.policy.run(serve))
        await asyncio.sleep(0.5)
        assert len(device.heard) > 5
        end.close()
        await turns()
        assert ended == ["served"]
        policy.cancel()
        await asyncio.gather(policy, return_exceptions=True)


@pytest.mark.parametrize("make", [lambda: ZeroDivisionError("a bug"), lambda: KeyError("another")])
async def test_a_bug_in_the_serving_ends_the_policy_and_frees_the_port(make: Callable[[], Exception]) -> None:
    async def serve(_laser: Laser, _identity: LaserIdentity) -> None:
        raise make()

    with memory_line() as end:
        LittleLaser(end)
        with pytest.raises(type(make())):
            await Bench(Witness()).policy.run(serve)
        assert end.host is None


async def test_a_laser_error_in_the_serving_is_a_reason_to_connect_anew() -> None:
    async def serve(_laser: Laser, _identity: LaserIdentity) -> None:
        raise LinkError(LinkKind.NO_ANSWER, "it does not answer", "try again")

    with memory_line() as end:
        laser, bench = LittleLaser(end), Bench(Witness())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await bench.policy.run(serve)
        assert laser.sessions > 2


async def test_a_mismatching_interface_is_served_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with memory_line() as end:
        LittleLaser(end, interface_hash=1)
        bench = Bench(Witness())
        await bench.run(0.5)
        assert not bench.lasers[0].session.interface_matches
        assert any("arming is refused" in record.message for record in caplog.records)
