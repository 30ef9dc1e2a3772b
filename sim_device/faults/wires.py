"""Faults of wires: any line of the board stuck, frozen, swapped, offset, scaled, late, with a stuck bit."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import AfterValidator, Field, PrivateAttr, model_validator

from sim_device.board import SAFE_INPUTS, SAFE_OUTPUTS, Inputs, Outputs
from sim_device.doors import Disturbance
from sim_device.faults.declare import declared, given
from sim_device.faults.fault import Fault, remove
from sim_device.faults.trigger import INPUT_LINES, OUTPUT_LINES
from sim_device.simulator import Simulator

# Outputs that tell by counting up: a level stuck on them and then let go would be a burst of counts, which no
# wire can carry. Their faults are trigger-lost, spurious-trigger and watchdog-kicks-lost.
COUNTERS: Final = frozenset({"lamp_triggers", "watchdog_kicks"})


def _known(lines: tuple[str, ...], side: str) -> AfterValidator:
    def check(line: str) -> str:
        if line not in lines:
            raise ValueError(f"is no {side} of the board: give one of {', '.join(lines)}")
        return line

    return AfterValidator(check)


def _numeric(lines: tuple[str, ...], safe: Inputs | Outputs) -> tuple[str, ...]:
    return tuple(line for line in lines if not isinstance(getattr(safe, line), bool) and line not in COUNTERS)


def _named(lines: tuple[str, ...], meaning: str) -> Any:
    """What its JSON schema says of a parameter that names one of these lines."""
    return Field(description=meaning, json_schema_extra={"enum": [*lines]})


_DRIVEN: Final = tuple(line for line in OUTPUT_LINES if line not in COUNTERS)
_MEASURED: Final = _numeric(INPUT_LINES, SAFE_INPUTS)
_VALUED: Final = _numeric(OUTPUT_LINES, SAFE_OUTPUTS)

InputLine = Annotated[str, _known(INPUT_LINES, "input"), _named(INPUT_LINES, "Input of the firmware.")]
OutputLine = Annotated[
    str, _known(_DRIVEN, "level or value among the outputs"), _named(_DRIVEN, "Output of the firmware.")
]
NumberLine = Annotated[
    str, _known(_MEASURED, "input with a value"), _named(_MEASURED, "Input with a value, not a level.")
]
NumberOutput = Annotated[
    str, _known(_VALUED, "output with a value"), _named(_VALUED, "Output with a value, not a level.")
]
LEVEL_MAX: Final = 2**31 - 1  # what a 32-bit register can hold
Level = bool | Annotated[int, Field(ge=-LEVEL_MAX, le=LEVEL_MAX)]


class Wire(Fault, Disturbance):
    """Alters lines on their way; counts each level that arrived other than it was sent."""

    _last: dict[str, tuple[Any, Any]] = PrivateAttr(default_factory=dict)

    def begin(self, simulator: Simulator) -> None:
        """Get between plant and firmware."""
        simulator.disturbances.append(self)
        simulator.rewire()

    def end(self, simulator: Simulator) -> None:
        """Mend the wire."""
        remove(simulator.disturbances, self)
        self._last.clear()
        simulator.rewire()

    def put(self, lines: Inputs | Outputs, name: str, level: Any) -> None:
        """Let `level` arrive on the line `name`, whatever was sent."""
        sent = getattr(lines, name)
        if level != sent and (sent, level) != self._last.get(name):
            self._fired += 1
        self._last[name] = (sent, level)
        setattr(lines, name, level)


class Misread(Wire):
    """Base of faults by which inputs read something else than what is there."""

    reads: ClassVar[Callable[[Inputs, Any], dict[str, Any]]]  # `read`, of the lines and its own parameter

    def read(self, lines: Inputs) -> dict[str, Any]:
        """What is read instead, by line."""
        return type(self).reads(lines, given(self))

    def alter_inputs(self, now_us: int, lines: Inputs) -> None:
        """Read it."""
        for name, level in self.read(lines).items():
            self.put(lines, name, level)


class Misdriven(Wire):
    """Base of faults by which outputs drive something else than what is commanded."""

    drives: ClassVar[Callable[[Outputs, Any], dict[str, Any]]]  # `driven`, of the lines and its own parameter

    def driven(self, lines: Outputs) -> dict[str, Any]:
        """What is driven instead, by line."""
        return type(self).drives(lines, given(self))

    def alter_outputs(self, now_us: int, lines: Outputs) -> None:
        """Drive it."""
        for name, level in self.driven(lines).items():
            self.put(lines, name, level)


def misread(
    module: str,
    name: str,
    meaning: str,
    *,
    hazards: str,
    reads: Callable[[Inputs, Any], dict[str, Any]],
    **parameter: Any,
) -> type[Misread]:
    """Make the class of a fault of inputs."""
    made = declared(Misread, module, name, meaning, hazards=hazards, parameter=parameter)
    made.reads = staticmethod(reads)
    return made


def misdriven(
    module: str,
    name: str,
    meaning: str,
    *,
    hazards: str,
    drives: Callable[[Outputs, Any], dict[str, Any]],
    **parameter: Any,
) -> type[Misdriven]:
    """Make the class of a fault of outputs."""
    made = declared(Misdriven, module, name, meaning, hazards=hazards, parameter=parameter)
    made.drives = staticmethod(drives)
    return made


def with_bit(value: int, bit: int, *, to: bool) -> int:
    """`value` with this bit set or cleared."""
    return value | 1 << bit if to else value & ~(1 << bit)


def _fits(line: str, to: Level, safe: Inputs | Outputs) -> None:
    is_level = isinstance(getattr(safe, line), bool)
    if is_level is not isinstance(to, bool):
        raise ValueError(
            f"to = {to!r}: {line} carries {'a level: give true or false' if is_level else 'a whole number'}"
        )


class InputStuck(Misread):
    """An input of the firmware reads one level, whatever the plant says."""

    name: ClassVar = "input-stuck"
    hazards: ClassVar = ("HZ-014", "HZ-021", "HZ-025")
    line: InputLine
    to: Level = Field(description="What it reads: true, false, or a whole number in the line's unit.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        _fits(self.line, self.to, SAFE_INPUTS)
        return self

    def read(self, lines: Inputs) -> dict[str, Any]:
        """The level it is stuck at."""
        return {self.line: self.to}


class OutputStuck(Misdriven):
    """An output of the firmware drives one level, whatever the firmware says."""

    name: ClassVar = "output-stuck"
    hazards: ClassVar = ("HZ-001", "HZ-021", "HZ-025")
    line: OutputLine
    to: Level = Field(description="What it drives: true, false, or a whole number in the line's unit.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        _fits(self.line, self.to, SAFE_OUTPUTS)
        return self

    def driven(self, lines: Outputs) -> dict[str, Any]:
        """The level it is stuck at."""
        return {self.line: self.to}


class InputFrozen(Misread):
    """An input of the firmware goes on reading what it read when the fault came."""

    name: ClassVar = "input-frozen"
    hazards: ClassVar = ("HZ-014", "HZ-030")
    line: InputLine
    _held: Any = PrivateAttr(None)

    def begin(self, simulator: Simulator) -> None:
        """Remember what it reads now."""
        self._held = getattr(simulator.plant.inputs, self.line)
        super().begin(simulator)

    def read(self, lines: Inputs) -> dict[str, Any]:
        """What it read then."""
        return {self.line: self._held}


class InputsSwapped(Misread):
    """Two inputs of the firmware are exchanged."""

    name: ClassVar = "inputs-swapped"
    hazards: ClassVar = ("HZ-007", "HZ-025")
    line: InputLine
    other: InputLine

    @model_validator(mode="after")
    def _check(self) -> Self:
        level, other = getattr(SAFE_INPUTS, self.line), getattr(SAFE_INPUTS, self.other)
        if self.line == self.other or isinstance(level, bool) is not isinstance(other, bool):
            raise ValueError(
                f"other = {self.other!r}: give another line than {self.line}, both levels or both values"
            )
        return self

    def read(self, lines: Inputs) -> dict[str, Any]:
        """Each the other's level."""
        return {self.line: getattr(lines, self.other), self.other: getattr(lines, self.line)}


