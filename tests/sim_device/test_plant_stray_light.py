"""Light that nobody asked for, and where light goes."""

import dataclasses

import pytest

from protocols.messages import Handpiece
from sim_device.board import Outputs
from sim_device.plant import Plant
from sim_device.plant.conversion import converted
from tests.sim_device.lit import READY, laser, prepare, shoot

MS = 1_000


def pumped(plant: Plant, **levels: object) -> Outputs:
    """Trigger the lamp; what is driven then."""
    armed = prepare(plant, dataclasses.replace(READY, **levels))  # type: ignore[arg-type] # line names
    armed = dataclasses.replace(armed, lamp_triggers=armed.lamp_triggers + 1)
    plant.drive(armed)
    return armed


@pytest.mark.parametrize("shutter_open", [False, True])
@pytest.mark.parametrize("gate_stays", [False, True])
def test_without_hold_off_the_rod_runs_free_whenever_the_lamp_fires_gate_or_no_gate(
    shutter_open: bool, gate_stays: bool
) -> None:
    plant = laser()
    plant.act(lambda p: setattr(p.head, "hold_off", False))
    armed = pumped(plant, shutter_open=shutter_open)
    if not gate_stays:
        plant.drive(dataclasses.replace(armed, gate_enable=False))
    plant.advance(plant.now_us + 10 * MS)
    assert plant.truth.total == 1
    pulse = plant.truth.pulses[-1]
    assert pulse.free_running
    assert pulse.triggered
    assert 400_000 < pulse.energy_uj < 1_200_000  # LASER_FACTS, HZ-046: of the order of 0.8 J
    assert 30e6 < pulse.width_ps < 300e6  # over some 100 us
    assert pulse.aperture == shutter_open
    assert plant.inputs.light_count == 1
    assert plant.inputs.monitor_a_uj == pytest.approx(1.04 * pulse.energy_uj, rel=0.05)
    assert (plant.inputs.monitor_b_uj > 300_000) == shutter_open
    assert plant.inputs.pulse_width_ps > 1e7


@pytest.mark.shows("REQ-051", "HZ-046")
def test_the_comparator_sees_free_running_light_and_shuts_the_gate_without_firmware() -> None:
    plant = laser()
    plant.act(lambda p: setattr(p.head, "hold_off", False))
    pumped(plant, comparator_uj=240_000)
    plant.advance(plant.now_us + 10 * MS)
    assert plant.inputs.comparator_tripped
    assert plant.inputs.gate_inhibited


@pytest.mark.parametrize("hold_off", [False, True])
def test_a_lamp_that_fires_by_itself_makes_light_only_without_hold_off(hold_off: bool) -> None:
    plant = laser()
    plant.act(lambda p: setattr(p.head, "hold_off", hold_off))
    prepare(plant, dataclasses.replace(READY, gate_enable=False))
    fired: list[bool] = []
    plant.act(lambda p: fired.append(p.fire_lamp()))
    assert fired == [True]
    assert plant.inputs.hv_mv == 0
    plant.advance(plant.now_us + 10 * MS)
    assert (plant.truth.total, plant.truth.dark, plant.truth.triggers) == (not hold_off, hold_off, 0)
    assert all(pulse.free_running and not pulse.triggered for pulse in plant.truth.pulses)


@pytest.mark.parametrize("missing", ["charge", "simmer"])
def test_a_lamp_without_charge_or_arc_cannot_fire_by_itself(missing: str) -> None:
    plant = laser()
    if missing == "simmer":
        prepare(plant, dataclasses.replace(READY, simmer_start=False))
    fired: list[bool] = []
    plant.act(lambda p: fired.append(p.fire_lamp()))
    assert fired == [False]


def test_the_truth_tells_what_was_truly_plugged_in_and_where_the_aiming_beam_lay() -> None:
    plant = laser()

    def arrange(p: Plant) -> None:
        p.contacts.handpiece = Handpiece.FIXED_8
        p.lights.aiming_offset_mm = 1.5

    plant.act(arrange)
    pulse = shoot(plant, dataclasses.replace(READY, shutter_open=True))
    assert (pulse.handpiece, pulse.spot_um, pulse.wavelength_nm) == (Handpiece.FIXED_8, 8_000, 755)
    assert (pulse.aiming_offset_mm, pulse.free_running) == (1.5, False)
    assert (pulse.delivered_uj, pulse.delivered_ps) == (pulse.transmitted_uj, pulse.width_ps)


@pytest.mark.parametrize(("module", "wavelength_nm"), [(0, 755), (755, 755), (532, 532), (1064, 1064)])
def test_each_module_gives_its_wavelength_and_the_port_sees_what_it_delivers(
    module: int, wavelength_nm: int
) -> None:
    plant = laser(docked=True, quiet=True)
    plant.act(lambda p: setattr(p.contacts, "wavelength_nm", module))
    pulse = shoot(plant, dataclasses.replace(READY, shutter_open=True))
    assert pulse.wavelength_nm == wavelength_nm
    assert (pulse.delivered_uj == pulse.transmitted_uj) == (wavelength_nm == 755)
    assert (pulse.delivered_uj, pulse.delivered_ps) == converted(
        wavelength_nm, pulse.transmitted_uj, pulse.width_ps
    )
    assert plant.inputs.port_meter_uj == pytest.approx(pulse.delivered_uj, abs=50)
    assert plant.inputs.monitor_b_uj == pytest.approx(0.97 * pulse.transmitted_uj, abs=150)
