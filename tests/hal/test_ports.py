"""Real ports: pseudo-terminals, TCP, an RFC 2217 server, and everything that is no port."""

import asyncio
import os
import pty
import select
import socket
import threading
import tty
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import serial
from serial import rfc2217

from hal import ports
from hal.connection import Connection
from hal.errors import PortError, PortKind
from hal.memory_port import MemoryEnd, memory_pair
from hal.outcomes import Done, Uncertain
from hal.port import OUTPUT_MAX, Port
from hal.ports import list_ports, open_port
from hal.stopping import StopLevel
from protocols import requests as wire
from protocols.frame import Decoder, Frame
from protocols.messages import Beam, Heartbeat, Intent, Stop
from tests.hal.little_laser import LittleLaser, Witness, status

REAL_TIME = True
OLD_PYSERIAL = r"ignore:set(Daemon|Name)\(\) is deprecated:DeprecationWarning"  # 3.5, the newest there is
PATIENCE_S = 10  # how long an event may take on a slow shared core; nothing waits that long in vain


class PtyEnd:
    """The device's end of a real pty, in the running loop."""

    def __init__(self) -> None:
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        os.close(slave)
        os.set_blocking(self.master, False)
        self.on_bytes: Callable[[bytes], None] = lambda _: None
        self.loop = asyncio.get_running_loop()
        self.reading = False

    def thaw(self) -> None:
        self.reading = True
        self.loop.add_reader(self.master, self._read)

    def freeze(self) -> None:
        self.loop.remove_reader(self.master)

    def _read(self) -> None:
        try:
            data = os.read(self.master, 65536)
        except OSError:  # nobody has the other end open now: Linux says EIO until somebody has
            return
        self.on_bytes(data)

    def write(self, data: bytes) -> None:
        os.write(self.master, data)

    def close(self) -> None:
        if self.master >= 0:
            self.freeze()
            os.close(self.master)
            self.master = -1


class Heard:
    """Collects what a port delivers."""

    def __init__(self, port: Port) -> None:
        self.data = b""
        self.lost: asyncio.Future[PortError] = asyncio.get_running_loop().create_future()
        self.changed = asyncio.Event()
        port.start(self._take, self.lost.set_result)

    def _take(self, data: bytes) -> None:
        self.data += data
        self.changed.set()

    async def until(self, length: int) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            while len(self.data) < length:
                self.changed.clear()
                await self.changed.wait()
        return self.data


@pytest.fixture
async def line() -> AsyncIterator[PtyEnd]:
    with closing(PtyEnd()) as end:
        yield end


async def refusal(url: str, **options: int) -> PortError:
    with pytest.raises(PortError) as caught:
        (await open_port(url, **options)).close()
    assert caught.value.url == url
    return caught.value


# -- what is no port


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


async def test_a_memory_line_has_one_host_at_a_time_and_one_owner() -> None:
    with closing(memory_pair("one")):
        with pytest.raises(ValueError, match="not free"):
            memory_pair("one")
        first = await open_port("memory://one")
        assert (await refusal("memory://one")).kind is PortKind.BUSY
        first.close()
        (await open_port("memory://one")).close()
    with closing(memory_pair("one")):
        pass


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


# -- pseudo-terminals


async def test_bytes_go_both_ways_over_a_pty_and_all_256_of_them_unchanged(line: PtyEnd) -> None:
    everything = bytes(range(256)) * 4
    line.on_bytes = line.write  # echo
    line.thaw()
    port = await open_port(line.path)
    heard = Heard(port)
    port.write(everything)
    assert await heard.until(len(everything)) == everything
    port.close()
    port.close()
    port.write(b"after the end")
    assert not heard.lost.done()


async def test_a_pty_that_is_closed_is_lost_once_and_told(line: PtyEnd) -> None:
    port = await open_port(line.path)
    heard = Heard(port)
    line.close()
    async with asyncio.timeout(PATIENCE_S):
        error = await heard.lost
    assert error.kind is PortKind.LOST
    port.write(b"too late")
    port.discard_output()


async def test_a_frozen_reader_never_blocks_the_writer_and_is_lost_when_too_much_waits(line: PtyEnd) -> None:
    port = await open_port(line.path)
    heard = Heard(port)
    written = 0
    while not port._closed:
        assert written < 1_000_000
        port.write(b"x" * 1000)
        written += 1000
    assert written > OUTPUT_MAX
    async with asyncio.timeout(PATIENCE_S):
        error = await heard.lost
    assert error.kind is PortKind.FROZEN


async def test_a_slow_reader_gets_everything_in_order(line: PtyEnd) -> None:
    port = await open_port(line.path)
    Heard(port)
    written = bytearray()
    for number in range(6_000):  # until the kernel takes no more, and a little further
        if len(port._out) > 14_000:  # type: ignore[attr-defined]  # an FdPort
            break
        piece = number.to_bytes(4, "little") * 5
        port.write(piece)
        written += piece
    arrived, complete = bytearray(), asyncio.Event()

    def take(data: bytes) -> None:
        arrived.extend(data)
        if len(arrived) >= len(written):
            complete.set()

    line.on_bytes = take
    line.thaw()
    async with asyncio.timeout(PATIENCE_S):
        await complete.wait()
    assert arrived == written
    assert len(written) > 14_000
    port.close()


