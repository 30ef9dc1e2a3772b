"""The operating states of the laser and the table of every allowed transition.

Two rules hold. Everything that decides which state follows which lives in this file; and a missing key is
a refusal: what is not in `TRANSITIONS` does not happen. The firmware is the truth, the host mirrors it, and
the diagram in the documents is drawn from this table.
"""

from __future__ import annotations

import enum
from typing import Final


class State(enum.IntEnum):
    """Where the laser is; the comment says what it permits."""

    OFF = 0  # key off: no high voltage, shutter closed, lamp dark
    SELF_TEST = 1  # memory, monitors, shutter, footswitch, indicator
    WARM_UP = 2  # pump and heater run until the coolant has been in its window for 60 s; simmer starts
    CALIBRATING = 3  # light only into the calibration port or the closed shutter, each proven first
    STANDBY = 4  # no footswitch action can cause emission; settings may be changed
    ARMING = 5  # shutter, both stop channels and both monitors are proven; at least 2 s; indicator on
    READY = 6  # a permit and a fresh press will open the shutter
    EMITTING = 7  # shutter open, pulses at the set rate while the foot stays down
    FAULT = 8  # latched with the first cause; left only by an acknowledge that names the instance


class Event(enum.IntEnum):
    """What may move the laser from one state to another."""

    KEY_ON = 1
    KEY_OFF = 2
    SELF_TEST_PASSED = 3
    WARMED = 4  # warm; the start-up calibration comes next
    CALIBRATE = 5  # an operator asks for the energy calibration
    CALIBRATION_ENDED = 6  # passed or refused: whether it is valid is a block, not a state
    ARM = 7
    PROVEN = 8  # every proof of ARMING passed and the delay is over
    PRESS = 9  # a fresh press while a permit holds
    RELEASE = 10  # foot released, or the permit's last pulse given
    RETURN = 11  # asked for standby; handpiece, spot, wavelength or set-point changed; idle too long
    STOP = 12
    TRIP = 13
    CLEARED = 14  # acknowledged; self-test, warm-up and calibration still hold
    CLEARED_RESTART = 15  # acknowledged; they do not hold any more


_S, _E = State, Event

TRANSITIONS: Final[dict[State, dict[Event, State]]] = {
    _S.OFF: {_E.KEY_ON: _S.SELF_TEST},
    _S.SELF_TEST: {_E.SELF_TEST_PASSED: _S.WARM_UP, _E.STOP: _S.SELF_TEST},
    _S.WARM_UP: {_E.WARMED: _S.CALIBRATING, _E.STOP: _S.WARM_UP},
    _S.CALIBRATING: {_E.CALIBRATION_ENDED: _S.STANDBY, _E.RETURN: _S.STANDBY, _E.STOP: _S.STANDBY},
    _S.STANDBY: {_E.ARM: _S.ARMING, _E.CALIBRATE: _S.CALIBRATING, _E.STOP: _S.STANDBY},
    _S.ARMING: {_E.PROVEN: _S.READY, _E.RETURN: _S.STANDBY, _E.STOP: _S.STANDBY},
    _S.READY: {_E.PRESS: _S.EMITTING, _E.RETURN: _S.STANDBY, _E.STOP: _S.STANDBY},
    _S.EMITTING: {_E.RELEASE: _S.READY, _E.RETURN: _S.STANDBY, _E.STOP: _S.STANDBY},
    # A stop does not clear a trip, and no road leads from here to READY.
    _S.FAULT: {_E.CLEARED: _S.STANDBY, _E.CLEARED_RESTART: _S.SELF_TEST, _E.STOP: _S.FAULT},
}
for _state in State:  # the total events, listed for every state so that a new one cannot forget them
    TRANSITIONS[_state][_E.KEY_OFF] = _S.OFF
    TRANSITIONS[_state][_E.TRIP] = _S.FAULT
TRANSITIONS[_S.OFF][_E.STOP] = _S.OFF

ARMED: Final = frozenset({State.ARMING, State.READY, State.EMITTING})
"""States in which the indicator is on, the host's heartbeat is demanded and an opened interlock latches."""


def following(state: State, event: Event) -> State | None:
    """The state after `event`, or None: refused, and nothing changes."""
    return TRANSITIONS[state].get(event)
