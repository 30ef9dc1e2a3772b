"""Campaigns: every seed once, kept, continued, shared out and added up; a violation becomes a small file."""

import json
import time
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from controller.cli.exits import CommandFailed
from controller.tomlfile import TomlError
from rig.campaign import (
    Job,
    Shard,
    disturbed,
    do,
    jobs_of,
    lost,
    run,
)
from rig.cli.campaign import campaign as command
from rig.code_hash import code_hash
from rig.invariants import Violation
from rig.report import as_json, html, junit, write
from rig.result import Kept
from rig.results import CampaignError, Results
from rig.scenario import read_scenario
from rig.script import Happening, Script
from rig.simulate import simulate
from rig.stack import PLAN, plan_text
from rig.totals import totals
from rig.violation import broken_at_s, shrink_and_write
from rig.violation import write as write_script
from rig.workers import Here, Lost
from sim_device.faults import Report
from sim_device.firmware.permit import Permit
from tests.rig.test_workers import cluster

QUICK = Script("quick", 5.0, plan_text(series=[3]), operator="random")


def job(seed: int) -> Job:
    return next(jobs_of(QUICK, [seed], chaos=False))


# -- shards


@pytest.mark.parametrize("parts", [1, 2, 3, 7])
def test_shards_share_all_seeds_out_and_none_twice(parts: int) -> None:
    shares = [list(Shard(part, parts).seeds(5, 20)) for part in range(1, parts + 1)]
    assert sorted(seed for share in shares for seed in share) == list(range(5, 25))


@pytest.mark.parametrize("text", ["", "0/2", "3/2", "1/0", "a/b", "1", "-1/2", "1/2/3", "01/2"])
def test_a_shard_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(CampaignError, match="give i/n"):
        Shard.parse(text)


# -- keys and results


def test_a_key_depends_on_script_seed_and_faults() -> None:
    keys = {
        next(jobs_of(script, [seed], chaos=chaos)).key
        for script in (QUICK, Script("other", 5.0, QUICK.plan, operator="random"))
        for seed in (1, 2)
        for chaos in (True, False)
    }
    assert len(keys) == 8
    assert job(1) == job(1)


def test_a_script_survives_the_way_through_json() -> None:
    script = disturbed(Script("any", 60.0, "plan", operator="random"), 12)
    (made,) = jobs_of(script, [12], chaos=False)
    assert script.events
    assert script.faults
    assert Kept.of_line(lost(made, Lost("gone")).line).script == made.script == script


def test_a_run_tells_all_that_the_totals_need() -> None:
    result = do(job(1))
    assert Kept.of_line(result.line) == result
    sums = totals([result, result, lost(job(2), Lost("gone"))])
    assert sums.seeds == 3
    assert sums.pulses == 2 * result.pulses_true
    assert sums.simulated_s == 2 * result.simulated_s
    assert sums.violations == 1 + 2 * len(result.violations)
    assert not sums.good


def result_of(seed: int, **changes: Any) -> Kept:
    good: dict[str, Any] = {"violations": (), "pulses_true": seed}
    return replace(lost(job(seed), Lost("x")), **good | changes)


class Counting(Here):
    def __init__(self) -> None:
        self.done: list[int] = []

    def run(self, do: Any, jobs: Any) -> Any:
        for one in jobs:
            self.done.append(one.seed)
            yield one, result_of(one.seed)


def test_what_is_there_is_not_run_again(tmp_path: Path) -> None:
    workers = Counting()
    run([job(1), job(2)], Results(tmp_path), workers)
    keys = run([job(1), job(2), job(3)], Results(tmp_path), workers)
    assert workers.done == [1, 2, 3]
    assert keys == [job(1).key, job(2).key, job(3).key]
    assert len(Results(tmp_path)) == 3


def test_a_line_cut_off_by_a_crash_is_run_again_and_spoils_nothing(tmp_path: Path) -> None:
    run([job(1), job(2)], Results(tmp_path), Counting())
    file = tmp_path / "results-1of1.jsonl"
    file.write_bytes(file.read_bytes()[:-20])
    workers = Counting()
    run([job(1), job(2), job(3)], Results(tmp_path), workers)
    assert workers.done == [2, 3]
    assert len(Results(tmp_path)) == 3


