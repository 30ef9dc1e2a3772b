"""The black box of a lost line has what went over it before it was lost."""

import asyncio
from typing import Any

import pytest

from protocols.frame import Decoder, Frame
from protocols.messages import PulseReport
from rig.stack import Stack, plan_text

VIRTUAL_TIME = True


@pytest.mark.parametrize("lost_by", ["cut", "unplug"])
async def test_the_box_of_a_lost_line_has_the_frames_from_before_and_after(
    stack: Stack, lost_by: str
) -> None:
    await stack.prepare(plan_text(series=[20]))
    await stack.arm()
    await stack.fire(3)
    lost_us = stack.loop.now_us()
    if lost_by == "cut":
        stack.line.cut()
    else:
        stack.line.unplug()
    await asyncio.sleep(4)
    stack.release()
    if lost_by == "cut":
        stack.line.mend()
    else:
        stack.line.plug_in()
    await stack.until(lambda: stack.status is not None, "connected again")
    await asyncio.sleep(4)
    bodies: list[Any] = [stack.reader.incident(one.id).body for one in stack.reader.incidents()]
    assert bodies
    came: list[tuple[int, bytes]] = []
    for body in reversed(bodies):
        came = [
            (body["tripped_us"] + round(chunk["ms"] * 1e3), bytes.fromhex(chunk["hex"]))
            for chunk in body["traffic"]
            if chunk["way"] == "in"
        ]
        before = b"".join(data for at_us, data in came if at_us <= lost_us)
        frames = [one for one in Decoder().feed(b"\0" + before) if isinstance(one, Frame)]
        assert sum(isinstance(one.message, PulseReport) for one in frames) >= 3
        assert sorted(at_us for at_us, _ in came) == [at_us for at_us, _ in came]
    assert came[-1][0] > lost_us  # the last one kept: that the line is there again
