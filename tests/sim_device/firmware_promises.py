"""What must hold in every step of the firmware, from the raw wires and from what was asked for alone."""

from __future__ import annotations

from typing import Any

from protocols.faults import Fault
from protocols.states import ARMED, State
from sim_device.board import Inputs
from sim_device.firmware import limits
from tests.sim_device.firmware_space import FirmwareSpace

_MOVES = frozenset({State.CALIBRATING, State.ARMING, State.EMITTING})  # gate and shutter may be driven
_CHARGED = frozenset({State.CALIBRATING, State.READY, State.EMITTING})
_FROM = {  # what can come before within one step: docs/states.md, and that a step may go through several
    State.READY: ARMED - {State.READY} | {State.READY},
    State.EMITTING: frozenset({State.ARMING, State.READY, State.EMITTING}),
    State.ARMING: frozenset({State.STANDBY, State.ARMING}),
}
_LIGHT_NEAR = ARMED | {State.CALIBRATING}
_CALIBRATED, _FAULTS = 13, 16  # places in the key
_SPOTS_UM = {1: (2_000, 6_000), 2: (6_000, 6_000), 3: (8_000, 8_000), 4: (10_000, 10_000), 5: (6_000, 6_000)}


class WatchedSpace(FirmwareSpace):
    """The firmware's space, with every step looked at; `injected`: flaws that are tried in every state."""

    doing = ""
    injected: tuple[str, ...] = ()
    injections = 0

    def act(self, name: str) -> None:
        device, self.doing = self.fw.device, name
        held, latched, armed = device.permit.held, device.faults.latched, device.armed
        super().act(name)
        device = self.fw.device
        out, calibrated = self.fw.outputs, device.state is State.CALIBRATING
        match name:
            case "stop" | "connect":
                assert not device.permit.held, f"a permit outlives: {name}"
                assert device.state not in ARMED, f"armed after: {name}"
                assert name == "connect" or not calibrated, "calibrating after a stop"
                assert calibrated or not (
                    out.gate_enable or out.shutter_open or out.hv_enable or out.dump_hold
                )
            case "again":
                assert held or not device.permit.held, "the same Grant gave a second permit"
            case "acknowledge":
                gone = latched and not device.faults.latched
                assert not gone or chain_closed(self.inputs, always_only=True), (
                    "cleared with its cause present"
                )
                assert armed or not device.armed, "an acknowledgement arms"
            case "power":
                assert device.state not in ARMED, "armed by power"
                kept = device.faults.latched & latched == latched or "memory" in self.flaws
                assert kept, "a fault went with the power"
            case _:
                pass

    def watch(self, before: State, *, fired: bool) -> None:
        device, inputs, out, facts = self.fw.device, self.inputs, self.fw.outputs, self.facts
        state, permit = device.state, device.permit
        foot = inputs.foot_a_closed and inputs.foot_b_closed
        if fired:
            self._fired(state)
        assert state in _MOVES or not (out.gate_enable or out.shutter_open), (
            f"gate or shutter in {state.name}"
        )
        assert state in _CHARGED or not out.dump_hold, f"the capacitor is held in {state.name}"
        assert state in _MOVES | _CHARGED or not out.hv_enable, f"the charger runs in {state.name}"
        if state is State.ARMING:
            assert not (out.shutter_open and (out.gate_enable or out.hv_enable)), "a proof lets light out"
        assert before in _FROM.get(state, frozenset(State)), f"{state.name} after {before.name}"
        assert state is not State.ARMING or before is state or self.doing == "arm", "armed by nobody"
        assert (
            before is not State.FAULT
            or state in {before, State.OFF}
            or self.doing
            in {
                "acknowledge",
                "power",
            }
        ), f"{state.name} after FAULT by itself"
        if state in ARMED:
            assert chain_closed(inputs), f"{state.name} with an open chain"
            assert device.now_us < device.host.alive_until_us, f"{state.name} without a host"
            assert not device.faults.latched, f"{state.name} with a fault"
            assert device.as_set(), f"{state.name} with another handpiece, spot or wavelength than set"
        assert not device.faults.latched or state in {State.FAULT, State.OFF}, f"{state.name} with a fault"
        if permit.held:
            newest = {facts.permits, facts.permits + (self.doing == "grant")}
            assert state in {State.READY, State.EMITTING}, f"a permit is held in {state.name}"
            assert permit.id in newest, "a permit came back"
            assert permit.internal is inputs.internal_trigger_strap, "a permit for another trigger"
        if state is State.EMITTING:
            assert permit.held, "EMITTING without a permit"
            assert foot or permit.internal, "EMITTING without a foot"

    def _fired(self, state: State) -> None:
        device, inputs, facts = self.fw.device, self.inputs, self.facts
        if state is State.CALIBRATING:
            shut = inputs.shutter_closed_switch and not inputs.shutter_open_switch
            docked = inputs.docked_a_closed and inputs.docked_b_closed and chain_closed(inputs)
            assert shut or docked, "calibration light leaves"
        else:
            foot = inputs.foot_a_closed and inputs.foot_b_closed and facts.pressed_since
            assert state is State.EMITTING, f"light in {state.name}"
            assert facts.permit is not None, "light without a permit"
            assert facts.given < facts.permit.pulses, "more light than was permitted"
            assert foot or inputs.internal_trigger_strap, "light without a fresh press"
            assert inputs.shutter_open_switch, "light into the closed shutter"
            assert not inputs.docked_a_closed, "treatment light in the calibration port"
            assert not inputs.docked_b_closed, "treatment light in the calibration port"
            assert device.indicator_lit, "light with a dark indicator"
        assert facts.rested, "two triggers within a period"
        assert inputs.simmer_on, "a trigger without simmer"
        assert inputs.charge_done, "a trigger without end of charge"
        assert not inputs.comparator_tripped, "a trigger with the comparator tripped"
        assert not inputs.gate_inhibited, "a trigger against the inhibited gate"

    def check(self) -> None:
        """Light that no trigger explains trips here, and each injected flaw leads only to what may be."""
        saved = self.save()
        if self.fw.device.pulser.shot is None:
            self.doing = "light"
            self.shine(173_000, 750)
            self.step()
            assert self.fw.device.faults.has(Fault.LIGHT_WITHOUT_TRIGGER), (
                "light without a trigger is not seen"
            )
            assert self.fw.device.state in {State.FAULT, State.OFF}, "light without a trigger does not trip"
        self.restore(saved)
        for flaw in self.injected if self.fw.device.state in _LIGHT_NEAR else ():
            self.act(f"flaw: {flaw}")
            self.injections += 1
            self.restore(saved)

    @staticmethod
    def state_of(key: Any) -> State:
        state: State = key[0][0]
        return state

    @staticmethod
    def has_to_end(key: Any) -> bool:
        """Whether there is no way on without a calibration in the port, or without service."""
        return not key[_CALIBRATED][1] or (key[_FAULTS] and key[_FAULTS][0])


def chain_closed(inputs: Inputs, *, always_only: bool = False) -> bool:
    """Every contact that REQ-006 to REQ-011 and REQ-029 name; flow has its own patience."""
    low_um, high_um = _SPOTS_UM.get(inputs.handpiece, (1, 0))
    always = all(
        (
            inputs.estop_a_closed and inputs.estop_b_closed,
            inputs.mains_ok,
            inputs.cover_a_closed and inputs.cover_b_closed and inputs.defeat_key_out,
            inputs.charger_cool,
        )
    )
    return always and (
        always_only
        or all(
            (
                inputs.key_on,
                inputs.remote_closed,
                inputs.door_closed,
                inputs.arm_connected,
                low_um <= inputs.spot_um <= high_um,
                inputs.level_ok,
                inputs.thermostat_closed,
                inputs.coolant_mc <= limits.COOLANT_HOT_MC,
            )
        )
    )
