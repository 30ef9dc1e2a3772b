"""What is proven of the supervisor's gate: what must be known and good before anything that permits leaves.

From every state, whether what it was told fits together or not.
"""

from __future__ import annotations

from typing import Any, Final

from protocols.messages import Beam, Intent
from protocols.refusals import Refusal
from protocols.requests import Arm, Calibrate, Grant
from protocols.states import State
from tests.shown.proof import Claims, Maker, Scene, all_of, any_of, at, if_so, no
from tests.shown.supervisor import Safety, good_of, message

_S = State
_INPUT_OF: Final = {
    "bad_input": "telemetry",
    "loop_lag": "loop",
    "task_ended": "tasks",
    "store_failed": "store",
}
_ARMED_INPUTS: Final = ("status", "tick", "loop", "tasks")
_ALL_INPUTS: Final = (*_ARMED_INPUTS, "telemetry", "store", "operator", "calibration")


def grant_leaves(safety: Safety, make: Maker) -> Scene:
    """A Grant comes to the gate; the first reason against it, if there is one."""
    return _at_the_gate(safety, make, Grant)


def arm_leaves(safety: Safety, make: Maker) -> Scene:
    """An Arm comes to the gate."""
    return _at_the_gate(safety, make, Arm)


def _at_the_gate(safety: Safety, make: Maker, kind: Any) -> Scene:
    asked = message(kind, "asked", make)
    situation = safety.situation(make, asked)
    against = next(safety.part("gate")._permits(asked, situation), None)
    return Scene(situation, {"refused": against is not None}, asked, against is None)


def grant_leaves_claims(s: Scene) -> Claims:
    """What must be known and good."""
    if not s.answer:
        return {}
    here, asked, device = s.before, s.asked, s.before.device
    first = here.in_flight is None
    plan, wanted = here.plan, here.plan.setpoint
    return {
        **_permission(s, _ALL_INPUTS),
        "the laser is in READY, or a repetition finds it EMITTING": all_of(
            at(device.state, _S.READY, _S.EMITTING), any_of(no(first), at(device.state, _S.READY))
        ),
        "the host armed it": any_of(
            no(first), here.arm_epoch is not None and asked.arm_epoch == here.arm_epoch
        ),
        "no other permit is open, and its number was never used": any_of(
            no(first), all_of(no(here.permit_open), no(here.permit_used(0)))
        ),
        "it is for this start, session and stop epoch": all_of(
            asked.boot == here.link.boot,
            asked.session == here.link.session,
            asked.stop_epoch == device.stop_epoch,
        ),
        "it is as the plan has it": all_of(
            asked.beam == plan.plan.beam,
            asked.trigger == plan.plan.fired_by,
            asked.wavelength_nm == wanted.wavelength_nm,
            asked.mode_width_ps == wanted.mode_width_ps,
            asked.rep_rate_mhz == wanted.rep_rate_mhz,
            asked.handpiece == wanted.handpiece,
            asked.spot_um == wanted.spot_um,
            asked.setpoint_hash == device.setpoint_hash,
        ),
        "it permits no more than the series has left": any_of(
            no(first), asked.pulses <= plan.plan.series_left(plan.done)
        ),
        "it ends, and no later than the device allows": all_of(
            asked.ends_us > device.device_time_us, asked.ends_us - device.device_time_us <= plan.permit_max_us
        ),
    }


def arm_leaves_claims(s: Scene) -> Claims:
    """What must be known and good."""
    if not s.answer:
        return {}
    here, asked, device = s.before, s.asked, s.before.device
    first = here.in_flight is None
    return {
        **_permission(s, _ALL_INPUTS),
        "the laser is in STANDBY, or a repetition finds it armed": all_of(
            at(device.state, _S.STANDBY, _S.ARMING, _S.READY), any_of(no(first), at(device.state, _S.STANDBY))
        ),
        "no arming and no permit of this host's is open": any_of(
            no(first), all_of(no(here.permit_open), here.intent == Intent.IDLE)
        ),
        "it says what was read back, and no stop came in between": all_of(
            asked.setpoint_hash == device.setpoint_hash, asked.stop_epoch == device.stop_epoch
        ),
        "its beam is the plan's": asked.beam == here.plan.plan.beam,
    }


def _permission(s: Scene, inputs: tuple[str, ...]) -> dict[str, Any]:
    """What every permission needs; the caller has looked whether there is one."""
    here, device, plan, setpoint = s.before, s.before.device, s.before.plan, s.before.setpoint
    known = here.link is not None and device is not None and plan is not None and setpoint is not None
    if not known:
        return {"link, laser, plan and set-point are known": False}
    wanted = plan.setpoint
    return {
        "link, laser, plan and set-point are known": True,
        "both ends were built from one interface, and the device did not restart": all_of(
            here.link.interface_matches, device.boot == here.link.boot
        ),
        "every input is fresh and good": _good(here, inputs),
        "nothing is latched, nothing uncertain": all_of(here.latches == (), here.uncertain == ()),
        "the count of pulses is known and up to date": all_of(here.reported_to is not None, no(here.behind)),
        "no interlock is open": device.open_interlocks == 0,
        "the device has no fault": all_of(
            device.faults == 0,
            device.fault_instance == 0,
            device.first_fault == 0,
            no(at(device.state, _S.FAULT)),
        ),
        "the device is calibrated": device.calibrated,
        "the device would not refuse": _unblocked(s),
        "the plan has pulses left": plan.plan.series_left(plan.done) >= 1,
        "a service plan has somebody with the service role": any_of(no(plan.plan.service), here.may_serve),
        "the set-point was read back, and is the plan's": all_of(
            setpoint.hash == device.setpoint_hash,
            setpoint.wavelength_nm == wanted.wavelength_nm,
            setpoint.mode_width_ps == wanted.mode_width_ps,
            setpoint.pulse_energy_uj == wanted.pulse_energy_uj,
            setpoint.rep_rate_mhz == wanted.rep_rate_mhz,
            setpoint.handpiece == wanted.handpiece,
            setpoint.spot_um == wanted.spot_um,
        ),
        "what is connected is what the plan was checked for": all_of(
            device.handpiece == wanted.handpiece,
            device.spot_um == wanted.spot_um,
            device.wavelength_nm == wanted.wavelength_nm,
        ),
    }


