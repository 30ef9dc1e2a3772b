"""What is no port, and why."""

import asyncio
import os
import threading
from pathlib import Path

import pytest
import serial

from hal import ports
from hal.errors import PortError, PortKind
from hal.ports import list_ports, open_port
from tests.hal.peers import PATIENCE_S, refusal
from tests.hal.pty_end import PtyEnd

REAL_TIME = True


@pytest.mark.parametrize(
    "url",
    [
        "",
        "tcp://host:1",
        "socket://",
        "socket://host",
        "socket://:5000",
        "socket://host:0",
        "socket://host:99999",
        "socket://host:x",
        "rfc2217://host",
        "memory://",
        "loop://",
    ],
)
async def test_a_name_that_is_no_port_is_told_with_the_forms_that_are(url: str) -> None:
    error = await refusal(url)
    assert error.kind is PortKind.NAME
    for form in ("/dev/", "socket://host:port", "rfc2217://host:port", "memory://name"):
        assert form in error.action


@pytest.mark.parametrize("baud", [0, -1, 5_000_000])
async def test_an_impossible_baud_rate_is_refused(baud: int, line: PtyEnd) -> None:
    error = await refusal(line.path, baud=baud)
    assert error.kind is PortKind.BAUD
    assert str(baud) in error.text


async def test_a_port_that_is_absent_says_so(tmp_path: Path) -> None:
    error = await refusal(str(tmp_path / "ttyUSB0"))
    assert error.kind is PortKind.ABSENT
    assert "picolase ports" in error.action
    (tmp_path / "laser0").symlink_to("/dev/pts/99999")  # what a dead simulator leaves behind
    assert (await refusal(str(tmp_path / "laser0"))).kind is PortKind.ABSENT
    unknown = await refusal("memory://nowhere")
    assert unknown.kind is PortKind.ABSENT


async def test_what_is_no_serial_port_says_so(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("precious")
    for path in (tmp_path / "notes.txt", tmp_path, Path("/dev/null")):
        assert (await refusal(str(path))).kind is PortKind.NOT_SERIAL
    assert (tmp_path / "notes.txt").read_text() == "precious"


async def test_a_port_without_permission_names_the_group_to_join(line: PtyEnd) -> None:
    if os.geteuid() != 0:  # anybody can have no permission to a file of their own
        os.chmod(line.path, 0)
        error = await refusal(line.path)
    else:
        os.chmod(line.path, 0o600)
        os.chown(line.path, 0, 0)
        os.seteuid(65534)
        try:
            error = await refusal(line.path)
        finally:
            os.seteuid(0)
    assert error.kind is PortKind.PERMISSION
    assert "usermod -a -G" in error.action
    if os.geteuid() == 0:
        assert "dialout" in error.action


async def test_a_second_opener_is_told_that_the_port_is_busy(line: PtyEnd) -> None:
    first = await open_port(line.path)
    error = await refusal(line.path)
    assert error.kind is PortKind.BUSY
    assert f"fuser -v {line.path}" in error.action
    first.close()
    (await open_port(line.path)).close()  # and free again at once


async def test_a_port_held_by_another_process_is_busy(line: PtyEnd) -> None:
    with serial.Serial(line.path, exclusive=True):
        assert (await refusal(line.path)).kind is PortKind.BUSY


async def test_a_port_that_does_not_open_in_time_is_given_up_and_closed_when_it_opens_late(
    line: PtyEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    late, real = threading.Event(), serial.Serial

    def slow(*args: object, **options: object) -> serial.Serial:
        late.wait(PATIENCE_S)
        return real(*args, **options)  # type: ignore[arg-type]  # handed on as they came

    monkeypatch.setattr(serial, "Serial", slow)
    monkeypatch.setattr(slow, "close", real.close, raising=False)
    monkeypatch.setattr(ports, "OPEN_S", 0.02)
    assert (await refusal(line.path)).kind is PortKind.TIMEOUT
    late.set()
    monkeypatch.undo()
    async with asyncio.timeout(PATIENCE_S):
        while True:  # it opens and is closed in a thread: until then it is busy, and then free
            try:
                (await open_port(line.path)).close()
                break
            except PortError as error:
                assert error.kind is PortKind.BUSY  # noqa: PT017 - either is right until it is free


def test_the_ports_of_the_machine_are_listed_by_name() -> None:
    listed = list_ports()
    assert list(listed) == sorted(listed, key=lambda port: port.url)
    assert all(port.url.startswith("/dev/") for port in listed)
