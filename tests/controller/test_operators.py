"""Operators: names, passwords, lock-out, idle lock, roles."""

import asyncio
import itertools
import unicodedata
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from controller.operators import (
    Logins,
    NotAuthorised,
    OperatorRefused,
    Reason,
    add_operator,
    change_password,
    hash_password,
    password_matches,
    password_problems,
)
from controller.store import Role, Store, StoreWriter

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
PASSWORD = "correct horse battery"
HASHES = {PASSWORD: hash_password(PASSWORD)}  # The real one takes 50 ms, so it is made once.


@dataclass
class Time:
    """Both clocks, moved apart by the test."""

    now_us: int = 1000
    wall: datetime = datetime(2026, 3, 4, tzinfo=UTC)


@dataclass
class Desk:
    """What a console has: operators on record, and those who are logged in."""

    time: Time
    writer: StoreWriter
    store: Store
    matched: list[str]
    logins: Logins

    def restarted(self) -> Logins:
        numbers = itertools.count(100)
        return Logins(
            self.writer,
            new_token=lambda: f"token-{next(numbers)}",
            now_us=lambda: self.time.now_us,
            wall_clock=lambda: self.time.wall,
            match=self._match,
        )

    async def _match(self, password_hash: str, password: str) -> bool:
        # The comparison itself is tested with the real hash below; here only its answer matters.
        self.matched.append(password)
        await asyncio.sleep(0)
        return password_hash == HASHES[PASSWORD] and password == PASSWORD

    async def tries(self, password: str, name: str = "ann") -> Reason | None:
        try:
            await self.logins.login(name, password)
        except NotAuthorised as refused:
            return refused.reason
        return None


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    time = Time()
    store = Store.in_memory(wall_clock=lambda: time.wall)
    for role, name in (
        (Role.OPERATOR, "ann"),
        (Role.VIEWER, "vic"),
        (Role.SERVICE, "sam"),
        (Role.ADMINISTRATOR, "ada"),
    ):
        store.insert_operator(name, role, HASHES[PASSWORD], actor="root", now_us=0)
    async with StoreWriter(store, inline=True) as writer:
        made = Desk(time, writer, store, [], None)  # type: ignore[arg-type]  # set on the next line
        made.logins = made.restarted()
        yield made


# --- passwords


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("short1234", "9 characters"),
        ("x" * 129, "129 characters"),
        ("aaaaaaaaaa", "different characters"),
        ("AaBbAaBbAaBb", "different characters"),
        ("my-ann-is-best", "name"),
        ("my-ANN-is-best", "name"),
        ("", "0 characters"),
    ],
)
def test_a_password_that_will_not_do_is_told_why(password: str, said: str) -> None:
    assert any(said in problem for problem in password_problems("ann", password))


@pytest.mark.parametrize("password", ["abcde12345", "x1y2z3" * 21, PASSWORD, "пароль-секрет"])
def test_a_good_password_will_do(password: str) -> None:
    assert password_problems("ann", password) == []


def test_all_that_is_wrong_is_told_at_once_and_nothing_is_recorded() -> None:
    with Store.in_memory(wall_clock=lambda: datetime(2026, 1, 1, tzinfo=UTC)) as store:
        with pytest.raises(OperatorRefused) as caught:
            add_operator(store, "Ann Lee", Role.OPERATOR, "aaa", actor="root", now_us=0)
        assert len(caught.value.problems) == 3
        assert store.operators() == []


@pytest.mark.parametrize(
    "name", ["", "a", "Ann", "1ann", "ann lee", "ann\n", "ä" * 5, "a" * 33, "-ann", "../x"]
)
def test_a_name_that_will_not_do_is_told(name: str) -> None:
    with Store.in_memory(wall_clock=lambda: datetime(2026, 1, 1, tzinfo=UTC)) as store:
        with pytest.raises(OperatorRefused, match="name"):
            add_operator(store, name, Role.OPERATOR, PASSWORD, actor="root", now_us=0)
        assert store.operators() == []


def test_an_operators_password_is_kept_as_argon2id_only() -> None:
    with Store.in_memory(wall_clock=lambda: datetime(2026, 1, 1, tzinfo=UTC)) as store:
        add_operator(store, "ann", Role.SERVICE, PASSWORD, actor="root", now_us=0)
        ann = store.operator("ann")
        assert ann is not None
        assert ann.password_hash.startswith("$argon2id$")
        assert ann.role is Role.SERVICE
        assert password_matches(ann.password_hash, PASSWORD)
        assert not password_matches(ann.password_hash, PASSWORD + "x")
        change_password(store, "ann", "another good one", actor="ann", now_us=0)
        with pytest.raises(OperatorRefused):
            change_password(store, "ann", "bad", actor="ann", now_us=0)
        ann = store.operator("ann")
        assert ann is not None
        assert password_matches(ann.password_hash, "another good one")


