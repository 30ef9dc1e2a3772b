"""No register of permission has a writer, and no door to light a caller, that no theorem is about."""

import pytest

from protocols.states import TRANSITIONS, Event, State
from tests.shown.writers import called, named, written

pytestmark = pytest.mark.shows("REQ-001", "HZ-001")

WRITERS = {
    "lamp_triggers": {"pulser.Pulser._fire"},
    "pulses_left": {
        "permit.Permit.__init__",
        "permit.Permit.grant",
        "permit.Permit.void",
        "pulser.Pulser._fire",
    },
    "self.id": {"permit.Permit.__init__", "permit.Permit.grant", "permit.Permit.void"},
    "ends_us": {"permit.Permit.__init__", "permit.Permit.grant", "permit.Permit.void"},
    "internal": {"permit.Permit.__init__", "permit.Permit.grant", "permit.Permit.void"},
    "state": {"device.Device.__init__", "device.Device.go"},
    "armed": {"device.Device.__init__", "device.Device.go"},
    "arm_epoch": {"device.Device.__init__", "device.Device._enter"},
    "stop_epoch": {"device.Device.__init__", "comms.Comms.stop"},
    "beam": {"device.Device.__init__", "comms.Comms._arm"},
    "alive_until_us": {"host.Host.__init__", "host.Host.heard", "host.Host.open_session"},
    "passed": {
        "startup.SelfTest.__init__",
        "startup.SelfTest.enter",
        "startup.SelfTest.work",
        "device.Device.go",
    },
    "latched": {"faults.Faults.latch", "faults.Faults.clear"},
    "_consumed_us": {"footswitch.Footswitch.__init__", "footswitch.Footswitch.consume"},
    "_stable": {"footswitch.Footswitch.__init__", "footswitch.Footswitch.update"},
    "began_us": {"footswitch.Footswitch.__init__", "footswitch.Footswitch.update"},
    "_earliest_us": {"pulser.Pulser.__init__", "pulser.Pulser._fire"},
    "outputs.gate_enable": {"drive.drive"},
    "outputs.shutter_open": {"drive.drive"},
    "outputs.hv_enable": {"drive.drive"},
    "outputs.hv_set_mv": {"drive.drive"},
    "outputs.dump_hold": {"drive.drive"},
}
CALLERS = {
    "_fire": {"pulser.Pulser.run"},
    "clear_to_trigger": {"pulser.Pulser._fire"},
    "grant": {"comms.Comms._grant"},
    "setattr": {"device.Device.__init__"},  # the outputs, to their safe levels
    "go(Event.SELF_TEST_PASSED)": {"startup.SelfTest.work"},
    "go(Event.WARMED)": {"startup.WarmUp.work"},
    "go(Event.CALIBRATION_ENDED)": {"calibration.Calibrator._end"},
    "go(Event.ARM)": {"comms.Comms._arm"},
    "go(Event.PROVEN)": {"arming.Arming.work"},
    "go(Event.PRESS)": {"emission.Emission.ready"},
    "go(Event.RELEASE)": {"emission.Emission.emitting"},
    "go(Event.CLEARED)": {"comms.Comms._acknowledge"},
}


@pytest.mark.parametrize("register", WRITERS)
def test_a_register_of_permission_has_no_other_writer(register: str) -> None:
    assert written()[register] == WRITERS[register]


@pytest.mark.parametrize("door", CALLERS)
def test_a_door_on_the_way_to_light_has_no_other_caller(door: str) -> None:
    assert called()[door] == CALLERS[door]


@pytest.mark.shows("REQ-023")
def test_the_console_names_neither_arm_nor_grant() -> None:
    for request in ("Arm", "Grant", "_arm", "_grant"):
        assert not {name for name in named()[request] if name.startswith("console")}


@pytest.mark.shows("REQ-026", "REQ-008", "HZ-003")
@pytest.mark.parametrize(
    "links",
    [
        {Event.SELF_TEST_PASSED, Event.CLEARED},  # a trip is cleared to STANDBY only in a tested laser
        {Event.WARMED, Event.CLEARED},
        {Event.ARM},
        {Event.PROVEN},
        {Event.PRESS},
    ],
)
def test_from_off_no_way_leads_to_light_past_a_link_of_the_chain(links: set[Event]) -> None:
    reached, waiting = {State.OFF}, [State.OFF]
    while waiting:
        for event, state in TRANSITIONS[waiting.pop()].items():
            if event not in links and state not in reached:
                reached.add(state)
                waiting.append(state)
    assert State.EMITTING not in reached
