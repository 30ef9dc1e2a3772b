"""Seeded defects: one broken behaviour each, that the invariants must find. None is in the code they patch.

A defect is either a patch of the firmware's or the daemon's behaviour, or something wrong at the board that
no scenario declares. Each names the promise that it breaks and the scene in which that shows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from rig.script import Script
from tests.rig.broken_device import (
    BLIND_COMPARATOR,
    Attach,
    Drives,
    GateStays,
    LateRelease,
    Reads,
    any_trigger,
    back_to_ready,
    blind_judge,
    blind_photodiode,
    blind_to_light,
    blind_to_the_door,
    both,
    dump_sticks_at_the_second_trip,
    forgetful,
    generous_permit,
    glitch,
    one_heartbeat_for_ever,
    only_the_photodiode,
    setting,
    short_arming,
    slow_blade,
    slow_watchdog,
    stop_ignored,
    too_fast,
    turned,
    welded_relay,
    wrong,
)
from tests.rig.broken_host import (
    Patch,
    blocking,
    daemon_arms,
    doctored_audit,
    early_acknowledgement,
    flattering_record,
    host_forgets,
    late_writing,
    lossy_recorder,
    overdose,
    recorded_as,
    recorded_late,
    resumes_armed,
    silent_trips,
    spinning,
    starts_unnoticed,
    unrecorded_overdose,
)
from tests.rig.scenes import (
    ASKED,
    BRIDGED_LATER,
    CALIBRATION,
    CUT,
    DOOR,
    DOOR_HELD,
    FOOT,
    HANGS_LATER,
    HUNG_DOOR,
    HUNG_ESTOP,
    HUNG_FOOT,
    NOBODY,
    RESTART,
    SERIES,
    SPOT,
    STOP,
    STUCK_LATER,
    TWICE,
)

SEEDS = 2
"""A defect is found within so many seeds."""


@dataclass(frozen=True)
class Defect:
    name: str
    breaks: str  # the promise
    scene: Script
    patch: Patch | None = None
    attach: Attach | None = None


DEFECTS = (
    Defect("the firmware does not hear STOP", "trigger-inhibited", STOP, stop_ignored),
    Defect("the firmware does not see the door", "interlocks-closed", DOOR, attach=blind_to_the_door),
    Defect("the door trips nothing", "guard-trips", DOOR, attach=blind_to_the_door),
    Defect("a release of the foot is debounced", "fresh-press", FOOT, attach=wrong(LateRelease())),
    Defect("a strap fires under a permit for the foot", "fresh-press", SERIES, any_trigger,
           wrong(Reads(setting(internal_trigger_strap=True)))),
    Defect("a release leaves the gate open", "foot-released", FOOT, attach=wrong(LateRelease())),
    Defect("one heartbeat keeps the permit for ever", "host-alive", CUT, one_heartbeat_for_ever),
    Defect("a permit allows five more", "light-by-permit", SERIES, generous_permit),
    Defect("arming takes 0.7 s", "warned-before", SERIES, short_arming),
    Defect("the indicator stays dark", "warned-before", SERIES,
           attach=wrong(Drives(setting(indicator_on=False), setting(indicator_ua=20_000)))),
    Defect("the rate is too high", "as-granted", SERIES, too_fast),
    Defect("the mode is another one", "as-granted", SERIES,
           attach=wrong(Drives(lambda lines: setattr(lines, "mode_width_ps", lines.mode_width_ps and 650)))),
    Defect("a turned zoom ring is not seen", "as-granted", SPOT, attach=wrong(Reads(setting(spot_um=3_500)))),
    Defect("energy is not judged", "pulse-judged", SERIES, blind_judge,
           both(turned(slope_ratio=1.4), wrong(BLIND_COMPARATOR))),
    Defect("width is not judged", "pulse-judged", SERIES, blind_judge, turned(width_ratio=1.5)),
    Defect("doubles are not seen", "one-pulse-for-one-trigger", SERIES, blind_judge,
           both(turned(pulses_per_trigger=2), wrong(BLIND_COMPARATOR))),
    Defect("the shutter takes 200 ms to close", "shutter-closed", DOOR, attach=slow_blade),
    Defect("the gate stays open for 60 ms", "trigger-inhibited", DOOR, attach=wrong(GateStays())),
    Defect("light without a trigger is not seen", "light-without-trigger", SERIES, blind_to_light, glitch),
    Defect("the capacitor is never dumped", "charge-gone", DOOR_HELD,
           attach=wrong(Drives(setting(dump_hold=True)))),
    Defect("calibration light leaves the aperture", "light-in-its-state",
           replace(CALIBRATION, events=tuple(one for one in CALIBRATION.events if one.do != "dock")),
           attach=wrong(Reads(setting(docked_a_closed=True, docked_b_closed=True)))),
    Defect("a fault goes by itself", "trips-stay", DOOR, forgetful),
    Defect("an acknowledgement leads to READY", "ready-by-arm", DOOR, back_to_ready),
    Defect("the daemon arms by itself", "armed-by-a-person", SERIES, daemon_arms),
    Defect("pulses are acknowledged too soon", "acknowledged-after-disk", SERIES, early_acknowledgement),
    Defect("permits are written down after they left", "written-ahead", SERIES, late_writing),
    Defect("one record in seven is lost", "books-balance", SERIES, lossy_recorder),
    Defect("what the photodiode missed counts as missing", "books-balance", SERIES, only_the_photodiode,
           blind_photodiode),
    Defect("recorded energies are too low", "energy-told", SERIES, flattering_record),
    Defect("a resumed session begins anew", "within-plan", replace(DOOR, duration_s=24.0), overdose),
    Defect("the audit is doctored", "audit-holds", SERIES, doctored_audit),
    Defect("the daemon forgets that the line was lost", "host-trips-stay", CUT, host_forgets),
    Defect("trips are not recorded", "trips-recorded", DOOR, silent_trips),
    Defect("the shutter is slow before it is stuck", "shutter-closed", STUCK_LATER, attach=slow_blade),
    Defect("the door is bridged after it was not seen", "guard-trips", BRIDGED_LATER,
           attach=blind_to_the_door),
    Defect("and light goes on", "interlocks-closed", BRIDGED_LATER, attach=blind_to_the_door),
    Defect("STOP is not heard before the processor hangs", "trigger-inhibited", HANGS_LATER, stop_ignored),
    Defect("the relay of the emergency stop is welded, and the watchdog waits for 2 s", "shutter-closed",
           HUNG_ESTOP, slow_watchdog, attach=welded_relay),
    Defect("the watchdog waits for 2 s, the foot is up", "foot-released", HUNG_FOOT, slow_watchdog),
    Defect("the watchdog waits for 2 s, the door is open", "shutter-closed", HUNG_DOOR, slow_watchdog),
    Defect("the watchdog waits for 2 s, a guard is open", "guard-trips", HUNG_DOOR, slow_watchdog),
    Defect("every record has a flag and no energy", "energy-told", SERIES,
           recorded_as(flags=frozenset({"width"}), monitor_b_mj=0.001)),
    Defect("every pulse is recorded as unknown", "books-balance", SERIES,
           recorded_as(flags=frozenset({"unknown"}), unknown=True, aperture=False, monitor_a_mj=None,
                       monitor_b_mj=None, pulse_width_ps=None)),
    Defect("low energies under another time", "energy-told", SERIES, recorded_late),
    Defect("light astray is not recorded", "books-balance", SERIES, silent_trips, glitch),
    Defect("light into the port is recorded as treatment", "books-balance", CALIBRATION,
           recorded_as(aperture=True)),
    Defect("a resumed session arms by itself", "armed-by-a-person", ASKED, resumes_armed),
    Defect("trips that nobody acknowledges are not recorded", "trips-recorded", NOBODY, silent_trips),
    Defect("the start of a daemon latches nothing", "host-trips-stay", RESTART, starts_unnoticed),
    Defect("the second trip dumps nothing", "charge-gone", TWICE, attach=dump_sticks_at_the_second_trip),
    Defect("an overdose is not recorded", "within-plan", replace(DOOR, duration_s=24.0), unrecorded_overdose),
    Defect("a task spins", "loop-never-blocked", replace(SERIES, duration_s=16.0), spinning),
    Defect("the disk blocks the loop", "loop-never-blocked", SERIES, blocking),
)  # fmt: skip
