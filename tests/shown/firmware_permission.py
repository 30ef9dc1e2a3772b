"""What is proven of the firmware's permission: how it comes, and how its host and its foot keep it.

As with the light, from every state of every type's range, whether it makes sense or not.
"""

from __future__ import annotations

import enum
from types import SimpleNamespace
from typing import Any, Final

from protocols.faults import Fault
from protocols.messages import Beam, Intent
from protocols.requests import Trigger
from protocols.states import State
from tests.shown.firmware import Firmware, dark, grant
from tests.shown.proof import Claims, Maker, Scene, all_of, any_of, at, if_so, no
from tests.shown.symbolic import truth

_S = State
_KEY_BIT: Final = 1 << 1


class _Ending(enum.IntEnum):
    STOP = 0
    STANDBY = 1
    SESSION = 2


_TRIPS: Final = (Fault.DOOR, Fault.ENERGY_HIGH)  # one that leaves the calibration in force, one that does not


def granting(firmware: Firmware, make: Maker) -> Scene:
    """A Grant is asked for, whatever it says."""
    request = grant(make)
    request.known_id = make("answered.permit_id", 0)
    request.known_fingerprint = make("answered.fingerprint", 0)
    return firmware.acts(
        make, lambda device: firmware.comms(device)._grant(request), asked=request, split=False
    )


def granting_claims(s: Scene) -> Claims:
    """A permit comes of it only if all is as it must be."""
    device, before, asked, wires = s.after, s.before, s.asked, s.after.inputs
    setpoint = device.setpoints.committed
    new = any_of(
        device.permit.id != before.permit.id,
        device.permit.pulses_left != before.permit.pulses_left,
        device.permit.ends_us != before.permit.ends_us,
        truth(device.permit.internal) != truth(before.permit.internal),
    )
    return {
        "a permit comes only in READY": if_so(new, at(before.state, _S.READY)),
        "its number was not used before": if_so(new, asked.permit_id != asked.known_id),
        "no other one is held": if_so(new, before.permit.id == 0),
        "it is for this start of the device": if_so(new, asked.boot == device.boot_number),
        "it is for this session": if_so(new, asked.session == device.host.session),
        "it is for this arming": if_so(new, asked.arm_epoch == before.arm_epoch),
        "no stop came in between": if_so(new, asked.stop_epoch == before.stop_epoch),
        "it ends, and within two minutes": if_so(
            new, asked.ends_us > device.now_us, asked.ends_us <= device.now_us + 120_000_000
        ),
        "it is for 1 to 1000 pulses": if_so(new, asked.pulses >= 1, asked.pulses <= 1_000),
        "there is room for the reports": if_so(
            new, any_of(device.memory.room >= asked.pulses, device.memory.room >= 256)
        ),
        "a set-point is in force, and it is the one": if_so(
            new,
            device.setpoints.hash != 0,
            asked.setpoint_hash == device.setpoints.hash,
            asked.mode_width_ps == setpoint.mode_width_ps,
            asked.rep_rate_mhz == setpoint.rep_rate_mhz,
        ),
        "handpiece, spot and wavelength are as set and as connected": if_so(
            new,
            asked.handpiece != 0,
            asked.handpiece == setpoint.handpiece,
            asked.handpiece == wires.handpiece,
            asked.spot_um == setpoint.spot_um,
            asked.spot_um == wires.spot_um,
            asked.wavelength_nm == setpoint.wavelength_nm,
            asked.wavelength_nm == wires.wavelength_nm,
        ),
        "the beam is the one that was armed": if_so(new, asked.beam == device.beam),
        "the trigger is the one that the laser has": if_so(
            new, truth(asked.trigger == Trigger.INTERNAL) == truth(wires.internal_trigger_strap)
        ),
        "the key is on and no interlock is open": if_so(
            new, wires.key_on, device.open_interlocks & ~_KEY_BIT == 0
        ),
        "no key defeats the contacts of the cover": if_so(new, wires.defeat_key_out),
        "no fault is latched": if_so(new, before.latched == 0),
        "the foot is up": if_so(new, no(device.foot.down)),
        "the host is alive": if_so(new, device.now_us < device.host.alive_until_us),
        "host and device were built from one interface": if_so(
            new, any_of(device.host.session == 0, device.host.same_interface)
        ),
        "the laser is tested and warm": if_so(
            new, device.self_test.passed, wires.coolant_mc >= 58_000, wires.coolant_mc <= 62_000
        ),
        "it is held as it was asked for": if_so(
            new,
            device.permit.id == asked.permit_id,
            device.permit.pulses_left == asked.pulses,
            device.permit.ends_us == asked.ends_us,
            truth(device.permit.internal) == truth(asked.trigger == Trigger.INTERNAL),
        ),
        "no press that began by now counts for it": if_so(new, device.foot._consumed_us >= device.now_us),
        "nothing else moves": all_of(
            device.state is before.state, device.outputs.lamp_triggers == before.outputs.lamp_triggers
        ),
    }


