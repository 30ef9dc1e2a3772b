"""Histories of the firmware whose every output is known by its hash.

A change of the firmware's inside must not move them. Only the ideal laser of `bench` stands around it, so
that the hashes hold whatever becomes of the plant. A hash covers, step by step, the time, the bytes sent to
host and console, every output, when the firmware asks to be called again, and every write to its memory.
Connected and Identity count by their header alone: the interface's hash and the version may change without a
change of behaviour.

The hashes were written anew four times. When pairs of contacts got a fault of their own and the calibration
port a second contact, 193 of 211 histories were the same before the port's wire was split in two here; the
others open one contact of a pair for longer than 50 ms, or fit the strap under a permit. When what is told
unasked began to wait until the lamp has ceased to ring, outputs, states and faults stayed the same in all
but three that end in a write next to a host's acknowledgement, and one that begins some ms earlier. When an
acknowledgement ceased to push out a Status, all was the same in all of them but the Status themselves. When
the calibration's lowest level began to follow the light of another one, all was the same but for what the
memory says of the calibration, in all but 13: those in which one is made.

`python -m tests.sim_device.golden` writes the hashes anew. Do that only for an intended change of behaviour,
and look first at which histories differ.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

from cobs import cobs

from protocols.messages import Beam, Connected
from protocols.requests import Acknowledge, Calibrate, Identity, ReadFault, SetAiming, Standby
from protocols.states import State
from sim_device.board import Inputs, Step
from tests.sim_device.bench import MS, Bench, S, at
from tests.sim_device.ideal_laser import PowerCutError, Ram

HASHES: Final = Path(__file__).with_name("golden.json")
OUTPUTS: Final = (
    *("hv_enable", "hv_set_mv", "dump_hold", "simmer_start", "gate_enable", "lamp_triggers"),
    *("mode_width_ps", "comparator_uj", "comparator_reset", "shutter_open", "indicator_on", "aiming_on"),
    *("pump_on", "heater_on", "monitor_test", "buzzer_on", "watchdog_kicks"),
)
RANDOM_HISTORIES: Final = 30
TIMES_US: Final = (1, 100, 299, 999, 4_999, 5_000, 15_000, 50_000, 100_000, 400_000)
WIRES: Final[dict[str, tuple[Any, ...]]] = {
    **dict.fromkeys(
        (
            *("key_on", "mains_ok", "estop_a_closed", "estop_b_closed", "remote_closed", "door_closed"),
            *("cover_a_closed", "cover_b_closed", "arm_connected", "foot_a_closed", "foot_b_closed"),
            *("internal_trigger_strap", "docked_a_closed", "docked_b_closed"),
            *("shutter_open_switch", "shutter_closed_switch"),
            *("gate_inhibited", "hv_inhibited", "comparator_tripped", "charge_done", "simmer_on"),
            *("charger_cool", "level_ok", "thermostat_closed"),
        ),
        (False, True),
    ),
    "handpiece": (0, 1, 2, 99),
    "spot_um": (3_500, 3_501, 0),
    "wavelength_nm": (755, 0, 1_064),
    "hv_mv": (0, 59_999, 60_001, 1_000_000, 1_300_000),
    "coolant_mc": (60_000, 58_000, 57_999, 54_999, 68_001, -50_000),
    "flow_ml_min": (4_000, 0),
    "indicator_ua": (20_000, 0, 9_999, 30_001),
    "aiming_uw": (1_000, 0, 5_000),
    "light_count": (0, 1, 1_000),
    "pulse_width_ps": (0, 750, 900),
    "monitor_a_uj": (0, 173_000, 250_000),
    "monitor_b_uj": (0, 173_000, 250_000),
    "dark_a_uj": (0, 9_000, 50_000),
    "dark_b_uj": (0, 9_000, 50_000),
}
LINES: Final = (
    *("*IDN?", "STAT:LAS?", "*RST", "SOUR:AIM ON", "SOUR:AIM OFF", "SOUR:ENER 100", "SOUR:RATE 5"),
    *("SOUR:APPL 650,50,2.5", "ABOR", "GRANT", "*ESR?", "SYST:ERR?", "SOUR:ENER?", "FETC?", "MEAS?"),
)


class Recorded(Bench):
    """A bench that hashes all that its firmware does."""

    sha: Any
    typed = b""

    @classmethod
    def of(cls, bench: Bench) -> Recorded:
        """The same bench, recorded from here on."""
        bench.__class__ = cls
        assert isinstance(bench, cls)
        bench.record()
        return bench

    def record(self) -> None:
        """Put the recorder between bench and firmware."""
        self.sha = hashlib.sha256()
        self._step = self.firmware.step
        self.firmware.step = self._recorded  # type: ignore[method-assign] # a recorder stands between

    def _recorded(self, now_us: int, inputs: Inputs, received: bytes, console: bytes) -> Step:
        console, self.typed = console + self.typed, b""
        step = self._step(now_us, inputs, received, console)
        lines = attrgetter(*OUTPUTS)(self.firmware.outputs)
        self._note(now_us, lines, step.console, step.wake_us, self.memory.writes)
        for piece in step.sent.split(b"\0"):
            raw = cobs.decode(piece)
            self._note(raw[:11] if raw[1:2] in _BY_HEADER else raw)
        return step

    def hexdigest(self) -> str:
        """The hash of all so far, the memory's present content included."""
        self._note(bytes(self.memory.data))
        return str(self.sha.hexdigest())

    def type(self, text: str) -> None:
        """Let the console have a line."""
        self.typed = text.encode() + b"\n"
        self.step()

    def _note(self, *what: object) -> None:
        self.sha.update(repr(what).encode())


