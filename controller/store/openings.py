"""The proof tests of a laser's contacts as the events tell of them: when each was last seen open."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from controller.store.database import Database
from controller.store.records import moment
from safety.proof_tests import Elapsed

PROOF_TEST: Final = "proof_test"
"""Key of an event's body: what the event is the newest proof of. Retention leaves such events alone."""

# Told apart by text first: that is several times as fast as reading every body as JSON.
IS_PROOF: Final = f"instr(body, '\"{PROOF_TEST}\":')"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def wall_us(when: datetime) -> int:
    """A time of day in microseconds since 1970, UTC."""
    return (when - _EPOCH) // timedelta(microseconds=1)


class OpeningReads(Database):
    """Asking since when what was not proven."""

    def proof_moments(self, device_serial: str) -> Mapping[str, Elapsed]:
        """Return by its name the newest moment of each proof of a device, with the time on record since.

        Every event since counts, whatever it is about: it tells that time has passed.
        """
        newest = self._rows(
            f"SELECT max(id) AS id, wall_time, mono_us, json_extract(body, '$.{PROOF_TEST}') AS name "  # noqa: S608  # ours
            f"FROM event WHERE {IS_PROOF} AND json_extract(body, '$.serial') = ? "
            "GROUP BY name HAVING name IS NOT NULL",
            (device_serial,),
        )
        waiting = {row["id"]: str(row["name"]) for row in newest}
        elapsed: dict[str, Elapsed] = {}
        if not waiting:
            return elapsed
        for row in self._stream(
            "SELECT id, wall_time, mono_us FROM event WHERE id >= ? ORDER BY id", (min(waiting),)
        ):
            at_us, mono_us = wall_us(moment(row["wall_time"])), row["mono_us"]
            for name, since in elapsed.items():
                elapsed[name] = since.at(at_us, mono_us)
            if (begun := waiting.get(row["id"])) is not None:
                elapsed[begun] = Elapsed(at_us, mono_us)
        return elapsed
