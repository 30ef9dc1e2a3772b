"""What holds for the project as a whole: versions, sizes, docstrings, pins, nothing private in the tree."""

import ast
import importlib.metadata
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("controller", "hal", "protocols", "rig", "safety", "sim_device")
MODULES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
MAX_MODULE_LINES = 400

# Paths of a developer's machine and hosts of package registries. Each has a bracket in it, so that this file,
# which is scanned too, does not match itself.
PRIVATE = re.compile(
    r"(?:^|[^\w.])/(?:wor[k]|farm|roo[t])/"
    r"|\.\./share[d]\b"
    r"|pythonhoste[d]\.org|pyp[i]\.org/simple|npmj[s]\.(?:org|com)|de[b]\.debian\.org"
    r"|--(?:extra-)?inde[x]-url|--find-link[s]|^\s*(?:extra-)?inde[x]-url\s*="
    r"|https?://[^\s/]+/(?:[^\s/]+/)*simpl[e]/?(?:\s|$)",
    re.MULTILINE,
)


def tracked_files() -> list[Path]:
    """Every file that is or could be committed: tracked, and new ones that are not ignored."""
    # A clone may belong to another user than the one who tests it.
    command = [
        "git",
        "-c",
        "safe.directory=*",
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def project() -> dict[str, object]:
    """The [project] table of pyproject.toml."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert isinstance(table, dict)
    return table


def test_the_version_is_the_same_everywhere() -> None:
    newest = re.search(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert newest[1] == project()["version"] == importlib.metadata.version("picolase")


def test_the_rooms_are_there() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in MODULES} == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_declares_its_types(room: str) -> None:
    assert (ROOT / room / "py.typed").is_file()


@pytest.mark.parametrize("path", MODULES + TESTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_is_short_and_says_what_it_owns(path: Path) -> None:
    text = path.read_text()
    lines = text.count("\n")
    assert lines <= MAX_MODULE_LINES, f"{lines} lines: which noun is hiding in there?"
    docstring = ast.get_docstring(ast.parse(text))
    assert docstring, "no docstring"
    assert docstring.splitlines()[0].strip(), "the docstring does not open with a line that says what it owns"


def test_no_two_files_of_tests_have_one_name() -> None:
    names = [path.name for path in TESTS if path.name.startswith("test_")]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("path", TESTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_test_waits_by_the_clock(path: Path) -> None:
    called = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    assert "time.sleep" not in map(ast.unparse, called), "wait for what is to happen"


def test_the_lock_holds_nothing_but_exact_versions() -> None:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert pins
    assert [line for line in pins if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.!+]*", line)] == []


def test_every_direct_dependency_is_locked() -> None:
    table = project()
    direct = list(table["dependencies"])  # type: ignore[call-overload]  # tomllib types values as object
    for requirements in table["optional-dependencies"].values():  # type: ignore[attr-defined]  # as above
        direct += requirements
    wanted = {normal(re.split(r"[\[<>=!~; ]", requirement)[0]) for requirement in direct} - {"picolase"}
    locked = {normal(line.split("==")[0]) for line in (ROOT / "requirements.lock").read_text().splitlines()}
    assert wanted - locked == set()


def normal(name: str) -> str:
    """A distribution's name in the form in which names are compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_no_private_path_or_registry_host_is_in_the_tree() -> None:
    found = []
    for path in tracked_files():
        text = path.read_bytes().decode("utf-8", errors="replace")
        found += [
            f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, match.start()) + 1}: {match[0].strip()}"
            for match in PRIVATE.finditer(text)
        ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "see /" + "work/main/x.py",
        "/" + "root/.cache",
        "`../" + "shared/DESIGN.md`",
        "https://files.python" + "hosted.org/packages/x",
        "--extra-" + "index-url x",
        "https://mirror.example/pypi/" + "simple/",
    ],
)
def test_the_scan_finds_what_it_is_for(line: str) -> None:
    assert PRIVATE.search(line)


@pytest.mark.parametrize(
    "line",
    [
        "/".join(["a", "work", "b"]),
        "/".join(["laser", "root", "x"]),
        "docs/reference/",
        "network/shared memory",
    ],
)
def test_the_scan_leaves_ordinary_text_alone(line: str) -> None:
    assert not PRIVATE.search(line)
