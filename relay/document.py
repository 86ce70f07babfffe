"""The one door to JSON and YAML: bytes from outside become a plain tree, and a tree becomes a checked value.

Guarantees: a key that stands twice, a reference (YAML alias), a tag, NaN, Infinity, bytes that are not
UTF-8 and nesting beyond `MAX_DEPTH` are refused, never resolved by a guess. Numbers with a point are exact
(`Decimal`). A YAML word is a number, a truth value or nothing only where JSON would write it so: `0123`,
`+8190`, `no`, `12:30` and `2026-11-21` stay text, as the person who typed them sees them.

Diagnostics: `BadInput` with every problem that can be told at once, each with its path in the document and,
where it is known, its line. No value is repeated beyond `wording.MAX_SHOWN` characters: it may be a
buyer's. Source: RFC 8259; YAML 1.2 core schema, narrowed as said above.
"""

import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from relay.errors import BadInput, Problem
from relay.wording import known_keys, path_text, problem_of

MAX_DEPTH = 32  # a notification is 4 deep and a configuration 3; deeper is an attack or an accident
MAX_NUMBER = 64  # characters of a number; money has 12 digits
MAX_PROBLEMS = 100  # nobody mends more at once, and a hostile document could cause a million
MAX_FAULTS = 10_000  # beyond this the list alone would take more memory than the document

M = TypeVar("M", bound=BaseModel)
Step = str | int  # a key, or an index in a list
Place = tuple[Step, ...]

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_NOT_A_NUMBER = re.compile(r"[+-]?\.(?:inf|Inf|INF|nan|NaN|NAN)")
_WORDS = {"": None, "~": None} | {
    form: value
    for word, value in (("null", None), ("true", True), ("false", False))
    for form in (word, word.capitalize(), word.upper())
}
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def parse_json(content: bytes) -> object:
    """The tree of a JSON document: dict, list, str, int, Decimal, bool, None.

    Raises:
        BadInput: it is not one, or not a safe one.
    """
    text = _text(content, file="")
    try:
        tree = _decode(_STRICT_JSON, text)
    except _KeyTwice:
        tree = _decode(_MARKING_JSON, text)
        _check_depth(tree)
        _refuse_keys_twice(tree)
    # A document cannot be deeper than it has opening brackets, so most are spared the walk.
    if text.count("{") + text.count("[") > MAX_DEPTH:
        _check_depth(tree)
    if "\\ud" in text or "\\uD" in text:
        _check_surrogates(tree)
    return tree


def parse_yaml(content: bytes, *, file: str = "") -> object:
    r"""The tree of a YAML document, with the same types as `parse_json`; None when it is empty.

    Raises:
        BadInput: it is not one, or not a safe one; each problem names `file` and its line.

    >>> parse_yaml("use: Y\nzip: 0123\nfee: 10.50\n".encode())
    {'use': 'Y', 'zip': '0123', 'fee': Decimal('10.50')}
    """
    return _tree(_text(content, file=file), file=file, lines=None)


def validated(model: type[M], tree: object, *, file: str = "", source: bytes | None = None) -> M:
    """The tree as a value of `model`.

    Args:
        model: what it must be; unknown keys are refused when the model forbids them.
        tree: what `parse_json` or `parse_yaml` gave.
        file: named in each problem.
        source: the YAML that the tree was read from; read again for line numbers when something is wrong.

    Raises:
        BadInput: with every problem, up to `MAX_PROBLEMS`.
    """
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        if error.error_count() > MAX_FAULTS:
            _refuse(f"has {error.error_count()} problems: it is something else altogether", file=file)
        faults = error.errors(include_url=False)
    # A list whose entries are wrong is not too short as well: pydantic counts only the good ones.
    around = {fault["loc"][:end] for fault in faults for end in range(len(fault["loc"]))}
    faults = [fault for fault in faults if fault["type"] != "too_short" or fault["loc"] not in around]
    lines: dict[Place, int] = {}
    if source is not None:
        _tree(_text(source, file=file), file=file, lines=lines)
    problems = [
        problem_of(fault, keys=known_keys(model, fault["loc"]), file=file, line=_line(lines, fault["loc"]))
        for fault in faults[:MAX_PROBLEMS]
    ]
    problems.sort(key=lambda problem: problem.line or 0)
    if len(faults) > MAX_PROBLEMS:
        problems.append(Problem(file=file, message=f"and {len(faults) - MAX_PROBLEMS} more problems"))
    raise BadInput(tuple(problems))


def locate(source: bytes, path: Place) -> int | None:
    """The line of a place in a YAML document that `parse_yaml` took, or of the nearest thing around it."""
    return locator(source)(path)


