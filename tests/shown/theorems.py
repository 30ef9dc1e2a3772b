"""All theorems by name, each about modules of its own; and the defects that are sown to see them fail."""

from __future__ import annotations

import ast
import functools
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.shown import firmware_light, firmware_loss, firmware_permission, supervisor_books, supervisor_gate
from tests.shown.firmware import Firmware
from tests.shown.lifted import Edits
from tests.shown.proof import Theorem
from tests.shown.supervisor import Safety

_ABOUT: Final[dict[str, tuple[Any, dict[str, Any]]]] = {
    "firmware": (Firmware, firmware_light.THEOREMS | firmware_permission.THEOREMS | firmware_loss.THEOREMS),
    "supervisor": (Safety, supervisor_gate.THEOREMS | supervisor_books.THEOREMS),
}
NAMES: Final = tuple(f"{about}/{name}" for about, (_, theorems) in _ABOUT.items() for name in theorems)


def theorem(name: str, edits: Edits | None = None, *, lifting: bool = True) -> Theorem:
    """The theorem of this name about the code, or about the code with these defects; recompiled or not."""
    about, _, short = name.partition("/")
    kind, theorems = _ABOUT[about]
    scene, claims = theorems[short]
    return Theorem(name, functools.partial(scene, kind(edits, lifting=lifting)), claims)


@dataclass(frozen=True)
class Defect:
    """One place of one module said differently, and the theorem that must notice."""

    theorem: str
    module: str
    old: str
    new: str

    @property
    def edits(self) -> Edits:
        """As the modules take it."""
        return {self.module: [(self.old, self.new)]}

    def __str__(self) -> str:
        old, new = (" ".join(text.split()) for text in (self.old, self.new))
        return f"{self.module.rpartition('.')[2]}: {old} -> {new}"[:100]


def dropped(theorem: str, module: str, function: str) -> Iterator[Defect]:
    """Each operand of every `and` in what the function returns, taken for true."""
    source, found = _function(module, function)
    for node in ast.walk(found):
        if (
            isinstance(node, ast.Return)
            and isinstance(node.value, ast.BoolOp)
            and isinstance(node.value.op, ast.And)
        ):
            yield from _replaced(theorem, module, source, node.value.values, "True")


def forgotten(theorem: str, module: str, function: str) -> Iterator[Defect]:
    """Each reason of a table of reasons, taken for absent; and each term of a union, taken for nothing."""
    source, found = _function(module, function)
    for node in ast.walk(found):
        if isinstance(node, ast.Dict) and all(isinstance(key, ast.Attribute) for key in node.keys):
            yield from _replaced(theorem, module, source, node.values, "False")
        elif isinstance(node, ast.Return) and len(terms := _terms(node.value)) > _FEW:
            yield from _replaced(theorem, module, source, terms, "0")


def _function(module: str, function: str) -> tuple[str, ast.AST]:
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    source = Path(spec.origin).read_text("utf-8")
    (found,) = (
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef) and node.name == function
    )
    return source, found


def _terms(node: ast.expr | None) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return [*_terms(node.left), *_terms(node.right)]
    return [node] if node is not None else []


def _replaced(theorem: str, module: str, source: str, nodes: list[ast.expr], new: str) -> Iterator[Defect]:
    lines = source.splitlines(keepends=True)
    for node in nodes:
        assert node.end_lineno is not None
        first, last = node.lineno - 1, node.end_lineno - 1
        old = "".join(lines[first : last + 1])
        after = "" if node.end_col_offset is None else lines[last][node.end_col_offset :]
        yield Defect(theorem, module, old, lines[first][: node.col_offset] + new + after)


_FEW: Final = 2  # terms of a union that is no table
_FW: Final = "sim_device.firmware."

