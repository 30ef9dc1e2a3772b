"""The gate: every reason why an outgoing message may not leave the host, computed anew from data each time.

Total over all messages: a stop and a read always pass; what sets passes unless it is nonsense for the state;
what permits passes only if everything that must be known is known and good.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final, NamedTuple

from protocols.messages import AckPulses, Beam, Effect, Heartbeat, Intent, Message, Sender, Status
from protocols.refusals import Reason, Refusal
from protocols.requests import Arm, Calibrate, CommitSetpoint, Grant, Setpoint, StageSetpoint
from protocols.states import State
from safety.freshness import FRESHNESS, Consequence, Input, Quality, not_good
from safety.latches import Latch
from safety.limits import above_ceiling
from safety.plan import TreatmentPlan
from safety.reasons import HostReason, reason

_H = HostReason

_DEVICE, _PERMIT, _SET = Sender.DEVICE, Effect.PERMITS, Effect.SETS  # looked at for every message
_WITHHOLDS: Final = Consequence.WITHHOLDS
_FAULT: Final = State.FAULT
_NOTHING: Final = frozenset[Refusal]()
_PRESSED: Final = frozenset({Refusal.FOOT_HELD})


@dataclass(frozen=True, slots=True)
class LinkFacts:
    """What identification found out; `recorded_to` is the record's last pulse of this device, None if new."""

    serial: str
    boot: int
    session: int
    interface_matches: bool
    recorded_to: int | None = None


class LoadedPlan(NamedTuple):
    """A plan that passed its check, and how many of its pulses were given."""

    plan: TreatmentPlan
    setpoint: Setpoint
    number: int
    done: int
    permit_max_us: int  # the longest permit of the device it was checked for


class Situation(NamedTuple):  # made for every message: a frozen dataclass takes four times as long
    """Everything the gate looks at; what is unknown is None or absent."""

    link: LinkFacts | None
    qualities: Mapping[Input, Quality]
    device: Status | None
    setpoint: Setpoint | None  # as read back
    plan: LoadedPlan | None
    latches: tuple[Latch, ...] = ()
    uncertain: tuple[str, ...] = ()
    intent: Intent = Intent.IDLE
    arm_epoch: int | None = None
    permit_open: bool = False
    permit_used: Callable[[int], bool] = lambda _: False
    in_flight: Message | None = None  # an Arm or Grant that left and has no answer yet
    reported_to: int | None = None
    behind: bool = False
    may_serve: bool = False  # the operator has the service role
    why_bad: Callable[[Input], str] = lambda _: ""  # what was said of an input that was said to be bad


def refusals(message: Message, situation: Situation) -> tuple[Reason, ...]:
    """Every reason why `message` may not leave now; empty means it may."""
    if message.sender is _DEVICE:
        return (reason(_H.NOT_OURS, type(message).__name__),)
    if isinstance(message, Heartbeat):
        return tuple(_heartbeat(message, situation))
    if message.effect is _PERMIT:
        return tuple(_permits(message, situation))
    if message.effect is _SET:
        return tuple(_sets(message, situation))
    if isinstance(message, AckPulses):
        return tuple(_acknowledges(message, situation))
    return ()  # STOPS, READS, and Connect


def withheld(s: Situation) -> list[Reason]:
    """Every reason why no heartbeat may leave: the device's own watchdog is then to act."""
    reasons = _link(s)
    for which in not_good(s.qualities, _WITHHOLDS):
        reasons.append(_input(s, which))
    if s.latches or s.uncertain:
        reasons += _latched(s)
    return reasons


def _heartbeat(message: Heartbeat, s: Situation) -> list[Reason]:
    reasons, device = withheld(s), s.device
    if device is not None and (message.challenge != device.challenge or message.intent is not s.intent):
        text = f"{message.intent.name} instead of {s.intent.name}, or an old challenge"
        reasons.append(reason(_H.INTENT, text))
    return reasons


def _acknowledges(message: AckPulses, s: Situation) -> Iterator[Reason]:
    if s.reported_to is None or message.pulse_number > s.reported_to:
        yield reason(_H.ACK_UNSEEN, f"{message.pulse_number}, reported up to {s.reported_to}")


def _sets(message: Message, s: Situation) -> Iterator[Reason]:
    if isinstance(message, Calibrate):  # makes light, if only inside: all but plan and calibration must hold
        yield from _common(s, but=Input.CALIBRATION)
        yield from _state(s, State.STANDBY)
        return
    if s.link is None:
        yield reason(_H.LINK_DOWN)
    if isinstance(message, StageSetpoint | CommitSetpoint):
        if s.qualities.get(Input.STATUS) is not Quality.GOOD:
            yield _input(s, Input.STATUS)
        yield from _state(s, State.STANDBY)
    if isinstance(message, StageSetpoint):
        yield from _ceiling(message)


