"""Logs: one format for everything the program and its libraries say."""

import contextlib
import logging
import logging.handlers
import queue
import sys
import threading
from collections.abc import Callable, Iterator, MutableMapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TextIO

import structlog

from controller.store import rfc3339

LogFormat = Literal["human", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]

FLUSH_S = 2.0  # [C] a terminal that takes nothing must not keep the program from ending
_EVENT_WIDTH = 40  # [C] Aligns the values of most of our messages on a console of 120 columns.
_SECRETS = frozenset({"password", "token", "password_hash", "authorization"})


def configure_logs(
    log_format: LogFormat,
    level: LogLevel,
    *,
    wall_clock: Callable[[], datetime],
    stream: TextIO | None = None,
    file: Path | None = None,
) -> None:
    """Send all logs to `file`, else to `stream`, else to standard error; calling again replaces what was set.

    `human` is one aligned line for each event, `json` one JSON object. Raise OSError if the file cannot be
    opened.
    """
    if file is not None:
        # Goes on in a new file after logrotate has moved the old one.
        handler: logging.Handler = logging.handlers.WatchedFileHandler(file, encoding="utf-8")
    else:
        handler = logging.StreamHandler(stream if stream is not None else sys.stderr)

    def stamp(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["timestamp"] = rfc3339(wall_clock())
        return event

    for_all: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        stamp,
        _hide_secrets,
    ]
    if log_format == "json":
        last: list[structlog.typing.Processor] = [
            structlog.processors.dict_tracebacks,
            structlog.processors.JSONRenderer(),
        ]
    else:
        last = [
            _on_one_line,
            structlog.dev.ConsoleRenderer(
                colors=False,
                pad_event_to=_EVENT_WIDTH,
                exception_formatter=structlog.dev.plain_traceback,
            ),
        ]
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*for_all, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *for_all,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(level.upper())


@contextlib.contextmanager
def in_background() -> Iterator[None]:
    """Write what is logged from a thread of its own: a stopped terminal or a full pipe holds up no caller.

    At the end everything is written, as far as it can be within `FLUSH_S`.
    """
    root = logging.getLogger()
    handlers = root.handlers[:]
    waiting: queue.SimpleQueue[logging.LogRecord | None] = queue.SimpleQueue()

    def write() -> None:
        while (record := waiting.get()) is not None:
            for handler in handlers:
                handler.handle(record)

    writer = threading.Thread(target=write, name="logs", daemon=True)
    root.handlers = [_Queued(waiting)]
    writer.start()
    try:
        yield
    finally:
        root.handlers = handlers
        waiting.put(None)
        writer.join(FLUSH_S)


class _Queued(logging.Handler):
    """Hands records over as they are; `logging.handlers.QueueHandler` would format them here."""

    def __init__(self, waiting: queue.SimpleQueue[logging.LogRecord | None]) -> None:
        super().__init__()
        self._waiting = waiting

    def emit(self, record: logging.LogRecord) -> None:
        """Never waits: the queue has no bound, and a program that logs without end has ended otherwise."""
        self._waiting.put(record)


def _hide_secrets(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name in _SECRETS & event.keys():
        event[name] = "***"
    return event


def _on_one_line(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Escape control characters of the message: text from a wire must not be able to forge a line."""
    event["event"] = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in str(event.get("event", ""))
    )
    return event
