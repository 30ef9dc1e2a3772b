"""The export, verified by a program that was written from docs/records.md alone and uses nothing of ours."""

import asyncio
import hashlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from controller.audit_export import prove_export
from controller.audit_keys import AuditKeys
from controller.cli.main import main
from rig.stack import Stack
from rig.virtual_time import VirtualTimeLoop


def array(*values: object) -> bytes:
    return json.dumps(values, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def broken(lines: list[str], key: str) -> list[str]:
    """Everything that is wrong with an export, by the page; `key` was kept elsewhere."""
    wrong, previous, index, sealed = [], "0" * 64, 0, False
    for line in lines:
        e = json.loads(line)
        content = array(
            e["index"], e["prev_hash"], e["wall_time"], e["mono_us"], e["kind"], e["actor"], e["body"]
        )
        if e["hash"] != hashlib.sha256(b"picolase-audit-1\n" + content).hexdigest():
            wrong.append(f"{e['index']} altered")
        if (e["index"], e["prev_hash"]) != (index, previous):
            wrong.append(f"{e['index']} does not follow")
        if e["kind"] == "checkpoint":
            b = json.loads(e["body"])
            signed = array(b["index"], b["hash"], b["time"], b["device"], b["key"], b["next_key"])
            try:
                public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(b["key"]))
                public.verify(bytes.fromhex(b["signature"]), b"picolase-checkpoint-1\n" + signed)
            except InvalidSignature:
                wrong.append(f"{e['index']} forged")
            if (b["index"], b["hash"]) != (index - 1, previous) or b["key"] != key:
                wrong.append(f"{e['index']} is no checkpoint of this place and key")
            sealed, key = True, b["next_key"] or key
        previous, index = e["hash"], e["index"] + 1
    return wrong if sealed else [*wrong, "not signed"]


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], str]:
    """The export of a daemon that fired some pulses, ended, and whose key was changed; and its first key."""
    folder = tmp_path_factory.mktemp("export")
    config = folder / "picolase.toml"
    config.write_text('[device]\nurl = "/dev/ttyUSB0"\n')

    def picolase(*arguments: str) -> str:
        result = CliRunner(env={"PICOLASE_CONFIG": str(config)}).invoke(main, arguments)
        assert result.exit_code == 0, result.output
        return result.stdout

    async def fire(stack: Stack) -> None:
        await stack.prepare()
        await stack.arm()
        await stack.fire(3)
        stack.release()
        await asyncio.sleep(1)
        await stack.daemon.console.abandon_session(await stack.login())
        await stack.end_daemon()

    async def story() -> str:
        async with Stack(folder=folder, signer=AuditKeys(folder / "picolase.db").signer) as stack:
            await stack.login("änne-marie")
            await fire(stack)
            first = picolase("audit", "key").strip()
            picolase("audit", "rotate")
            stack.start_daemon()
            await fire(stack)
            return first

    loop = VirtualTimeLoop()
    try:
        first = loop.run_until_complete(story())
    finally:
        loop.close()
    lines = picolase("audit", "export").splitlines()
    return lines, first


def test_the_page_is_enough_to_verify_an_export(export: tuple[list[str], str]) -> None:
    lines, key = export
    assert len(lines) > 60
    assert sum('"kind": "pulse"' in line for line in lines) > 30
    assert sum('"kind": "checkpoint"' in line for line in lines) >= 5
    assert broken(lines, key) == []
    assert broken(lines, "0" * 64) != []


@pytest.mark.shows("REQ-042")
def test_the_page_is_enough_to_find_what_was_changed(export: tuple[list[str], str]) -> None:
    lines, key = export
    for place in range(1, len(lines) - 1):
        assert broken(lines[:place] + lines[place + 1 :], key)
        assert broken([*lines[:place], lines[place + 1], lines[place], *lines[place + 2 :]], key)
        assert broken(
            [*lines[:place], lines[place].replace('"actor": "', '"actor": "x'), *lines[place + 1 :]], key
        )


def test_every_byte_of_an_export_when_changed_is_found_in_its_line(
    export: tuple[list[str], str], tmp_path: Path
) -> None:
    lines, key = export
    first = next(number for number, line in enumerate(lines) if '"kind": "checkpoint"' in line)
    some = lines[: first + 1]
    assert len(some) < 6
    content = ("\n".join(some) + "\n").encode()
    file = tmp_path / "some.jsonl"
    file.write_bytes(content)
    assert prove_export(file, keys=[key]).breaks == ()
    for place in range(len(content)):
        # Bit 5 makes small letters large, which neither JSON nor hexadecimal digits would mind.
        for bit in {place % 8, 5} if place < len(some[0]) else {place % 8}:
            changed = bytearray(content)
            changed[place] ^= 1 << bit
            file.write_bytes(changed)
            breaks = prove_export(file, keys=[key]).breaks
            assert breaks, (place, bit)
            assert breaks[0].position == content[:place].count(b"\n"), (place, bit)


def test_an_export_is_verified_without_a_database(export: tuple[list[str], str], tmp_path: Path) -> None:
    lines, key = export
    file = tmp_path / "audit.jsonl"

    def verify(text: list[str], *arguments: str) -> tuple[int, list[tuple[str, int]]]:
        file.write_text("".join(line + "\n" for line in text))
        result = CliRunner().invoke(main, ["audit", "verify", str(file), "--key", key, "--json", *arguments])
        told = json.loads(result.stdout)
        assert told["ok"] is (result.exit_code == 0)
        return result.exit_code, [(one["break"], one["index"]) for one in told["breaks"]]

    last = json.loads(lines[-1])
    head = f"{last['index']}:{last['hash']}"
    assert verify(lines, "--head", head) == (0, [])
    assert verify(lines[:-1]) == (0, [])
    assert verify(lines[:-1], "--head", head) == (1, [("cut_off", last["index"])])
    assert verify(lines[1:])[1][:2] == [("misnumbered", 1), ("unlinked", 1)]
    before = json.loads(lines[9])
    start = f"{before['index']}:{before['hash']}"
    assert verify(lines[10:], "--head", start, "--head", head) == (0, [])
    assert verify(lines[11:], "--head", start)[1][0] == ("misnumbered", 11)
    assert verify([*lines[:5], "no JSON", *lines[5:]])[1] == [("miswritten", 5)]
    file.write_text("\n".join(lines))  # the last line has no end
    assert [one.kind.name for one in prove_export(file, keys=[key]).breaks] == ["MISWRITTEN"]
    file.write_text("")
    assert [one.kind.name for one in prove_export(file, keys=[key]).breaks] == ["UNSIGNED"]


def test_what_the_page_says_of_keys_and_words_is_so() -> None:
    from safety.audit import GENESIS_HASH, AuditEntry, BreakKind
    from safety.checkpoints import BEFORE_THE_FIRST, Signer

    page = Path(__file__).parents[2].joinpath("docs", "records.md").read_text("utf-8")
    body = Signer.from_secret(bytes(32)).checkpoint(BEFORE_THE_FIRST, "t", "d")
    names = [*AuditEntry.__dataclass_fields__, *body, *(kind.name.lower() for kind in BreakKind)]
    assert [name for name in names if f"`{name}`" not in page] == []
    assert GENESIS_HASH == "0" * 64
