"""Why a registration's mails could not be written: every place and every character, in an operator's words.

Runs only after writing has failed, so it may take its time: it tries each header and the body of each mail
on its own and says what stands in the way. A character is traced to the values that hold it, by their path
in the notification, or else to the template's own text. A reason holds no value, only single characters.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from grammar import Catalogue, Record, Renderer, TemplateError
from relay.compose.charset import CharacterError, charset_of, shown
from relay.compose.header import HeaderError, parse_mailbox, sender_line, text_line
from relay.compose.mime import mail_bytes
from relay.registry import Registration

MAX_ROWS = 20  # of one reason: whoever mends twenty characters of a notification does not look for the next


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """One text of a mail: how it is made from a record and how it becomes bytes."""

    name: str
    fields: frozenset[str]
    render: Callable[[Record], str]
    write: Callable[[str], bytes]


def explain(registration: Registration, parts: Sequence[tuple[str, Record]], catalogue: Catalogue) -> str:
    """One problem a row, each once, for all mails of the registration.

    Args:
        registration: whose mails they are.
        parts: what each mail is made of: an order number, empty for the whole pack, and a record.
        catalogue: knows where a field's value comes from.
    """
    places = _places(registration)
    found = (
        row
        for index, (order_no, record) in enumerate(parts)
        for place in places
        for row in _problems(registration, place, record, index if order_no else 0, catalogue)
    )
    rows: dict[str, None] = {}
    for row in found:
        if row not in rows and len(rows) == MAX_ROWS:
            return "\n".join(
                [*rows, "and more"]
            )  # without looking further: a hostile notification has no end
        rows[row] = None
    return "\n".join(rows)


def _problems(
    registration: Registration, place: _Place, record: Record, first_order: int, catalogue: Catalogue
) -> Iterator[str]:
    """What stands in the way of one text, for one record whose first order has this index in the pack."""
    try:
        text = place.render(record)
        place.write(text)
    except CharacterError as error:
        for char in error.characters:
            what = f"{shown(char)} cannot be written in {error.label}; {_row(place, text, char)}"
            holders = _holders(char, place, record, first_order, catalogue)
            yield from (f"{holder}: {what}" for holder in holders or [_author(registration, place)])
    except HeaderError as error:
        yield f"{_author(registration, place)}: {error}; {place.name}"
    except TemplateError as error:
        yield f"{_author(registration, place)}: {error.message}; {place.name}"


def _places(registration: Registration) -> tuple[_Place, ...]:
    template = registration.template
    charset = charset_of(template.partner.charset)

    def from_renderer(name: str, renderer: Renderer, write: Callable[[str], bytes]) -> _Place:
        return _Place(name=name, fields=renderer.fields, render=renderer, write=write)

    return (
        from_renderer("sender", registration.sender, lambda text: sender_line(parse_mailbox(text), charset)),
        from_renderer("subject", registration.subject, lambda text: text_line("Subject", text, charset)),
        _Place(
            name="recognition_key",
            fields=frozenset(),
            render=lambda _: registration.recognition_key,
            write=lambda text: text_line("X-Recognition-Key", text, charset),
        ),
        from_renderer("body", template.body, lambda text: mail_bytes((), text, charset)),
    )


def _row(place: _Place, text: str, char: str) -> str:
    """Where in the mail the character stands first."""
    if place.name != "body":
        return place.name
    row = text.count("\n", 0, text.find(char)) + 1
    return f"body row {row}"


def _holders(char: str, place: _Place, record: Record, first_order: int, catalogue: Catalogue) -> list[str]:
    """The values that hold the character, as path in the notification and field."""
    holders = []
    for name in sorted(place.fields):
        entry = catalogue[name]
        title = f"({name} {entry.label['ja']})"
        if entry.scope == "order":
            path = entry.path.removeprefix("order.")
            holders += [
                f"pack.orders[{index}].{path} {title}"
                for index, order in enumerate(record.orders, first_order)
                if char in order[name]
            ]
        elif char in record[name]:
            holders.append(f"{entry.path or 'registration'} {title}")
    return holders


def _author(registration: Registration, place: _Place) -> str:
    """Who wrote a text that no value brought: the registration or the template."""
    own = {
        "sender": registration.sender is not registration.template.sender,
        "subject": registration.subject is not registration.template.subject,
        "recognition_key": True,
    }
    if own.get(place.name):
        return f"registration {registration.id}"
    return f"template {registration.template.key}"
