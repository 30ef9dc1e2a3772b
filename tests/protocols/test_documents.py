"""The generated documents: current, complete, and noticed when a declaration changes."""

import enum
from pathlib import Path

import pytest

from protocols import timing
from protocols.faults import FAULTS, Fault
from protocols.interface import INTERFACE_HASH, MESSAGES
from protocols.interlocks import Interlock
from protocols.messages import layout
from protocols.refusals import Refusal
from protocols.scpi import TREE
from protocols.states import TRANSITIONS, Event, State
from tools import generate

NAMES = {
    *("interface.md", "states.md", "faults.md", "fault-injection.md", "mqtt-topics.md", "metrics.md"),
    "safety/traceability.md",
}


def run(monkeypatch: pytest.MonkeyPatch, docs: Path, *arguments: str) -> int:
    monkeypatch.setattr(generate, "DOCS", docs)
    monkeypatch.setattr("sys.argv", ["generate", *arguments])
    return generate.main()


def test_the_documents_in_the_repository_are_current(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, generate.DOCS, "--check") == 0, capsys.readouterr().err


def test_stale_documents_are_named_and_written_anew(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(monkeypatch, tmp_path, "--check") == 1
    assert not list(tmp_path.iterdir())
    assert all(f"docs/{name} is out of date" in capsys.readouterr().err for name in ["faults.md"])
    assert run(monkeypatch, tmp_path) == 0
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.md")} == NAMES
    assert run(monkeypatch, tmp_path, "--check") == 0
    (tmp_path / "states.md").write_text("by hand", encoding="utf-8")
    capsys.readouterr()
    assert run(monkeypatch, tmp_path, "--check") == 1
    assert capsys.readouterr().err == "docs/states.md is out of date: run `make docs` and commit the result\n"


def test_a_changed_declaration_makes_its_document_stale(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as changed:
        changed.setitem(TRANSITIONS[State.FAULT], Event.ARM, State.READY)
        assert run(changed, generate.DOCS, "--check") == 1
    assert "docs/states.md" in capsys.readouterr().err
    with monkeypatch.context() as changed:
        changed.delitem(FAULTS, Fault.DOOR)
        assert run(changed, generate.DOCS, "--check") == 1
    assert "docs/faults.md" in capsys.readouterr().err
    with monkeypatch.context() as changed:
        changed.setattr(timing, "PERMIT_LIFE_US", 201_000)
        assert run(changed, generate.DOCS, "--check") == 1
    assert "docs/interface.md" in capsys.readouterr().err


def test_the_interface_document_has_every_message_and_field() -> None:
    text = generate.interface()
    assert f"{INTERFACE_HASH:#018x}" in text
    for message in MESSAGES:
        assert f"| {message.opcode:#04x} |" in text
        for name, kind in layout(message).fields:
            assert f"| `{name}` |" in text
            assert kind.meaning in text
    for node in TREE:
        assert f"`{node.header}" in text
    assert (
        "| 8 | `interface_hash` | u64 |  | 0 to 2^64 - 1 | hash of the device's interface definition |"
        in text
    )
    assert "| 17 | `state` | u8" not in text
    assert "| 16 | `state` | u8 |  | one of State | operating state |" in text


def test_every_time_and_limit_of_the_wire_has_its_reason() -> None:
    reasons = {name: reason for name, _, reason in generate._timing_rows()}
    assert len(reasons) == len([name for name in vars(timing) if name.isupper()]) - 2  # MS and SECOND
    for name, reason in reasons.items():
        assert str(reason)[:3] in {"[C]", "[D]", "[P]"}, name


def test_every_row_of_the_tables_is_in_the_documents() -> None:
    text = generate.faults()
    members: list[enum.IntEnum] = [*FAULTS, *Interlock, *Refusal]
    for member in members:
        assert f"| {member.value} | `{member.name}` |" in text
    diagram = generate.state_diagram()
    assert "    ARMING --> READY: PROVEN\n" in diagram
    assert "    ANY --> FAULT: TRIP\n" in diagram
    assert "FAULT --> READY" not in diagram
    for state in State:
        assert f"\n| {state.name} |" in diagram


def test_a_comment_beside_an_assignment_is_its_reason() -> None:
    comments = generate._comments(timing)
    assert comments["PERMIT_LIFE_US"].startswith("[C] after the answered challenge")  # stands in a bracket
    assert comments["CHALLENGES_KEPT"].startswith("[C] 400 ms")
