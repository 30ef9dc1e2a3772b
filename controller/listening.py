"""The socket on which the API listens: a unix socket that only its owner can open, or a TCP port."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

from controller.config import ApiConfig

_PATH_MAX = 107  # what the kernel's sockaddr_un holds, less the closing zero


class ListenError(Exception):
    """The API cannot listen where the configuration says; the text says why and what to do."""


def listen(config: ApiConfig) -> socket.socket:
    """The listening socket; raises ListenError."""
    return _unix(config.socket) if config.socket is not None else listen_tcp(config.host, config.port)


def _unix(path: Path) -> socket.socket:
    if len(os.fsencode(path)) > _PATH_MAX:
        raise ListenError(f"api.socket = {path} is longer than {_PATH_MAX} bytes: choose a shorter path")
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _clear_away(path)
        before = os.umask(0o177)  # from the first moment nobody else may connect
        try:
            listening.bind(str(path))
        finally:
            os.umask(before)
    except OSError as error:
        listening.close()
        text = f"api.socket = {path} cannot be made [{error.strerror}]"
        raise ListenError(f"{text}: check its folder") from error
    except ListenError:
        listening.close()
        raise
    listening.listen()
    return listening


def _clear_away(path: Path) -> None:
    """Remove the socket of a daemon that died; one that answers, or another kind of file, is left alone."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise ListenError(f"api.socket = {path} is a file of another kind: choose another path")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink(missing_ok=True)
            return
    raise ListenError(f"api.socket = {path}: another daemon answers there; stop it, or use another path")


def listen_tcp(host: str, port: int, table: str = "api") -> socket.socket:
    """A listening TCP socket; raises ListenError, which names the keys of this table of the configuration."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        text = f"{table}.host = {host!r} is no address of this machine [{error.strerror}]"
        raise ListenError(text) from error
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(address)
    except OSError as error:
        listening.close()
        text = f"{table}.port = {port} on {host} cannot be used [{error.strerror}]"
        raise ListenError(f"{text}: another program has it, or it is not allowed; choose another") from error
    listening.listen()
    return listening
