"""The audit chain finds every change, and says where."""

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety.audit import AuditEntry, Break, BreakKind, Head, append, canonical_json, holds, verify


def chain(length: int) -> list[AuditEntry]:
    entries: list[AuditEntry] = []
    for number in range(length):
        entries.append(
            append(
                entries[-1] if entries else None,
                wall_time=f"2026-01-01T00:00:{number:02}.000000Z",
                mono_us=1000 * number,
                kind="pulse",
                actor="ann",
                body_json=canonical_json({"pulse_number": number, "set_energy_mj": 200.0}),
            )
        )
    return entries


def altered(entry: AuditEntry, name: str, value: Any) -> AuditEntry:
    return replace(entry, **{name: value})


WHOLE = chain(6)
HEAD = Head(WHOLE[-1].index, WHOLE[-1].hash)


def test_a_chain_as_it_was_made_has_no_breaks() -> None:
    assert verify(WHOLE) == []
    assert verify(WHOLE, HEAD) == []
    assert verify([]) == []


@pytest.mark.shows("REQ-042")
def test_the_first_entry_is_pinned_by_an_independent_computation() -> None:
    (entry,) = chain(1)
    text = (
        '[0,"' + "0" * 64 + '","2026-01-01T00:00:00.000000Z",0,"pulse","ann",'
        '"{\\"pulse_number\\":0,\\"set_energy_mj\\":200.0}"]'
    )
    assert entry.hash == hashlib.sha256(b"picolase-audit-1\n" + text.encode()).hexdigest()
    assert WHOLE[1].prev_hash == entry.hash
    assert [entry.index for entry in WHOLE] == list(range(6))


@given(st.text(), st.text(), st.text(), st.integers(), st.dictionaries(st.text(), st.text() | st.integers()))
def test_what_is_hashed_is_the_canonical_json_of_the_entry(
    wall_time: str, kind: str, actor: str, mono_us: int, body: dict[str, object]
) -> None:
    entry = append(
        HEAD, wall_time=wall_time, mono_us=mono_us, kind=kind, actor=actor, body_json=canonical_json(body)
    )
    content = [entry.index, entry.prev_hash, wall_time, mono_us, kind, actor, entry.body]
    text = json.dumps(content, separators=(",", ":"), sort_keys=True)
    assert entry.hash == hashlib.sha256(b"picolase-audit-1\n" + text.encode()).hexdigest()


TEXT_FIELDS = ("prev_hash", "wall_time", "kind", "actor", "body", "hash")


@pytest.mark.shows("REQ-042")
def test_every_change_of_a_single_byte_is_found_at_its_entry() -> None:
    for position, entry in enumerate(WHOLE):
        for name in TEXT_FIELDS:
            text: str = getattr(entry, name)
            for place in range(len(text)):
                for bit in range(7):
                    changed = text[:place] + chr(ord(text[place]) ^ 1 << bit) + text[place + 1 :]
                    tampered = [*WHOLE[:position], altered(entry, name, changed), *WHOLE[position + 1 :]]
                    breaks = verify(tampered)
                    assert breaks, (position, name, place, bit)
                    assert breaks[0].position == position


def test_every_changed_number_is_found_at_its_entry() -> None:
    for position, entry in enumerate(WHOLE):
        for bit in range(63):
            for name in ("index", "mono_us"):
                changed = altered(entry, name, getattr(entry, name) ^ 1 << bit)
                breaks = verify([*WHOLE[:position], changed, *WHOLE[position + 1 :]])
                assert breaks
                assert breaks[0].position == position


@pytest.mark.shows("REQ-042")
def test_every_deletion_of_entries_is_found_where_they_were() -> None:
    for first in range(len(WHOLE)):
        for last in range(first + 1, len(WHOLE)):
            breaks = verify(WHOLE[:first] + WHOLE[last:])
            assert {found.kind for found in breaks} == {BreakKind.MISNUMBERED, BreakKind.UNLINKED}
            assert {found.position for found in breaks} == {first}


@pytest.mark.shows("REQ-042")
def test_every_insertion_of_an_entry_is_found_where_it_is() -> None:
    for place in range(1, len(WHOLE)):
        forged = append(WHOLE[place - 1], wall_time="x", mono_us=0, kind="pulse", actor="eve", body_json="{}")
        breaks = verify([*WHOLE[:place], forged, *WHOLE[place:]])
        assert breaks
        assert breaks[0].position == place + 1  # The forged one follows well; the next one no longer does.


@pytest.mark.shows("REQ-042")
def test_every_swap_of_two_entries_is_found() -> None:
    for first in range(len(WHOLE)):
        for second in range(first + 1, len(WHOLE)):
            swapped = list(WHOLE)
            swapped[first], swapped[second] = swapped[second], swapped[first]
            breaks = verify(swapped)
            assert breaks
            assert breaks[0].position == first