def test_shards_add_up_to_the_whole(tmp_path: Path) -> None:
    whole = Results(tmp_path / "whole")
    run([job(seed) for seed in range(1, 7)], whole, Counting())
    for part in (1, 2):
        shard = Results(tmp_path / f"part{part}", f"{part}of2")
        run([job(seed) for seed in Shard(part, 2).seeds(1, 6)], shard, Counting())
    merged = Results(tmp_path / "merged")
    keys = merged.merge([tmp_path / "part1", tmp_path / "part2", tmp_path / "part2"])
    assert keys == [result.key for result in whole]
    assert list(merged) == list(whole) == list(Results(tmp_path / "merged"))
    with pytest.raises(CampaignError, match="no results to merge"):
        merged.merge([tmp_path / "nothing"])


def kept(folder: Path, seed: int, code: str) -> Path:
    Results(folder).add(result_of(seed, code=code, key=f"{code}-{seed}"))
    return folder


def test_results_of_different_code_are_not_added_up(tmp_path: Path) -> None:
    old, new = kept(tmp_path / "old", 1, "aaaa"), kept(tmp_path / "new", 2, "bbbb")
    kept(new, 3, "bbbb")
    merged = Results(tmp_path / "all")
    with pytest.raises(CampaignError) as refused:
        merged.merge([old, new])
    assert f"{old}: 1 of aaaa; {new}: 2 of bbbb" in str(refused.value)
    with pytest.raises(CampaignError, match="no results of code cccc: there are aaaa, bbbb"):
        merged.merge([old, new], "cccc")
    assert not (tmp_path / "all").exists()
    assert merged.merge([old, new], "bbbb") == ["bbbb-2", "bbbb-3"]
    assert totals(merged[key] for key in ("bbbb-2", "bbbb-3")).code == "bbbb"
    with pytest.raises(CampaignError, match=r"all: 2 of bbbb; .*old: 1 of aaaa"):
        merged.merge([old])
    with pytest.raises(CampaignError, match="aaaa and bbbb"):
        totals([*Results(old), *Results(new)])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"{}", "scenario: Field required"),
        (b'{"key": "x"}', "scenario: Field required"),
        (b"what is this", "Invalid JSON"),
        (b"\xff\xfe", "Invalid JSON"),
        (b"", "Invalid JSON"),
        (json.dumps({"seed": "one"}).encode(), "seed: Input should be a valid integer"),
        (json.dumps({"code": 1}).encode(), "code: Input should be a valid string"),
        (json.dumps({"wall_s": float("nan")}).encode(), "wall_s: Input should be a finite number"),
        (json.dumps({"faults": [{"name": "x"}]}).encode(), "faults.0.index: Field required"),
        (json.dumps({"script": {"name": "x"}}).encode(), "script.duration_s: Field required"),
    ],
)
def test_a_damaged_line_is_told_with_file_and_number(tmp_path: Path, line: bytes, words: str) -> None:
    run([job(1), job(2)], Results(tmp_path), Counting())
    file = tmp_path / "results-1of1.jsonl"
    good = file.read_bytes().splitlines()
    if line.startswith(b'{"') and b"key" not in line:
        line = json.dumps(json.loads(good[0]) | json.loads(line)).encode()
    file.write_bytes(b"\n".join([good[0], line, good[1], b""]))
    with pytest.raises(CampaignError) as refused:
        Results(tmp_path)
    assert str(refused.value).startswith(f"{file}:2: is damaged ({words}")
    ran = called("--merge", str(tmp_path), "--out", str(tmp_path / "all"))
    assert isinstance(ran.exception, CommandFailed)
    assert f"{file}:2" in str(ran.exception)
    file.write_bytes(b"\n".join([*good, b""]))
    assert len(Results(tmp_path)) == 2


