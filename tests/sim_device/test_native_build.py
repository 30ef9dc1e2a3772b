"""The library of the C core: how it is built, what is said when it cannot be, that tests fail on it."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from protocols.states import State
from sim_device import native, native_build
from sim_device.board import Inputs
from sim_device.errors import SetupError
from sim_device.firmware import MEMORY_BYTES, Reference
from sim_device.firmwares import NAMES, make
from sim_device.memory import RamMemory
from sim_device.native import Native
from tests.sim_device.golden import series
from tests.sim_device.twins import Pair, benches_of
from tools import c_header


def test_the_c_side_of_the_declarations_is_up_to_date() -> None:
    assert c_header.write(checking=True) == 0


def test_an_old_header_is_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(c_header, "FIRMWARE", tmp_path)
    assert c_header.write(checking=True) == 1
    assert not list(tmp_path.iterdir())
    assert c_header.write(checking=False) == 0
    assert c_header.write(checking=True) == 0


def test_the_same_sources_are_built_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PICOLASE_CACHE", str(tmp_path / "new"))
    monkeypatch.setenv("PICOLASE_CFLAGS", "-O0")
    first = native_build.built()
    made_ns = first.path.stat().st_mtime_ns
    assert native_build.built() == first
    assert first.path.stat().st_mtime_ns == made_ns
    assert [file.name for file in first.path.parent.iterdir()] == [first.path.name]


def test_without_a_compiler_it_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PICOLASE_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(SetupError, match=r"needs a C compiler.*apt install gcc.*reference firmware"):
        native_build.built()


def test_without_sources_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(native_build, "SOURCES", tmp_path)
    with pytest.raises(SetupError, match="sources are missing"):
        native_build.built()


def test_a_cache_that_cannot_be_made_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PICOLASE_CACHE", str(tmp_path / "file" / "under"))
    with pytest.raises(SetupError, match="set PICOLASE_CACHE"):
        native_build.built()


def test_sources_that_the_compiler_refuses_leave_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _changed(monkeypatch, tmp_path, "core/crc.c", "~before", "~befor")
    with pytest.raises(SetupError, match="refused the native firmware"):
        native_build.built()
    assert not list((tmp_path / "cache").iterdir())


def test_a_firmware_is_made_by_its_name() -> None:
    made = {name: type(make(name, "PL755-0007")) for name in NAMES}
    assert made == {"reference": Reference, "native": Native}
    with pytest.raises(SetupError, match=r"firmware = 'nativ' is not known: give one of reference, native"):
        make("nativ", "PL755-0007")


def test_the_core_refuses_what_it_cannot_run_on() -> None:
    firmware = Native()
    with pytest.raises(RuntimeError, match="call boot first"):
        firmware.step(0, Inputs(), b"", b"")
    with pytest.raises(ValueError, match=f"too small: give at least {MEMORY_BYTES}"):
        firmware.boot(0, RamMemory(MEMORY_BYTES - 1), watchdog_reset=False)
    firmware.boot(0, RamMemory(), watchdog_reset=False)
    with pytest.raises(ValueError, match=r"hv_mv = 2147483648: give a level of 32 bits"):
        firmware.step(0, Inputs(hv_mv=2**31), b"", b"")
    assert firmware.step(0, Inputs(key_on=True, light_count=2**32 + 1), b"", b"").wake_us > 0
    assert firmware.state is State.FAULT, "of all contacts only the key is closed"


def test_bytes_of_another_build_are_refused() -> None:
    firmware = Native()
    saved = firmware.__getstate__()
    with pytest.raises(ValueError, match="another build of the core"):
        firmware.__setstate__(saved | {"build": "other"})


@pytest.mark.parametrize(
    ("file", "text", "other"),
    [
        ("core/judge.c", "readings->pulses > 1", "readings->pulses > 2"),
        ("core/permit.c", "grant->trigger == TRIGGER_INTERNAL", "false"),
        ("core/link.c", "frame->seq > link->heard_seq", "frame->seq >= link->heard_seq"),
        ("core/memory.c", "crc32_after(MAGIC, raw", "crc32_after(0, raw"),
        ("core/pulser.c", "if (!device_clear_to_trigger(device, order))", "if (0)"),
    ],
)
def test_another_behaviour_of_the_core_is_found(
    file: str, text: str, other: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _changed(monkeypatch, tmp_path, file, text, other)
    monkeypatch.setattr(native, "library", _once(native.Library(native_build.built())))
    with benches_of(Pair), pytest.raises(AssertionError):
        _try_much()


def _try_much() -> None:
    """Some histories that both sides of a pair go through; without a change they pass (their own module)."""
    from tests.sim_device import test_native_differs_nowhere as differs

    series(flashes=2)
    differs.test_a_line_that_moves_while_the_pulse_is_numbered_stops_its_trigger_in_both("door_closed", False)
    differs.test_stale_words_are_passed_over_alike()
    differs.test_a_permit_is_for_one_trigger_in_both()


def _once(library: native.Library) -> Callable[[], native.Library]:
    return lambda: library


def _changed(monkeypatch: pytest.MonkeyPatch, folder: Path, file: str, text: str, other: str) -> None:
    """Let the library be built from sources of which one reads otherwise."""
    shutil.copytree(native_build.SOURCES, folder / "firmware")
    path = folder / "firmware" / file
    source = path.read_text("utf-8")
    assert text in source
    path.write_text(source.replace(text, other), encoding="utf-8")
    monkeypatch.setattr(native_build, "SOURCES", folder / "firmware")
    monkeypatch.setenv("PICOLASE_CACHE", str(folder / "cache"))
    monkeypatch.setenv("PICOLASE_CFLAGS", "-O0 -Wno-error")


STRICT = (
    *("-Werror", "-Wpedantic", "-Wshadow", "-Wstrict-prototypes", "-Wmissing-prototypes", "-Wcast-qual"),
    *("-Wcast-align", "-Wvla", "-Wdouble-promotion", "-Wfloat-equal", "-Wundef", "-Wwrite-strings"),
)


def test_the_sources_compile_without_a_warning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PICOLASE_CACHE", str(tmp_path))
    monkeypatch.setenv("PICOLASE_CFLAGS", " ".join(STRICT))
    assert native_build.built().path.exists()


def test_the_core_needs_nothing_but_bytes_moved_and_compared(tmp_path: Path) -> None:
    """No heap, no clock, no floating point of a library: what a bare processor has not."""
    core = tmp_path / "core.o"
    sources = [str(file) for file in native_build.SOURCES.glob("core/*.c")]
    flags = ["-std=c11", "-Os", "-nostdlib", "-r", f"-I{native_build.SOURCES / 'include'}"]
    subprocess.run(["cc", *flags, *sources, "-o", str(core)], check=True)
    undefined = subprocess.run(
        ["nm", "-u", str(core)], capture_output=True, text=True, check=True
    ).stdout.split()
    assert set(undefined) - {"U"} <= {"memcpy", "memset", "memcmp", "memmove", "memchr", "strlen"}


SANITIZED = """
import sys
from tests.sim_device.golden import histories
from tests.sim_device.twins import BenchNative, benches_of
with benches_of(BenchNative):
    for name, run in histories(0):
        if name.startswith(("series", "from", "memory", "cut at 2, 40")):
            run().hexdigest()
print("clean")
"""


def test_the_core_runs_clean_under_the_sanitizers(monkeypatch: pytest.MonkeyPatch) -> None:
    runtimes = [_runtime(name) for name in ("libasan.so", "libubsan.so")]
    monkeypatch.setenv("PICOLASE_CFLAGS", "-fsanitize=address,undefined -fno-sanitize-recover=all -g -O1")
    native_build.built()  # outside the sanitizers: they would watch the compiler, too
    monkeypatch.setenv("LD_PRELOAD", " ".join(runtimes))
    monkeypatch.setenv("ASAN_OPTIONS", "detect_leaks=0")
    ran = subprocess.run(
        [sys.executable, "-c", SANITIZED],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert ran.stdout == "clean\n", ran.stderr


def _runtime(name: str) -> str:
    found = subprocess.run(
        ["cc", f"-print-file-name={name}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    if "/" not in found:
        pytest.skip(f"this compiler comes without {name}")
    return found
