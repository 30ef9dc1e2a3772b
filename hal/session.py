"""The facts of an open session."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Session:
    """Nonce and boot of the session, and the interfaces both ends were built from."""

    number: int
    boot: int
    device_interface_hash: int
    host_interface_hash: int

    @property
    def interface_matches(self) -> bool:
        """Whether both were built from the same interface; if not, the device refuses to arm."""
        return self.device_interface_hash == self.host_interface_hash

    @property
    def interface_note(self) -> str:
        """Both hashes in words where they differ, else nothing."""
        if self.interface_matches:
            return ""
        return (
            f"the device was built from interface {self.device_interface_hash:016x}, this host from "
            f"{self.host_interface_hash:016x}: reading works, arming is refused; install matching versions"
        )
