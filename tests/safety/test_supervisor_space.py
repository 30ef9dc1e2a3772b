"""The supervisor's reachable states, enumerated to a fixpoint, with the invariants looked at in every one.

The real supervisor runs; a model of it is nowhere. `SupervisorSpace.key` is what is kept of its state: the
quality of each input, the latches, what is known of link, device, set-point and plan, the books of arming
and permits with the answers that are still out, the pulse sequence as far as reports are missing, and the
oracle's facts. What is left out cannot matter: times (each age is past its limit or not), words, and numbers
that are only compared for being equal (epochs, boots, sessions, permits, instances: kept as equal or not).
That two states of one class always lead to the same classes is looked at on samples of every family.
docs/safety/state-space.md holds the figures.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from safety import freshness, gate
from safety.freshness import Consequence, Freshness, Input
from safety.known import Known
from safety.latches import Latches, LatchId
from safety.permits import Mirrored, PermitBooks, _Arming
from safety.sequence import PulseSequence
from safety.supervisor import Supervisor
from tests.safety.supervisor_space import FAMILIES, SupervisorSpace
from tests.space import Broken, Space, enumerate_all, unlike

pytestmark = pytest.mark.shows("REQ-008", "REQ-037")
PAGE = Path(__file__).parents[2] / "docs" / "safety" / "state-space.md"
OTHER_EVERY = 149
_SPACES: dict[str, tuple[SupervisorSpace, Space]] = {}


def space_of(family: str) -> tuple[SupervisorSpace, Space]:
    """Enumerated once for all tests of this file."""
    if family not in _SPACES:
        machine = SupervisorSpace(family)
        _SPACES[family] = machine, enumerate_all(machine, machine.starts(), other_every=OTHER_EVERY)
    return _SPACES[family]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_reachable_state_keeps_every_promise_and_has_a_way_back_to_arming(family: str) -> None:
    machine, space = space_of(family)
    told = f"| supervisor, {family} | {space.states:,} | {space.transitions:,} |"
    assert told in PAGE.read_text(encoding="utf-8"), f"{PAGE} is to have the row: {told}"
    stuck = space.without_way(lambda key: key in machine.armable)
    ends = [key for key, number in space.numbers.items() if number in stuck]
    assert not [key for key in ends if not machine.has_to_end(key)]
    assert bool(ends) is (family == "record")  # a task that ended


@pytest.mark.timeout(900)
@pytest.mark.parametrize("family", FAMILIES)
def test_two_states_of_one_class_lead_to_the_same_classes(family: str) -> None:
    machine, space = space_of(family)
    assert len(space.others) > 50
    assert unlike(machine, space) == []


def test_time_that_really_passes_leads_to_classes_that_were_enumerated() -> None:
    machine, space = space_of("time")
    for _, saved in space.others:
        for for_us in (1, 99_999, 100_001, 300_001, 499_999, 500_001, 2_999_999):
            machine.restore(saved)
            machine.now_us += for_us
            key = machine.key_after_waiting(for_us)
            machine.now_us -= for_us
            assert key in space.numbers, f"{for_us} us after {space.way_to(space.numbers[machine.key()])}"


def test_what_is_not_good_only_ever_takes_away() -> None:
    """So that what one family finds with everything else good, holds with everything else as it may be."""
    machine, space = space_of("protocol")
    spoils: tuple[Callable[[], object], ...] = (
        *(
            lambda which=which: machine.sup._known.freshness.note(which, machine.now_us, ok=False)
            for which in Input
        ),
        lambda: machine.sup._known.latches.set(LatchId.STALE, "spoilt", machine.now_us),
        lambda: machine.sup._known.uncertain.update(cmd="spoilt"),
        lambda: setattr(machine.sup._known, "plan", None),
        lambda: setattr(machine.sup._known, "setpoint", None),
        lambda: setattr(machine.sup._known, "device", None),
        lambda: setattr(machine.sup._known, "link", None),
    )
    for _, saved in space.others:
        machine.restore(saved)
        before = permissions(machine)
        for spoil in spoils:
            machine.restore(saved)
            spoil()
            assert permissions(machine) <= before
            assert not permissions(machine) & {"arm", "grant"}


def permissions(machine: SupervisorSpace) -> set[str]:
    sup, now_us = machine.sup, machine.now_us
    may = {"arm": machine.arm_message(), "grant": machine.grant_message()}
    return {name for name, message in may.items() if not sup.refusals(message, now_us)} | (
        {"heartbeat"} if sup.heartbeat(now_us) else set()
    )


@pytest.mark.slow
@pytest.mark.timeout(14_000)
def test_pairs_of_families_keep_every_promise_too(pytestconfig: pytest.Config) -> None:
    """In `make soak` every pair; otherwise the first thousand states of one."""
    pairs = list(itertools.combinations(FAMILIES, 2))
    if pytestconfig.getoption("--hypothesis-profile") != "soak":
        machine = SupervisorSpace("link", "device")
        with pytest.raises(RuntimeError, match="more than 1000 states"):
            enumerate_all(machine, machine.starts(), states_max=1000)
        return
    for pair in pairs:
        machine = SupervisorSpace(*pair)
        space = enumerate_all(machine, machine.starts())
        assert space.states > max(space_of(family)[1].states for family in pair)


@pytest.mark.parametrize("families", [FAMILIES[:-1], FAMILIES], ids=["without pulses", "with pulses"])
@given(choices=st.lists(st.integers(0, 999), max_size=100))
def test_random_histories_of_all_families_together_keep_every_promise(
    families: tuple[str, ...], choices: list[int]
) -> None:
    machine = SupervisorSpace(*families)
    for choice in choices:
        names = tuple(machine.acts())
        name = names[choice % len(names)]
        note(name)
        machine.act(name)
        machine.check()


# -- each promise can be broken, and that is found

Patch = Callable[[pytest.MonkeyPatch], None]


def replaced(owner: Any, name: str, value: Any) -> Patch:
    return lambda monkeypatch: monkeypatch.setattr(owner, name, value)


def after(owner: Any, name: str, then: Callable[..., Any]) -> Patch:
    """The real method runs; `then` gets its result first and gives another."""
    real = getattr(owner, name)
    return replaced(owner, name, lambda self, *args, **kwargs: then(real(self, *args, **kwargs), self, *args))


def unless(owner: Any, name: str, left_out: Callable[[Any], bool]) -> Patch:
    """The real method runs, but for the first arguments that are left out."""
    real = getattr(owner, name)
    return replaced(
        owner, name, lambda self, first, *args: None if left_out(first) else real(self, first, *args)
    )


def _latches_go(_: None, self: Known, *__: Any) -> None:
    for latch in self.latches.standing():
        self.latches.clear(latch.id)


def _arms_late(_: None, self: PermitBooks, *__: Any) -> None:
    self._arming = self._arming or _Arming(11, 12)


def _told(told: Mirrored, *_: Any, **left_out: Any) -> Mirrored:
    return told._replace(**left_out)


def _reopens(told: Mirrored, self: PermitBooks, *_: Any) -> Mirrored:
    self.open, self._closing = self._closing or self.open, None
    return told


def _ageless(_: None, self: Freshness, *__: Any) -> None:
    self._max_age_us = dict.fromkeys(self._max_age_us)


def _without(which: Input, consequence: Consequence) -> Patch:
    left = tuple(one for one in freshness._CONCERNED[consequence] if one is not which)
    return lambda monkeypatch: monkeypatch.setitem(freshness._CONCERNED, consequence, left)


DEFECTS: dict[str, tuple[str, Patch, str]] = {
    "giving up leaves the arming in the books": (
        "protocol", replaced(Known, "leave", lambda *_: None), "without anybody's asking"),
    "an acknowledgement does not ask where the laser is": (
        "protocol", replaced(Known, "disarmed", lambda *_: True), "acknowledged while"),
    "an acknowledgement does not ask for causes": (
        "protocol", after(Known, "cause", lambda *_: ""), "with its cause present"),
    "a new session takes the latches off": (
        "link", after(Known, "forget_device", _latches_go), "the latches are not those of the ledger"),
    "a latch refuses nothing": (
        "protocol", replaced(gate, "_latched", lambda _: iter(())), "against what is known"),
    "another host's arming is not noticed": (
        "protocol", after(PermitBooks, "mirror", partial(_told, state="")), "of nobody's is not"),
    "light that nobody permitted is not noticed": (
        "protocol", after(PermitBooks, "mirror", partial(_told, light="")), "nobody permitted"),
    "an answer that comes too late arms": (
        "protocol", after(PermitBooks, "arm_answered", _arms_late), "without anybody's asking"),
    "a permit that ended opens again by itself": (
        "protocol", after(PermitBooks, "mirror", _reopens), ""),
    "nothing grows old": ("time", after(Freshness, "__init__", _ageless), ""),
    "a heartbeat leaves without a measured loop": (
        "time", _without(Input.LOOP, Consequence.WITHHOLDS), "a heartbeat leaves"),
    "an arm leaves without a young calibration": (
        "people", _without(Input.CALIBRATION, Consequence.REFUSES), "Arm, against"),
    "the laser goes on without its operator": (
        "people", after(Supervisor, "operator_present", lambda *_: []), "without its operator"),
    "a host of another interface arms": (
        "link", replaced(gate, "_link", lambda _: []), "against what is known"),
    "a laser that restarted is the same": (
        "link", unless(Latches, "set", lambda which: which is LatchId.DEVICE_RESTARTED), "no trip"),
    "a reconnection is no trip": (
        "link", unless(Latches, "set", lambda which: which is LatchId.RECONNECTED), "no trip"),
    "an open door does not stop": (
        "device", replaced(gate, "lost_while_armed", lambda *_: []), "does not stop an armed laser"),
    "the device's fault is not latched": (
        "device", replaced(Supervisor, "_device_fault", lambda *_: []), "is not latched here"),
    "a pulse needs no permit": (
        "pulses", after(PermitBooks, "pulse", lambda *_: ("", "", None)), "a pulse that nobody permitted"),
    "a counter may go back": ("pulses", after(PulseSequence, "told", lambda *_: ""), "the counter went back"),
    "a report that does not come is not missed": (
        "pulses", after(PulseSequence, "overdue", lambda *_: False), "does not come"),
}  # fmt: skip


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_seeded_defect_is_found(defect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    family, patch, words = DEFECTS[defect]
    patch(monkeypatch)
    machine = SupervisorSpace(family)
    with pytest.raises(Broken) as found:
        enumerate_all(machine, machine.starts(), states_max=3_000)
    assert words in found.value.why
