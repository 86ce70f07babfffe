"""The partner-template language: a notification's values to a mail's text, and back.

Owns the language (docs/template-language.md, docs/reading-back.md) and knows nothing of mail, files or the
relay. The way of a template: `parser` (template.lark, `builder`, mistakes explained by `diagnosis`) ->
`ast` -> `analysis` (against the field catalogue, `fields`) -> `compiler`, which writes, and `reader`, which
reads; `checks` tells before use what cannot be read back, `formatter` spells it in the one way. The way of
a value: `record` reads it from the notification, `value` prints and cleans it, `filters` shape it. Errors:
`TemplateError` for a template, `ReadingError` for a text, and nothing else.
"""

from grammar.ast import Template
from grammar.checks import Finding, findings
from grammar.compiler import Renderer, compile_template
from grammar.errors import TemplateError
from grammar.fields import Catalogue, CatalogueError, Entry, load_catalogue
from grammar.filters import compile_filters
from grammar.formatter import formatted
from grammar.parser import parse, parse_line
from grammar.reader import Misreading, Reader, Reading, ReadingError, compile_reader
from grammar.record import OrderRecord, Record

__all__ = [
    "Catalogue",
    "CatalogueError",
    "Entry",
    "Finding",
    "Misreading",
    "OrderRecord",
    "Reader",
    "Reading",
    "ReadingError",
    "Record",
    "Renderer",
    "Template",
    "TemplateError",
    "compile_filters",
    "compile_reader",
    "compile_template",
    "findings",
    "formatted",
    "load_catalogue",
    "parse",
    "parse_line",
]
