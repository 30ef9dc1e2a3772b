"""Recordings at the command line: replay one, compare two, draw one as waveforms, capture a real port."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from controller.cli.app import json_option, note, print_json
from controller.cli.exits import CommandFailed, Exit
from hal.errors import PortError
from hal.ports import BAUD_DEFAULT
from rig.capture import capture as tapped
from rig.cli.files import new_file
from rig.cli.firmware import needed
from rig.laser import cold_laser, warm_laser
from rig.likeness import ask_again, begin_like, start_of
from rig.recording import Event, Header, Recording, RecordingError, Writer, load
from rig.replay import Difference, check_version, compare, other_code
from rig.replay import replay as replayed
from sim_device import firmwares
from sim_device.errors import SetupError

T = TypeVar("T")

CONTEXT: Final = 3  # events shown before a difference
EVENT_WIDTH: Final = 160  # characters of one event on the screen
EXTRA: Final = "waveforms need pyvcd: pip install 'picolase[rig]'"

_FILE: Final = click.Path(path_type=Path)


@click.command()
@click.argument("file", type=_FILE)
@click.option("--any-version", is_flag=True, help="Try a recording of another version all the same.")
@click.option(
    "--firmware",
    type=click.Choice(firmwares.NAMES),
    help="Let this one do it (default: the recording's own).",
)
@json_option
def replay(file: Path, any_version: bool, firmware: str | None, as_json: bool) -> None:
    """Do everything in the recording FILE again and compare.

    A recording of a simulator must come out the same bit for bit, whichever firmware does it. A
    capture of a real port is asked again: the simulator must answer every request alike.
    """
    recording = _load(file)
    if not any_version:
        _checked(lambda: check_version(file, recording.header))
    if recording.header.kind == "capture":
        _ask_again(recording, firmware or firmwares.DEFAULT, as_json=as_json)
        return
    with needed():
        again = replayed(recording, firmware or "")
    hint = other_code(recording.header)
    _tell(
        recording, compare(recording, again), "replayed", ("recorded", "replayed"), hint=hint, as_json=as_json
    )


@click.command()
@click.argument("one", type=_FILE)
@click.argument("other", type=_FILE)
@json_option
def diff(one: Path, other: Path, as_json: bool) -> None:
    """Compare the recordings ONE and OTHER event by event, and show where they part."""
    left, right = _load(one), _load(other)
    for name, value in left.header:
        if (found := getattr(right.header, name)) != value and not as_json:
            note(f"{name}: {_short(value)} in {one}, {_short(found)} in {other}")
    _tell(left, compare(left, right), "compared", (str(one), str(other)), as_json=as_json)


@click.command()
@click.argument("file", type=_FILE)
@click.argument("out", type=click.File("w", lazy=True))
def vcd(file: Path, out: Any) -> None:
    """Draw the recording FILE as waveforms (VCD) into OUT, for GTKWave: lines, frames, states, pulses."""
    try:
        from rig.vcd import write_vcd  # noqa: PLC0415 # an extra
    except ModuleNotFoundError as error:
        raise CommandFailed(Exit.FAILED, EXTRA) from error

    recording = _load(file)
    try:
        write_vcd(recording, out)
    except ValueError as error:
        text = f"{file}: {error}: draw it with picolase {recording.header.version}"
        raise CommandFailed(Exit.BAD_INPUT, text) from error
    note(f"{out.name}: {_length_s(recording):.3f} s. Look at it: gtkwave {out.name}")


def _ask_again(capture: Recording, firmware: str, *, as_json: bool) -> None:
    start = capture.header.start if capture.header.start != "told" else start_of(capture)
    with needed():
        simulator = (warm_laser if start == "warm" else cold_laser)(capture.header.seed, firmware)
    if start != "warm":
        begin_like(capture, simulator)
    found = ask_again(capture, simulator)
    lines = [
        f"{one.time_us / 1e6:.6f} s {one.request}: really {one.real}, the simulator {one.simulated}"
        for one in found.unlike
    ]
    if as_json:
        told = {"start": start, "alike": found.alike, "unlike": lines, "left_out": found.left_out}
        print_json(told)
    left_out = f"; {found.left_out} grants were left out" if found.left_out else ""
    if lines:
        total = found.alike + len(lines)
        text = f"{len(lines)} of {total} requests are answered in another way by a {start} laser{left_out}"
        raise CommandFailed(Exit.FAILED, text, () if as_json else lines)
    if not as_json:
        note(f"All {found.alike} requests are answered alike by a {start} laser{left_out}.")


def _tell(
    recording: Recording,
    difference: Difference | None,
    done: str,
    names: tuple[str, str],
    *,
    hint: str = "",
    as_json: bool,
) -> None:
    """Print that two runs are the same; CommandFailed with the place where not, and why, if known."""
    if as_json:
        first = None
        if difference is not None:
            first = {
                "index": difference.index,
                names[0]: _plain(difference.one),
                names[1]: _plain(difference.other),
            }
        print_json(
            {
                "same": difference is None,
                "events": len(recording.events),
                "seconds": _length_s(recording),
                "first_difference": first,
                "hint": hint,
            }
        )
    if difference is not None:
        before = recording.events[max(0, difference.index - CONTEXT) : difference.index]
        lines = [f"  same: {_event(event)}" for event in before]
        lines += [f"{name}: {_event(event)}" for name, event in zip(names, _both(difference), strict=True)]
        text = " ".join(
            [f"They part at event {difference.index + 1} of {len(recording.events)}.", hint]
        ).strip()
        raise CommandFailed(Exit.FAILED, text, () if as_json else lines)
    if not as_json:
        note(f"{len(recording.events)} events in {_length_s(recording):.3f} s, {done}: the same bit for bit.")
        if hint:
            note(hint)


def _both(difference: Difference) -> tuple[Event | None, Event | None]:
    return difference.one, difference.other


def _event(event: Event | None) -> str:
    if event is None:
        return "(nothing more)"
    return f"{event.time_us / 1e6:.6f} s {event.kind} {_short(event.body)}"


def _plain(event: Event | None) -> list[Any] | None:
    return None if event is None else [event.time_us, event.kind, event.body]


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= EVENT_WIDTH else f"{text[:EVENT_WIDTH]}..."


def _length_s(recording: Recording) -> float:
    return (recording.end_us - recording.header.start_us) / 1e6


def _load(file: Path) -> Recording:
    return _checked(lambda: load(file))


def _checked(work: Callable[[], T]) -> T:
    try:
        return work()
    except RecordingError as error:
        raise CommandFailed(Exit.BAD_INPUT, str(error)) from error


@click.command()
@click.argument("device")
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--pty",
    type=_FILE,
    default=Path("run/tap0"),
    show_default=True,
    help="Where the host finds the device meanwhile.",
)
@click.option(
    "--baud", type=int, default=BAUD_DEFAULT, show_default=True, help="Rate of the device's port, in bit/s."
)
@click.option(
    "--warm/--cold",
    default=None,
    help="How the device stands at the start, if its first Status must not tell.",
)
def capture(device: str, out: Path, pty: Path, baud: int, warm: bool | None) -> None:
    """Record what passes at the port DEVICE into the new file OUT, until interrupted.

    The host uses the pseudo-terminal instead of the port. `picolase replay OUT` then asks the simulator the
    same, and tells whether it answers alike.
    """
    header = Header(kind="capture", start="told" if warm is None else "warm" if warm else "cold")
    try:
        with new_file(out) as file:
            asyncio.run(_capture(device, pty, Writer(header, file), baud))
    except (PortError, SetupError) as error:
        raise CommandFailed(Exit.NOT_REACHABLE, f"{error}.") from error
    note(f"{out}: look at it with `picolase replay {out}`.")


async def _capture(device: str, pty: Path, writer: Writer, baud: int) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with tapped(device, pty, writer, baud=baud) as tap:
        note(f"{device} is at {pty} now; Ctrl-C ends the capture.")
        tap.lost.add_done_callback(lambda _: ended.set())
        await ended.wait()
        note(f"{tap.to_device_bytes} bytes to the device, {tap.to_host_bytes} bytes to the host.")
        if tap.lost.done():
            raise CommandFailed(Exit.FAILED, f"{tap.lost.result()}.")
