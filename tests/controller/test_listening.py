"""The socket of the API: private from its first moment, never taken from a daemon that lives."""

import os
import socket
import stat
from pathlib import Path

import pytest

from controller.config import ApiConfig
from controller.listening import ListenError, listen


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A path short enough for a socket, wherever the tests' folder is."""
    monkeypatch.chdir(tmp_path)
    return Path("api.sock")


def at(path: Path) -> ApiConfig:
    return ApiConfig.model_construct(socket=path)


def test_only_its_owner_may_connect(path: Path) -> None:
    with listen(at(path)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))


def test_the_process_umask_is_as_before(path: Path) -> None:
    before = os.umask(0o022)
    try:
        with listen(at(path)):
            assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)


def test_its_folder_is_made(path: Path) -> None:
    with listen(at(path.parent / "a" / "b" / "s")):
        assert (path.parent / "a" / "b" / "s").is_socket()
        for folder in (path.parent / "a", path.parent / "a" / "b"):
            assert folder.stat().st_mode & stat.S_IXUSR  # or nobody but root could use it


def test_the_socket_of_a_daemon_that_died_is_replaced(path: Path) -> None:
    listen(at(path)).close()  # a dead daemon removes nothing
    assert path.is_socket()
    with listen(at(path)), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_a_daemon_that_answers_keeps_its_socket(path: Path) -> None:
    with listen(at(path)):
        inode = path.stat().st_ino
        with pytest.raises(ListenError, match="another daemon answers there"):
            listen(at(path))
        assert path.stat().st_ino == inode


def test_another_kind_of_file_is_left_alone(path: Path) -> None:
    path.write_text("precious")
    with pytest.raises(ListenError, match="a file of another kind"):
        listen(at(path))
    assert path.read_text() == "precious"


def test_a_path_that_is_too_long_is_told_with_the_limit(path: Path) -> None:
    with pytest.raises(ListenError, match="longer than 107 bytes"):
        listen(at(path.parent / ("x" * 108)))


def test_a_folder_that_cannot_be_made_is_told(path: Path) -> None:
    path.write_text("a file, not a folder")
    with pytest.raises(ListenError):
        listen(at(path / "sub" / "s"))


def test_a_tcp_port_in_use_is_told_and_one_that_is_free_listens() -> None:
    with listen(ApiConfig.model_construct(socket=None, host="127.0.0.1", port=0)) as first:
        port = first.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), timeout=50):
            pass
        with pytest.raises(ListenError, match=f"api.port = {port}"):
            listen(ApiConfig.model_construct(socket=None, host="127.0.0.1", port=port))


def test_a_host_that_is_no_address_here_is_told() -> None:
    with pytest.raises(ListenError, match="api"):
        listen(ApiConfig.model_construct(socket=None, host="no.such.host.invalid", port=0))
    with pytest.raises(ListenError, match="api"):
        listen(ApiConfig.model_construct(socket=None, host="192.0.2.1", port=0))