def locator(source: bytes) -> Callable[[Place], int | None]:
    """What answers as `locate` does for one document, which is read once for all its places."""
    lines: dict[Place, int] = {}
    _tree(_text(source, file=""), file="", lines=lines)
    return lambda path: _line(lines, path)


# What both notations share.


def _text(content: bytes, *, file: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        _refuse(f"is not UTF-8 text: byte {content[error.start]:#04x} on line {line}", file=file, line=line)


def _refuse(
    message: str, *, path: Place = (), file: str = "", line: int | None = None, hint: str = ""
) -> NoReturn:
    raise BadInput(
        (Problem(message=message, path=path_text(path), file=file, line=line, hint=hint),)
    ) from None


def _number(text: str) -> Decimal:
    """A number with a point or an exponent, exactly.

    Raises:
        InvalidOperation: it is too long, or its exponent is beyond what can be counted.
    """
    if len(text) > MAX_NUMBER:
        raise InvalidOperation
    return Decimal(text)


# JSON


class _KeyTwice(Exception):
    """An object has a key twice."""


class _Doubled(dict[str, object]):
    """An object that had keys twice, kept only to tell where."""

    keys_twice: tuple[str, ...] = ()


def _strict_object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _KeyTwice
    return members


def _marked_object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = _Doubled(pairs)
    if len(members) != len(pairs):
        counts = Counter(name for name, _ in pairs)
        members.keys_twice = tuple(name for name, count in counts.items() if count > 1)
    return members


def _refuse_constant(name: str) -> NoReturn:
    _refuse(f"{name} is not a number that JSON has")


_STRICT_JSON = json.JSONDecoder(
    object_pairs_hook=_strict_object, parse_float=_number, parse_constant=_refuse_constant
)
_MARKING_JSON = json.JSONDecoder(
    object_pairs_hook=_marked_object, parse_float=_number, parse_constant=_refuse_constant
)


def _decode(decoder: json.JSONDecoder, text: str) -> Any:
    try:
        return decoder.decode(text)
    except json.JSONDecodeError as error:
        message = f"is not JSON: {error.msg} (line {error.lineno}, column {error.colno})"
        _refuse(message, line=error.lineno)
    except RecursionError:
        _refuse(f"is nested deeper than {MAX_DEPTH} levels")
    except (InvalidOperation, ValueError):  # ValueError: Python's limit of 4,300 digits for a whole number
        _refuse(f"holds a number of more than {MAX_NUMBER} characters, or beyond all measure")


def _refuse_keys_twice(tree: object) -> NoReturn:
    problems = (
        Problem(path=path_text((*path, key)), message="stands twice", hint="one of the two would be lost")
        for path, node in _walk(tree, [])
        if isinstance(node, _Doubled)
        for key in node.keys_twice
    )
    raise BadInput(tuple(itertools.islice(problems, MAX_PROBLEMS))) from None


def _walk(node: object, path: list[Step]) -> Iterator[tuple[list[Step], object]]:
    """Every node of a tree whose depth has been checked, with its path (always the same list)."""
    yield path, node
    children: Iterable[tuple[Step, object]] = ()
    if isinstance(node, dict):
        children = node.items()
    elif isinstance(node, list):
        children = enumerate(node)
    for step, child in children:
        path.append(step)
        yield from _walk(child, path)
        path.pop()


def _check_depth(tree: object) -> None:
    level, depth = [tree], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            _refuse(f"is nested deeper than {MAX_DEPTH} levels")
        level = [
            child
            for node in level
            for child in (node.values() if type(node) is dict else node)  # type: ignore[attr-defined]
            if type(child) is dict or type(child) is list
        ]


def _check_surrogates(tree: object) -> None:
    """Half of a surrogate pair is no character: it cannot be stored or sent."""
    for path, node in _walk(tree, []):
        if isinstance(node, str) and _LONE_SURROGATE.search(node):
            _refuse("holds half of a surrogate pair", path=tuple(path))
        if isinstance(node, dict) and any(_LONE_SURROGATE.search(key) for key in node):
            _refuse("has a key that holds half of a surrogate pair", path=tuple(path))


# YAML: the tree is built from libyaml's events, so that nothing is resolved before it has been looked at.


@dataclass(slots=True)
class _Open:
    """A mapping or list whose end has not come yet."""

    items: dict[str, object] | list[object]
    step: Step | None = None  # the key or index that was reached last
    wants_value: bool = False  # in a mapping: the key has come, its value has not


class _Tree:
    """A YAML document that is being read, event by event."""

    def __init__(self, *, file: str, lines: dict[Place, int] | None) -> None:
        self.file = file
        self.lines = lines
        self.root: object = None
        self.documents = 0
        self.problems: list[Problem] = []
        self._open: list[_Open] = []

    def take(self, event: Any) -> None:
        """Add what one event says.

        Raises:
            BadInput: it says what is not allowed; `problems` holds what can wait until the end.
        """
        match event:
            case yaml.ScalarEvent():
                self._arrive(event)
                self._scalar(event)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._arrive(event)
                items: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
                self._place(items, event)
                self._open.append(_Open(items))
                if len(self._open) > MAX_DEPTH:
                    self._refuse(f"is nested deeper than {MAX_DEPTH} levels", event)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._open.pop()
            case yaml.AliasEvent():
                self._step_on()
                self._refuse("refers to another part of the file (*name)", event, hint="write the value out")
            case yaml.DocumentStartEvent():
                self.documents += 1
                if self.documents > 1:
                    self._refuse("holds more than one document", event)

    def _step_on(self) -> None:
        top = self._open[-1] if self._open else None
        if top is not None and isinstance(top.items, list):
            top.step = len(top.items)

    def _arrive(self, event: Any) -> None:
        self._step_on()
        if event.anchor is not None:
            self._refuse("names a part of the file (&name)", event, hint="write the value where it is needed")
        if event.tag is not None and event.tag != "!":
            self._refuse("has a tag (!name)", event, hint="write the plain value")

    def _scalar(self, event: Any) -> None:
        top = self._open[-1] if self._open else None
        if top is None or top.wants_value or isinstance(top.items, list):
            self._place(event.value if event.style else self._resolved(event), event)
            return
        top.step, top.wants_value = event.value, True
        if event.value in top.items:
            self.problems.append(self._problem("stands twice", event, hint="one of the two would be lost"))
            if len(self.problems) == MAX_PROBLEMS:
                raise BadInput(tuple(self.problems))
        self._note_line(event)

    def _resolved(self, event: Any) -> object:
        """A word without quotes: nothing, a truth value, a number or text."""
        word: str = event.value
        if word in _WORDS:
            return _WORDS[word]
        if word[0] not in "-+.0123456789":
            return word
        if _NOT_A_NUMBER.fullmatch(word):
            self._refuse("is not a number", event)
        number = _NUMBER.fullmatch(word)
        if number is None:
            return word
        try:
            return _number(word) if number[1] or number[2] else int(_number(word))
        except InvalidOperation:
            self._refuse(f"is a number of more than {MAX_NUMBER} characters, or beyond all measure", event)

    def _place(self, value: object, event: Any) -> None:
        top = self._open[-1] if self._open else None
        if top is None:
            self.root = value
        elif isinstance(top.items, list):
            self._note_line(event)
            top.items.append(value)
        elif top.wants_value:
            top.items.setdefault(str(top.step), value)
            top.wants_value = False
        else:
            self._refuse("has a key that is not a word", event)

    def _note_line(self, event: Any) -> None:
        if self.lines is not None:
            self.lines.setdefault(self._path(), event.start_mark.line + 1)

    def _path(self) -> Place:
        return tuple(frame.step for frame in self._open if frame.step is not None)

    def _problem(self, message: str, event: Any, *, hint: str = "") -> Problem:
        line = event.start_mark.line + 1
        return Problem(path=path_text(self._path()), message=message, file=self.file, line=line, hint=hint)

    def _refuse(self, message: str, event: Any, *, hint: str = "") -> NoReturn:
        raise BadInput((*self.problems, self._problem(message, event, hint=hint))) from None


def _tree(text: str, *, file: str, lines: dict[Place, int] | None) -> object:
    tree = _Tree(file=file, lines=lines)
    try:
        for event in yaml.parse(
            text, Loader=yaml.CSafeLoader
        ):  # lazily: what is refused is not read to its end
            tree.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = mark.line + 1 if mark else None
        place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        fault = Problem(message=f"is not YAML: {error.problem}{place}", file=file, line=line)
        raise BadInput((*tree.problems, fault)) from None
    except yaml.YAMLError:  # libyaml's reader: its own text would repeat the content
        _refuse("holds a control character, which YAML does not allow", file=file)
    if tree.problems:
        raise BadInput(tuple(tree.problems))
    return tree.root


def _line(lines: dict[Place, int], path: Place) -> int | None:
    """The line of a path, or of the nearest thing around it (a missing key has no line of its own)."""
    for end in range(len(path), 0, -1):
        if (line := lines.get(path[:end])) is not None:
            return line
    return 1 if lines else None
