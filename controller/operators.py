"""Who may do what: making operators, logging in, staying logged in.

Times here are monotonic (REQ-049): neither a step of the wall clock nor a restart shortens a lock-out. Only
the end of a training is a date, see `controller.training`.
"""

import asyncio
import enum
import re
import unicodedata
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from controller.store import OperatorRecord, Role, Store, StoreWriter
from controller.training import Today, people_report

FAILURES_ALLOWED = 5
LOCK_OUT_US = 300_000_000
"""Five failures, five minutes. [C] Guessing 60 passwords an hour finds none of ten characters."""

IDLE_LOCK_US = 900_000_000
"""REQ-045: 15 minutes without use lock the console."""

PASSWORD_LENGTH = range(10, 129)
"""[C] Ten is the shortest that is no use to guess at the rate above; the upper end bounds the hashing."""

_DIFFERENT_CHARACTERS = 5  # [C] Refuses "aaaaaaaaaa" and "1212121212" without a dictionary.
_NAME = re.compile(r"[a-z][a-z0-9._-]{1,31}")
_HASHER = PasswordHasher()  # The library's default is RFC 9106's second choice: 64 MiB, 3 passes.
# A hash with the parameters of `_HASHER` that no password has.
_NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$bm9ib2R5bm9ib2R5$" + "A" * 43


class OperatorRefused(ValueError):
    """A new operator's name or password will not do; `problems` says all that is wrong with them."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class Reason(enum.Enum):
    """Why somebody is not let in, in words for that person."""

    WRONG = "name or password is wrong"
    LOCKED_OUT = "too many wrong passwords: wait until the lock-out is over"
    NOT_LOGGED_IN = "log in first"
    IDLE = "locked after a time without use: log in again"
    ROLE = "your role does not allow this"


class NotAuthorised(Exception):
    """Somebody may not do this; nothing was done. `reason` says why, `detail` more."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason.value} ({detail})" if detail else reason.value)
        self.reason = reason
        self.detail = detail


def password_problems(name: str, password: str) -> list[str]:
    """Return all that is wrong with a password; empty when it will do."""
    folded = password.casefold()
    checks = {
        f"the password has {len(password)} characters, not {PASSWORD_LENGTH[0]} to {PASSWORD_LENGTH[-1]}": (
            len(password) not in PASSWORD_LENGTH
        ),
        f"the password has fewer than {_DIFFERENT_CHARACTERS} different characters": (
            len(set(folded)) < _DIFFERENT_CHARACTERS
        ),
        "the password contains the operator's name": name.casefold() in folded,
    }
    return [problem for problem, found in checks.items() if found]


def hash_password(password: str) -> str:
    """Return the argon2id hash of a password; takes about 50 ms and 64 MiB."""
    return _HASHER.hash(_normal(password))


def password_matches(password_hash: str, password: str) -> bool:
    """Whether the password belongs to the hash; takes about 50 ms and shares nothing: run it in a thread."""
    try:
        return _HASHER.verify(password_hash, _normal(password))
    except (VerificationError, InvalidHashError):
        return False


def add_operator(store: Store, name: str, role: Role, password: str, *, actor: str, now_us: int) -> None:
    """Make an operator, or raise `OperatorRefused` with all that is wrong. For use on the machine only."""
    problems = password_problems(name, password)
    if not _NAME.fullmatch(name):
        problems.insert(
            0, f"the name {name!r} must be 2 to 32 of a-z, 0-9, '.', '_', '-' and begin with a letter"
        )
    if problems:
        raise OperatorRefused(problems)
    store.insert_operator(name, role, hash_password(password), actor=actor, now_us=now_us)


def change_password(store: Store, name: str, password: str, *, actor: str, now_us: int) -> None:
    """Give an operator another password, or raise `OperatorRefused` with all that is wrong with it."""
    if problems := password_problems(name, password):
        raise OperatorRefused(problems)
    store.update_password(name, hash_password(password), actor=actor, now_us=now_us)


@dataclass(slots=True)
class _Login:
    operator: OperatorRecord
    used_us: int


