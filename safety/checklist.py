"""The checklist before a treatment: what is asked of subject and room, item by item, and what is missing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from protocols.refusals import Reason


@dataclass(frozen=True, slots=True)
class Item:
    """One statement that must be true; it is confirmed by its key, which says the same, and by no other."""

    key: str
    statement: str
    source: str
    action: str  # where it is not true


_T029: Final = "treatments.csv T029; mdedge 88841 (published for laser studies)"
_T029_OPEN: Final = "treatments.csv T029 (to be confirmed)"
_ROOM: Final = "after the usual checklists for class 4 lasers (choice, to be confirmed)"
INTERLOCKS: Final = "interlocks"  # the item of which the host has seen something itself
_WAIT: Final = "do not treat; ask the responsible physician"

CONTRAINDICATIONS: Final = (
    Item("not_pregnant", "not pregnant", _T029_OPEN, "do not treat before the pregnancy is over"),
    Item(
        "no_isotretinoin",
        "no isotretinoin within the last 12 months",  # T029 gives 6 to 12; the longer holds
        "treatments.csv T029; globalblocks.lumenis.com (published for a CO2 laser)",
        "do not treat before 12 months have passed",
    ),
    Item(
        "no_gold_therapy",
        "no gold therapy, ever: 755 nm turns such skin blue-grey for good (chrysiasis)",
        _T029_OPEN,
        "do not treat with 755 nm",
    ),
    Item(
        "no_photosensitivity",
        "no photosensitising drug, no light-sensitive disease",
        _T029,
        "do not treat now",
    ),
    Item("no_infection", "no active infection or herpes in the field", _T029, "wait until it has healed"),
    Item("no_keloid", "no history of keloids", _T029, _WAIT),
    Item("no_recent_tan", "no recent tan, no self-tanner", _T029_OPEN, "wait until the tan has gone"),
    Item(
        "no_suspected_malignancy",
        "nothing in the field is suspected of being malignant",
        _T029,
        "have it looked at first",
    ),
    Item("no_immunodeficiency", "no immunodeficiency", _T029, _WAIT),
    Item(
        "eyes_shielded",
        "nothing within the orbit is treated, or it is treated over metal eye shields",
        _T029_OPEN,
        "shield the eyes, or leave that area out",
    ),
)
"""What must not be the case with whoever is treated."""

ROOM: Final = (
    Item(
        "eyewear",
        "everybody wears eyewear for this wavelength; the subject's eyes are shielded",
        _ROOM,
        "do so",
    ),
    Item(
        "room", "door closed, sign lit, nothing that reflects or burns in the beam's way", _ROOM, "see to it"
    ),
    Item(
        "skin", "skin type and medicines were asked for; a test spot was judged where needed", _ROOM, "do so"
    ),
    Item("site", "handpiece and spot are the planned ones, and the site is marked", _ROOM, "see to it"),
    Item(
        "aiming",
        "the aiming spot was tried today: it lies where a test pulse marks the paper",
        "hazards.csv HZ-041, which nothing in the laser detects (choice, to be confirmed)",
        "try it on paper; have the arm aligned if it does not",
    ),
    Item(
        INTERLOCKS,
        "door and remote interlock were opened today, and the laser said so each time",
        "hazards.csv HZ-039, a bridged contact looks closed (choice, to be confirmed)",
        "open each and look at `picolase status`; have a bridge taken out",
    ),
)
"""What must be so around the treatment."""

ITEMS: Final[Mapping[str, Item]] = {item.key: item for item in (*CONTRAINDICATIONS, *ROOM)}


def missing(confirmed: Collection[str]) -> tuple[Item, ...]:
    """The items that nobody has confirmed, in their order."""
    return tuple(item for key, item in ITEMS.items() if key not in confirmed)


def reasons(confirmed: Collection[str]) -> tuple[Reason, ...]:
    """Each reason why a treatment may not begin on these: what is missing, and what nobody asked for."""
    strangers = sorted(set(confirmed) - set(ITEMS))
    return (
        *(
            Reason(f"confirm.{item.key}", f"not confirmed: {item.key}, {item.statement}", item.action)
            for item in missing(confirmed)
        ),
        *(
            Reason("confirm.unknown", f"{key!r} is no item of the checklist", f"one of {', '.join(ITEMS)}")
            for key in strangers
        ),
    )