def test_the_same_letters_match_however_the_keyboard_composes_them() -> None:
    composed, apart = (unicodedata.normalize(form, "Zimt-Käse-Öl") for form in ("NFC", "NFD"))
    assert composed != apart
    assert password_matches(hash_password(composed), apart)
    assert password_matches(hash_password("Tafelöl-2030"), "Ｔafelöl-２０３０")  # noqa: RUF001  # of full width


def test_a_damaged_hash_matches_nothing() -> None:
    assert not password_matches("damaged", PASSWORD)
    assert not password_matches("", PASSWORD)


# --- logging in


async def test_the_right_password_gives_a_token_that_says_who_it_is(desk: Desk) -> None:
    token = await desk.logins.login("ann", PASSWORD)
    assert desk.logins.require(token, Role.OPERATOR).name == "ann"
    assert [entry.kind for entry in desk.store.audit_entries()][-1] == "login"


async def test_with_the_real_hash_in_a_thread(desk: Desk) -> None:
    logins = Logins(desk.writer, new_token=lambda: "t", now_us=lambda: 0, wall_clock=lambda: desk.time.wall)
    assert await logins.login("ann", PASSWORD) == "t"
    with pytest.raises(NotAuthorised):
        await logins.login("ann", "wrong password")
    with pytest.raises(NotAuthorised):
        await logins.login("nobody", PASSWORD)


@pytest.mark.shows("REQ-045")
async def test_unknown_deactivated_and_wrong_are_told_alike(desk: Desk) -> None:
    desk.store.deactivate_operator("vic", actor="root", now_us=0)
    answers = []
    for name, password in (("nobody", PASSWORD), ("vic", PASSWORD), ("ann", "wrong")):
        with pytest.raises(NotAuthorised) as caught:
            await desk.logins.login(name, password)
        answers.append(str(caught.value))
    assert answers == ["name or password is wrong"] * 3
    assert len(desk.matched) == 3  # And take the same time.


@pytest.mark.shows("REQ-045")
async def test_five_failures_lock_out_for_five_minutes(desk: Desk) -> None:
    for _ in range(5):
        assert await desk.tries("wrong") is Reason.WRONG
    tried = len(desk.matched)
    for passed_us in (0, SECOND_US, 5 * MINUTE_US - SECOND_US - 1):
        desk.time.now_us += passed_us
        assert await desk.tries(PASSWORD) is Reason.LOCKED_OUT
    assert len(desk.matched) == tried  # Not even looked at.
    assert await desk.tries(PASSWORD, "ada") is None  # Others are not locked out.
    desk.time.now_us += 1
    assert await desk.tries(PASSWORD) is None


async def test_after_a_lock_out_it_takes_five_failures_again(desk: Desk) -> None:
    for _ in range(5):
        await desk.tries("wrong")
    desk.time.now_us += 5 * MINUTE_US
    for _ in range(5):
        assert await desk.tries("wrong") is Reason.WRONG
    assert await desk.tries(PASSWORD) is Reason.LOCKED_OUT


async def test_four_failures_are_forgotten_by_a_success(desk: Desk) -> None:
    for _ in range(3):
        for _ in range(4):
            assert await desk.tries("wrong") is Reason.WRONG
        assert await desk.tries(PASSWORD) is None


async def test_the_lock_out_says_how_long_it_lasts(desk: Desk) -> None:
    for _ in range(5):
        await desk.tries("wrong")
    desk.time.now_us += MINUTE_US + 1
    with pytest.raises(NotAuthorised, match="240 s left"):
        await desk.logins.login("ann", PASSWORD)


@pytest.mark.shows("REQ-049", "HZ-037")
@pytest.mark.parametrize("step", [timedelta(hours=1), timedelta(hours=-1), timedelta(days=3650)])
async def test_a_step_of_the_wall_clock_neither_ends_nor_prolongs_a_lock_out(
    desk: Desk, step: timedelta
) -> None:
    for _ in range(5):
        await desk.tries("wrong")
    desk.time.wall += step
    assert await desk.tries(PASSWORD) is Reason.LOCKED_OUT
    desk.time.now_us += 5 * MINUTE_US
    assert await desk.tries(PASSWORD) is None


async def test_a_restart_neither_ends_a_lock_out_nor_forgets_failures(desk: Desk) -> None:
    for _ in range(3):
        await desk.tries("wrong")
    desk.logins = desk.restarted()
    for _ in range(2):
        assert await desk.tries("wrong") is Reason.WRONG
    desk.logins = desk.restarted()
    desk.time.now_us = 0  # Monotonic time begins anew.
    assert await desk.tries(PASSWORD) is Reason.LOCKED_OUT
    desk.time.now_us = 5 * MINUTE_US - 1
    assert await desk.tries(PASSWORD) is Reason.LOCKED_OUT
    desk.time.now_us += 1
    assert await desk.tries(PASSWORD) is None


async def test_a_new_password_ends_a_lock_out(desk: Desk) -> None:
    for _ in range(5):
        await desk.tries("wrong")
    desk.store.update_password("ann", HASHES[PASSWORD], actor="root", now_us=0)
    assert await desk.tries(PASSWORD) is None


