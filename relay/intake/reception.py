"""The relay's own door: from a mail to everything that it causes on disk, and only then 250.

A mail to intake addresses is a notification; one to a return address of ours is a report on a delivery; one
to the postmaster is kept for a person, whatever it holds. It is never two of these.

Guarantees: a 2xx is answered only after the store has committed; what is leased is handed to the delivery
engine after that and never before; what cannot be understood is kept whole in quarantine, or refused whole.
A mail to several intake addresses is one notification. A mail over which Denrei itself stumbles is kept too:
it would stumble at each new try as well, until the sender gives up. What goes in circles is refused, and what
we sent ourselves is not sent again.

Diagnostics: to the client a short public reason; the private one stands with the mail in quarantine. Journal
and log (`notification_rejected`, `store_failed`, `mail_failed` with its traceback) have places in the
document, never a value, nor a key that is none of ours: it may be a value that lost its place. Who may not
send is in the log once a minute for each client (`stranger_refused`). Source: ours; RFC 5321 sections 4.5.1
(postmaster) and 6.3 (loops).
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from enum import Enum
from typing import Literal, Protocol

import structlog

from relay.clock import Clock
from relay.compose.composer import Composer
from relay.errors import BadInput, MachineFailure
from relay.intake.acceptance import Lease, Received, fresh
from relay.intake.access.policy import Policy
from relay.intake.access.throttle import GUEST_SECONDS, Allowances, client_of
from relay.intake.circle import header_section, hops, return_paths
from relay.intake.desk import Desk, Registry
from relay.intake.keeping import Keeping
from relay.intake.reading.decoding import Decoder
from relay.intake.reading.part import SIZE_HINT
from relay.intake.report import late_bounce
from relay.intake.session import reply as server_reply
from relay.intake.session.door import Answer, Drop, Reply, Session, SignedIn
from relay.journal import Entry
from relay.metrics import Arrival, Intake, Limit, Login, Metrics
from relay.notification import KEYS
from relay.quantity import Rate
from relay.return_address import ReturnAddress
from relay.store.values import Accepted, Due, Duplicate, Quarantined

MAX_REASONS = 20  # problems written into a quarantine's reason; all of them can be had again from the mail
STRANGERS_TOLD = Rate(1, timedelta(minutes=1))  # rows of log about one client
MAX_HOPS = 50  # where no configuration says otherwise: no way that leads somewhere is so long

_MAIL_PLACE = re.compile(r"mail|message-id|x-recognition-key|(?:subject|body|part [0-9.]+)(?: row [0-9]+)?")
_STEP = re.compile(r"([a-z0-9_]+)(?:\[[0-9]+\])*")
_NOT_STORED = Reply(code=451, text="4.3.0 not stored, try again later")
_NO_AUTH = Reply(code=502, text="5.5.1 nobody signs in here")
_ONE_KIND = Reply(code=451, text="4.5.3 a report or a notification, one at a time")
_TOO_MANY_HOPS = Reply(code=554, text="5.4.6 too many hops, this mail goes in circles")
_WRONG = 535  # the code for a name and a password that do not go together (RFC 4954 section 6)
_log = structlog.get_logger(__name__)


class Store(late_bounce.Store, Protocol):
    """What reception needs of the store. All return after the commit and raise MachineFailure."""

    async def accept(self, accepted: Accepted, /) -> Accepted | Duplicate:
        """Store a notification and all that it causes, unless it is there already; what is stored."""

    async def quarantine(self, item: Quarantined, entry: Entry, /) -> None:
        """Keep a mail that could not be understood."""


class Dispatch(Protocol):
    """What reception needs of the delivery engine. Neither waits."""

    def lease(self, count: int, /) -> Lease | None:
        """The worker's word for so many deliveries, or None when it has no room for them in memory."""

    def offer(self, dues: Sequence[Due], /) -> None:
        """Take deliveries that are stored under that lease."""


