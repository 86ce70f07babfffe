"""What all tests share: a log of every level, whose tracebacks show no values."""

import pytest
import structlog


@pytest.fixture(autouse=True)
def _plain_log() -> None:
    """Start each test with the same log: commands that run in this process set one of their own."""
    structlog.reset_defaults()  # the library's own choice shows the variables of every frame
    renderer = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.processors.add_log_level, renderer]
    )
