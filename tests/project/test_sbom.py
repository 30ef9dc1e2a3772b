"""The list of third-party software, as `make sbom` writes it: everything that is locked, and nothing else."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def plain(name: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked() -> dict[str, str]:
    pins = re.findall(r"^([\w.-]+)==([^\s;]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    return {plain(name): version for name, version in pins}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_bill_of_materials_names_every_locked_package_with_its_version(tmp_path: Path) -> None:
    [recipe] = re.findall(r"^\t@?(\$\(BIN\)/cyclonedx-py .*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    program, *arguments = (
        recipe.replace("$(BIN)/", "").replace("$(SBOM)", str(tmp_path / "sbom.json")).split()
    )
    assert program == "cyclonedx-py"
    arguments[-1] = sys.executable
    subprocess.run([sys.executable, "-m", "cyclonedx_py", *arguments], cwd=ROOT, check=True, timeout=800)
    told = json.loads((tmp_path / "sbom.json").read_text())
    assert (told["bomFormat"], told["metadata"]["component"]["name"]) == ("CycloneDX", "picolase")
    listed = {plain(part["name"]): part["version"] for part in told["components"]}
    assert {name: listed.get(name) for name in locked()} == locked()
    [root] = [row for row in told["dependencies"] if row["ref"] == told["metadata"]["component"]["bom-ref"]]
    for direct in ("pydantic", "pyserial", "aiomqtt", "cryptography"):
        assert any(plain(ref.split("==")[0]) == direct for ref in root["dependsOn"]), direct
