"""Whether the partners have received what the store says, and the store holds what the registrations ask for.

Pure: three lists in, problems out. Guarantees: a mail that is missing, doubled, changed by a single octet,
sent to somebody else or made up by nobody is a problem; so is a delivery that the registrations do not ask
for, or one too few. Source: ours.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from relay.cli.letter import letter
from relay.notification import Notification
from relay.registry import Registration
from relay.sink import ReceivedMail
from relay.store.query import DeliveryStory
from relay.store.values import DeliveryState

Wanted = Counter[tuple[str, str, str]]  # pack number, registration and recipient


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What was compared, and what does not agree."""

    arrived: int
    held: int
    problems: tuple[str, ...]


def wanted(notification: Notification, registrations: Iterable[Registration]) -> Wanted:
    """Return the deliveries that the registrations ask for; one that has use N asks for none."""
    orders = len(notification.pack.orders)
    found: Wanted = Counter()
    for registration in registrations:
        mails = orders if registration.template.unit == "order" else 1
        for recipient in registration.recipients if registration.use else ():
            found[notification.pack.pack_no, registration.id, recipient] += mails
    return found


def compare(asked: Wanted, stories: Sequence[DeliveryStory], received: Sequence[ReceivedMail]) -> Comparison:
    """Compare what was asked for, what the store did and what came."""
    problems = _unlike(asked, Counter(_asked_for(story) for story in stories))
    came = Counter((to, letter(mail.content).message_id) for mail in received for to in mail.rcpt_tos)
    contents = {letter(mail.content).message_id: mail.content for mail in received}
    held = 0
    for story in stories:
        row, delivery = story.row, story.row.delivery
        name = f"pack {row.pack_no} for {delivery.recipient}"
        times = came.pop((delivery.recipient, row.message_id), 0)
        if delivery.state is DeliveryState.HELD:
            held += 1
            if times:
                problems.append(f"{name}: is held, but arrived")
        elif times != 1:
            problems.append(f"{name}: arrived {times} times, is {delivery.state} ({delivery.last_reply})")
        elif delivery.state is not DeliveryState.DELIVERED:
            problems.append(f"{name}: arrived, but is {delivery.state} in the store")
        elif contents[row.message_id] != story.content:
            problems.append(f"{name}: did not arrive as it was stored")
    problems += [f"{recipient}: got {message_id}, which is in no store" for recipient, message_id in came]
    arrived = sum(len(mail.rcpt_tos) for mail in received)
    return Comparison(arrived=arrived, held=held, problems=tuple(problems))


def _asked_for(story: DeliveryStory) -> tuple[str, str, str]:
    return story.row.pack_no, story.row.registration, story.row.delivery.recipient


def _unlike(asked: Wanted, stored: Wanted) -> list[str]:
    missing, extra = asked - stored, stored - asked
    return [
        f"pack {pack} for {recipient}: registration {registration} asks for it, the store has not got it"
        for pack, registration, recipient in missing.elements()
    ] + [
        f"pack {pack} for {recipient}: is in the store, but registration {registration} does not ask for it"
        for pack, registration, recipient in extra.elements()
    ]
