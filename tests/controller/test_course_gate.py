"""The next session of a subject, on the whole stack: refused, confirmed by name, recorded; nothing leaks."""

import asyncio
import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import httpx
import pytest

from controller.api import build_api
from controller.declined import Declined
from controller.session_report import session_report
from controller.store import SessionState
from rig.stack import BEGAN, Stack, plan_text
from safety.checklist import ITEMS
from safety.courses import EffectKind, Mistake
from tests.controller.asking import logged_in, told
from tests.controller.tape import Tape

VIRTUAL_TIME = True

FIRST = BEGAN.date()
DAY = timedelta(days=1)
WEEK = timedelta(weeks=1)


class Clinic(Stack):
    """A stack whose clock can be set, and whose daemon can be away for weeks."""

    step = timedelta()

    def wall_clock(self) -> datetime:
        """The stack's, as far as somebody has set it."""
        return super().wall_clock() + self.step

    async def away(self, time: timedelta) -> None:
        """Go home, come back later."""
        await self.end_daemon()
        self.step += time
        self.start_daemon()
        await self.settled()

    async def open(self, text: str, *course: str, checklist: Any = True) -> dict[str, Any]:
        who = await self.login()
        return await self.daemon.console.open_session(who, text, "plan.toml", 755, checklist, course=course)

    async def resume_with(self, *course: str) -> dict[str, Any]:
        await self.acknowledge()
        return await self.daemon.console.resume_session(await self.login(), 755, True, course=course)

    def audited(self, kind: str) -> list[dict[str, Any]]:
        return [json.loads(entry.body) for entry in self.reader.audit_entries() if entry.kind == kind]


def of(subject: str | None, pulses: int = 3, **changes: object) -> str:
    text = plan_text(series=[pulses], **changes)
    return text if subject is None else text.replace("rehearsal =", f'subject = "{subject}"\nrehearsal =')


async def names(opening: Callable[[], Any]) -> set[str]:
    """The names of what stands against it."""
    with pytest.raises(Declined) as declined:
        await opening()
    assert (declined.value.status, declined.value.code) == (409, "course")
    return {reason["code"].removeprefix("course.") for reason in declined.value.reasons}


async def treated(clinic: Clinic, text: str) -> str:
    """Give the whole plan; the id of the session."""
    await clinic.settled()
    await clinic.acknowledge()
    session = await clinic.open(text)
    await clinic.until(lambda: not clinic.device.blocks, "the foot seen released")
    await clinic.arm()
    await clinic.give_all()
    return str(session["id"])


async def test_the_next_session_before_its_day_needs_a_confirmation_by_name_which_is_recorded() -> None:
    async with Clinic() as clinic:
        await treated(clinic, of("P-7"))
        before = clinic.device.arm_epoch
        for weeks, name in ((0, "too-early-2030-01-29"), (4, "early-2030-02-12"), (1, "early-2030-02-12")):
            await clinic.away(weeks * WEEK)
            await clinic.acknowledge()
            assert await names(lambda: clinic.open(of("P-7"))) == {name}
            assert await names(lambda: clinic.open(of("p-7"))) == {name}, "the same subject in other letters"
        assert len(clinic.reader.sessions()) == 1
        assert clinic.daemon.treatment.session is None
        assert clinic.device.arm_epoch == before
        assert await names(lambda: clinic.open(of("P-7"), "too-early-2030-01-29")) == {name, "unknown"}
        await clinic.open(of("P-7"), name)
        confirmed = clinic.audited("session.confirmed")[-1]
        assert list(confirmed["course"]) == [name]
        assert "2030-01-01" in confirmed["course"][name]
        assert clinic.audited("session.confirmed")[0]["course"] == {}
        assert "P-7" not in json.dumps([entry.body for entry in clinic.reader.audit_entries()])


async def test_on_its_day_the_next_session_needs_no_word_and_neither_does_anybody_elses() -> None:
    async with Clinic() as clinic:
        await treated(clinic, of("P-7"))
        await treated(clinic, of("P-8"))
        await treated(clinic, of(None))
        await treated(clinic, of(None))
        await clinic.away(6 * WEEK)
        await clinic.acknowledge()
        await clinic.open(of("P-7"))
        assert len(clinic.reader.sittings("P-7")) == 1
        assert [one.day for one in clinic.reader.sittings("P-8")] == [FIRST]


async def test_a_rehearsal_is_no_session_of_a_course_and_asks_for_nothing() -> None:
    async with Clinic() as clinic:
        await treated(clinic, of("P-7", rehearsal=True))
        assert clinic.reader.sittings("P-7") == []
        await treated(clinic, of("P-7"))
        await treated(clinic, of("P-7", rehearsal=True))
        assert len(clinic.reader.sittings("P-7")) == 1


