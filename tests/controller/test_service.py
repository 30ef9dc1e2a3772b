"""Light for maintenance and tests: who may have it, on what confirmations, and that it is given in full."""

import asyncio
from pathlib import Path

import pytest

from controller.declined import Declined
from controller.plans import parse_plan
from controller.session import SERVICE_CONDITIONS, Confirmed, permit_us
from controller.store import Role, SessionState
from protocols.states import State
from rig.stack import PLAN, Stack, plan_text
from safety.checklist import ITEMS
from safety.plan_check import check_plan
from tests.safety.laser import DEVICE

VIRTUAL_TIME = True

SERVICE_FILE = Path(__file__).parents[2] / "plans" / "service-10hz.toml"


def service_text(series: str) -> str:
    text = plan_text(indication='"service"', rep_rate_hz=10.0, series=series)
    return text.replace('skin_type = "II"\n', "")


SHORT = service_text("[30, 40]")


async def opened(stack: Stack, text: str = SHORT, *, checklist: bool = False, service: bool = False) -> None:
    await stack.settled()
    await stack.acknowledge()
    second = stack.second() if text == INTERNAL else None
    who, console = await stack.login(), stack.daemon.console
    await console.open_session(who, text, "plan.toml", 755, checklist, service=service, second=second)


async def test_a_service_plan_is_given_in_full_at_10_hz_and_audited_as_one() -> None:
    async with Stack(role=Role.SERVICE) as stack:
        await opened(stack, service=True)
        assert stack.daemon.console.status()["session"]["service"] is True
        await stack.arm()
        began_us = stack.loop.now_us()
        await stack.give_all()
        assert stack.truth.aperture == 70
        assert stack.loop.now_us() - began_us < 20_000_000, "70 pulses at 10 Hz, and a pause"
        (session,) = stack.reader.sessions()
        assert (session.state, session.delivered_pulses) == (SessionState.DONE, 70)
        bodies = [entry.body for entry in stack.reader.audit_entries() if entry.kind == "session.open"]
        assert len(bodies) == 1
        assert '"kind":"service"' in bodies[0]
        told = [event.text for event in stack.reader.events() if event.text.startswith("service session")]
        assert told == [f"service session {session.id} in hand: 70 pulses to give"]


@pytest.mark.shows("REQ-045")
async def test_an_operator_may_not_open_a_service_plan_and_nothing_is_applied() -> None:
    async with Stack() as stack:
        with pytest.raises(Declined, match="needs the service role, anna is operator") as declined:
            await opened(stack, service=True)
        assert (declined.value.status, declined.value.code) == (403, "operator.service")
        await asyncio.sleep(1)
        assert stack.device.setpoint_hash == 0
        assert stack.reader.sessions() == []


@pytest.mark.parametrize("ask", ["resume", "arm"])
async def test_an_operator_may_not_go_on_with_what_service_began(ask: str) -> None:
    async with Stack(role=Role.SERVICE) as stack:
        await opened(stack, service=True)
        stack.daemon.console.logout((await stack.login()).token)
        bert = await stack.login("bert", Role.OPERATOR)
        console = stack.daemon.console
        work = (
            console.resume_session(bert, 755, False, service=True) if ask == "resume" else console.arm(bert)
        )
        with pytest.raises(Declined, match="needs the service role, bert is operator"):
            await work
        assert stack.device.arm_epoch == 0


@pytest.mark.parametrize("role", [Role.SERVICE, Role.ADMINISTRATOR])
async def test_the_service_role_and_what_is_above_it_may_serve(role: Role) -> None:
    async with Stack(role=role) as stack:
        await opened(stack, service=True)
        await stack.arm()


async def test_a_service_session_goes_on_after_a_stop() -> None:
    async with Stack(role=Role.SERVICE) as stack:
        await opened(stack, service=True)
        await stack.arm()
        await stack.fire(5)
        await stack.daemon.console.stop("anna", "a pause")
        stack.release()
        await stack.resume()
        await stack.until(lambda: not stack.device.blocks, "the foot seen released")
        await stack.arm()
        await stack.give_all()
        assert stack.truth.aperture == 70


@pytest.mark.parametrize(("eyewear_nm", "checklist", "service"), [(755, True, False), (532, True, True)])
async def test_the_checklist_of_a_treatment_is_none_for_a_service(
    eyewear_nm: int, checklist: bool, service: bool
) -> None:
    async with Stack(role=Role.SERVICE) as stack:
        await stack.settled()
        with pytest.raises(Declined) as declined:
            await stack.daemon.console.open_session(
                await stack.login(), SHORT, "plan", eyewear_nm, checklist, service=service
            )
        codes = {reason["code"] for reason in declined.value.reasons}
        assert codes == {"confirm.service"} if not service else {"confirm.eyewear_nm"}
        assert stack.reader.sessions() == []


