"""The library of the C core: how it is built, what is said when it cannot be, that tests fail on it."""

import gc
import subprocess
import sys
import sysconfig
import tomllib
import weakref
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from protocols.states import State
from sim_device import native, native_build
from sim_device.board import Inputs, Outputs
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


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Sources that are compiled in no time, and a cache that is still empty."""
    for folder in ("core", "include", "native"):
        (tmp_path / "sources" / folder).mkdir(parents=True)
    (tmp_path / "sources/core/one.c").write_text("int one(void);\nint one(void) { return 1; }\n")
    monkeypatch.setattr(native_build, "SOURCES", tmp_path / "sources")
    monkeypatch.setenv("PICOLASE_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_the_same_sources_are_built_once(small: Path) -> None:
    first = native_build.built()
    made_ns = first.path.stat().st_mtime_ns
    assert native_build.built() == first
    assert first.path.stat().st_mtime_ns == made_ns
    assert list((small / "cache").iterdir()) == [first.path]


@pytest.mark.parametrize("file", ["core/one.c", "core/two.h", "include/three.h", "native/four.c"])
def test_other_sources_and_other_flags_are_another_library(
    file: str, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = native_build.built()
    (small / "sources" / file).write_text("int two(void);\n")
    second = native_build.built()
    monkeypatch.setenv("PICOLASE_CFLAGS", "-O0")
    third = native_build.built()
    assert len({first.key, second.key, third.key}) == 3
    assert sorted((small / "cache").iterdir()) == sorted(one.path for one in (first, second, third))


def test_the_sources_are_looked_for_beside_the_packages_where_a_wheel_puts_them() -> None:
    root = Path(native_build.__file__).parents[1]
    assert root / "firmware" == native_build.SOURCES
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    assert "firmware" in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


def test_without_a_compiler_it_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PICOLASE_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(SetupError, match=r"needs a C compiler.*apt install gcc.*reference firmware"):
        native_build.built()


def test_without_the_headers_of_python_it_says_how_to_get_them(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(small))
    with pytest.raises(SetupError, match=r"no .*Python\.h: install them .*python3-dev.*reference firmware"):
        native_build.built()
    assert not list((small / "cache").iterdir())


def test_without_sources_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(native_build, "SOURCES", tmp_path)
    with pytest.raises(SetupError, match="sources are missing"):
        native_build.built()


def test_a_cache_that_cannot_be_made_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PICOLASE_CACHE", str(tmp_path / "file" / "under"))
    with pytest.raises(SetupError, match="set PICOLASE_CACHE"):
        native_build.built()


def test_sources_that_the_compiler_refuses_leave_nothing(small: Path) -> None:
    (small / "sources/core/one.c").write_text("int one(void) { return }\n")
    with pytest.raises(SetupError, match="refused the native firmware"):
        native_build.built()
    assert not list((small / "cache").iterdir())


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
    with pytest.raises(ValueError, match=rf"an image has {len(saved['image'])} bytes, not 3"):
        firmware.__setstate__(saved | {"image": b"abc"})


@pytest.mark.parametrize(
    "arguments",
    [
        (0, Outputs(), b"", b""),
        (0, Inputs(), bytearray(), b""),
        (0, Inputs(), b"", ""),
        (0.5, Inputs(), b"", b""),
        (0, Inputs(), b""),
    ],
)
def test_a_step_takes_what_it_is_declared_with_and_nothing_else(arguments: tuple[Any, ...]) -> None:
    firmware = Native()
    firmware.boot(0, RamMemory(), watchdog_reset=False)
    before = firmware.__getstate__()["image"]
    with pytest.raises(TypeError):
        firmware.step(*arguments)
    assert firmware.__getstate__()["image"] == before


def test_a_line_that_was_taken_away_is_named() -> None:
    firmware, inputs = Native(), Inputs()
    firmware.boot(0, RamMemory(), watchdog_reset=False)
    del inputs.door_closed
    with pytest.raises(AttributeError, match="door_closed"):
        firmware.step(0, inputs, b"", b"")


class Restless(RamMemory):
    """A memory that has the firmware do something while it runs."""

    firmware: Native
    act: Callable[[], object]

    def write(self, offset: int, data: bytes) -> None:
        self.act()


def restless(act: str = "step") -> Restless:
    memory = Restless()
    memory.firmware = Native()
    core, image = memory.firmware._core, memory.firmware.__getstate__()["image"]
    memory.act = {
        "step": lambda: memory.firmware.step(0, Inputs(), b"", b""),
        "restore": lambda: core.restore(image, memory),
    }[act]
    return memory


@pytest.mark.parametrize("act", ["step", "restore"])
def test_a_firmware_that_runs_already_is_not_entered_again(act: str) -> None:
    memory = restless(act)
    with pytest.raises(RuntimeError, match="its memory called it"):
        memory.firmware.boot(0, memory, watchdog_reset=False)
    memory.firmware.boot(0, RamMemory(), watchdog_reset=False)
    assert memory.firmware.step(0, Inputs(), b"", b"").wake_us > 0


def test_a_firmware_that_nobody_has_any_more_is_forgotten_with_its_memory() -> None:
    memory = restless()
    memory.firmware.boot(0, RamMemory(), watchdog_reset=False)
    with pytest.raises(RuntimeError):
        memory.firmware.boot(0, memory, watchdog_reset=False)  # from now on both have each other
    known = weakref.ref(memory)
    del memory
    gc.collect()
    assert known() is None


@pytest.mark.parametrize("name", NAMES)
def test_what_is_wrong_with_a_memory_is_met_whichever_way_a_firmware_reaches_it(name: str) -> None:
    firmware, memory = make(name, "PL755-0007"), RamMemory()

    def start() -> bytes:
        firmware.boot(0, memory, watchdog_reset=False)
        firmware.step(0, Inputs(), b"", b"")
        return memory.image()

    once, twice = start(), start()
    assert once != twice, "boots are counted"
    written = next(place for place, byte in enumerate(twice) if byte)
    spoilt = bytearray(twice)
    spoilt[written] ^= 0xFF
    alteration = memory.alter(bytes(spoilt))
    assert memory.plain is None
    start()
    assert alteration.seen
    assert memory.plain is not None
    memory.put(twice)
    memory.flaws.failing = True
    assert memory.plain is None
    assert start() == twice
    assert memory.flaws.refused > 0


# -- the whole core, compiled once for several tests, each source by itself

STRICT = (
    *("-Werror", "-Wpedantic", "-Wshadow", "-Wstrict-prototypes", "-Wmissing-prototypes", "-Wcast-qual"),
    *("-Wcast-align", "-Wvla", "-Wdouble-promotion", "-Wfloat-equal", "-Wundef", "-Wwrite-strings"),
)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Where the objects are, and what the compiler said of the sources."""
    folder = tmp_path_factory.mktemp("objects")
    return folder, _compile(folder, sorted(native_build.SOURCES.glob("[cn]*/*.c")), *STRICT)


