"""An incident in words: what came first, who or what reacted to it and when, from the kept entries alone.

Theory of operation. The black box holds what the laser said, with its own times, what the supervisor decided
and every byte of the line. Times of the laser are brought to the host's clock by the quickest message of
the boot: none can have come before it was sent, so a time of the laser is at most that message's way too
late. A Status is sent at each change, so two of them side by side tell what changed, and when.
"""

from __future__ import annotations

import enum
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from protocols.faults import FAULTS, Fault
from protocols.frame import Decoder, Frame
from protocols.messages import Stop

LOOK_BACK_MS: Final = 1_000.0  # [C] what changed earlier than this did not trip it: statuses come each 100 ms
# [D] A status comes each 100 ms at the least, each 50 ms when armed: two are missing.
SILENCE_MS: Final = 150.0

_ARMED: Final = frozenset({"arming", "ready", "emitting"})
_USUAL: Final = frozenset({"calibration", "rehearsal"})  # flags of a pulse that is as it was meant


class Role(enum.Enum):
    """What a step is in the story; of each but NOTE the summary names the first, of LAST_PULSE the last."""

    CAUSE = "what came first"
    DEVICE = "the laser's reaction"
    SUPERVISOR = "the host's reaction"
    SENT = "STOP sent"
    CONFIRMED = "STOP confirmed"
    LAST_PULSE = "last pulse"
    NOTE = ""


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened `ms` after the trip (before it when negative), by `who`."""

    ms: float
    who: str
    text: str
    role: Role = Role.NOTE


@dataclass(frozen=True, slots=True)
class Story:
    """The steps in the order of time, and the one of each role, None where nothing of it was recorded."""

    steps: tuple[Step, ...]
    summary: Mapping[Role, Step | None]

    def plain(self) -> dict[str, Any]:
        """As JSON knows it."""
        return {
            "summary": {
                role.name.lower(): None
                if step is None
                else {"ms": step.ms, "who": step.who, "text": step.text}
                for role, step in self.summary.items()
            },
            "steps": [asdict(step) | {"role": step.role.name.lower()} for step in self.steps],
        }


def explain(body: Mapping[str, Any]) -> Story:
    """Tell the story of a black box's body, as `controller.blackbox` wrote it."""
    entries = _with_device_times(body.get("entries", ()))
    steps = [
        *_changes(entries),
        *_pulses(entries),
        *_host(entries),
        *_silence(entries),
        *_stops_sent(body.get("traffic", ())),
    ]
    # At one moment the laser was first: the host knows nothing that it was not told.
    steps.sort(key=lambda step: (round(step.ms, 3), step.who != LASER, _ORDER.index(step.role)))
    first = next(
        (step for step in steps if step.role is Role.CAUSE and step.ms >= -LOOK_BACK_MS),
        next((step for step in steps if step.role is Role.SUPERVISOR), None),
    )
    summary: dict[Role, Step | None] = {Role.CAUSE: first}
    since_ms = -LOOK_BACK_MS if first is None else first.ms
    for role in (Role.DEVICE, Role.SUPERVISOR, Role.SENT, Role.CONFIRMED):
        summary[role] = next((one for one in steps if one.role is role and one.ms >= since_ms), None)
    pulses = [step for step in steps if step.role is Role.LAST_PULSE]
    summary[Role.LAST_PULSE] = pulses[-1] if pulses else None
    shown = [
        step
        for step in steps
        if step.ms >= -LOOK_BACK_MS or (step.role is Role.LAST_PULSE and step is summary[Role.LAST_PULSE])
    ]
    return Story(tuple(shown), summary)


LASER: Final = "laser"
HOST: Final = "host"

# Of one moment and one side.
_ORDER: Final = (
    Role.CAUSE,
    Role.DEVICE,
    Role.SUPERVISOR,
    Role.LAST_PULSE,
    Role.NOTE,
    Role.SENT,
    Role.CONFIRMED,
)


