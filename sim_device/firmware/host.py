"""The host as the firmware believes it to be: its session, its life by answered challenges, its intent.

Challenges count up from a value that differs between boots. They are no secret: they prove that the host has
heard the device lately, so that heartbeats left in a buffer by a dead host keep nothing alive.

Messages cross on the wire, so an intent is judged only when the heartbeat answers a challenge that already
told of the present situation. Three heartbeats running that say IDLE while armed end the arming: a host that
arms says ARMED from the moment it sends its Arm. PERMIT without a permit, and ARMED with one, must besides
have gone on for 500 ms: a host says PERMIT from the moment it sends its Grant, and Grant or answer may be
lost and repeated before both ends agree.
"""

from __future__ import annotations

import struct
import zlib

from protocols.messages import Heartbeat, Intent
from protocols.timing import CHALLENGES_KEPT, PERMIT_LIFE_US
from sim_device.firmware.limits import INTENT_SETTLE_US, INTENT_STRIKES, NEVER_US, U32


class Host:
    """One session's host. Knows nothing of states; it is told when the situation changes."""

    def __init__(self, boot: int) -> None:
        self.session = 0
        self.same_interface = False
        self.alive_until_us = 0
        self._next_challenge = zlib.crc32(struct.pack("<I", boot))
        self._issued_us: dict[int, int] = {}  # the latest challenges, oldest first
        self._strikes = 0
        self._first_strike_us = 0
        self._armed_changed_us = 0
        self._permit_changed_us = 0

    def open_session(self, session: int, *, same_interface: bool) -> None:
        """Another host, or the same one anew: it has proven nothing yet."""
        self.session = session
        self.same_interface = same_interface
        self.alive_until_us = 0
        self._issued_us.clear()
        self._strikes = 0

    def challenge(self, now_us: int) -> int:
        """A new challenge for the next Status."""
        self._next_challenge = self._next_challenge + 1 & U32 or 1
        if len(self._issued_us) == CHALLENGES_KEPT:
            del self._issued_us[next(iter(self._issued_us))]
        self._issued_us[self._next_challenge] = now_us
        return self._next_challenge

    def alive(self, now_us: int) -> bool:
        """Whether a challenge issued less than 200 ms ago was answered."""
        return now_us < self.alive_until_us

    @property
    def deadline_us(self) -> int:
        """When the host counts as dead."""
        return self.alive_until_us or NEVER_US

    def armed_changed(self, now_us: int) -> None:
        """The armed states were entered or left."""
        self._armed_changed_us = now_us
        self._strikes = 0

    def permit_changed(self, now_us: int) -> None:
        """A permit came or went."""
        self._permit_changed_us = now_us
        self._strikes = 0

    def heard(self, heartbeat: Heartbeat, *, armed: bool, permit: bool) -> bool:
        """Take a heartbeat; True: its intent has disagreed for too long."""
        issued_us = self._issued_us.get(heartbeat.challenge, -1)
        if issued_us < 0:
            return False
        self.alive_until_us = max(self.alive_until_us, issued_us + PERMIT_LIFE_US)
        if not armed:
            return False
        idle = heartbeat.intent is Intent.IDLE
        told = issued_us >= (self._armed_changed_us if idle else self._permit_changed_us)
        if not told or not (idle or (heartbeat.intent is Intent.PERMIT) is not permit):
            self._strikes = 0
            return False
        if not self._strikes:
            self._first_strike_us = issued_us
        self._strikes += 1
        settled = idle or issued_us - self._first_strike_us >= INTENT_SETTLE_US
        return settled and self._strikes >= INTENT_STRIKES
