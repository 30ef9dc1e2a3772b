"""Why the host refuses a message: every reason with the words an operator can act on."""

from __future__ import annotations

import enum
from typing import Final

from protocols.refusals import Reason, RefusalRow


class HostReason(enum.Enum):
    """A reason of the host's; its code reads `host.<value>`."""

    NOT_OURS = "not_ours"
    LINK_DOWN = "link_down"
    INTERFACE = "interface"
    BOOT = "boot"
    SESSION = "session"
    STATUS = "status"
    TELEMETRY = "telemetry"
    TICK = "tick"
    LOOP = "loop"
    TASKS = "tasks"
    STORE = "store"
    OPERATOR = "operator"
    CALIBRATION = "calibration"
    SERVICE = "service"
    COUNTERS = "counters"
    REPORTS_BEHIND = "reports_behind"
    LATCHED = "latched"
    UNCERTAIN = "uncertain"
    WRONG_STATE = "wrong_state"
    INTERLOCK = "interlock"
    FAULT = "fault"
    BLOCK = "block"
    NOT_CALIBRATED = "not_calibrated"
    NO_PLAN = "no_plan"
    PLAN_DONE = "plan_done"
    SETPOINT_UNREAD = "setpoint_unread"
    SETPOINT_DIFFERS = "setpoint_differs"
    CEILING = "ceiling"
    HANDPIECE = "handpiece"
    SPOT = "spot"
    WAVELENGTH = "wavelength"
    MODE = "mode"
    RATE = "rate"
    BEAM = "beam"
    TRIGGER = "trigger"
    STOPPED_SINCE = "stopped_since"
    NOT_ARMED = "not_armed"
    PERMIT_OPEN = "permit_open"
    PERMIT_USED = "permit_used"
    PERMIT_END = "permit_end"
    PULSES = "pulses"
    INTENT = "intent"
    ACK_UNSEEN = "ack_unseen"
    OTHER_LATCH = "other_latch"
    CAUSE_PRESENT = "cause_present"
    STILL_ARMED = "still_armed"


_H, _T = HostReason, RefusalRow
_CALIBRATE: Final = "dock the handpiece and calibrate; undocked, a stored calibration is only checked again"

HOST_REASONS: Final[dict[HostReason, RefusalRow]] = {
    _H.NOT_OURS: _T("this message is the device's own", "report this: the program is at fault"),
    _H.LINK_DOWN: _T("the laser is not connected", "check its cable and power; it reconnects by itself"),
    _H.INTERFACE: _T("host and device were built from different interfaces", "install matching versions"),
    _H.BOOT: _T("the device restarted since", "connect again and check its state"),
    _H.SESSION: _T("the session is not the live one", "ask for a new permit"),
    _H.STATUS: _T("the laser's state is not known just now", "wait; if it stays so, check the cable"),
    _H.TELEMETRY: _T(
        "the laser's measured values are missing or impossible", "wait; if it stays so, check its sensors"
    ),
    _H.TICK: _T("the supervisor's tick is late", "lower the load on this computer"),
    _H.LOOP: _T("the daemon's event loop lags or was not measured", "lower the load on this computer"),
    _H.TASKS: _T("a part of the daemon ended", "read the log, then restart the daemon"),
    _H.STORE: _T("the record cannot be written", "check disk space and permissions of the database"),
    _H.CALIBRATION: _T(
        "the energy calibration does not hold, is too old, or its date is not known", _CALIBRATE
    ),
    _H.OPERATOR: _T("nobody with the right to treat is logged in", "log in as an operator"),
    _H.SERVICE: _T("a service plan needs the service role", "log in as somebody with the service role"),
    _H.COUNTERS: _T("the device's pulse counter was not read", "wait until the daemon has read it"),
    _H.REPORTS_BEHIND: _T("pulses were fired that are not recorded yet", "wait until their reports are in"),
    _H.LATCHED: _T("a trip is latched on the host", "remove its cause and acknowledge it"),
    _H.UNCERTAIN: _T("the outcome of a command is unknown", "let the device's counters settle it (resolve)"),
    _H.WRONG_STATE: _T("the laser is in another state", "bring the laser to the state named first"),
    _H.INTERLOCK: _T("an interlock is open", "close it"),
    _H.FAULT: _T("the laser has a latched fault", "remove its cause and acknowledge it"),
    _H.BLOCK: _T("the laser would refuse", "remove what it names"),
    _H.NOT_CALIBRATED: _T("no valid energy calibration", _CALIBRATE),
    _H.NO_PLAN: _T("no checked plan is loaded", "load a treatment plan that passes its check"),
    _H.PLAN_DONE: _T("every pulse of the plan was given", "end the session; more needs a new plan"),
    _H.SETPOINT_UNREAD: _T("the set-point was not read back", "stage and commit it, then read it back"),
    _H.SETPOINT_DIFFERS: _T(
        "the set-point is not the plan's", "stage, commit and read back the plan's set-point"
    ),
    _H.CEILING: _T("the set-point is above a ceiling", "choose a lower energy or rate, or a larger spot"),
    _H.HANDPIECE: _T("another handpiece than planned is connected", "connect the planned handpiece"),
    _H.SPOT: _T("the spot read back is not the planned one", "turn the zoom to the planned spot"),
    _H.WAVELENGTH: _T("another wavelength than planned is active", "check module and eyewear"),
    _H.MODE: _T("the pulse width mode is not the planned one", "ask for a permit as planned"),
    _H.RATE: _T("the rate is not the planned one", "ask for a permit as planned"),
    _H.BEAM: _T("the beam path is not the planned one", "arm for the plan's beam path"),
    _H.TRIGGER: _T("what may fire is not what the plan says", "ask for a permit as planned"),
    _H.STOPPED_SINCE: _T("a stop came in between", "look why it was stopped, then arm again"),
    _H.NOT_ARMED: _T("the laser was not armed by this host for it", "arm first"),
    _H.PERMIT_OPEN: _T("another permit is still open", "let it end, or stop"),
    _H.PERMIT_USED: _T("this permit's number was used before", "ask for a new permit"),
    _H.PERMIT_END: _T("the permit ends in the past or too late", "ask for a new permit"),
    _H.PULSES: _T("more pulses than the series has left", "permit at most what is left of the series"),
    _H.INTENT: _T("the heartbeat is not the one that is due", "report this: the program is at fault"),
    _H.ACK_UNSEEN: _T("a pulse would be acknowledged that was not recorded", "record its report first"),
    _H.OTHER_LATCH: _T("that is not a latch that stands", "read the latches again, acknowledge those"),
    _H.CAUSE_PRESENT: _T("the cause is still there", "remove the cause first"),
    _H.STILL_ARMED: _T("the laser is not known to be disarmed", "bring it to STANDBY first"),
}


def reason(which: HostReason, detail: str = "") -> Reason:
    """The reason in words, with the detail that makes it concrete."""
    row = HOST_REASONS[which]
    return Reason(f"host.{which.value}", f"{row.text} ({detail})" if detail else row.text, row.action)
