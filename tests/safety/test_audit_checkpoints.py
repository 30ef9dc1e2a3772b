"""Signed checkpoints: what they vouch for, and what is told of a chain that was calculated anew."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from safety.audit import AuditEntry, Break, BreakKind, Head, append, canonical_json, verify
from safety.checkpoints import BEFORE_THE_FIRST, CHECKPOINT, Proof, Signer, check, is_public_key

OLD, NEW, EVE = (Signer.from_secret(bytes([number]) * 32) for number in (1, 2, 3))


def add(chain: list[AuditEntry], kind: str, body: dict[str, Any], *, actor: str = "ann") -> None:
    previous = chain[-1] if chain else None
    chain.append(
        append(previous, wall_time="2026", mono_us=1, kind=kind, actor=actor, body_json=canonical_json(body))
    )


def sign(chain: list[AuditEntry], signer: Signer, next_key: str = "") -> None:
    head = Head(chain[-1].index, chain[-1].hash) if chain else BEFORE_THE_FIRST
    add(chain, CHECKPOINT, signer.checkpoint(head, "2026-01-01T00:00:00Z", "PL-1", next_key=next_key))


def made(*steps: Signer | tuple[Signer, Signer] | str) -> list[AuditEntry]:
    """A chain: a word is an entry, a signer a checkpoint, a pair a hand-over from one to the other."""
    chain: list[AuditEntry] = []
    for step in steps:
        match step:
            case Signer():
                sign(chain, step)
            case (old, new):
                sign(chain, old, new.public)
            case str():
                add(chain, step, {})
    return chain


def proof_of(chain: list[AuditEntry], *keys: Signer) -> Proof:
    proofs: list[Proof] = []
    passed = list(check(chain, [key.public for key in keys], on_proof=proofs.append))
    assert passed == chain
    (proof,) = proofs
    return proof


def kinds(proof: Proof) -> list[tuple[BreakKind, int]]:
    return [(broken.kind, broken.position) for broken in proof.breaks]


@pytest.mark.shows("REQ-042")
def test_a_chain_is_sealed_up_to_its_last_checkpoint() -> None:
    chain = made(OLD, "a", "b", OLD, "c")
    for keys in ((), (OLD,), (OLD, EVE)):
        proof = proof_of(chain, *keys)
        assert proof == Proof([], checkpoints=2, key=OLD.public, sealed=2)
    assert verify(chain) == []


def test_what_is_signed_is_what_the_documentation_says() -> None:
    """Computed here from docs/records.md alone."""
    chain = made("a", OLD)
    assert chain[1].kind == "checkpoint"
    body = json.loads(chain[1].body)
    fields = [body[name] for name in ("index", "hash", "time", "device", "key", "next_key")]
    text = "picolase-checkpoint-1\n" + json.dumps(fields, separators=(",", ":"))
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(body["key"]))
    key.verify(bytes.fromhex(body["signature"]), text.encode())
    with pytest.raises(InvalidSignature):
        key.verify(bytes.fromhex(body["signature"]), text.encode() + b" ")
    assert fields[:2] == [0, chain[0].hash]


def test_without_a_key_kept_elsewhere_an_unsigned_chain_is_no_fault() -> None:
    assert proof_of(made("a", "b")) == Proof([])
    assert proof_of([]) == Proof([])


def test_with_a_key_kept_elsewhere_a_chain_without_its_signature_is_told() -> None:
    assert kinds(proof_of(made("a", "b"), OLD)) == [(BreakKind.UNSIGNED, 2)]
    assert proof_of([], OLD).breaks == [Break(BreakKind.UNSIGNED, 0, 0)]
    chain = made("a", EVE, "b", EVE)
    assert kinds(proof_of(chain, OLD)) == [
        (BreakKind.UNTRUSTED, 1),
        (BreakKind.UNTRUSTED, 3),
        (BreakKind.UNSIGNED, 4),
    ]


def test_a_key_names_its_successor() -> None:
    chain = made("a", OLD, (OLD, NEW), NEW, "b", NEW)
    for keys in ((), (OLD,), (NEW,)):
        assert proof_of(chain, *keys) == Proof([], checkpoints=4, key=NEW.public, sealed=4)
    assert proof_of(made("a", (OLD, NEW)), OLD).key == NEW.public


def test_a_key_that_nobody_named_is_told_where_it_first_occurs() -> None:
    assert kinds(proof_of(made("a", OLD, "b", EVE, EVE))) == [
        (BreakKind.UNTRUSTED, 3),
        (BreakKind.UNTRUSTED, 4),
    ]
    assert kinds(proof_of(made("a", OLD, "b", (EVE, OLD), "c"), OLD)) == [(BreakKind.UNTRUSTED, 3)]


def test_a_trusted_signature_covers_whatever_keys_signed_before_it() -> None:
    assert kinds(proof_of(made("a", EVE, "b", OLD), OLD)) == []


def test_without_a_key_kept_elsewhere_no_later_signature_covers_a_key_that_nobody_named() -> None:
    """The key believed then is only the first that occurs: it may be the forger's own."""
    chain = made("a", OLD, "b", EVE, "c", OLD)
    assert kinds(proof_of(chain)) == [(BreakKind.UNTRUSTED, 3)]
    assert kinds(proof_of(chain, OLD)) == []


