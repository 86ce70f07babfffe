"""Source to tree. The only module that imports lark.

`parse` and `parse_line` are linear in the length of the source, keep no state of their own and raise nothing
but `TemplateError`, whatever the source holds. The grammar is `template.lark`; what it refuses, `diagnosis`
explains. Source: ours.
"""

from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Literal, NoReturn, cast

from lark import Lark, Token
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from grammar.ast import Item, Template
from grammar.builder import Builder
from grammar.diagnosis import diagnose
from grammar.diagnosis.fault import Opening, Stop, Word
from grammar.errors import TemplateError
from grammar.limits import MAX_DEPTH, MAX_SOURCE
from grammar.span import Span, row_end

Start = Literal["template", "line"]


def grammar_text() -> str:
    """The text of `template.lark`."""
    return resources.files("grammar").joinpath("template.lark").read_text(encoding="utf-8")


def parse(source: str, *, name: str = "<template>") -> Template:
    r"""The tree of a template's body.

    Rows end at `\n`; a lone `\r` is text (who loads a file normalises its line ends).

    Raises:
        TemplateError: the source is no template, longer than `MAX_SOURCE`, or its blocks stand deeper than
            `MAX_DEPTH`.
    """
    return _parse(source, name, "template")


def parse_line(source: str, *, name: str = "<line>") -> Template:
    """The tree of a subject or a sender: one row, fields but no directives.

    Raises:
        TemplateError: as `parse`, and for a second row or a directive.
    """
    return _parse(source, name, "line")


def _parse(source: str, name: str, start: Start) -> Template:
    refuse_long(source, name)
    reader = _reader().parse_interactive(source, start=start)
    try:
        for token in reader.iter_parse():
            if token.type in ("LOOP_BEGIN", "IF"):
                _refuse_deep(token, _openings(reader.parser_state.value_stack), source, name)
        items = cast("list[Item]", reader.feed_token(Token("$END", "")))
    except UnexpectedInput as error:
        _explain(error, tuple(_openings(reader.parser_state.value_stack)), source, name, start)
    return Template(
        span=Span(start=0, end=len(source)),
        name=name,
        source=source,
        is_line=start == "line",
        items=tuple(items),
    )


@cache  # made of a file of this package alone: always the same, and dear to make
def _reader() -> Lark:
    return Lark(
        grammar_text(), parser="lalr", lexer="contextual", start=["template", "line"], transformer=Builder()
    )


def refuse_long(source: str, name: str) -> None:
    """Keep to `MAX_SOURCE`.

    Raises:
        TemplateError: of kind `limit`, when the source is longer.
    """
    if len(source) > MAX_SOURCE or len(source.encode("utf-8", "surrogatepass")) > MAX_SOURCE:
        raise TemplateError(
            kind="limit",
            message=f"the template is longer than {MAX_SOURCE} octets (MAX_SOURCE)",
            source=source,
            span=Span(start=0, end=1),
            name=name,
        )


def _refuse_deep(token: Token, openings: Iterator[Opening], source: str, name: str) -> None:
    """Stop at the first block that is too deep: whoever walks the tree later may recurse without a care."""
    if sum(opening.word != "ELSE" for opening in openings) < MAX_DEPTH:
        return
    start = token.start_pos or 0
    raise TemplateError(
        kind="limit",
        message=f"blocks stand in blocks more than {MAX_DEPTH} deep (MAX_DEPTH)",
        hint="close a block before it, or put the cases one after the other",
        source=source,
        span=Span(start=start, end=row_end(source, start)),
        name=name,
    )


def _explain(
    error: UnexpectedInput, openings: tuple[Opening, ...], source: str, name: str, start: Start
) -> NoReturn:
    at_end = isinstance(error, UnexpectedToken) and error.token.type == "$END"
    match error:
        case UnexpectedToken(token=Token(start_pos=int(position))) if not at_end:
            pass
        case UnexpectedCharacters(pos_in_stream=int(position)):
            pass
        case _:
            position = len(source)
    raise diagnose(source, Stop(position=position, line=start == "line", openings=openings), name) from None


def _openings(values: list[object]) -> Iterator[Opening]:
    """The markers whose blocks are open, from the outermost; a block that is closed is a node already."""
    for value in values:
        if isinstance(value, Token) and value.type in ("LOOP_BEGIN", "IF", "ELSE"):
            yield Opening(word=cast("Word", value.type), position=value.start_pos or 0)