def test_a_run_that_kills_its_workers_is_a_violation(tmp_path: Path) -> None:
    class Deadly(Here):
        def run(self, do: Any, jobs: Any) -> Any:
            yield from ((one, Lost("3 workers died with it")) for one in jobs)

    results = Results(tmp_path)
    (key,) = run([job(1)], results, Deadly())
    assert results[key].violations[0].invariant == "worker-lost"


# -- reports


def violated() -> list[Kept]:
    broken = Violation("host-alive", 1_500_000, "light <after> & silence", 1_500_000)
    fault = Report("line-cut", 0, {}, expected=False, active=False, begun=1, fired=7)
    idle = replace(fault, expected=True, fired=0)
    return [
        result_of(1, began_us=1_000_000, violations=(broken,), faults=(fault, replace(fault, fired=0))),
        result_of(2, excused={"shutter-closed": "why"}),
        result_of(3, faults=(idle,)),
    ]


def test_junit_has_a_case_for_each_run_and_a_failure_for_each_bad_one() -> None:
    suite = ET.fromstring(junit(violated(), "title"))[0]  # noqa: S314 # our own
    assert (suite.get("tests"), suite.get("failures")) == ("3", "2")
    assert [len(case) for case in suite] == [1, 0, 1]
    assert "light <after> & silence" in (suite[0][0].text or "")


def test_the_page_shows_totals_plots_and_escapes_what_it_quotes() -> None:
    runs = violated()
    page = html(runs, totals(runs), "a campaign")
    assert "1 violation\nin 3 runs; expected faults that never fired: 1." in page
    assert '<td class="time">0.500000 s</td>' in page  # since the run began
    assert "light &lt;after&gt; &amp; silence" in page
    assert f"<td>{code_hash()}</td>" in page
    assert page.count("<svg") == 3
    assert "http" not in page.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    ).replace("https://matplotlib.org", "")


def test_the_json_names_each_violation_with_its_seed(tmp_path: Path) -> None:
    runs = violated()
    told = as_json(runs, totals(runs))
    assert {"seeds", "simulated_s", "pulses", "violations", "faults_fired"} <= set(told)
    assert (told["seeds"], told["violations"], told["faults_fired"], told["pulses"]) == (3, 1, 1, 6)
    assert told["violation_list"][0]["seed"] == 1
    assert told["code"] == code_hash()
    assert told["faults"] == {"line-cut": {"injected": 3, "injected_that_fired": 1, "times_fired": 7}}
    assert [path.name for path in write(tmp_path, runs, totals(runs), "t")] == ["report.json", "report.xml"]
    assert json.loads((tmp_path / "report.json").read_text()) == told


# -- a violation becomes a file


def test_a_violation_is_shrunk_and_its_file_shows_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    void = Permit.void

    def forgetting_to_void(self: Permit) -> None:  # the defect: a STOP voids no permit that was pressed for
        if self.pulses_left != 5:
            void(self)

    monkeypatch.setattr(Permit, "void", forgetting_to_void)
    from tests.rig.broken_device import stop_ignored

    stop_ignored(monkeypatch)
    events = (
        Happening(1.234, "login-again"), Happening(3.987, "stop"), Happening(5.0, "aiming", {"to": "on"}),
        Happening(6.0, "takeover"),
    )  # fmt: skip
    faults = ({"name": "line-drops", "expected": False, "share": 0.01, "at_s": 2.5, "for_s": 0.25},)
    script = Script("noisy", 12.0, plan_text(series=[15]), operator="tireless", events=events, faults=faults)
    (made,) = jobs_of(script, [1], chaos=False)
    result = do(made)
    assert "trigger-inhibited" in {one.invariant for one in result.violations}
    file = shrink_and_write(result, "trigger-inhibited", tmp_path / "violations")
    found = read_scenario(file)
    assert [event.do for event in found.script.events] == ["stop"]
    assert not found.script.faults
    assert found.script.duration_s < 12
    assert broken_at_s(found.script, found.seed, "trigger-inhibited") is not None
    (command_line,) = [line for line in file.read_text().splitlines() if "picolase simulate" in line]
    assert command_line.split() == ["#", "picolase", "simulate", str(file.resolve())]
    monkeypatch.undo()
    assert not simulate(found.script, found.seed, clock=time.perf_counter).violations


