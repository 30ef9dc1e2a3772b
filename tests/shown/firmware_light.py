"""What is proven of the firmware's light: what a trigger, the next state on the way to it and an output need.

The claims say what must be true of the transition in words of the requirements and in terms of the wires.
None assumes that the state makes sense: a permit may be held in STANDBY, an order may say what no permit
said, a deadline may lie years ahead. What is assumed is the range of each type, as the C core has it.
"""

from __future__ import annotations

from typing import Any

import z3

from protocols.messages import Beam, Shutter
from protocols.states import ARMED, State
from tests.shown.firmware import Firmware, forget
from tests.shown.proof import Claims, Maker, Scene, all_of, any_of, at, if_so, no
from tests.shown.symbolic import truth

_S = State


def trigger(firmware: Firmware, make: Maker) -> Scene:
    """Whoever lets the pulse sequence go on, in whatever state, with whatever order."""
    order = firmware.order(make)

    def act(device: Any) -> None:
        device.trip = lambda *_: (
            None
        )  # where it trips it goes no further; what a trip does is proven by itself
        device.pulser.run(device, order)

    scene = firmware.acts(make, act, asked=order, split=False)
    scene.answer = make("written", False)
    return scene


def trigger_claims(s: Scene) -> Claims:
    """Every condition of light, at the moment of the trigger and at the wires as they are then."""
    device, order, wires, before = s.after, s.asked, s.after.inputs, s.before
    permit, setpoint = device.permit, device.setpoints.committed
    opens = truth(order.expected.shutter_open)
    fired = truth(device.outputs.lamp_triggers != before.outputs.lamp_triggers)
    calibrates = at(before.state, _S.CALIBRATING)
    treats = all_of(fired, no(calibrates))
    return {
        "one trigger at most comes of one look": any_of(
            no(fired), device.outputs.lamp_triggers == (before.outputs.lamp_triggers + 1) % 2**32
        ),
        "a trigger comes only in EMITTING and CALIBRATING": if_so(
            fired, at(before.state, _S.EMITTING, _S.CALIBRATING)
        ),
        "its number is on record before it": if_so(fired, s.answer),
        "no fault is latched": if_so(fired, before.latched == 0),
        "the emergency stop is closed": if_so(fired, wires.estop_a_closed, wires.estop_b_closed),
        "the key is on and mains is there": if_so(fired, wires.key_on, wires.mains_ok),
        "the cover is closed, and no key defeats its contacts": if_so(
            fired, wires.cover_a_closed, wires.cover_b_closed, wires.defeat_key_out
        ),
        "level, flow, thermostat and charger are in order": if_so(
            fired,
            wires.level_ok,
            no(device.cooling.flow_low),
            wires.thermostat_closed,
            wires.charger_cool,
        ),
        "door, remote interlock, arm and handpiece are closed unless the light ends on the shutter": if_so(
            any_of(treats, all_of(fired, opens)),
            wires.door_closed,
            wires.remote_closed,
            wires.arm_connected,
            wires.handpiece >= 1,
            wires.handpiece <= 5,
        ),
        "calibration light past the shutter goes into the port, by both contacts": if_so(
            all_of(fired, calibrates, opens), wires.docked_a_closed, wires.docked_b_closed
        ),
        "treatment light past the shutter leaves from outside the port, by both contacts": if_so(
            all_of(treats, opens), no(wires.docked_a_closed), no(wires.docked_b_closed)
        ),
        "a permit is held, the one that the press was for": if_so(
            treats, permit.id != 0, permit.id == order.permit_id
        ),
        "the permit has not ended": if_so(treats, device.now_us < permit.ends_us),
        "the host is alive": if_so(treats, device.now_us < before.host.alive_until_us),
        "the foot is down on both contacts, or the strap fires under a permit for it": if_so(
            treats,
            z3.If(
                truth(permit.internal),
                truth(wires.internal_trigger_strap),
                all_of(wires.foot_a_closed, wires.foot_b_closed, no(wires.internal_trigger_strap)),
            ),
        ),
        "the beam is the one that was armed": if_so(treats, opens == truth(device.beam == Beam.APERTURE)),
        "handpiece, spot and wavelength are the set-point's": if_so(
            treats,
            wires.handpiece == setpoint.handpiece,
            wires.spot_um == setpoint.spot_um,
            wires.wavelength_nm == setpoint.wavelength_nm,
        ),
        "both switches have the shutter where it was ordered": if_so(
            fired,
            truth(wires.shutter_open_switch) == opens,
            truth(wires.shutter_closed_switch) != opens,
            z3.If(
                opens,
                truth(device.shutter.position == Shutter.OPEN),
                truth(device.shutter.position == Shutter.CLOSED),
            ),
        ),
        "the gate reads open": if_so(fired, no(wires.gate_inhibited)),
        "the comparator has not tripped": if_so(fired, no(wires.comparator_tripped)),
        "simmer burns": if_so(fired, wires.simmer_on),
        "the charge is complete and no more than 1.5 % too high": if_so(
            fired,
            wires.charge_done,
            wires.hv_mv * 1000 >= order.hv_mv * 980,
            wires.hv_mv * 1000 <= order.hv_mv * 1015,
        ),
        "the pulse before is a period ago": if_so(
            fired,
            device.now_us >= before.pulser._earliest_us,
            device.pulser._earliest_us == device.now_us + order.period_us,
        ),
    }


