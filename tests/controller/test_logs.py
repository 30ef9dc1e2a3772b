"""Logs: one line for each event, from us and from libraries, in two formats."""

import io
import json
import logging
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog

from controller.logs import LogFormat, LogLevel, configure_logs, in_background

NOW = datetime(2026, 3, 4, 5, 6, 7, 89, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    # pytest's own handlers must not be closed.
    root.handlers = []
    yield
    for handler in root.handlers:
        handler.close()
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def configured(log_format: LogFormat, level: LogLevel = "info") -> io.StringIO:
    stream = io.StringIO()
    configure_logs(log_format, level, wall_clock=lambda: NOW, stream=stream)
    return stream


def test_json_lines_carry_time_level_logger_and_values() -> None:
    stream = configured("json")
    structlog.get_logger("controller.daemon").warning("link lost", port="/dev/ttyUSB0", age_ms=301)
    assert json.loads(stream.getvalue()) == {
        "timestamp": "2026-03-04T05:06:07.000089Z",
        "level": "warning",
        "logger": "controller.daemon",
        "event": "link lost",
        "port": "/dev/ttyUSB0",
        "age_ms": 301,
    }


def test_what_libraries_log_looks_the_same() -> None:
    stream = configured("json")
    logging.getLogger("aiomqtt").error("broker %s gone", "b1", extra={"attempt": 3})
    told = json.loads(stream.getvalue())
    assert (told["event"], told["logger"], told["level"]) == ("broker b1 gone", "aiomqtt", "error")
    assert told["attempt"] == 3
    assert told["timestamp"] == "2026-03-04T05:06:07.000089Z"


def test_lines_for_people_are_aligned() -> None:
    stream = configured("human")
    structlog.get_logger("a").info("armed", session="s1")
    structlog.get_logger("a").warning("interlock opened", name="door")
    first, second = stream.getvalue().splitlines()
    assert first.startswith("2026-03-04T05:06:07.000089Z [info     ] armed ")
    assert first.index("[a]") == second.index("[a]")
    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize("log_format", ["human", "json"])
def test_text_from_outside_cannot_forge_a_line(log_format: LogFormat) -> None:
    stream = configured(log_format)
    evil = "hello\n2026 [info] all is well\x1b[2J"
    structlog.get_logger().info(evil, said=evil)
    logging.getLogger("lib").info(evil)
    assert len(stream.getvalue().splitlines()) == 2
    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize("log_format", ["human", "json"])
def test_secrets_are_not_written(log_format: LogFormat) -> None:
    stream = configured(log_format)
    structlog.get_logger().info("login", name="ann", password="correct horse", token="abc123")
    assert "ann" in stream.getvalue()
    assert "correct horse" not in stream.getvalue()
    assert "abc123" not in stream.getvalue()


@pytest.mark.parametrize("log_format", ["human", "json"])
def test_an_exception_is_told_with_its_trace(log_format: LogFormat) -> None:
    stream = configured(log_format)
    try:
        raise RuntimeError("boom")
    except RuntimeError:
        structlog.get_logger().exception("task ended")
    assert "boom" in stream.getvalue()
    assert "test_logs.py" in stream.getvalue()


LEVELS: list[LogLevel] = ["debug", "info", "warning", "error"]


@pytest.mark.parametrize("level", LEVELS)
def test_what_is_less_important_than_the_level_is_left_out(level: LogLevel) -> None:
    stream = configured("json", level)
    for name in LEVELS:
        getattr(structlog.get_logger(), name)("ours " + name)
        getattr(logging.getLogger("lib"), name)("theirs " + name)
    told = [json.loads(line)["event"] for line in stream.getvalue().splitlines()]
    expected = LEVELS[LEVELS.index(level) :]
    assert told == [f"{who} {name}" for name in expected for who in ("ours", "theirs")]


def test_configuring_again_replaces_what_was_set() -> None:
    first = configured("json")
    second = configured("human")
    structlog.get_logger().info("once")
    assert first.getvalue() == ""
    assert len(second.getvalue().splitlines()) == 1


def test_a_file_is_followed_when_it_is_rotated(tmp_path: Path) -> None:
    file = tmp_path / "p.log"
    configure_logs("json", "info", wall_clock=lambda: NOW, file=file)
    structlog.get_logger().info("before")
    file.rename(tmp_path / "p.log.1")
    structlog.get_logger().info("after")
    assert json.loads(file.read_text())["event"] == "after"


def test_a_file_that_cannot_be_opened_raises(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        configure_logs("json", "info", wall_clock=lambda: NOW, file=tmp_path / "nowhere" / "p.log")


def test_a_reader_that_takes_nothing_holds_up_nobody_who_logs() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as pipe, os.fdopen(reading) as reader:
        os.set_blocking(reading, True)
        configure_logs("human", "info", wall_clock=lambda: NOW, stream=pipe)
        lines = 3_000  # more than a pipe holds
        with in_background():
            for number in range(lines):
                logging.getLogger("x").info("line %d %s", number, "." * 100)
            # Here the writer has long been stuck, and we are not.
            read = [reader.readline() for _ in range(lines)]
        assert "line 0 " in read[0]
        assert f"line {lines - 1} " in read[-1]
