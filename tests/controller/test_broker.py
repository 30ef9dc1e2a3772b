"""The embedded broker: what it delivers and keeps, and the program around it."""

import asyncio
import importlib.metadata
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from aiomqtt.exceptions import MqttConnectError

from controller.broker import BrokerError, embedded_broker

COMMAND = [sys.executable, "-W", "error", "-m", "controller.broker"]


async def test_what_is_published_arrives_and_what_is_retained_is_kept() -> None:
    async with asyncio.timeout(50), embedded_broker() as port, aiomqtt.Client("127.0.0.1", port) as client:
        await client.publish("a/kept", b"1", qos=1, retain=True)
        await client.subscribe("a/#", qos=1)
        await client.publish("a/live", b"2", qos=1)
        got = [await anext(client.messages) for _ in range(2)]
        assert {(str(m.topic), m.payload, m.retain) for m in got} == {
            ("a/kept", b"1", True),
            ("a/live", b"2", False),
        }


async def test_a_client_that_sends_rubbish_or_vanishes_harms_nobody() -> None:
    async with asyncio.timeout(50), embedded_broker() as port:
        for rubbish in (b"", b"\x00" * 50, b"GET / HTTP/1.1\r\n\r\n", b"\x10\x0c\x00\x04MQ", b"\xff" * 9):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(rubbish)
            writer.close()
            await writer.wait_closed()
        async with aiomqtt.Client("127.0.0.1", port) as client:
            await client.publish("a", b"1", qos=1)


@pytest.mark.parametrize("last_words", [b"\xe0\x00", b""])  # DISCONNECT, and a connection that just ends
async def test_what_was_acknowledged_arrives_though_its_publisher_left_at_once(last_words: bytes) -> None:
    async with asyncio.timeout(50), embedded_broker() as port, aiomqtt.Client("127.0.0.1", port) as watcher:
        await watcher.subscribe("a/#", qos=1)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(bytes.fromhex("100d 0004 4d515454 04 02 0000 0001 7a"))  # CONNECT as "z"
        assert await reader.readexactly(4) == bytes.fromhex("20020000")
        publishes = (b"\x32\x09\x00\x05a/%03d" % n + (n + 1).to_bytes(2, "big") for n in range(300))
        writer.write(b"".join(publishes) + last_words)
        writer.write_eof()
        acknowledged = len(await reader.read()) // 4
        writer.close()
        await writer.wait_closed()
        assert acknowledged > 0
        got = [str((await anext(watcher.messages)).topic) for _ in range(acknowledged)]
        assert got == [f"a/{n:03d}" for n in range(acknowledged)]


async def test_the_broker_listens_on_the_loopback_interface_only() -> None:
    async with asyncio.timeout(50), embedded_broker() as port:
        tables = ("/proc/net/tcp", "/proc/net/tcp6")
        listening = "".join(Path(table).read_text() for table in tables)  # noqa: ASYNC240  # no disk behind them
        ours = [line.split()[1] for line in listening.splitlines() if f":{port:04X} 00000000:0000 0A" in line]
        assert ours == [f"0100007F:{port:04X}"]


async def test_a_port_in_use_is_named_with_what_to_do() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(BrokerError, match=rf"127\.0\.0\.1:{port}.*another program has the port.*or 0"):
            async with embedded_broker(port):
                pass


@pytest.mark.parametrize(
    ("version", "words"),
    [(None, "needs amqtt, which is missing"), ("0.11.3", "0.11.3 is too old, 0.12.1"), ("0.12.0", "too old")],
)
async def test_a_missing_or_old_amqtt_comes_with_the_line_that_installs_it(
    version: str | None, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(_: str) -> str:
        if version is None:
            raise importlib.metadata.PackageNotFoundError
        return version

    monkeypatch.setattr(importlib.metadata, "version", answer)
    with pytest.raises(BrokerError, match=rf"{words}.*python -m pip install 'picolase\[demo\]'"):
        async with embedded_broker():
            pass


@pytest.mark.processes
async def test_the_program_tells_its_port_in_one_line_and_ends_with_its_standard_input() -> None:
    async with asyncio.timeout(50):
        program = await asyncio.create_subprocess_exec(
            *COMMAND, "--until-stdin-closes", stdin=-1, stdout=-1, stderr=-1
        )
        assert program.stdin is not None
        assert program.stdout is not None
        told: dict[str, Any] = json.loads(await program.stdout.readline())
        assert (told["event"], told["host"], told["pid"]) == ("listening", "127.0.0.1", program.pid)
        with pytest.raises(MqttConnectError):  # MQTT 5 is beyond it
            async with aiomqtt.Client("127.0.0.1", told["port"], protocol=aiomqtt.ProtocolVersion.V5):
                pass
        async with aiomqtt.Client("127.0.0.1", told["port"]) as client:
            await client.publish("a", b"1", qos=1)
            program.stdin.write(b"not the end\n")
            await client.publish("a", b"2", qos=1)
            program.stdin.close()
            out, err = await program.communicate()
            with pytest.raises(aiomqtt.MqttError):
                await anext(client.messages)
        assert (program.returncode, out, err) == (0, b"", b"")


@pytest.mark.processes
async def test_the_program_ends_on_a_signal_and_says_so_by_its_status() -> None:
    async with asyncio.timeout(50):
        program = await asyncio.create_subprocess_exec(*COMMAND, stdin=-3, stdout=-1, stderr=-1)
        assert program.stdout is not None
        await program.stdout.readline()
        program.terminate()
        _, err = await program.communicate()
        assert (program.returncode, err) == (0, b"")


@pytest.mark.processes
def test_the_program_refuses_a_port_in_use_in_one_clear_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [*COMMAND, "--port", port], capture_output=True, text=True, timeout=50, check=False
        )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: the embedded broker cannot listen on 127.0.0.1:")
    assert done.stderr.count("\n") == 1
