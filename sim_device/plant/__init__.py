"""The simulated laser's physics, contacts and hardware cut-offs."""

from sim_device.plant.contacts import Contacts
from sim_device.plant.delay import NEVER
from sim_device.plant.plant import Plant
from sim_device.plant.truth import TruePulse, Truth

__all__ = ["NEVER", "Contacts", "Plant", "TruePulse", "Truth"]
