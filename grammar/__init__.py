"""The partner-template language: source to tree to a Python function that writes a notification out.

Owns the language (docs/template-language.md) and knows nothing of mail, files or the relay. The way of a
template: `parser` (template.lark) -> `ast` -> `analysis` (against the field catalogue, `fields`) ->
`compiler`. The way of a value: `record` reads it from the notification, `value` prints and cleans it. Errors:
`TemplateError` and nothing else.
"""

from grammar.ast import Template
from grammar.compiler import Renderer, compile_template
from grammar.errors import TemplateError
from grammar.fields import Catalogue, CatalogueError, Entry, load_catalogue
from grammar.parser import parse, parse_line
from grammar.record import OrderRecord, Record

__all__ = [
    "Catalogue",
    "CatalogueError",
    "Entry",
    "OrderRecord",
    "Record",
    "Renderer",
    "Template",
    "TemplateError",
    "compile_template",
    "load_catalogue",
    "parse",
    "parse_line",
]
