"""Changes of values that make a mail writable and readable, and what the journal is told of them.

A partner's value rules, the fold to its charset and, where the partner allows it, the replacing of characters
are all changes of a record's values, made before a mail is rendered. A change says nothing by itself; what
altered a value so that a person may want to know (a rule tried because the mail would be misread, a character
replaced) becomes one line of fields and characters, never of values. Source: ours (docs/partners.md).
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from grammar import Catalogue, Record
from relay.charset import Charset, charset_of, shown
from relay.charset.profile import GETA
from relay.registry import Registration, ValueRule

MAX_NOTES = 10  # in one line of the journal: whoever reads ten looks at the mail itself
MAX_CHARACTERS = 5  # named of one field

Change = Callable[[str, str], str]  # a field's name and its value -> the value


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """One value of a record."""

    name: str
    order: int | None  # index among the record's orders, when the field is an order's
    text: str


def holdings(record: Record, names: Iterable[str], catalogue: Catalogue) -> Iterator[Holding]:
    """Every value of these fields; a list's elements joined by spaces."""
    for name in sorted(names):
        if catalogue[name].scope == "order":
            for index, order in enumerate(record.orders):
                yield Holding(name=name, order=index, text=order[name])
        else:
            yield Holding(name=name, order=None, text=record[name])


def ruling(rules: Sequence[ValueRule], when: Literal["always", "misread"]) -> Change | None:
    """The change that these rules make at this time, in their order; None when there is none."""
    chains: dict[str, tuple[Callable[[str], str], ...]] = {}
    for rule in rules:
        if rule.when == when:
            for name in rule.fields:
                chains[name] = (*chains.get(name, ()), rule.apply)
    applied = chains.get  # asked for each value of each mail

    def change(name: str, value: str) -> str:
        for apply in applied(name, ()):
            value = apply(value)
        return value

    return change if chains else None


def folding(charset: Charset) -> Change:
    """The change that folds every value to what the charset has."""
    return lambda _, value: charset.fold(value)


def replacing(charset: Charset) -> Change:
    """The change that also puts a geta in the place of each character that the charset lacks."""
    return lambda _, value: charset.replaced(value)


def rule_notes(
    rules: Sequence[ValueRule], before: Record, after: Record, names: Collection[str], catalogue: Catalogue
) -> tuple[str, ...]:
    """Which fields the rules for misread mails altered, and by which filters."""
    pairs = zip(holdings(before, names, catalogue), holdings(after, names, catalogue), strict=True)
    altered = dict.fromkeys(old.name for old, new in pairs if old.text != new.text)
    return tuple(
        f"{name}: {'|'.join(each.filter for each in rules if each.when == 'misread' and name in each.fields)}"
        ", because it would be misread"
        for name in altered
    )


def replacement_notes(registration: Registration, record: Record, catalogue: Catalogue) -> tuple[str, ...]:
    """Which characters of which fields are replaced when this record's values are."""
    charset = charset_of(registration.template.partner.charset)
    names = registration.sender.fields | registration.subject.fields | registration.body.fields
    lacking: dict[str, dict[str, None]] = {}
    for held in holdings(record, names, catalogue):
        if not held.text.isascii() and (characters := charset.unwritable(held.text)):
            lacking.setdefault(held.name, {}).update(dict.fromkeys(characters))
    return tuple(f"{name}: {_listed(list(found))} written as {GETA}" for name, found in lacking.items())


def noted(notes: Iterable[str]) -> str:
    """One line of notes, each once."""
    distinct = list(dict.fromkeys(notes))
    more = ["and more"] if len(distinct) > MAX_NOTES else []
    return "; ".join([*distinct[:MAX_NOTES], *more])


def _listed(characters: Sequence[str]) -> str:
    named = ", ".join(map(shown, characters[:MAX_CHARACTERS]))
    return (
        f"{named} and {len(characters) - MAX_CHARACTERS} more" if len(characters) > MAX_CHARACTERS else named
    )
