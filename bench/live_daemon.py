"""The daemon as it is, in a process that notes when bytes come from the laser and when samples go out.

Noted are the moment at which the port hands over the bytes whose Status makes a sample, and the moment at
which the system has taken the bytes of its PUBLISH: by the clock, and by the processor time of the thread
that does both, which what else the machine does changes less. At the end the differences are written down.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from time import monotonic_ns, thread_time_ns
from typing import Any, Final
from unittest.mock import patch

import paho.mqtt.client as paho

from controller.cli.main import main
from controller.fanout import Fanout, Kind
from hal.connection import Connection

MONO: Final = re.compile(rb'"mono_ns":(\d+)')


def run(file: str) -> None:
    """Be `picolase` with the arguments that are left, and write what was noted to `file`."""
    came_ns = (0, 0)
    began_ns: dict[int, tuple[int, int]] = {}  # by the sample's own time
    took_ns: list[tuple[int, int]] = []
    receive, tell, send = Connection._on_bytes, Fanout.tell, paho.Client._sock_send  # noqa: SLF001  # no other place

    def on_bytes(connection: Connection, data: bytes) -> None:
        nonlocal came_ns
        came_ns = monotonic_ns(), thread_time_ns()
        receive(connection, data)

    def on_tell(fanout: Fanout, kind: Kind, value: Mapping[str, Any]) -> None:
        if kind is Kind.TELEMETRY:
            began_ns[value["mono_ns"]] = came_ns
        tell(fanout, kind, value)

    def sock_send(client: paho.Client, data: bytes) -> int:
        sent = send(client, data)
        if b"/telemetry" in data[:100] and (found := MONO.search(data)):
            began = began_ns.pop(int(found[1]), None)
            if began is not None:
                took_ns.append((monotonic_ns() - began[0], thread_time_ns() - began[1]))
        return sent

    with (
        patch.object(Connection, "_on_bytes", on_bytes),
        patch.object(Fanout, "tell", on_tell),
        patch.object(paho.Client, "_sock_send", sock_send),
    ):
        try:
            main()
        finally:
            Path(file).write_text(json.dumps(took_ns), "utf-8")
