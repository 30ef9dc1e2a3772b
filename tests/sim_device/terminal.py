"""Somebody at the console of a bench, and what may be typed there."""

from protocols.requests import Setpoint
from protocols.scpi import TREE
from sim_device.board import Inputs, Step
from tests.sim_device.bench import MS, Bench, at

QUERIES = [node.header.replace("[:NEXT]", "") + "?" for node in TREE if node.query]
SETTINGS = [  # every setting of the tree, with values it would take in STANDBY
    "*RST",
    "SOUR:AIM ON",
    "SOUR:AIM OFF",
    "SOUR:ENER 100",
    "SOUR:RATE 5",
    "SOUR:WIDT 750",
    "SOUR:WAV 755",
    "SOUR:APPL 650,50,2.5",
]


class Terminal:
    """Somebody at the console of a bench."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.heard = ""
        self.sent: list[tuple[int, bytes]] = []  # what left the binary port, and when
        self.answered_in_step: list[int] = []  # bytes
        self._typed = b""
        self._step = bench.firmware.step
        bench.firmware.step = self._with_console  # type: ignore[method-assign] # a bench has no console of its own

    def _with_console(self, now_us: int, inputs: Inputs, received: bytes, console: bytes) -> Step:
        assert console == b""
        typed, self._typed = self._typed, b""
        done = self._step(now_us, inputs, received, typed)
        self.heard += done.console.decode("ascii")
        self.answered_in_step.append(len(done.console))
        if done.sent:
            self.sent.append((now_us, done.sent))
        return done

    def type(self, data: bytes) -> str:
        """Type now; what is answered in the same step."""
        self._typed = data
        self.heard = ""
        self.bench.step()
        return self.heard

    def say(self, line: str) -> str:
        return self.type(line.encode() + b"\n").removesuffix("\n")

    def error(self) -> int:
        return int(self.say("SYST:ERR?").split(",")[0])


def without_host(stage: str) -> Bench:
    """A bench whose host has been silent for long: its session is open, its heartbeat dead."""
    bench = at(stage)
    bench.host_alive = False
    bench.run(300 * MS)
    return bench


def setpoint_of(bench: Bench) -> Setpoint:
    return bench.firmware.device.setpoints.committed