def test_an_entry_that_was_changed_and_hashed_anew_is_found_at_the_next_one() -> None:
    for place in range(1, len(WHOLE) - 1):
        forged = append(WHOLE[place - 1], wall_time="x", mono_us=0, kind="pulse", actor="eve", body_json="{}")
        breaks = verify([*WHOLE[:place], forged, *WHOLE[place + 1 :]])
        assert breaks == [Break(BreakKind.UNLINKED, place + 1, place + 1)]


@pytest.mark.shows("REQ-042")
def test_a_tail_cut_off_is_found_only_against_the_head_kept_elsewhere() -> None:
    for length in range(len(WHOLE)):
        assert verify(WHOLE[:length]) == []
        assert verify(WHOLE[:length], HEAD) == [Break(BreakKind.CUT_OFF, length, HEAD.index)]


def test_a_last_entry_that_was_replaced_is_found_against_the_head_kept_elsewhere() -> None:
    forged = append(WHOLE[-2], wall_time="x", mono_us=0, kind="pulse", actor="eve", body_json="{}")
    assert verify([*WHOLE[:-1], forged]) == []
    assert verify([*WHOLE[:-1], forged], HEAD) == [Break(BreakKind.REPLACED, HEAD.index, HEAD.index)]


def test_a_chain_may_grow_beyond_the_head_kept_elsewhere() -> None:
    for entry in WHOLE:
        assert verify(WHOLE, Head(entry.index, entry.hash)) == []


def test_of_many_heads_the_first_replaced_and_the_last_cut_off_are_told() -> None:
    heads = [Head(entry.index, entry.hash) for entry in WHOLE]
    assert verify(WHOLE, anchors=heads) == []
    forged = append(WHOLE[2], wall_time="x", mono_us=0, kind="pulse", actor="eve", body_json="{}")
    after = append(forged, wall_time="x", mono_us=0, kind="pulse", actor="eve", body_json="{}")
    assert verify([*WHOLE[:3], forged, after], anchors=heads) == [
        Break(BreakKind.REPLACED, 3, 3),
        Break(BreakKind.CUT_OFF, 5, 5),
    ]
    assert verify(WHOLE[:2], anchors=heads) == [Break(BreakKind.CUT_OFF, 2, 5)]
    contradiction = [Head(1, WHOLE[1].hash), Head(1, "0" * 64)]
    assert verify(WHOLE, anchors=contradiction) == [Break(BreakKind.REPLACED, 1, 1)]


def test_a_part_of_a_chain_is_verified_after_the_head_before_it() -> None:
    for first in range(1, len(WHOLE)):
        before = WHOLE[first - 1]
        assert verify(WHOLE[first:], HEAD, after=Head(before.index, before.hash)) == []
        assert verify(WHOLE[first:])[0] == Break(BreakKind.MISNUMBERED, 0, first)
        assert verify(WHOLE[first:], after=Head(before.index, "0" * 64)) == [
            Break(BreakKind.UNLINKED, 0, first)
        ]


def test_values_of_another_type_are_found_like_any_change() -> None:
    for name in ("index", *TEXT_FIELDS, "mono_us"):
        for value in (b"bytes", None, 1.5):
            breaks = verify([altered(WHOLE[0], name, value)])
            assert BreakKind.ALTERED in {found.kind for found in breaks}, (name, value)


def test_a_break_tells_the_entry_found_there_even_if_it_is_no_text() -> None:
    (found,) = verify([altered(WHOLE[0], "actor", "\udcff"), *WHOLE[1:]])
    assert str(found).startswith("entry 0 (at position 0, pulse of 2026-01-01T00:00:00.000000Z): ")
    (found,) = verify([altered(WHOLE[0], "kind", "\udcff"), *WHOLE[1:]])
    assert "\\udcff" in str(found)


def test_a_break_says_where_and_what() -> None:
    assert str(Break(BreakKind.ALTERED, 3, 3)) == (
        "entry 3 (at position 3): the entry's content does not match its own hash"
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_body_without_a_meaning_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        append(
            None,
            wall_time="t",
            mono_us=0,
            kind="k",
            actor="a",
            body_json=canonical_json({"energy_mj": value}),
        )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), json_values, max_size=4))
def test_canonical_json_is_ascii_reads_back_and_does_not_depend_on_order(value: dict[str, object]) -> None:
    text = canonical_json(value)
    assert text.isascii()
    assert json.loads(text) == value
    assert canonical_json(dict(reversed(value.items()))) == text


@given(st.text(), st.text(), st.text(), st.integers(min_value=1))
def test_moving_text_between_fields_changes_the_hash(kind: str, actor: str, moved: str, mono_us: int) -> None:
    if not moved:
        return
    one = append(None, wall_time="t", mono_us=mono_us, kind=kind + moved, actor=actor, body_json="{}")
    other = append(None, wall_time="t", mono_us=mono_us, kind=kind, actor=moved + actor, body_json="{}")
    assert one.hash != other.hash
    assert verify([one]) == verify([other]) == []


def test_an_entry_with_a_value_of_another_type_is_told_not_to_hold() -> None:
    entry = chain(1)[0]
    assert holds(entry) is True
    assert holds(altered(entry, "body", 7)) is False
