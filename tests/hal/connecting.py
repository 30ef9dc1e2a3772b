"""A connection to a little laser, and what it is asked to do."""

from hal.connection import Connection
from hal.ports import open_port
from protocols import requests as wire
from protocols.messages import Beam
from tests.hal.little_laser import Witness

ARM = wire.Arm(1, 0, Beam.APERTURE)


async def connect(witness: Witness, name: str = "laser") -> Connection:
    connection = Connection(await open_port(f"memory://{name}"), witness.hooks)
    await connection.open()
    return connection
