"""The reader: text to values, made of the same tree as the renderer (docs/reading-back.md).

The way of a template: `shape` (which rows may come when, each a `pattern`) -> `plan` (with a `decision`
wherever it may go on in two ways; `overlap` and `label` help) -> the two functions of a `proof`:
`recognition` reads a text, `expectation` says what a record should make it say. When they differ, `trace`
puts the shape back and `misreading` explains. When a text is taken in, `account` makes one `reading` of it,
and `parting` finds the place where text and template part.
"""

from grammar.reader.misreading import Misreading
from grammar.reader.reader import Reader, compile_reader
from grammar.reader.reading import Reading, ReadingError

__all__ = ["Misreading", "Reader", "Reading", "ReadingError", "compile_reader"]
