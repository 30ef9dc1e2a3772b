"""A terminal with the console behind it, and a laser in words behind that."""

from dataclasses import dataclass, field
from typing import Any

from protocols.messages import Handpiece, Message, PulseReport, Result, Status, Telemetry
from protocols.refusals import Refusal
from protocols.requests import (
    Calibration,
    CommitSetpoint,
    Counters,
    Identity,
    ReadCalibration,
    ReadCounters,
    ReadIdentity,
    ReadSetpoint,
    Reply,
    Request,
    Setpoint,
    StageSetpoint,
)
from protocols.scpi import Console
from tests.still_laser import status

SET = Setpoint(755, 750, 173_000, 5_000, Handpiece.ZOOM, 3_500)
READY_TO_SET = status(calibrated=False)
PULSE = PulseReport(
    *(41, 1, 5, 1, 1, frozenset(), 173_000, 172_345, 171_001, 748, 750, 755, Handpiece.ZOOM, 3_500),
    *(5_000, 1_250_000, 60_000),
)
SLOW = Telemetry(1, 1, 1_250_500, -40_001, 4_000, 20_000, 950, True, False, 9, 0, 0)


@dataclass
class ScriptedLaser:
    """Answers from memory; carries out what is staged and committed; refuses with `refusals`."""

    now: Status = READY_TO_SET
    slow: Telemetry | None = SLOW
    pulse: PulseReport | None = PULSE
    setpoint: Setpoint = SET
    host_holds_laser: bool = False
    refusals: frozenset[Refusal] = frozenset()
    asked: list[Request] = field(default_factory=list)
    stops: int = 0
    _staged: StageSetpoint | None = None

    def latest(self, message: type[Message]) -> Any:
        return {Status: self.now, Telemetry: self.slow, PulseReport: self.pulse}[message]

    def ask(self, request: Request) -> Any:
        match request:
            case ReadIdentity():
                return Identity("Alex, 755; x", "PL755-0001", "1.0.0", "", 1, 1, True)
            case ReadSetpoint():
                return self.setpoint
            case ReadCounters():
                return Counters(2**62 + 1, 40, 1, 98_765, 7, 2)
            case ReadCalibration():
                return Calibration(True, 1, 2, 3, 1_001_000, 998_500, 12_000, 30)
        self.asked.append(request)
        if self.refusals:
            return Reply(Result.REFUSED, self.refusals, 0)
        if isinstance(request, StageSetpoint):
            self._staged = request
        if isinstance(request, CommitSetpoint) and self._staged:
            setpoint = Setpoint.decode(self._staged.encode())
            assert setpoint.hash == request.setpoint_hash
            self.setpoint = setpoint
        return Reply(Result.DONE, frozenset(), 0)

    def stop(self) -> None:
        self.stops += 1


class Terminal:
    """A person at the console."""

    def __init__(self, laser: ScriptedLaser | None = None) -> None:
        self.laser = laser or ScriptedLaser()
        self.console = Console()

    def type(self, data: bytes) -> str:
        for command in self.console.receive(data):
            self.console.reply(command, self.laser)
        return self.console.outgoing().decode("ascii")

    def say(self, line: str) -> str:
        return self.type(line.encode() + b"\n").removesuffix("\n")

    def error(self) -> int:
        return int(self.say("SYST:ERR?").split(",")[0])


READINGS = {
    "*IDN?": "picolase,Alex  755  x,PL755-0001,1.0.0",
    "*TST?": "0",
    "*OPC?": "1",
    "*ESR?": "128",
    "*ESE?": "0",
    "*SRE?": "0",
    "*STB?": "0",
    "SYSTem:ERRor:NEXT?": '0,"No error"',
    "SYSTem:ERRor:COUNt?": "0",
    "SYSTem:VERSion?": "1999.0",
    "STATus:LASer?": "STANDBY",
    "STATus:LEAVe?": "NEVER",
    "STATus:BLOCks?": "FOOT_HELD,NOT_WARM",
    "STATus:CALibrated?": "0",
    "STATus:DOCKed?": "1",
    "STATus:FOOT?": "RELEASED",
    "STATus:SHUTter?": "CLOSED",
    "STATus:HANDpiece?": "ZOOM",
    "STATus:SPOT?": "3.500",
    "STATus:WAVelength?": "755",
    "INTerlock?": "DOOR,COVER",
    "FAULt?": "NONE",
    "FAULt:LIST?": "NONE",
    "FAULt:PRESent?": "NONE",
    "FAULt:INSTance?": "0",
    "SOURce:ENERgy?": "173.000",
    "SOURce:RATE?": "5.000",
    "SOURce:WIDTh?": "750",
    "SOURce:WAVelength?": "755",
    "SOURce:SPOT?": "3.500",
    "SOURce:HANDpiece?": "ZOOM",
    "SOURce:AIMing?": "0",
    "SENSe:ENERgy?": "172.345",
    "SENSe:ENERgy2?": "171.001",
    "SENSe:WIDTh?": "748",
    "SENSe:TEMPerature?": "-40.001",
    "SENSe:FLOW?": "4.000",
    "SENSe:CHARge?": "1250.500",
    "SENSe:INDicator?": "20.000",
    "SENSe:AIMing?": "0.950",
    "COUNt:PULSes?": "4611686018427387905",
    "COUNt:ACKNowledged?": "40",
    "COUNt:WAITing?": "1",
    "COUNt:LAMP?": "98765",
    "COUNt:BOOTs?": "7",
    "COUNt:TRIPs?": "2",
    "CALibration:VALid?": "1",
    "CALibration:GAIN?": "1.001000",
    "CALibration:GAIN2?": "0.998500",
}
