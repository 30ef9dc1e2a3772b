"""Targets of what people write: plans, configurations and scenarios in TOML, and recordings."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from controller.config import Config, example_toml, parse_config
from controller.declined import Declined
from controller.plans import parse_plan, plan_toml, verdict
from controller.tomlfile import TomlError
from rig.recording import END, Event, Header, Recording, RecordingError, Writer, load
from rig.replay import replay
from rig.scenario import Scenario, parse_scenario
from rig.stack import PLAN
from safety.plan_check import check_plan
from sim_device.errors import SetupError
from tests.fuzz.folder import file_with, in_folder
from tests.fuzz.given import Given
from tests.fuzz.target import Target
from tests.safety.laser import DEVICE

ROOT = Path(__file__).parents[2]
FILE = ROOT / "plans" / "fuzzed.toml"  # is not there: only its folder counts


def text_of(data: bytes) -> str:
    """Any text that UTF-8 can carry."""
    return data.decode("utf-8", "replace")


def explained(error: TomlError, text: str) -> None:
    """Every problem has a place, a line of the text and what to do, and can be told in JSON."""
    assert error.problems
    for problem in error.problems:
        assert problem.action
        assert problem.path or problem.line == 1
        assert problem.line is None or 1 <= problem.line <= text.count("\n") + 1
        assert len(str(problem)) < 2 * len(text) + 2_000
    assert str(error)
    told = Declined.for_file(error)
    json.dumps({"message": str(told), "problems": told.problems}, allow_nan=False).encode()


def plan(data: bytes) -> None:
    """A plan loads or every problem names field and reason; what loads is judged, and written back alike."""
    text = text_of(data)
    try:
        loaded = parse_plan(text, FILE)
    except TomlError as error:
        explained(error, text)
        return
    refused = check_plan(loaded.plan, DEVICE)
    for refusal in refused:
        assert all((refusal.code, refusal.field, refusal.allowed, refusal.source, refusal.action)), refusal
        assert str(refusal.reason.text)
    judged = verdict(loaded, refused)
    assert judged["ok"] is not bool(refused)
    json.dumps(judged, allow_nan=False)
    if not refused:
        again = parse_plan(plan_toml(loaded.plan), FILE).plan
        assert replace(again, fluence_j_cm2=None) == replace(loaded.plan, fluence_j_cm2=None)
        assert not check_plan(again, DEVICE)
        assert loaded.plan.setpoint().rep_rate_mhz <= 10_000


def config(data: bytes) -> None:
    """A configuration loads, and is then a whole one, or every problem names key and reason."""
    text = text_of(data)
    try:
        found = parse_config(text, FILE)
    except TomlError as error:
        explained(error, text)
        return
    again = Config.model_validate(found.model_dump(exclude_unset=True), context={"folder": FILE.parent})
    assert again == found
    assert found.safety.status_max_age_ms <= 500
    assert found.safety.idle_lock_s <= 900


def scenario(data: bytes) -> None:
    """A scenario loads and can be carried out, or every problem names line, key and reason."""
    text = text_of(data)
    try:
        found = parse_scenario(text, FILE)
    except TomlError as error:
        explained(error, text)
        return
    assert isinstance(found, Scenario)
    assert all(0 <= event.at_s <= found.script.duration_s for event in found.script.events)
    assert found.device_script.name == found.script.name


def recording(data: bytes) -> None:
    """A file is a whole recording, written back alike and replayed or refused, or the line is named."""
    given = Given(data)
    sealed, runs = given.number(0, 3), given.flag()
    content = given.rest()
    if sealed:  # with an end that fits, so that the lines themselves are looked at
        content = content if content.endswith(b"\n") else content + b"\n"
        content += json.dumps([2**40, END, hashlib.sha256(content).hexdigest()]).encode() + b"\n"
    path = file_with(content)
    found, refusal = loaded(path)
    assert refusal.startswith(str(path)) if found is None else not refusal
    if found is None:
        return
    assert written(found) == written(load(file_with(written(found))))
    if runs and short(found):
        with contextlib.suppress(ValueError, SetupError):
            replay(found)


def loaded(path: Path) -> tuple[Recording | None, str]:
    """The recording in the file, or what is said against it."""
    try:
        return load(path), ""
    except RecordingError as error:
        return None, str(error)


def written(found: Recording) -> bytes:
    out = io.StringIO()
    writer = Writer(found.header, out)
    for event in found.events:
        writer.put(event)
    writer.close(found.end_us)
    return out.getvalue().encode("utf-8", "surrogatepass")


def short(found: Recording) -> bool:
    """It takes no longer to replay than a fuzzer has patience."""
    return found.end_us - found.header.start_us <= 2_000_000 and len(found.events) < 50


def _toml_seeds(*folders: str) -> Callable[[], list[bytes]]:
    return lambda: [
        file.read_bytes() for folder in folders for file in sorted((ROOT / folder).glob("*.toml"))
    ]


# Text that is there to wear a reader out: nested without end, numbers without end, a line of dots.
HOSTILE = [
    *(b"a = " + bracket * 1_500 for bracket in (b"[", b"{a=", b"[[{a=")),
    *(b"a" + b".a" * 1_500 + rest for rest in (b" = 1", b"")),
    *(b"format = " + digits for digits in (b"9" * 4_500, b"0x" + b"f" * 4_400, b"-" + b"9" * 20, b"1e999")),
    b"a = [\n" + b"1,\n" * 700 + b"]\n",
    b"[a" + b".a" * 1_500 + b"]",
    b"[[a]]\n" * 500,
    b"format = 1979-05-27T07:32:00Z\nname = nan\nindication = inf\nrehearsal = 07:32:00\n",
    "# \u2028[b]\u0085c = =\nformat = 2\n".encode(),
]


def _plan_seeds() -> list[bytes]:
    whole = parse_plan(PLAN, FILE).plan
    made = [
        whole,
        replace(whole, subject="a1", area_cm2=5.0, overlap_percent=10.0, acknowledged=("test_spot",)),
    ]
    return [PLAN.encode(), *(plan_toml(one).encode() for one in made), *_toml_seeds("plans")(), *HOSTILE]


def _config_seeds() -> list[bytes]:
    return [
        example_toml().encode(),
        b'[device]\nurl = "socket://localhost:4000"\n[api]\nsocket = "s"\n',
        *HOSTILE,
    ]


def _scenario_seeds() -> list[bytes]:
    """Those of the host would read another file, a plan."""
    return [text for text in _toml_seeds("scenarios")() if len(text) < 1_500] + HOSTILE


def _recording_seeds() -> list[bytes]:
    events = [
        Event(0, ">wire", "00"),
        Event(5, "act", {"name": "key", "fields": {"to": "on"}}),
        Event(5, ">console", b"*IDN?\n".hex()),
        Event(6, "agenda", {"name": "door", "fields": {"to": "open"}}),
        Event(7, "act", {"name": "injector", "fields": {"seed": 1}}),
        Event(7, "act", {"name": "inject", "fields": {"name": "pulse-wide", "at_s": 0.5}}),
        Event(9, "lines", {"in": {"door_closed": True}}),
        Event(9, "boot", {"watchdog_reset": False}),
    ]
    made = [b"\x01\x00" + b"[" * 2_000, b"\x01\x00" + b'{"a":' * 2_000, b"\x01\x00" + b"9" * 5_000]
    for start in ("cold", "warm"):
        out = io.StringIO()
        writer = Writer(Header(start=start, baud=115_200, contacts={"key_on": True}), out)
        for event in events:
            writer.put(event)
        unended = out.getvalue().encode()
        writer.close(1_000)
        made += [b"\x00\x01" + out.getvalue().encode(), b"\x01\x00" + unended]
    return made


TARGETS = (
    Target("plan", plan, _plan_seeds, 4_096),
    Target("config", config, _config_seeds, 8_192),
    Target("scenario", scenario, _scenario_seeds, 4_096),
    Target("recording", recording, _recording_seeds, 8_192, (), in_folder),
)
