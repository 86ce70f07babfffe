"""What all tests share: a log whose tracebacks show no values, as the relay's own."""

import pytest
import structlog


@pytest.fixture(autouse=True, scope="session")
def _plain_log() -> None:
    """The library's own choice shows the variables of every frame."""
    renderer = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.processors.add_log_level, renderer]
    )
