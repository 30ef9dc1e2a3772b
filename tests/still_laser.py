"""A laser in STANDBY with nothing wrong, as its Status tells of it."""

from typing import Any

from protocols.faults import Fault
from protocols.messages import Beam, Foot, Handpiece, Leave, Shutter, Status
from protocols.states import State


def status(**changes: Any) -> Status:
    """Its Status, with these fields changed."""
    still: dict[str, Any] = dict(
        device_time_us=1,
        boot=1,
        challenge=1,
        state=State.STANDBY,
        beam=Beam.APERTURE,
        leave=Leave.NEVER,
        open_interlocks=frozenset(),
        blocks=frozenset(),
        faults=frozenset(),
        faults_present=frozenset(),
        first_fault=Fault.NONE,
        fault_instance=0,
        stop_epoch=0,
        arm_epoch=0,
        permit_id=0,
        permit_pulses_left=0,
        permit_ends_us=0,
        setpoint_hash=0,
        handpiece=Handpiece.ZOOM,
        spot_um=3_500,
        wavelength_nm=755,
        foot=Foot.RELEASED,
        shutter=Shutter.CLOSED,
        gate_inhibited=True,
        hv_inhibited=True,
        indicator_on=False,
        aiming_on=False,
        docked=False,
        calibrated=True,
        pulse_number=0,
        reports_waiting=0,
    )
    return Status(**still | changes)
