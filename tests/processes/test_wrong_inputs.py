"""Plans and configurations with every field wrong in turn, through the real command line."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from annotated_types import Ge, Le
from click.testing import CliRunner
from pydantic.fields import FieldInfo

from controller.cli.main import main
from controller.config import Config
from controller.stage import PYTHON
from controller.store import Reader
from tests.processes.rig import Rig
from tests.processes.status import state

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]

REFUSED, BAD_INPUT = 3, 7

GOOD: dict[str, str] = {
    "format": "1",
    "name": '"Test"',
    "indication": '"tattoo"',
    "skin_type": '"II"',
    "rehearsal": "false",
    "beam.wavelength_nm": "755",
    "beam.mode_width_ps": "750",
    "beam.handpiece": '"zoom"',
    "beam.spot_mm": "3.5",
    "beam.pulse_energy_mj": "173.0",
    "beam.fluence_j_cm2": "1.80",
    "beam.rep_rate_hz": "5.0",
    "treatment.passes": "1",
    "treatment.series": "[5, 5]",
}
OPTIONAL = {"rehearsal", "beam.fluence_j_cm2"}
WRONG: dict[str, tuple[str, ...]] = {
    "format": ("0", "2", '"1"'),
    "name": ('""', "1", f'"{"x" * 81}"'),
    "indication": ('""', '"rust"', "3"),
    "skin_type": ('"VII"', '"ii"', "2"),
    "rehearsal": ('"no"', "1"),
    "beam.wavelength_nm": ("754", "0", "-755", "2000", '"755"', "755.5"),
    "beam.mode_width_ps": ("749", "0", "3000", '"750"'),
    "beam.handpiece": ('"zoomy"', '"fixed_8"', "1"),
    "beam.spot_mm": ("0", "-1", "2.4", "4.1", "21", "nan", "inf", '"3.5"'),
    "beam.pulse_energy_mj": ("0", "-5", "173.05", "201", "501", "nan", "inf", '"173"'),
    "beam.fluence_j_cm2": ("0", "1.7", "9.9", "101", "nan", '"1.8"'),
    "beam.rep_rate_hz": ("0", "-5", "3.0", "10.0", "21", "nan", '"5"'),
    "treatment.passes": ("0", "2", "21", "1.5", '"1"'),
    "treatment.series": ("[]", "[0]", "[-1]", "[1001]", "[1.5]", '["20"]', "20"),
}
UNKNOWN = {  # and what is named: of an unknown table the table
    "colour": "colour",
    "beam.pulse_energy_j": "beam.pulse_energy_j",
    "treatment.pause_s": "treatment.pause_s",
    "patient.name": "patient",
}
NO_PLANS = (b"", b"\xff\xfe\x00", b"format = ", b"<plan/>", b"[beam]\n[beam]\n")


def toml(values: dict[str, str]) -> str:
    """The plan as TOML: tables after what stands before them."""
    lines: list[str] = []
    tables: dict[str, list[str]] = {}
    for path, value in values.items():
        table, _, key = path.rpartition(".")
        (tables.setdefault(table, []) if table else lines).append(f"{key} = {value}")
    for table, keys in tables.items():
        lines += [f"[{table}]", *keys]
    return "\n".join(lines) + "\n"


def cases() -> list[tuple[str, str, str]]:
    """(what is wrong, the field that must be named, the plan's text)."""
    found = [
        (f"{path} = {value}", path, toml(GOOD | {path: value}))
        for path, values in WRONG.items()
        for value in values
    ]
    found += [
        (f"{path} missing", path, toml({key: value for key, value in GOOD.items() if key != path}))
        for path in GOOD.keys() - OPTIONAL
    ]
    found += [(f"{path} unknown", named, toml(GOOD | {path: "1"})) for path, named in UNKNOWN.items()]
    return sorted(found)


async def picolase(rig: Rig, *arguments: str) -> tuple[int, str]:
    """Run the command line as a user does; returns its exit status and everything it printed."""
    process = await asyncio.create_subprocess_exec(
        *PYTHON,
        "controller.cli",
        *arguments,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | {"PICOLASE_CONFIG": str(rig.config), "PICOLASE_TOKEN": rig.client.token or ""},
    )
    printed, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, printed.decode()


def _put_all(rig: Rig) -> list[str]:
    """Have every wrong plan checked by the command line; returns what went otherwise than it must."""
    complaints = []
    file = rig.folder / "plan.toml"
    for what, field, text in cases():
        file.write_text(text)
        status, printed = run("plan", "check", str(file), "--config", str(rig.config))
        named = field in printed or field.rpartition(".")[2] in printed
        if status not in {REFUSED, BAD_INPUT} or not named:
            complaints.append(f"{what}: exit status {status}: {printed}")
    return complaints


@pytest.mark.slow
async def test_a_plan_with_any_field_wrong_is_refused_by_name_and_changes_nothing(rig: Rig) -> None:
    await rig.start()
    good = rig.folder / "good.toml"
    good.write_text(toml(GOOD))
    status, printed = await picolase(rig, "plan", "check", str(good))
    assert status == 0, f"without a good plan that passes nothing is shown: {printed}"
    before = await rig.client.status()
    assert not await asyncio.to_thread(_put_all, rig)
    after = await rig.client.status()
    for key in ("device", "session", "books", "uncertain"):
        assert after[key] == before[key], f"{key} changed"
    with Reader.open(rig.database) as reader:
        assert not reader.sessions()
        assert not reader.commands("set_point")


@pytest.mark.slow
async def test_a_wrong_plan_that_shall_be_run_opens_no_session_and_sets_nothing(rig: Rig) -> None:
    await rig.start()
    confirmed = ["--confirm-eyewear", "755", "--confirm-checklist", "--arm"]
    some = [case for number, case in enumerate(cases()) if number % 9 == 0]
    for number, (what, field, text) in enumerate(some):
        file = rig.folder / f"plan{number}.toml"
        file.write_text(text)
        status, printed = await picolase(rig, "plan", "run", str(file), *confirmed)
        assert status in {REFUSED, BAD_INPUT}, f"{what}: {printed}"
        assert field.rpartition(".")[2] in printed, what
    good = rig.folder / "good.toml"
    good.write_text(toml(GOOD))
    wrong_eyewear = ["--confirm-eyewear", "532", *confirmed[2:]]
    status, printed = await picolase(rig, "plan", "run", str(good), *wrong_eyewear)
    assert status == REFUSED, printed
    assert "532" in printed
    assert "755" in printed
    now = await rig.client.status()
    assert now["session"] is None
    assert state(now) == "standby"
    with Reader.open(rig.database) as reader:
        assert not reader.sessions()
        assert not reader.commands("set_point")
        assert not reader.commands("arm")


def run(*arguments: str) -> tuple[int, str]:
    """The command line within this process: what needs no daemon."""
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    return result.exit_code, result.output


@pytest.mark.parametrize("content", NO_PLANS)
def test_a_file_that_is_no_plan_is_told_as_such(folder: Path, content: bytes) -> None:
    file = folder / "plan.toml"
    file.write_bytes(content)
    status, printed = run("plan", "check", str(file))
    assert status == BAD_INPUT, printed
    assert str(file) in printed


@pytest.mark.parametrize("name", ["absent.toml", "."])
def test_a_plan_that_is_not_there_or_is_a_folder_is_told_as_such(folder: Path, name: str) -> None:
    status, printed = run("plan", "check", str(folder / name))
    assert status == BAD_INPUT, printed
    assert str(folder / name) in printed


def _settings() -> list[tuple[str, str, FieldInfo]]:
    return [
        (section, key, field)
        for section, table in Config.model_fields.items()
        for key, field in table.annotation.model_fields.items()  # type: ignore[union-attr]  # each is a table
    ]


def _wrong_values(field: FieldInfo) -> list[str]:
    default: Any = field.default
    wrong = ["[]", "{}", "1979-05-27"]
    if isinstance(default, bool):
        wrong += ['"yes"', "1"]
    elif isinstance(default, int | float):
        wrong += ["true", '"12"', "nan"]
    else:
        wrong += ["12"]
    for limit in field.metadata:
        if isinstance(limit, Ge):
            wrong.append(str(limit.ge - 1))  # type: ignore[operator]  # a number
        elif isinstance(limit, Le):
            wrong.append(str(limit.le + 1))  # type: ignore[operator]  # a number
    return wrong


@pytest.mark.parametrize(("section", "key", "field"), _settings(), ids=lambda value: str(value)[:20])
def test_a_configuration_with_this_field_wrong_is_refused_by_its_name(
    folder: Path, section: str, key: str, field: FieldInfo
) -> None:
    file = folder / "picolase.toml"
    for value in _wrong_values(field):
        url = "" if section == "device" and key == "url" else '[device]\nurl = "laser0"\n'
        table = f"[{section}]\n" if section != "device" or key == "url" else ""
        file.write_text(f"{url}{table}{key} = {value}\n")
        status, printed = run("config", "check", "--config", str(file))
        assert status == BAD_INPUT, f"{section}.{key} = {value}: {printed}"
        assert f"{section}.{key}" in printed, f"{value}: {printed}"


@pytest.mark.parametrize("section", ["", *Config.model_fields])
def test_a_configuration_with_an_unknown_key_is_refused_by_its_name(folder: Path, section: str) -> None:
    file = folder / "picolase.toml"
    table = {"": "", "device": '[device]\nurl = "laser0"\n'}.get(section, f"[{section}]\n")
    rest = "" if section == "device" else '\n[device]\nurl = "laser0"\n'
    file.write_text(f"{table}colour = 1\n{rest}")
    status, printed = run("config", "check", "--config", str(file))
    assert status == BAD_INPUT, printed
    assert "colour" in printed


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "device"),
        ("[device]\n", "device.url"),
        ("[device]\nurl = ", "picolase.toml"),
        ('[device]\nurl = "laser0"\n[safety]\nidle_lock_s = 1\n', "safety.idle_lock_s"),
        ('[device]\nurl = "warp://9"\n', "device.url"),
    ],
)
async def test_a_daemon_with_a_wrong_configuration_ends_with_a_message_and_makes_nothing(
    folder: Path, text: str, named: str
) -> None:
    async with Rig(folder) as rig:
        rig.config.write_text(text)
        status, printed = await picolase(rig, "run")
    assert status == BAD_INPUT, printed
    assert named in printed
    assert "Traceback" not in printed
    assert os.listdir(folder) == ["picolase.toml"]
