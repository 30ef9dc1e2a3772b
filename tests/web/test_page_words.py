"""The files of the page: all words stand in the catalogue, nothing is asked for outside, little is sent."""

import hashlib
import json
import re
from importlib.resources import files
from pathlib import Path

import pytest

from controller.picture import PERMITS
from controller.web.labels import LABELS
from controller.web.words import catalogue
from protocols.faults import FAULTS
from protocols.interlocks import Interlock
from protocols.messages import PulseFlag
from protocols.states import State
from safety.checklist import ITEMS

STATIC = Path(str(files("controller.web") / "static"))
OURS = sorted(STATIC.glob("*.*"))
SCRIPTS = {path.name: path.read_text() for path in OURS if path.suffix == ".js"}
PAGE = (STATIC / "index.html").read_text()
KEY = re.compile(r'"([a-z_]+(?:\.[a-z_0-9]+)*)"')


def asked_for() -> set[str]:
    """Keys that scripts and page ask the catalogue for; `x.*` for those whose end is put together."""
    found = set(re.findall(r'data-word="([^"]+)"', PAGE))
    for text in SCRIPTS.values():
        found |= {f"{start}*" for start in re.findall(r"\bt\(`([a-z.]+)\$\{", text)}
        for call in re.findall(r"\bt\(([^`][^()]*)", text):
            found |= {key for key in KEY.findall(call) if key in LABELS or "." in key}
    return found | set(re.findall(r'aged\("([^"]+)"', "".join(SCRIPTS.values())))


def test_every_word_that_the_page_asks_for_stands_in_the_catalogue() -> None:
    unknown = {key for key in asked_for() if not key.endswith("*") and key not in LABELS}
    assert not unknown
    assert len(asked_for()) > 80


def test_the_catalogue_has_no_word_that_nobody_asks_for() -> None:
    asked = asked_for()
    starts = tuple(key[:-1] for key in asked if key.endswith("*"))
    assert {key for key in LABELS if key not in asked and not key.startswith(starts)} == set()


def test_what_the_page_says_before_it_has_the_words_is_what_the_words_say() -> None:
    told = dict(re.findall(r'data-word="([^"]+)"[^>]*>([^<]+)<', PAGE))
    assert {"stop", "stop.hint", "stale", "stale.advice", "not_safety"} <= set(told)
    assert {key: text for key, text in told.items() if text != LABELS[key]} == {}


def test_every_state_fault_interlock_flag_and_item_has_its_words() -> None:
    told = catalogue()
    assert {name: row["permits"] for name, row in told["states"].items()} == PERMITS
    assert set(told["states"]) == {state.name.lower() for state in State}
    assert [row["key"] for row in told["interlocks"]] == [interlock.name.lower() for interlock in Interlock]
    assert {name: row["action"] for name, row in told["faults"].items()} == {
        fault.name.lower(): row.action for fault, row in FAULTS.items()
    }
    assert set(told["flags"]) == {flag.name.lower() for flag in PulseFlag}
    assert [item["key"] for item in told["checklist"]] == list(ITEMS)
    json.dumps(told, allow_nan=False)


def test_the_limits_are_those_of_the_requirements() -> None:
    limits = catalogue()["limits"]
    assert limits["energy_percent"] == 15  # REQ-018
    assert (limits["width_low_ps"], limits["width_high_ps"]) == (450, 825)  # REQ-047
    assert limits["silent_ms"] == limits["stop_unconfirmed_ms"] == 1500
    assert limits["hold_ms"] == 1000


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_no_file_of_ours_names_a_place_outside(path: Path) -> None:
    assert not re.findall(r"https?:|//[a-z0-9.-]+\.[a-z]{2,}|wss?:", path.read_text())


@pytest.mark.parametrize("name", SCRIPTS)
def test_nothing_told_is_ever_taken_as_html_or_as_a_script(name: str) -> None:
    assert not re.findall(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|new Function", SCRIPTS[name]
    )


def test_the_page_holds_no_script_and_no_style_in_its_text() -> None:
    assert not re.findall(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]* src=)", PAGE)


def test_what_others_made_is_what_its_manifest_says_with_its_licence() -> None:
    vendor = STATIC / "vendor"
    manifest = json.loads((vendor / "manifest.json").read_text())
    known = {name: digest for part in manifest.values() for name, digest in part["sha256"].items()}
    found = {path.name for path in vendor.iterdir()} - {"manifest.json"}
    assert set(known) == found
    assert known == {name: hashlib.sha256((vendor / name).read_bytes()).hexdigest() for name in found}
    assert "Permission is hereby granted" in (vendor / "uPlot.LICENSE").read_text()  # MIT


def test_the_whole_page_is_smaller_than_200_kb() -> None:
    sent = [path for path in STATIC.rglob("*") if path.suffix in {".html", ".js", ".css"}]
    size = sum(path.stat().st_size for path in sent) + len(json.dumps(catalogue()))
    assert size < 200_000, size