def test_a_checkpoint_that_was_moved_is_told() -> None:
    chain = made("a", "b")
    add(chain, CHECKPOINT, OLD.checkpoint(Head(0, chain[0].hash), "t", "d"))
    assert kinds(proof_of(chain)) == [(BreakKind.MISPLACED, 2)]
    assert proof_of(chain).sealed == -1


@pytest.mark.shows("REQ-042")
@pytest.mark.parametrize("name", ["time", "device", "key", "next_key", "signature"])
def test_every_changed_byte_of_a_checkpoint_that_was_hashed_anew_is_told(name: str) -> None:
    chain = made("a")
    body = OLD.checkpoint(Head(0, chain[0].hash), "2026", "PL-1", next_key=NEW.public)
    text = str(body[name])
    for place in range(len(text)):
        for bit in range(7):
            forged = [*chain]
            changed = text[:place] + chr(ord(text[place]) ^ 1 << bit) + text[place + 1 :]
            if name == "signature" and changed.lower() == text:
                continue  # the same bytes in capitals: the same signature
            add(forged, CHECKPOINT, body | {name: changed})
            ((kind, position),) = kinds(proof_of(forged))
            assert position == 1
            assert kind in {BreakKind.FORGED, BreakKind.NO_CHECKPOINT}, (place, bit)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: {},
        lambda body: body | {"more": 1},
        lambda body: body | {"index": "0"},
        lambda body: body | {"index": True},
        lambda body: body | {"key": "00"},
        lambda body: body | {"next_key": "zz"},
    ],
)
def test_what_only_claims_to_be_a_checkpoint_is_told(spoil: Callable[[dict[str, Any]], Any]) -> None:
    chain = made("a")
    add(chain, CHECKPOINT, spoil(OLD.checkpoint(Head(0, chain[0].hash), "t", "d")))
    sign(chain, OLD)
    proof = proof_of(chain, OLD)
    assert (kinds(proof), proof.checkpoints, proof.sealed) == ([(BreakKind.NO_CHECKPOINT, 1)], 1, 1)


@pytest.mark.parametrize("text", ["no JSON", "[1]", "7"])
def test_a_body_that_is_no_object_is_no_checkpoint(text: str) -> None:
    import hashlib  # what a forger would do: the hash is right

    chain = made("a", OLD)
    last = replace(chain[1], body=text)
    content = [last.index, last.prev_hash, last.wall_time, last.mono_us, last.kind, last.actor, last.body]
    digest = hashlib.sha256(b"picolase-audit-1\n" + json.dumps(content, separators=(",", ":")).encode())
    chain[1] = replace(last, hash=digest.hexdigest())
    assert verify(chain) == []
    assert kinds(proof_of(chain)) == [(BreakKind.NO_CHECKPOINT, 1)]


def test_an_entry_whose_hash_does_not_hold_is_left_to_the_chain() -> None:
    chain = made("a", OLD, "b")
    chain[1] = replace(chain[1], body="{}")
    assert kinds(proof_of(chain)) == []
    assert verify(chain) == [Break(BreakKind.ALTERED, 1, 1)]


def test_signatures_are_the_same_each_time_and_need_the_secret() -> None:
    again = Signer.from_secret(bytes([1]) * 32)
    assert again.checkpoint(BEFORE_THE_FIRST, "t", "d") == OLD.checkpoint(BEFORE_THE_FIRST, "t", "d")
    assert OLD.public != NEW.public
    with pytest.raises(ValueError, match="32 bytes"):
        Signer.from_secret(b"short")


def test_the_key_of_a_published_vector() -> None:
    """RFC 8032, 7.1, test 1."""
    secret = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert Signer.from_secret(secret).public == public
    assert is_public_key(public)
    assert not is_public_key(public.upper())
    assert not is_public_key(public[:-1])
    assert not is_public_key(public[:-1] + "X")
