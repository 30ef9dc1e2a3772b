"""The firmware's reachable states, enumerated to a fixpoint, with the promises looked at in every step.

The reference firmware runs, with the laser following its outputs at once; `FirmwareSpace` tells what may
happen. `FirmwareSpace.key` is what is kept of the state: the operating state, which waits are running, foot,
host, permit, set-point, the step of a script, shutter, outputs, charge, the shot on its way, calibration,
coolant, and of the latched faults whether there are any, whose causes are present and whether they need
service. What is left out cannot matter: times (each wait runs or is over), numbers that only count up,
words, and which of several faults latched where none of their causes is left. That two states of one class
lead to the same classes is looked at on samples; the one thing that the class does not tell is which of two
waits that run at once began first.

Without a flaw the space is complete; there each flaw happens in every state that is armed or calibrating, for
one step. The spaces with one flaw that comes and goes are complete as well: some here, all in `make soak`.
docs/safety/state-space.md holds the figures.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from protocols.states import TRANSITIONS, Event, State
from sim_device.firmware import comms, core, drive, emission, host
from sim_device.firmware.device import Device
from sim_device.firmware.faults import Faults
from sim_device.firmware.footswitch import Footswitch
from sim_device.firmware.permit import Permit
from sim_device.firmware.pulser import Pulser
from tests.sim_device.firmware_flaws import FLAWS
from tests.sim_device.firmware_promises import WatchedSpace
from tests.space import Broken, Space, enumerate_all, unlike

pytestmark = pytest.mark.shows("REQ-001", "REQ-003", "REQ-008", "REQ-037", "REQ-051")
PAGE = Path(__file__).parents[2] / "docs" / "safety" / "state-space.md"
EVERY_FLAW = tuple(FLAWS)
HERE = ("e-stop a", "foot b cut", "no charge")  # with a flaw that comes and goes, in CI
# What a space with a flaw leaves out in CI: without a flaw it is all there.
LEFT_OUT = frozenset(
    {
        *("power", "connect", "set", "idle heartbeats", "calibrate", "over: aiming", "over: idle"),
        *("light: drifted", "light: strong", "light: twice"),
    }
)


def hold(space: Space, told: str) -> None:
    row = f"| {told} | {space.states:,} | {space.transitions:,} |"
    assert row in PAGE.read_text(encoding="utf-8"), f"{PAGE} is to have the row: {row}"


@pytest.mark.timeout(600)
def test_every_reachable_state_keeps_every_promise_and_each_flaw_in_it_is_safe() -> None:
    machine = WatchedSpace(EVERY_FLAW, flaws_max=0)
    machine.injected = EVERY_FLAW
    space = enumerate_all(machine, machine.starts(), other_every=97)
    hold(space, "firmware, no flaw")
    assert f"{machine.injections:,} flaws" in PAGE.read_text(encoding="utf-8"), machine.injections
    assert {machine.state_of(key) for key in space.numbers} == set(State) - {State.OFF}
    stuck = space.without_way(lambda key: machine.state_of(key) is State.READY)
    ends = [key for key, number in space.numbers.items() if number in stuck]
    assert ends
    assert not [key for key in ends if not machine.has_to_end(key)]
    assert len(space.others) > 100
    # Where two waits run at once the class does not tell which of them began first.
    assert len(unlike(machine, space)) * 1_000 <= len(space.others) * space.transitions / space.states


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "flaw" in metafunc.fixturenames:
        soak = metafunc.config.getoption("--hypothesis-profile") == "soak"
        metafunc.parametrize("flaw", EVERY_FLAW if soak else HERE)


@pytest.mark.timeout(3_600)
def test_a_flaw_that_comes_and_goes_breaks_no_promise(flaw: str, pytestconfig: pytest.Config) -> None:
    soak = pytestconfig.getoption("--hypothesis-profile") == "soak"
    machine = WatchedSpace((flaw,), without=frozenset() if soak else LEFT_OUT)
    space = enumerate_all(machine, machine.starts())
    assert {State.ARMING, State.READY, State.EMITTING} <= {machine.state_of(key) for key in space.numbers}
    if not soak:
        hold(space, f"firmware, {flaw}")


# -- each promise can be broken, and that is found

Patch = Callable[[pytest.MonkeyPatch], None]


def replaced(owner: Any, name: str, value: Any) -> Patch:
    return lambda monkeypatch: monkeypatch.setattr(owner, name, value)


def transition(state: State, event: Event, to: State) -> Patch:
    return lambda monkeypatch: monkeypatch.setitem(TRANSITIONS[state], event, to)


def without_void(self: Permit) -> None:
    self.pulses_left = 0


def all_of(*patches: Patch) -> Patch:
    def patch_all(monkeypatch: pytest.MonkeyPatch) -> None:
        for patch in patches:
            patch(monkeypatch)

    return patch_all


def unspent(real: Callable[..., None]) -> Callable[..., None]:
    def fire(self: Pulser, device: Device, order: Any) -> None:
        left = device.permit.pulses_left
        real(self, device, order)
        device.permit.pulses_left = left

    return fire


def hasty(real: Callable[..., None]) -> Callable[..., None]:
    def fire(self: Pulser, device: Device, order: Any) -> None:
        real(self, device, order)
        self._due_us = self._earliest_us = device.now_us
        self._plan()

    return fire


def _forgetful(faults: Faults, memory: Any) -> None:
    faults._memory, faults._books = memory, memory.books
    faults._books.latched = 0


def sticky(real: Callable[..., None]) -> Callable[..., None]:
    def update(self: Footswitch, now_us: int, a_closed: bool, b_closed: bool) -> None:
        real(self, now_us, a_closed or self.down, b_closed or self.down)

    return update


DEFECTS: dict[str, tuple[Patch, str]] = {
    "an open contact trips nothing": (replaced(core, "faults_of", lambda *_, **__: ()), "with an open chain"),
    "a host that is silent is alive": (replaced(host.Host, "alive", lambda *_: True), "without a host"),
    "a stop ends no permit": (
        replaced(comms.Comms, "stop", lambda self, **_: None), "stop"),
    "a permit is not voided": (replaced(Permit, "void", without_void), "a permit is held in"),
    "pulses are not counted off the permit": (
        replaced(Pulser, "_fire", unspent(Pulser._fire)), "more light than was permitted"),
    "pulses come too fast": (replaced(Pulser, "_fire", hasty(Pulser._fire)), "two triggers within a period"),
    "another spot does not end the arming": (
        replaced(emission.Emission, "watch", lambda *_: None), "another handpiece, spot or wavelength"),
    "light without a trigger is not watched": (
        replaced(Pulser, "watch_light", lambda *_: None), "light without a trigger"),
    "an acknowledgement leads to READY": (
        transition(State.FAULT, Event.CLEARED, State.READY), "READY after FAULT"),
    "an acknowledgement asks for no cause": (
        replaced(Device, "causes_present", lambda _: frozenset()), "cleared with its cause present"),
    "faults are forgotten with the power": (
        replaced(Faults, "__init__", _forgetful), "a fault went with the power"),
    "a Grant that is repeated is a second one": (
        replaced(Permit, "answered", lambda *_: (None, False)), "the same Grant gave a second permit"),
    "the gate may be open in READY": (
        all_of(replaced(drive, "_GATE", drive._GATE | {State.READY}),
               replaced(emission.Emission, "_prepare", lambda _, it: setattr(it.wants, "gate", True))),
        "gate or shutter in READY"),
    "a release of the foot is not seen": (
        replaced(Footswitch, "update", sticky(Footswitch.update)), "EMITTING without a foot"),
    "arming goes on without its proofs": (
        transition(State.STANDBY, Event.ARM, State.READY), "READY after STANDBY"),
}  # fmt: skip

NEEDS = {"door": "open chain", "other spot": "spot", "e-stop": "cause present"}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_seeded_defect_is_found(defect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    patch, words = DEFECTS[defect]
    flaws = tuple(flaw for flaw, why in NEEDS.items() if why in words)
    machine = WatchedSpace(flaws, without=LEFT_OUT - ({"power"} if "power" in words else set()))
    patch(monkeypatch)
    with pytest.raises(Broken) as found:
        enumerate_all(machine, machine.starts(), states_max=1_500)
    assert words in found.value.why
