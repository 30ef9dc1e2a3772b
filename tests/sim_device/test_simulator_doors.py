"""The doors of the simulator: agenda, disturbances, observers, a hung processor, a drifting clock."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

import pytest

from protocols.states import State
from sim_device.board import Inputs, Outputs
from sim_device.doors import Disturbance, Observer
from sim_device.firmware import Reference
from sim_device.memory import RamMemory
from sim_device.operator import perform
from sim_device.plant import Contacts, Plant
from sim_device.simulator import Simulator


def made(*, key_on: bool = False) -> Simulator:
    return Simulator(Reference(), Plant(1, Contacts(key_on=key_on)), RamMemory())


def state(simulator: Simulator) -> State | None:
    return simulator.state


@dataclass
class Diary(Observer):
    entries: list[tuple[object, ...]] = field(default_factory=list)

    def stepped(self, now_us: int, inputs: Inputs, outputs: Outputs) -> None:
        self.entries.append(("stepped", now_us, inputs.key_on, outputs.pump_on))

    def acted(self, now_us: int, name: str, fields: dict[str, object]) -> None:
        self.entries.append(("acted", now_us, name, dict(fields)))

    def booted(self, now_us: int, *, watchdog_reset: bool) -> None:
        self.entries.append(("booted", now_us, watchdog_reset))

    def of(self, kind: str) -> list[tuple[object, ...]]:
        return [entry for entry in self.entries if entry[0] == kind]


class KeyStuckOn(Disturbance):
    def alter_inputs(self, now_us: int, lines: Inputs) -> None:
        lines.key_on = True


class PumpCut(Disturbance):
    def alter_outputs(self, now_us: int, lines: Outputs) -> None:
        lines.pump_on = False


def turn_key_on(simulator: Simulator) -> None:
    perform(simulator, "key", {"to": "on"}, simulator.now_us)


def test_work_on_the_agenda_happens_at_its_time_and_in_its_order() -> None:
    simulator, diary = made(), Diary()
    simulator.observers.append(diary)
    simulator.at(30_000, turn_key_on)
    assert simulator.next_event_us <= 30_000
    simulator.advance(29_999)
    assert state(simulator) is State.OFF
    simulator.advance(30_000)
    assert state(simulator) is State.SELF_TEST
    assert diary.of("acted") == [("acted", 30_000, "key", {"to": "on"})]


def test_a_time_gone_by_is_refused_on_the_agenda() -> None:
    simulator = made()
    simulator.advance(10)
    with pytest.raises(ValueError, match="9 lies before 10"):
        simulator.at(9, turn_key_on)


def test_a_copied_simulator_does_its_own_agenda_on_itself() -> None:
    simulator = made()
    simulator.at(1_000, turn_key_on)
    twin = copy.deepcopy(simulator)
    twin.advance(2_000)
    assert state(twin) is State.SELF_TEST
    assert state(simulator) is State.OFF


def test_a_disturbed_input_deceives_the_firmware_and_not_the_plant() -> None:
    simulator = made()
    simulator.disturbances.append(KeyStuckOn())
    simulator.advance(100_000)
    assert state(simulator) is State.SELF_TEST
    assert not simulator.plant.inputs.key_on


def test_a_disturbed_output_reaches_the_plant_and_not_the_firmware() -> None:
    simulator, diary = made(key_on=True), Diary()
    simulator.disturbances.append(PumpCut())
    simulator.observers.append(diary)
    while not simulator.firmware.outputs.pump_on:
        simulator.advance(simulator.next_event_us)
    assert not any(pump_on for _, _, _, pump_on in diary.of("stepped"))
    assert simulator.plant.inputs.flow_ml_min == 0


def test_a_hung_processor_is_reset_by_its_watchdog() -> None:
    simulator, diary = made(key_on=True), Diary()
    simulator.advance(50_000)
    simulator.observers.append(diary)
    simulator.hang(50_000)
    simulator.receive(b"nobody hears this", 60_000)
    assert not simulator.running
    assert diary.entries == []
    simulator.advance(2_000_000)
    assert simulator.resets == 1
    assert simulator.running
    assert [entry[2] for entry in diary.of("booted")] == [True]


@pytest.mark.parametrize("ppm", [-20_000, 0, 20_000])
def test_a_drifting_clock_moves_every_deadline_of_the_firmware_by_its_ppm(ppm: int) -> None:
    simulator, diary = made(key_on=True), Diary()
    simulator.advance(10_000)
    simulator.drift(ppm, 10_000)
    simulator.observers.append(diary)
    simulator.advance(510_000)
    reference = made(key_on=True)
    told = Diary()
    reference.observers.append(told)
    reference.advance(10_000 + 500_000 * (1_000_000 + ppm) // 1_000_000)
    kicks = [simulator.firmware.outputs.watchdog_kicks, reference.firmware.outputs.watchdog_kicks]
    assert abs(kicks[0] - kicks[1]) <= 1
    assert kicks[0] > 5


def test_the_drift_ends_without_a_jump() -> None:
    simulator = made(key_on=True)
    simulator.drift(10_000, 0)
    simulator.advance(1_000_000)
    simulator.drift(0, 1_000_000)
    simulator.advance(1_500_000)
    assert isinstance(simulator.firmware, Reference)
    assert 1_500_000 <= simulator.firmware.device.now_us <= 1_510_000
