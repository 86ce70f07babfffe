"""Who signs in: names and passwords against the file of users, at a pace that makes guessing useless.

An answer costs one slow hash, beside the event loop, whether the name is known or not. At most `AT_ONCE`
are worked out at once and `MAX_UNDER_WAY` wait; a client that has failed too often is not asked further for
a while. That is counted by client, and by client and name: who tries the passwords of somebody else from
elsewhere locks nobody out. A login that was right is remembered until it was not used for `MEMORY`, so that a
client which signs in for each mail pays once; the memory holds keyed digests and ends when the file of users
changes. Who has signed in has a mark, by which `stands` knows a user who was removed or has a new password.

Guarantees: the answer to a wrong name and to a wrong password is the same, and takes the same time. A
client that hangs up before its answer is counted as well. All that is kept is bounded.

Diagnostics: the log events `login_failed` (the name only if it is a user's: another may be a password in
the wrong place) and `login_held_off`; the user file's as in `live_file`. Source: RFC 4954; ours.
"""

import asyncio
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import structlog

from relay.clock import Clock
from relay.intake.access.live_file import LiveFile
from relay.intake.access.password import COST, DIGEST_OCTETS, SALT_OCTETS, PasswordHash, prepared
from relay.intake.access.throttle import Allowances, client_of
from relay.intake.access.user_file import MAX_NAME, read_users
from relay.intake.session.door import Reply, SignedIn
from relay.quantity import Rate

AT_ONCE = 2  # hashes: 64 MiB, and as many processors
MAX_UNDER_WAY = 32  # logins being decided: the last one waits some 4 s, less than any client's patience
MAX_UNDER_WAY_OF_ONE = 8  # of one client, so that the others find a place
MEMORY = timedelta(minutes=5)  # since its last use; a removed user's login is forgotten at once
MAX_REMEMBERED = 1_000  # logins
FAILURES = Rate(10, timedelta(minutes=10))  # of one client with one name: 1,440 guesses a day
CLIENT_FAILURES = Rate(
    50, timedelta(minutes=10)
)  # of one client: others behind its address may still sign in

_WRONG = Reply(code=535, text="5.7.8 authentication credentials invalid")
_TOO_MANY = Reply(code=454, text="4.7.0 too many failed attempts, try again later")
_BUSY = Reply(code=454, text="4.7.0 too many logins at once, try again later")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Roll:
    """The users of one state of the file, and which logins were right by it."""

    users: Mapping[str, PasswordHash]
    right_until: dict[bytes, float] = field(default_factory=dict)  # by mark; the oldest first

    def remembers(self, mark: bytes, now: float) -> bool:
        """Whether a login was right of late; this use counts."""
        if self.right_until.get(mark, 0.0) <= now:
            return False
        self.remember(mark, now)
        return True

    def remember(self, mark: bytes, now: float) -> None:
        self.right_until.pop(mark, None)
        if len(self.right_until) >= MAX_REMEMBERED:
            del self.right_until[next(iter(self.right_until))]
        self.right_until[mark] = now + MEMORY.total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attempt:
    """Somebody's wish to be somebody."""

    client: str
    name: str
    password: bytes = field(repr=False)
    mark: bytes = field(repr=False)  # stands for name and password in memory

    @property
    def pair(self) -> str:
        """Client and name, to count by."""
        return f"{self.client} {self.name[:MAX_NAME]}"