class Logins:
    """The operators who are logged in, in memory only: a restart logs everybody out.

    `new_token` makes unguessable text (`secrets.token_urlsafe`); `match` compares hash and password off the
    event loop. Attempts are worked on one at a time, so that parallel guessing neither outruns the lock-out
    nor fills the memory.
    """

    def __init__(
        self,
        writer: StoreWriter,
        *,
        new_token: Callable[[], str],
        now_us: Callable[[], int],
        wall_clock: Callable[[], datetime],
        match: Callable[[str, str], Awaitable[bool]] | None = None,
        idle_lock_us: int = IDLE_LOCK_US,
    ) -> None:
        self.today = Today(wall_clock, now_us)
        self.idle_lock_us = idle_lock_us
        self._people: list[OperatorRecord] | None = None  # as last read; None: not yet
        self._writer = writer
        self._new_token = new_token
        self._now_us = now_us
        self._match = match or _match_in_thread
        self._logins: dict[str, _Login] = {}
        self._locked_until_us: dict[str, int] = {}
        self._one_at_a_time = asyncio.Lock()

    async def login(self, name: str, password: str) -> str:
        """Return a token for the operator, or raise `NotAuthorised`; both are audited for known operators."""
        operator = await self.prove(name, password)
        self._forget_idle()
        token = self._new_token()
        self._logins[token] = _Login(operator, self._now_us())
        return token

    async def prove(
        self, name: str, password: str, *, purpose: Literal["login", "second"] = "login"
    ) -> OperatorRecord:
        """Return who this is, or raise `NotAuthorised`; audited as `purpose`, and counted to the lock-out."""
        async with self._one_at_a_time:
            operator = await self._writer.run(Store.operator, name)
            failures = 0 if operator is None else self._failures_that_count(operator)
            # Somebody unknown costs the same time as somebody known.
            known_hash = operator.password_hash if operator is not None else _NOBODY
            matches = await self._match(known_hash, password)
            if operator is None:
                raise NotAuthorised(Reason.WRONG)
            accepted = matches and operator.active
            failures = 0 if accepted else failures + 1
            if failures >= FAILURES_ALLOWED:
                self._locked_until_us[name] = self._now_us() + LOCK_OUT_US
            await self._writer.run(
                Store.note_login,
                name,
                accepted=accepted,
                failed_logins=failures,
                purpose=purpose,
                now_us=self._now_us(),
            )
            if not accepted:
                raise NotAuthorised(Reason.WRONG)
        return operator

    async def refresh(self) -> None:
        """Read the people anew: who was barred or got another password is logged out, a role holds at once.

        They are changed by other processes, on this machine. Raises StoreError, with nothing changed.
        """
        self._people = await self._writer.run(Store.operators)
        people = {operator.name: operator for operator in self._people if operator.active}
        for token, login in list(self._logins.items()):
            operator = people.get(login.operator.name)
            if operator is None or operator.password_hash != login.operator.password_hash:
                del self._logins[token]
            else:
                login.operator = operator

    def report(self) -> dict[str, Any] | None:
        """The people as the status tells of them; None before they were read."""
        return None if self._people is None else people_report(self._people, self.today())

    def require(self, token: str | None, role: Role, *, in_use: bool = True) -> OperatorRecord:
        """Return who holds the token if they have the role, or raise `NotAuthorised`.

        Pass `in_use` false for what a page asks by itself: that must not keep a console open.
        """
        login = self._logins.get(token) if token is not None else None
        if token is None or login is None:
            raise NotAuthorised(Reason.NOT_LOGGED_IN)
        now_us = self._now_us()
        if self._is_idle(login, now_us):
            del self._logins[token]
            raise NotAuthorised(Reason.IDLE)
        if not login.operator.role.covers(role):
            raise NotAuthorised(Reason.ROLE, f"needs {role.value}, you are {login.operator.role.value}")
        if in_use:
            login.used_us = now_us
        return login.operator

    def left_us(self, token: str) -> int:
        """How long the login holds without use; nothing for one that there is not."""
        login = self._logins.get(token)
        return 0 if login is None else max(0, login.used_us + self.idle_lock_us - self._now_us())

    def logout(self, token: str) -> None:
        """Forget a token; one that is unknown is no error."""
        self._logins.pop(token, None)

    def _failures_that_count(self, operator: OperatorRecord) -> int:
        """Return the failures since the last good login or lock-out; raise `NotAuthorised` during one."""
        if operator.failed_logins < FAILURES_ALLOWED:
            # Also when a new password ended the lock-out.
            self._locked_until_us.pop(operator.name, None)
            return operator.failed_logins
        # Locked out before this program started: when is not known in its time, so it begins again.
        until_us = self._locked_until_us.setdefault(operator.name, self._now_us() + LOCK_OUT_US)
        remaining_us = until_us - self._now_us()
        if remaining_us > 0:
            raise NotAuthorised(Reason.LOCKED_OUT, f"{-(-remaining_us // 1_000_000)} s left")
        return 0

    def _is_idle(self, login: _Login, now_us: int) -> bool:
        return now_us - login.used_us >= self.idle_lock_us

    def _forget_idle(self) -> None:
        now_us, logins = self._now_us(), self._logins.items()
        self._logins = {token: login for token, login in logins if not self._is_idle(login, now_us)}


def _normal(password: str) -> str:
    # Keyboards and systems write the same letter in different code points.
    return unicodedata.normalize("NFKC", password)


async def _match_in_thread(password_hash: str, password: str) -> bool:
    return await asyncio.to_thread(password_matches, password_hash, password)