_BY_HEADER: Final = {bytes([Connected.opcode]), bytes([Identity.opcode])}


def from_power_on() -> Recorded:
    """Power-on, self-test, warm-up and calibration, recorded from the first step."""
    bench = Recorded.of(Bench())
    bench.connect()
    bench.until(State.STANDBY)
    return bench


def series(beam: Beam = Beam.APERTURE, pulses: int = 25, **vices: Any) -> Recorded:
    """From STANDBY with a set-point to the end of a series under a held foot."""
    bench = Recorded.of(at("set"))
    assert not bench.reasons(bench.arm_request(beam))
    bench.until(State.READY)
    bench.run(50 * MS)
    bench.grant(pulses)
    bench.run(20 * MS)
    bench.press()
    for name, value in vices.items():
        setattr(bench, name, value)
    bench.run(3 * S)
    bench.release()
    bench.run(S)
    return bench


def wire(stage: str, name: str, level: Any) -> Recorded:
    """One input changes at one stage, stays so, and is mended and acknowledged."""
    bench = Recorded.of(at(stage))
    healthy = getattr(bench.inputs, name)
    bench.run(7 * MS)
    bench.set(**{name: level})
    bench.run(700 * MS)
    bench.set(**{name: healthy})
    bench.run(60 * MS)
    if bench.session:
        bench.ask(Acknowledge(max(1, bench.firmware.device.faults.instance)))
        bench.run(S)
        bench.ask(ReadFault(0))
    return bench


def power_cut(cut_at: int, torn_bytes: int) -> Recorded:
    """Power goes during a write of a series; the device starts again and tells what it knows."""
    bench = Recorded.of(at("granted"))
    bench.memory.writes, bench.memory.cut_at, bench.memory.torn_bytes = 0, cut_at, torn_bytes
    try:
        bench.press()
        bench.run(S)
    except PowerCutError:
        bench.memory.cut_at = -1
        bench.now_us += 100 * MS
        bench.boot()
        bench.connect()
    bench.run(3 * S)
    return bench


def broken_memory() -> Recorded:
    """A memory that takes no write, in the middle of a series."""
    bench = Recorded.of(at("emitting"))
    bench.run(250 * MS)
    bench.memory.broken = True
    bench.run(S)
    return bench


def blank_memory(fill: int) -> Recorded:
    """A memory of nonsense, from power-on."""
    memory = Ram()
    memory.data[:] = random.Random(fill).randbytes(memory.size) if fill > 255 else bytes([fill]) * memory.size
    bench = Recorded.of(Bench(memory))
    bench.connect()
    bench.run(5 * S)
    return bench


def silence(stage: str, docked: bool) -> Recorded:
    """Nobody speaks to the device for five seconds and more, then somebody does."""
    bench = Recorded.of(at(stage))
    bench.host_alive = False
    bench.inputs.docked_a_closed = bench.inputs.docked_b_closed = docked
    bench.run(11 * S)
    bench.host_alive = True
    bench.connect()
    bench.run(S)
    return bench


def random_history(seed: int, kind: type[Recorded] = Recorded) -> Recorded:
    """Wires, words and hands by chance."""
    chance = random.Random(seed)
    bench = kind.of(at(chance.choice(("granted", "emitting", "ready", "set", "arming", "calibrating"))))
    for _ in range(14):
        _act(bench, chance)
        bench.run(chance.choice(TIMES_US))
    bench.set(**{name: getattr(at("set").inputs, name) for name in WIRES})
    bench.connect()
    bench.run(3 * S)
    return bench