def _with_device_times(entries: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The entries, messages with `at_ms`, when the laser sent or meant them, on the host's clock."""
    found: list[dict[str, Any]] = []
    offsets: dict[int, float] = {}
    boot = -1
    for entry in entries:
        made = dict(entry)
        if "device_time_s" in entry:
            boot = entry.get("boot", boot)
            made["boot"] = boot
            way = entry["ms"] - 1e3 * entry["device_time_s"]
            if entry["name"] != "PulseReport":  # a report tells of an earlier moment, and may be a repetition
                offsets[boot] = min(way, offsets.get(boot, way))
        found.append(made)
    for made in found:
        mapped = "device_time_s" in made and made["boot"] in offsets
        sent_ms = 1e3 * made["device_time_s"] + offsets[made["boot"]] if mapped else made["ms"]
        made["at_ms"] = round(sent_ms, 3) + 0.0  # no negative zero
    return found


def _changes(entries: Iterable[Mapping[str, Any]]) -> Iterator[Step]:
    """What two statuses side by side tell."""
    statuses = [entry for entry in entries if entry.get("name") == "Status"]
    for before, after in itertools.pairwise(statuses):
        at = after["at_ms"]
        if after["boot"] != before["boot"]:
            yield Step(after["ms"], LASER, "it had restarted", Role.CAUSE)
            continue
        opened = sorted(set(after["open_interlocks"]) - set(before["open_interlocks"]))
        closed = sorted(set(before["open_interlocks"]) - set(after["open_interlocks"]))
        yield from (Step(at, LASER, f"the contact {name} opened", Role.CAUSE) for name in opened)
        yield from (Step(at, LASER, f"the contact {name} closed") for name in closed)
        for name in sorted(
            set(after["faults"]) - set(before["faults"]), key=lambda name: name != after["first_fault"]
        ):
            row = FAULTS.get(Fault[name.upper()]) if name.upper() in Fault.__members__ else None
            words = f"it latched the fault {name}" + (f": {row.text}" if row else "")
            yield Step(at, LASER, words, Role.CAUSE if name == after["first_fault"] else Role.NOTE)
        if after["foot"] != before["foot"]:
            yield Step(at, LASER, f"the footswitch: {before['foot']} -> {after['foot']}")
        if after["state"] != before["state"]:
            left = before["state"] in _ARMED and after["state"] not in _ARMED
            why = f" ({after['leave']})" if left and after["leave"] != "never" else ""
            text = f"{before['state']} -> {after['state']}{why}"
            yield Step(at, LASER, text, Role.DEVICE if left else Role.NOTE)
        for name, text in (("gate_inhibited", "the trigger gate"), ("hv_inhibited", "the charger")):
            if after[name] != before[name]:
                inhibited = after[name] and before["state"] in _ARMED
                done = f"{text} was {'inhibited' if after[name] else 'released'}"
                yield Step(at, LASER, done, Role.DEVICE if inhibited else Role.NOTE)
        if after["shutter"] != before["shutter"]:
            yield Step(at, LASER, f"the shutter: {before['shutter']} -> {after['shutter']}")


def _pulses(entries: Iterable[Mapping[str, Any]]) -> Iterator[Step]:
    """Each pulse once, when it was triggered, however often it was reported."""
    told: set[int] = set()
    for entry in entries:
        if entry.get("name") != "PulseReport" or entry["pulse_number"] in told:
            continue
        told.add(entry["pulse_number"])
        odd = sorted(set(entry["flags"]) - _USUAL)
        energy_mj, set_mj = entry["monitor_b_mj"], entry["set_energy_mj"]
        measured = f"{energy_mj:.1f} mJ past the shutter (monitor B), set {set_mj:.1f} mJ"
        text = f"pulse {entry['pulse_number']}: {measured}" + (f" [{', '.join(odd)}]" if odd else "")
        yield Step(entry["at_ms"], LASER, text, Role.LAST_PULSE)
        if odd:
            yield Step(
                entry["at_ms"], LASER, f"pulse {entry['pulse_number']} was {', '.join(odd)}", Role.CAUSE
            )


def _host(entries: Sequence[Mapping[str, Any]]) -> Iterator[Step]:
    """What the host decided, and what it heard of its STOP."""
    confirmed: set[int] = set()
    told = {entry["text"] for entry in entries if entry["kind"] in {"trip", "stop"}}
    tripped = {entry["ms"] for entry in entries if entry["kind"] == "trip"}
    for entry in entries:
        text = str(entry.get("text", ""))
        if entry["kind"] == "event" and text not in told:
            yield Step(entry["ms"], HOST, text)
        elif entry["kind"] == "trip":
            yield Step(entry["ms"], HOST, f"tripped: {text}", Role.SUPERVISOR)
        elif entry["kind"] == "stop":  # the supervisor asks for it in the moment of its trip
            yield Step(entry["ms"], HOST, text, Role.NOTE if entry["ms"] in tripped else Role.SUPERVISOR)
        elif entry.get("name") == "Stopped" and entry["stop_id"] not in confirmed:
            wanted = ("no_permit", "not_emitting", "gate_inhibited", "shutter_closed")
            if all(entry[name] for name in wanted):
                confirmed.add(entry["stop_id"])
                text = "no permit, not emitting, gate inhibited, shutter closed"
                yield Step(entry["at_ms"], LASER, text, Role.CONFIRMED)
                yield Step(entry["ms"], HOST, "it heard so")


def _silence(entries: Sequence[Mapping[str, Any]]) -> Iterator[Step]:
    """The last message before the trip, if the laser sent none for too long then.

    What it had sent when the host was late to read it is no silence.
    """
    trips = [entry["ms"] for entry in entries if entry["kind"] in {"trip", "stop"}]
    if not trips:
        return
    sent = [entry["at_ms"] for entry in entries if entry["kind"] == "message" and entry["at_ms"] <= trips[0]]
    if sent and trips[0] - max(sent) >= SILENCE_MS:
        yield Step(max(sent), HOST, "nothing more was heard from the laser", Role.CAUSE)


def _stops_sent(traffic: Iterable[Mapping[str, Any]]) -> Iterator[Step]:
    """When each STOP left, read from the bytes of the line."""
    sent: dict[int, int] = {}
    decoder = Decoder()
    for chunk in traffic:
        if chunk["way"] != "out":
            continue
        for frame in decoder.feed(bytes.fromhex(chunk["hex"])):
            if isinstance(frame, Frame) and isinstance(frame.message, Stop):
                count = sent[frame.message.stop_id] = sent.get(frame.message.stop_id, 0) + 1
                if count == 1:
                    yield Step(chunk["ms"], HOST, "STOP left", Role.SENT)