@pytest.mark.shows("REQ-046")
async def test_an_interrupted_session_goes_on_the_same_day_and_weeks_later_only_with_a_word() -> None:
    async with Clinic() as clinic:
        await clinic.settled()
        await clinic.acknowledge()
        session = await clinic.open(of("P-7", 10))
        for wait, name in ((timedelta(), ""), (2 * WEEK, "too-early-2030-01-29")):
            if wait:
                await clinic.away(wait)
                assert await names(clinic.resume_with) == {name}
                await clinic.resume_with(name)
                assert list(clinic.audited("session.confirmed")[-1]["course"]) == [name]
                break
            await clinic.arm()
            await clinic.fire(4)
            clinic.laser.act("door", to="open")
            await clinic.until(lambda: clinic.daemon.treatment.session is None, "interrupted")
            clinic.release()
            clinic.laser.act("door", to="close")
            await asyncio.sleep(1)
            await clinic.resume_with()
        ids = {one["id"] for one in clinic.audited("session.confirmed")}
        assert ids == {session["id"]}
        assert len(clinic.audited("session.confirmed")) == 3


@pytest.mark.parametrize("hour", [-1, 1])
async def test_a_clock_set_by_an_hour_opens_nothing_early(hour: int) -> None:
    """Half an hour before the day begins the clock is set on by an hour, or back: it is not the day yet."""
    async with Clinic() as clinic:
        await treated(clinic, of("P-7"))
        now = clinic.wall_clock()
        await clinic.away(now.replace(hour=23, minute=30) - now + 6 * WEEK - DAY)
        await clinic.acknowledge()
        assert await names(lambda: clinic.open(of("P-7"))) == {"early-2030-02-12"}
        clinic.step += timedelta(hours=hour)
        day = date(2030, 2, 12) if hour > 0 else date(2030, 2, 11)
        assert clinic.wall_clock().date() == day
        assert await names(lambda: clinic.open(of("P-7"))) == {"early-2030-02-12", f"clock-{day}"}
        assert await names(lambda: clinic.open(of("P-8"))) == {f"clock-{day}"}, "its own day would be wrong"
        await clinic.open(of(None))  # which has no course


async def test_a_clock_that_came_back_behind_the_records_is_doubted_until_a_session_is_recorded() -> None:
    async with Clinic() as clinic:
        await treated(clinic, of("P-7"))
        await clinic.away(timedelta(hours=-1))
        await clinic.acknowledge()
        today = clinic.wall_clock().date()
        assert today == FIRST - DAY
        assert await names(lambda: clinic.open(of("P-8"))) == {f"clock-{today}"}
        await clinic.open(of("P-8"), f"clock-{today}")
        await clinic.daemon.console.abandon_session(await clinic.login())
        await clinic.open(of("P-9"))


async def test_adverse_effects_are_shown_before_the_next_session_and_the_grave_ones_one_by_one() -> None:
    async with Clinic() as clinic:
        session_id = await treated(clinic, of("P-7"))
        await clinic.away(6 * WEEK)
        await clinic.acknowledge()
        assert clinic.store is not None
        for kind in (EffectKind.ERYTHEMA, EffectKind.BLISTERING, EffectKind.PAIN):
            clinic.store.record_effect(session_id, kind, 2, onset=FIRST, actor="cli:x", now_us=1)
        clinic.store.resolve_effect(1, on=FIRST + DAY, actor="cli:x", now_us=1)
        clinic.store.resolve_effect(2, on=FIRST + WEEK, actor="cli:x", now_us=1)
        standing = {"effects-1", "effect-2", "effect-3"}
        assert await names(lambda: clinic.open(of("P-7"))) == standing
        melasma = of("P-7", indication='"melasma"', skin_type='"III"', handpiece='"fixed_8"', spot_mm=8.0,
                     pulse_energy_mj=200.0, rep_rate_hz=2.5).replace(
            "rehearsal =", 'acknowledged = ["expert"]\nrehearsal ='
        )  # fmt: skip
        assert await names(lambda: clinic.open(melasma)) == standing, "of whichever course"
        for one in standing:
            assert await names(lambda: clinic.open(of("P-7"), *(standing - {one}))) == {one}  # noqa: B023
        clinic.store.record_effect(session_id, EffectKind.HYPOPIGMENTATION, 1, actor="cli:x", now_us=1)
        assert await names(lambda: clinic.open(of("P-7"), *standing)) == {"effect-4"}
        await clinic.open(of("P-7"), *standing, "effect-4")
        words = clinic.audited("session.confirmed")[-1]["course"]
        assert set(words) == standing | {"effect-4"}
        assert "blistering, moderate, since 2030-01-01, resolved on 2030-01-08" in words["effect-2"]


# -- over the API


