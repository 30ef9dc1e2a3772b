"""Host time to device time, from the time stamps that arrive anyway.

Theory of operation. A stamp taken at device time `d` and heard at host time `h` says that the device's clock
read `d` at some moment before `h`: `h - d` is the true offset plus a delay that is never negative. The
smallest offset in a sliding window is the best one known (minimum-delay filter); a straight line below all of
them follows the drift of two real crystals. The line never lies above a sample, so a past instant of the
device is never mapped into the host's future, and the end of a permit is never mapped later than meant by
more than the offset has risen since. A device clock that runs ahead (a simulated warm-up) lowers each new
offset and so is followed at once; one that stood still raises all new ones together, and then the old are
forgotten. What remains unknown is the constant part of the delay.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from protocols.timing import MS, SECOND

WINDOW_US: Final = 10 * SECOND  # [C] 40 idle Status messages; two crystals drift 2 ms apart meanwhile
DRIFT_SPAN_US: Final = 4 * SECOND  # [C] below this, jitter of 1 ms would pass for 250 ppm and more
DRIFT_MAX_PPB: Final = 500_000  # [C] two poor crystals are within 200 ppm; more is no drift
STEP_SAMPLES: Final = 8  # [C] 0.4 s armed, 2 s idle: longer than any queue on the way lasts
STEP_US: Final = 250 * MS  # [C] no line delays eight messages running by that much
_BILLION: Final = 1_000_000_000


class ClockMap:
    """Feed it every Status; pure, all times in integer microseconds."""

    def __init__(self) -> None:
        self.boot: int | None = None
        self._samples: deque[tuple[int, int]] = deque()  # (device time, offset host - device), by device time
        self._least: deque[tuple[int, int]] = (
            deque()
        )  # of these, each with a smaller offset than all later ones
        self._line: tuple[int, int, int] | None = None  # reference device time, offset there, drift in ppb

    def feed(self, device_us: int, boot: int, host_us: int) -> None:
        """A stamp of the device, and when it was heard; another boot forgets everything before."""
        if boot != self.boot:
            self.boot = boot
            self._samples.clear()
            self._least.clear()
        if self._samples and device_us < self._samples[-1][0]:
            return  # overtaken on the way: it tells nothing new
        self._append((device_us, host_us - device_us))
        oldest_us = host_us - WINDOW_US
        while (first := self._samples[0])[0] + first[1] < oldest_us:
            if self._samples.popleft() is self._least[0]:
                self._least.popleft()
        if self._samples[-1][1] > self._least[0][1] + STEP_US:
            self._forget_before_step()
        self._line = None

    def to_device_us(self, host_us: int) -> int | None:
        """The last device instant that maps to `host_us` or before; None while unknown or before the boot."""
        line = self._fit()
        if line is None:
            return None
        reference_us, offset_us, drift_ppb = line
        device_us = reference_us + (host_us - offset_us - reference_us) * _BILLION // (_BILLION + drift_ppb)
        while device_us + 1 + _offset_at(line, device_us + 1) <= host_us:
            device_us += 1
        while device_us + _offset_at(line, device_us) > host_us:
            device_us -= 1
        return device_us if device_us >= 0 else None

    @property
    def drift_ppm(self) -> float:
        """How much slower the device's clock runs than the host's, in parts per million."""
        line = self._fit()
        return line[2] / 1000 if line else 0.0

    @property
    def error_us(self) -> int | None:
        """How far the newest samples' best lies above the fit, and a window's drift; None while unknown."""
        line = self._fit()
        if line is None:
            return None
        newest = list(self._samples)[-STEP_SAMPLES:]
        above_us = min(offset_us - _offset_at(line, device_us) for device_us, offset_us in newest)
        return above_us + WINDOW_US * DRIFT_MAX_PPB // _BILLION

    def _append(self, sample: tuple[int, int]) -> None:
        self._samples.append(sample)
        while self._least and self._least[-1][1] >= sample[1]:
            self._least.pop()
        self._least.append(sample)

    def _forget_before_step(self) -> None:
        """The newest sample lies beyond a step: when enough of them do, the old ones hold no more."""
        if len(self._samples) <= STEP_SAMPLES:
            return
        newest = list(self._samples)[-STEP_SAMPLES:]
        if min(offset for _, offset in newest) > self._least[0][1] + STEP_US:
            self._samples.clear()
            self._least.clear()
            for sample in newest:
                self._append(sample)

    def _fit(self) -> tuple[int, int, int] | None:
        if self._line is None and self._samples:
            reference_us = self._samples[-1][0]
            drift_ppb = self._drift_ppb()
            offset_us = min(
                offset_us - drift_ppb * (device_us - reference_us) // _BILLION
                for device_us, offset_us in self._samples
            )
            self._line = (reference_us, offset_us, drift_ppb)
        return self._line if self._samples else None

    def _drift_ppb(self) -> int:
        first_us, last_us = self._samples[0][0], self._samples[-1][0]
        if last_us - first_us < DRIFT_SPAN_US:
            return 0
        middle_us = (first_us + last_us) // 2
        early = min((s for s in self._samples if s[0] <= middle_us), key=lambda sample: sample[1])
        late = min((s for s in self._samples if s[0] > middle_us), key=lambda sample: sample[1])
        drift_ppb = (late[1] - early[1]) * _BILLION // (late[0] - early[0])
        return drift_ppb if abs(drift_ppb) <= DRIFT_MAX_PPB else 0


def _offset_at(line: tuple[int, int, int], device_us: int) -> int:
    reference_us, offset_us, drift_ppb = line
    return offset_us + drift_ppb * (device_us - reference_us) // _BILLION
