"""The daemon's no: why a request is declined, in the form in which the API tells it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, Self

from controller.tomlfile import TomlError
from protocols.refusals import Reason
from safety.plan import PlanRefusal


class Declined(Exception):
    """Nothing was done; `reasons` and `problems` are everything that stands against it."""

    def __init__(
        self,
        status: int,
        code: str,
        text: str,
        action: str = "",
        *,
        reasons: Iterable[Reason] = (),
        problems: Iterable[dict[str, Any]] = (),
    ) -> None:
        super().__init__(f"{text}: {action}" if action else text)
        self.status = status  # of HTTP: 409 not now, 422 not like this
        self.code = code
        self.reasons = [asdict(reason) for reason in reasons]
        self.problems = list(problems)

    @classmethod
    def for_plan(cls, refused: Iterable[PlanRefusal]) -> Self:
        """A plan that this laser may not carry out."""
        problems = [asdict(refusal) for refusal in refused]
        return cls(422, "plan", f"the plan is refused for {len(problems)} reason(s)", problems=problems)

    @classmethod
    def for_file(cls, error: TomlError) -> Self:
        """A file that is not as it must be."""
        problems = [
            {
                "code": "file",
                "field": problem.path,
                "value": problem.plain_value,
                "allowed": problem.allowed,
                "source": "form of the file" if problem.line is None else f"line {problem.line} of the file",
                "action": problem.action,
            }
            for problem in error.problems
        ]
        return cls(422, "file", f"{error.file} is not a plan that can be read", problems=problems)
