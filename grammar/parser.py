"""Source to tree. The only module that imports lark.

`parse` and `parse_line` are linear in the length of the source, keep no state of their own and raise nothing
but `TemplateError`, whatever the source holds. The grammar is `template.lark`; what it refuses, `diagnosis`
explains. Source: ours.
"""

from functools import cache
from importlib import resources
from typing import Literal, NoReturn, cast

from lark import Lark, Token
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from grammar.ast import Directive, Field, Loop, Marker, Row, Template, Text
from grammar.diagnosis import Stop, diagnose
from grammar.errors import TemplateError
from grammar.limits import MAX_SOURCE
from grammar.span import Span

Start = Literal["template", "line"]


def grammar_text() -> str:
    """The text of `template.lark`."""
    return resources.files("grammar").joinpath("template.lark").read_text(encoding="utf-8")


def parse(source: str, *, name: str = "<template>") -> Template:
    r"""The tree of a template's body.

    Rows end at `\n`; a lone `\r` is text (who loads a file normalises its line ends).

    Raises:
        TemplateError: the source is no template, or longer than `MAX_SOURCE`.
    """
    return _parse(source, name, "template")


def parse_line(source: str, *, name: str = "<line>") -> Template:
    """The tree of a subject or a sender: one row, fields but no directives.

    Raises:
        TemplateError: as `parse`, and for a second row or a directive.
    """
    return _parse(source, name, "line")


def _parse(source: str, name: str, start: Start) -> Template:
    if len(source) > MAX_SOURCE or len(source.encode("utf-8", "surrogatepass")) > MAX_SOURCE:
        raise TemplateError(
            kind="limit",
            message=f"the template is longer than {MAX_SOURCE} octets (MAX_SOURCE)",
            source=source,
            span=Span(start=0, end=1),
            name=name,
        )
    try:
        items = cast("list[Row | Loop]", _reader().parse(source, start=start))
    except UnexpectedInput as error:
        _explain(error, source, name, start)
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
        grammar_text(), parser="lalr", lexer="contextual", start=["template", "line"], transformer=_Builder()
    )


def _explain(error: UnexpectedInput, source: str, name: str, start: Start) -> NoReturn:
    at_end = isinstance(error, UnexpectedToken) and error.token.type == "$END"
    match error:
        case UnexpectedToken(token=Token(start_pos=int(position))) if not at_end:
            pass
        case UnexpectedCharacters(pos_in_stream=int(position)):
            pass
        case _:
            position = len(source)
    raise diagnose(
        source, Stop(position=position, line=start == "line", opened_at=_opened_at(error)), name
    ) from None


def _opened_at(error: UnexpectedInput) -> int | None:
    """Where the block begins that was open when reading stopped."""
    reader = error.interactive_parser
    for value in reversed(reader.parser_state.value_stack):
        if isinstance(value, Token) and value.type == "LOOP_BEGIN":
            return value.start_pos
    return None


def _span(token: Token) -> Span:
    start = token.start_pos
    assert start is not None
    return Span(start=start, end=start + len(token))


class _Builder:
    """Makes nodes while lark reads, bottom up: no second walk, and no recursion."""

    def template(self, items: list[Row | Loop]) -> list[Row | Loop]:
        return items

    def line(self, tokens: list[Token]) -> list[Row]:
        return [self.row(tokens)] if tokens else []

    def loop(self, parts: list[Token | Row]) -> Loop:
        opening, *rows, closing = parts
        assert isinstance(opening, Token)
        assert isinstance(closing, Token)
        first, last = _span(opening), _span(closing)
        return Loop(
            span=Span(start=first.start, end=last.end),
            opening=Marker(span=first, spelling=str(opening)),
            rows=tuple(cast("list[Row]", rows)),
            closing=Marker(span=last, spelling=str(closing)),
        )

    def open_row(self, tokens: list[Token]) -> Row:
        return self.row(tokens)

    def row(self, tokens: list[Token]) -> Row:
        directives: list[Directive] = []
        pieces: list[Text | Field] = []
        newline = ""
        for token in tokens:
            text, span = str(token), _span(token)
            match token.type:
                case "NEWLINE":
                    newline = text
                case "FIELD":
                    pieces.append(Field(span=span, name=text[3:-3], brackets=text[0] + text[-1]))
                case "DELETE_BLANK_ROW":
                    directives.append(Directive(span=span, keyword="DELETE_BLANK_ROW", spelling=text))
                case "LOOP" | "LOOP_GLUED":
                    directives.append(Directive(span=span, keyword="LOOP", spelling=text))
                case _:
                    pieces.append(Text(span=span, text=text))
        return Row(
            span=Span(start=_span(tokens[0]).start, end=_span(tokens[-1]).end),
            directives=tuple(directives),
            pieces=tuple(pieces),
            newline=newline,
        )