def test_each_kind_of_plan_needs_its_own_confirmation_and_no_other() -> None:
    service, treatment = (parse_plan(text, Path("p")).plan for text in (SHORT, PLAN))
    for eyewear_nm in (755, 532):
        for checklist in (True, False):
            for serves in (True, False):
                confirmed = Confirmed.of(eyewear_nm, checklist, serves)
                eyewear = {"confirm.eyewear_nm"} - ({"confirm.eyewear_nm"} if eyewear_nm == 755 else set())
                for plan, said, codes in (
                    (service, serves, {"confirm.service"}),
                    (treatment, checklist, {f"confirm.{key}" for key in ITEMS}),
                ):
                    missing = {reason.code for reason in confirmed.missing(plan)}
                    assert missing == eyewear | (set() if said else codes)
    (why,) = Confirmed(755).missing(service)
    assert all(condition in why.action for condition in SERVICE_CONDITIONS)


def test_the_service_plan_that_ships_gives_ten_minutes_at_10_hz() -> None:
    plan = parse_plan(SERVICE_FILE.read_text("utf-8"), SERVICE_FILE).plan
    assert (plan.pulses, plan.rep_rate_hz, plan.service) == (6_000, 10.0, True)
    assert check_plan(plan, DEVICE) == ()


@pytest.mark.parametrize("rate_hz", [1.0, 2.5, 5.0, 10.0])
@pytest.mark.parametrize("pulses", [1, 20, 100, 400, 401, 600, 1000])
def test_a_permit_holds_for_its_pulses_and_never_longer_than_the_lasers_longest(
    rate_hz: float, pulses: int
) -> None:
    plan = parse_plan(service_text(f"[{pulses}]").replace("10.0", str(rate_hz)), Path("p")).plan
    holds_us = permit_us(plan, pulses, DEVICE)
    assert 60_000_000 <= holds_us < DEVICE.permit_max_us
    lasts_us = pulses / rate_hz * 1e6
    assert holds_us > lasts_us or lasts_us > 118e6


async def test_what_one_permit_has_no_time_for_comes_under_the_next() -> None:
    async with Stack(role=Role.SERVICE) as stack:
        text = service_text("[200]").replace("10.0", "1.0")
        await opened(stack, text, service=True)
        await stack.arm()
        await stack.give_series()
        first = stack.truth.aperture
        assert 110 <= first < 120, "one a second, as long as the longest permit lasts"
        await stack.give_all()
        assert stack.truth.aperture == 200
        assert stack.reader.check() == []


INTERNAL = SHORT.replace("rehearsal =", 'trigger = "internal"\nrehearsal =')


async def test_a_service_plan_for_the_internal_trigger_is_given_in_full_without_a_foot() -> None:
    async with Stack(role=Role.SERVICE) as stack:
        stack.laser.act("strap", to="on")
        await opened(stack, INTERNAL, service=True)
        assert stack.daemon.console.status()["session"]["trigger"] == "internal"
        assert (await stack.daemon.console.arm(await stack.login()))["outcome"] == "done"
        await stack.until(lambda: stack.daemon.treatment.session is None, "the session done", within_s=30)
        await stack.standby()
        assert stack.truth.aperture == 70
        assert {pulse.foot_pressed for pulse in stack.truth.pulses if pulse.aperture} == {False}
        (session,) = stack.reader.sessions()
        assert (session.state, session.delivered_pulses) == (SessionState.DONE, 70)
        begun = [entry.body for entry in stack.reader.audit_entries() if entry.kind == "command.begin"]
        granted = [body for body in begun if '"command":"grant"' in body]
        assert len(granted) >= 2
        assert all('"trigger":"INTERNAL"' in body for body in granted)


@pytest.mark.parametrize(("text", "strap"), [(SHORT, "on"), (INTERNAL, "off")], ids=["strap", "no strap"])
async def test_a_laser_whose_strap_is_not_as_the_plan_says_gives_no_light_and_says_why(
    text: str, strap: str
) -> None:
    async with Stack(role=Role.SERVICE) as stack:
        stack.laser.act("strap", to=strap)
        await opened(stack, text, service=True)
        assert (await stack.daemon.console.arm(await stack.login()))["outcome"] == "done"
        await stack.until(lambda: stack.device.state is State.READY, "READY")
        stack.press()
        await asyncio.sleep(3)
        assert stack.truth.aperture == 0
        assert stack.device.permit_id == 0
        told = [event.text for event in stack.reader.events()]
        assert any("strap" in line for line in told), told
