"""Where the log goes: to standard error, as text for people or as JSON lines for programs.

The log carries order numbers and ids, never names or addresses of buyers: the callers see to that, and a
traceback comes without the values of its frames. Diagnostics: a log line that cannot be written is lost and
nothing else is; the journal in the store is the record that counts.
"""

import logging
import os
import sys
from enum import StrEnum
from typing import TextIO, cast

import structlog

from relay.cli.stream import LossyStream


class LogLevel(StrEnum):
    """How much is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How a line looks."""

    TEXT = "text"
    JSON = "json"


def configure_log(level: LogLevel, form: LogFormat = LogFormat.TEXT) -> None:
    """Send this process's log to standard error, from this level up; of the libraries, warnings and worse."""
    number = logging.getLevelNamesMapping()[level.upper()]
    stream = LossyStream(sys.stderr)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *_shape(form),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", stream)),
        cache_logger_on_first_use=False,  # a logger that was used before this call must follow it too
    )
    logging.basicConfig(
        stream=stream, level=max(number, logging.WARNING), format="%(levelname)s %(name)s: %(message)s"
    )


def _shape(form: LogFormat) -> list[structlog.typing.Processor]:
    if form is LogFormat.JSON:
        tracebacks = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)  # a buyer's values
        return [
            structlog.processors.ExceptionRenderer(tracebacks),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
    colours = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    return [structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=structlog.dev.plain_traceback)]