class Logins:
    """Answers whether a name and a password belong together."""

    def __init__(self, path: Path, *, clock: Clock) -> None:
        """Read the file of users; raises BadInput."""
        self._clock = clock
        self._key = clock.secret()
        self._roll = LiveFile((path,), lambda: _Roll(users=read_users(path)))
        self._failures = Allowances(FAILURES, clock=clock, forgets_busy=True)
        self._client_failures = Allowances(CLIENT_FAILURES, clock=clock, forgets_busy=True)
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._under_way: dict[tuple[str, bytes], asyncio.Task[Reply | SignedIn]] = {}

    @property
    def problem(self) -> str:
        """Why the file is not in force as it stands; empty when it is."""
        return self._roll.problem

    def reload(self) -> bool:
        """Look whether the file has changed; `live_file.watch` calls it."""
        return self._roll.reload()

    def stands(self, name: str, mark: bytes) -> bool:
        """Whether who signed in so is a user still, with the same password."""
        user = self._roll.current.users.get(name)
        return user is not None and hmac.compare_digest(self._mark(name, user), mark)

    def _mark(self, name: str, user: PasswordHash) -> bytes:
        return hmac.digest(self._key, f"{name}\0{user}".encode(), "sha256")

    async def answer(self, peer: str, name: str, password: str) -> Reply | SignedIn:
        """That the name and the password belong together, or what to tell the client.

        Args:
            peer: the client's IP address.
            name: who it says it is.
            password: as the client sent it, decoded.
        """
        client = client_of(peer)
        try:
            attempt = self._attempt(client, name, prepared(password))
        except ValueError:  # nobody's password; it counts like any other
            attempt = self._attempt(client, name, b"")
        if not (self._client_failures.has(client) and self._failures.has(attempt.pair)):
            return _TOO_MANY
        roll = self._roll.current
        if roll.remembers(attempt.mark, self._clock.monotonic()):
            return SignedIn(mark=self._mark(name, roll.users[name]))
        if not attempt.password:
            self._charge(attempt)
            return self._refused(attempt)
        return await self._decision(attempt)

    def _attempt(self, client: str, name: str, password: bytes) -> _Attempt:
        text = name.encode(errors="backslashreplace") + b"\0" + password
        mark = hmac.digest(self._key, text, "sha256")
        return _Attempt(client=client, name=name, password=password, mark=mark)

    async def _decision(self, attempt: _Attempt) -> Reply | SignedIn:
        """Join the same client's same attempt, or begin one; it comes to its end whoever hangs up."""
        key = (attempt.client, attempt.mark)
        task = self._under_way.get(key)
        if task is None:
            of_this_one = sum(client == attempt.client for client, _ in self._under_way)
            if len(self._under_way) >= MAX_UNDER_WAY or of_this_one >= MAX_UNDER_WAY_OF_ONE:
                return _BUSY
            self._charge(attempt)  # before it is known: many at once are not one
            task = asyncio.get_running_loop().create_task(self._decide(attempt))
            self._under_way[key] = task
            task.add_done_callback(lambda _: self._under_way.pop(key))
        return await asyncio.shield(task)

    async def _decide(self, attempt: _Attempt) -> Reply | SignedIn:
        roll = self._roll.current
        known = roll.users.get(attempt.name)
        compared = known or self._decoy(roll.users, attempt.name)
        async with self._turns:
            try:
                fits = await asyncio.to_thread(compared.fits, attempt.password)
            except MemoryError:
                self._discharge(attempt)
                return _BUSY
        if known is None or not fits:
            return self._refused(attempt)
        self._discharge(attempt)
        roll.remember(attempt.mark, self._clock.monotonic())
        return SignedIn(mark=self._mark(attempt.name, known))

    def _decoy(self, users: Mapping[str, PasswordHash], name: str) -> PasswordHash:
        """A hash that nothing fits and that costs what a user's does, always the same one for one name."""
        digest = hmac.digest(self._key, name.encode(errors="backslashreplace"), "sha256")
        costs = [user.cost for user in users.values()] or [COST]
        cost = costs[int.from_bytes(digest) % len(costs)]
        return PasswordHash(cost=cost, salt=bytes(SALT_OCTETS), digest=bytes(DIGEST_OCTETS))

    def _charge(self, attempt: _Attempt) -> None:
        self._client_failures.take(attempt.client)
        self._failures.take(attempt.pair)

    def _discharge(self, attempt: _Attempt) -> None:
        self._client_failures.give_back(attempt.client)
        self._failures.give_back(attempt.pair)

    def _refused(self, attempt: _Attempt) -> Reply:
        user = attempt.name if attempt.name in self._roll.current.users else ""
        _log.warning("login_failed", peer=attempt.client, user=user)
        if not (self._client_failures.has(attempt.client) and self._failures.has(attempt.pair)):
            _log.warning("login_held_off", peer=attempt.client, user=user)
        return _WRONG