def _compile(folder: Path, sources: list[Path], *flags: str) -> subprocess.CompletedProcess[str]:
    known = (*native_build.FLAGS, *native_build.PYTHON, f"-I{native_build.SOURCES / 'include'}")
    command = ["cc", *known, "-O1", *flags, "-c"]
    command.remove("-shared")
    return subprocess.run(
        [*command, *map(str, sources)], cwd=folder, capture_output=True, text=True, check=False
    )


def test_the_sources_compile_without_a_warning(
    compiled: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    _, said = compiled
    assert said.stderr == ""
    assert said.returncode == 0


def test_the_core_needs_nothing_but_bytes_moved_and_compared(
    compiled: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """No heap, no clock, no floating point of a library: what a bare processor has not."""
    core = [str(compiled[0] / f"{file.stem}.o") for file in native_build.SOURCES.glob("core/*.c")]
    whole = str(tmp_path / "core.o")
    subprocess.run(["cc", "-nostdlib", "-r", *core, "-o", whole], check=True)
    told = subprocess.run(["nm", "-u", whole], capture_output=True, text=True, check=True).stdout.split()
    position_independent = {"_GLOBAL_OFFSET_TABLE_"}
    needed = set(told) - {"U"} - position_independent
    assert needed <= {"memcpy", "memset", "memcmp", "memmove", "memchr", "strlen"}


@pytest.mark.parametrize(
    ("file", "text", "other"),
    [
        ("judge.c", "readings->pulses > 1", "readings->pulses > 2"),
        ("permit.c", "grant->trigger == TRIGGER_INTERNAL", "false"),
        ("link.c", "frame->seq > link->heard_seq", "frame->seq >= link->heard_seq"),
        ("memory.c", "crc32_after(MAGIC, raw", "crc32_after(0, raw"),
        ("pulser.c", "if (!device_clear_to_trigger(device, order))", "if (0)"),
        ("pulser.c", "if (!device_clear_to_trigger(device, order))", None),
    ],
)
def test_another_behaviour_of_the_core_is_found(
    file: str,
    text: str,
    other: str | None,
    *,
    compiled: tuple[Path, subprocess.CompletedProcess[str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The last case is the control: the same source again passes."""
    objects = {path.name: str(path) for path in compiled[0].glob("*.o")}
    source = (native_build.SOURCES / "core" / file).read_text("utf-8")
    assert text in source
    (tmp_path / file).write_text(source.replace(text, text if other is None else other), encoding="utf-8")
    made = _compile(tmp_path, [tmp_path / file], f"-I{native_build.SOURCES / 'core'}")
    assert made.returncode == 0, made.stderr
    objects[f"{file[:-2]}.o"] = str(tmp_path / f"{file[:-2]}.o")
    path = tmp_path / "changed.so"
    subprocess.run(["cc", "-shared", *objects.values(), "-o", str(path)], check=True)
    changed = native.loaded(native_build.Build(path, "changed"))
    monkeypatch.setattr(native, "library", lambda: changed)
    with benches_of(Pair), nullcontext() if other is None else pytest.raises(AssertionError):
        _try_much()


def _try_much() -> None:
    """Some histories that both sides of a pair go through."""
    from tests.sim_device import test_native_differs_nowhere as differs

    series(flashes=2)
    differs.test_a_line_that_moves_while_the_pulse_is_numbered_stops_its_trigger_in_both("door_closed", False)
    differs.test_stale_words_are_passed_over_alike()
    differs.test_a_permit_is_for_one_trigger_in_both()


SANITIZED = """
import sys
import sysconfig
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
    monkeypatch.setenv("PICOLASE_CFLAGS", "-fsanitize=address,undefined -fno-sanitize-recover=all -O0")
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
