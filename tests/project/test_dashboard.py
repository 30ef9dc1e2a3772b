"""The dashboard: asks for what there is, shows nothing old as new, and has a place for every panel."""

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.models import dashboard as models

from tests.controller.promtool import SERIES

PAGE = Path(__file__).parents[2] / "dashboards" / "grafana" / "picolase.json"
COLUMNS = 24


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(PAGE.read_text())
    return read


@pytest.fixture(scope="module")
def panels(page: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in page["panels"] if panel["type"] != "row"]


def test_grafanas_own_model_of_a_dashboard_takes_it(page: dict[str, Any]) -> None:
    read = models.Dashboard.from_json(page)
    assert read.title == "picolase"
    assert len(read.panels or ()) == len(page["panels"])


def test_every_query_is_about_the_chosen_laser_and_asks_for_what_is_told(
    panels: list[dict[str, Any]],
) -> None:
    for panel in panels:
        assert panel["targets"], panel["title"]
        for target in panel["targets"]:
            used = re.findall(r"\bpicolase_\w+|\bup\b", target["expr"])
            assert used, target["expr"]
            assert set(used) <= SERIES | {"up"}, target["expr"]
            assert target["expr"].count('instance="$instance"') == len(used), target["expr"]
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs), panel["title"]


def test_what_shows_one_value_shows_it_of_now_or_says_that_it_is_unknown(
    panels: list[dict[str, Any]],
) -> None:
    """Over a range it would show the last value there was, of a laser that is gone too."""
    stats = [panel for panel in panels if panel["type"] == "stat"]
    assert len(stats) == 8
    for panel in stats:
        assert all(target["instant"] for target in panel["targets"]), panel["title"]
        assert panel["fieldConfig"]["defaults"]["noValue"] == "UNKNOWN", panel["title"]


def test_no_gap_is_drawn_over(panels: list[dict[str, Any]]) -> None:
    for panel in panels:
        custom = panel["fieldConfig"]["defaults"].get("custom", {})
        assert not custom.get("spanNulls"), panel["title"]


def test_every_panel_says_what_it_shows_in_a_place_of_its_own(page: dict[str, Any]) -> None:
    places = []
    for panel in page["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= COLUMNS, panel["title"]
        places.append((panel["title"], place))
        assert panel["type"] == "row" or (panel["title"] and panel["description"])
    for (one, a), (other, b) in combinations(places, 2):
        apart_x = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        apart_y = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert apart_x or apart_y, f"{one} lies over {other}"


def test_it_says_that_it_is_no_safety_function(page: dict[str, Any]) -> None:
    assert "no safety function" in page["description"]
