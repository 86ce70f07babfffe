"""Why a registration's mails could not be written: every place and every character, in an operator's words.

Runs only after writing has failed, so it may take its time: it tries each header and the body of each mail
on its own and says what stands in the way. A character is traced to the values that hold it, by their path
in the notification; a template's own text has been tried when it was loaded. A reason holds no value, only
single characters.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from grammar import Catalogue, Record, TemplateError
from relay.charset import CharacterError, charset_of, shown
from relay.compose.correction import holdings
from relay.compose.header import HeaderError, parse_mailbox, sender_line, text_line
from relay.compose.mime import mail_bytes
from relay.compose.part import Part
from relay.registry import Registration
from relay.registry.piece import Piece

MAX_ROWS = 20  # of one reason: whoever mends twenty characters of a notification does not look for the next


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """One text of a mail: how it is made from a record and how it becomes bytes."""

    name: str
    fields: frozenset[str]
    author: str  # who wrote what no value brought
    render: Callable[[Record], str]
    write: Callable[[str], bytes]


def explanation(registration: Registration, unwritten: Sequence[Part], catalogue: Catalogue) -> list[str]:
    """One problem a row, each once, for all parts that could not be written.

    Args:
        registration: whose mails they are.
        unwritten: with their values folded to the charset, or as they were changed last.
        catalogue: knows where a field's value comes from.
    """
    places = _places(registration)
    found = (row for part in unwritten for place in places for row in _problems(place, part, catalogue))
    rows: dict[str, None] = {}
    for row in found:
        if row not in rows and len(rows) == MAX_ROWS:
            return [*rows, "and more"]  # without looking further: a hostile notification has no end
        rows[row] = None
    return list(rows)


def _problems(place: _Place, part: Part, catalogue: Catalogue) -> Iterator[str]:
    """What stands in the way of one text of one part."""
    try:
        text = place.render(part.record)
        place.write(text)
    except CharacterError as error:
        for char in error.characters:
            what = f"{shown(char)} cannot be written in {error.label}; {_row(place, text, char)}"
            holders = list(islice(_holders(char, place, part, catalogue), MAX_ROWS + 1)) or [place.author]
            yield from (f"{holder}: {what}" for holder in holders)
    except HeaderError as error:
        yield f"{place.author}: {error}; {place.name}"
    except TemplateError as error:
        yield f"{place.author}: {error.message}; {place.name}"


def _places(registration: Registration) -> tuple[_Place, ...]:
    template = registration.template
    charset = charset_of(template.partner.charset)
    own = f"registration {registration.id}"

    def of_piece(name: str, piece: Piece, original: Piece, write: Callable[[str], bytes]) -> _Place:
        author = f"template {template.key}" if piece is original else own
        return _Place(name=name, fields=piece.fields, author=author, render=piece, write=write)

    return (
        of_piece(
            "sender",
            registration.sender,
            template.sender,
            lambda text: sender_line(parse_mailbox(text), charset),
        ),
        of_piece(
            "subject",
            registration.subject,
            template.subject,
            lambda text: text_line("Subject", text, charset),
        ),
        _Place(
            name="recognition_key",
            fields=frozenset(),
            author=own,
            render=lambda _: charset.fold(registration.recognition_key),
            write=lambda text: text_line("X-Recognition-Key", text, charset),
        ),
        of_piece("body", registration.body, template.body, lambda text: mail_bytes((), text, charset)),
    )


def _row(place: _Place, text: str, char: str) -> str:
    """Where in the mail the character stands first."""
    if place.name != "body":
        return place.name
    row = text.count("\n", 0, text.find(char)) + 1
    return f"body row {row}"


def _holders(char: str, place: _Place, part: Part, catalogue: Catalogue) -> Iterator[str]:
    """The values that hold the character, as path in the notification and field."""
    for held in holdings(part.record, place.fields, catalogue):
        if char not in held.text:
            continue
        entry = catalogue[held.name]
        path = entry.path or "registration"
        if held.order is not None:
            path = f"pack.orders[{part.first_order + held.order}].{entry.path.removeprefix('order.')}"
        yield f"{path} ({held.name} {entry.label['ja']})"
