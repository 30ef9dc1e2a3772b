"""`--record FILE`: a recorder for whatever laser a command makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from controller.cli.app import note
from rig.cli.files import new_file
from rig.recording import Recorder, Writer, header_of
from sim_device.simulator import Simulator

Attach = Callable[[Simulator], None]


@contextmanager
def recorded(path: Path | None, **header: Any) -> Iterator[Attach]:
    """What attaches a recorder to a laser that was just made; without `path`, to none.

    `header` is what `rig.recording.header_of` takes. The file is whole when this ends. CommandFailed when it
    is there already, cannot be made, or can take no more.
    """
    if path is None:
        yield _nothing
        return
    recorders: list[Recorder] = []
    with new_file(path) as file:

        def attach(simulator: Simulator) -> None:
            recorders.append(Recorder(simulator, Writer(header_of(simulator, **header), file)))

        try:
            yield attach
        finally:
            for recorder in recorders:
                recorder.close()
    note(f"{path}: look at it with `picolase replay {path}`.")


def _nothing(_: Simulator) -> None:
    pass
