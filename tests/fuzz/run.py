"""Runs targets under atheris, each in its own process: `python -m tests.fuzz.run --seconds 60 [TARGET...]`.

What reaches something new is kept in `run/fuzz/TARGET` (`--keep` puts the least set of it into the corpus);
what breaks a promise is written to `run/fuzz/broken-TARGET-*`. Exits with 1 if anything did.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import subprocess
import sys
from pathlib import Path

# What coverage is looked at in: to instrument a module takes longer than to import it.
ROOMS = ["protocols", "safety", "hal", "controller", "rig", "sim_device", "cobs"]
FEWER = {
    "tests.fuzz.files": [
        *("controller.tomlfile", "controller.plans", "controller.config", "safety", "tomllib"),
        *("rig.recording", "rig.scenario", "rig.replay"),
    ],
    "tests.fuzz.records": [
        *("controller.audit_export", "controller.incident", "controller.witnesses", "protocols", "safety"),
        "controller.store.audit_log",
    ],
    "tests.fuzz.answers": ["controller.client"],
}
HANG_S = 60  # [C] of one input; the longest that is no defect takes a second on a quiet machine
MEMORY_MB = 2_048
# The C core is built so that undefined behaviour ends the process; libFuzzer tells with which input.
C_CORE = {"PICOLASE_CFLAGS": "-fsanitize=undefined -fsanitize-undefined-trap-on-error"}
ROOT = Path(__file__).parents[2]
FOUND = ROOT / "run" / "fuzz"
KEPT_BYTES = 1_024  # longer ones are not worth their room in the repository
KEPT_MAX = 20  # of a target


def main(arguments: list[str] | None = None) -> int:
    """Run each target for its time, one after the other; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.run", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="which; all without any")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--seed", type=int, default=0, help="of chance; 0: another each time")
    parser.add_argument("--folder", type=Path, default=FOUND, help="where what is found is kept")
    parser.add_argument("--keep", action="store_true", help="put the least set of inputs into the corpus")
    parser.add_argument("--within", help=argparse.SUPPRESS)  # the process of one target: its module
    given = parser.parse_args(arguments)
    if given.within:
        return _within(given.within, given.targets[0], given.seconds, given.seed, given.folder)
    from tests.fuzz.targets import MODULE_OF  # the process of a target imports it under atheris

    if unknown := set(given.targets) - MODULE_OF.keys():
        parser.error(f"{', '.join(sorted(unknown))}: give of {', '.join(MODULE_OF)}")
    broken = []
    for name in given.targets or MODULE_OF:
        done = run_alone(name, MODULE_OF[name], given.seconds, given.seed, given.folder)
        lines = (done.stdout + done.stderr).splitlines()  # Python's words, libFuzzer's words
        if done.returncode:
            broken.append(name)
            _say("\n".join([line for line in lines if not line.startswith(("INFO:", "#"))][-60:]))
        _say(f"{name:<14} {'BROKEN' if done.returncode else 'holds':<7} {_last(lines)}")
        if given.keep and not done.returncode:
            _keep(name, given.folder)
    return 1 if broken else 0


def run_alone(
    name: str, module: str, seconds: int, seed: int, folder: Path
) -> subprocess.CompletedProcess[str]:
    """Run one target in a process of its own; its return code is 0 if the promise held."""
    options = ["--seconds", str(seconds), "--seed", str(seed), "--folder", str(folder)]
    command = [sys.executable, "-m", "tests.fuzz.run", name, "--within", module, *options]
    environment = os.environ | C_CORE
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _last(lines: list[str]) -> str:
    """What libFuzzer says last of runs and coverage."""
    told = [line for line in lines if line.startswith("#") and "cov:" in line]
    done = [line for line in lines if line.startswith("Done ")]
    return " ".join([*done[-1:], told[-1].partition("\t")[2] if told else ""]).strip()


def _within(module: str, name: str, seconds: int, seed: int, folder: Path) -> int:
    import atheris  # not on every Python

    logging.disable()
    with atheris.instrument_imports(include=FEWER.get(module, ROOMS)):
        targets = importlib.import_module(module).TARGETS
    target = next(one for one in targets if one.name == name)
    own, begin = folder / name, folder / f"begin-{name}"
    for made in (own, begin):
        made.mkdir(parents=True, exist_ok=True)
    for old in begin.iterdir():
        old.unlink()
    for number, example in enumerate(target.examples()):
        (begin / f"{number:04}").write_bytes(example[: target.longest])
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={target.longest}",
        f"-timeout={HANG_S}",
        f"-rss_limit_mb={MEMORY_MB}",
        f"-artifact_prefix={folder}/broken-{name}-",
        "-print_final_stats=0",
        *([f"-seed={seed}"] if seed else []),
    ]
    with target.around():
        atheris.Setup([sys.argv[0], *options, str(own), str(begin)], target.run)
        atheris.Fuzz()  # which ends the process
    return 0


def _keep(name: str, folder: Path) -> None:
    """Put the smallest inputs that reached something new into the corpus of the repository."""
    from tests.fuzz.target import CORPUS

    kept = CORPUS / name
    kept.mkdir(parents=True, exist_ok=True)
    found = sorted((folder / name).iterdir(), key=lambda file: (file.stat().st_size, file.name))
    small = [file for file in found if file.stat().st_size <= KEPT_BYTES]
    room = max(0, KEPT_MAX - len(list(kept.iterdir())))
    for file in small[:: max(1, len(small) // KEPT_MAX)][:room]:
        (kept / file.name[:12]).write_bytes(file.read_bytes())


if __name__ == "__main__":
    sys.exit(main())
