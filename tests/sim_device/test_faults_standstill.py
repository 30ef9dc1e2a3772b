"""Faults of outputs that come or go while no firmware runs: hung, or in reset, the wires carry on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from rig.recording import Recorder, Recording, header_of
from sim_device.board import Inputs, Outputs
from sim_device.doors import Observer
from sim_device.faults import clear, inject
from tests.sim_device.desk import MS, Desk, at


@dataclass
class Diary(Observer):
    """What observers are told of the board's outputs."""

    stepped_us: list[int] = field(default_factory=list)
    driven: list[tuple[int, bool]] = field(default_factory=list)

    def stepped(self, now_us: int, inputs: Inputs, outputs: Outputs) -> None:
        self.stepped_us.append(now_us)

    def rewired(self, now_us: int, outputs: Outputs) -> None:
        self.driven.append((now_us, outputs.shutter_open))


def hung(stage: str) -> Desk:
    """The watchdog was served a moment ago: it has 57 ms to go at least."""
    desk = at(stage)
    served = desk.simulator.firmware.outputs.watchdog_kicks
    while desk.simulator.firmware.outputs.watchdog_kicks == served:
        desk.run(MS)
    desk.simulator.hang(desk.simulator.now_us)
    return desk


def in_reset(stage: str) -> Desk:
    """For 1 ms."""
    desk = at(stage)
    desk.simulator.reset(desk.simulator.now_us)
    return desk


@pytest.mark.parametrize("still", [hung, in_reset])
def test_an_output_that_welds_while_the_processor_stands_still_is_welded_at_once(
    still: Callable[[str], Desk],
) -> None:
    desk = still("ready")
    injection = desk.inject("gate-welded")
    assert not desk.simulator.running
    assert desk.simulator.plant.gate_open
    assert injection.report().fired == 1


def test_an_output_that_is_mended_while_the_processor_hangs_is_mended_at_once() -> None:
    desk = at("ready")
    injection = desk.inject("gate-welded")
    desk.simulator.hang(desk.simulator.now_us)
    assert desk.simulator.plant.gate_open
    clear(desk.simulator, injection)
    assert not desk.simulator.running
    assert not desk.simulator.plant.gate_open


@pytest.mark.shows("REQ-013", "REQ-036")
def test_a_cut_shutter_wire_closes_the_shutter_of_a_hung_processor() -> None:
    desk = hung("emitting")
    injection = desk.inject("output-stuck", line="shutter_open", to=False)
    desk.run(40 * MS)
    assert not desk.simulator.running
    assert desk.simulator.plant.shutter.position(desk.simulator.now_us) == 0
    assert injection.report().fired == 1


def test_a_glitch_on_the_trigger_line_of_a_hung_processor_fires_the_lamp_once() -> None:
    desk = hung("emitting")
    desk.run(20 * MS)  # the lamp's last pulse is over
    shots = desk.simulator.plant.lamp.shots
    injection = desk.inject("spurious-trigger")
    desk.run(5 * MS)
    assert not desk.simulator.running
    assert desk.simulator.plant.lamp.shots == shots + 1
    assert injection.report().fired == 1


@pytest.mark.shows("REQ-035", "HZ-001")
def test_a_glitch_on_the_trigger_line_of_a_processor_in_reset_finds_the_gate_closed() -> None:
    desk = in_reset("emitting")
    shots, blocked = desk.simulator.plant.lamp.shots, desk.simulator.plant.truth.blocked
    desk.inject("spurious-trigger")
    assert desk.simulator.plant.truth.blocked == blocked + 1
    desk.run(5 * MS)
    assert desk.simulator.plant.lamp.shots == shots


def test_a_wire_that_welds_without_supply_has_changed_nothing() -> None:
    desk = at("standby")
    desk.simulator.set_power(False, desk.simulator.now_us)
    injection = desk.inject("gate-welded")
    assert not desk.simulator.plant.gate_open
    assert injection.report().fired == 0


def test_observers_are_told_what_the_wires_carry_and_of_no_step() -> None:
    desk = hung("ready")
    diary = Diary()
    desk.simulator.observers.append(diary)
    now_us = desk.simulator.now_us
    injection = desk.inject("output-stuck", line="shutter_open", to=True)
    desk.run(10 * MS)
    clear(desk.simulator, injection)
    assert diary.driven == [(now_us, True), (now_us + 10 * MS, False)]
    assert diary.stepped_us == []


def test_the_lamp_disturbs_the_line_of_a_hung_processor_too() -> None:
    desk = at("emitting")
    noise = desk.inject("line-lamp-noise", direction="to_device")
    desk.run(110 * MS)
    fired = noise.report().fired
    desk.simulator.hang(desk.simulator.now_us)
    desk.run(5 * MS)
    desk.inject("spurious-trigger")
    desk.simulator.receive(b"\x55" * 8 + b"\0", desk.simulator.now_us)
    assert not desk.simulator.running
    assert noise.report().fired == fired + 1


def test_a_recording_shows_what_the_wires_carry_while_the_processor_hangs() -> None:
    simulator = at("ready").simulator
    recording = Recording(header_of(simulator, start="warm", seed=11, serial=""))
    recorder = Recorder(simulator, recording)
    simulator.receive(b"\0", simulator.now_us)  # a step, so that all lines are known
    simulator.hang(simulator.now_us)
    clear(simulator, inject(simulator, "output-stuck", line="shutter_open", to=True))
    recorder.close()
    lines = [event.body for event in recording.events if event.kind == "lines"]
    assert lines[1:] == [{"out": {"shutter_open": True}}, {"out": {"shutter_open": False}}]
