"""What must hold of every flash of light: permitted, pressed for, guarded, warned of, as granted, judged."""

from __future__ import annotations

from operator import attrgetter
from typing import Final

from protocols.messages import Beam
from protocols.states import State
from rig.invariants.invariant import Invariant, Light
from rig.invariants.witness import FOOT_US, INHIBIT_US, SILENT_US, Witness

CHATTER_US: Final = 5_000  # [C] a contact settles within 5 ms: a press may count from its last make
WARNING_US: Final = 2_000_000  # REQ-002: indicator on before the earliest possible light
CHANGED_US: Final = 50_000  # REQ-010: handpiece unplugged or changed to emission off
TRUE_TOLERANCE: Final = 0.20  # REQ-018: true output never leaves +-20 % unjudged
WIDTH_TOLERANCE: Final = 0.20  # REQ-047 trips at 15 % measured; 20 % leaves room for the meter's error
LATE_PULSES: Final = 1  # DESIGN: judged at most one pulse late
RATE_TOLERANCE: Final = 0.02  # [C] a drifting crystal is off by far less, a wrong rate by far more

_LIT_STATES: Final = frozenset({State.EMITTING, State.CALIBRATING})
_SEEN: Final = attrgetter("handpiece", "zoom_um", "wavelength_nm")  # all that says what is connected


class LightByPermit(Invariant):
    """The permit: held when the lamp was triggered, for this beam, not used up, not run out."""

    name = "light-by-permit"
    rule = "no light leaves the aperture without a permit that the wire granted and nothing has taken since"

    def light(self, light: Light) -> None:
        """Judge what left the aperture."""
        pulse, permit = light.pulse, light.permit
        if not pulse.aperture:
            return
        if permit is None:
            self.broken("light left the aperture and no permit was ever granted")
            return
        voided_us = permit.voided_us
        if voided_us is not None and pulse.time_us > voided_us + INHIBIT_US:
            ago_us = pulse.time_us - voided_us
            self.broken(f"light left the aperture {ago_us} us after the permit ended: {permit.voided_by}")
        if permit.used > permit.grant.pulses:
            self.broken(f"pulse {permit.used} of a permit for {permit.grant.pulses}")
        device_us = self.witness.device_time_us(pulse.time_us)
        if device_us is not None and device_us > permit.grant.ends_us + INHIBIT_US:
            self.broken(f"light {device_us - permit.grant.ends_us} us after the permit's own end")
        if permit.grant.beam is not Beam.APERTURE:
            self.broken("light left the aperture in a rehearsal")


class LightInItsState(Invariant):
    """The states that may make light, and where each may let it go."""

    name = "light-in-its-state"
    rule = "triggers are given in EMITTING and CALIBRATING only, and calibration light stays inside"

    def light(self, light: Light) -> None:
        """Judge the state of the trigger."""
        word = light.state.name if light.state is not None else "no state at all"
        if light.trigger and light.state not in _LIT_STATES:
            self.broken(f"the lamp was triggered in {word}, and there was light")
        if light.pulse.aperture and light.state is not State.EMITTING:
            self.broken(f"light left the aperture in {word}")


class FreshPress(Invariant):
    """The foot: pressed after the permit was granted, and still down; or a strap, if the permit says so."""

    name = "fresh-press"
    rule = "light leaves the aperture for a foot that went down after the grant, or a permit for the strap"

    def light(self, light: Light) -> None:
        """Judge what left the aperture."""
        pulse, witness, permit = light.pulse, self.witness, light.permit
        if not pulse.aperture:
            return
        if permit is not None and permit.internal:
            if not pulse.strap and pulse.time_us > witness.unstrapped_us + INHIBIT_US:
                self.broken("light under a permit for the internal trigger, and its strap is not fitted")
        elif not pulse.foot_pressed and pulse.time_us > witness.released_us + FOOT_US:
            ago_us = pulse.time_us - witness.released_us
            self.broken(f"light {ago_us} us after the foot was released" if witness.pressed_us >= 0
                        else "light though no foot was ever down")  # fmt: skip
        elif permit is not None and witness.pressed_us < permit.granted_us - CHATTER_US:
            ahead_us = permit.granted_us - witness.pressed_us
            self.broken(f"light for a press {ahead_us} us older than the grant")


class InterlocksClosed(Invariant):
    """The guards: none stood open for longer than it takes to inhibit the trigger."""

    name = "interlocks-closed"
    rule = "no light leaves the aperture while a guard stands open"

    def light(self, light: Light) -> None:
        """Judge what left the aperture."""
        if not light.pulse.aperture:
            return
        for name in light.pulse.open_contacts:
            since_us = self.witness.seen_since.get(name, light.pulse.time_us)
            if light.pulse.time_us > since_us + INHIBIT_US:
                self.broken(f"light {light.pulse.time_us - since_us} us after {name} was not so any more")


class HostAlive(Invariant):
    """The host: it answered a challenge lately."""

    name = "host-alive"
    rule = "no light leaves the aperture later than 250 ms after the last answered challenge was issued"

    def light(self, light: Light) -> None:
        """Judge what left the aperture."""
        silent_us = light.pulse.time_us - self.witness.alive_from_us
        if light.pulse.aperture and silent_us > SILENT_US:
            self.broken(f"light, and the last challenge that the host answered is {silent_us} us old",
                        since_us=self.witness.alive_from_us)  # fmt: skip


