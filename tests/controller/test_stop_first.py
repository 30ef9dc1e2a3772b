"""STOP comes first: before logs and records, which may wait, and as soon as there is a line to send it on."""

import asyncio
import logging
from collections.abc import Iterator

import pytest

from controller.recorder import Event, Recorder
from hal.memory_port import MemoryPort
from protocols.frame import Decoder, Frame
from protocols.messages import Stop
from protocols.requests import ReadCounters
from rig.stack import Stack, plan_text
from safety.latches import LatchId
from sim_device.vices import Drop, Tap

VIRTUAL_TIME = True

SHORT = plan_text(series=[10, 10])


@pytest.fixture
def order(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What the host does, in its order: STOP at the port, lines of the log, events for the record."""
    order: list[str] = []
    write, event = MemoryPort.write, Recorder.event

    def written(port: MemoryPort, data: bytes) -> None:
        frames = [one for one in Decoder().feed(data) if isinstance(one, Frame)]
        order.extend("STOP" for one in frames if isinstance(one.message, Stop))
        write(port, data)

    def noted(recorder: Recorder, one: Event) -> None:
        order.append(f"event: {one.text}")
        event(recorder, one)

    class Log(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            order.append(f"log: {record.getMessage()}")

    monkeypatch.setattr(MemoryPort, "write", written)
    monkeypatch.setattr(Recorder, "event", noted)
    handler = Log()
    logging.getLogger().addHandler(handler)
    yield order
    logging.getLogger().removeHandler(handler)


async def test_an_operators_stop_is_written_before_anything_is_logged_or_recorded(
    stack: Stack, order: list[str]
) -> None:
    await stack.prepare(SHORT)
    await stack.arm()
    await stack.fire(2)
    order.clear()
    await stack.daemon.console.stop("anna", "test")
    assert order[0] == "STOP", order
    assert any(what.startswith("log: stop by anna") for what in order)
    assert any(what.startswith("event: stop") for what in order)


async def test_the_supervisors_stop_is_written_before_anything_is_logged_or_recorded(
    stack: Stack, order: list[str]
) -> None:
    await stack.prepare(SHORT)
    await stack.arm()
    await stack.fire(2)
    order.clear()
    stack.loop.jump(0.15)
    await stack.until(lambda: LatchId.LOOP_LAG in stack.latched, "the late loop latched")
    assert order[0] == "STOP", order
    assert any("stop by supervisor" in what for what in order)


async def test_a_stop_while_the_laser_is_taken_in_is_sent(stack: Stack) -> None:
    """A session is open, but the laser is not in use yet: there is a line to send it on."""
    await stack.settled()
    stack.line.unplug()
    await asyncio.sleep(1)
    stops: list[int] = []

    def listen(piece: bytes, frame: Frame | None) -> list[bytes]:
        if frame is not None and isinstance(frame.message, Stop):
            stops.append(stack.loop.now_us())
        return [piece]

    stack.line.to_device.vices = (Tap(listen), Drop().only(ReadCounters, times=3))
    stack.line.plug_in()
    await stack.until(lambda: stack.status is not None, "a session is open")
    assert stack.daemon.commands.laser is None
    asked_us = stack.loop.now_us()
    answer = await stack.daemon.console.stop("anna", "test")
    assert answer["confirmed"], answer
    assert stops[0] == asked_us
