"""Faults on demand: `inject(simulator, "shutter-stuck", at_s=12.0, for_s=5.0)`."""

from sim_device.faults.catalogue import CATALOGUE, LIMITS, NOT_THE_DEVICES, faults_of
from sim_device.faults.fault import Fault, FaultError, meaning_of
from sim_device.faults.injection import Injection, Injector, Report, clear, compose, inject
from sim_device.faults.trigger import Trigger

__all__ = [
    "CATALOGUE",
    "LIMITS",
    "NOT_THE_DEVICES",
    "Fault",
    "FaultError",
    "Injection",
    "Injector",
    "Report",
    "Trigger",
    "clear",
    "compose",
    "faults_of",
    "inject",
    "meaning_of",
]
