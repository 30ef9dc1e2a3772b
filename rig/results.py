"""Results of runs in a directory: lines of JSON in `*.jsonl` that outlive crashes, continue and add up.

A line is written when its run is done. The last line of a file may be cut off, or be under way: it does not
count. Anything else that is no result is damage, and told with its place.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from rig.result import Kept


class CampaignError(ValueError):
    """A campaign that cannot be: names what was given and what is allowed."""


class Results:
    """The results in a directory: every `*.jsonl` is read, one is written.

    Nothing is written, and no directory made, before there is a result or `alone` asks for it. CampaignError
    for damaged files, and for one that cannot be written.
    """

    def __init__(self, folder: Path, writer: str = "1of1") -> None:
        self.folder = folder
        self._file = folder / f"results-{writer}.jsonl"
        self._by_key = {result.key: result for result in read(folder)}
        self._mended = False

    def __contains__(self, key: str) -> bool:
        return key in self._by_key

    def __getitem__(self, key: str) -> Kept:
        return self._by_key[key]

    def __iter__(self) -> Iterator[Kept]:
        return iter(sorted(self._by_key.values(), key=lambda one: (one.scenario, one.seed, one.key)))

    def __len__(self) -> int:
        return len(self._by_key)

    def add(self, result: Kept) -> None:
        """Keep one; it is in the file when this returns."""
        if result.key in self._by_key:
            return
        try:
            if not self._mended:
                self.folder.mkdir(parents=True, exist_ok=True)
                _mend(self._file)
                self._mended = True
            with self._file.open("a", encoding="utf-8") as file:
                file.write(result.line + "\n")
        except OSError as error:
            raise self._unwritable(error) from error
        self._by_key[result.key] = result

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Within this nobody else writes the same file; CampaignError if somebody does, or nobody can."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file = self._file.open("ab")
        except OSError as error:
            raise self._unwritable(error) from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise CampaignError(
                    f"{self._file}: another campaign writes it: wait, or give another --out or --shard"
                ) from error
            except OSError:  # a file system without locks: who starts shards there keeps them apart
                pass
            yield

    def _unwritable(self, error: OSError) -> CampaignError:
        return CampaignError(f"{self._file}: cannot be written: {error.strerror}; what was done is kept")

    def merge(self, folders: Sequence[Path], code: str | None = None) -> list[str]:
        """Take over what other directories have; returns the keys of all that adds up.

        All of it must be of one code; with `code`, what is of another is left where it is. Raises
        CampaignError, with nothing taken over, for different code, or when a directory has nothing.
        """
        found = {self.folder: list(self)}
        for folder in folders:
            found[folder] = list(read(folder))
            if not found[folder]:
                raise CampaignError(f"{folder}: there are no results to merge (*.jsonl)")
        codes = {result.code for results in found.values() for result in results}
        if code is None and len(codes) > 1:
            counts = "; ".join(
                f"{folder}: {_counts(results)}" for folder, results in found.items() if results
            )
            raise CampaignError(
                f"results of different code do not add up ({counts}): name one with --code, or run again"
            )
        if code is not None and code not in codes:
            raise CampaignError(f"no results of code {code}: there are {', '.join(sorted(codes))}")
        with self.alone():
            for results in found.values():
                for result in results:
                    if code in {None, result.code}:
                        self.add(result)
        return [result.key for result in self if code in {None, result.code}]


def read(folder: Path) -> Iterator[Kept]:
    """All results in a directory, file by file; CampaignError, with file and line, for one that is none."""
    for file in sorted(folder.glob("*.jsonl")):
        for number, line in enumerate(file.read_bytes().split(b"\n")[:-1], 1):
            try:
                yield Kept.of_line(line)
            except ValidationError as error:
                found = error.errors(include_url=False)[0]
                place = ".".join(map(str, found["loc"]))
                what = f"{place}: {found['msg']}" if place else found["msg"]
                raise CampaignError(
                    f"{file}:{number}: is damaged ({what}): delete this line, and its run is done again"
                ) from error


def _counts(results: list[Kept]) -> str:
    """How many results are of which code."""
    codes = [result.code for result in results]
    return ", ".join(f"{codes.count(code)} of {code}" for code in sorted(set(codes)))


def _mend(file: Path) -> None:
    """Take away a last line that a crash cut off, so that the next one does not continue it."""
    if file.exists() and (data := file.read_bytes()) and not data.endswith(b"\n"):
        with file.open("r+b") as opened:
            opened.truncate(data.rfind(b"\n") + 1)
