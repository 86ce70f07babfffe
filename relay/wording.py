"""What a checked model has to say, in plain words: one sentence a problem, its path, the nearest known name.

Pure text; no value is repeated beyond `MAX_SHOWN` characters. Source: ours; the error types are pydantic's.
"""

import difflib
import types
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from relay.errors import Problem

MAX_SHOWN = 60  # characters of a value in a message: enough to find it, too little to leak a letter

_MESSAGES = {
    "missing": "is missing",
    "extra_forbidden": "unknown key",
    "string_type": "must be text, is {kind}",
    "string_unicode": "holds what is no character",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "holds a character that is not allowed there",
    "bool_type": "must be true or false, is {kind}",
    "bool_parsing": "must be true or false, is {kind}",
    "int_type": "must be a whole number, is {kind}",
    "int_parsing": "must be a whole number, is {kind}",
    "int_from_float": "must be a whole number, is {kind}",
    "int_parsing_size": "is too large a number",
    "decimal_type": "must be a number, is {kind}",
    "decimal_parsing": "must be a number, is {kind}",
    "decimal_max_digits": "must have at most {max_digits} digits",
    "decimal_whole_digits": "must have at most {whole_digits} digits before the point",
    "decimal_max_places": "must have at most {decimal_places} digits after the point",
    "finite_number": "must be a number that can be counted",
    "model_type": "must be a mapping (key: value), is {kind}",
    "model_attributes_type": "must be a mapping (key: value), is {kind}",
    "dict_type": "must be a mapping (key: value), is {kind}",
    "list_type": "must be a list, is {kind}",
    "tuple_type": "must be a list, is {kind}",
    "too_short": "must have at least {min_length}, has {actual_length}",
    "too_long": "must have at most {max_length}, has {actual_length}",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "value_error": "{error}",
}
_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (int, "a whole number"),
    ((Decimal, float), "a number"),
    (str, "text"),
    (Mapping, "a mapping"),
    ((list, tuple), "a list"),
)
_BAD_KEY = "[key]"  # pydantic's last step when the key itself is wrong; the step before it names the key
_CHOICES = frozenset({"enum", "literal_error"})


def problem_of(fault: ErrorDetails, *, keys: Collection[str], file: str, line: int | None) -> Problem:
    """One of pydantic's faults as a problem.

    Args:
        fault: as pydantic tells it.
        keys: what is allowed where the fault is, for the near miss of an unknown key.
        file: named in the problem.
        line: 1-based, None when it is not known.
    """
    loc, value, hint = fault["loc"], fault.get("input"), ""
    context: Mapping[str, Any] = fault.get("ctx", {})
    if fault["type"] in _CHOICES:
        choices = str(context.get("expected", ""))
        message = (
            f"must be {choices}, is {shown(value)}"
            if isinstance(value, str)
            else f"must be {choices}, is {kind(value)}"
        )
        hint = near_miss(value, choices.replace(" or ", ", ").replace("'", "").split(", "))
    else:
        template = _MESSAGES.get(fault["type"], "{pydantic}")
        own = fault["msg"].removeprefix("Input ")
        message = template.format_map({"kind": kind(value), "pydantic": own, **context})
    if fault["type"] == "extra_forbidden":
        hint = near_miss(loc[-1], keys)
    elif fault["type"] == "string_type" and isinstance(value, int | Decimal):
        hint = "put it in quotes"
    return Problem(message=message, path=path_text(loc), file=file, line=line, hint=hint)


def near_miss(word: object, known: Collection[str]) -> str:
    """A hint with the nearest known name; empty when none is near.

    >>> near_miss("lissten", ["listen", "networks"])
    'did you mean listen?'
    """
    near = difflib.get_close_matches(str(word)[:MAX_SHOWN], sorted(known), n=1)
    return f"did you mean {near[0]}?" if near else ""


def path_text(path: Sequence[str | int]) -> str:
    """A place in a document as a person writes it.

    >>> path_text(("pack", "orders", 0, "qty"))
    'pack.orders[0].qty'
    """
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif step != _BAD_KEY:
            name = step if len(step) <= MAX_SHOWN and step.isprintable() else shown(step)
            text += f".{name}" if text else name
    return text


def shown(value: str) -> str:
    """A value in quotes, short and on one row."""
    short = value if len(value) <= MAX_SHOWN else value[: MAX_SHOWN - 1] + "…"
    return repr(short)


def kind(value: object) -> str:
    """What sort of thing a value is, without repeating it."""
    if value is None or isinstance(value, bool):
        return {None: "empty", True: "true", False: "false"}[value]
    return next((name for sort, name in _KINDS if isinstance(value, sort)), f"a {type(value).__name__}")


def known_keys(model: type[BaseModel], path: Sequence[str | int]) -> Collection[str]:
    """The keys that a model allows beside the last step of `path`."""
    annotation: Any = model
    for step in path[:-1]:
        annotation = _below(_bare(annotation), step)
    annotation = _bare(annotation)
    return tuple(annotation.model_fields) if _is_model(annotation) else ()


def _below(annotation: Any, step: str | int) -> Any:
    if _is_model(annotation):
        field = annotation.model_fields.get(str(step))
        return field.annotation if field is not None else None
    arguments = get_args(annotation)
    if not arguments:
        return None
    return arguments[0] if isinstance(step, int) else arguments[-1]


def _bare(annotation: Any) -> Any:
    """Without `Annotated` and without the `None` of an optional value."""
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation = get_args(annotation)[0]
        elif origin is Union or origin is types.UnionType:
            annotation = next(choice for choice in get_args(annotation) if choice is not types.NoneType)
        else:
            return annotation


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
