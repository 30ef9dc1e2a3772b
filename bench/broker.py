"""A mosquitto of our own on the loopback interface, where one is installed."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

HOST: Final = "127.0.0.1"
FIRST_PORTS: Final = range(21_883, 21_893)
ABSENT: Final = "left out: no mosquitto; apt-get install mosquitto"


def program() -> str | None:
    """Where mosquitto is; distributions keep it where only root looks."""
    return shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


@contextlib.contextmanager
def serving(program: str, folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A broker on the loopback interface, and its port."""
    user = pwd.getpwuid(os.getuid()).pw_name  # started by root it would become another user
    for port in FIRST_PORTS:
        config = folder / "mosquitto.conf"
        config.write_text(
            f"listener {port} {HOST}\nallow_anonymous true\npersistence false\nuser {user}\n"
            "set_tcp_nodelay true\nlog_dest stderr\nconnection_messages false\n",
            "utf-8",
        )
        with subprocess.Popen([program, "-c", str(config)], stderr=subprocess.PIPE) as broker:  # noqa: S603
            assert broker.stderr is not None
            lines = iter(broker.stderr.readline, b"")
            if any(b" running" in line for line in lines):
                try:
                    yield broker, port
                finally:
                    broker.terminate()
                    broker.stderr.read()
                return
    raise RuntimeError(f"mosquitto could not listen on any of {FIRST_PORTS}")