# theorem, module, what it says, what it is made to say
_BY_HAND: Final = (
    (
        "firmware/emitting",
        f"{_FW}emission",
        "permit.pulses_left == 0\n        ):",
        "permit.pulses_left < 0\n        ):",
    ),
    ("firmware/emitting", f"{_FW}pulser", "permit.pulses_left -= 1", "permit.pulses_left += 1"),
    ("firmware/press", f"{_FW}footswitch", " and self.began_us > self._consumed_us", ""),
    ("firmware/press", f"{_FW}emission", "permit.held and permit.pulses_left and fired", "fired"),
    (
        "firmware/proofs",
        f"{_FW}arming",
        "not device.armed or not self._script.done or",
        "not device.armed or",
    ),
    ("firmware/proofs", f"{_FW}arming", " or device.now_us < due_us:", ":"),
    ("firmware/outputs", f"{_FW}drive", "state in _GATE and wants.gate", "wants.gate"),
    ("firmware/outputs", f"{_FW}drive", "state in _SHUTTER and wants.shutter_open", "wants.shutter_open"),
    ("firmware/trigger", f"{_FW}pulser", " or now_us < self._earliest_us:", ":"),
    ("firmware/trigger", f"{_FW}pulser", "if not device.clear_to_trigger(order):", "if False:"),
    ("firmware/granting", f"{_FW}comms", "reasons |= 1 << Refusal.PERMIT_HELD", "reasons |= 0"),
    ("firmware/granting", f"{_FW}comms", "device.foot.consume(device.now_us)", "None"),
    ("firmware/arming", f"{_FW}device", "self.permit.void()  # there is none", "None  # there is none"),
    ("firmware/arming", f"{_FW}refuse", "if request.stop_epoch != device.stop_epoch:", "if False:"),
    ("firmware/acknowledging", f"{_FW}refuse", "if device.causes_present():", "if False:"),
    ("firmware/acknowledging", f"{_FW}comms", "Event.CLEARED if holds else", "Event.CLEARED if True else"),
    ("firmware/watchdog", f"{_FW}core", "not device.host.alive(device.now_us):", "False:"),
    ("firmware/watchdog", f"{_FW}emission", "used_up or device.now_us >= device.permit.ends_us", "used_up"),
    ("firmware/watchdog", f"{_FW}host", "return now_us < self.alive_until_us", "return True"),
    ("firmware/heartbeat", f"{_FW}host", "issued_us + PERMIT_LIFE_US)", "issued_us + 2 * PERMIT_LIFE_US)"),
    ("firmware/heartbeat", f"{_FW}host", "if issued_us < 0:\n            return False", "pass"),
    (
        "firmware/ending",
        f"{_FW}comms",
        "        device.void_permit()\n        device.go(Event.STOP",
        "        device.go(Event.STOP",
    ),
    ("firmware/ending", f"{_FW}host", "self.alive_until_us = 0\n        self._issued_us.clear()", "pass"),
    ("firmware/tripping", f"{_FW}device", "self.go(Event.TRIP)  #", "None  #"),
    ("firmware/going", f"{_FW}device", "self.void_permit()\n            self.host.armed", "self.host.armed"),
    ("firmware/going", f"{_FW}device", "            self.self_test.passed = False\n", ""),
    (
        "firmware/foot",
        f"{_FW}footswitch",
        "self.down = a_closed and b_closed",
        "self.down = a_closed or b_closed",
    ),
    ("firmware/self_test", f"{_FW}startup", "ready = self._script.done and", "ready ="),
    ("firmware/resetting", f"{_FW}core", "if watchdog_reset:", "if False:"),
    (
        "firmware/resetting",
        f"{_FW}host",
        "        self.alive_until_us = 0\n        self._next",
        "        self.alive_until_us = 9\n        self._next",
    ),
    ("supervisor/grant_leaves", "safety.gate", "    if s.behind:\n", "    if False:\n"),
    (
        "supervisor/grant_leaves",
        "safety.gate",
        "if s.device.open_interlocks:\n            yield",
        "if False:\n            yield",
    ),
    ("supervisor/grant_leaves", "safety.gate", "yield from _not_granted(s)\n            if", "if"),
    ("supervisor/grant_leaves", "safety.gate", "left_us <= 0 or ", ""),
    ("supervisor/arm_leaves", "safety.gate", "if s.intent is not Intent.IDLE:", "if False:"),
    ("supervisor/arm_leaves", "safety.gate", "s.setpoint.hash != s.device.setpoint_hash:", "False:"),
    ("supervisor/arm_leaves", "safety.gate", "s.plan.plan.service and not s.may_serve", "False"),
    ("supervisor/calibrate_leaves", "safety.gate", "_common(s, but=Input.CALIBRATION)", "_link(s)"),
    ("supervisor/withholding", "safety.gate", "if s.latches or s.uncertain:", "if s.uncertain:"),
    (
        "supervisor/withholding",
        "safety.freshness",
        "(2 * HEARTBEAT_PERIOD_US, _WITHHOLDS,",
        "(2 * HEARTBEAT_PERIOD_US, _REFUSES,",
    ),
    (
        "supervisor/heartbeat_leaves",
        "safety.supervisor",
        " or gate.withheld(self._known.situation(now_us))",
        "",
    ),
    ("supervisor/acknowledging", "safety.supervisor", "if not self._known.disarmed(now_us):", "if False:"),
    ("supervisor/acknowledging", "safety.known", "return self.link is not None and fresh", "return fresh"),
    ("supervisor/acknowledging", "safety.known", "and fresh and not self.armed", "and fresh"),
    ("supervisor/causes", "safety.known", "Input.STORE in bad", "False"),
    ("supervisor/causes", "safety.known", ' or "not known to run"', ""),
    (
        "supervisor/tripping",
        "safety.supervisor",
        "        self._known.leave(now_us)\n        return reactions",
        "        return reactions",
    ),
    ("supervisor/ticking", "safety.supervisor", "if stale and known.armed:", "if False:"),
    ("supervisor/mirroring", "safety.permits", "if status.state is State.EMITTING and", "if False and"),
    ("supervisor/counting", "safety.permits", "if permit.counted > permit.pulses:", "if False:"),
    ("supervisor/counting", "safety.permits", "if report.device_time_us > end_us + LATE_US:", "if False:"),
    ("supervisor/freshness", "safety.freshness", " and before[0] <= now_us:", ":"),
    (
        "supervisor/freshness",
        "safety.freshness",
        "pop(which, None)\n        self._to_us = self._from_us - 1",
        "pop(which, None)",
    ),
)


def defects() -> tuple[Defect, ...]:
    """All of them."""
    return (
        *dropped("firmware/trigger", f"{_FW}device", "clear_to_trigger"),
        *dropped("firmware/trigger", f"{_FW}device", "_permitted"),
        *dropped("firmware/trigger", f"{_FW}device", "as_set"),
        *forgotten("firmware/trigger", f"{_FW}chain", "open_contacts"),
        *forgotten("firmware/granting", f"{_FW}refuse", "grant_refusals"),
        *(Defect(*words) for words in _BY_HAND),
    )
