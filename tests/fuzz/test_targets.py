"""Every target under Hypothesis: what was kept, what our encoders make, and both bent; and under atheris."""

from __future__ import annotations

import functools
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.run import run_alone
from tests.fuzz.target import CORPUS, Target
from tests.fuzz.targets import MODULE_OF, TARGETS

NAMES = [
    pytest.param(name, marks=pytest.mark.shows(*target.shows) if target.shows else ())
    for name, target in sorted(TARGETS.items())
]
LONG = "PICOLASE_FUZZ_S" in os.environ  # `make soak`
SECONDS = int(os.environ.get("PICOLASE_FUZZ_S", "1"))  # of each target under atheris
# What coverage leads to is a matter of thousands of runs: in a second these make a few, after many to begin.
SLOW_TO_BEGIN = {"daemon_api", "simulator_api", "orders"}


@functools.cache
def examples(name: str) -> list[bytes]:
    return TARGETS[name].examples()


@pytest.mark.parametrize("name", NAMES)
def test_each_target_keeps_its_promise_for_what_is_known(name: str) -> None:
    target = TARGETS[name]
    assert examples(name)
    with target.around():
        for example in examples(name):
            target.run(example[: target.longest])


def bent(data: bytes, bends: list[tuple[int, int, bytes]]) -> bytes:
    """The input with pieces overwritten, put in and cut out."""
    out = bytearray(data)
    for how, place, piece in bends:
        at = place % (len(out) + 1)
        match how:
            case 0:
                out[at : at + len(piece)] = piece
            case 1:
                out[at:at] = piece
            case 2:
                del out[at : at + 1 + len(piece)]
            case _:
                out[at:] = data[place % (len(data) + 1) :]
    return bytes(out)


def inputs(target: Target) -> st.SearchStrategy[bytes]:
    known = st.sampled_from(examples(target.name))
    bends = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2**15), st.binary(max_size=8)), max_size=6)
    return st.builds(bent, known, bends).map(lambda data: data[: target.longest]) | st.binary(max_size=200)


@pytest.mark.parametrize("name", NAMES)
def test_each_target_keeps_its_promise_whatever_comes(name: str) -> None:
    target = TARGETS[name]

    @settings(
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
            HealthCheck.large_base_example,
        ],
        database=None,
    )
    @given(inputs(target))
    def promised(data: bytes) -> None:
        target.run(data)

    with target.around():
        promised()


def test_the_corpus_holds_nothing_but_targets() -> None:
    assert {folder.name for folder in CORPUS.iterdir()} <= TARGETS.keys()
    assert all(target.promise.endswith(".") for target in TARGETS.values())


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 900)
@pytest.mark.parametrize("name", [name for name in NAMES if LONG or name.values[0] not in SLOW_TO_BEGIN])
def test_each_target_keeps_its_promise_where_coverage_leads(name: str, tmp_path: Path) -> None:
    pytest.importorskip(
        "atheris", reason="atheris is not made for this Python: Hypothesis alone bends inputs"
    )
    done = run_alone(name, MODULE_OF[name], SECONDS, 0 if LONG else 1, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr[-5_000:]
    assert "Done" in done.stderr, done.stderr
