"""Frozen dataclasses that are made quickly.

Theory of operation. The `__init__` of a frozen dataclass must go around its own class, which refuses
assignments: one call of `object.__setattr__` for each field, most of what such an object costs. Its twin has
the same slots and refuses nothing. So an object wears its twin's class while its fields are assigned, and its
own ever after. CPython allows the change between two classes with the same bases and slots.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import MISSING, fields
from typing import Any, Final, TypeVar

T = TypeVar("T")

_wear: Final = object.__setattr__


def quick(cls: type[T]) -> type[T]:
    """The same frozen dataclass with slots, made in less time; raises TypeError for what it cannot make.

    Use it above `@dataclass(frozen=True, slots=True)`. Defaults must be values, not factories.
    """
    parameters, namespace = ["self"], {"_wear": _wear, "_open": twin(cls), "_cls": cls}
    for field in fields(cls):  # type: ignore[arg-type]  # a dataclass
        if not field.init or field.kw_only or field.default_factory is not MISSING:
            raise TypeError(f"{cls.__name__}.{field.name}: quick makes plain fields only")
        default = "" if field.default is MISSING else f"=_default_{field.name}"
        namespace[f"_default_{field.name}"] = field.default
        parameters.append(field.name + default)
    names = [field.name for field in fields(cls)]  # type: ignore[arg-type]  # a dataclass
    lines = ["_wear(self, '__class__', _open)", *assignments(names)] if names else []
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    made = compiled(f"__init__({', '.join(parameters)})", lines, namespace)
    made.__annotations__ = cls.__init__.__annotations__
    cls.__init__ = made  # type: ignore[method-assign]  # what this module is for
    return cls


def twin(cls: type) -> type[Any]:
    """A class with the slots and bases of `cls`, without anything else."""
    return type(cls.__name__, cls.__bases__, {"__slots__": cls.__slots__})  # type: ignore[attr-defined]  # it has


def assignments(names: Iterable[str]) -> list[str]:
    """Lines that give `self`, in its twin's class, fields by these names, and the class `_cls` for good."""
    return [*(f"self.{name} = {name}" for name in names), "self.__class__ = _cls"]


def compiled(signature: str, lines: list[str], namespace: dict[str, Any]) -> Callable[..., Any]:
    """The function of that signature and body, seeing only what `namespace` has."""
    source = f"def {signature}:\n" + "".join(f"    {line}\n" for line in lines or ["pass"])
    made: dict[str, Callable[..., Any]] = {}
    exec(source, namespace, made)  # noqa: S102 - made of our own declarations, as dataclasses do it
    return made[signature.partition("(")[0]]
