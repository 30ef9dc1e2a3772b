"""What is proven of the loss of permission: what outlives what, what a trip, a stop and a reset leave.

As with the light, from every state of every type's range, whether it makes sense or not.
"""

from __future__ import annotations

import enum
from types import SimpleNamespace
from typing import Any, Final

from protocols.faults import Fault
from protocols.messages import Leave
from protocols.states import ARMED, Event, State
from sim_device.board import SAFE_OUTPUTS, lines_of
from tests.shown.firmware import Firmware, dark
from tests.shown.proof import Claims, Maker, Scene, all_of, any_of, at, if_so, known, no
from tests.shown.symbolic import truth

_S = State
_KEY_BIT: Final = 1 << 1


class _Ending(enum.IntEnum):
    STOP = 0
    STANDBY = 1
    SESSION = 2


_TRIPS: Final = (Fault.DOOR, Fault.ENERGY_HIGH)  # one that leaves the calibration in force, one that does not


def watchdog(firmware: Firmware, make: Maker) -> Scene:
    """The firmware looks whether the host lives, and what else may not go on."""
    reference = firmware.part("core").Reference

    def act(device: Any) -> None:
        reference._watch_emission(SimpleNamespace(), device)

    return firmware.acts(make, act)


def watchdog_claims(s: Scene) -> Claims:
    """No arming outlives its host; no permit its end, its pulses or what it was given for."""
    device, before, wires = s.after, s.before, s.after.inputs
    setpoint, silent = device.setpoints.committed, device.now_us >= before.host.alive_until_us
    armed = all_of(before.armed, at(before.state, *ARMED))
    looked = all_of(armed, device.armed, before.changed & (1 << 2 | 1 << 9 | 1 << 13) != 0)
    return {
        "a silent host trips an armed laser": if_so(all_of(armed, silent), at(device.state, _S.FAULT)),
        **dark(s, all_of(armed, silent)),
        "no permit outlives its host": if_so(
            all_of(armed, silent), device.permit.id == 0, device.permit.pulses_left == 0
        ),
        "an armed laser has what its set-point says": if_so(
            looked,
            wires.handpiece == setpoint.handpiece,
            wires.spot_um == setpoint.spot_um,
            wires.wavelength_nm == setpoint.wavelength_nm,
            device.calibrator.valid,
        ),
        "a permit that stands has not ended": if_so(
            all_of(looked, device.permit.id != 0), device.now_us < device.permit.ends_us
        ),
        "a permit that stands has pulses left, for nothing is on its way here": if_so(
            all_of(looked, device.permit.id != 0), device.permit.pulses_left >= 1
        ),
        "pulses left never rise": device.permit.pulses_left <= before.permit.pulses_left,
        "nothing fires by it": device.outputs.lamp_triggers == before.outputs.lamp_triggers,
    }


def ending(firmware: Firmware, make: Maker) -> Scene:
    """A stop, a standby or another session: each from every state."""
    how = known(make("how", _Ending.STOP))

    def act(device: Any) -> Any:
        comms = firmware.comms(device)
        if how is _Ending.STOP:
            return comms.stop(again=make("again", False))
        if how is _Ending.STANDBY:
            return comms._standby(None)
        session = make("opened.session", 0)
        same = make("opened.same_interface", False)
        return comms._open_session(SimpleNamespace(session=session, same_interface=same))

    return firmware.acts(make, act, asked=how, armed_as_state=True)


def ending_claims(s: Scene) -> Claims:
    """Each of them ends permission, at once and wherever the laser is."""
    device, before, how = s.after, s.before, s.asked
    asked = how is not _Ending.STANDBY or before.state in (*ARMED, _S.STANDBY, _S.CALIBRATING)
    moved = device.state is not before.state
    leaves = all_of(at(before.state, *ARMED), how is not _Ending.SESSION)
    return {
        "no permit is left": if_so(asked, device.permit.id == 0, device.permit.pulses_left == 0),
        "a press that holds does not count any more": if_so(asked, device.foot._consumed_us >= device.now_us),
        "an armed laser goes to STANDBY": if_so(leaves, at(device.state, _S.STANDBY)),
        "a calibration ends by a stop": if_so(
            all_of(at(before.state, _S.CALIBRATING), how is _Ending.STOP), at(device.state, _S.STANDBY)
        ),
        "it leads nowhere else": device.state in (before.state, _S.STANDBY),
        "another session must prove that it lives": if_so(
            how is _Ending.SESSION, device.host.alive_until_us == 0
        ),
        "nothing fires by it": device.outputs.lamp_triggers == before.outputs.lamp_triggers,
        **dark(s, moved),
    }