class InputOffset(Misread):
    """A value that the firmware reads is off by a fixed amount."""

    name: ClassVar = "input-offset"
    hazards: ClassVar = ("HZ-014", "HZ-030")
    line: NumberLine
    by: int = Field(ge=-LEVEL_MAX, le=LEVEL_MAX, description="What is added, in the line's unit.")

    def read(self, lines: Inputs) -> dict[str, Any]:
        """The sum."""
        return {self.line: _held_in_register(getattr(lines, self.line) + self.by)}


class InputScaled(Misread):
    """A value that the firmware reads is off by a factor."""

    name: ClassVar = "input-scaled"
    hazards: ClassVar = ("HZ-014", "HZ-015", "HZ-027")
    line: NumberLine
    ratio: float = Field(ge=-100, le=100, allow_inf_nan=False, description="Read for true.")

    def read(self, lines: Inputs) -> dict[str, Any]:
        """The product."""
        return {self.line: _held_in_register(round(getattr(lines, self.line) * self.ratio))}


class InputDelayed(Wire):
    """An input reaches the firmware late."""

    name: ClassVar = "input-delayed"
    hazards: ClassVar = ("HZ-002", "HZ-006", "HZ-025")
    line: InputLine
    delay_ms: float = Field(gt=0, le=60_000, allow_inf_nan=False, description="How late, in ms.")
    _coming: deque[tuple[int, Any]] = PrivateAttr(default_factory=deque)  # (when it arrives, level)
    _arrived: Any = PrivateAttr(None)
    _simulator: Simulator | None = PrivateAttr(None)

    def begin(self, simulator: Simulator) -> None:
        """What it reads now has arrived."""
        self._arrived = getattr(simulator.plant.inputs, self.line)
        self._coming.clear()
        self._simulator = simulator
        super().begin(simulator)

    def alter_inputs(self, now_us: int, lines: Inputs) -> None:
        """Send what is true now on its way, and show what has arrived."""
        while self._coming and self._coming[0][0] <= now_us:
            self._arrived = self._coming.popleft()[1]
        sent = getattr(lines, self.line)
        latest = self._coming[-1][1] if self._coming else self._arrived
        if sent != latest and self._simulator is not None:
            due_us = now_us + max(1, round(self.delay_ms * 1000))
            self._coming.append((due_us, sent))
            self._simulator.at(due_us, Simulator.rewire)
        self.put(lines, self.line, self._arrived)

    def end(self, simulator: Simulator) -> None:
        """Mend the wire."""
        self._simulator = None
        super().end(simulator)


class OutputBitStuck(Misdriven):
    """One bit of a value that the firmware drives is stuck."""

    name: ClassVar = "output-bit-stuck"
    hazards: ClassVar = ("HZ-008", "HZ-025")
    line: NumberOutput
    bit: int = Field(ge=0, le=30, description="Which bit, 0 for the lowest.")
    to: bool = Field(description="What it is stuck at.")

    def driven(self, lines: Outputs) -> dict[str, Any]:
        """The value with that bit."""
        return {self.line: with_bit(getattr(lines, self.line), self.bit, to=self.to)}


class OutputFrozen(Misdriven):
    """An output of the firmware goes on driving what it drove when the fault came."""

    name: ClassVar = "output-frozen"
    hazards: ClassVar = ("HZ-001", "HZ-025")
    line: OutputLine
    _held: Any = PrivateAttr(None)

    def begin(self, simulator: Simulator) -> None:
        """Remember what is commanded now."""
        self._held = getattr(simulator.firmware.outputs, self.line)
        super().begin(simulator)

    def driven(self, lines: Outputs) -> dict[str, Any]:
        """What was driven then."""
        return {self.line: self._held}


def _held_in_register(value: int) -> int:
    return max(-LEVEL_MAX, min(LEVEL_MAX, value))
