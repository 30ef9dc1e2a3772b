"""One thing that is fuzzed: a function that takes any bytes and raises when its promise is broken."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

CORPUS = Path(__file__).with_name("corpus")


@dataclass(frozen=True, slots=True)
class Target:
    """`run` raises nothing for whatever bytes; `seeds` are made by the project's own encoders."""

    name: str
    run: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]
    longest: int  # bytes of one input
    shows: tuple[str, ...] = ()  # requirements and hazards that its promise is about
    around: Callable[[], AbstractContextManager[object]] = nullcontext  # what many inputs have in common

    @property
    def promise(self) -> str:
        return (self.run.__doc__ or "").strip()

    def kept(self) -> list[bytes]:
        """Inputs that once reached something new, or broke a promise."""
        return [file.read_bytes() for file in sorted((CORPUS / self.name).glob("*")) if file.is_file()]

    def examples(self) -> list[bytes]:
        """What every run begins with."""
        return [*self.seeds(), *self.kept()]
