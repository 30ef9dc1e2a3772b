"""What light may be there, told from the requirements and the plant's truth alone: a judge of any history."""

from __future__ import annotations

from dataclasses import dataclass, field

from sim_device.plant import TruePulse

FOOT_US = 20_000  # REQ-005
INHIBIT_US = 10_000  # DESIGN, "A stop"
SILENT_US = 250_000  # REQ-032
WARNED_US = 2_000_000  # REQ-002
CHANGED_US = 50_000  # REQ-010


@dataclass
class Permit:
    """One grant that the host has sent."""

    sent_us: int
    pulses: int
    used: int = 0
    ended_us: int | None = None
    ended_by: str = ""


@dataclass
class Oracle:
    """Takes down what people, room and host did, in order of time; then judges each pulse there truly was."""

    guards: dict[str, int] = field(default_factory=dict)  # open since
    pressed_us: int = -1
    released_us: int = -1
    down: bool = False
    lit_us: int | None = None  # the indicator, since
    answered_us: int = -1  # when the challenge was issued that was answered last
    connected: object = None
    changed_us: int = -CHANGED_US
    permits: list[Permit] = field(default_factory=list)
    found: list[str] = field(default_factory=list)

    def opened(self, guard: str, now_us: int) -> None:
        self.guards.setdefault(guard, now_us)
        self.ended(f"{guard} opened", now_us)

    def closed(self, guard: str) -> None:
        self.guards.pop(guard, None)

    def foot(self, down: bool, now_us: int) -> None:
        if down and not self.down:
            self.pressed_us = now_us
        elif self.down and not down:
            self.released_us = now_us
        self.down = down

    def granting(self, pulses: int, now_us: int) -> None:
        """A grant is about to be sent; whether it arrives nobody knows."""
        self.permits.append(Permit(now_us, pulses))

    def refused(self) -> None:
        """The latest one was: it never was a permit."""
        self.permits.pop()

    def ended(self, why: str, now_us: int) -> None:
        """Whatever was permitted before is so no more."""
        for permit in self.permits:
            if permit.ended_us is None:
                permit.ended_us, permit.ended_by = now_us, why

    def indicator(self, on: bool, now_us: int) -> None:
        if not on:
            self.lit_us = None
        elif self.lit_us is None:
            self.lit_us = now_us

    def judge(self, pulse: TruePulse) -> None:
        if not pulse.aperture:
            return
        at_us = pulse.time_us
        covering = [one for one in self.permits if self._covers(one, at_us)]
        fresh = [one for one in covering if self.pressed_us >= one.sent_us]
        left = [one for one in fresh if one.used < one.pulses]
        if left:
            left[0].used += 1
        else:
            what = "used up" if fresh else "older than the press" if covering else "over"
            last = covering or self.permits[-1:]
            self.found.append(f"{at_us}: light, pressed at {self.pressed_us}, every permit is {what}: {last}")
        if not self.down and at_us > self.released_us + FOOT_US:
            self.found.append(f"{at_us}: light {at_us - self.released_us} us after the foot")
        for guard, since_us in self.guards.items():
            if at_us > since_us + INHIBIT_US:
                self.found.append(f"{at_us}: light {at_us - since_us} us after {guard} opened")
        if at_us > self.answered_us + SILENT_US:
            self.found.append(f"{at_us}: light, and the host is silent since {self.answered_us}")
        if self.lit_us is None or at_us - self.lit_us < WARNED_US:
            self.found.append(f"{at_us}: light, and the indicator is on since {self.lit_us}")
        if not pulse.triggered or pulse.free_running or pulse.docked:
            self.found.append(f"{at_us}: stray light: {pulse}")

    @staticmethod
    def _covers(permit: Permit, at_us: int) -> bool:
        if at_us < permit.sent_us:
            return False
        return permit.ended_us is None or at_us <= permit.ended_us + INHIBIT_US
