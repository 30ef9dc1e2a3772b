"""The command line as its users meet it: help, exit status, messages, status, stop, the daemon a process."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from controller.cli.main import main
from tests.controller.cli_standin import SESSION, Picolase, StandIn, pulse, status


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command with its sub-commands, by the words that call it."""
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from commands(found, (*path, name))


# -- help and shape


@pytest.mark.parametrize("path", list(commands(main)), ids=" ".join)
def test_every_command_explains_itself(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(main, [*path, "--help"])
    assert result.exit_code == 0, result.output
    assert "Usage:" in result.stdout
    text = result.stdout.split("Options:")[0].split("\n", 1)[1].strip()
    assert len(text) > 20, "says nothing about itself"


def test_the_commands_are_those_of_the_specification() -> None:
    expected = {
        *("demo", "run", "status", "watch", "ports", "arm", "standby", "stop", "ack", "calibrate", "aiming"),
        *("resolve", "login", "logout", "log", "pulses", "exposure", "fluence"),
        *("config check", "config example", "config schema"),
        *("plan new", "plan check", "plan run", "plan resume", "plan abandon"),
        *("course list", "course show", "course effect", "course correct", "course resolve"),
        *("user add", "user list", "user password", "user remove", "user train"),
        *("user disable", "user enable", "user unlock"),
        *("incident list", "incident show", "db backup", "db migrate", "db check", "audit verify"),
        *("audit export", "audit key", "audit rotate", "report", "mqtt purge", "fleet"),
        *("sim", "faults", "simulate", "campaign", "capture", "replay", "diff", "vcd", "trace"),
    }
    groups = {"", "config", "plan", "course", "user", "incident", "db", "audit", "mqtt"}
    assert {" ".join(path) for path in commands(main)} - groups == expected


def test_the_exit_status_are_documented_in_the_help() -> None:
    text = CliRunner().invoke(main, ["--help"]).stdout
    for number, word in (
        (0, "done"),
        (1, "failed"),
        (2, "wrongly"),
        (3, "refused"),
        (4, "uncertain"),
        (5, "not reachable"),
        (6, "not logged in"),
        (7, "input file"),
        (130, "Ctrl-C"),
        (143, "SIGTERM"),
    ):
        assert any(line.split()[:1] == [str(number)] and word in line for line in text.splitlines()), number


@pytest.mark.parametrize(
    "group", [[], ["plan"], ["user"], ["audit"], ["course"], ["db"], ["mqtt"], ["config"], ["incident"]]
)
def test_the_help_of_a_group_says_what_each_command_does_in_a_whole_sentence(group: list[str]) -> None:
    listed = (
        CliRunner().invoke(main, [*group, "--help"], terminal_width=60).output.partition("Commands:\n")[2]
    )
    assert listed
    assert "..." not in listed


def test_a_command_that_is_only_kept_for_old_scripts_is_not_listed() -> None:
    assert "remove" not in CliRunner().invoke(main, ["user", "--help"]).output


def test_the_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from controller.cli.main import main; main(['--help'], standalone_mode=False);"
        "heavy = {'httpx', 'pydantic', 'fastapi', 'rich', 'sqlite3', 'serial'} & sys.modules.keys();"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_a_wrong_command_line_ends_with_status_2(picolase: Picolase) -> None:
    assert picolase("aiming", "sideways").exit_code == 2
    assert picolase("fire").exit_code == 2
    assert picolase("pulses", "--csv", "--json").exit_code == 2


def test_a_failure_nobody_foresaw_is_no_traceback(
    picolase: Picolase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise ZeroDivisionError("an egg")

    monkeypatch.setattr("hal.ports.list_ports", broken)
    result = picolase("ports")
    assert result.exit_code == 1
    assert "This should not happen: ZeroDivisionError: an egg" in result.stderr
    assert "Traceback" not in result.output


# -- reaching the daemon


@pytest.mark.parametrize(
    "command",
    ["status", "arm", "standby", "ack", "calibrate", "aiming on", "resolve", "watch --json", "plan abandon"],
)
def test_without_a_daemon_the_user_learns_how_to_start_it(picolase: Picolase, command: str) -> None:
    result = picolase(*command.split())
    assert result.exit_code == 5
    assert "not reachable" in result.stderr
    assert "picolase" in result.stderr
    assert "run`" in result.stderr
    assert result.stdout == ""


def test_a_missing_configuration_says_where_it_looked_and_how_to_make_one(picolase: Picolase) -> None:
    result = picolase("--config", "/nowhere/x.toml", "status")
    assert result.exit_code == 7
    assert "/nowhere/x.toml" in result.stderr
    assert "picolase config example" in result.stderr


def test_the_option_counts_before_and_behind_the_command(picolase: Picolase) -> None:
    assert picolase("--config", "/nowhere/x.toml", "config", "check").exit_code == 7
    assert picolase("config", "check", "--config", "/nowhere/x.toml").exit_code == 7
    assert picolase("config", "check").exit_code == 0


def test_all_that_is_wrong_with_the_configuration_is_told(picolase: Picolase, config: Path) -> None:
    config.write_text('[device]\nurl = ""\nbaud = 9600\n[mqtt]\nhots = "x"\n')
    result = picolase("config", "check")
    assert result.exit_code == 7
    for told in ("device.url", "device.baud", "9600", "115200", "mqtt.hots", "host"):
        assert told in result.stderr


def test_the_example_configuration_can_be_used(picolase: Picolase, config: Path) -> None:
    config.write_text(picolase("config", "example").stdout)
    assert picolase("config", "check").exit_code == 0
    assert "device" in json.loads(picolase("config", "schema").stdout)["properties"]


@pytest.mark.parametrize("answer", ["<html>hello</html>", '"text"', "[1]", '{"detail": "Not Found"}'])
def test_another_program_at_the_socket_is_told_from_the_daemon(
    picolase: Picolase, daemon: StandIn, answer: str
) -> None:
    daemon.answers["status"] = (200 if "detail" not in answer else 404, answer)
    result = picolase("status")
    assert result.exit_code == 1
    assert "no picolase daemon" in result.stderr


@pytest.mark.parametrize(("http", "exit_"), [(401, 6), (403, 6), (409, 3), (422, 3), (503, 1)])
def test_an_error_answer_ends_in_the_status_that_belongs_to_it(
    picolase: Picolase, daemon: StandIn, http: int, exit_: int
) -> None:
    daemon.answers["arm"] = (
        http,
        {
            "error": "x",
            "message": "it is Tuesday",
            "reasons": [{"code": "a", "text": "the door is open", "action": "close it"}],
            "problems": [
                {"field": "spot_mm", "value": 9, "allowed": "2 to 6", "action": "turn", "source": "T027"}
            ],
        },
    )
    result = picolase("arm")
    assert result.exit_code == exit_
    for told in ("it is Tuesday", "the door is open: close it", "spot_mm = 9", "2 to 6", "turn", "T027"):
        assert told in result.stderr


# -- status


def test_the_status_is_shown_in_words_and_as_json(picolase: Picolase, daemon: StandIn) -> None:
    daemon.answers["status"] = status(session=SESSION)
    text = picolase("status")
    assert text.exit_code == 0
    for told in ("STANDBY", "emission is not permitted", "PL755-0001", "SIMULATED", "0 of 60", "door"):
        assert told in text.stdout
    plain = picolase("status", "--json")
    assert json.loads(plain.stdout) == daemon.answers["status"]


def test_watch_as_json_is_one_object_a_line_until_the_daemon_goes(
    picolase: Picolase, daemon: StandIn
) -> None:
    daemon.stream = [{"kind": "status", **status()}, pulse(33), {"kind": "event", "text": "hello"}]
    result = picolase("watch", "--json")
    assert [json.loads(line)["kind"] for line in result.stdout.splitlines()] == ["status", "pulse", "event"]
    assert result.exit_code == 5


# -- stop


def test_a_confirmed_stop_tells_how_long_it_took(picolase: Picolase, daemon: StandIn) -> None:
    daemon.answers["stop"] = {"confirmed": True, "level": "stop", "took_ms": 12.4, "text": ""}
    result = picolase("stop")
    assert result.exit_code == 0
    assert "12.4 ms" in result.stderr
    assert daemon.asked == [("stop", {}, None)], "a stop needs no login and no other question first"


@pytest.mark.parametrize("confirmed", [False, None, "true", 1])
def test_only_a_confirmation_is_a_confirmation(
    picolase: Picolase, daemon: StandIn, confirmed: object
) -> None:
    daemon.answers["stop"] = {
        "confirmed": confirmed,
        "level": "port_closed",
        "took_ms": 1,
        "text": "no answer",
    }
    result = picolase("stop", "--json")
    assert result.exit_code == 4
    assert "STOP NOT CONFIRMED: use the hardware stop" in result.stderr
    assert json.loads(result.stdout)["confirmed"] is not True
    assert daemon.routes() == ["stop"] * 3


def test_a_stop_is_tried_again_after_a_failure(picolase: Picolase, daemon: StandIn) -> None:
    daemon.answers["stop"] = [
        (503, {"error": "x", "message": "busy"}),
        {"confirmed": True, "level": "stop", "took_ms": 3.0, "text": ""},
    ]
    assert picolase("stop").exit_code == 0


def test_a_stop_that_reaches_nobody_never_claims_to_have_stopped(picolase: Picolase) -> None:
    result = picolase("stop", "--json")
    assert result.exit_code == 5
    assert "STOP NOT CONFIRMED: use the hardware stop" in result.stderr
    assert json.loads(result.stdout)["confirmed"] is False


def test_a_stop_needs_only_the_socket(picolase: Picolase, daemon: StandIn, config: Path) -> None:
    daemon.answers["stop"] = {"confirmed": True, "level": "stop", "took_ms": 3.0, "text": ""}
    config.write_text('[device]\nurl = 7\nnonsense = 1\n[api]\nsocket = "d.sock"\n')
    assert picolase("status").exit_code == 7
    assert picolase("stop").exit_code == 0
    config.unlink()
    assert picolase("stop", "--socket", str(daemon.socket)).exit_code == 0


def test_a_stop_with_no_configuration_at_all_still_says_what_to_do(picolase: Picolase, config: Path) -> None:
    config.write_text("[[[")
    result = picolase("stop")
    assert result.exit_code == 5
    assert "STOP NOT CONFIRMED: use the hardware stop" in result.stderr


# -- the daemon as a process


def daemon_process(config: Path, *arguments: str) -> "subprocess.Popen[str]":
    """Run `picolase run` with this configuration; its standard input is a pipe."""
    command = [sys.executable, "-m", "controller.cli", "run", "--config", str(config), *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def until(process: "subprocess.Popen[str]", text: str) -> None:
    """Read its log until a line has `text`."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if text in line:
            return
    pytest.fail(f"{text!r} never came:\n{''.join(lines)}")


@pytest.mark.processes
@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM", "end of input"])
def test_the_daemon_ends_in_order_and_leaves_no_socket(config: Path, picolase: Picolase, how: str) -> None:
    config.write_text('[device]\nurl = "absent"\n[api]\nsocket = "d.sock"\n')
    with daemon_process(config, "--until-stdin-closes") as daemon:
        until(daemon, "the daemon started")
        until(daemon, "absent")  # the port is not there: told once, and tried again
        status_ = picolase("status", "--json")
        assert status_.exit_code == 0, status_.output
        assert json.loads(status_.stdout)["link"]["state"] != "up"
        stopped = picolase("stop")
        assert stopped.exit_code == 4, "without a laser nobody can confirm"
        with daemon_process(config) as second:
            _, errors = second.communicate(timeout=50)
        assert second.returncode == 1
        assert "another picolase daemon" in errors
        assert daemon.stdin is not None
        if how == "end of input":
            daemon.stdin.close()
        else:
            daemon.send_signal(signal.Signals[how])
        assert daemon.wait(50) == 0
    assert not (config.parent / "d.sock").exists()
    assert picolase("status").exit_code == 5


@pytest.mark.processes
def test_a_daemon_whose_socket_is_taken_says_so_and_leaves_it_alone(
    config: Path, picolase: Picolase, daemon: StandIn
) -> None:
    config.write_text(f'[device]\nurl = "absent"\n[api]\nsocket = "{daemon.socket}"\n')
    with daemon_process(config) as second:
        _, errors = second.communicate(timeout=50)
    assert second.returncode == 1
    assert "another daemon answers there" in errors
    daemon.answers["status"] = status()
    assert picolase("status").exit_code == 0


@pytest.mark.processes
def test_a_daemon_that_cannot_write_its_log_says_so(config: Path) -> None:
    config.write_text('[device]\nurl = "absent"\n[log]\nfile = "nowhere/x.log"\n')
    with daemon_process(config) as run:
        _, errors = run.communicate(timeout=50)
    assert run.returncode == 7
    assert "log.file" in errors