def arming(firmware: Firmware, make: Maker) -> Scene:
    """An Arm is asked for, whatever it says."""
    request = SimpleNamespace(
        setpoint_hash=make("arm.setpoint_hash", 0),
        stop_epoch=make("arm.stop_epoch", 0),
        beam=make("arm.beam", Beam.APERTURE),
    )
    return firmware.acts(
        make, lambda device: firmware.comms(device)._arm(request), asked=request, split=False
    )


def arming_claims(s: Scene) -> Claims:
    """ARMING comes of it only if all is as it must be."""
    device, before, asked, wires = s.after, s.before, s.asked, s.after.inputs
    setpoint, armed = device.setpoints.committed, s.after.state is not s.before.state
    return {
        "it leads from STANDBY to ARMING, and nowhere else": if_so(
            armed, at(before.state, _S.STANDBY), at(device.state, _S.ARMING)
        ),
        "no permit outlives it": if_so(armed, device.permit.id == 0, device.permit.pulses_left == 0),
        "it has a number of its own": if_so(armed, device.arm_epoch == (before.arm_epoch + 1) % 2**32),
        "its two seconds begin now": if_so(armed, device.entered_us == device.now_us),
        "its proofs begin with the first": if_so(armed, device.arming._script._next == 0),
        "the key is on and no interlock is open": if_so(
            armed, wires.key_on, device.open_interlocks & ~_KEY_BIT == 0
        ),
        "no key defeats the contacts of the cover": if_so(armed, wires.defeat_key_out),
        "no fault is latched": if_so(armed, before.latched == 0),
        "the foot is up": if_so(armed, no(before.foot.down)),
        "the host is alive": if_so(armed, device.now_us < device.host.alive_until_us),
        "the laser is tested, warm and calibrated": if_so(
            armed,
            device.self_test.passed,
            wires.coolant_mc >= 58_000,
            wires.coolant_mc <= 62_000,
            device.calibrator.valid,
        ),
        "the set-point is the one that was read back, and what it says is connected": if_so(
            armed,
            device.setpoints.hash != 0,
            asked.setpoint_hash == device.setpoints.hash,
            setpoint.handpiece != 0,
            wires.handpiece == setpoint.handpiece,
            wires.spot_um == setpoint.spot_um,
            wires.wavelength_nm == setpoint.wavelength_nm,
        ),
        "no stop came in between": if_so(armed, asked.stop_epoch == before.stop_epoch),
        "for the aperture the aiming beam is in order and the handpiece out of the port": if_so(
            all_of(armed, asked.beam == Beam.APERTURE),
            device.aiming_on,
            wires.aiming_uw >= 100,
            wires.aiming_uw <= 5_000,
            no(wires.docked_a_closed),
            no(wires.docked_b_closed),
        ),
        "there is room for a report": if_so(armed, device.memory.room >= 1),
        **dark(s, armed),
    }