async def test_a_write_to_a_pty_that_is_gone_is_a_loss_too(line: PtyEnd) -> None:
    port = await open_port(line.path)
    heard = Heard(port)
    line.close()
    port.write(b"x")  # before anything was read
    assert not heard.lost.done()  # told from the loop, not from within the call
    async with asyncio.timeout(PATIENCE_S):
        assert (await heard.lost).kind is PortKind.LOST


async def test_what_is_discarded_does_not_come_and_what_is_written_next_does(line: PtyEnd) -> None:
    port = await open_port(line.path)
    Heard(port)
    for _ in range(30):
        port.write(b"x" * 1000)
    port.discard_output()
    port.write(b"STOP")
    arrived = bytearray()
    got = asyncio.Event()

    def take(data: bytes) -> None:
        arrived.extend(data)
        if arrived.endswith(b"STOP"):
            got.set()

    line.on_bytes = take
    line.thaw()
    async with asyncio.timeout(PATIENCE_S):
        await got.wait()
    assert len(arrived) < 8192  # at most what the line discipline held of 30,000
    port.close()


async def test_a_laser_on_a_pty_obeys_and_a_pty_closed_in_mid_series_leaves_no_doubt_unsaid(
    line: PtyEnd,
) -> None:
    laser, witness = LittleLaser(line), Witness()
    line.thaw()
    connection = Connection(await open_port(line.path), witness.hooks)
    await connection.open()
    for index in range(3):
        mode = await connection.request(wire.ReadMode(index), wire.Mode)
        assert isinstance(mode, Done)
    assert isinstance(await connection.request(wire.Standby(), wire.Reply), Done)
    result = await connection.stop()
    assert (result.level, result.confirmed) == (StopLevel.STOP, True)
    laser.silent_on = {wire.Arm}
    asked = asyncio.get_running_loop().create_future()
    laser.on_asked = asked.set_result
    arming = asyncio.ensure_future(connection.request(wire.Arm(1, 1, Beam.APERTURE), wire.Reply))
    async with asyncio.timeout(PATIENCE_S):
        await asked
    line.close()
    assert isinstance(await arming, Uncertain)
    async with asyncio.timeout(PATIENCE_S):
        assert (await connection.ended()).kind is PortKind.LOST
    assert len(witness.downs) == 1


async def test_a_stop_overtakes_a_frozen_pty(line: PtyEnd) -> None:
    laser, witness = LittleLaser(line), Witness()
    line.thaw()
    connection = Connection(await open_port(line.path), witness.hooks)
    await connection.open()
    laser.tell(status())
    line.freeze()
    loop = asyncio.get_running_loop()
    began = loop.time()
    for _ in range(900):  # about 20 kB: more than the kernel takes
        connection.send(Heartbeat(1, Intent.PERMIT))
    stopping = connection.stop()
    assert loop.time() - began < 0.4  # and not as long as the line is frozen
    before = len(laser.received)
    line.thaw()
    result = await stopping
    assert result.confirmed
    found = [f.message for f in Decoder().feed(bytes(laser.received)[before:]) if isinstance(f, Frame)]
    assert isinstance(found[-1], Stop)
    assert len(found) < 300
    connection.close()


async def test_a_request_that_a_stop_dropped_in_the_kernel_does_not_end_the_session(line: PtyEnd) -> None:
    laser, witness = LittleLaser(line), Witness()
    line.thaw()
    connection = Connection(await open_port(line.path), witness.hooks)
    await connection.open()
    line.freeze()
    for _ in range(300):  # about 7 kB: more than the reader's end holds, less than the line does
        connection.send(Heartbeat(1, Intent.IDLE))
    arming = asyncio.ensure_future(connection.request(wire.Arm(1, 0, Beam.APERTURE), wire.Reply))
    await asyncio.sleep(0)  # it is written
    sent = connection.counters.bytes_sent
    stopping = connection.stop()
    assert connection.counters.bytes_sent > sent
    assert isinstance(await arming, Uncertain)
    line.thaw()
    assert (await stopping).confirmed
    assert isinstance(await connection.request(wire.ReadIdentity(), wire.Identity), Done)
    assert [request for request in laser.asked if not isinstance(request, wire.Arm)][
        -1
    ] == wire.ReadIdentity()
    assert laser.sessions == 1
    assert witness.downs == []
    connection.close()


# -- networks


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


def test_a_memory_line_belongs_to_its_loop_whatever_others_left_behind() -> None:
    async def lay(name: str) -> MemoryEnd:
        return memory_pair(name)

    async def look() -> str:
        with closing(memory_pair("one")):
            (await open_port("memory://one")).close()
            return str(await refusal("memory://two"))

    left = [asyncio.run(lay(name)) for name in ("one", "two")]
    try:
        said = asyncio.run(look())
    finally:
        for end in left:
            end.close()
    assert "there are: one)" in said
