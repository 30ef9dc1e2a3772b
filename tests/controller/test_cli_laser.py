"""Commands to the laser, and logging in, from the command line."""

import json
import stat
import threading
from pathlib import Path

import pytest

from tests.controller.cli_standin import DONE, Picolase, StandIn, pulse, status

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
    daemon.answers["resolve"] = {"settled": [], "given_up_pulses": 32, "open": []}
    assert "given up: 32 pulses" in (done := picolase("resolve")).stderr
    assert "All is settled." in done.stderr
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
