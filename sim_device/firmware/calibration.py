"""Energy calibration: a shutter test, shots into the port, the fit of gains, and the table energy to voltage.

In each mode the level of the shutter test comes first: from its energy follows the lowest level's voltage, so
that a worn lamp, which gives no light where a new one does, is calibrated down to the smallest pulse too.
Between two levels the energy is taken as linear in V^2, that is in the lamp's energy, which is what a laser
above its threshold does. All of it is integer arithmetic.
"""

from __future__ import annotations

from itertools import pairwise
from math import isqrt
from typing import TYPE_CHECKING, Final

from protocols.faults import Fault
from protocols.messages import PulseFlag, Shutter
from protocols.states import Event
from sim_device.firmware import limits
from sim_device.firmware.judge import Expected, calibrated
from sim_device.firmware.limits import CALIBRATION_LEVELS_MV, CALIBRATION_SHOTS, MODES, beyond
from sim_device.firmware.memory import StoredCalibration
from sim_device.firmware.pulser import Order, Outcome

if TYPE_CHECKING:
    from sim_device.firmware.device import Device

_LEVELS: Final = len(CALIBRATION_LEVELS_MV)
_TEST: Final = limits.SHUTTER_TEST_LEVEL
_ORDER: Final = (_TEST, *(level for level in range(_LEVELS) if level != _TEST))
_POINTS: Final = len(MODES) * _LEVELS
_DARK: Final = frozenset({PulseFlag.MISSING, PulseFlag.SKIPPED})
_SHUTTER_SHOTS: Final = 2
_PORT_SHOTS: Final = _POINTS * CALIBRATION_SHOTS
SHOTS: Final = _SHUTTER_SHOTS + _PORT_SHOTS
_RATE_MHZ: Final = 1_000_000_000 // limits.CALIBRATION_PERIOD_US


