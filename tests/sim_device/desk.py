"""A whole simulated laser with the least host, at any stage before emission."""

from __future__ import annotations

import copy
import functools
from typing import Any

from protocols.faults import Fault
from protocols.states import State
from rig.laser import warm_laser
from sim_device.faults import Injection, Injector, inject
from sim_device.firmware import Reference
from sim_device.firmware.device import Device
from sim_device.plant import TruePulse
from tests.sim_device.host import ENERGY_UJ, MS, Host, S

__all__ = ["ENERGY_UJ", "MS", "Desk", "S", "at"]


class Desk(Host):
    """A laser in STANDBY, its set-point committed, its aiming beam on; the host answers every challenge."""

    def __init__(self, seed: int = 11) -> None:
        super().__init__(warm_laser(seed))
        self.prepare()

    @property
    def device(self) -> Device:
        assert isinstance(self.simulator.firmware, Reference)
        return self.simulator.firmware.device

    @property
    def fault(self) -> Fault:
        """First cause."""
        return self.device.faults.first

    @property
    def pulses(self) -> list[TruePulse]:
        """Every pulse there truly was."""
        return list(self.simulator.plant.truth.pulses)

    def light_after(self, time_us: int) -> list[TruePulse]:
        """Pulses that left the aperture later than this."""
        return [pulse for pulse in self.pulses if pulse.time_us > time_us and pulse.aperture]

    def inject(self, fault: str, **given: Any) -> Injection:
        injection = inject(self.simulator, fault, **given)
        self._exchange()
        return injection

    def reports_of_faults(self) -> dict[str, int]:
        """How often each fault fired."""
        return {report.name: report.fired for report in Injector.of(self.simulator).reports()}


@functools.cache
def _desk(stage: str) -> Desk:
    if stage == "standby":
        return Desk()
    if stage == "ready":
        desk = at("standby")
        desk.arm()
        desk.until(State.READY)
        desk.run(200 * MS)
        desk.grant()
        desk.run(200 * MS)
        return desk
    assert stage == "emitting"
    desk = at("ready")
    desk.press()
    desk.until(State.EMITTING)
    desk.run(450 * MS)
    assert desk.state is State.EMITTING
    return desk


def at(stage: str) -> Desk:
    """A desk of its own at this stage: "standby", "ready" (with a permit), "emitting"."""
    return copy.deepcopy(_desk(stage))