def granting_refused(s: Situation) -> tuple[Reason, ...]:
    """Every reason why the next series of the plan may not be granted now, whatever its Grant would say."""
    return tuple(_any_permit(s, State.READY)) + tuple(_not_granted(s))


def _any_permit(s: Situation, *wanted: State, effect: frozenset[Refusal] = _NOTHING) -> Iterator[Reason]:
    yield from _common(s)
    yield from _state(s, *wanted)
    yield from _device_ready(s, effect)
    yield from _plan_matches(s)


def _not_granted(s: Situation) -> Iterator[Reason]:
    if s.permit_open:
        yield reason(_H.PERMIT_OPEN)
    if s.arm_epoch is None:
        yield reason(_H.NOT_ARMED)


def _permits(message: Message, s: Situation) -> Iterator[Reason]:
    # A repetition of the very message whose answer is awaited is no second one, and its effect may show.
    first = message != s.in_flight
    wanted, shown = _STATES[isinstance(message, Grant)]
    # Once the device holds this very permit the foot may be down: the repetition only asks for the answer.
    held = isinstance(message, Grant) and s.device is not None and s.device.permit_id == message.permit_id
    effect = _PRESSED if held and not first else _NOTHING
    yield from _any_permit(s, *wanted, *(() if first else shown), effect=effect)
    # Looked up by field name: whatever permits and names a field must name it as the plan and the device do.
    for field, want, which in _expectations(s):
        got = getattr(message, field, want)
        if got != want:
            yield reason(which, f"{field} {_word(got)} instead of {_word(want)}")
    if isinstance(message, Arm) and first:
        if s.permit_open:
            yield reason(_H.PERMIT_OPEN)
        if s.intent is not Intent.IDLE:
            yield reason(_H.WRONG_STATE, "this host armed it already")
    if isinstance(message, Grant):
        if first:
            yield from _not_granted(s)
            if s.permit_used(message.permit_id):
                yield reason(_H.PERMIT_USED, str(message.permit_id))
            if s.plan is not None and message.pulses > s.plan.plan.series_left(s.plan.done):
                yield reason(_H.PULSES, f"{message.pulses}, left {s.plan.plan.series_left(s.plan.done)}")
        if s.device is not None:
            yield from _end(message, s.device.device_time_us, s.plan)


def _end(grant: Grant, device_time_us: int, loaded: LoadedPlan | None) -> Iterator[Reason]:
    left_us = grant.ends_us - device_time_us  # of a moment ago: a permit as long as the longest is too long
    if left_us <= 0 or (loaded is not None and left_us > loaded.permit_max_us):
        yield reason(_H.PERMIT_END, f"in {left_us / 1e6:g} s")


def _expectations(s: Situation) -> Iterator[tuple[str, object, HostReason]]:
    """What a message that permits must say, wherever it has the field."""
    if s.link is not None:
        yield "boot", s.link.boot, _H.BOOT
        yield "session", s.link.session, _H.SESSION
    if s.device is not None:
        yield "stop_epoch", s.device.stop_epoch, _H.STOPPED_SINCE
        yield "setpoint_hash", s.device.setpoint_hash, _H.SETPOINT_DIFFERS
    if s.arm_epoch is not None:
        yield "arm_epoch", s.arm_epoch, _H.NOT_ARMED
    if s.plan is not None:
        wanted = s.plan.setpoint
        yield "beam", s.plan.plan.beam, _H.BEAM
        yield "trigger", s.plan.plan.fired_by, _H.TRIGGER
        yield "wavelength_nm", wanted.wavelength_nm, _H.WAVELENGTH
        yield "mode_width_ps", wanted.mode_width_ps, _H.MODE
        yield "rep_rate_mhz", wanted.rep_rate_mhz, _H.RATE
        yield "handpiece", wanted.handpiece, _H.HANDPIECE
        yield "spot_um", wanted.spot_um, _H.SPOT


def _common(s: Situation, but: Input | None = None) -> Iterator[Reason]:
    yield from _link(s)
    bad = not_good(s.qualities, Consequence.REFUSES)
    yield from (_input(s, which) for which in bad if which is not but)
    yield from _latched(s)
    if s.reported_to is None:
        yield reason(_H.COUNTERS)
    if s.behind:
        yield reason(_H.REPORTS_BEHIND)
    if s.device is not None:
        if s.device.open_interlocks:
            yield reason(_H.INTERLOCK, _names(s.device.open_interlocks))
        if has_fault(s.device):
            yield reason(_H.FAULT, s.device.first_fault.name.lower())


def _link(s: Situation) -> list[Reason]:
    link, device = s.link, s.device
    if link is None:
        return [reason(_H.LINK_DOWN)]
    reasons = []
    if not link.interface_matches:
        reasons.append(reason(_H.INTERFACE))
    if device is not None and device.boot != link.boot:
        reasons.append(reason(_H.BOOT))
    return reasons