def emitting(firmware: Firmware, make: Maker) -> Scene:
    """The sequence of EMITTING goes on."""
    return firmware.acts(make, lambda device: device.emission.emitting(device), _S.EMITTING, shot=True)


def emitting_claims(s: Scene) -> Claims:
    """Pulses are counted off the permit, one by one."""
    device, before = s.after, s.before
    fired = truth(device.outputs.lamp_triggers != before.outputs.lamp_triggers)
    left, was = device.permit.pulses_left, before.permit.pulses_left
    return {
        "a pulse is one of those that the permit had left": if_so(fired, was >= 1, left == was - 1),
        "pulses left never rise": left <= was,
        "the permit stays that permit, or there is none": any_of(
            all_of(device.permit.id == before.permit.id, device.permit.ends_us == before.permit.ends_us),
            all_of(device.permit.id == 0, left == 0),
        ),
        "no pulse comes while one is on its way": if_so(fired, before.pulser.shot is None),
        "leaving EMITTING closes gate and shutter": any_of(
            at(device.state, _S.EMITTING),
            all_of(no(device.outputs.gate_enable), no(device.outputs.shutter_open)),
        ),
    }


def press(firmware: Firmware, make: Maker) -> Scene:
    """The sequence of READY goes on."""
    return firmware.acts(make, lambda device: device.emission.ready(device), _S.READY)


def press_claims(s: Scene) -> Claims:
    """What opens the way to light."""
    device, foot, permit = s.after, s.before.foot, s.before.permit
    emits = at(device.state, _S.EMITTING)
    return {
        "one way leads on from READY": at(device.state, _S.READY, _S.EMITTING),
        "EMITTING needs a permit with pulses left": if_so(emits, permit.id != 0, permit.pulses_left >= 1),
        "EMITTING needs a press that began after permission came, or the strap and a permit for it": if_so(
            emits,
            z3.If(
                truth(permit.internal),
                truth(device.inputs.internal_trigger_strap),
                all_of(foot._stable, foot.began_us > foot._consumed_us),
            ),
        ),
        "nothing fires in READY": device.outputs.lamp_triggers == s.before.outputs.lamp_triggers,
        "the permit is as before": all_of(
            device.permit.id == permit.id, device.permit.pulses_left == permit.pulses_left
        ),
    }


def proofs(firmware: Firmware, make: Maker) -> Scene:
    """The sequence of ARMING goes on."""
    scene = firmware.acts(make, lambda device: device.arming.work(device), _S.ARMING)
    scene.asked = len(firmware.part("arming")._PROOFS)
    return scene


def proofs_claims(s: Scene) -> Claims:
    """What READY needs."""
    device, ready = s.after, at(s.after.state, _S.READY)
    return {
        "the ways out are READY, STANDBY and FAULT": at(
            device.state, _S.ARMING, _S.READY, _S.STANDBY, _S.FAULT
        ),
        "READY needs every proof": if_so(ready, device.arming._script._next == s.asked),
        "READY needs the foot up and simmer": if_so(ready, no(device.foot.down), device.inputs.simmer_on),
        "READY comes two seconds after the indicator or later": if_so(
            ready, device.now_us - s.before.entered_us >= 2_000_000
        ),
        "no permit comes of it": all_of(
            any_of(device.permit.id == 0, device.permit.id == s.before.permit.id),
            device.permit.pulses_left <= s.before.permit.pulses_left,
        ),
        "nothing fires in ARMING": device.outputs.lamp_triggers == s.before.outputs.lamp_triggers,
    }


def outputs(firmware: Firmware, make: Maker) -> Scene:
    """The outputs are driven in a state, whatever its sequence wants."""
    wants = forget(firmware.part("drive").Wants(), "wants", make)

    def act(device: Any) -> None:
        firmware.part("drive").drive(device.state, wants, device.outputs)

    return firmware.acts(make, act, asked=wants)


def outputs_claims(s: Scene) -> Claims:
    """What each state may drive at all."""
    state, driven = s.after.state, s.after.outputs
    return {
        "gate and shutter are shut but in ARMING, EMITTING and CALIBRATING": any_of(
            state in (_S.ARMING, _S.EMITTING, _S.CALIBRATING),
            all_of(no(driven.gate_enable), no(driven.shutter_open)),
        ),
        "the capacitor is held only in READY, EMITTING and CALIBRATING": any_of(
            state in (_S.READY, _S.EMITTING, _S.CALIBRATING),
            all_of(no(driven.dump_hold), driven.hv_set_mv == 0),
        ),
        "in ARMING the charger has nothing to charge to": any_of(
            state is not _S.ARMING, all_of(no(driven.dump_hold), driven.hv_set_mv == 0)
        ),
        "the charger is off elsewhere": any_of(
            state in (_S.ARMING, _S.READY, _S.EMITTING, _S.CALIBRATING), no(driven.hv_enable)
        ),
        "the indicator is on wherever light may come": any_of(
            state not in (*ARMED, _S.CALIBRATING), driven.indicator_on
        ),
        "no voltage above the highest is set": driven.hv_set_mv <= 1_250_000,
        "nothing fires by it": driven.lamp_triggers == s.before.outputs.lamp_triggers,
    }


THEOREMS = {
    "trigger": (trigger, trigger_claims),
    "emitting": (emitting, emitting_claims),
    "press": (press, press_claims),
    "proofs": (proofs, proofs_claims),
    "outputs": (outputs, outputs_claims),
}
