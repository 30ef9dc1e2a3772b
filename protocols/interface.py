"""The whole interface as one value: every message by opcode, and the hash both ends compare."""

from __future__ import annotations

import hashlib
from typing import Final

from protocols import messages, requests
from protocols.fields import Choice, FieldKind, Int, SetOf
from protocols.layout import PROTOCOL_VERSION as PROTOCOL_VERSION  # noqa: PLC0414 - part of the interface, too
from protocols.messages import Message, layout

MESSAGES: Final[tuple[type[Message], ...]] = (
    messages.Connect,
    messages.Connected,
    messages.Nak,
    messages.Stop,
    messages.Heartbeat,
    messages.AckPulses,
    messages.Status,
    messages.PulseReport,
    messages.Telemetry,
    messages.Stopped,
    requests.ReadIdentity,
    requests.ReadCapabilities,
    requests.ReadMode,
    requests.ReadSetpoint,
    requests.ReadCounters,
    requests.ReadFault,
    requests.ReadCalibration,
    requests.ReadCalibrationPoint,
    requests.StageSetpoint,
    requests.CommitSetpoint,
    requests.SetAiming,
    requests.Calibrate,
    requests.Acknowledge,
    requests.Standby,
    requests.Arm,
    requests.Grant,
    requests.Reply,
    requests.Identity,
    requests.Capabilities,
    requests.Mode,
    requests.Setpoint,
    requests.Counters,
    requests.FaultRecord,
    requests.Calibration,
    requests.CalibrationPoint,
)

BY_OPCODE: Final[dict[int, type[Message]]] = {message.opcode: message for message in MESSAGES}


def describe_kind(kind: FieldKind) -> str:
    """The kind of a field as one line: what the hash and the documents are made from."""
    if isinstance(kind, Choice | SetOf):
        members = ",".join(f"{member.name}={member.value}" for member in kind.type)
        return f"{type(kind).__name__}:{kind.code}:{kind.type.__name__}[{members}]"
    bounds = f":{kind.low}..{kind.high}" if isinstance(kind, Int) else ""
    return f"{type(kind).__name__}:{kind.code}:{kind.unit}{bounds}"


def definition() -> str:
    """The interface as canonical text: one line for each message and field, names and meanings apart."""
    lines = [f"version {PROTOCOL_VERSION}"]
    for message in MESSAGES:
        effect = message.effect.value if message.effect else "-"
        answer = f"{message.answer.opcode:#04x}" if message.answer else "-"
        lines.append(
            f"{message.opcode:#04x} {message.sender.value} {message.channel.value} {effect} {answer}"
        )
        lines += [f"  {name} {describe_kind(kind)}" for name, kind in layout(message).fields]
    return "\n".join(lines)


INTERFACE_HASH: Final = int.from_bytes(hashlib.sha256(definition().encode()).digest()[:8], "little")
