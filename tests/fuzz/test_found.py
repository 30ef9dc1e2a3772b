"""What fuzzing found and is no input of a target: each was a defect once."""

import base64
import tracemalloc
import zlib
from pathlib import Path

import pytest

from controller.cli.app import App
from controller.cli.stop import _endpoint
from controller.client import Endpoint
from protocols.messages import Beam, Status
from rig.recording import unpacked
from sim_device.memory import MEMORY_SIZE, RamMemory


def test_a_recording_whose_memory_unpacks_to_gigabytes_is_refused_unopened() -> None:
    bomb = base64.b64encode(zlib.compress(bytes(64_000_000), 9)).decode()
    assert len(bomb) < 100_000
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="a device has"):
            unpacked(bomb, RamMemory())
        assert tracemalloc.get_traced_memory()[1] < 4 * MEMORY_SIZE + 4 * len(bomb)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "spoilt",
    [
        "[api]\nport = inf\n",
        "[api]\nport = nan\n",
        "[api]\nport = 1979-05-27\n",
        "a = " + "[" * 2_000,
        "[api]\nport = []",
    ],
)
def test_a_stop_finds_its_way_whatever_the_configuration_says(tmp_path: Path, spoilt: str) -> None:
    path = tmp_path / "picolase.toml"
    path.write_text(spoilt)
    assert _endpoint(App(path)) == Endpoint()


def test_the_seeds_of_the_device_reach_light() -> None:
    """The control: a target whose programs never get anywhere would keep every promise."""
    from tests.fuzz import firmware
    from tests.sim_device.test_native_differs_nowhere import typed

    with firmware.both():
        watch = firmware.Watch("set")
        firmware.allowed(watch, Beam.APERTURE)
        watch.room.run(100_000)
        firmware.allowed(watch, None)
        watch.room.run(50_000)
        watch.room.press()
        watch.room.run(1_000_000)
        assert watch.may_light
        assert len(watch.room.triggers) > watch._lit + 3
        assert watch.room.statuses[-1].permit_id
        assert isinstance(watch.room.statuses[-1], Status)
        assert typed(watch.room, b"*IDN?\n").startswith(b"picolase,")