def _act(bench: Recorded, chance: random.Random) -> None:
    acts: list[Callable[[], object]] = [
        bench.press,
        bench.press,
        bench.release,
        lambda: bench.ask(bench.grant_request(chance.randrange(1, 7), permit_id=bench.now_us % 2**32 or 1)),
        lambda: _arm(bench, chance),
        lambda: _turn(bench, chance),
        lambda: _turn(bench, chance),
        lambda: _turn(bench, chance),
        lambda: bench.set(**{name: getattr(at("set").inputs, name) for name in WIRES}),
        lambda: bench.stop(chance.randrange(1, 4)),
        lambda: bench.ask(Standby()),
        lambda: bench.ask(Calibrate()),
        lambda: bench.step(chance.randbytes(chance.randrange(40)) + b"\0"),
        lambda: bench.type(chance.choice(LINES)),
        bench.connect,
        lambda: setattr(bench, "host_alive", not bench.host_alive),
        lambda: setattr(bench, "acks", not bench.acks),
        lambda: bench.ask(Acknowledge(max(1, bench.firmware.device.faults.instance))),
        lambda: setattr(bench, "energy_permille", chance.choice((1_000, 1_120, 1_160, 880))),
        lambda: setattr(bench, "flashes", chance.choice((1, 1, 0, 2))),
        lambda: setattr(bench, "charge_us", chance.choice((20 * MS, 200 * MS))),
        lambda: _boot(bench, chance),
    ]
    chance.choice(acts)()


def _arm(bench: Recorded, chance: random.Random) -> None:
    bench.ask(SetAiming(True))
    bench.run(2 * MS)
    bench.ask(bench.arm_request(chance.choice((Beam.APERTURE, Beam.APERTURE, Beam.SHUTTER))))
    bench.run(2_100 * MS)


def _turn(bench: Recorded, chance: random.Random) -> None:
    name = chance.choice(sorted(WIRES))
    bench.set(**{name: chance.choice(WIRES[name])})


def _boot(bench: Recorded, chance: random.Random) -> None:
    bench.boot(watchdog_reset=chance.random() < 0.3)
    bench.connect()


def histories(random_histories: int = RANDOM_HISTORIES) -> Iterator[tuple[str, Callable[[], Recorded]]]:
    """Every history by name."""
    yield "from power-on", from_power_on
    yield "series", series
    yield "series without acknowledge", lambda: series(acks=False)
    yield "series that drifts", lambda: series(energy_permille=1_120)
    yield "series that is too strong", lambda: series(energy_permille=1_170)
    yield "series with a double pulse", lambda: series(flashes=2)
    yield "series without light", lambda: series(flashes=0)
    yield "series that charges slowly", lambda: series(charge_us=130 * MS)
    yield "rehearsal", lambda: series(Beam.SHUTTER, 12)
    yield "broken memory", broken_memory
    for fill in (0, 255, 256, 257):
        yield f"memory of {fill}", lambda fill=fill: blank_memory(fill)  # type: ignore[misc]
    for cut_at in (0, 1, 2, 3, 7):
        for torn in (0, 40, 78):
            yield f"cut at {cut_at}, {torn}", lambda cut=cut_at, torn=torn: power_cut(cut, torn)  # type: ignore[misc]
    for stage in ("self_test", "standby", "ready", "emitting"):
        yield f"silence {stage}", lambda stage=stage: silence(stage, docked=False)  # type: ignore[misc]
    for stage in ("arming", "emitting", "standby", "calibrating"):
        for index, name in enumerate(sorted(WIRES)):
            levels = [level for level in WIRES[name] if level != getattr(at(stage).inputs, name)]
            level = levels[index % len(levels)]
            yield (
                f"wire {stage} {name} {level}",
                lambda stage=stage, name=name, level=level: wire(stage, name, level),  # type: ignore[misc]
            )
        yield (  # not one of WIRES: the histories by chance, which draw from them, are of before its time
            f"wire {stage} defeat_key_out False",
            lambda stage=stage: wire(stage, "defeat_key_out", False),  # type: ignore[misc]
        )
    for seed in range(random_histories):
        yield f"random {seed}", lambda seed=seed: random_history(seed)  # type: ignore[misc]


def main() -> None:
    """Write the hashes anew."""
    hashes = {name: run().hexdigest() for name, run in histories()}
    HASHES.write_text(json.dumps(hashes, indent=1) + "\n")


if __name__ == "__main__":
    main()