def _unblocked(s: Scene) -> Any:
    """No block but: the state; in a rehearsal aiming beam and port; in a repetition the foot."""
    here, asked = s.before, s.asked
    blocks = here.device.blocks - {Refusal.WRONG_STATE}
    inside = blocks - {Refusal.AIMING_BEAM, Refusal.DOCKED}
    rehearses = at(here.plan.plan.beam, Beam.SHUTTER)
    repeats = here.in_flight is not None and hasattr(asked, "permit_id")
    held = all_of(repeats, here.device.permit_id == asked.permit_id) if repeats else False
    pressed = {Refusal.FOOT_HELD}
    return any_of(
        blocks == 0,
        all_of(rehearses, inside == 0),
        all_of(held, any_of(blocks - pressed == 0, all_of(rehearses, inside - pressed == 0))),
    )


def _good(here: Any, inputs: tuple[str, ...]) -> Any:
    return all_of(
        *(quality == good_of(quality) for which, quality in here.qualities.items() if which.value in inputs)
    )


def calibrate_leaves(safety: Safety, make: Maker) -> Scene:
    """A Calibrate comes to the gate."""
    situation = safety.situation(make)
    against = next(safety.part("gate")._sets(Calibrate(), situation), None)
    return Scene(situation, {"refused": against is not None}, None, against is None)


def calibrate_leaves_claims(s: Scene) -> Claims:
    """Light, if only inside: everything but plan and calibration."""
    if not s.answer:
        return {}
    here, device = s.before, s.before.device
    if here.link is None or device is None:
        return {"link and laser are known": False}
    return {
        "link and laser are known": True,
        "both ends were built from one interface, and the device did not restart": all_of(
            here.link.interface_matches, device.boot == here.link.boot
        ),
        "every input is fresh and good": _good(here, tuple({*_ALL_INPUTS} - {"calibration"})),
        "nothing is latched, nothing uncertain": all_of(here.latches == (), here.uncertain == ()),
        "the laser is in STANDBY": at(device.state, _S.STANDBY),
        "no interlock is open, the device has no fault": all_of(
            device.open_interlocks == 0, device.faults == 0, device.fault_instance == 0
        ),
    }


def withholding(safety: Safety, make: Maker) -> Scene:
    """Whether anything is against a heartbeat."""
    situation = safety.situation(make)
    against = safety.part("gate").withheld(situation)
    return Scene(situation, {"withheld": bool(against)}, None, not against)


def withholding_claims(s: Scene) -> Claims:
    """Nothing is against it only while all of this is so."""
    if not s.answer:
        return {}
    here = s.before
    if here.link is None:
        return {"the link is there": False}
    return {
        "the link is there": True,
        "both ends were built from one interface": here.link.interface_matches,
        "the device did not restart": here.device is None or here.device.boot == here.link.boot,
        "Status, tick, event loop and tasks are good": _good(here, _ARMED_INPUTS),
        "nothing is latched, nothing uncertain": all_of(here.latches == (), here.uncertain == ()),
    }


def heartbeat_leaves(safety: Safety, make: Maker) -> Scene:
    """The heartbeat that is due, whatever may be against it."""
    supervisor = safety.supervisor(make)
    safety.part("supervisor").Heartbeat = lambda *values: values
    withheld = make("withheld", False)
    safety.part("gate").withheld = lambda _: ["?"] if withheld else []
    supervisor._known.situation = lambda _: None
    leaves = supervisor.heartbeat(0)
    return Scene(supervisor._known, {"leaves": leaves is not None}, withheld, leaves)


def heartbeat_leaves_claims(s: Scene) -> Claims:
    """It says no more than is so."""
    if s.answer is None:
        return {}
    here = s.before
    challenge, intent = s.answer
    granted = here.books.open is not None and here.books.open.granted
    return {
        "nothing is against it": no(s.asked),
        "it answers the newest challenge": here.device is not None and challenge == here.device.challenge,
        "it says PERMIT only with an open permit that was granted, in an arming": if_so(
            intent == Intent.PERMIT, here.books._arming is not None, granted
        ),
        "it says ARMED only in an arming": if_so(intent == Intent.ARMED, here.books._arming is not None),
    }


THEOREMS = {
    "grant_leaves": (grant_leaves, grant_leaves_claims),
    "arm_leaves": (arm_leaves, arm_leaves_claims),
    "calibrate_leaves": (calibrate_leaves, calibrate_leaves_claims),
    "withholding": (withholding, withholding_claims),
    "heartbeat_leaves": (heartbeat_leaves, heartbeat_leaves_claims),
}
