"""A folder for each test's processes, checked at the end: nothing of them may be left."""

import asyncio
import shutil
import socket
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.processes import leftovers
from tests.processes.rig import MARK, Rig
from tests.processes.template import make_template


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short path (sockets allow 107 bytes); no process, socket, lock or link may be left in it."""
    mark = uuid.uuid4().hex
    monkeypatch.setenv(MARK, mark)  # every process inherits it, however it was started
    made = Path(tempfile.mkdtemp(prefix="pk-"))
    yield made
    left = leftovers.of(made, mark)
    shutil.rmtree(made, ignore_errors=True)
    assert not left, f"the test left behind: {left}"


@pytest.fixture(scope="session")
def template() -> Iterator[Path]:
    """The memory of a calibrated laser and the database of a daemon that saw its first pulse."""
    made = Path(tempfile.mkdtemp(prefix="pk-"))
    asyncio.run(make_template(made))
    yield made
    shutil.rmtree(made)


@pytest.fixture
async def rig(folder: Path, template: Path) -> AsyncIterator[Rig]:
    """A stack whose laser is calibrated; nothing runs yet."""
    async with Rig(folder, template) as made:
        yield made


@pytest.fixture
def free_port() -> int:
    """A port of this machine on which nobody listens just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
