"""The AsyncAPI document against the parser of the AsyncAPI initiative, which has nothing of ours."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from protocols.topics import STOP, TOPICS

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "docs" / "asyncapi.json"
INSTALL_S = 600
ERROR, WARNING = 0, 1  # severities of the parser

pytestmark = [
    pytest.mark.slow,
    pytest.mark.processes,
    pytest.mark.timeout(900),
    pytest.mark.skipif(shutil.which("npm") is None, reason="no npm: apt-get install nodejs npm"),
]


async def run(*command: str, given: str = "") -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(*command, cwd=HERE, stdin=-1, stdout=-1, stderr=-1)
    async with asyncio.timeout(INSTALL_S):
        out, err = await process.communicate(given.encode())
    return process.returncode, out.decode(), err.decode()


async def parsed(document: dict[str, Any]) -> dict[str, Any]:
    status, out, err = await run("node", "check.mjs", given=json.dumps(document))
    assert status == 0, err
    answer: dict[str, Any] = json.loads(out)
    return answer


async def test_the_parser_finds_nothing_wrong_with_the_document_but_does_with_a_broken_one() -> None:
    installed = HERE / "node_modules" / ".package-lock.json"  # npm writes it last
    if not installed.exists() or installed.stat().st_mtime < (HERE / "package-lock.json").stat().st_mtime:
        status, _, err = await run("npm", "ci", "--no-progress")
        if status != 0:
            pytest.skip(f"npm ci in tests/asyncapi needs the npm registry: {err[-300:]}")

    document = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    good = await parsed(document)
    assert good["version"] == "3.0.0"
    assert [one for one in good["found"] if one["severity"] in (ERROR, WARNING)] == []
    addresses = {"alarm": "alarm/{alarm}", "reply": "reply/{client}"}
    assert set(good["channels"]) == {
        f"laser/v1/{{site}}/{{device}}/{addresses.get(suffix, suffix)}" for suffix in {*TOPICS, STOP.suffix}
    }
    assert {name: (b["qos"], b["retain"]) for name, b in good["bindings"].items()} == {
        **{f"send-{suffix}": (topic.qos, topic.retain) for suffix, topic in TOPICS.items()},
        "receive-cmd-stop": (1, False),
    }
    assert good["bindings"]["send-telemetry"]["messageExpiryInterval"] == 30

    document["channels"]["state"]["messages"]["state"]["$ref"] = "#/components/messages/nowhere"
    document["operations"]["send-pulse"]["bindings"]["mqtt"]["qos"] = 7
    wrong = [one["path"] for one in (await parsed(document))["found"] if one["severity"] == ERROR]
    assert [path for path in wrong if path.startswith("operations.send-state.messages")], wrong
    assert [path for path in wrong if path.startswith("operations.send-pulse")], wrong
