"""A laser that was brought up once, for all tests to copy."""

from datetime import timedelta
from pathlib import Path

from controller.operators import add_operator
from controller.store import Role, Store
from tests.processes.rig import OPERATOR, PASSWORD, WAVELENGTH_NM, Rig, wall_clock


async def make_template(folder: Path) -> None:
    """Bring a new laser from key-on to STANDBY under a daemon, and keep its memory and the database."""
    async with Rig(folder) as rig:
        with Store.open(rig.database, wall_clock=wall_clock) as store:
            add_operator(store, OPERATOR, Role.OPERATOR, PASSWORD, actor="test", now_us=0)
            tomorrow = wall_clock() + timedelta(days=1)
            store.record_training(OPERATOR, WAVELENGTH_NM, tomorrow, actor="test", now_us=0)
        await rig.start_laser("--docked")
        await rig.start_daemon()
        await rig.until_standby()
        found = await rig.balanced()
        assert found, "a calibration fires pulses"