class WarnedBefore(Invariant):
    """The warning: the indicator was on for two seconds, and is on."""

    name = "warned-before"
    rule = "the emission indicator is on for 2 s before light can leave the aperture, and while it does"

    def light(self, light: Light) -> None:
        """Judge what left the aperture."""
        if not light.pulse.aperture:
            return
        since_us = self.witness.indicator_us
        if since_us is None:
            self.broken("light left the aperture with the indicator off")
        elif light.pulse.time_us - since_us < WARNING_US:
            self.broken(
                f"light {light.pulse.time_us - since_us} us after the indicator came on", since_us=since_us
            )


class AsGranted(Invariant):
    """The pulse: of the mode, at the rate and through the optics that the permit names."""

    name = "as-granted"
    rule = "mode, rate, handpiece, spot and wavelength of every pulse are those of its permit"

    def __init__(self, witness: Witness) -> None:
        super().__init__(witness)
        self._trigger_us = -1
        self._seen = _SEEN(witness.simulator.plant.contacts)
        self._connected = self._what_is_connected()
        self._changed_us = -CHANGED_US

    def driven(self, now_us: int, outputs: object) -> None:
        """Note when something else was connected."""
        del outputs
        seen = _SEEN(self.witness.simulator.plant.contacts)
        if seen == self._seen:
            return
        self._seen, connected = seen, self._what_is_connected()
        if connected != self._connected:
            self._connected, self._changed_us = connected, now_us

    def light(self, light: Light) -> None:
        """Judge what left the aperture."""
        pulse, permit = light.pulse, light.permit
        before_us, self._trigger_us = self._trigger_us, light.trigger_us
        if not pulse.aperture or permit is None or not light.trigger:
            return
        grant = permit.grant
        if pulse.mode_width_ps != grant.mode_width_ps:
            self.broken(f"mode {pulse.mode_width_ps} ps, permitted is {grant.mode_width_ps} ps")
        connected = (int(grant.handpiece), grant.spot_um, grant.wavelength_nm)
        if self._connected != connected and pulse.time_us > self._changed_us + CHANGED_US:
            self.broken(f"light through {self._connected}, permitted is {connected}",
                        since_us=pulse.time_us - CHANGED_US)  # fmt: skip
        period_us = 1_000_000_000 / grant.rep_rate_mhz
        passed_us = light.trigger_us - before_us
        if before_us >= 0 and 0 < passed_us < period_us * (1 - RATE_TOLERANCE):
            self.broken(f"{passed_us} us after the trigger before, permitted are {period_us:.0f} us",
                        since_us=before_us)  # fmt: skip

    def _what_is_connected(self) -> tuple[int, int, int]:
        contacts = self.witness.simulator.plant.contacts
        return int(contacts.handpiece), contacts.spot_um, contacts.wavelength_nm


class PulseJudged(Invariant):
    """The dose: a pulse that is truly wrong ends emission, at most one pulse late."""

    name = "pulse-judged"
    rule = (
        "after a pulse whose true energy or width is out of its window at most one more leaves the aperture"
    )

    def __init__(self, witness: Witness) -> None:
        super().__init__(witness)
        self._wrong: str | None = None
        self._wrong_arming_us = -1
        self._after = 0
        self._triggers: set[int] = set()

    def light(self, light: Light) -> None:
        """Judge what left the aperture, and count what follows a wrong one."""
        pulse, permit = light.pulse, light.permit
        if not pulse.aperture or permit is None:
            return
        if self._wrong is not None and self._wrong_arming_us != self.witness.arming_us:
            self._wrong = None  # armed anew since: somebody has looked at it
        if self._wrong is not None and light.trigger not in self._triggers:
            self._triggers.add(light.trigger)
            self._after += 1
            if self._after > LATE_PULSES:
                self.broken(f"{self._after} pulses were given after one with {self._wrong}")
        elif self._wrong is None and (wrong := _wrong(light)):
            self._wrong, self._wrong_arming_us = wrong, self.witness.arming_us
            self._after, self._triggers = 0, {light.trigger}


class OnePulseForOneTrigger(Invariant):
    """Doubles: two flashes for one trigger end emission before the next trigger."""

    name = "one-pulse-for-one-trigger"
    rule = "after two flashes for one trigger no further light leaves the aperture in that arming"

    def __init__(self, witness: Witness) -> None:
        super().__init__(witness)
        self._trigger = 0
        self._doubled_arming_us = -1
        self._doubled = self._doubled_us = 0

    def light(self, light: Light) -> None:
        """Count flashes by trigger."""
        if not light.trigger:
            return
        if light.trigger == self._trigger:
            self._doubled, self._doubled_arming_us = light.trigger, self.witness.arming_us
            self._doubled_us = light.pulse.time_us
        elif light.pulse.aperture and self._doubled_arming_us == self.witness.arming_us:
            words = f"light for trigger {light.trigger}, and trigger {self._doubled} had given two flashes"
            self.broken(words, since_us=self._doubled_us)
        self._trigger = light.trigger


def _wrong(light: Light) -> str:
    """What is truly wrong with a pulse; empty when nothing is."""
    pulse, permit = light.pulse, light.permit
    if permit is None:
        return ""
    set_uj = permit.set_energy_uj
    if set_uj is None:
        return "an energy that nobody had set"
    if abs(pulse.transmitted_uj - set_uj) > TRUE_TOLERANCE * set_uj:
        return f"{pulse.transmitted_uj / 1e3:.1f} mJ where {set_uj / 1e3:.1f} mJ were set"
    nominal_ps = permit.grant.mode_width_ps
    if abs(pulse.width_ps - nominal_ps) > WIDTH_TOLERANCE * nominal_ps:
        return f"a width of {pulse.width_ps:.0f} ps where {nominal_ps} ps were set"
    return ""
