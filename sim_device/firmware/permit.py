"""The permit: what the host allowed, in RAM only, and the answers already given to grants."""

from __future__ import annotations

import zlib

from protocols.requests import Grant, Reply, Trigger
from sim_device.firmware.limits import GRANTS_KEPT, NEVER_US


class Permit:
    """At most one permit is held; everything that ends permission ends it."""

    def __init__(self) -> None:
        self.id = 0  # 0: none is held
        self.pulses_left = 0
        self.ends_us = 0
        self.internal = False  # the internal trigger fires, not the foot
        self._answered: list[tuple[int, int, Reply] | None] = [None] * GRANTS_KEPT
        self._oldest = 0

    @property
    def held(self) -> bool:
        """Whether a permit is held."""
        return self.id != 0

    def grant(self, grant: Grant) -> None:
        """Hold this permit."""
        self.internal = grant.trigger is Trigger.INTERNAL
        self.id, self.pulses_left, self.ends_us = grant.permit_id, grant.pulses, grant.ends_us

    def void(self) -> None:
        """Hold none."""
        self.id = self.pulses_left = self.ends_us = 0
        self.internal = False

    @property
    def deadline_us(self) -> int:
        """When it ends by itself."""
        return self.ends_us if self.held else NEVER_US

    def answered(self, grant: Grant) -> tuple[Reply | None, bool]:
        """The answer given to this very grant before, and whether its identity was used by another one."""
        fingerprint = zlib.crc32(grant.encode())
        taken = False
        for entry in self._answered:
            if entry is not None and entry[0] == grant.permit_id:
                if entry[1] == fingerprint:
                    return entry[2], False
                taken = True
        return None, taken

    def remember(self, grant: Grant, reply: Reply) -> None:
        """Keep the answer, so that a repetition gets it again and no second permit."""
        self._answered[self._oldest] = (grant.permit_id, zlib.crc32(grant.encode()), reply)
        self._oldest = (self._oldest + 1) % GRANTS_KEPT

    def forget_answers(self) -> None:
        """A new session asks anew; what the one before was granted is void."""
        self._answered = [None] * GRANTS_KEPT
        self._oldest = 0
