"""What `picolase fleet` draws on a terminal."""

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console

from bench.codec import example_status
from controller.cli import fleet as command
from controller.config import MqttConfig
from controller.fleet import Fleet
from controller.fleet_watch import FleetWatch
from protocols.payloads import HostFacts, Stamp, about_payload, birth_payload, encode, state_payload


def stamp(boot: str) -> Stamp:
    return Stamp(datetime.now(UTC), 7, boot, sim=True)


def drawn(count: int, height: int, *, trouble: str = "") -> str:
    fleet = Fleet("laser/v1")
    for n in range(count):
        root, boot = f"laser/v1/site/laser-{n:04}/", f"run-{n}"
        about = about_payload({}, stamp(boot), telemetry_hz=1.0, software_version="1", clock_source="system")
        state = state_payload(example_status(), HostFacts(link_up=True), stamp(boot))
        for suffix, payload in (
            ("about", about),
            ("status", birth_payload(boot, datetime.now(UTC))),
            ("state", state),
        ):
            fleet.take(root + suffix, encode({"seq": 1, **payload}))
    watch = FleetWatch(MqttConfig(), fleet, name="x")
    watch.trouble = trouble
    shown = command._Shown(fleet, watch, "mqtt://x:1", (), "name")  # what a terminal is given
    screen = Console(file=io.StringIO(), width=120, height=height)
    screen.print(shown._drawing(shown._rows(), height - command.LINES_AROUND))
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


@pytest.mark.parametrize("height", [12, 24, 50])
def test_a_drawing_of_a_thousand_lasers_fits_its_window_and_says_what_it_leaves_out(height: int) -> None:
    text = drawn(1_000, height, trouble="the broker is gone")
    assert len(text.splitlines()) <= height
    assert "STALE: the broker is gone" in text
    shown = text.count("laser-")
    assert f"and {1_000 - shown} more" in text
    assert "1000 lasers at mqtt://x:1; 1000 live" in text


def test_a_drawing_of_few_lasers_leaves_none_out() -> None:
    text = drawn(3, 24)
    assert text.count("LIVE") == 3
    assert "more" not in text
    assert "STALE" not in text