def _latched(s: Situation) -> Iterator[Reason]:
    yield from (reason(_H.LATCHED, latch.text) for latch in s.latches)
    yield from (reason(_H.UNCERTAIN, command) for command in s.uncertain)


def _state(s: Situation, *wanted: State) -> Iterator[Reason]:
    if s.device is None or s.device.state not in wanted:
        is_now = s.device.state.name if s.device else "unknown"
        yield reason(_H.WRONG_STATE, f"{is_now} instead of {wanted[0].name}")


# Where a Grant (True) or an Arm (False) may leave for, and where its own effect may have led meanwhile.
_STATES: Final[dict[bool, tuple[tuple[State, ...], tuple[State, ...]]]] = {
    True: ((State.READY,), (State.EMITTING,)),
    False: ((State.STANDBY,), (State.ARMING, State.READY)),
}

# The state is judged on its own, for the message at hand; the other two do not hold in a rehearsal.
_NOT_A_BLOCK: Final[dict[Beam, frozenset[Refusal]]] = {
    Beam.APERTURE: frozenset({Refusal.WRONG_STATE}),
    Beam.SHUTTER: frozenset({Refusal.WRONG_STATE, Refusal.AIMING_BEAM, Refusal.DOCKED}),
}


def _device_ready(s: Situation, effect: frozenset[Refusal]) -> Iterator[Reason]:
    if s.device is None:
        return
    beam = s.plan.plan.beam if s.plan else Beam.APERTURE
    blocks = s.device.blocks - _NOT_A_BLOCK[beam] - effect
    if blocks:
        yield reason(_H.BLOCK, _names(blocks))
    if not s.device.calibrated:
        yield reason(_H.NOT_CALIBRATED)


def _plan_matches(s: Situation) -> Iterator[Reason]:
    if s.plan is None:
        yield reason(_H.NO_PLAN)
    elif not s.plan.plan.series_left(s.plan.done):
        yield reason(_H.PLAN_DONE)
    if s.plan is not None and s.plan.plan.service and not s.may_serve:
        yield reason(_H.SERVICE)
    if s.setpoint is None or s.device is None or s.setpoint.hash != s.device.setpoint_hash:
        yield reason(_H.SETPOINT_UNREAD)
    elif s.plan is not None and s.setpoint != s.plan.setpoint:
        yield reason(_H.SETPOINT_DIFFERS)
    if s.setpoint is not None:
        yield from _ceiling(s.setpoint)
    if s.device is not None and s.plan is not None:
        yield from differs_from_plan(s.device, s.plan)


_CONNECTED: Final = {"handpiece": _H.HANDPIECE, "spot_um": _H.SPOT, "wavelength_nm": _H.WAVELENGTH}
_connected: Final = attrgetter(*_CONNECTED)


def differs_from_plan(device: Status, loaded: LoadedPlan) -> list[Reason]:
    """What is connected, as far as it is not what the plan was checked for."""
    got, want = _connected(device), _connected(loaded.setpoint)
    if got == want:
        return []
    return [
        reason(which, f"{field} {_word(is_now)} instead of {_word(planned)}")
        for (field, which), is_now, planned in zip(_CONNECTED.items(), got, want, strict=True)
        if is_now != planned
    ]


def lost_while_armed(device: Status, loaded: LoadedPlan | None) -> list[Reason]:
    """What ends permission in an armed laser; it acts on these by itself, the host makes sure."""
    reasons = []
    if device.open_interlocks:
        reasons.append(reason(_H.INTERLOCK, _names(device.open_interlocks)))
    if not device.calibrated:
        reasons.append(reason(_H.NOT_CALIBRATED))
    if loaded is not None:
        reasons += differs_from_plan(device, loaded)
    return reasons


def has_fault(device: Status) -> bool:
    """Whether the Status shows a latched fault in any of the ways it can."""
    return bool(device.faults or device.fault_instance or device.first_fault) or device.state is _FAULT


def _ceiling(setpoint: Setpoint | StageSetpoint) -> Iterator[Reason]:
    problem = above_ceiling(
        setpoint.wavelength_nm, setpoint.pulse_energy_uj, setpoint.rep_rate_mhz, setpoint.spot_um
    )
    if problem:
        yield reason(_H.CEILING, problem)


def _input(s: Situation, which: Input) -> Reason:
    quality, why = s.qualities.get(which, Quality.BAD).value, s.why_bad(which)
    return reason(FRESHNESS[which].reason, f"{quality}: {why}" if why else quality)


def _names(members: frozenset[Any]) -> str:
    return ", ".join(member.name.lower() for member in sorted(members))


def _word(value: object) -> str:
    return str(getattr(value, "name", value))
