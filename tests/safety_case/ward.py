"""A laser at work with any set-point, the least host beside it, and what truly happens, event by event."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from typing import cast

from hypothesis import settings

from protocols.host_link import HostLink
from protocols.messages import Beam, Handpiece
from protocols.requests import (
    CommitSetpoint,
    Grant,
    ReadSetpoint,
    SetAiming,
    Setpoint,
    StageSetpoint,
    Standby,
    Trigger,
)
from protocols.states import State
from sim_device.plant import TruePulse
from sim_device.simulator import Simulator
from tests.sim_device.desk import MS, Desk, S
from tests.sim_device.host import STAGED, Host

__all__ = ["GUARDS", "MS", "RATES_MHZ", "STAGES", "SWEEP", "S", "Ward", "staged", "ward_at"]

RATES_MHZ = (1_000, 2_500, 5_000, 10_000)
SWEEP = max(1, cast("settings", settings.default).max_examples // 60)
"""How much finer than in CI a sweep is: 1 there, 166 in a soak."""
STAGES = ("standby", "arming", "ready", "emitting")

GUARDS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "estop": ({"to": "press"}, {"to": "release"}),
    "remote": ({"to": "open"}, {"to": "close"}),
    "door": ({"to": "open"}, {"to": "close"}),
    "cover": ({"to": "open"}, {"to": "close"}),
    "arm": ({"to": "open"}, {"to": "close"}),
    "mains": ({"to": "bad"}, {"to": "good"}),
    "handpiece": ({"name": "NONE"}, {"name": "ZOOM"}),
}
"""What people and the room can open while somebody treats, and how it is closed again."""


def staged(rep_rate_mhz: int = 10_000, energy_uj: int = 173_000, mode_width_ps: int = 750) -> StageSetpoint:
    return StageSetpoint(755, mode_width_ps, energy_uj, rep_rate_mhz, Handpiece.ZOOM, 3_500)


class Ward(Desk):
    """A laser in STANDBY with this set-point committed and its aiming beam on."""

    def __init__(self, setpoint: StageSetpoint = STAGED, seed: int = 11) -> None:
        self.setpoint = setpoint
        self.permits = 0
        super().__init__(seed)

    @classmethod
    def on(cls, simulator: Simulator, setpoint: StageSetpoint = STAGED) -> Ward:
        """A host on a laser that is in STANDBY already."""
        ward = cls.__new__(cls)
        ward.setpoint, ward.permits = setpoint, 0
        Host.__init__(ward, simulator)
        ward.prepare()
        return ward

    def reconnected(self) -> Ward:
        """The same host's next session: it knows what it has on record, and nothing else."""
        again = copy.copy(self)
        again.status = None
        again.connect()
        return again

    def connect(self) -> None:
        """Open another session."""
        self.link = HostLink(self.now_us + 1)  # a nonce of its own, or it would be the same session once more
        self.link.open(self.now_us)
        self._exchange()
        self.run(500 * MS)

    def prepare(self) -> None:
        self.run(S)
        self.commit(self.setpoint)
        self.do(SetAiming(True))
        self.run(S)

    def commit(self, setpoint: StageSetpoint) -> None:
        self.setpoint = setpoint
        self.do(setpoint)
        self.do(CommitSetpoint(self._read_back().hash))

    def _read_back(self) -> Setpoint:
        made = self.setpoint
        return Setpoint(
            made.wavelength_nm,
            made.mode_width_ps,
            made.pulse_energy_uj,
            made.rep_rate_mhz,
            made.handpiece,
            made.spot_um,
        )

    def grant_request(
        self, pulses: int = 1_000, beam: Beam = Beam.APERTURE, setpoint: Setpoint | None = None
    ) -> Grant:
        """One that names all that is in force, with an identity of its own."""
        setpoint = setpoint or self.ask(ReadSetpoint())
        status = self.status
        assert status is not None
        assert isinstance(setpoint, Setpoint)
        self.permits += 1
        return Grant(
            self.permits,
            status.boot,
            self.link.session,
            status.arm_epoch,
            status.stop_epoch,
            pulses,
            beam,
            Trigger.FOOT,
            setpoint.wavelength_nm,
            setpoint.mode_width_ps,
            setpoint.rep_rate_mhz,
            setpoint.handpiece,
            setpoint.spot_um,
            setpoint.hash,
            status.device_time_us + 110 * S,
        )

    def grant(self, pulses: int = 1_000, permit_id: int = 0, beam: Beam = Beam.APERTURE) -> None:
        del permit_id  # each is a new one
        self.do(self.grant_request(pulses, beam))

    def to_ready(self, beam: Beam = Beam.APERTURE) -> None:
        """Armed and permitted."""
        self.arm(beam)
        self.until(State.READY)
        self.run(100 * MS)
        self.grant(beam=beam)
        self.run(100 * MS)

    def to_standby(self) -> None:
        self.do(Standby())
        self.run(200 * MS)
        assert self.state is State.STANDBY

    @property
    def now_us(self) -> int:
        return self.simulator.now_us

    @property
    def closed(self) -> bool:
        """The blade is where its closed switch answers."""
        return self.simulator.plant.shutter.position(self.now_us) <= 0.02

    @property
    def volts(self) -> float:
        return self.simulator.plant.capacitor.volts(self.now_us)

    @property
    def gate_open(self) -> bool:
        return self.simulator.plant.gate_open

    @property
    def charger_inhibited(self) -> bool:
        return self.simulator.plant.hv_inhibited.level

    def when(self, wanted: Callable[[], bool], limit_us: int) -> int:
        """Go on from event to event until it is so; the time that passed, the limit when it never was."""
        began_us = self.now_us
        while not wanted() and self.now_us < began_us + limit_us:
            due_us = min(self.simulator.next_event_us, self._link_due_us, began_us + limit_us)
            self.simulator.advance(max(due_us, self.now_us))
            self._exchange()
        return self.now_us - began_us

    def pulses_since(self, time_us: int) -> list[TruePulse]:
        """Every pulse from then on, wherever its light went."""
        return [pulse for pulse in self.pulses if pulse.time_us >= time_us]


@functools.cache
def _ward(stage: str, setpoint: StageSetpoint) -> Ward:
    if stage == "standby":
        return Ward(setpoint)
    if stage == "arming":
        ward = ward_at("standby", setpoint)
        ward.arm()
        ward.run(500 * MS)
        assert ward.state is State.ARMING
        return ward
    if stage == "ready":
        ward = ward_at("standby", setpoint)
        ward.to_ready()
        return ward
    assert stage == "emitting"
    ward = ward_at("ready", setpoint)
    ward.press()
    ward.until(State.EMITTING)
    before = len(ward.pulses)
    ward.when(lambda: len(ward.pulses) >= before + 2, 5 * S)
    ward.run(5 * MS)  # in which the second is measured and judged
    assert ward.state is State.EMITTING
    return ward


def ward_at(stage: str, setpoint: StageSetpoint = STAGED) -> Ward:
    """A ward of its own at this stage: "standby", "arming", "ready" (with a permit), "emitting"."""
    return copy.deepcopy(_ward(stage, setpoint))
