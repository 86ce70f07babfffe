"""The operator's verbs: what a person can see and do, whether a relay is running on the same store or not.

The command line calls these and nothing deeper. Guarantees: nothing is printed here; every change is one
transaction with its journal entry and the person's name; a verb says for each id whether it was applied,
and why not; a replay that dies half way can be repeated and makes no second mail. A running relay sees a
change when it next looks at the store.

Diagnostics: `BadInput` for an id that nothing or more than one thing has, and for files; `MachineFailure`
from the store; "not applied" is a value. Source: ours; `shape` after Postfix's qshape(1).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Protocol, TypeVar

from relay.clock import Clock
from relay.compose.composer import Composer
from relay.delivery.outcome import Bounced
from relay.delivery.route import Exchange, Host, Routes
from relay.document import parse_json, parse_yaml, validated
from relay.errors import BadInput, Problem
from relay.intake.acceptance import Received, acceptance
from relay.intake.decoding import decode
from relay.journal import Entry, Event
from relay.notification import Notification
from relay.registry import LiveRegistry, PartnerTemplate, Registration, Templates
from relay.source import read_source
from relay.store.query import (
    MAX_LISTING,
    DeliveryFilter,
    DeliveryRow,
    DeliveryStory,
    JournalFilter,
    QuarantineFilter,
    QuarantineRow,
    ShapeRow,
)
from relay.store.store import Store
from relay.store.values import Accepted, Duplicate, Mail, Quarantined, QuarantineState

MIN_PREFIX = 4  # characters of an id before anything is changed: fewer are a slip, also where they name one
AT_ONCE = 64  # verbs in flight: they share the store's group commit
_SUFFIXES = (".json", ".yaml", ".yml")
MAX_SELECTION = 100_000  # deliveries that one verb takes by filter: a day's mail of a busy relay
_SAMPLE = "cli/samples/1-pack-of-three.json"
MAX_DOCUMENT = 10 * 1024 * 1024  # octets of a document file: what the intake takes by default


class Office(Protocol):
    """The parts that the verbs work on, each opened when it is first asked for."""

    @property
    def clock(self) -> Clock:
        """Time and ids."""

    @property
    def templates(self) -> Templates:
        """The partner templates."""

    @property
    def registry(self) -> LiveRegistry:
        """Who wants what."""

    @property
    def composer(self) -> Composer:
        """Makes mails."""

    @property
    def store(self) -> Store:
        """What happened, and what is due."""

    @property
    def routes(self) -> Routes:
        """Where each recipient's mail goes next."""


