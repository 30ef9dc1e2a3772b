"""The software class of each module: every one has one, and all that the daemon loads is class C."""

import ast
import csv
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
ROOMS: Final = ("controller", "hal", "protocols", "rig", "safety", "sim_device")
HOST: Final = ("controller", "hal", "protocols", "safety")
TABLE: Final = ROOT / "docs" / "safety" / "software-classes.csv"
# What `picolase run` loads before it reads its configuration, and the driver that this names.
DAEMON: Final = (
    "controller.cli.__main__",
    "controller.cli.main",
    "controller.cli.daemon",
    "hal.picolase_laser",
)
# Of protocols, the laser's side: firmware and simulator load it.
LASER_SIDE: Final = {"protocols.device_link", "protocols.scpi", "protocols.scpi_line"}

pytestmark = pytest.mark.shows("REQ-039")


def rows() -> list[dict[str, str]]:
    with TABLE.open(newline="") as file:
        return list(csv.DictReader(file))


def modules() -> list[Path]:
    found = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    return sorted(path.relative_to(ROOT) for path in [*found, *(ROOT / "firmware").rglob("*.c")])


def row_of(module: Path) -> dict[str, str] | None:
    """The most exact row for a module: patterns are for one folder each."""
    fitting = [
        row for row in rows() if Path(row["modules"]).parent == module.parent and module.match(row["modules"])
    ]
    return max(fitting, key=lambda row: "*" not in row["modules"], default=None)


def loaded(start: tuple[str, ...]) -> set[str]:
    """Every module of the project that is imported, at once or later, by these."""
    known = {name_of(path): path for path in modules() if path.suffix == ".py"}
    seen: set[str] = set()
    waiting = list(start)
    while waiting:
        name = waiting.pop()
        if name in known and name not in seen:
            seen.add(name)
            waiting += imported(ROOT / known[name])
            waiting += [name.rsplit(".", count)[0] for count in range(1, name.count(".") + 1)]
    return seen


def imported(path: Path) -> list[str]:
    """What a module imports, at its top or within a function; not what only type checkers see."""
    found = []
    waiting: list[ast.AST] = [ast.parse(path.read_text())]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        waiting += ast.iter_child_nodes(node)
    return found


def name_of(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def test_every_module_has_a_class_with_its_reason() -> None:
    for module in modules():
        row = row_of(module)
        assert row is not None, f"{module} has no class in {TABLE.name}"
        assert row["class"] in {"A", "B", "C"}, module
        assert row["worst_harm"], module
        assert row["control_outside"], module


def test_every_row_is_about_some_module() -> None:
    used = {row["modules"] for module in modules() if (row := row_of(module))}
    assert [row["modules"] for row in rows() if row["modules"] not in used] == []


def test_all_that_the_process_of_the_daemon_loads_is_class_c_and_nothing_else_on_the_host() -> None:
    host = {name_of(path): row_of(path) for path in modules() if path.parts[0] in HOST}
    class_c = {name for name, row in host.items() if row and row["class"] == "C"}
    assert loaded(DAEMON) & set(host) == class_c - LASER_SIDE


def test_the_daemon_loads_nothing_of_the_simulator_or_the_rig() -> None:
    assert {name for name in loaded(DAEMON) if name.startswith(("rig", "sim_device"))} == set()