def test_a_comment_of_several_lines_spoils_no_file(tmp_path: Path) -> None:
    file = write_script(QUICK, 1, tmp_path, "x", ["nothing-goes-unseen: one\ntwo = [", "three"])
    assert file.read_text().startswith("# nothing-goes-unseen: one\n# two = [\n# three\nformat = 1\n")
    assert read_scenario(file).script == QUICK


def test_campaigns_keep_every_promise(pytestconfig: pytest.Config) -> None:
    soak = pytestconfig.getoption("--hypothesis-profile") == "soak"
    script = Script("a treatment", 60.0, PLAN, operator="random")
    for made in jobs_of(script, range(1, 3_000 if soak else 4), chaos=True):
        result = do(made)
        assert not result.violations, made.seed


# -- the command


def called(*words: str) -> Result:
    return CliRunner().invoke(command, list(words))


SCENARIO = """\
format = 1
name = "quick"
duration_s = 5.0
[host]
plan = "plan.toml"
operator = "random"
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    (tmp_path / "plan.toml").write_text(plan_text(series=[3]))
    file = tmp_path / "quick.toml"
    file.write_text(SCENARIO)
    return file


@pytest.mark.processes
@pytest.mark.timeout(900)
def test_the_command_runs_reports_continues_and_merges(tmp_path: Path, scenario: Path) -> None:
    out = tmp_path / "out"
    given = ("--scenario", str(scenario), "--calm", "--json", "--workers", "2")
    ran = called(*given, "--seeds", "3", "--out", str(out))
    assert ran.exception is None, ran.output
    told = json.loads(ran.stdout)
    assert (told["seeds"], told["violations"]) == (3, 0)
    assert told["pulses"] > 0
    assert told["simulated_s"] > 15
    assert {file.name for file in out.iterdir()} >= {"report.html", "report.json", "report.xml"}
    began = (out / "results-1of1.jsonl").read_text()
    again = json.loads(called(*given, "--seeds", "3", "--out", str(out)).stdout)
    assert again["seeds"] == 3
    assert (out / "results-1of1.jsonl").read_text() == began
    assert (
        called(*given, "--seeds", "4", "--shard", "4/4", "--out", str(tmp_path / "shard")).exception is None
    )
    merged = called(
        "--merge", str(out), "--merge", str(tmp_path / "shard"), "--out", str(tmp_path / "all"), "--json"
    )
    assert json.loads(merged.stdout)["seeds"] == 4


@pytest.mark.processes
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore")  # Dask and its event loop have much to say at their end
def test_the_command_runs_on_a_dask_cluster(tmp_path: Path, scenario: Path) -> None:
    with cluster() as found:
        out = ("--out", str(tmp_path / "out"))
        given = ("--scenario", str(scenario), "--json", "--seeds", "3", "--no-shrink")
        ran = called(*given, *out, "--dask", found.scheduler_address)
        assert ran.exception is None, ran.output
    told = json.loads(ran.stdout)
    assert (told["seeds"], told["violations"]) == (3, 0)
    assert told["simulated_s"] > 15


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--shard", "3/2"), "give i/n"),
        (("--workers", "many"), "give a number, or auto"),
        (("--workers", "0"), "at least 1"),
        (("--merge", "nowhere"), "no results to merge"),
        (("--scenario", "nowhere.toml"), "nowhere.toml: file: there is no such file"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(
    words: tuple[str, ...], text: str, tmp_path: Path
) -> None:
    ran = called(*words, "--out", str(tmp_path / "out"))
    assert isinstance(ran.exception, CommandFailed | TomlError)
    assert text in str(ran.exception)
    assert not (tmp_path / "out").exists()


def test_code_is_chosen_among_what_is_merged_only() -> None:
    ran = called("--code", "abc")
    assert ran.exit_code == 2
    assert "give --merge too" in ran.output
