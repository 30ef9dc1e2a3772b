"""Ports over a network: plain TCP, and a server that speaks RFC 2217."""

import asyncio
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import serial
from serial import rfc2217

from hal.connection import Connection
from hal.errors import PortKind
from hal.outcomes import Done
from hal.ports import open_port
from protocols import requests as wire
from tests.hal.little_laser import LittleLaser, Witness
from tests.hal.peers import PATIENCE_S, Heard, refusal

REAL_TIME = True
OLD_PYSERIAL = r"ignore:set(Daemon|Name)\(\) is deprecated:DeprecationWarning"  # 3.5, the newest there is


@contextmanager
def listening() -> Iterator[tuple[socket.socket, int]]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server, server.getsockname()[1]


async def test_a_tcp_port_where_nothing_listens_is_refused_and_an_unknown_host_absent() -> None:
    with listening() as (_, number):
        pass
    assert (await refusal(f"socket://127.0.0.1:{number}")).kind is PortKind.REFUSED
    assert (await refusal(f"rfc2217://127.0.0.1:{number}")).kind is PortKind.REFUSED
    assert (await refusal("socket://no-such-host.invalid:5000")).kind is PortKind.ABSENT


async def test_a_laser_over_tcp_obeys_and_a_closed_socket_is_lost() -> None:
    with listening() as (server, number):
        port = await open_port(f"socket://127.0.0.1:{number}")
        peer, _ = server.accept()
        peer.setblocking(False)
        loop = asyncio.get_running_loop()

        class End:
            on_bytes: Callable[[bytes], None]

            def write(self, data: bytes) -> None:
                peer.sendall(data)

        end = End()
        laser = LittleLaser(end)
        loop.add_reader(peer, lambda: end.on_bytes(peer.recv(65536)))
        witness = Witness()
        connection = Connection(port, witness.hooks)
        await connection.open()
        assert isinstance(await connection.request(wire.ReadIdentity(), wire.Identity), Done)
        assert (await connection.stop()).confirmed
        assert len(laser.stops) == 1
        loop.remove_reader(peer)
        peer.close()
        async with asyncio.timeout(PATIENCE_S):
            assert (await connection.ended()).kind is PortKind.LOST


async def test_a_frozen_tcp_peer_never_blocks_and_is_lost() -> None:
    with listening() as (server, number):
        port = await open_port(f"socket://127.0.0.1:{number}")
        peer, _ = server.accept()
        heard = Heard(port)
        for _ in range(30_000):
            port.write(b"x" * 1000)
            if port._closed:
                break
        async with asyncio.timeout(PATIENCE_S):
            assert (await heard.lost).kind is PortKind.FROZEN
        peer.close()


class Rfc2217Server(threading.Thread):
    """One client of a real RFC 2217 server, whose serial line is a small laser."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.server = socket.create_server(("127.0.0.1", 0))
        self.number = self.server.getsockname()[1]
        self.peer: socket.socket | None = None
        self.on_bytes: Callable[[bytes], None] = lambda _: None
        self.laser = LittleLaser(self)
        self.line = serial.serial_for_url("loop://", timeout=0)
        self.manager: rfc2217.PortManager | None = None
        self.hang_up = threading.Event()

    def write(self, data: bytes) -> None:  # from the laser to the host
        assert self.manager
        assert self.peer
        self.peer.sendall(b"".join(self.manager.escape(data)))

    def run(self) -> None:
        peer, _ = self.server.accept()
        self.peer = peer
        lock = threading.Lock()

        class Connection:
            def write(self, data: bytes) -> None:
                with lock:
                    peer.sendall(data)

        self.manager = rfc2217.PortManager(self.line, Connection())  # type: ignore[arg-type]  # stubs too narrow
        while not self.hang_up.is_set():
            if not select.select([peer], [], [], 0.01)[0]:
                continue
            if not (data := peer.recv(1024)):
                break
            self.on_bytes(b"".join(self.manager.filter(data)))
        peer.close()
        self.server.close()
        self.line.close()


@pytest.mark.filterwarnings(OLD_PYSERIAL)
async def test_a_laser_behind_an_rfc2217_server_obeys_and_its_loss_is_told() -> None:
    server = Rfc2217Server()
    server.start()
    port = await open_port(f"rfc2217://127.0.0.1:{server.number}", baud=57_600)
    assert server.line.baudrate == 57_600
    witness = Witness()
    connection = Connection(port, witness.hooks)
    await connection.open()
    identity = await connection.request(wire.ReadIdentity(), wire.Identity)
    assert isinstance(identity, Done)
    for index in range(3):
        assert isinstance(await connection.request(wire.ReadMode(index), wire.Mode), Done)
    assert (await connection.stop()).confirmed
    server.hang_up.set()
    async with asyncio.timeout(PATIENCE_S):
        assert (await connection.ended()).kind is PortKind.LOST
    await asyncio.to_thread(server.join)


@pytest.mark.filterwarnings(OLD_PYSERIAL)
async def test_a_tcp_server_that_does_not_speak_rfc2217_is_told_apart() -> None:
    with listening() as (_, number):
        error = await refusal(f"rfc2217://127.0.0.1:{number}?timeout=0.05")
        assert error.kind is PortKind.REFUSED
        assert "socket://" in error.action