def tripping(firmware: Firmware, make: Maker) -> Scene:
    """A fault is found."""
    fault = _TRIPS[0] if make("keeps", False) else _TRIPS[1]
    return firmware.acts(make, lambda device: device.trip(fault), asked=fault)


def tripping_claims(s: Scene) -> Claims:
    """It is latched, and light ends with it."""
    device, before = s.after, s.before
    return {
        "it is latched": device.faults.latched & 1 << s.asked != 0,
        "the laser is in FAULT, or OFF by the key": any_of(
            at(device.state, _S.FAULT), all_of(at(device.state, _S.OFF), no(device.inputs.key_on))
        ),
        "what was latched stays latched": before.latched & ~device.faults.latched == 0,
        "no permit outlives it in an armed laser": if_so(
            at(before.state, *ARMED), device.permit.id == 0, device.permit.pulses_left == 0
        ),
        "an energy fault voids the calibration": if_so(
            s.asked is Fault.ENERGY_HIGH, no(device.calibrator.valid)
        ),
        "nothing fires by it": device.outputs.lamp_triggers == before.outputs.lamp_triggers,
        **dark(s, device.state is not before.state),
    }


def going(firmware: Firmware, make: Maker) -> Scene:
    """Any event, in any state."""
    event = known(make("event", Event.STOP))
    return firmware.acts(make, lambda device: device.go(event, Leave.STOP), asked=event)


def going_claims(s: Scene) -> Claims:
    """The table is followed, and what the next state must not inherit is gone."""
    device, before, event = s.after, s.before, s.asked
    moved = device.state is not before.state
    return {
        "EMITTING comes only by a press, in READY": if_so(
            all_of(moved, at(device.state, _S.EMITTING)), at(before.state, _S.READY), event is Event.PRESS
        ),
        "READY comes only by proofs, in ARMING, or by a release": if_so(
            all_of(moved, at(device.state, _S.READY)),
            (before.state, event) in ((_S.ARMING, Event.PROVEN), (_S.EMITTING, Event.RELEASE)),
        ),
        "ARMING comes only by an arming, in STANDBY": if_so(
            all_of(moved, at(device.state, _S.ARMING)), at(before.state, _S.STANDBY), event is Event.ARM
        ),
        "STANDBY comes from a tested laser only": if_so(
            all_of(moved, at(device.state, _S.STANDBY)),
            before.state in (*ARMED, _S.CALIBRATING) or event is Event.CLEARED,
        ),
        "WARM_UP comes only by a passed self-test": if_so(
            all_of(moved, at(device.state, _S.WARM_UP)), event is Event.SELF_TEST_PASSED
        ),
        "CALIBRATING comes from a warm laser only": if_so(
            all_of(moved, at(device.state, _S.CALIBRATING)), at(before.state, _S.WARM_UP, _S.STANDBY)
        ),
        "FAULT is left only by an acknowledgement or the key": if_so(
            all_of(moved, at(before.state, _S.FAULT)),
            event in (Event.CLEARED, Event.CLEARED_RESTART, Event.KEY_OFF),
        ),
        "`armed` says what the state says": if_so(
            moved, truth(device.armed) == truth(at(device.state, *ARMED))
        ),
        "no permit leaves the armed states": if_so(
            all_of(at(before.state, *ARMED), device.state not in ARMED), device.permit.id == 0
        ),
        "a press that holds does not count in the next state": if_so(
            moved, device.foot._consumed_us >= device.now_us
        ),
        "the key forgets self-test and calibration": if_so(
            all_of(moved, at(device.state, _S.OFF)), no(device.self_test.passed), no(device.calibrator.valid)
        ),
        "a self-test begins with nothing passed or valid": if_so(
            all_of(moved, at(device.state, _S.SELF_TEST)),
            no(device.self_test.passed),
            no(device.calibrator.valid),
        ),
        "self-test and calibration never come of it": all_of(
            if_so(device.self_test.passed, before.self_test.passed),
            if_so(device.calibrator.valid, before.calibrator.valid),
        ),
        "pulses left never rise": device.permit.pulses_left <= before.permit.pulses_left,
        "gate and shutter are off in the beginning of each state": if_so(
            moved, no(device.outputs.gate_enable), no(device.outputs.shutter_open)
        ),
        "nothing fires by it": device.outputs.lamp_triggers == before.outputs.lamp_triggers,
    }


