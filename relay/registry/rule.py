"""Value rules: what is done to values before a mail is written, so that its reader takes them whole.

A rule is a chain of the language's text filters on some fields: parentheses made full-width for a reader that
takes half-width ones as product codes. `always` rules shape every mail of the partner; `misread` rules are
tried when a mail would be misread without them. The numbers that orders are found by, and what a registration
gives (the recognition key), are no rule's business.
Diagnostics: a `Problem` for each field that no rule can be for, and for each character of a filter's own text
that the partner's charset lacks, with its line. Source: ours (docs/partners.md).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, field_validator

from grammar import Catalogue
from grammar.filters import compile_filters
from relay.charset import Charset
from relay.charset import shown as character
from relay.document import Place, locator
from relay.errors import Problem
from relay.wording import near_miss, path_text, shown

MAX_RULES = 50  # of one partner: as many as there are fields of text
MAX_FIELDS = 100  # named by one rule: the catalogue has fewer
MAX_CHAIN = 200  # characters of a filter chain; all filters there are, one after another, have fewer
ALL: Final = "all"
# What partners find a seller, a cart and an order by: in other characters it would be another one's.
_KEYS = frozenset({"seller_id", "pack.pack_no", "order.order_no"})
_WHOLE = frozenset({"text", "list"})  # the types that `all` means: what people type
_NAMED = _WHOLE | {"phone", "postal"}  # and those that a rule may name besides: text that has a form


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ValueRule:
    """One rule of a partner."""

    fields: frozenset[str]  # catalogue names
    filter: str  # the chain as it is written: kana|paren
    apply: Callable[[str], str]  # the chain compiled
    when: Literal["always", "misread"]
    why: str
    source: str  # manual, public, measured, or denrei: our own choice


def _names(value: object) -> object:
    if value == ALL:
        return (ALL,)
    if not isinstance(value, list):
        raise ValueError(f"must be a list of fields, or the word {ALL}")  # noqa: TRY004  (pydantic's own way)
    return tuple(value)


class RuleEntry(BaseModel):
    """A rule as it is written in the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fields: Annotated[
        tuple[Annotated[str, StringConstraints(strict=True)], ...],
        BeforeValidator(_names),
        Field(min_length=1, max_length=MAX_FIELDS),
    ]
    filter: Annotated[
        str,
        StringConstraints(
            strict=True, min_length=1, max_length=MAX_CHAIN, pattern=r"^[^\p{C}\p{Zl}\p{Zp}]+$"
        ),
    ]
    when: Literal["always", "misread"]
    why: Annotated[str, StringConstraints(strict=True, min_length=1, max_length=1000)]
    source: Literal["manual", "public", "measured", "denrei"]

    @field_validator("filter")
    @classmethod
    def _compiles(cls, chain: str) -> str:
        compile_filters(chain)  # its ValueError says what is wrong
        return chain


def value_rules(
    entries: Sequence[RuleEntry], catalogue: Catalogue, charset: Charset, *, file: str, content: bytes
) -> tuple[tuple[ValueRule, ...], list[Problem]]:
    """The rules of a file whose form is good, and what is wrong with their fields and texts.

    Args:
        entries: the file's rules.
        catalogue: the fields that there are.
        charset: the partner's, in which a filter's own text (`default:なし`) must be writable.
        file: named in each problem.
        content: the file, for line numbers.
    """
    faults = [
        fault for index, entry in enumerate(entries) for fault in _faults(index, entry, catalogue, charset)
    ]
    line_of = locator(content) if faults else lambda _place: None
    problems = [
        Problem(message=message, path=path_text(place), file=file, line=line_of(place), hint=hint)
        for place, message, hint in faults
    ]
    whole = frozenset(
        entry.name for entry in catalogue if entry.type in _WHOLE and not _objection(entry.name, catalogue)
    )
    rules = tuple(
        ValueRule(
            fields=whole if entry.fields == (ALL,) else frozenset(entry.fields),
            filter=entry.filter,
            apply=compile_filters(entry.filter),
            when=entry.when,
            why=entry.why,
            source=entry.source,
        )
        for entry in entries
    )
    return rules, problems


def _faults(
    index: int, entry: RuleEntry, catalogue: Catalogue, charset: Charset
) -> Iterator[tuple[Place, str, str]]:
    """Place, message and hint of everything that is wrong with a rule's fields and its filters' own text."""
    for number, name in enumerate(() if entry.fields == (ALL,) else entry.fields):
        if message := _objection(name, catalogue):
            hint = "" if name in catalogue else near_miss(name, catalogue.entries)
            yield ("value_rules", index, "fields", number), message, hint
    for char in charset.unwritable(entry.filter):
        message = f"{character(char)} cannot be written in {charset.profile.upper()}"
        yield ("value_rules", index, "filter"), message, "write it with other characters"


def _objection(name: str, catalogue: Catalogue) -> str:
    """Why no rule can be for this field; empty when one can."""
    if name not in catalogue:
        return f"there is no field {shown(name)}"
    entry = catalogue[name]
    if not entry.path:
        return f"{name} is a registration's, and no rule changes it"
    if entry.path in _KEYS:
        return f"{name} is what an order is found by, and no rule changes it"
    if entry.type not in _NAMED:
        return f"{name} is of type {entry.type}; a rule is for text"
    return ""