T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one verb on one thing."""

    id: str
    applied: bool
    text: str  # what was done, or why not; one line


@dataclass(frozen=True, slots=True, kw_only=True)
class HopShape:
    """What waits for one recipient domain in one state, and which way it will go."""

    next_hop: (
        str  # host:port of a route or smarthost; MX: the domain's own exchangers; nowhere: no such domain
    )
    waiting: ShapeRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """What a person puts in place of a document that could not be understood."""

    name: str  # the file's name; its suffix says whether it is JSON or YAML
    content: bytes

    def notification(self) -> Notification:
        """Return the notification that the document is; raises BadInput with every problem in it."""
        if self.name.lower().endswith(".json"):
            try:
                tree = parse_json(self.content)
            except BadInput as error:
                raise BadInput([replace(problem, file=self.name) for problem in error.problems]) from None
            return validated(Notification, tree, file=self.name)
        tree = parse_yaml(self.content, file=self.name)
        return validated(Notification, tree, file=self.name, source=self.content)


class Operations:
    """The verbs, over the parts of one office."""

    def __init__(self, office: Office) -> None:
        self._office = office

    # Seeing

    async def deliveries(self, wanted: DeliveryFilter) -> list[DeliveryRow]:
        """Return the deliveries that the filter lets through, newest first."""
        return await self._office.store.deliveries(wanted)

    async def delivery(self, prefix: str) -> DeliveryStory:
        """Return one delivery, its mail and its journal; raises BadInput when `prefix` does not name one."""
        story = await self._office.store.delivery(prefix)
        if story is None:
            raise BadInput([Problem(path=prefix, message="no delivery's id begins so")])
        return story

    async def shape(self) -> list[HopShape]:
        """Return how many deliveries wait for each next hop and recipient domain, by state and age."""
        rows = await self._office.store.shape(self._office.clock.now())
        shapes = [HopShape(next_hop=self._next_hop(row.domain), waiting=row) for row in rows]
        return sorted(shapes, key=lambda shape: (shape.next_hop, shape.waiting.domain, shape.waiting.state))

    def _next_hop(self, domain: str) -> str:
        match self._office.routes.next_hop(f"postmaster@{domain}"):
            case Host() as host:
                return str(host)
            case Exchange():
                return "MX"
            case Bounced():
                return "nowhere"

    async def journal(self, wanted: JournalFilter) -> list[Entry]:
        """Return journal entries, oldest first."""
        return await self._office.store.journal(wanted)

    async def quarantined(self, wanted: QuarantineFilter) -> list[QuarantineRow]:
        """Return quarantined mails, newest first, without their contents."""
        return await self._office.store.quarantined(wanted)

    async def quarantine_item(self, prefix: str) -> Quarantined:
        """Return one quarantined mail; raises BadInput when `prefix` does not name one."""
        item = await self._office.store.quarantined_mail(prefix)
        if item is None:
            raise BadInput([Problem(path=prefix, message="no quarantined mail's id begins so")])
        return item

    async def named(self, prefixes: Sequence[str]) -> list[DeliveryRow]:
        """Return the deliveries that a verb is meant for; raises BadInput with every bad id."""
        _require_enough(prefixes)
        stories = await _all_or_problems([self.delivery(prefix) for prefix in dict.fromkeys(prefixes)])
        return list({story.row.delivery.id: story.row for story in stories}.values())

    async def selected(self, wanted: DeliveryFilter) -> list[DeliveryRow]:
        """Return every delivery that the filter lets through, page by page, up to MAX_SELECTION."""
        rows: list[DeliveryRow] = []
        while len(rows) < MAX_SELECTION:
            before = rows[-1].delivery.id if rows else wanted.before
            page = await self.deliveries(replace(wanted, before=before, limit=MAX_LISTING))
            rows += page
            if len(page) < MAX_LISTING:
                break
        return rows

    # Deliveries

    async def release(self, delivery_ids: Sequence[str], *, by: str) -> list[Outcome]:
        """Make held deliveries due now."""
        store, now = self._office.store, self._office.clock.now()
        return await self._each(delivery_ids, lambda id_: store.release(id_, now=now, by=by), "released")

    async def retry(self, delivery_ids: Sequence[str], *, by: str) -> list[Outcome]:
        """Make deferred or bounced deliveries due now."""
        store, now = self._office.store, self._office.clock.now()
        return await self._each(delivery_ids, lambda id_: store.retry(id_, now=now, by=by), "due now")

    async def discard(self, delivery_ids: Sequence[str], *, by: str) -> list[Outcome]:
        """Give up held or queued deliveries for good."""
        store, now = self._office.store, self._office.clock.now()
        return await self._each(delivery_ids, lambda id_: store.discard(id_, now=now, by=by), "discarded")

    async def _each(
        self, delivery_ids: Sequence[str], verb: Callable[[str], Awaitable[bool]], done: str
    ) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for start in range(0, len(delivery_ids), AT_ONCE):
            some = delivery_ids[start : start + AT_ONCE]
            applied = await asyncio.gather(*(verb(delivery_id) for delivery_id in some))
            for delivery_id, was_applied in zip(some, applied, strict=True):
                text = done if was_applied else await self._why_not(delivery_id)
                outcomes.append(Outcome(id=delivery_id, applied=was_applied, text=text))
        return outcomes

    async def _why_not(self, delivery_id: str) -> str:
        row = (await self.delivery(delivery_id)).row
        return f"not applied: it is {row.delivery.state}"

    # Quarantine

    async def quarantine_named(self, prefixes: Sequence[str]) -> list[Quarantined]:
        """Return the quarantined mails that a verb is meant for; raises BadInput with every bad id."""
        _require_enough(prefixes)
        items = await _all_or_problems([self.quarantine_item(prefix) for prefix in dict.fromkeys(prefixes)])
        return list({item.id: item for item in items}.values())

    async def replay(
        self, prefixes: Sequence[str], *, mended: Mended | None = None, by: str
    ) -> list[Outcome]:
        """Take quarantined mails in again, each from its own document or from the mended one.

        What could not be made for one registration is made for that registration only. What would send
        nothing, or was said otherwise before, stays kept: only the quarantine holds what this mail says.
        """
        return [await self._replay(item, mended, by) for item in await self.quarantine_named(prefixes)]

    async def _replay(self, item: Quarantined, mended: Mended | None, by: str) -> Outcome:
        if item.state is not QuarantineState.KEPT:
            return Outcome(id=item.id, applied=False, text=f"not applied: it is {item.state}")
        try:
            notification = decode(item.content) if mended is None else mended.notification()
            accepted = self._accepted_again(item, notification)
            if item.registration:
                accepted = self._as_addition(item, accepted, await self._first_acceptance(item))
        except BadInput as error:
            reason = "; ".join(str(problem) for problem in error.problems)
            return Outcome(id=item.id, applied=False, text=f"not applied, stays kept: {reason}")
        answer = await self._office.store.replay(item.id, accepted, now=self._office.clock.now(), by=by)
        if answer is None:
            return Outcome(id=item.id, applied=False, text="not applied: somebody else has just settled it")
        if isinstance(answer, Duplicate) and not answer.same_content:
            reason = f"event {notification.event_id} came before with other content (as {answer.of})"
            text = f"not applied, stays kept: {reason}; give it another event_id"
            return Outcome(id=item.id, applied=False, text=text)
        return Outcome(id=item.id, applied=True, text=_replayed(answer))

    def _accepted_again(self, item: Quarantined, notification: Notification) -> Accepted:
        """Return what the replay causes, all of it queued: a running relay takes it from the store."""
        registrations = self._office.registry.registrations(notification.seller_id, notification.type)
        if not registrations:
            message = f"nobody is registered for {notification.type} of seller {notification.seller_id}"
            raise BadInput([Problem(message=message, hint="register it, or mend the document")])
        if item.registration:
            registrations = tuple(each for each in registrations if each.id == item.registration)
            if not registrations:
                message = f"has no registration {item.registration} for {notification.type}"
                raise BadInput([Problem(path=notification.seller_id, message=message)])
        received = Received(
            peer=item.peer, mail_from=item.mail_from, rcpt_tos=item.rcpt_to.split(", "), content=item.content
        )
        office = self._office
        return acceptance(
            notification, registrations, received=received, composer=office.composer, clock=office.clock
        )

    async def _first_acceptance(self, item: Quarantined) -> Accepted:
        story = await self._office.store.notification(item.notification_id)
        if story is None:
            message = "the notification that this mail belongs to is no longer in the store"
            raise BadInput([Problem(path=item.notification_id, message=message)])
        return story.accepted

    @staticmethod
    def _as_addition(item: Quarantined, again: Accepted, first: Accepted) -> Accepted:
        """Return what one registration still lacks, to be added to its notification; raises BadInput."""
        if (again.seller_id, again.type, again.pack_no) != (first.seller_id, first.type, first.pack_no):
            message = (
                f"is not {first.type} of pack {first.pack_no} of {first.seller_id}, as the kept mail was"
            )
            raise BadInput([Problem(message=message)])
        if again.quarantined:
            raise BadInput(
                [Problem(message=row) for kept in again.quarantined for row in kept.reason.split("\n")]
            )
        if not again.deliveries:
            raise BadInput([Problem(path=item.registration, message="has use N, so nothing would be sent")])
        entries = [
            replace(e, notification_id=first.id) for e in again.entries if e.event is not Event.ACCEPTED
        ]
        return replace(again, id=first.id, entries=entries)

    async def discard_quarantined(self, item_ids: Sequence[str], *, by: str) -> list[Outcome]:
        """Give up quarantined mails for good."""
        outcomes = []
        for item_id in item_ids:
            applied = await self._office.store.settle_quarantine(
                item_id, QuarantineState.DISCARDED, now=self._office.clock.now(), by=by
            )
            if applied:
                text = "discarded"
            else:
                text = f"not applied: it is {(await self.quarantine_item(item_id)).state}"
            outcomes.append(Outcome(id=item_id, applied=applied, text=text))
        return outcomes

    # Templates

    def templates(self) -> Sequence[PartnerTemplate]:
        """Return every template, by number."""
        return tuple(self._office.templates)

    def template(self, name: str) -> PartnerTemplate:
        """Return a template by its key or number; raises BadInput with the nearest name."""
        found = self._office.templates.find(name)
        if found is None:
            hint = self._office.templates.near_miss(name) or "denrei template list shows all"
            raise BadInput([Problem(path=name, message="there is no such template", hint=hint)])
        return found

    def preview(
        self, notification: Notification, template: str, *, recipient: str, recognition_key: str = ""
    ) -> Sequence[Mail]:
        """Return the mails that a plain registration of this template would cause; sends nothing."""
        chosen = self.template(template)
        registration = Registration(
            id="preview",
            seller_id=notification.seller_id,
            template=chosen,
            recipients=(recipient,),
            use=True,
            wait=False,
            period=None,
            recognition_key=recognition_key,
            subject=chosen.subject,
            sender=chosen.sender,
            registered_by="",
            registered_at=None,
            changed_by="",
            changed_at=None,
        )
        composition = self._office.composer.compose(notification, [registration])
        if composition.unwritable:
            raise BadInput([Problem(path=chosen.key, message=each.reason) for each in composition.unwritable])
        return [composed.mail for composed in composition.mails]

    # Files

    def unwritable(self) -> list[Problem]:
        """Return why registrations could write no mail, whatever a notification says.

        A sample notification is written for each one, also those with use N: a label, subject or sender that
        the partner's charset does not have would send every mail to quarantine. Sends and stores nothing.
        """
        sample = Mended(name=_SAMPLE, content=sample_document()).notification()
        problems: dict[str, Problem] = {}
        for sheet in self._office.registry.current.sheets.values():
            for registration in sheet.registrations:
                values = {"seller_id": registration.seller_id, "type": registration.template.notification}
                trial = sample.model_copy(update=values)
                for each in self._office.composer.compose(trial, [registration]).unwritable:
                    for row in each.reason.split("\n"):
                        problem = _unwritable(row, registration, str(sheet.path))
                        problems.setdefault(str(problem), problem)
        return list(problems.values())


def _unwritable(row: str, registration: Registration, file: str) -> Problem:
    """One row of a reason; a template's is the same for all registrations that choose it."""
    place, _, message = row.partition(": ")
    if place == f"template {registration.template.key}":
        return Problem(path=place, message=message)
    return Problem(file=file, path=f"registration {registration.id}", message=message or row)


