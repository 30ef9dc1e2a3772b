"""Logs: one format for everything the program and its libraries say."""

import logging
import logging.handlers
import sys
from collections.abc import Callable, MutableMapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TextIO

import structlog

from controller.store import rfc3339

LogFormat = Literal["human", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]

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
