"""A message as plain values in the user's units, for people, JSON and records."""

from __future__ import annotations

import enum
from typing import Any

from protocols.fields import to_user
from protocols.messages import Message, layout


def plain(value: Any) -> Any:
    """Enumerations as lower-case names, sets of them as sorted lists; everything else as it is."""
    if isinstance(value, enum.Enum):
        return value.name.lower()
    if isinstance(value, frozenset):
        return [member.name.lower() for member in sorted(value)]
    return value


def user_values(message: Message) -> dict[str, Any]:
    """Every field of `message` by its name in the user's units (`coolant_mc` 60000 is `coolant_c` 60.0)."""
    return dict(to_user(name, plain(getattr(message, name))) for name, _ in layout(type(message)).fields)
