"""The board: every wire between firmware and plant, named once, with its unit and its safe level.

Theory of operation: the plant writes `Inputs`, the firmware writes `Outputs`, nobody else writes either.
The safe level of an input is what a cut wire reads: always the side that removes permission. The safe
level of an output is what a dead or resetting processor drives: everything closed, inhibited and dumped.
Both contacts of the footswitch read closed when pressed: the normally closed contact of the pedal drives
the coil of a relay whose contact is read here, so that a cut wire reads as released on either channel.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Protocol

from protocols.messages import Handpiece


def _line(safe: Any, unit: str, meaning: str) -> Any:
    return field(default=safe, metadata={"unit": unit, "meaning": meaning})


class _Tracked:
    """Lines whose writer may count its changes, so that a reader need not compare them all."""

    __slots__ = ("version",)

    version: int | None
    """Raised with each change of any line but `hv_mv`, which moves all the time; None: nobody counts."""

    def __post_init__(self) -> None:
        self.version = None

    def count(self) -> None:
        """Say that a line has changed; whoever does so once does so each time."""
        self.version = 1 if self.version is None else self.version + 1


@dataclass(slots=True)
class Inputs(_Tracked):
    """What the firmware can see. Booleans are contact or comparator levels; the default is the safe level."""

    # contacts of the interlock chain and the operator
    key_on: bool = _line(False, "", "key switch turned on")
    mains_ok: bool = _line(False, "", "mains within its window")
    estop_a_closed: bool = _line(False, "", "e-stop loop, first contact")
    estop_b_closed: bool = _line(False, "", "e-stop loop, second contact")
    remote_closed: bool = _line(False, "", "remote interlock connector")
    door_closed: bool = _line(False, "", "treatment room door")
    cover_a_closed: bool = _line(False, "", "housing cover, first contact")
    cover_b_closed: bool = _line(False, "", "housing cover, second contact")
    defeat_key_out: bool = _line(False, "", "service's key that bridges both contacts of the cover is out")
    arm_connected: bool = _line(False, "", "articulated arm")
    foot_a_closed: bool = _line(False, "", "footswitch, first contact: closed = pressed")
    foot_b_closed: bool = _line(False, "", "footswitch, second contact: closed = pressed")
    internal_trigger_strap: bool = _line(False, "", "strap that lets rigs and service fire without a foot")
    docked_a_closed: bool = _line(False, "", "handpiece in the calibration port, first contact")
    docked_b_closed: bool = _line(False, "", "handpiece in the calibration port, second contact")
    # handpiece and wavelength module, by their identity chips
    handpiece: int = _line(
        int(Handpiece.NONE), "", "identity of the handpiece (protocols.messages.Handpiece)"
    )
    spot_um: int = _line(0, "um", "spot diameter by the zoom encoder or the identity chip")
    wavelength_nm: int = _line(0, "nm", "active wavelength module")
    # shutter
    shutter_open_switch: bool = _line(False, "", "shutter fully open")
    shutter_closed_switch: bool = _line(False, "", "shutter fully closed")
    # stop channels, read back
    gate_inhibited: bool = _line(False, "", "trigger and Pockels gate blocks")
    hv_inhibited: bool = _line(False, "", "charger blocked")
    comparator_tripped: bool = _line(True, "", "latched hardware over-energy comparator")
    # pump and power
    hv_mv: int = _line(0, "mV", "capacitor voltage")
    charge_done: bool = _line(False, "", "end of charge")
    simmer_on: bool = _line(False, "", "simmer current present")
    charger_cool: bool = _line(False, "", "charger's temperature contact closed")
    # cooling
    coolant_mc: int = _line(-50_000, "mC", "coolant temperature; a cut sensor reads -50 degC")
    flow_ml_min: int = _line(0, "ml/min", "coolant flow")
    level_ok: bool = _line(False, "", "coolant level switch")
    thermostat_closed: bool = _line(False, "", "heater's own thermostat")
    # light: counters count up for ever, values hold the latest optical pulse until the next
    indicator_ua: int = _line(0, "uA", "emission indicator lamp current")
    aiming_uw: int = _line(0, "uW", "aiming diode power")
    light_count: int = _line(0, "", "optical pulses seen by the photodiode before the shutter")
    pulse_width_ps: int = _line(0, "ps", "width of the latest optical pulse, photodiode")
    monitor_a_uj: int = _line(0, "uJ", "energy of the latest pulse before the shutter, uncalibrated")
    monitor_b_uj: int = _line(0, "uJ", "energy of the latest pulse after the shutter, uncalibrated")
    port_meter_uj: int = _line(0, "uJ", "reference meter in the calibration port, latest pulse")
    dark_a_uj: int = _line(0, "uJ", "monitor A without light; with `monitor_test` on, its reference flash")
    dark_b_uj: int = _line(0, "uJ", "monitor B without light; with `monitor_test` on, its reference flash")


@dataclass(slots=True)
class Outputs:
    """What the firmware drives. The default is the safe level: what a reset processor drives."""

    hv_enable: bool = _line(False, "", "the charger may run")
    hv_set_mv: int = _line(0, "mV", "voltage the charger charges to")
    dump_hold: bool = _line(False, "", "hold the dump relay open; released, the capacitor is dumped")
    simmer_start: bool = _line(False, "", "run the simmer supply")
    gate_enable: bool = _line(False, "", "let triggers reach lamp and Pockels cell")
    lamp_triggers: int = _line(0, "", "counts up by one for each lamp trigger; the plant acts on the change")
    mode_width_ps: int = _line(0, "ps", "modulation and dump setting of this mode; 0 = none")
    comparator_uj: int = _line(
        0, "uJ", "threshold of the hardware over-energy comparator: light above trips it"
    )
    comparator_reset: bool = _line(False, "", "clears the comparator's latch while high")
    shutter_open: bool = _line(False, "", "drive the shutter against its spring")
    indicator_on: bool = _line(False, "", "emission indicator")
    defeat_lamp_on: bool = _line(False, "", "lamp that says: the cover's interlock is defeated")
    aiming_on: bool = _line(False, "", "aiming diode")
    pump_on: bool = _line(False, "", "coolant pump")
    heater_on: bool = _line(False, "", "coolant heater")
    monitor_test: bool = _line(False, "", "reference flash of both energy monitors")
    buzzer_on: bool = _line(False, "", "audible warning while arming and emitting")
    watchdog_kicks: int = _line(0, "", "counts up with each refresh of the processor's windowed watchdog")


SAFE_INPUTS = Inputs()
SAFE_OUTPUTS = Outputs()


def lines_of(side: Inputs | Outputs) -> dict[str, int | bool]:
    """Every line by name with its present level."""
    return {line.name: getattr(side, line.name) for line in fields(side)}


class Memory(Protocol):
    """Non-volatile byte store (an FRAM): what was written survives reset and power loss."""

    size: int

    def read(self, offset: int, length: int) -> bytes:
        """`length` bytes from `offset`."""
        ...

    def write(self, offset: int, data: bytes) -> None:
        """Store `data` at `offset`; durable when it returns. Raises OSError when the store is broken."""
        ...


@dataclass(slots=True)
class Step:
    """What one step of the firmware gave."""

    sent: bytes  # to the host's binary port
    console: bytes  # to the console port (text dialect)
    wake_us: int  # call again at this device time at the latest, sooner when an input or a byte arrives
    driven: bool = True  # False: no output but the watchdog's has moved in this step


class FirmwareBackend(Protocol):
    """The one boundary between the simulator and any firmware: reference, native library or image.

    The caller sets `inputs`, calls `step`, and then carries `outputs` to the plant. `step` is called at every
    change of an input, at every received byte run, and at `wake_us`; times never go backwards.
    """

    outputs: Outputs

    def boot(self, now_us: int, memory: Memory, *, watchdog_reset: bool) -> None:
        """Start as after power-on: outputs at their safe level, RAM forgotten. `now_us` becomes time zero."""
        ...

    def step(self, now_us: int, inputs: Inputs, received: bytes, console: bytes) -> Step:
        """Advance to `now_us` (the simulator's time) with these inputs and received bytes."""
        ...