def acknowledging(firmware: Firmware, make: Maker) -> Scene:
    """An Acknowledge is asked for, whatever it names; whether causes are there is not known."""
    asked = SimpleNamespace(
        fault_instance=make("acknowledge.fault_instance", 0),
        cause=make("cause", False),
        service=make("service", False),
    )

    def act(device: Any) -> Any:
        faults = device.faults
        device.causes_present = lambda: asked.cause
        faults.__class__ = type(
            "Faults", (type(faults),), {"needs_service": property(lambda _: asked.service)}
        )
        asked.instance = faults.instance
        return firmware.comms(device)._acknowledge(asked)

    return firmware.acts(make, act, asked=asked)


def acknowledging_claims(s: Scene) -> Claims:
    """A trip goes only by an act that names it, with its cause gone, and leads to no light."""
    device, before, asked = s.after, s.before, s.asked
    taken = any_of(device.state is not before.state, device.faults.latched != before.latched)
    return {
        "it needs FAULT and the key": if_so(taken, at(before.state, _S.FAULT), device.inputs.key_on),
        "it names the instance that stands": if_so(taken, asked.fault_instance == asked.instance),
        "the cause is gone": if_so(taken, no(asked.cause)),
        "a fault for service needs the service strap and a restart": if_so(
            all_of(taken, asked.service),
            device.inputs.internal_trigger_strap,
            device.faults.from_earlier_boot,
        ),
        "it leads to STANDBY or to the self-test": if_so(taken, at(device.state, _S.STANDBY, _S.SELF_TEST)),
        "STANDBY needs self-test and calibration that hold": if_so(
            all_of(taken, at(device.state, _S.STANDBY)), before.self_test.passed, before.calibrator.valid
        ),
        "nothing fires by it": device.outputs.lamp_triggers == before.outputs.lamp_triggers,
    }


def heartbeat(firmware: Firmware, make: Maker) -> Scene:
    """A heartbeat comes in, whatever it answers."""
    message = SimpleNamespace(challenge=make("heartbeat.challenge", 0), intent=make("intent", Intent.IDLE))

    def act(device: Any) -> Any:
        return device.host.heard(message, armed=device.armed, permit=device.permit.held)

    return firmware.acts(make, act, asked=message)


def heartbeat_claims(s: Scene) -> Claims:
    """A host lives 200 ms from the challenge that it answered, and for no other reason."""
    host, before = s.after.host, s.before.host
    challenge = before._issued_us
    longer = host.alive_until_us > before.alive_until_us
    return {
        "only an answer to a challenge of this session keeps it alive": if_so(longer, challenge.issued),
        "it counts from when that was issued": if_so(
            longer, host.alive_until_us == challenge.issued_us + 200_000
        ),
        "nothing that it says makes its life shorter": host.alive_until_us >= before.alive_until_us,
    }


def foot(firmware: Firmware, make: Maker) -> Scene:
    """The contacts are looked at."""
    contacts = make("foot.a", False), make("foot.b", False)
    return firmware.acts(make, lambda device: device.foot.update(device.now_us, *contacts), asked=contacts)


def foot_claims(s: Scene) -> Claims:
    """A press is both contacts for 5 ms, a release is either one and at once."""
    foot, before, now_us = s.after.foot, s.before.foot, s.after.now_us
    a, b = s.asked
    both = all_of(a, b)
    began = all_of(foot._stable, no(before._stable))
    return {
        "down is both contacts closed": truth(foot.down) == both,
        "either contact open is a release, at once": if_so(
            any_of(no(a), no(b)), no(foot.pressed), no(foot.fresh), no(foot.down)
        ),
        "a press has lasted 5 ms": if_so(began, both, now_us - before._down_since_us >= 5_000),
        "a press began when its contacts closed": if_so(began, foot.began_us == before._down_since_us),
        "a press that began before permission came or went is not fresh": if_so(
            foot.began_us <= foot._consumed_us, no(foot.fresh)
        ),
        "looking does not make an old press count again": foot._consumed_us == before._consumed_us,
    }


THEOREMS = {
    "granting": (granting, granting_claims),
    "arming": (arming, arming_claims),
    "acknowledging": (acknowledging, acknowledging_claims),
    "heartbeat": (heartbeat, heartbeat_claims),
    "foot": (foot, foot_claims),
}