async def test_over_the_api_the_list_is_told_with_a_code_and_confirmed_by_name() -> None:
    async with Clinic() as clinic:
        await treated(clinic, of("P-7"))
        transport = httpx.ASGITransport(app=build_api(clinic.daemon.console))
        async with httpx.AsyncClient(transport=transport, base_url="http://daemon") as http:
            headers = await logged_in(clinic)
            body = {"text": of("P-7"), "file": "p", "eyewear_nm": 755, "checklist": list(ITEMS)}
            error = told(await http.post("/sessions", json=body, headers=headers), 409)
            assert error["error"] == "course"
            (reason,) = error["reasons"]
            assert reason["code"] == "course.too-early-2030-01-29"
            assert "the last session of this course was on 2030-01-01" in reason["text"]
            assert "P-7" not in json.dumps(error)
            confirmed = body | {"course": ["too-early-2030-01-29"]}
            answer = await http.post("/sessions", json=confirmed, headers=headers)
            assert answer.status_code == 200, answer.text


@pytest.mark.shows("HZ-045")
@pytest.mark.parametrize("left_out", ITEMS)
async def test_an_item_of_the_checklist_that_is_missing_names_itself(left_out: str) -> None:
    async with Clinic() as clinic:
        await clinic.settled()
        with pytest.raises(Declined) as declined:
            await clinic.open(of(None), checklist=[key for key in ITEMS if key != left_out])
        assert (declined.value.status, declined.value.code) == (422, "confirm")
        (reason,) = declined.value.reasons
        assert reason["code"] == f"confirm.{left_out}"
        assert ITEMS[left_out].statement in reason["text"]
        assert clinic.reader.sessions() == []


async def test_items_are_recorded_by_name_with_who_confirmed_them_and_reported() -> None:
    async with Clinic() as clinic:
        await clinic.settled()
        await clinic.acknowledge()
        with pytest.raises(Declined, match="confirmations are missing") as declined:
            await clinic.open(of(None), checklist=[*ITEMS, "all_is_well"])
        assert [reason["code"] for reason in declined.value.reasons] == ["confirm.unknown"]
        session = await clinic.open(of(None), checklist=list(ITEMS)[::-1])
        bert = await clinic.login("bert")
        clinic.daemon.console.logout((await clinic.login()).token)
        await clinic.daemon.console.resume_session(bert, 755, True)
        report = session_report(clinic.reader, str(session["id"]))
        assert [one.actor for one in report.confirmed] == ["anna", "bert"]
        for one in report.confirmed:
            assert list(one.items) == list(ITEMS)
            assert all(words.startswith(ITEMS[key].statement) for key, words in one.items.items())
            assert one.eyewear_nm == "755"
        assert len(report.plain()["confirmed"]) == len(report.confirmations) == 2
        assert clinic.reader.session(str(session["id"])).state is SessionState.OPEN


# -- nothing of a subject leaves by MQTT


async def test_nothing_of_a_subject_goes_over_mqtt_in_a_whole_course(monkeypatch: pytest.MonkeyPatch) -> None:
    tape = Tape()
    monkeypatch.setattr("controller.mqtt.connect", tape.connect)
    plan = of("QX-4711Z", name='"Vqq birthmark"')
    async with Clinic(mqtt={"enabled": True}) as clinic:
        session_id = await treated(clinic, plan)
        await clinic.daemon.console.subjects.record(
            await clinic.login(), session_id, EffectKind.BLISTERING, 3
        )
        await clinic.away(5 * WEEK)
        await clinic.acknowledge()
        standing = await names(lambda: clinic.open(plan))
        assert standing == {"early-2030-02-12", "effect-1"}
        await clinic.open(plan, *standing)
        clinic.laser.act("door", to="open")
        await asyncio.sleep(3)
        clinic.laser.act("door", to="close")
        await asyncio.sleep(1)
        await clinic.resume_with(*standing)
        who, subjects = await clinic.login(), clinic.daemon.console.subjects
        await subjects.resolve(who, 1)
        await subjects.correct(who, 1, Mistake.NOT_THERE)
        await asyncio.sleep(3)
    topics = [message.topic.rpartition("/")[2] for message in tape.got]
    assert sum(b'"aperture":true' in message.payload for message in tape.got) == 3
    assert {"about", "state", "telemetry", "event", "status"} <= set(topics)
    every = b"\n".join(message.topic.encode() + b" " + message.payload for message in tape.got).lower()
    assert b"interrupted" in every, "what happened is told"
    words = ["4711", "vqq", "birthmark", "blister", "adverse", "tattoo", "early", "effect"]
    words += ["subject", "indication", "skin", "anna", "checklist", *(key for key in ITEMS if "_" in key)]
    assert [word for word in words if word.encode() in every] == []
    fields = {field for message in tape.got if message.payload for field in json.loads(message.payload)}
    assert not fields & {"name", "plan", "subject", "operator", "actor", "indication", "skin_type"}
