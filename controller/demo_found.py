"""What the demo's witnesses saw while all still ran, and whether they agree with one another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controller.course import Course
from controller.picture import words
from controller.store import PulseRecord, Reader
from controller.summary import Count, Summary, summarise
from controller.witnesses import Subscriber
from safety.plan import TreatmentPlan


@dataclass(frozen=True, slots=True)
class Found:
    """What was seen: the status, the device's count and the true light, before and after the plan."""

    course: Course
    status: Mapping[str, Any]
    counter_before: int
    pulse_number: int
    true_before: Mapping[str, int]
    true_after: Mapping[str, int]

    def conclude(self, database: Path, file: Path, plan: TreatmentPlan, subscriber: Subscriber) -> Summary:
        """Read the database, and compare with the plan in `file` and what the broker delivered."""
        before = self.counter_before
        serial = str(self.status["device"]["serial"])
        counter = int(self.status["books"]["device_counter"])
        with Reader.open(database) as reader:
            recorded = reader.count_pulses(serial)
            pulses: list[PulseRecord] = list(reader.session_pulses(self.course.session_id))
            problems = [f"records: {fault}" for fault in reader.check()]
        lit = {key: self.true_after[key] - self.true_before[key] for key in ("total", "aperture")}
        published = subscriber.published
        counts = (
            Count("planned", str(file), None, plan.pulses),
            Count("fired", "the device's counter, as the daemon read it", counter, counter - before),
            Count("fired", "the device's non-volatile memory", self.pulse_number, self.pulse_number - before),
            Count("true", "the plant: light that really was", self.true_after["total"], lit["total"]),
            Count("recorded", str(database), recorded, len(pulses)),
            Count("published", f"{subscriber.topic}/pulse", published(), published(after=before)),
        )
        expected = 0 if plan.rehearsal else plan.pulses
        if lit["aperture"] != expected:
            problems.append(f"{lit['aperture']} pulses left the aperture, {expected} should have")
        if (state := (self.status.get("laser") or {}).get("state")) != "standby":
            problems.append(f"the laser was left in {words(str(state))}, not in standby")
        if subscriber.unreadable:
            problems.append(f"{subscriber.unreadable} published messages could not be read")
        return summarise(counts, pulses, problems)


@dataclass(frozen=True, slots=True)
class Around:
    """What runs on in a demo that stays; `page` is None if the daemon could not serve one."""

    broker: str
    page: str | None
    operator: str
    password: str  # of the throw-away operator: of no use on any other laser
