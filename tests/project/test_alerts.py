"""The alert rules: tried by promtool, each alert with a laser that has its cause and one that has not."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.metrics import METRICS
from tests.controller.promtool import PROMTOOL, SERIES, without_promtool

FOLDER = Path(__file__).parents[2] / "dashboards" / "prometheus"
RULES = FOLDER / "picolase.rules.yml"
TRIALS = FOLDER / "picolase.rules.test.yml"


def promtool(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [str(PROMTOOL), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def rules() -> dict[str, dict[str, Any]]:
    """The rules by the names of their alerts."""
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule for rule in group["rules"]}


def trials() -> list[dict[str, Any]]:
    """Every single trial, with the instances that its test knows."""
    return [
        trial | {"instances": set(re.findall(r'instance="(\w+)"', str(test["input_series"])))}
        for test in yaml.safe_load(TRIALS.read_text())["tests"]
        for trial in test["alert_rule_test"]
    ]


def test_every_alert_is_tried_with_a_laser_that_has_its_cause_and_one_that_has_not() -> None:
    firing, silent = set(), set()
    for trial in trials():
        alerting = {alert["exp_labels"]["instance"] for alert in trial["exp_alerts"]}
        if alerting:
            firing.add(trial["alertname"])
            if trial["instances"] - alerting:
                silent.add(trial["alertname"])
    assert firing == silent == rules().keys()


def test_every_alert_that_waits_is_tried_before_its_time_too() -> None:
    waiting = {name for name, rule in rules().items() if "for" in rule}
    assert waiting <= {trial["alertname"] for trial in trials() if not trial["exp_alerts"]}


def test_rules_and_trials_use_no_metric_that_nobody_tells() -> None:
    for path in (RULES, TRIALS):
        used = set(re.findall(r"picolase_\w+", path.read_text()))
        assert used <= SERIES, path.name
        assert len(used) > 10


def test_every_value_of_a_label_in_a_rule_is_one_that_the_metric_has() -> None:
    among = {label.name: set[str]() for metric in METRICS for label in metric.labels}
    for metric in METRICS:
        for label in metric.labels:
            among[label.name] |= set(label.among)
    picked = re.findall(r'(\w+)=~?"([\w|]+)"', RULES.read_text())
    assert len(picked) > 3
    for label, values in picked:
        assert label == "job" or set(values.split("|")) <= among[label], (label, values)


def test_every_alert_says_what_is_so_and_what_to_do() -> None:
    for name, rule in rules().items():
        assert name.startswith("Picolase")
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert rule["annotations"].keys() == {"summary", "action"}, name
        assert "$labels.instance" in rule["annotations"]["summary"], name


@without_promtool
@pytest.mark.parametrize(
    "arguments",
    [("check", "rules", RULES), ("check", "config", FOLDER / "prometheus.yml"), ("test", "rules", TRIALS)],
    ids=["rules", "config", "trials"],
)
def test_promtool_accepts(arguments: tuple[object, ...]) -> None:
    done = promtool(*arguments)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert "SUCCESS" in done.stdout


@without_promtool
@pytest.mark.parametrize("expr", ["vector(0) > 1", "{metric} > -Inf"], ids=["never", "always"])
def test_the_trials_notice_alerts_that_never_come_and_such_as_always_do(tmp_path: Path, expr: str) -> None:
    """The control case: every rule is spoiled, and every alert has to be missed or to be one too many."""
    shutil.copy(TRIALS, tmp_path)
    spoiled = yaml.safe_load(RULES.read_text())
    for rule in spoiled["groups"][0]["rules"]:
        metric = re.search(r"picolase_\w+|\bup\b", rule["expr"])
        assert metric is not None
        rule["expr"] = expr.format(metric=metric[0])
    (tmp_path / RULES.name).write_text(yaml.safe_dump(spoiled))
    done = promtool("test", "rules", tmp_path / TRIALS.name)
    assert done.returncode == 1
    assert set(re.findall(r"alertname: (\w+)", done.stdout + done.stderr)) == rules().keys()
