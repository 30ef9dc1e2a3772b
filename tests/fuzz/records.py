"""Targets of what was recorded: the audit's export, its checkpoints, incidents, a broker's messages."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

from controller.audit_export import line_of, prove_export
from controller.incident import explain
from controller.witnesses import Subscriber
from protocols.frame import Decoder, Frame, encode
from protocols.messages import Status, Stop
from protocols.values import user_values
from safety.audit import AuditEntry, Head, append, canonical_json, verify
from safety.checkpoints import BEFORE_THE_FIRST, CHECKPOINT, Proof, Signer, check
from tests.fuzz.folder import file_with, in_folder
from tests.fuzz.given import Given
from tests.fuzz.target import Target
from tests.fuzz.wire import DEVICE_KINDS, SIZES, sealed_payload
from tests.protocols.test_golden import GOLDEN

SIGNER, OTHER = Signer.from_secret(b"\x01" * 32), Signer.from_secret(b"\x02" * 32)


def chain(count: int, *, signed_every: int = 3) -> list[AuditEntry]:
    """An audit as the daemon writes it."""
    entries: list[AuditEntry] = []
    for number in range(count):
        last = entries[-1] if entries else None
        if number % signed_every == signed_every - 1:
            head = BEFORE_THE_FIRST if last is None else Head(last.index, last.hash)
            kind, body = CHECKPOINT, SIGNER.checkpoint(head, "2030-01-01T00:00:00Z", "PL-1")
        else:
            kind, body = "command.outcome", {"command": "arm", "number": number}
        entries.append(
            append(
                last,
                wall_time="2030-01-01T00:00:00Z",
                mono_us=number,
                kind=kind,
                actor="anna",
                body_json=canonical_json(body),
            )
        )
    return entries


def exported(entries: list[AuditEntry]) -> bytes:
    return b"".join(line_of(entry).encode() + b"\n" for entry in entries)


WHOLE = chain(9)
HEAD = Head(WHOLE[-1].index, WHOLE[-1].hash)


def audit_export(data: bytes) -> None:
    """An export proves whole only if it is a chain written as we write it; with its head, if it is ours."""
    path = file_with(data)
    proof = prove_export(path, [HEAD], [SIGNER.public])
    assert all(str(broken) for broken in proof.breaks)
    assert list(proof.breaks) == sorted(proof.breaks, key=lambda one: one.position)
    alone = prove_export(path)
    lines = data.split(b"\n")
    if not alone.breaks:
        entries = [AuditEntry(**json.loads(line)) for line in lines if line]
        assert exported(entries) == data
        assert verify(entries) == []
        assert alone.entries == len(entries)
    assert bool(proof.breaks) is (data != exported(WHOLE)) or set(lines) > set(exported(WHOLE).split(b"\n"))


def checkpoint(data: bytes) -> None:
    """Whatever entries say, with hashes that hold, none is trusted that the expected key did not sign."""
    given = Given(data)
    entries = list(WHOLE[: given.number(0, 9)])
    for _ in range(4):
        if not given:
            break
        last = entries[-1] if entries else None
        head = BEFORE_THE_FIRST if last is None else Head(last.index, last.hash)
        signer = OTHER if given.flag() else SIGNER
        body = signer.checkpoint(head, "t", "d", next_key=OTHER.public if given.flag() else "")
        text = bytearray(canonical_json(body).encode())
        form = given.number(0, 3)
        if form == 0:
            text = bytearray(given.rest())
        elif form > 1:
            at = given.number(0, 2**16 - 1) % len(text)
            replaced = given.number(0, 3)
            text[at : at + replaced] = given.piece(3)
        made = append(last, wall_time="t", mono_us=0, kind=CHECKPOINT, actor="a", body_json="{}")
        raw = replace(made, body=text.decode("utf-8", "replace"))
        entries.append(replace(raw, hash=hash_of(raw)))
    proofs: list[Proof] = []
    assert not verify(check(entries, [SIGNER.public], on_proof=proofs.append))
    (proof,) = proofs
    believed = {SIGNER.public}
    for entry in entries:
        if entry.kind == CHECKPOINT and entry.index - 1 <= proof.sealed:
            vouched = genuine(entry)
            if vouched and vouched["key"] in believed:
                believed |= {vouched["next_key"]}
    last = next((entry for entry in entries if entry.index - 1 == proof.sealed), None)
    if proof.sealed >= 0:
        assert last is not None
        vouched = genuine(last)
        assert vouched is not None
        assert vouched["key"] in believed
    assert proof.key in believed | {""}


def genuine(entry: AuditEntry) -> dict[str, str] | None:
    """The checkpoint in it if one of the two key pairs there are made it for this very place."""
    try:
        body = json.loads(entry.body)
        fields = [body[name] for name in ("time", "device", "next_key")]
    except (ValueError, RecursionError, TypeError, KeyError):
        return None
    for signer in (SIGNER, OTHER):
        if body.get("key") == signer.public and all(isinstance(one, str) for one in fields):
            head = Head(entry.index - 1, entry.prev_hash)
            again = signer.checkpoint(head, fields[0], fields[1], next_key=fields[2])
            return body if again == body else None  # Ed25519 signs the same text alike each time
    return None


def hash_of(entry: AuditEntry) -> str:
    """The hash that holds for this content."""
    from safety.audit import _content, _digest

    return _digest(_content(entry))


def incident(data: bytes) -> None:
    """Whatever the line carried and the laser said in the last 30 s is told as a story, in order of time."""
    given = Given(data)
    entries, traffic, ms = [], [], -30_000.0
    for _ in range(40):
        if not given:
            break
        ms += given.number(0, 2_000)
        match given.number(0, 3):
            case 0:
                traffic.append({"ms": ms, "way": given.pick(("out", "in")), "hex": given.piece().hex()})
            case 1:
                stop = encode(Frame(1, 1, Stop(given.number(1, 3))))
                traffic.append({"ms": ms, "way": "out", "hex": stop.hex()})
            case 2:
                what = given.pick(("trip", "stop", "event"))
                entries.append({"ms": ms, "kind": what, "text": given.piece(20).decode("latin-1") or "-"})
            case _:
                kind = given.pick(DEVICE_KINDS)
                if given.flag():
                    found = Decoder().feed(sealed_payload(kind.opcode, given.take(SIZES[kind.opcode])))
                    told = found[0].message if isinstance(found[0], Frame) else None
                else:
                    told = next(message for message, *_ in GOLDEN if type(message) is kind)
                if told is not None:
                    entries.append({"ms": ms, "kind": "message", "name": kind.__name__} | user_values(told))
    body = json.loads(json.dumps({"entries": entries, "traffic": traffic}))
    story = explain(body)
    times = [round(step.ms, 3) for step in story.steps]
    assert times == sorted(times)
    assert all(step.text and step.who for step in story.steps)
    json.dumps(story.plain(), allow_nan=False)


def mqtt(data: bytes) -> None:
    """Whatever a broker delivers is counted: as a pulse, or as unreadable."""
    witness = Subscriber("laser/v1/site/laser")
    for number, payload in enumerate(data.split(b"\0"), start=1):
        before = len(witness.pulses), witness.unreadable
        witness.take("laser/v1/site/laser/pulse", payload)
        assert witness.messages["laser/v1/site/laser/pulse"] == number
        after = len(witness.pulses), witness.unreadable
        assert after[0] - before[0] + after[1] - before[1] <= 1
    witness.take("laser/v1/site/laser/state", data)
    assert witness.published() <= len(witness.pulses)


def _export_seeds() -> list[bytes]:
    return [
        exported(WHOLE),
        exported(WHOLE[:4]),
        exported(WHOLE[3:]),
        exported(chain(11)),
        b"[" * 3_000 + b"\n",
    ]


def _checkpoint_seeds() -> list[bytes]:
    forms = [
        bytes([9, signer, key, form, 5, 0, 1, 2, 65])
        for signer in (0, 1)
        for key in (0, 1)
        for form in range(4)
    ]
    text = canonical_json(SIGNER.checkpoint(HEAD, "t", "d"))
    places = [text.index(f'"{name}":"') + len(name) + 9 for name in ("signature", "hash", "key")]
    digits = [(at, digit) for at in places for digit in b"01"]
    forms += [bytes([9, 0, 0, 2, at % 256, at // 256, 1, 1, digit]) for at, digit in digits]
    return [*forms, b"\x09\x00\x00\x00" + b"[" * 3_000, b"\x09" + b"\x01\x01\x01" * 4]


def _incident_seeds() -> list[bytes]:
    kinds = [bytes([100, 0, 3, kind, 0]) for kind in range(len(DEVICE_KINDS))]
    return [
        b"".join(kinds),
        bytes([0, 7, 2, 0, 3]) + b"abc" + bytes([1, 0, 1, 2]),
        Status.__name__.encode() * 9,
    ]


def _mqtt_seeds() -> list[bytes]:
    pulse = {"boot": 1, "seq": 2, "pulse_number": 3}
    odd = [
        b'{"boot": 1, "seq": Infinity, "pulse_number": 1e999}',
        b"[" * 2_000,
        b"[]",
        b"1",
        b"\xff",
        b"9" * 5_000,
    ]
    return [json.dumps(pulse).encode(), *odd, b"\0".join(odd), json.dumps(asdict(WHOLE[0])).encode()]


TARGETS = (
    Target("audit_export", audit_export, _export_seeds, 8_192, ("REQ-042",), in_folder),
    Target("checkpoint", checkpoint, _checkpoint_seeds, 4_096, ("REQ-042",)),
    Target("incident", incident, _incident_seeds, 4_096),
    Target("mqtt", mqtt, _mqtt_seeds, 8_192),
)