async def test_unlocking_ends_a_lock_out_and_four_more_failures_are_free(desk: Desk) -> None:
    for _ in range(5):
        await desk.tries("wrong")
    assert await desk.tries(PASSWORD) is Reason.LOCKED_OUT
    desk.store.unlock_operator("ann", actor="root", now_us=0)
    for _ in range(4):
        assert await desk.tries("wrong") is Reason.WRONG
    assert await desk.tries(PASSWORD) is None


async def test_wrong_passwords_of_a_second_person_count_to_the_same_lock_out(desk: Desk) -> None:
    for number in range(5):
        with pytest.raises(NotAuthorised, match="wrong"):
            await desk.logins.prove("sam", "wrong", purpose="second" if number % 2 else "login")
    assert await desk.tries(PASSWORD, "sam") is Reason.LOCKED_OUT
    with pytest.raises(NotAuthorised, match="wait until"):
        await desk.logins.prove("sam", PASSWORD, purpose="second")


async def test_who_proves_themselves_as_a_second_person_is_not_logged_in(desk: Desk) -> None:
    assert (await desk.logins.prove("sam", PASSWORD, purpose="second")).name == "sam"
    assert desk.logins._logins == {}
    assert [entry.kind for entry in desk.store.audit_entries()][-1] == "second"


async def test_parallel_guesses_do_not_outrun_the_lock_out(desk: Desk) -> None:
    answers = await asyncio.gather(*(desk.tries("wrong") for _ in range(50)))
    assert answers.count(Reason.WRONG) == 5
    assert answers.count(Reason.LOCKED_OUT) == 45


# --- staying logged in


@pytest.mark.shows("REQ-045")
async def test_fifteen_minutes_without_use_log_out(desk: Desk) -> None:
    token = await desk.logins.login("ann", PASSWORD)
    for _ in range(3):
        desk.time.now_us += 15 * MINUTE_US - 1
        desk.logins.require(token, Role.VIEWER)
    desk.time.now_us += 15 * MINUTE_US
    with pytest.raises(NotAuthorised) as caught:
        desk.logins.require(token, Role.VIEWER)
    assert caught.value.reason is Reason.IDLE
    with pytest.raises(NotAuthorised) as caught:
        desk.logins.require(token, Role.VIEWER)
    assert caught.value.reason is Reason.NOT_LOGGED_IN


async def test_what_a_page_asks_by_itself_does_not_keep_a_console_open(desk: Desk) -> None:
    token = await desk.logins.login("ann", PASSWORD)
    for _ in range(14):
        desk.time.now_us += MINUTE_US
        desk.logins.require(token, Role.VIEWER, in_use=False)
    desk.time.now_us += MINUTE_US
    with pytest.raises(NotAuthorised, match="locked after a time without use"):
        desk.logins.require(token, Role.VIEWER, in_use=False)


async def test_a_refusal_does_not_keep_a_console_open(desk: Desk) -> None:
    token = await desk.logins.login("vic", PASSWORD)
    for _ in range(15):
        desk.time.now_us += MINUTE_US
        with pytest.raises(NotAuthorised):
            desk.logins.require(token, Role.OPERATOR)
    with pytest.raises(NotAuthorised, match="log in first"):
        desk.logins.require(token, Role.VIEWER)


@pytest.mark.shows("REQ-045")
@pytest.mark.parametrize(("name", "may"), [("vic", 1), ("ann", 2), ("sam", 3), ("ada", 4)])
async def test_each_role_may_what_it_covers(desk: Desk, name: str, may: int) -> None:
    token = await desk.logins.login(name, PASSWORD)
    for place, role in enumerate((Role.VIEWER, Role.OPERATOR, Role.SERVICE, Role.ADMINISTRATOR), start=1):
        if place <= may:
            assert desk.logins.require(token, role).name == name
        else:
            with pytest.raises(NotAuthorised, match=f"needs {role.value}"):
                desk.logins.require(token, role)


@pytest.mark.shows("REQ-045")
async def test_without_a_token_or_with_a_made_up_one_nothing_is_allowed(desk: Desk) -> None:
    token = await desk.logins.login("ann", PASSWORD)
    desk.logins.logout(token)
    desk.logins.logout(token)
    for presented in (None, "", "made-up", token):
        with pytest.raises(NotAuthorised, match="log in first"):
            desk.logins.require(presented, Role.VIEWER)


async def test_a_restart_logs_everybody_out(desk: Desk) -> None:
    token = await desk.logins.login("ann", PASSWORD)
    with pytest.raises(NotAuthorised):
        desk.restarted().require(token, Role.VIEWER)


async def test_forgotten_logins_do_not_pile_up(desk: Desk) -> None:
    for _ in range(20):
        await desk.logins.login("ann", PASSWORD)
        desk.time.now_us += 15 * MINUTE_US
    await desk.logins.login("ann", PASSWORD)
    assert len(desk.logins._logins) == 1
