"""The contacts and identity chips that people and the room act on, with the bounce of the footswitch."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from protocols.messages import Handpiece
from sim_device.plant.delay import NEVER

SPLIT_US: Final = (100, 900)  # [C] the pedal's second contact follows the first by some 100 us
CHATTER_US: Final = (50, 400)  # [C] each opening and each closing while a contact settles
CHATTER_COUNT: Final = (1, 4)  # [C] with 400 us each: settled within 3.2 ms, a common switch's 1 to 5 ms

FIXED_SPOT_UM: Final = {
    Handpiece.NONE: 0,
    Handpiece.FIXED_6: 6000,
    Handpiece.FIXED_8: 8000,
    Handpiece.FIXED_10: 10_000,
    Handpiece.LENS_ARRAY_6: 6000,
}
ZOOM_SPOT_UM: Final = (2000, 6000)  # [P] zoom handpiece, LASER_FACTS


@dataclass(slots=True)
class Contacts:
    """Where every contact stands; the defaults are a good room with the key off. Set through `Plant.act`."""

    key_on: bool = False
    mains_ok: bool = True
    estop_pressed: bool = False
    remote_closed: bool = True
    door_closed: bool = True
    cover_closed: bool = True
    arm_connected: bool = True
    docked: bool = True
    internal_trigger_strap: bool = False
    level_ok: bool = True
    charger_cool: bool = True
    handpiece: Handpiece = Handpiece.ZOOM
    zoom_um: int = 3500
    wavelength_nm: int = 755

    @property
    def spot_um(self) -> int:
        """Spot of what is plugged in; 0 without a handpiece."""
        return FIXED_SPOT_UM.get(self.handpiece, self.zoom_um)

    def open_names(self) -> tuple[str, ...]:
        """Interlock contacts that stand open, by name, for the ground truth."""
        guards = ("key_on", "mains_ok", "remote_closed", "door_closed", "cover_closed", "arm_connected")
        opened = tuple(name for name in guards if not getattr(self, name))
        return ("estop_closed", *opened) if self.estop_pressed else opened


class Footswitch:
    """The pedal and its two contacts, which chatter at each change and do not change together."""

    def __init__(self, chance: random.Random) -> None:
        self.pressed = False  # the pedal itself: ground truth
        self.a_closed = False
        self.b_closed = False
        self.next_us = NEVER
        self._chance = chance
        self._coming: list[tuple[int, str, bool]] = []

    def move(self, now_us: int, pressed: bool) -> None:
        """Press or release the pedal; doing it twice changes nothing."""
        if pressed == self.pressed:
            return
        self.pressed = pressed
        self._coming = []
        contacts = ["a_closed", "b_closed"]
        self._chance.shuffle(contacts)
        for contact, delay_us in zip(contacts, (0, self._chance.randint(*SPLIT_US)), strict=True):
            if getattr(self, contact) == pressed:  # caught while still chattering from the other way
                continue
            when_us, level = now_us + delay_us, pressed
            self._coming.append((when_us, contact, level))
            for _ in range(2 * self._chance.randint(*CHATTER_COUNT)):
                when_us += self._chance.randint(*CHATTER_US)
                level = not level
                self._coming.append((when_us, contact, level))
        self._coming.sort()
        self.next_us = self._coming[0][0] if self._coming else NEVER

    def happen(self, now_us: int) -> bool:
        """A contact makes or breaks."""
        while self._coming and self._coming[0][0] <= now_us:
            _, contact, level = self._coming.pop(0)
            setattr(self, contact, level)
        self.next_us = self._coming[0][0] if self._coming else NEVER
        return True
