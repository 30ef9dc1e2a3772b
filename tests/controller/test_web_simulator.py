"""The simulator's panel: a real control socket behind it, and a laser that must say that it is simulated."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from controller.declined import Declined
from controller.web.simulator import Simulator
from rig.laser import cold_laser
from sim_device.control import serve_control
from sim_device.serve import Pump

SIMULATED: dict[str, Any] = {"device": {"simulated": True}}


@pytest.fixture
async def control(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Path, Pump]]:
    monkeypatch.chdir(tmp_path)  # a path short enough for a socket
    path, pump = Path("control.sock"), Pump(cold_laser(1), stepped=True)
    async with serve_control(pump, path):
        yield path, pump


async def test_the_panel_sees_and_moves_what_a_person_at_the_laser_could(control: tuple[Path, Pump]) -> None:
    path, pump = control
    panel = Simulator(path, lambda: SIMULATED)
    seen = await panel.look()
    assert seen.keys() == {"state", "faults", "injections"}
    assert seen["injections"] == []
    assert seen["faults"]
    closed = pump.simulator.plant.contacts.door_closed
    await panel.operate("door", {"to": "open" if closed else "close"})
    assert pump.simulator.plant.contacts.door_closed is not closed


async def test_a_fault_from_the_panel_is_in_the_laser_until_all_is_mended(control: tuple[Path, Pump]) -> None:
    panel = Simulator(control[0], lambda: SIMULATED)
    for fault in (await panel.look())["faults"]["faults"]:
        with contextlib.suppress(Declined):  # some need to be told more
            await panel.inject(fault["name"], {})
            break
    (injected,) = (await panel.look())["injections"]
    assert injected["active"] or injected["fired"] == 0
    cleared = await panel.clear()
    assert [one["active"] for one in cleared] == [False]


@pytest.mark.parametrize(
    "status",
    [
        {},
        {"device": None},
        {"device": {}},
        {"device": {"simulated": False}},
        {"device": {"simulated": "yes"}},
    ],
)
async def test_a_laser_that_does_not_say_that_it_is_simulated_has_no_panel(
    control: tuple[Path, Pump], status: dict[str, Any]
) -> None:
    panel = Simulator(control[0], lambda: status)
    before = control[1].simulator.plant.contacts.door_closed
    for asked in (panel.look(), panel.operate("door", {"to": "open"}), panel.inject("x", {}), panel.clear()):
        with pytest.raises(Declined) as refused:
            await asked
        assert (refused.value.status, refused.value.code) == (404, "sim.none")
    assert control[1].simulator.plant.contacts.door_closed is before


async def test_what_the_simulator_refuses_is_told_in_its_own_words(control: tuple[Path, Pump]) -> None:
    panel = Simulator(control[0], lambda: SIMULATED)
    for asked in (
        panel.operate("door", {"to": "ajar"}),
        panel.operate("no-such", {}),
        panel.inject("no", {}),
    ):
        with pytest.raises(Declined) as refused:
            await asked
        assert refused.value.code == "sim.refused"
        assert refused.value.status in {404, 409, 422}
        assert len(str(refused.value)) > 10


async def test_without_a_socket_or_anybody_behind_it_the_panel_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Declined, match=r"set web\.simulator_control"):
        await Simulator(None, lambda: SIMULATED).look()
    with pytest.raises(Declined, match="does not answer") as refused:
        await Simulator(tmp_path / "none", lambda: SIMULATED).look()
    assert refused.value.status == 503


async def test_a_simulator_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("controller.web.simulator.ANSWER_S", 0.05)
    held: list[asyncio.StreamWriter] = []

    def hang(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)

    server = await asyncio.start_unix_server(hang, "s")
    with pytest.raises(Declined, match="ReadTimeout"):
        await Simulator(Path("s"), lambda: SIMULATED).look()
    for writer in held:
        writer.close()
    server.close()
    await server.wait_closed()
