"""The daemon on ports that are no laser, or another one: a clear text each time, no crash, no spinning."""

from __future__ import annotations

import asyncio
import os
import random
import re
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest
from cobs import cobs

from controller.client import ApiRefusal
from controller.processes import Child
from controller.stage import PYTHON
from protocols.interface import PROTOCOL_VERSION
from tests.processes.judge import running
from tests.processes.lines import far_end, relay
from tests.processes.rig import Rig, plan
from tests.processes.status import Status, state

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]

CPU_MAX = 0.5  # of one core, while the line talks at full speed


def told(rig: Rig) -> str:
    """What a person reads who runs `picolase status`."""
    command = [*PYTHON, "controller.cli", "status", "--config", str(rig.config)]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert shown.returncode == 0, shown.stderr
    return " ".join(shown.stdout.split())


def cpu_s(child: Child) -> float:
    """Seconds of a core that the process has used so far."""
    fields = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def explains(rig: Rig, pattern: str) -> Status:
    """The daemon lives, says why there is no laser, and the command line and the log say the same."""
    now = await rig.until(
        f"link.reason like {pattern!r}",
        lambda now: bool(re.search(pattern, now["link"]["reason"])) and now["link"]["state"] == "down",
    )
    assert re.search(pattern, await asyncio.to_thread(told, rig)), "`picolase status` does not say it"
    assert re.search(pattern, rig.log()), "the log does not say it"
    assert "Traceback" not in rig.log()
    assert not running(rig.daemon).ended.done()
    return now


async def ends_well(rig: Rig) -> None:
    assert await running(rig.daemon).end() == 0, rig.log_tail()


async def test_an_absent_port_is_named_and_waited_for(rig: Rig) -> None:
    await rig.start_daemon()
    await explains(rig, r"laser0: there is no such port: plug the device in")
    await rig.start_laser()
    await rig.until_standby()
    await ends_well(rig)


async def test_a_port_without_permission_names_the_group_to_join(rig: Rig) -> None:
    """Root may open everything: there the daemon is run by nobody."""
    await rig.start_laser()
    prefix: tuple[str, ...] = ()
    if os.geteuid() == 0:
        prefix = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        for path in (rig.folder, rig.database):
            os.chown(path, 65534, 65534)
    rig.port.chmod(0)  # of the terminal that the link leads to
    rig.daemon = await rig.launch_daemon(prefix)
    await explains(rig, r"laser0: this user may not open the port: join its group with `sudo usermod")
    await ends_well(rig)


@pytest.mark.parametrize("kind", ["folder", "file"])
async def test_a_path_that_is_no_serial_port_is_told_as_such(rig: Rig, kind: str) -> None:
    rig.port.mkdir() if kind == "folder" else rig.port.write_text("not a laser")
    await rig.start_daemon()
    await explains(rig, r"laser0: not a serial port \(.*\): give one of /dev/ttyUSB0")
    await ends_well(rig)


async def test_a_port_that_babbles_at_full_speed_neither_kills_the_daemon_nor_makes_it_spin(rig: Rig) -> None:
    noise = random.Random(5).randbytes(1 << 16)
    with far_end(rig.port) as line:
        line.receive = lambda _: None
        babbling = asyncio.create_task(_babble(line.write, noise))
        await rig.start_daemon()
        await explains(rig, r"no valid frame was heard; \d+ bytes came, the first: .*check the baud rate")
        daemon = running(rig.daemon)
        used_s, began_s = cpu_s(daemon), time.monotonic()
        await asyncio.sleep(3)
        share = (cpu_s(daemon) - used_s) / (time.monotonic() - began_s)
        assert share < CPU_MAX, f"the daemon takes {share:.0%} of a core"
        babbling.cancel()
    await rig.start_laser()
    await rig.until_standby()
    await ends_well(rig)


async def _babble(write: object, noise: bytes) -> None:
    assert callable(write)
    at = 0
    while True:  # 400 kB/s: the fastest port that Linux names
        write(noise[at : at + 4000])
        at = (at + 4000) % len(noise)
        await asyncio.sleep(0.01)


async def test_a_line_that_only_echoes_is_recognised(rig: Rig) -> None:
    with far_end(rig.port) as line:
        line.receive = line.write
        await rig.start_daemon()
        await explains(rig, r"laser0: the line only echoes what is sent: remove the loopback plug")
        await ends_well(rig)


async def test_a_silent_port_is_recognised(rig: Rig) -> None:
    with far_end(rig.port):
        await rig.start_daemon()
        await explains(rig, r"laser0: nothing was heard: switch the laser on")
        await ends_well(rig)


async def test_a_device_of_another_protocol_version_is_told_with_both_numbers(rig: Rig) -> None:
    other = PROTOCOL_VERSION + 1
    raw = bytes([other, 0x01, 0]) + bytes(8)
    frame = b"\0" + cobs.encode(raw + zlib.crc32(raw).to_bytes(4, "little")) + b"\0"
    with far_end(rig.port) as line:
        line.receive = lambda _: line.write(frame)
        await rig.start_daemon()
        await explains(
            rig,
            f"the device speaks protocol version {other}, this host {PROTOCOL_VERSION}: "
            "install matching versions of host and firmware",
        )
        await ends_well(rig)


async def test_a_firmware_of_another_interface_can_be_read_and_is_not_armed(rig: Rig) -> None:
    await rig.start_laser(program=(sys.executable, "-P", "-m", "tests.processes.other_firmware"))
    await rig.start_daemon()
    now = await rig.until("the laser is read", lambda now: state(now) == "standby")
    assert now["device"]["interface_matches"] is False
    hashes = re.findall(r"[0-9a-f]{16}", rig.log())
    assert len(set(hashes) - {now["boot"]}) >= 2, "the log does not tell both hashes"
    await rig.login()
    for latch in now["supervisor"]["latches"]:
        await rig.client.acknowledge([{"name": latch["name"], "instance": latch["instance"]}])
    with pytest.raises(ApiRefusal) as refused:
        await rig.begin(plan(3))
    assert "interface" in str(refused.value.reasons)
    assert "host.interface" in {reason["code"] for reason in now["supervisor"]["arm_refusals"]}
    assert state(await rig.client.status()) == "standby"
    await ends_well(rig)


async def test_a_laser_with_another_serial_number_is_not_taken_in(rig: Rig) -> None:
    rig.settings = 'expected_serial = "PL755-0002"'
    await rig.start_laser()
    await rig.start_daemon()
    now = await explains(rig, r"the laser there is PL755-0001, not PL755-0002: connect the right laser")
    assert now["device"] is None
    await ends_well(rig)


async def test_a_recorded_session_that_is_played_back_is_not_taken_for_a_laser(rig: Rig) -> None:
    await rig.start_laser()
    rig.url = str(rig.folder / "cable")
    with relay(rig.port, rig.folder / "cable") as cable:
        await rig.start_under_daemon()
        recorded = bytes(cable.heard)
        await ends_well(rig)
    before = rig.records()
    with far_end(rig.folder / "cable") as line:
        playing = asyncio.create_task(_play(line.write, recorded))
        await rig.start_daemon()
        await explains(rig, r"frames were heard, but none answers this host.*plays no recording")
        playing.cancel()
        await ends_well(rig)
    assert rig.records() == before


async def _play(write: object, recorded: bytes) -> None:
    assert callable(write)
    while True:
        for at in range(0, len(recorded), 100):
            write(recorded[at : at + 100])
            await asyncio.sleep(0.01)
