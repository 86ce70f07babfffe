"""Text that looks like a marker and is none: it goes to the partner as it stands.

A bracket too few, small letters, signs of full width: what a Japanese keyboard types, and what nobody sees in
a template. The language takes such text as text, since it may be meant. A sign followed by a space
(`## お届け先 ##`) looks like no marker. Source: ours.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from grammar.ast import Row, Template, Text
from grammar.diagnosis.diagnosis import SPELLINGS
from grammar.diagnosis.fault import shortened
from grammar.errors import nearest
from grammar.fields import Catalogue
from grammar.filters.width import half
from grammar.span import Span

_IGNORE: Final = re.IGNORECASE | re.ASCII
_FIELD: Final = re.compile(r"[<\[{]\$_?([A-Z][A-Z0-9_]*)(?:_?\$?[>\]}])?", _IGNORE)
_DIRECTIVE: Final = re.compile(r"#{1,3}([A-Z][A-Z_-]*)#{1,3}|\$(LOOP)_?(?![A-Z0-9])", _IGNORE)
_IF: Final = re.compile(r"#{1,3}(IF) ?\Z", _IGNORE)  # a field follows
_AFTER_DIRECTIVE: Final = re.compile(r"#{0,3}([A-Z][A-Z_-]*)(?:#{1,3}|\Z)", _IGNORE)
_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {word.replace("_", ""): spelling for word, spelling in SPELLINGS.items()}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookalike:
    """A text that looks like a marker."""

    row: Row
    span: Span
    text: str  # as people may be shown it
    meant: str  # how the marker is written


def lookalikes(template: Template, catalogue: Catalogue) -> Iterator[Lookalike]:
    """What looks like a marker in the text of a template, from the top."""
    for row in template.rows:
        for index, piece in enumerate(row.pieces):
            if isinstance(piece, Text):
                is_first, is_last = index == 0, index == len(row.pieces) - 1
                text = half(piece.text)  # as long as the piece
                for found, meant in _found(text, catalogue, bool(row.directives) and is_first, not is_last):
                    start = piece.span.start + found.start()
                    shown = shortened(piece.text[found.start() : found.end()].strip())
                    span = Span(start=start, end=start + len(found[0]))
                    yield Lookalike(row=row, span=span, text=shown, meant=meant)


def _found(
    text: str, catalogue: Catalogue, after_directive: bool, before_field: bool
) -> Iterator[tuple[re.Match[str], str]]:
    for found in _FIELD.finditer(text):
        name = found[1].rstrip("_").upper()
        known = name if name in catalogue else nearest(name, catalogue.entries) or "NAME"
        yield found, f"<$_{known}_$>"
    first = _AFTER_DIRECTIVE.match(text) if after_directive else None
    if first and (meant := _meant(first[1])):
        yield first, meant
    for found in _DIRECTIVE.finditer(text, first.end() if first else 0):
        if meant := _meant(found[1] or found[2]):
            yield found, meant
    if before_field and (found_if := _IF.search(text)):
        yield found_if, SPELLINGS["IF"]


def _meant(word: str) -> str:
    return _WORDS.get(re.sub("[_-]", "", word).upper(), "")