def _require_enough(prefixes: Sequence[str]) -> None:
    short = [prefix for prefix in prefixes if len(prefix) < MIN_PREFIX]
    if short:
        message = f"is too short an id to change anything by, must have at least {MIN_PREFIX} characters"
        raise BadInput([Problem(path=prefix or "an empty id", message=message) for prefix in short])


def _replayed(answer: Accepted | Duplicate) -> str:
    if isinstance(answer, Duplicate):
        return f"replayed: known already as {answer.of}, so nothing new is sent"
    count = len(answer.deliveries)
    text = f"replayed as {answer.id}: {count} {'delivery' if count == 1 else 'deliveries'}"
    return f"{text}, {len(answer.quarantined)} in quarantine" if answer.quarantined else text


async def _all_or_problems(lookups: Sequence[Awaitable[T]]) -> list[T]:
    """Return what every lookup finds, one after another; raises BadInput with the problems of all."""
    found: list[T] = []
    problems: list[Problem] = []
    for lookup in lookups:
        try:
            found.append(await lookup)
        except BadInput as error:
            problems += error.problems
    if problems:
        raise BadInput(problems)
    return found


def sample_document() -> bytes:
    """Return the sample order that comes with Denrei, a JSON document of one pack with three orders."""
    return files("relay").joinpath(_SAMPLE).read_bytes()


def read_mended(path: Path) -> Mended:
    """Return the document in a file; raises BadInput."""
    if path.suffix.lower() not in _SUFFIXES:
        raise BadInput([Problem(file=str(path), message=f"must end in one of {', '.join(_SUFFIXES)}")])
    return Mended(name=str(path), content=read_source(path, limit=MAX_DOCUMENT))


def read_notification(path: Path) -> Notification:
    """Return the notification in a file; raises BadInput with every problem in it."""
    return read_mended(path).notification()
