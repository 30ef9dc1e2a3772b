"""Recordings as files."""

from pathlib import Path

from rig.recording import Recording, Writer


def written(path: Path, recording: Recording) -> Path:
    with path.open("w") as out:
        writer = Writer(recording.header, out)
        for event in recording.events:
            writer.put(event)
        writer.close(recording.end_us)
    return path