class Calibrator:
    """One calibration at a time: first into the closed shutter, then, docked, into the port."""

    def __init__(self) -> None:
        self.valid = False  # treatment may use the stored calibration
        self._shots = 0
        self._port_begun = False
        self._left_port = False
        self._shutter_a_uj = 0
        self._sums = [[0, 0, 0] for _ in range(_POINTS)]  # port, monitor A, monitor B of each point

    def enter(self, device: Device) -> None:
        """Begin: what was in force is not trusted until this ends well."""
        self.valid = False
        self._shots = 0
        self._port_begun = self._left_port = False
        self._shutter_a_uj = 0
        self._sums = [[0, 0, 0] for _ in range(_POINTS)]
        device.pulser.begin(device.now_us, self._order())

    def work(self, device: Device) -> None:
        """Go on: prepare and fire the next shot, or end. Once the port was left this one is not valid.

        So it is once the key is in that defeats the cover's interlock: no light with that, not even here.
        """
        in_port = self._shots >= _SHUTTER_SHOTS
        if in_port and port_proven(device):
            self._port_begun = True
        elif in_port or not device.inputs.defeat_key_out:
            self._left_port = True
        if self._left_port or (device.memory.room <= 0 and device.pulser.shot is None):
            device.wants.shutter_open = device.wants.gate = device.wants.charge = False
            if device.pulser.shot is None and device.shutter.position is Shutter.CLOSED:
                self._end(device, valid=not self._port_begun and in_port and self._agrees(device))
        elif device.inputs.simmer_on and device.indicator_lit:
            device.pulser.run(device, self._order())

    def take(self, device: Device, outcome: Outcome) -> None:
        """A shot of this calibration was judged; one that was skipped is fired again."""
        ours = outcome.report.device_time_us >= device.entered_us
        if outcome.report.flags & _DARK or not ours:
            return
        if self._shots < _SHUTTER_SHOTS:
            if outcome.raw_a_uj < limits.DARK_B_MAX_UJ:
                device.trip(Fault.MONITOR_FAILED, outcome.raw_a_uj)  # there was light, and it saw none
            self._shutter_a_uj += outcome.raw_a_uj
        elif (wrong := self._port_fault(outcome)) is not Fault.NONE:
            device.trip(wrong, outcome.port_uj)
            return
        else:
            mode, level = self._place()
            sums = self._sums[mode * _LEVELS + level]
            for index, value_uj in enumerate((outcome.port_uj, outcome.raw_a_uj, outcome.raw_b_uj)):
                sums[index] += value_uj
        self._shots += 1
        if self._shots == SHOTS:
            self._fit(device)

    def _order(self) -> Order:
        mode, level = self._place()
        tested_uj = self._sums[mode * _LEVELS + _TEST][0] // CALIBRATION_SHOTS
        shutter_open = self._shots >= _SHUTTER_SHOTS
        expected = Expected(0, MODES[mode].mode_width_ps, shutter_open=shutter_open, calibration=True)
        return Order(level_mv(mode, level, tested_uj), expected, _RATE_MHZ)

    def _place(self) -> tuple[int, int]:
        """Mode and level of the present shot."""
        point = max(0, min(self._shots - _SHUTTER_SHOTS, _PORT_SHOTS - 1)) // CALIBRATION_SHOTS
        return point // _LEVELS, _ORDER[point % _LEVELS]

    def _port_fault(self, outcome: Outcome) -> Fault:
        """What is wrong when the port saw so little: the light went elsewhere, or there was no more of it."""
        port_uj, seen_uj = outcome.port_uj, max(outcome.raw_a_uj, outcome.raw_b_uj)
        weak = self._place()[1] == _TEST and port_uj < limits.LAMP_WEAK_UJ
        elsewhere = port_uj * 1_000_000 < seen_uj * limits.GAIN_PPM[0]  # whatever the contacts say
        if port_uj < limits.PORT_MIN_UJ or (weak and elsewhere):
            return Fault.PORT_DARK
        return Fault.LAMP_WEAK if weak else Fault.NONE

    def _agrees(self, device: Device) -> bool:
        """Whether the shutter test bears out the stored calibration, and that is young enough."""
        stored = device.memory.calibration
        age_shots = device.memory.lamp_shots - stored.lamp_shots
        measured_uj = calibrated(self._shutter_a_uj, stored.gain_a_ppm)
        told_uj = stored.energies_uj[_TEST] * _SHUTTER_SHOTS
        return (
            stored.valid
            and age_shots <= limits.CALIBRATION_SHOTS_MAX
            and not beyond(measured_uj, told_uj, limits.AGREES_PERCENT)
        )

    def _fit(self, device: Device) -> None:
        stored = fitted(self._sums)
        stored.boot = device.boot_number
        stored.device_time_us = device.now_us
        stored.lamp_shots = device.memory.lamp_shots
        device.memory.calibration = stored
        device.memory.save_calibration()
        self._end(device, valid=stored.valid)

    def _end(self, device: Device, *, valid: bool) -> None:
        self.valid = valid
        device.go(Event.CALIBRATION_ENDED)


def port_proven(device: Device) -> bool:
    """Whether the shutter may be open: handpiece in the port, and the chain truly closed on the way there."""
    return device.docked and not device.open_interlocks and device.inputs.defeat_key_out