def self_test(firmware: Firmware, make: Maker) -> Scene:
    """The self-test goes on."""
    scene = firmware.acts(make, lambda device: device.self_test.work(device), _S.SELF_TEST)
    scene.asked = len(firmware.part("startup")._ACTS)
    return scene


def self_test_claims(s: Scene) -> Claims:
    """It is passed with every act done, and in no other way."""
    device = s.after
    passed = all_of(device.self_test.passed, no(s.before.self_test.passed))
    leaves = at(device.state, _S.WARM_UP)
    return {
        "passed means that every act was done": if_so(
            any_of(passed, leaves), device.self_test._script._next == s.asked
        ),
        "passed means no fault, foot up, capacitor empty": if_so(
            any_of(passed, leaves),
            device.faults.latched == 0,
            no(device.foot.down),
            device.inputs.hv_mv < 60_000,
        ),
        "WARM_UP is entered with it passed": if_so(leaves, device.self_test.passed),
        "nothing fires by it": device.outputs.lamp_triggers == s.before.outputs.lamp_triggers,
    }


def resetting(firmware: Firmware, make: Maker) -> Scene:
    """A reset, over whatever is in memory and at the outputs."""
    reference = firmware.reset(make)
    device = reference.device
    memory = SimpleNamespace(watchdog=make("watchdog_reset", False), broken=make("memory.broken", False))
    asked = SimpleNamespace(
        dark={line: getattr(device.outputs, line) for line in lines_of(SAFE_OUTPUTS)},
        latched=device.faults.latched,
        was=memory,
    )
    return Scene(None, {"state": device.state, "latched": asked.latched}, asked, device)


def resetting_claims(s: Scene) -> Claims:
    """Nothing of permission is left, and the whole chain is to be walked again."""
    device, was = s.answer, s.asked.was
    return {
        "the state is OFF, the laser is not armed": all_of(at(device.state, _S.OFF), no(device.armed)),
        "no permit is held": all_of(device.permit.id == 0, device.permit.pulses_left == 0),
        "no host is believed in": all_of(device.host.session == 0, device.host.alive_until_us == 0),
        "nothing is tested or calibrated": all_of(no(device.self_test.passed), no(device.calibrator.valid)),
        "no set-point is in force": device.setpoints.hash == 0,
        "no press is remembered": all_of(no(device.foot.down), no(device.foot.pressed)),
        "nothing is on its way": device.pulser.shot is None,
        "every output is at its safe level": all_of(
            *(s.asked.dark[line] == level for line, level in lines_of(SAFE_OUTPUTS).items())
        ),
        "a reset by the watchdog is latched": if_so(
            was.watchdog, s.asked.latched & 1 << Fault.WATCHDOG_RESET != 0
        ),
        "a broken memory is latched": if_so(was.broken, s.asked.latched & 1 << Fault.NONVOLATILE != 0),
    }


THEOREMS = {
    "watchdog": (watchdog, watchdog_claims),
    "ending": (ending, ending_claims),
    "tripping": (tripping, tripping_claims),
    "going": (going, going_claims),
    "self_test": (self_test, self_test_claims),
    "resetting": (resetting, resetting_claims),
}
