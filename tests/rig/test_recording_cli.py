"""`picolase replay`, `diff` and `vcd`, as a person calls them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from controller.cli.exits import CommandFailed
from protocols.messages import Beam
from protocols.requests import Arm
from rig.cli.recordings import capture, diff, replay, vcd
from rig.cli.sim import sim
from rig.cli.simulate import simulate
from rig.code_hash import code_hash
from rig.laser import cold_laser, warm_laser
from rig.recording import Event, Header, Recorder, Recording, RecordingError, Writer, load
from sim_device.operator import perform
from tests.rig.recordings import written
from tests.rig.test_campaign_kept import files_of_at_most
from tests.rig.test_likeness import ASKED, captured, of_another_life

SCENARIOS = Path(__file__).parents[2] / "scenarios"


def recorded(path: Path, *, seed: int = 3, header: Header | None = None) -> Path:
    simulator = cold_laser(seed)
    with path.open("w") as out:
        recorder = Recorder(simulator, Writer(header or Header(seed=3, serial="PL755-0001"), out))
        perform(simulator, "key", {"to": "on"}, 10_000)
        perform(simulator, "foot", {"to": "press"}, 100_000)
        simulator.advance(500_000)
        recorder.close()
    return path


def failed(result: Result) -> str:
    assert isinstance(result.exception, CommandFailed), result.output
    return str(result.exception)


def test_a_good_recording_replays_and_says_so(tmp_path: Path) -> None:
    result = CliRunner().invoke(replay, [str(recorded(tmp_path / "run.jsonl"))])
    assert result.exit_code == 0
    assert "events in 0.500 s, replayed: the same bit for bit." in result.stderr


def test_a_replay_that_differs_shows_where_and_what(tmp_path: Path) -> None:
    path = recorded(tmp_path / "run.jsonl", seed=4)  # but its header says 3
    result = CliRunner().invoke(replay, [str(path), "--json"])
    text = failed(result)
    assert "They part at event" in text
    first = json.loads(result.stdout)["first_difference"]
    assert first["recorded"] != first["replayed"]


def test_two_runs_of_one_seed_are_the_same_and_of_two_are_not(tmp_path: Path) -> None:
    one, same = recorded(tmp_path / "one.jsonl"), recorded(tmp_path / "same.jsonl")
    other = recorded(tmp_path / "other.jsonl", seed=5, header=Header(seed=5, serial="PL755-0001"))
    assert CliRunner().invoke(diff, [str(one), str(same)]).exit_code == 0
    result = CliRunner().invoke(diff, [str(one), str(other)])
    assert f"seed: 3 in {one}, 5 in {other}" in result.stderr
    text = failed(result)
    assert f"{one}: 0.01" in text
    assert f"{other}: 0.01" in text


def test_a_capture_is_asked_again_and_every_unlike_answer_is_shown(tmp_path: Path) -> None:
    capture = captured(of_another_life(), ASKED)
    result = CliRunner().invoke(replay, [str(written(tmp_path / "port.jsonl", capture))])
    assert result.exit_code == 0, result.output
    assert f"All {len(ASKED) + 1} requests are answered alike" in result.stderr


@pytest.mark.parametrize(("start", "alike"), [("told", True), ("warm", True), ("cold", False)])
def test_a_capture_of_a_warm_laser_is_asked_of_a_warm_one(tmp_path: Path, start: str, alike: bool) -> None:
    capture = captured(warm_laser(5), (*ASKED, Arm(0, 0, Beam.APERTURE)))
    capture.header = capture.header.model_copy(update={"start": start})
    result = CliRunner().invoke(replay, [str(written(tmp_path / "port.jsonl", capture)), "--json"])
    told = json.loads(result.stdout)
    assert told["start"] == ("cold" if start == "cold" else "warm")
    assert (told["unlike"] == []) is alike
    assert (result.exit_code == 0) is alike


@pytest.mark.parametrize("code", ["0123456789abcdef", ""])
def test_a_recording_of_other_code_is_replayed_and_it_is_said(tmp_path: Path, code: str) -> None:
    header = Header(code=code, seed=3, serial="PL755-0001")
    result = CliRunner().invoke(replay, [str(recorded(tmp_path / "run.jsonl", header=header))])
    assert result.exit_code == 0
    assert f"was made by other code ({code or 'not told'}) than this ({code_hash()})" in result.stderr
    text = failed(
        CliRunner().invoke(replay, [str(recorded(tmp_path / "other.jsonl", seed=4, header=header))])
    )
    assert "They part at event" in text
    assert "was made by other code" in text


def test_a_recording_that_parts_under_the_same_code_does_not_blame_the_code(tmp_path: Path) -> None:
    path = recorded(tmp_path / "run.jsonl", seed=4)
    assert load(path).header.code == code_hash()
    assert "other code" not in failed(CliRunner().invoke(replay, [str(path)]))


def test_a_recording_without_a_code_hash_is_of_unknown_code(tmp_path: Path) -> None:
    path = recorded(tmp_path / "run.jsonl")
    first, *events, _ = path.read_text().splitlines(keepends=True)
    header = json.loads(first)
    del header["code"]
    body = json.dumps(header) + "\n" + "".join(events)
    end = json.dumps([500_000, "end", hashlib.sha256(body.encode()).hexdigest()])
    path.write_text(body + end + "\n")
    assert load(path).header.code == ""


def test_waveforms_are_written_to_a_file(tmp_path: Path) -> None:
    out = tmp_path / "run.vcd"
    result = CliRunner().invoke(vcd, [str(recorded(tmp_path / "run.jsonl")), str(out)])
    assert result.exit_code == 0
    assert f"gtkwave {out}" in result.stderr
    assert "$enddefinitions" in out.read_text()


@pytest.mark.parametrize("command", [replay, vcd])
def test_a_file_that_is_no_recording_is_refused_with_its_line(tmp_path: Path, command: object) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello\n")
    arguments = [str(path)] if command is replay else [str(path), str(tmp_path / "out.vcd")]
    result = CliRunner().invoke(command, arguments)  # type: ignore[arg-type]  # parametrized as object
    assert "notes.txt:1: is damaged" in failed(result)
    assert not (tmp_path / "out.vcd").exists()


def test_a_recording_of_another_version_is_tried_only_when_asked(tmp_path: Path) -> None:
    path = recorded(tmp_path / "run.jsonl", header=Header(version="0.0.1", seed=3, serial="PL755-0001"))
    assert "made with picolase 0.0.1" in failed(CliRunner().invoke(replay, [str(path)]))
    assert CliRunner().invoke(replay, [str(path), "--any-version"]).exit_code == 0


def test_an_event_too_long_for_the_screen_is_cut(tmp_path: Path) -> None:
    one = Recording(Header(), [Event(0, ">wire", "ab" * 1000)])
    other = Recording(Header(), [Event(0, ">wire", "cd" * 1000)])
    text = failed(
        CliRunner().invoke(
            diff, [str(written(tmp_path / "one", one)), str(written(tmp_path / "other", other))]
        )
    )
    assert max(map(len, text.splitlines())) < 300


@pytest.mark.parametrize("name", ["cable-pulled-in-a-series", "shutter-sticks-in-a-series", "noisy-line"])
def test_a_whole_stack_run_is_recorded_and_its_laser_replays_bit_for_bit(tmp_path: Path, name: str) -> None:
    file = tmp_path / "run.jsonl"
    arguments = [str(SCENARIOS / f"{name}.toml"), "--seed", "11", "--record", str(file)]
    result = CliRunner().invoke(simulate, arguments)
    assert result.exit_code == 0, result.output
    recording = load(file)
    assert {event.kind for event in recording.events} >= {">wire", "<wire", "act", "pulse", "lines"}
    assert recording.header.start == "warm"
    assert CliRunner().invoke(replay, [str(file)]).exit_code == 0


def test_a_recording_on_a_full_disk_is_no_verdict_on_the_laser(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with files_of_at_most(20_000):
        result = CliRunner().invoke(
            simulate, [str(SCENARIOS / "door-opened-in-a-series.toml"), "--record", str(path)]
        )
    assert failed(result) == f"{path}: File too large: the recording has no end and cannot be replayed."
    assert "violations" not in result.stdout
    assert "VIOLATION" not in result.stderr
    with pytest.raises(RecordingError, match=r"is damaged|has no end line"):
        load(path)


def test_what_cannot_begin_leaves_no_file_that_the_next_try_would_trip_over(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    for _ in range(2):
        result = CliRunner().invoke(capture, [str(tmp_path / "no-port"), str(path)])
        assert "there is no such port" in failed(result)
        assert not path.exists()
        (tmp_path / "taken").write_text("mine")
        result = CliRunner().invoke(sim, ["--pty", str(tmp_path / "taken"), "--record", str(path)])
        assert "taken exists" in failed(result)
        assert not path.exists()
    path.write_text("an earlier run")
    assert "File exists; give a new file" in failed(CliRunner().invoke(capture, ["/dev/null", str(path)]))
    assert path.read_text() == "an earlier run"