def fitted(sums: list[list[int]]) -> StoredCalibration:
    """The calibration of these sums (port, monitor A, monitor B over the shots of each point).

    Whatever the sums, it can be stored: what a register cannot hold makes it invalid, and is cut off there.
    """
    port_uj, a_uj, b_uj = (sum(point[index] for point in sums) for index in range(3))
    gain_a_ppm = _ratio_ppm(port_uj, a_uj)
    gain_b_ppm = _ratio_ppm(port_uj, b_uj)
    residuals_ppm = tuple(
        max(
            _ratio_ppm(abs(raw_uj * gain_ppm // 1_000_000 - point[0]), point[0])
            for raw_uj, gain_ppm in ((point[1], gain_a_ppm), (point[2], gain_b_ppm))
        )
        for point in sums
    )
    residual_ppm = max(residuals_ppm)
    energies_uj = tuple(max(0, min(5_000_000, point[0] // CALIBRATION_SHOTS)) for point in sums)
    low_ppm, high_ppm = limits.GAIN_PPM
    valid = (
        low_ppm <= gain_a_ppm <= high_ppm
        and low_ppm <= gain_b_ppm <= high_ppm
        and residual_ppm <= limits.RESIDUAL_MAX_PPM
        and all(_rises(energies_uj[at : at + _LEVELS]) for at in range(0, _POINTS, _LEVELS))
    )
    return StoredCalibration(
        valid=valid,
        gain_a_ppm=max(0, gain_a_ppm),
        gain_b_ppm=max(0, gain_b_ppm),
        residual_ppm=residual_ppm,
        points=_POINTS,
        energies_uj=energies_uj,
        residuals_ppm=residuals_ppm,
    )


def level_mv(mode: int, level: int, tested_uj: int) -> int:
    """Capacitor voltage of a level; the lowest follows `tested_uj`, the energy of the shutter test's level.

    What a lamp gives of a new one's light follows from that energy, taken as linear above the threshold; and
    so does the voltage at which it gives LOWEST_LEVEL_UJ. It never goes below that of a new lamp.
    """
    if level:
        return CALIBRATION_LEVELS_MV[level]
    floor_mv, tested_mv = CALIBRATION_LEVELS_MV[0], CALIBRATION_LEVELS_MV[_TEST]
    # At most 7e11 mV^2 x 2.4e6 = 1.7e18: fits a signed 64-bit integer.
    mv2 = tested_mv**2 * _light(mode, limits.LOWEST_LEVEL_UJ) // _light(mode, max(0, tested_uj))
    return max(floor_mv, min(tested_mv, isqrt(mv2)))


def _light(mode: int, energy_uj: int) -> int:
    """Lamp energy in J, for a new lamp, that gives this pulse energy; times the mode's largest one."""
    over_j = limits.LAMP_FULL_J - limits.LAMP_THRESHOLD_J
    return over_j * energy_uj + limits.LAMP_THRESHOLD_J * MODES[mode].energy_max_uj


def voltage_mv(stored: StoredCalibration, mode: int, energy_uj: int) -> int:
    """Capacitor voltage for this energy in this mode, or 0: the calibration does not reach it.

    Outside the measured levels the nearest two are continued, within what the charger may give.
    """
    table_uj = stored.energies_uj[mode * _LEVELS : (mode + 1) * _LEVELS]
    upper = 1
    while upper < _LEVELS - 1 and table_uj[upper] < energy_uj:
        upper += 1
    low_uj, high_uj = table_uj[upper - 1], table_uj[upper]
    if high_uj <= low_uj:
        return 0
    low_mv2, high_mv2 = (level_mv(mode, level, table_uj[_TEST]) ** 2 for level in (upper - 1, upper))
    # At most 2e5 uJ x 5e11 mV^2 = 1e17: fits a signed 64-bit integer.
    mv2 = low_mv2 + (energy_uj - low_uj) * (high_mv2 - low_mv2) // (high_uj - low_uj)
    if not limits.HV_MIN_MV**2 <= mv2 <= limits.HV_MAX_MV**2:
        return 0
    return isqrt(mv2)


def _ratio_ppm(value: int, by: int) -> int:
    """`value` / `by` in millionths, the top value for none: ten times what any limit allows."""
    return min(10_000_000, value * 1_000_000 // by) if by > 0 else 10_000_000


def _rises(energies_uj: tuple[int, ...]) -> bool:
    return energies_uj[0] > 0 and all(low < high for low, high in pairwise(energies_uj))
