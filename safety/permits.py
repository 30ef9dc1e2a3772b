"""The host's own books of what it armed and permitted, and how the device's word compares with them.

Theory of operation. The books change when a message leaves (`..._requested`), when its answer is in
(`..._answered`) and with every Status (`mirror`). The wire keeps order, so a Status that is observed after an
answer was written after it; one observed before may be older, and is then compared by epoch and identity
instead. After the host gave up its arming (`leave`), the device may be seen armed for a moment longer.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import Final, NamedTuple

from protocols.messages import Beam, Intent, PulseFlag, PulseReport, Status
from protocols.requests import Grant, Trigger
from protocols.states import ARMED, State
from protocols.timing import MS, STOP_UNCONFIRMED_US

LATE_US: Final = 20 * MS  # REQ-005: no pulse later than 20 ms after permission ended
LEAVE_US: Final = STOP_UNCONFIRMED_US  # the time in which a stop must be confirmed
_AS_SET: Final = ("wavelength_nm", "mode_width_ps", "rep_rate_mhz", "handpiece", "spot_um")
_as_set: Final = attrgetter(*_AS_SET)
_IDLE, _ARMED, _PERMIT = Intent.IDLE, Intent.ARMED, Intent.PERMIT  # looked at with every message
_SKIPPED, _UNKNOWN = PulseFlag.SKIPPED, PulseFlag.UNKNOWN
_PERMITS_KEPT: Final = 1024  # [C] four device rings of reports, each under a permit of its own


@dataclass(slots=True)
class Permit:
    """One permit in the books; `grant` None: recalled from the record of an earlier process."""

    permit_id: int
    pulses: int
    grant: Grant | None = None
    set_energy_uj: int = 0
    plan_number: int = 0  # which loaded plan it was granted for
    granted: bool = False
    refused: bool = False
    counted: int = 0
    ended_us: int | None = None  # device time at which it was first seen to be over


@dataclass(slots=True)
class _Arming:
    base_epoch: int  # the arm epoch before
    epoch: int | None = None  # as answered


class Mirrored(NamedTuple):  # made with every Status
    """How a Status compares with the books: words where it contradicts them, else empty."""

    light: str = ""  # emission that this host did not permit
    state: str = ""  # armed, or holding a permit, without this host
    left: bool = False  # the arming in the books is over
    ended: Permit | None = None


_AS_BOOKED: Final = Mirrored()


class PermitBooks:
    """What this host armed and permitted."""

    def __init__(self) -> None:
        self.open: Permit | None = None
        self._arming: _Arming | None = None
        self._permits: dict[int, Permit] = {}
        self._closing: Permit | None = None  # the last permit closed on this side
        self._grace_until_us: int | None = None

    @property
    def intent(self) -> Intent:
        """What the next heartbeat says: a permit counts once it is known to be granted."""
        return self.standing()[0]

    def standing(self) -> tuple[Intent, int | None, bool]:
        """Intent, epoch of our own arming (None without it or its answer), and whether a permit is open."""
        arming, permit = self._arming, self.open
        if arming is None:
            return _IDLE, None, permit is not None
        return _PERMIT if permit is not None and permit.granted else _ARMED, arming.epoch, permit is not None

    def used(self, permit_id: int) -> bool:
        """Whether a permit had this number before."""
        return permit_id in self._permits

    def arm_requested(self, base_epoch: int) -> None:
        """An Arm leaves; `base_epoch` is the arm epoch of the newest Status."""
        self._arming = _Arming(base_epoch)
        self._grace_until_us = None

    def arm_answered(self, *, done: bool, epoch: int) -> None:
        """The answer to the Arm; a late one, after `leave`, changes nothing."""
        if self._arming is not None:
            self._arming.epoch = epoch
            if not done:
                self._arming = None

    def grant_requested(self, grant: Grant, set_energy_uj: int, plan_number: int) -> None:
        """A Grant leaves."""
        self.open = Permit(grant.permit_id, grant.pulses, grant, set_energy_uj, plan_number)
        self._keep(self.open)

    def grant_answered(self, permit_id: int, *, done: bool) -> None:
        """The answer to the Grant; a late one, after the permit ended, only says whether it was refused."""
        permit = self._permits.get(permit_id)
        if permit is None:
            return
        permit.granted = done
        permit.refused = not done
        if not done and permit is self.open:
            self.open = None

    def recall(self, permit_id: int, pulses: int) -> None:
        """A permit from the record of an earlier process, whose pulses may still be reported.

        One that this process knows already stays as it is known.
        """
        if permit_id in self._permits:
            return
        self._keep(Permit(permit_id, pulses))

    def leave(self, now_us: int) -> None:
        """Give up arming and permit; until the device follows, seeing it armed is no contradiction."""
        if self._arming is not None:
            self._grace_until_us = now_us + LEAVE_US
        self._arming = None
        self._close()

    def mirror(self, status: Status, now_us: int) -> Mirrored:
        """Compare a Status with the books, and let them follow where the device may decide alone."""
        grace = self._grace_until_us is not None and now_us <= self._grace_until_us
        arming, armed, held = self._arming, status.state in ARMED, status.permit_id
        left, state = False, ""
        if arming is None:
            state = f"{status.state.name} without our arming" if armed and not grace else ""
        elif armed:
            ours = arming.base_epoch != status.arm_epoch and arming.epoch in (None, status.arm_epoch)
            state = "" if ours else f"{status.state.name} by arming {status.arm_epoch}, which is not ours"
        elif arming.epoch is not None or status.arm_epoch != arming.base_epoch:
            left, self._arming = True, None
        ended = self._mirror_permit(held, status.device_time_us)
        if left:
            self._close()
        ours_held = self.open is not None and held == self.open.permit_id
        closing_held = grace and self._closing is not None and held == self._closing.permit_id
        if held and not (ours_held or closing_held):
            state = state or f"it holds permit {held}, which is not ours"
        light = ""
        if status.state is State.EMITTING and not (ours_held or closing_held):
            light = f"EMITTING under permit {held}, which is not ours"
        return Mirrored(light, state, left, ended) if light or state or left or ended else _AS_BOOKED

    def pulse(self, report: PulseReport) -> tuple[str, str, Permit | None]:
        """Book one new pulse: what makes it unpermitted, what differs from its permit, and the permit."""
        if report.permit_id == 0:
            inside = report.flags & {PulseFlag.CALIBRATION, PulseFlag.SHUTTER_CLOSED, PulseFlag.SKIPPED}
            return ("" if inside else "given without a permit"), "", None
        permit = self._permits.get(report.permit_id)
        if permit is None:
            return f"given under permit {report.permit_id}, which is not in the books", "", None
        if _SKIPPED not in report.flags:
            permit.counted += 1
        if permit.refused:
            return f"given under permit {permit.permit_id}, which was refused", "", permit
        if permit.counted > permit.pulses:
            return f"number {permit.counted} under a permit for {permit.pulses}", "", permit
        if permit.grant is None or _UNKNOWN in report.flags:
            return "", "", permit  # nothing more is known that could be compared
        return self._late(permit, permit.grant, report), self._differs(permit, permit.grant, report), permit

    def _mirror_permit(self, held: int, device_time_us: int) -> Permit | None:
        if self._closing is not None and self._closing.ended_us is None and held != self._closing.permit_id:
            self._closing.ended_us = device_time_us
        permit = self.open
        if permit is None:
            return None
        if held == permit.permit_id:
            permit.granted = True
        elif permit.granted:
            permit.ended_us = device_time_us
            self._close()
            return permit
        return None

    @staticmethod
    def _late(permit: Permit, grant: Grant, report: PulseReport) -> str:
        if report.boot != grant.boot:
            return "given in another start of the device than its permit"
        end_us = grant.ends_us if permit.ended_us is None else min(grant.ends_us, permit.ended_us)
        if report.device_time_us > end_us + LATE_US:
            return f"given {(report.device_time_us - end_us) // MS} ms after its permit ended"
        if grant.beam is Beam.SHUTTER and PulseFlag.SHUTTER_CLOSED not in report.flags:
            return "given through the aperture in a rehearsal"
        if (grant.trigger is Trigger.INTERNAL) is not (report.press == 0):
            return f"fired by press {report.press} (0: by itself) under a permit for {grant.trigger.name}"
        return ""

    @staticmethod
    def _differs(permit: Permit, grant: Grant, report: PulseReport) -> str:
        got, granted = _as_set(report), _as_set(grant)
        if got == granted and report.set_energy_uj == permit.set_energy_uj:
            return ""
        wrong = [
            f"{name} {is_now} instead of {permitted}"
            for name, is_now, permitted in zip(_AS_SET, got, granted, strict=True)
            if is_now != permitted
        ]
        if report.set_energy_uj != permit.set_energy_uj:
            wrong.append(f"set_energy_uj {report.set_energy_uj} instead of {permit.set_energy_uj}")
        return ", ".join(wrong)

    def _close(self) -> None:
        if self.open is not None:
            self._closing, self.open = self.open, None

    def _keep(self, permit: Permit) -> None:
        self._permits[permit.permit_id] = permit
        if len(self._permits) > _PERMITS_KEPT:
            del self._permits[next(iter(self._permits))]
