"""The log goes on when nobody can take it, and tells no buyer's values."""

import contextlib
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from relay.cli.log import LogFormat, LogLevel, configure_log
from relay.cli.stream import LossyStream, WatchedStream

BUYER = "見本 花子"


@pytest.fixture
def forgotten() -> Iterator[None]:
    """What a test says about logging ends with it."""
    before = structlog.get_config()
    handlers = list(logging.getLogger().handlers)
    yield
    structlog.configure(**before)
    logging.getLogger().handlers[:] = handlers


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize("form", LogFormat)
def test_a_log_line_that_cannot_be_written_is_lost_and_nothing_else(form: LogFormat) -> None:
    """On a full disk the logger returns, line after line, and the work that logs goes on."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        with contextlib.redirect_stderr(full):
            configure_log(LogLevel.INFO, form)
            for number in range(3):
                structlog.get_logger().info("delivered", number=number)
        assert LossyStream(full).finish() is not None  # it was full indeed; and no complaint at its end


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize("form", LogFormat)
def test_a_traceback_shows_no_values(form: LogFormat) -> None:
    """The frames of a traceback are there, the variables in them are not."""
    seen = io.StringIO()
    with contextlib.redirect_stderr(seen):
        configure_log(LogLevel.INFO, form)
        try:
            _fails(buyer=BUYER)
        except RuntimeError:
            structlog.get_logger().exception("delivery failed by a bug")
    assert "_fails" in seen.getvalue()
    assert BUYER not in seen.getvalue()
    if form is LogFormat.JSON:
        assert json.loads(seen.getvalue())["event"] == "delivery failed by a bug"


def test_the_log_of_a_test_run_shows_no_values_either() -> None:
    """Whatever configured the log before this test, or nothing did."""
    seen = io.StringIO()
    try:
        _fails(buyer=BUYER)
    except RuntimeError:
        structlog.wrap_logger(structlog.PrintLogger(seen)).exception("delivery failed by a bug")
    assert "_fails" in seen.getvalue()
    assert BUYER not in seen.getvalue()


def _fails(*, buyer: str) -> None:
    raise RuntimeError("a bug of ours" if buyer else "")


def test_a_watched_stream_tells_that_it_failed_once() -> None:
    """The failure is raised where it happens, so that work can stop, and is known at the end."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        stream = WatchedStream(full)
        stream.write("結果")
        with pytest.raises(OSError, match="No space left"):
            stream.flush()
        failure = stream.finish()
        assert isinstance(failure, OSError)
        assert failure.strerror == "No space left on device"
    good = io.StringIO()
    stream = WatchedStream(good)
    stream.write("結果")
    assert (stream.finish(), good.getvalue()) == (None, "結果")


def test_a_closed_stream_loses_what_is_written() -> None:
    """A stream that somebody closed is no error of who logs."""
    closed = io.StringIO()
    closed.close()
    stream = LossyStream(closed)
    stream.write("x")
    stream.flush()
    assert isinstance(stream.failure, ValueError)
    assert not stream.isatty()
