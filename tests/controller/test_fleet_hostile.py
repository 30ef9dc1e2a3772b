"""The fleet as a model: whatever comes, it stays bounded, and what it shows can be shown."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.codec import example_status
from controller import fleet as module
from controller.fleet import Fleet
from protocols.payloads import HostFacts, alarm_payload, encode, state_payload
from protocols.topics import TOPICS
from tests.controller.fleet_told import NOON_US, ROOT, Teller, made, row


def test_only_so_many_lasers_alarms_and_runs_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LASERS_MAX", 3)
    fleet = Fleet("laser/v1")
    for number in range(5):
        Teller(fleet, f"laser/v1/a/{number}/").birth()
    assert (len(fleet), fleet.crowded_out) == (3, 2)
    teller = Teller(fleet, "laser/v1/a/0/")
    for number in range(200):
        teller.say(
            f"alarm/n-{number}",
            alarm_payload(teller.stamp(), text="", cause="", action="", first=True, present=True),
        )
        Teller(fleet, "laser/v1/a/0/", boot=f"run-{number}").pulse(1)
    first = fleet.rows(NOON_US)[0]
    assert len(first.alarms) == module.ALARMS_MAX
    (laser,) = (one for key, one in fleet._lasers.items() if key == ("a", "0"))  # what grows
    assert len(laser.pulse_seqs) == module.RUNS_KEPT
    assert len(laser.energies_mj) == module.PULSES_KEPT


@pytest.mark.parametrize(
    "topic",
    [
        "", "laser/v1", "laser/v1/", "laser/v1/a", "laser/v1/a/b", "laser/v1/a/b/", "laser/v1//b/state",
        "laser/v1/A/b/state", "laser/v1/a/b/state/c", "laser/v1/a/b/alarm", "laser/v1/a/b/alarm/X",
        "laser/v1/a/b/alarm/x/y", "laser/v1/a/b/cmd/stop", "laser/v1/a/b/event", "laser/v1/a/b/reply/c",
        "laser/v2/a/b/state", "x/laser/v1/a/b/state", "laser/v1/a\x1b/b/state",
        f"laser/v1/{'a' * 65}/b/state",
    ],
)  # fmt: skip
def test_what_is_no_topic_of_ours_makes_no_laser(topic: str) -> None:
    fleet = Fleet("laser/v1")
    good = Teller(Fleet("laser/v1"))
    payload = encode({"seq": 1, **state_payload(example_status(), HostFacts(link_up=True), good.stamp())})
    fleet.take(topic, payload)
    fleet.take(topic, b"")
    assert (len(fleet), fleet.taken, fleet.unreadable) == (0, 0, 0)


GOOD_STATE = {"ts": "2026-03-01T12:00:00Z", "boot": "b", "seq": 1, "state": "standby"}


RUBBISH = [
    *(b"", b"x", b"[]", b"null", b"1", b'"a"', b"\xff", b"[" * 60_000, b"{" * 10),
    b'{"a":' + b"9" * 9_000 + b"}",
    json.dumps(GOOD_STATE).encode() + b" " * 70_000,
    *(json.dumps(GOOD_STATE | {"ts": ts}).encode() for ts in (
        None, 5, "noon", "2026-03-01T12:00:00", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00",
    )),
    *(json.dumps(GOOD_STATE | {"boot": boot}).encode() for boot in (None, 1, "\x1b[2J", "b" * 5_000)),
    *(json.dumps(GOOD_STATE | {"state": state}).encode() for state in (None, 7, "\x1b[2J", "\ud800", "\n")),
]  # fmt: skip


@pytest.mark.parametrize("payload", RUBBISH, ids=map(str, range(len(RUBBISH))))
def test_a_state_that_nobody_can_read_is_counted_and_changes_nothing(payload: bytes) -> None:
    fleet, teller = made()
    teller.all()
    before = row(fleet)
    if payload:
        fleet.take(ROOT + "state", payload)
    else:
        fleet.take(ROOT + "telemetry", payload)  # nothing is retained there that could be cleared
    assert (fleet.unreadable, row(fleet)) == (1, before)


def test_a_state_of_a_later_version_is_told_as_it_is() -> None:
    fleet = Fleet("laser/v1")
    fleet.take(ROOT + "state", json.dumps(GOOD_STATE | {"state": "hibernating", "new": [1, {}]}).encode())
    assert row(fleet).state == "hibernating"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = sorted(
    {field.name for topic in TOPICS.values() for field in topic.fields} | {"ts", "boot", "seq", "q", "sim"}
)
NEAR = st.one_of(
    JSON,
    st.sampled_from(["2026-03-01T12:00:00Z", "run-1", "standby", "", "a,b", "none"]),
    st.floats(allow_nan=True, allow_infinity=True),
    st.integers(min_value=-(2**70), max_value=2**70),
)
PAYLOADS = st.one_of(
    st.binary(max_size=60),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(st.sampled_from(NAMES), NEAR, max_size=12).map(lambda told: json.dumps(told).encode()),
    st.dictionaries(st.sampled_from(NAMES), NEAR, max_size=8).map(
        lambda told: json.dumps({"ts": "2026-03-01T12:00:00Z", "boot": "run-1", "seq": 1, **told}).encode()
    ),
)
SUFFIXES = st.sampled_from(
    ["status", "about", "state", "telemetry", "pulse", "alarm/door", "alarm/x", "event"]
)


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b"]), SUFFIXES, PAYLOADS), max_size=25), st.integers(0, 10**17)
)
def test_whatever_comes_there_are_rows_that_json_and_a_terminal_can_show(
    messages: list[tuple[str, str, bytes]], wall_us: int
) -> None:
    fleet = Fleet("laser/v1")
    for device, suffix, payload in messages:
        fleet.take(f"laser/v1/site/{device}/{suffix}", payload)
    seen = fleet.rows(wall_us)
    text = json.dumps([one.plain() for one in seen], allow_nan=False, ensure_ascii=False)
    assert len(seen) <= 2
    assert text.isprintable()
    assert "\\u" not in text.replace("\\\\", "")
    assert fleet.complete(wall_us) in {True, False}
    assert fleet.longest_period_ms() >= 0


def test_a_thousand_lasers_are_a_thousand_rows() -> None:
    fleet = Fleet("laser/v1")
    for number in range(1_000):
        Teller(fleet, f"laser/v1/site-{number % 7}/laser-{number}/").all()
    assert len(fleet.rows(NOON_US)) == 1_000
    assert sum(one.live for one in fleet.rows(NOON_US)) == 1_000
    assert fleet.taken == 4_000
