"""The control of the targets: with a seeded defect each is broken by inputs that it holds without."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from controller import audit_export, client, incident, plans
from controller.operators import Logins
from controller.tomlfile import Problem, TomlError
from protocols import device_link, frame, host_link, timing
from protocols.frame import DELIMITER, Frame, encode
from protocols.messages import Stop
from protocols.scpi import Console
from rig import recording
from safety import checkpoints
from sim_device import hands
from sim_device.firmware.comms import Comms
from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS

Defect = Callable[[pytest.MonkeyPatch], None]


def patched(where: Any, name: str, value: Any) -> Defect:
    return lambda patch: patch.setattr(where, name, value)


def after(where: Any, name: str, change: Callable[[Any], Any]) -> Defect:
    """What `name` gives, changed."""
    real = getattr(where, name)

    def defect(*given: Any, **named: Any) -> Any:
        return change(real(*given, **named))

    return patched(where, name, defect)


def raising(error: Exception) -> Callable[..., Any]:
    def defect(*_: Any, **__: Any) -> Any:
        raise error

    return defect


def _acts_again(self: Any, seq: int, request: Any) -> list[Any]:
    self._asking = True
    return [device_link.Asked(request)]


def _anybody(self: Any, token: str | None, role: Any, **_: Any) -> Any:
    return next(iter(self._logins.values())).operator


SPOILT = bytearray(encode(Frame(1, 1, Stop(7))))
SPOILT[-3] ^= 1

DEFECTS: list[tuple[str, Defect, list[bytes]]] = [
    ("frames", patched(frame, "crc32", lambda _: frame._CRC_RESIDUE), [b"\0" + bytes(SPOILT)]),
    ("frames", patched(frame, "ENCODED_MAX", 10**9), [b"\x05" + b"\x55" * 600]),
    ("payloads", after(frame.Decoder, "feed", lambda found: found[:-1]), []),
    ("device_link", patched(device_link.DeviceLink, "_take_request", _acts_again), []),
    ("host_link", patched(timing, "STOP_UNCONFIRMED_US", 10**12), []),
    ("host_link", after(host_link.HostLink, "_abandon_all", lambda events: events[:0]), []),
    ("line", patched(device_link.DeviceLink, "_take_request", _acts_again), []),
    ("plan", patched(plans, "parse", raising(KeyError("beam"))), []),
    ("plan", patched(plans, "parse", raising(TomlError("f", [Problem("a", object(), "", "")]))), []),
    ("recording", patched(recording, "_json", lambda *_: raising(RecursionError())()), []),
    ("audit_export", patched(audit_export, "line_of", lambda _: ""), []),
    ("audit_export", after(audit_export, "_entry", lambda _: None), []),
    ("checkpoint", patched(checkpoints, "_signed", lambda _: True), []),
    ("incident", after(incident, "_stops_sent", lambda steps: [next(iter(steps), None)] * 2), []),
    ("mqtt", patched(json, "loads", raising(RuntimeError())), []),
    ("answers", patched(client, "_listed", lambda told: told), []),
    ("daemon_api", patched(Logins, "require", _anybody), []),
    ("simulator_api", patched(hands.Hands, "truth", raising(ZeroDivisionError())), []),
    ("console", patched(Console, "_note", lambda self, error: None), []),
    ("device", patched(Comms, "stop", lambda self, **_: None), []),
]


def run_all(target: Target, inputs: list[bytes]) -> None:
    for data in inputs:
        target.run(data)


@pytest.mark.parametrize(
    ("name", "defect", "inputs"), DEFECTS, ids=[f"{number}-{one[0]}" for number, one in enumerate(DEFECTS)]
)
def test_a_defect_breaks_its_target(
    monkeypatch: pytest.MonkeyPatch, name: str, defect: Defect, inputs: list[bytes]
) -> None:
    target = TARGETS[name]
    known = inputs or list(target.seeds())
    with target.around():
        run_all(target, inputs)  # holds without the defect
        with monkeypatch.context() as patch:
            defect(patch)
            frame._decoded.cache_clear()
            with pytest.raises(Exception):  # noqa: B017, PT011 - whatever the promise fails with
                run_all(target, known)
        frame._decoded.cache_clear()


def test_every_kind_of_target_has_a_control() -> None:
    controlled = {name for name, _, _ in DEFECTS}
    assert len(controlled) >= 12
    assert DELIMITER == b"\0"