class Throttle(Protocol):
    """What reception needs to keep one client from taking all the room; `throttle.Throttle` is one."""

    def enter(self, peer: str, /, *, is_guest: bool) -> Reply | None:
        """Count a connection in, or say why not."""

    def make_known(self) -> None:
        """One guest has signed in."""

    def leave(self, peer: str, /, *, is_guest: bool) -> None:
        """Count out one that came in."""

    def begin_mail(self, peer: str, /) -> Reply | None:
        """Count a mail, or say why it may not begin now."""


class Logins(Protocol):
    """What reception needs to know who signs in; `login.Logins` is one."""

    async def answer(self, peer: str, name: str, password: str, /) -> Reply | SignedIn:
        """That the password is this name's, or what to answer."""

    def stands(self, name: str, mark: bytes, /) -> bool:
        """Whether who signed in so is a user still, with the same password."""


class _Mailbox(Enum):
    """What a mail is, by its recipients."""

    INTAKE = "intake"
    RETURN = "return"
    POSTMASTER = "postmaster"


class Reception:
    """Decides on everything that comes in by SMTP."""

    def __init__(
        self,
        *,
        policy: Policy,
        registry: Registry,
        decoder: Decoder,
        composer: Composer,
        store: Store,
        dispatch: Dispatch,
        clock: Clock,
        returns: ReturnAddress | None = None,
        throttle: Throttle | None = None,
        logins: Logins | None = None,
        on_unreadable: Literal["quarantine", "reject"] = "quarantine",
        max_hops: int = MAX_HOPS,
        metrics: Metrics | None = None,
    ) -> None:
        """Make a reception.

        Args:
            policy: who may send, and to which addresses.
            registry: who wants what.
            decoder: reads notifications.
            composer: makes mails.
            store: keeps everything.
            dispatch: the delivery engine.
            clock: for ids and times.
            returns: knows our return addresses; without it no report is taken.
            throttle: counts what each client takes; without it nobody is counted.
            logins: knows who may sign in; without it nobody can.
            on_unreadable: what becomes of notifications that cannot be understood.
            max_hops: Received rows of a mail; one with more is refused.
            metrics: count what is decided here; without them nobody hears of it.
        """
        self._clock = clock
        self._metrics = metrics or Metrics()
        self._policy = policy
        self._store = store
        self._dispatch = dispatch
        self._returns = returns
        self._throttle = throttle
        self._logins = logins
        self._on_unreadable = on_unreadable
        self._max_hops = max_hops
        self._desk = Desk(
            registry=registry, decoder=decoder, composer=composer, clock=clock, lease=dispatch.lease
        )
        self._keeping = Keeping(store, clock)
        self._told_strangers = Allowances(STRANGERS_TOLD, clock=clock)
        self._late_bounces = late_bounce.LateBounces(store, self._keeping, clock, self._metrics)

    async def connect(self, peer: str) -> Answer:
        """Refuse strangers before they say a word, and who has too many connections already."""
        refusal, outcome = self._policy.refusal_of_peer(peer), Arrival.STRANGER
        if refusal is not None:
            self._tell_of_stranger(peer, refusal)
        elif self._throttle is not None:
            refusal = self._throttle.enter(peer, is_guest=self._policy.is_guest(Session(peer=peer)))
            is_full = refusal == server_reply.TOO_MANY_CONNECTIONS
            outcome = Arrival.TOO_MANY if is_full else Arrival.TOO_MANY_OF_CLIENT
        self._metrics.connection(Arrival.WELCOME if refusal is None else outcome)
        return refusal

    def disconnected(self, session: Session) -> None:
        """Count out a client that was let in."""
        if self._throttle is not None:
            self._throttle.leave(session.peer, is_guest=self._policy.is_guest(session))

    def patience(self, session: Session) -> float:
        """Let nobody stay who neither signs in nor sends."""
        return GUEST_SECONDS if self._policy.is_guest(session) else float("inf")

    async def authenticate(self, session: Session, name: str, secret: str) -> Reply | Drop | SignedIn:
        """Ask the users file."""
        if self._logins is None:
            return _NO_AUTH
        answer = await self._logins.answer(session.peer, name, secret)
        if isinstance(answer, Reply):
            self._metrics.login(Login.WRONG if answer.code == _WRONG else Login.LIMITED)
            return answer
        self._metrics.login(Login.WELCOME)
        if self._throttle is not None and self._policy.is_guest(session):
            self._throttle.make_known()
        return answer

    async def mail(self, session: Session, address: str, size: int | None) -> Answer:  # noqa: ARG002  (Door)
        """Let those begin a mail who may send one, as many as one client may."""
        if session.user and not self._is_user_still(session):
            session = replace(session, user="")
        refusal = self._policy.refusal_of_sender(session, address)
        if refusal is not None:
            self._tell_of_stranger(session.peer, refusal)
        elif self._throttle is not None:
            refusal = self._throttle.begin_mail(session.peer)
            if refusal is not None:
                self._metrics.limited(Limit.RATE)
        return refusal

    def _is_user_still(self, session: Session) -> bool:
        return self._logins is not None and self._logins.stands(session.user, session.mark)

    def _tell_of_stranger(self, peer: str, refusal: Reply) -> None:
        client = client_of(peer)
        if self._told_strangers.take(client):
            _log.warning("stranger_refused", peer=client, answer=refusal.text)

    async def rcpt(self, session: Session, mail_from: str, rcpt_tos: Sequence[str], address: str) -> Answer:
        """Take intake addresses, return addresses of ours, or the postmaster; in one mail, one kind."""
        refusal = self._policy.refusal_of_recipient(session, mail_from, address)
        if refusal is None and rcpt_tos and self._mailbox(address) is not self._mailbox(rcpt_tos[0]):
            return _ONE_KIND
        return refusal

    def _mailbox(self, address: str) -> _Mailbox:
        if self._returns is not None and self._returns.is_ours(address):
            return _Mailbox.RETURN
        return _Mailbox.POSTMASTER if self._policy.is_postmaster(address) else _Mailbox.INTAKE

    async def data(self, session: Session) -> Answer:  # noqa: ARG002  (Door)
        """Let the content come."""
        return None

    async def message(
        self, session: Session, mail_from: str, rcpt_tos: Sequence[str], content: bytes
    ) -> Reply:
        """Take a whole mail: understand it, store what it causes, hand over what is due."""
        received = Received(peer=session.peer, mail_from=mail_from, rcpt_tos=rcpt_tos, content=content)
        started = self._clock.monotonic()
        try:
            outcome, reply = await self._decided(received)
        except MachineFailure as failure:
            _log.error("store_failed", peer=session.peer, reason=str(failure))
            outcome, reply = Intake.NOT_STORED, _NOT_STORED
        self._metrics.taken(outcome, self._clock.monotonic() - started)
        return reply

    async def _decided(self, received: Received) -> tuple[Intake, Reply]:
        try:
            return await self._taken(received)
        except BadInput as problem:
            return await self._unreadable(received, problem)
        except (MachineFailure, MemoryError):
            raise
        except Exception as bug:  # noqa: BLE001  (logged with its traceback, and the mail is kept)
            _log.exception("mail_failed", peer=received.peer)
            return Intake.FAILED, await self._stumbled(received, bug)

    async def _taken(self, received: Received) -> tuple[Intake, Reply]:
        header = header_section(received.content)
        if hops(header) > self._max_hops:
            self._metrics.limited(Limit.HOPS)
            return Intake.REJECTED, _TOO_MANY_HOPS
        if self._returns is not None:
            delivery_ids = [self._returns.delivery_id(address) for address in received.rcpt_tos]
            known = [delivery_id for delivery_id in delivery_ids if delivery_id is not None]
            if known:
                return await self._late_bounces.take(received, known)
            if any(map(self._returns.is_ours, (received.mail_from, *return_paths(header)))):
                return Intake.QUARANTINED, await self._came_back(received)
        if self._policy.is_postmaster(received.rcpt_tos[0]):
            return Intake.QUARANTINED, await self._for_a_person(received)
        return await self._stored(await self._desk.accepted(received), received)

    async def _stored(self, accepted: Accepted, received: Received) -> tuple[Intake, Reply]:
        stored = await self._store.accept(accepted)
        if isinstance(stored, Duplicate):
            if not stored.same_content:
                return Intake.QUARANTINED, await self._other_content(accepted, received, stored)
            return Intake.KNOWN, Reply(code=250, text=f"2.0.0 known already as {stored.of}")
        dues = fresh(stored)
        if dues:
            self._dispatch.offer(dues)
        return Intake.ACCEPTED, Reply(code=250, text=f"2.0.0 accepted as {stored.id}")

    async def _unreadable(self, received: Received, problem: BadInput) -> tuple[Intake, Reply]:
        places = [public_place(one.path) for one in problem.problems]
        if any(one.hint == SIZE_HINT for one in problem.problems):
            self._metrics.limited(Limit.DOCUMENT)
        if self._on_unreadable == "reject":
            _log.warning("notification_rejected", peer=received.peer, places=places[:MAX_REASONS])
            others = f" and {len(places) - 1} more" if len(places) > 1 else ""
            refusal = Reply(code=550, text=f"5.6.0 notification not understood: {places[0]}{others}")
            return Intake.REJECTED, refusal
        reason = "\n".join(str(one) for one in problem.problems[:MAX_REASONS])
        detail = f"not understood: {places[0]}"
        return Intake.QUARANTINED, await self._keeping.keep(received, reason, detail=detail)

    async def _stumbled(self, received: Received, bug: Exception) -> Reply:
        """Keep a mail that is one too many for us, whatever the policy for mails that are wrong."""
        trouble = f"Denrei failed over this mail ({type(bug).__name__})"
        reason = f"{trouble}: a bug, whose trace is in the log; replay the mail when it is mended"
        return await self._keeping.keep(received, reason, detail=trouble)

    async def _for_a_person(self, received: Received) -> Reply:
        """Keep a mail to the postmaster, whatever the policy for mails that are wrong."""
        reason = (
            "mail: is to the postmaster (an answer to a notice, perhaps); discard it when you have read it"
        )
        return await self._keeping.keep(received, reason, detail="a mail to the postmaster")

    async def _came_back(self, received: Received) -> Reply:
        """Keep a mail that we sent ourselves, whatever the policy: refused, it would bounce to us again."""
        reason = (
            "mail: has a return address of this relay as its sender: one of its own mails came back "
            "(the recipient of a registration passes its mail on to the intake)"
        )
        return await self._keeping.keep(received, reason, detail="one of this relay's own mails came back")

    async def _other_content(self, accepted: Accepted, received: Received, known: Duplicate) -> Reply:
        """Keep what comes under a known event id and says something else, for a person.

        One of the two is wrong, so nobody gets a mail of it.
        """
        reason = (
            f"event_id: {accepted.event_id} came before, with other content (as {known.of}); "
            "if this is another event, give it another event_id and replay it"
        )
        detail = f"{accepted.type} of pack {accepted.pack_no}: its event id came before with other content"
        return await self._keeping.keep(received, reason, detail=detail, seller_id=accepted.seller_id)


def public_place(path: str) -> str:
    """A problem's path as far as it is made of what we know: the rest is the sender's.

    >>> public_place("pack.orders[0].山田 03-1234-5678"), public_place("body row 7"), public_place("山田")
    ('pack.orders[0]', 'body row 7', 'document')
    """
    if _MAIL_PLACE.fullmatch(path):
        return path
    known = []
    for step in path.split("."):
        found = _STEP.fullmatch(step)
        if found is None or found[1] not in KEYS:
            break
        known.append(step)
    return ".".join(known) or "document"
