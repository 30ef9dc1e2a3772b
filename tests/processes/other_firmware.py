"""`picolase sim` with a firmware built from another interface definition: its hash differs in one bit."""

from protocols import interface

interface.INTERFACE_HASH ^= 1  # type: ignore[misc]  # before anything takes a copy of it

from rig.cli.sim import sim  # noqa: E402  # only now

sim()
