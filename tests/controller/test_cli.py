"""The command line as its users meet it: help, exit status, messages, and what is asked of the daemon."""

import json
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from controller.cli.main import main
from controller.store import DeviceRecord, SessionState, Store
from tests.controller.cli_standin import SESSION, StandIn, pulse, serve, status

PLAN = Path(__file__).parents[2] / "plans" / "tattoo-forearm.toml"

SUMMARY = {
    "name": "Tattoo, left forearm",
    "indication": "tattoo",
    "skin_type": "II",
    "wavelength_nm": 755,
    "mode_width_ps": 750,
    "handpiece": "zoom",
    "spot_mm": 3.5,
    "pulse_energy_mj": 173.0,
    "fluence_j_cm2": 1.798,
    "rep_rate_hz": 5.0,
    "passes": 1,
    "series": [20, 20, 20],
    "planned_pulses": 60,
    "duration_s": 12.0,
    "rehearsal": False,
}
SERVICE = SUMMARY | {"indication": "service", "skin_type": None, "service": True}
CONFIRMED = ["--confirm-eyewear", "755", "--confirm-checklist", "--arm"]
DONE = {"outcome": "done", "reasons": [], "text": ""}

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

Picolase = Callable[..., Result]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose daemon would listen in a socket beside it."""
    path = tmp_path / "picolase.toml"
    path.write_text('[device]\nurl = "/dev/ttyUSB0"\n[api]\nsocket = "d.sock"\n')
    return path


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    """One server for all tests of this module: starting and ending one takes a while."""
    yield from serve(tmp_path_factory.mktemp("api") / "d.sock")


@pytest.fixture
def daemon(stand_in: StandIn, config: Path) -> StandIn:
    """A stand-in for the daemon of that configuration."""
    stand_in.forget()
    (config.parent / "d.sock").symlink_to(stand_in.socket)
    return stand_in


@pytest.fixture
def picolase(config: Path, tmp_path: Path) -> Picolase:
    """Run `picolase ...` with that configuration."""

    def run(*arguments: str, environment: dict[str, str] | None = None, typed: str | None = None) -> Result:
        env = {
            "PICOLASE_CONFIG": str(config),
            "XDG_STATE_HOME": str(tmp_path / "state"),
            "PICOLASE_TOKEN": None,
        }
        return CliRunner(env=env | (environment or {})).invoke(main, arguments, input=typed)

    return run


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
        *("resolve", "login", "logout", "log", "pulses"),
        *("config check", "config example", "config schema"),
        *("plan check", "plan run", "plan resume", "plan abandon"),
        *("user add", "user list", "user password", "user remove", "user train"),
        *("incident list", "incident show", "db backup", "db migrate", "db check", "audit verify"),
        *("sim", "faults", "simulate", "campaign", "capture", "replay", "diff", "vcd"),
    }
    groups = {"", "config", "plan", "user", "incident", "db", "audit"}
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


# -- commands to the laser

COMMANDS = {"arm": "arm", "standby": "standby", "aiming on": "aiming", "aiming off": "aiming"}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("outcome", "exit_"),
    [("done", 0), ("refused", 3), ("failed", 1), ("uncertain", 4), ("perhaps", 4), (None, 4)],
)
def test_an_outcome_decides_the_exit_status_and_all_reasons_are_told(
    picolase: Picolase, daemon: StandIn, command: str, outcome: str | None, exit_: int
) -> None:
    reasons = [{"code": c, "text": f"reason {c}", "action": f"do {c}"} for c in "abc"]
    daemon.answers[COMMANDS[command]] = {"outcome": outcome, "reasons": reasons, "text": "the text"}
    result = picolase(*command.split(), "--json")
    assert result.exit_code == exit_
    assert json.loads(result.stdout)["outcome"] == outcome
    if exit_:
        assert "the text" in result.stderr.lower()
        assert ("picolase resolve" in result.stderr) is (exit_ == 4)
        assert all(f"reason {c}: do {c}" in result.stderr for c in "abc")


@pytest.mark.parametrize(("calibrated", "exit_"), [(True, 0), (False, 1), (None, 1)])
def test_calibrating_waits_for_its_end_and_tells_whether_it_holds(
    picolase: Picolase, daemon: StandIn, calibrated: bool | None, exit_: int
) -> None:
    daemon.answers["calibrate"] = DONE
    daemon.stream = [
        {"kind": "status", **status()},
        {"kind": "status", **status(laser_state="calibrating", laser_calibrated=True)},
        pulse(33, flags=["calibration"]),
        {"kind": "status", **status(laser_calibrated=calibrated)},
    ]
    result = picolase("calibrate", "--json")
    assert result.exit_code == exit_
    assert json.loads(result.stdout)["calibrated"] is calibrated


def test_calibrating_at_a_terminal_waits_until_the_handpiece_is_in_the_port(
    picolase: Picolase, daemon: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.cli.laser.at_terminal", lambda: True)
    daemon.answers["calibrate"] = {"outcome": "refused", "reasons": [], "text": ""}
    daemon.stream = [
        {"kind": "status", **status(laser_docked=False)},
        pulse(33),
        {"kind": "status", **status(laser_docked=False)},
        {"kind": "status", **status(laser_docked=True)},
        {"kind": "status", **status(laser_docked=False)},
    ]
    result = picolase("calibrate")
    assert result.stderr.count("Put the handpiece into the calibration port") == 1
    assert daemon.routes() == ["watch", "calibrate"]


def test_a_calibration_that_never_begins_does_not_hang(picolase: Picolase, daemon: StandIn) -> None:
    daemon.answers["calibrate"] = DONE
    daemon.stream = [{"kind": "status", **status(laser_calibrated=False)}] * 20
    assert picolase("calibrate").exit_code == 1


@pytest.mark.parametrize(("outcome", "exit_"), [("refused", 3), ("failed", 1), ("uncertain", 4)])
def test_a_calibration_that_was_not_begun_is_not_waited_for(
    picolase: Picolase, daemon: StandIn, outcome: str, exit_: int
) -> None:
    reasons = [
        {"code": "device.not_docked", "text": "the handpiece is not in the port", "action": "put it in"}
    ]
    daemon.answers["calibrate"] = {"outcome": outcome, "reasons": reasons, "text": ""}
    result = picolase("calibrate")
    assert result.exit_code == exit_
    assert "put it in" in result.stderr
    assert daemon.routes() == ["calibrate"]


def test_the_aiming_beam_is_switched_as_asked(picolase: Picolase, daemon: StandIn) -> None:
    daemon.answers["aiming"] = DONE
    picolase("aiming", "on")
    picolase("aiming", "off")
    assert [body for _, body, _ in daemon.asked] == [{"on": True}, {"on": False}]


def test_an_answer_that_never_comes_is_uncertain(picolase: Picolase, config: Path) -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(config.parent / "d.sock"))
        listening.listen()

        def hang_up() -> None:
            connection, _ = listening.accept()
            connection.recv(65536)
            connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        result = picolase("arm")
        thread.join(5)
    assert result.exit_code == 4
    assert "not known" in result.stderr


def test_acknowledging_names_what_was_read(picolase: Picolase, daemon: StandIn) -> None:
    latch = {
        "name": "start_up",
        "instance": 7,
        "text": "the daemon was started",
        "action": "look at the laser",
    }
    other = latch | {"name": "device_fault", "instance": 9, "cause_present": True}
    supervisor = {"latches": [latch, other], "arm_refusals": [], "heartbeat": "sent", "withheld_because": ""}
    daemon.answers["status"] = status(supervisor=supervisor)
    daemon.answers["ack"] = {"cleared": ["start_up", "device_fault"], "kept": [], "outcome": "done"}
    result = picolase("ack")
    assert result.exit_code == 0
    assert "the daemon was started" in result.stderr
    assert daemon.asked[-1][1] == {
        "latches": [{"name": "start_up", "instance": 7}, {"name": "device_fault", "instance": 9}]
    }
    daemon.answers["ack"] = {
        "cleared": ["start_up"],
        "kept": [{"name": "device_fault", "reasons": [{"text": "the door is open", "action": "close it"}]}],
        "outcome": "done",
    }
    kept = picolase("ack")
    assert kept.exit_code == 3
    assert "device_fault stays latched: the door is open: close it" in kept.stderr


def test_there_may_be_nothing_to_acknowledge(picolase: Picolase, daemon: StandIn) -> None:
    daemon.answers["status"] = status()
    assert picolase("ack").exit_code == 0
    assert daemon.routes() == ["status"]


def test_resolving_ends_with_uncertain_while_anything_is_open(picolase: Picolase, daemon: StandIn) -> None:
    item = {"id": "grant-1", "kind": "grant", "text": "lost"}
    daemon.answers["resolve"] = {"settled": [item], "open": []}
    done = picolase("resolve")
    assert done.exit_code == 0
    assert "grant-1" in done.stderr
    daemon.answers["resolve"] = {"settled": [], "open": [item]}
    assert picolase("resolve").exit_code == 4


# -- logging in


def test_a_login_is_kept_for_its_owner_alone_and_used(
    picolase: Picolase, daemon: StandIn, tmp_path: Path
) -> None:
    daemon.answers |= {
        "login": {"token": "t0ken", "name": "anna", "role": "operator", "idle_lock_s": 900},
        "arm": DONE,
        "logout": {},
    }
    result = picolase("login", "anna", "--password-stdin", "--json", typed="secret word\nmore\n")
    assert result.exit_code == 0
    assert daemon.asked[0][1] == {"name": "anna", "password": "secret word"}
    assert json.loads(result.stdout) == {"name": "anna", "role": "operator", "idle_lock_s": 900}
    assert "t0ken" not in result.output
    assert "15 min" in result.stderr
    kept = tmp_path / "state" / "picolase" / "tokens.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    picolase("arm")
    assert daemon.asked[-1][2] == "Bearer t0ken"
    picolase("arm", environment={"PICOLASE_TOKEN": "other"})
    assert daemon.asked[-1][2] == "Bearer other"
    assert picolase("logout").exit_code == 0
    assert "t0ken" not in kept.read_text()
    picolase("arm")
    assert daemon.asked[-1][2] is None


def test_a_refused_login_keeps_nothing(picolase: Picolase, daemon: StandIn, tmp_path: Path) -> None:
    daemon.answers["login"] = (401, {"error": "login.wrong", "message": "name or password is wrong"})
    result = picolase("login", "anna", "--password-stdin", typed="x\n")
    assert result.exit_code == 6
    assert "name or password is wrong" in result.stderr
    assert not (tmp_path / "state").exists()


def test_logging_out_forgets_even_when_the_daemon_is_gone(
    picolase: Picolase, config: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "state" / "picolase" / "tokens.json"
    kept.parent.mkdir(parents=True)
    kept.write_text(json.dumps({str(config.parent / "d.sock"): "t0ken"}))
    assert picolase("logout").exit_code == 5
    assert json.loads(kept.read_text()) == {}


# -- plans


def test_a_wrong_plan_file_needs_no_daemon_to_be_told(picolase: Picolase, tmp_path: Path) -> None:
    wrong = tmp_path / "plan.toml"
    for text, told in (
        (None, "there is no such file"),
        ("[[", "not TOML"),
        (PLAN.read_text().replace("spot_mm = 3.5", 'spot_mm = "3.5 mm"'), "beam.spot_mm"),
        (PLAN.read_text().replace("spot_mm", "spot_um"), "spot_um"),
    ):
        if text is not None:
            wrong.write_text(text)
        result = picolase("plan", "check", str(wrong))
        assert result.exit_code == 7, text
        assert told in result.stderr


def test_a_refused_plan_shows_every_reason_in_a_table(picolase: Picolase, daemon: StandIn) -> None:
    keys = ("code", "field", "value", "allowed", "action", "source")
    refusals = [
        dict(zip(keys, ("plan.rate", "rep_rate_hz", 5.0, "up to 2.5", "slow down", "T026"), strict=True)),
        dict(zip(keys, ("plan.spot", "spot_mm", 3.5, "8 flat", "change handpiece", "device"), strict=True)),
    ]
    daemon.answers["plan/check"] = {"ok": False, "refusals": refusals, "summary": SUMMARY}
    result = picolase("plan", "check", str(PLAN))
    assert result.exit_code == 3
    for refusal in refusals:
        for key in ("field", "value", "allowed", "action", "source"):
            assert str(refusal[key]) in result.stdout
    assert json.loads(picolase("plan", "check", str(PLAN), "--json").stdout)["refusals"] == refusals
    assert picolase("plan", "run", str(PLAN), *CONFIRMED).exit_code == 3
    assert set(daemon.routes()) == {"plan/check"}, "nothing may be opened for a refused plan"


def test_a_good_plan_is_told_in_words(picolase: Picolase, daemon: StandIn) -> None:
    daemon.answers["plan/check"] = {"ok": True, "refusals": [], "summary": SUMMARY}
    result = picolase("plan", "check", str(PLAN))
    assert result.exit_code == 0
    for told in ("755 nm", "750 ps", "3.5 mm", "173 mJ", "1.80 J/cm2", "5 Hz", "60 pulses", "20, 20, 20"):
        assert told in result.stdout
    assert daemon.asked[0][1] == {"text": PLAN.read_text(), "file": str(PLAN)}


def record(config: Path, *states: SessionState, plan: Mapping[str, object] | None = None) -> None:
    """Put the session into the database of the configuration, moved through these states."""
    with Store.open(config.parent / "picolase.db", wall_clock=lambda: NOW) as store:
        store.save_device(DeviceRecord("PL755-0001", "PL755", "1.0", True, {}, 0))
        store.open_session(
            "s-1",
            device_serial="PL755-0001",
            operator="anna",
            plan=plan or {},
            plan_sha256="0" * 64,
            planned_pulses=60,
            now_us=1,
        )
        for state in states:
            store.move_session("s-1", state, actor="daemon", now_us=2)


@pytest.fixture
def treating(daemon: StandIn, config: Path) -> StandIn:
    """A stand-in that carries out the plan without trouble."""
    armed = SESSION | {"state": "armed", "delivered": 59, "remaining": 1, "series_done": [20, 20, 19]}
    daemon.answers |= {
        "plan/check": {"ok": True, "refusals": [], "summary": SUMMARY},
        "sessions": SESSION,
        "sessions/resume": SESSION,
        "status": status(laser_aiming_on=False),
        "aiming": DONE,
        "arm": DONE,
        "stop": {"confirmed": True, "level": "stop", "took_ms": 2.0, "text": ""},
    }
    daemon.stream = [
        {"kind": "status", **status(session=SESSION)},
        {"kind": "status", **status(session=armed, laser_state="ready")},
        pulse(33),
        {"kind": "status", **status(session=armed, laser_state="emitting")},
        {"kind": "status", **status(session=None)},
    ]
    record(config, SessionState.DONE)
    return daemon


def test_a_plan_is_run_in_order_and_ends_with_status_0_when_it_is_done(
    picolase: Picolase, treating: StandIn
) -> None:
    result = picolase("plan", "run", str(PLAN), *CONFIRMED)
    assert result.exit_code == 0, result.output
    assert treating.routes() == ["plan/check", "sessions", "status", "aiming", "arm", "watch"]
    assert treating.asked[1][1] == {
        "text": PLAN.read_text(), "file": str(PLAN), "eyewear_nm": 755, "checklist": True
    }  # fmt: skip
    for told in ("READY", "pulse 33", "60 of 60"):
        assert told in result.output


def test_a_session_that_is_interrupted_is_no_success(
    picolase: Picolase, treating: StandIn, config: Path
) -> None:
    (config.parent / "picolase.db").unlink()
    record(config, SessionState.INTERRUPTED)
    latch = {"name": "device_fault", "instance": 2, "text": "the device latched a fault", "action": "read it"}
    supervisor = {
        "latches": [latch],
        "arm_refusals": [],
        "heartbeat": "withheld",
        "withheld_because": "a latch",
    }
    treating.stream[3:] = [
        {"kind": "status", **status(session=None, supervisor=supervisor, laser_state="fault")}
    ]
    result = picolase("plan", "run", str(PLAN), *CONFIRMED, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["state"] == "interrupted"
    for told in ("0 of 60", "device_fault", "plan resume"):
        assert told in result.stderr


def test_without_the_records_nobody_claims_that_the_session_was_done(
    picolase: Picolase, treating: StandIn, config: Path
) -> None:
    (config.parent / "picolase.db").unlink()
    result = picolase("plan", "run", str(PLAN), *CONFIRMED)
    assert result.exit_code == 1
    assert "could not be asked" in result.stderr


def test_a_refused_arming_ends_in_a_stop_and_status_3(picolase: Picolase, treating: StandIn) -> None:
    treating.answers["arm"] = {
        "outcome": "refused",
        "reasons": [
            {"code": "device.foot_held", "text": "the footswitch is pressed", "action": "release it"}
        ],
        "text": "",
    }
    result = picolase("plan", "run", str(PLAN), *CONFIRMED)
    assert result.exit_code == 3
    assert "the footswitch is pressed: release it" in result.stderr
    assert treating.routes()[-2:] == ["arm", "stop"]


def test_a_daemon_that_dies_in_mid_treatment_is_no_success(picolase: Picolase, treating: StandIn) -> None:
    del treating.stream[2:]
    result = picolase("plan", "run", str(PLAN), *CONFIRMED)
    assert result.exit_code == 5
    assert treating.routes()[-1] == "stop"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "--confirm-eyewear 755 --confirm-checklist"),
        (["--confirm-eyewear", "755"], "--confirm-checklist"),
        (["--confirm-checklist"], "--confirm-eyewear 755"),
        (["--confirm-eyewear", "1064", "--confirm-checklist"], "1064 nm"),
    ],
)
def test_nothing_is_opened_without_the_confirmations(
    picolase: Picolase, treating: StandIn, options: list[str], told: str
) -> None:
    result = picolase("plan", "run", str(PLAN), *options)
    assert result.exit_code == 3
    assert told in result.stderr
    assert "sessions" not in treating.routes()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--confirm-eyewear", "755", "--confirm-checklist"], "--confirm-service"),
        (["--confirm-service"], "--confirm-eyewear 755 --confirm-service"),
    ],
)
def test_a_service_plan_is_not_opened_on_the_checklist_of_a_treatment(
    picolase: Picolase, treating: StandIn, options: list[str], told: str
) -> None:
    treating.answers["plan/check"]["summary"] = SERVICE
    result = picolase("plan", "run", str(PLAN), *options, "--arm")
    assert result.exit_code == 3
    assert told in result.stderr
    assert "sessions" not in treating.routes()


def test_a_service_plan_is_opened_with_its_own_confirmation(picolase: Picolase, treating: StandIn) -> None:
    treating.answers["plan/check"]["summary"] = SERVICE
    confirmed = ["--confirm-eyewear", "755", "--confirm-service", "--arm"]
    result = picolase("plan", "run", str(PLAN), *confirmed)
    assert result.exit_code == 0, result.output
    assert "SERVICE: light on no person" in result.stderr
    told = {key: value for key, value in treating.asked[1][1].items() if key not in {"text", "file"}}
    assert told == {"eyewear_nm": 755, "checklist": False, "service": True}


@pytest.mark.parametrize("on_record", [True, False])
def test_a_service_session_is_resumed_with_its_own_confirmation(
    picolase: Picolase, treating: StandIn, config: Path, on_record: bool
) -> None:
    (config.parent / "picolase.db").unlink()
    if on_record:
        record(config, SessionState.INTERRUPTED, plan={"indication": "service"})
        result = picolase("plan", "resume", *CONFIRMED)
        assert result.exit_code == 3
        assert "--confirm-service" in result.stderr
    picolase("plan", "resume", "--confirm-eyewear", "755", "--confirm-service", "--arm")
    resumed = [body for route, body, _ in treating.asked if route == "sessions/resume"]
    assert resumed == [{"eyewear_nm": 755, "checklist": False, "service": True}]


def test_a_resumed_session_goes_on_and_an_abandoned_one_ends(
    picolase: Picolase, treating: StandIn, config: Path
) -> None:
    (config.parent / "picolase.db").unlink()
    record(config, SessionState.INTERRUPTED, SessionState.OPEN)
    result = picolase("plan", "resume", *CONFIRMED)
    assert result.exit_code == 1, "the records say that it is open still"
    assert "0 of 60 pulses given" in result.stderr
    with Store.open(config.parent / "picolase.db", wall_clock=lambda: NOW) as store:
        store.move_session("s-1", SessionState.DONE, actor="daemon", now_us=3)
    treating.asked.clear()
    assert picolase("plan", "resume", *CONFIRMED).exit_code == 0
    assert treating.asked[1] == ("sessions/resume", {"eyewear_nm": 755, "checklist": True}, None)
    treating.answers["sessions/abandon"] = SESSION | {"state": "abandoned", "delivered": 21}
    ended = picolase("plan", "abandon")
    assert ended.exit_code == 0
    assert "21 of 60" in ended.stderr


@pytest.mark.processes
@pytest.mark.parametrize(
    ("number", "exit_"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)]
)
def test_a_signal_during_a_treatment_stops_the_laser(
    treating: StandIn, config: Path, number: signal.Signals, exit_: int
) -> None:
    treating.hold_stream = threading.Event()
    del treating.stream[2:]
    command = [
        sys.executable,
        "-m",
        "controller.cli",
        "--config",
        str(config),
        "plan",
        "run",
        str(PLAN),
        *CONFIRMED,
    ]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, stdout=subprocess.PIPE
    ) as run:
        treating.wait_for("watch")
        assert run.stdout is not None
        for line in run.stdout:
            if b"READY" in line:
                break
        os.kill(run.pid, number)
        _, errors = run.communicate(timeout=20)
    assert run.returncode == exit_, errors
    assert b"STOP confirmed" in errors
    assert b"Traceback" not in errors
    assert treating.routes()[-1] == "stop"


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
            _, errors = second.communicate(timeout=20)
        assert second.returncode == 1
        assert "another picolase daemon" in errors
        assert daemon.stdin is not None
        if how == "end of input":
            daemon.stdin.close()
        else:
            daemon.send_signal(signal.Signals[how])
        assert daemon.wait(20) == 0
    assert not (config.parent / "d.sock").exists()
    assert picolase("status").exit_code == 5


@pytest.mark.processes
def test_a_daemon_whose_socket_is_taken_says_so_and_leaves_it_alone(
    config: Path, picolase: Picolase, daemon: StandIn
) -> None:
    config.write_text(f'[device]\nurl = "absent"\n[api]\nsocket = "{daemon.socket}"\n')
    with daemon_process(config) as second:
        _, errors = second.communicate(timeout=20)
    assert second.returncode == 1
    assert "another daemon answers there" in errors
    daemon.answers["status"] = status()
    assert picolase("status").exit_code == 0


@pytest.mark.processes
def test_a_daemon_that_cannot_write_its_log_says_so(config: Path) -> None:
    config.write_text('[device]\nurl = "absent"\n[log]\nfile = "nowhere/x.log"\n')
    with daemon_process(config) as run:
        _, errors = run.communicate(timeout=20)
    assert run.returncode == 7
    assert "log.file" in errors
