"""Messages as plain values in the user's units."""

from protocols.messages import PulseFlag
from protocols.values import plain, user_values
from tests.protocols.test_golden import GOLDEN


def test_enumerations_read_as_words_and_sets_as_sorted_lists() -> None:
    assert plain(PulseFlag.ENERGY_LOW) == "energy_low"
    assert plain(frozenset({PulseFlag.SKIPPED, PulseFlag.UNKNOWN})) == ["unknown", "skipped"]
    assert [plain(value) for value in (True, 7, "PL755-0001", 1.5, None)] == [
        True,
        7,
        "PL755-0001",
        1.5,
        None,
    ]


def test_a_message_reads_in_the_users_units() -> None:
    (report,) = [message for message, opcode, *_ in GOLDEN if opcode == 0x21]
    assert user_values(report) == {
        "pulse_number": 2**33,
        "boot": 3,
        "device_time_s": 5.0,
        "permit_id": 9,
        "press": 2,
        "flags": ["unknown", "skipped"],
        "set_energy_mj": 173.0,
        "monitor_a_mj": 172.1,
        "monitor_b_mj": 171.9,
        "pulse_width_ps": 748,
        "mode_width_ps": 750,
        "wavelength_nm": 755,
        "handpiece": "zoom",
        "spot_mm": 3.5,
        "rep_rate_hz": 5.0,
        "lamp_v": 1250.0,
        "coolant_c": -0.001,
    }
