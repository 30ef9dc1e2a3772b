"""Plans from the command line: checked, run in order, resumed, and stopped by a signal."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller.store import DeviceRecord, SessionState, Store
from safety.checklist import ITEMS
from tests.controller.cli_standin import DONE, SESSION, Picolase, StandIn, pulse, status

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
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


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


@pytest.mark.shows("REQ-043", "HZ-018")
def test_a_plan_shows_the_eyewear_and_the_hazard_distance_of_its_beam(
    daemon: StandIn, picolase: Picolase
) -> None:
    hazard = {"nohd_m": 4036.69, "od": 6.6191, "lb": "LB8"}
    daemon.answers["plan/check"] = {"ok": True, "refusals": [], "summary": SUMMARY | hazard}
    shown = picolase("plan", "check", str(PLAN)).stdout
    assert "eyewear for 755 nm: OD 6.7, EN 207 LB8" in shown  # a density is rounded up
    assert "up to 4037 m" in shown
    assert json.loads(picolase("plan", "check", str(PLAN), "--json").stdout)["summary"]["od"] == 6.6191


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
        "text": PLAN.read_text(), "file": str(PLAN), "eyewear_nm": 755, "checklist": list(ITEMS)
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


@pytest.mark.shows("REQ-044", "HZ-018")
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
    assert told == {"eyewear_nm": 755, "checklist": [], "service": True}


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
    assert resumed == [{"eyewear_nm": 755, "checklist": [], "service": True}]


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
    assert treating.asked[1] == ("sessions/resume", {"eyewear_nm": 755, "checklist": list(ITEMS)}, None)
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
        _, errors = run.communicate(timeout=50)
    assert run.returncode == exit_, errors
    assert b"STOP confirmed" in errors
    assert b"Traceback" not in errors
    assert treating.routes()[-1] == "stop"
