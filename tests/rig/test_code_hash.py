"""The code's hash: every file and every version on which a run depends, and nothing else."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from rig.code_hash import PACKAGES, code_hash, dependencies, hash_of


def test_the_code_is_hashed_once() -> None:
    assert len(code_hash()) == 16
    assert code_hash() == code_hash()


@pytest.mark.parametrize("name", ["one/code.py", "one/numbers.json", "two/deep/py.typed"])
def test_every_file_and_every_version_is_in_the_codes_hash(tmp_path: Path, name: str) -> None:
    for file in ("one/code.py", "one/numbers.json", "two/deep/py.typed", "three/other.py"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(file)

    def hashed(python: str = "3.11.2", versions: tuple[str, ...] = ("a==1", "b==2")) -> str:
        return hash_of(tmp_path, ("one", "two"), python, versions)

    before = hashed()
    assert hashed(versions=("b==2", "a==1")) == before
    assert len({before, hashed("3.11.3"), hashed(versions=("a==1", "b==3"))}) == 3
    for cache in ("one/__pycache__/code.pyc", "two/.tool/cache.db", "two/node_modules/x/a.js"):
        (tmp_path / cache).parent.mkdir(parents=True)
        (tmp_path / cache).write_text("x")
    (tmp_path / "three/other.py").write_text("x")
    assert hashed() == before
    (tmp_path / name).write_text("x")
    changed = hashed()
    assert changed != before
    (tmp_path / name).rename(tmp_path / f"{name}.x")
    assert hashed() not in {before, changed}


def test_the_packages_are_those_that_are_shipped_and_the_dependencies_those_declared() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))
    assert list(PACKAGES) == project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    found = {one.partition("==")[0]: one.partition("==")[2] for one in dependencies()}
    declared = [re.split("[><=]", one)[0] for one in project["project"]["dependencies"]]
    assert {name: metadata.version(name) for name in declared}.items() <= found.items()
    assert {"pydantic-core", "starlette"} <= set(found)  # what these stand on
    assert not {"pytest", "matplotlib", "picolase"} & set(found)  # extras; itself
