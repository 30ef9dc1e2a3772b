"""Advancing until the device has said something: the same life, in pieces."""

from protocols.frame import Frame, encode
from protocols.interface import INTERFACE_HASH
from protocols.messages import Connect
from rig.laser import warm_laser
from sim_device.simulator import Simulator

S = 1_000_000


def connected() -> Simulator:
    simulator = warm_laser(2)
    simulator.receive(encode(Frame(0, 0, Connect(7, INTERFACE_HASH))), simulator.now_us)
    simulator.sent()
    return simulator


def test_advancing_until_something_is_sent_ends_at_that_instant_and_goes_on_once_it_is_fetched() -> None:
    simulator, other = connected(), connected()
    until_us = simulator.now_us + S
    said = b""
    instants = []
    while simulator.now_us < until_us:
        next_us = simulator.advance(until_us, until_sent=True)
        assert next_us == simulator.next_event_us
        instants.append(simulator.now_us)
        assert simulator.advance(until_us, until_sent=True) == next_us or simulator.now_us == until_us
        said += simulator.sent()
    other.advance(until_us)
    assert said == other.sent()
    assert len(instants) >= 10, "a Status comes every 100 ms"
    assert len(instants) == len(set(instants))


def test_advancing_to_a_time_at_which_nothing_was_said_gets_there() -> None:
    simulator = connected()
    until_us = simulator.now_us + 1
    assert simulator.advance(until_us, until_sent=True) > until_us
    assert simulator.now_us == until_us


def test_advancing_until_something_is_sent_ends_too_when_the_line_is_plugged_out_or_in() -> None:
    simulator = connected()
    out_us = simulator.now_us + 123
    simulator.at(out_us, lambda simulator: simulator.wire.unplug())
    simulator.at(out_us + 45, lambda simulator: simulator.wire.plug())
    for instant_us in (out_us, out_us + 45):
        simulator.advance(out_us + 100, until_sent=True)
        assert simulator.now_us == instant_us
    simulator.advance(out_us + 100, until_sent=True)
    assert simulator.now_us == out_us + 100
