"""The contacts and identity chips that people and the room act on, and how a mechanical contact bounces."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final

from protocols.messages import Handpiece
from sim_device.plant.delay import NEVER

SPLIT_US: Final = (100, 900)  # [C] the second contact of a pair follows the first by some 100 us
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

# Every mechanical contact by its line. Identity chips and the supervision of the mains are electronic and do
# not bounce, nor do the shutter's light barriers; the pedal has its own.
ESTOP: Final = ("estop_a_closed", "estop_b_closed")
COVER: Final = ("cover_a_closed", "cover_b_closed")
DOCK: Final = ("docked_a_closed", "docked_b_closed")
_OWN: Final = (
    "key_on",
    "remote_closed",
    "door_closed",
    "defeat_key_out",
    "arm_connected",
    "internal_trigger_strap",
    "charger_cool",
)
ACTUATORS: Final = (*((line,) for line in (*_OWN, "level_ok", "thermostat_closed")), ESTOP, COVER, DOCK)
LINES: Final = tuple(line for lines in ACTUATORS for line in lines)


@dataclass(slots=True)
class Contacts:
    """Where everything truly stands; the defaults are a good room with the key off. Set through `Plant.act`.

    `forced` holds single contacts that do not follow: the name of their line (one of `LINES`) and the level
    they stay at, True for welded, False for broken. The two contacts of a pair are two lines.
    """

    key_on: bool = False
    mains_ok: bool = True
    estop_pressed: bool = False
    remote_closed: bool = True
    door_closed: bool = True
    cover_closed: bool = True
    defeat_key_out: bool = True  # in, it bridges both contacts of the cover, and the cover cannot close
    arm_connected: bool = True
    docked: bool = True
    internal_trigger_strap: bool = False
    level_ok: bool = True
    charger_cool: bool = True
    handpiece: Handpiece = Handpiece.ZOOM
    zoom_um: int = 3500
    wavelength_nm: int = 755
    estop_relay_welded: bool = False  # it does not drop when the e-stop opens; without supply it does
    forced: dict[str, bool] = field(default_factory=dict)

    @property
    def spot_um(self) -> int:
        """Spot of what is plugged in; 0 without a handpiece."""
        return FIXED_SPOT_UM.get(self.handpiece, self.zoom_um)

    def levels(self, *, level_ok: bool, thermostat_closed: bool) -> dict[str, bool]:
        """Whether each contact of `LINES` conducts once it has settled, with two that the water moves."""
        standing = {name: getattr(self, name) for name in _OWN}
        standing["level_ok"] = self.level_ok and level_ok
        standing["thermostat_closed"] = thermostat_closed
        standing["estop_a_closed"] = standing["estop_b_closed"] = not self.estop_pressed
        bridged = not self.defeat_key_out
        standing["cover_a_closed"] = standing["cover_b_closed"] = self.cover_closed or bridged
        standing["docked_a_closed"] = standing["docked_b_closed"] = self.docked
        if not self.forced.keys() <= standing.keys():
            known = ", ".join(LINES)
            raise ValueError(f"forced = {self.forced}: only these contacts can be forced: {known}")
        return standing | self.forced

    def conduct(self, *lines: str) -> bool:
        """Whether all these contacts, of those that people move, conduct once they have settled."""
        levels = self.levels(level_ok=True, thermostat_closed=True)
        return all(levels[line] for line in lines)

    def open_names(self) -> tuple[str, ...]:
        """What stands open in truth, whatever a contact says of it: by name, for the ground truth."""
        if all(_GUARDS_CLOSED(self)) and not self.estop_pressed:
            return ()
        opened = tuple(name for name in _GUARDS if not getattr(self, name))
        return ("estop_closed", *opened) if self.estop_pressed else opened


_GUARDS: Final = ("key_on", "mains_ok", "remote_closed", "door_closed", "cover_closed", "arm_connected")
_GUARDS_CLOSED: Final = attrgetter(*_GUARDS)


class Chatter:
    """Mechanical contacts on their way: each makes or breaks at once when moved, and then bounces a while."""

    __slots__ = ("_chance", "_coming", "_goals", "levels", "next_us")

    def __init__(self, chance: random.Random, levels: dict[str, bool]) -> None:
        self.levels = levels  # of each contact by name, as it is this instant
        self.next_us = NEVER
        self._goals = dict(levels)
        self._chance = chance
        self._coming: list[tuple[int, str, bool]] = []

    def move(self, now_us: int, goals: dict[str, bool]) -> None:
        """Move contacts of one actuator to these levels; the first that moves does so now, others follow it.

        A contact that is told where it already goes is left alone; one that is caught while it still bounces
        from the other way, at the level it now shall have, stays there.
        """
        moved = [name for name, goal in goals.items() if self._goals[name] != goal]
        if not moved:
            return
        self._chance.shuffle(moved)
        self._coming = [event for event in self._coming if event[1] not in moved]
        delay_us = 0
        for name in moved:
            self._goals[name] = goals[name]
            if self.levels[name] != goals[name]:
                self._bounce(now_us + delay_us, name, goals[name])
            delay_us = self._chance.randint(*SPLIT_US)
        self._coming.sort()
        self.happen(now_us)

    def happen(self, now_us: int) -> bool:
        """Every contact due makes or breaks."""
        while self._coming and self._coming[0][0] <= now_us:
            _, name, level = self._coming.pop(0)
            self.levels[name] = level
        self.next_us = self._coming[0][0] if self._coming else NEVER
        return True

    def _bounce(self, when_us: int, name: str, level: bool) -> None:
        self._coming.append((when_us, name, level))
        for _ in range(2 * self._chance.randint(*CHATTER_COUNT)):
            when_us += self._chance.randint(*CHATTER_US)
            level = not level
            self._coming.append((when_us, name, level))


class Footswitch:
    """The pedal and its two contacts."""

    __slots__ = ("contacts", "pressed")

    def __init__(self, chance: random.Random) -> None:
        self.pressed = False  # the pedal itself: ground truth
        self.contacts = Chatter(chance, {"foot_a_closed": False, "foot_b_closed": False})

    def move(self, now_us: int, pressed: bool) -> None:
        """Press or release the pedal; doing it twice changes nothing."""
        self.pressed = pressed
        self.contacts.move(now_us, dict.fromkeys(self.contacts.levels, pressed))
