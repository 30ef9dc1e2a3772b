"""The footswitch: two contacts, a press that must be stable, a release that never waits."""

from __future__ import annotations

from protocols.messages import Foot
from sim_device.firmware.limits import FOOT_DISAGREE_US, FOOT_STABLE_US, NEVER_US, U32


class Footswitch:
    """A press is both contacts closed for 5 ms; either one open is a release, at once.

    A press permits only when it began after `consume` was called last: every loss of permission calls it.
    """

    def __init__(self) -> None:
        self.down = False  # both contacts closed, stable or not
        self.press = 0  # number of the latest stable press within the arming
        self.began_us = -1  # when its contacts closed
        self._down_since_us = -1
        self._stable = False
        self._differ_since_us = -1
        self._consumed_us = -1
        self._now_us = 0

    def update(self, now_us: int, a_closed: bool, b_closed: bool) -> None:
        """Take both contacts as they are now."""
        self._now_us = now_us
        self.down = a_closed and b_closed
        if not self.down:
            self._down_since_us = -1
            self._stable = False
        elif self._down_since_us < 0:
            self._down_since_us = now_us
        if self.down and not self._stable and now_us - self._down_since_us >= FOOT_STABLE_US:
            self._stable = True
            self.press = self.press + 1 & U32
            self.began_us = self._down_since_us
        if a_closed == b_closed:
            self._differ_since_us = -1
        elif self._differ_since_us < 0:
            self._differ_since_us = now_us

    @property
    def disagrees(self) -> bool:
        """Whether the contacts have differed for longer than allowed."""
        return self._differ_since_us >= 0 and self._now_us - self._differ_since_us > FOOT_DISAGREE_US

    @property
    def pressed(self) -> bool:
        """Whether a stable press holds."""
        return self._stable

    @property
    def fresh(self) -> bool:
        """Whether a stable press holds that began after permission was last lost or gained."""
        return self._stable and self.began_us > self._consumed_us

    @property
    def level(self) -> Foot:
        """The footswitch as the host sees it; down counts as pressed from the first instant."""
        if self._differ_since_us >= 0 and self.disagrees:
            return Foot.DISAGREES
        return Foot.PRESSED if self.down else Foot.RELEASED

    @property
    def deadline_us(self) -> int:
        """When it changes its mind without a contact moving."""
        stable_us = self._down_since_us + FOOT_STABLE_US if self.down and not self._stable else NEVER_US
        if self._differ_since_us < 0 or self.disagrees:
            return stable_us
        return min(stable_us, self._differ_since_us + FOOT_DISAGREE_US + 1)

    def consume(self, now_us: int) -> None:
        """Only a press that begins after `now_us` counts from here on."""
        self._consumed_us = now_us

    def renumber(self) -> None:
        """A new arming counts its presses from 1."""
        self.press = 0
