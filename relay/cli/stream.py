"""Standard output and error when they cannot be written: a full disk, a closed pipe, no stream at all.

Guarantees: what goes to standard error never fails, so that no log line, question or refusal ends what the
program does; a result that did not reach standard output is known when the command ends; no file that the
program opens becomes its standard output because that was closed. Source: ours; the way to silence a stream
at the end is the Python manual's (signal, "Note on SIGPIPE").
"""

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import BinaryIO, TextIO

_STANDARD = (0, 1, 2)  # the descriptors of standard input, output and error


class WatchedStream(io.TextIOBase):
    """A text stream in front of another, which notes that the other failed."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.failure: OSError | ValueError | None = None  # the first one; ValueError: the stream is closed

    @property
    def encoding(self) -> str:  # type: ignore[override]  # (a plain attribute in the library's stubs)
        """The encoding of the stream behind."""
        return self._stream.encoding

    @property
    def buffer(self) -> BinaryIO:
        """The octets' way out, past this stream; `write_octets` is the watched one."""
        return self._stream.buffer

    def write(self, text: str) -> int:
        """Write text."""
        with self._watched():
            self._stream.write(text)
        return len(text)

    def write_octets(self, content: bytes) -> None:
        """Write octets as they are, behind what was written before."""
        with self._watched():
            self._stream.flush()
            self._stream.buffer.write(content)
            self._stream.buffer.flush()

    def flush(self) -> None:
        """Send on what is waiting."""
        with self._watched():
            self._stream.flush()

    def isatty(self) -> bool:
        """Whether a person reads it."""
        return not self._stream.closed and self._stream.isatty()

    def fileno(self) -> int:
        """The descriptor of the stream behind; raises OSError when it has none."""
        return self._stream.fileno()

    def finish(self) -> OSError | ValueError | None:
        """Why not all that was written has left the program; None when it has.

        A stream that failed is silenced for good: the interpreter would flush it once more and complain.
        """
        with contextlib.suppress(OSError, ValueError):
            self.flush()
        if self.failure is not None:
            with contextlib.suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self.fileno())
                os.close(nowhere)
                self._stream.flush()
        return self.failure

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            self.failure = self.failure or error
            raise


class LossyStream(WatchedStream):
    """A stream whose failures cost the text and nothing else.

    For what is worth less than the work it tells of: losing a log line is better than losing a mail.
    """

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        with contextlib.suppress(OSError, ValueError), super()._watched():
            yield


@contextlib.contextmanager
def standard_streams() -> Iterator[tuple[WatchedStream, WatchedStream]]:
    """Standard output and standard error, watched; every text can be written to them, whatever the locale."""
    while (descriptor := os.open(os.devnull, os.O_RDONLY)) in _STANDARD:
        pass  # it was closed; held open from now on, and for reading only, so that writing to it still fails
    os.close(descriptor)
    streams = [_usable(sys.stdout, 1), _usable(sys.stderr, 2)]
    output, error = WatchedStream(streams[0]), LossyStream(streams[1])
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(error):
        yield output, error


def _usable(stream: TextIO | None, descriptor: int) -> TextIO:
    if stream is None:
        stream = open(descriptor, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  (no path; open to the end)
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")  # a terminal that cannot show 髙 is no reason to fail
    return stream


def write_octets(content: bytes) -> None:
    """Write octets to standard output as they are."""
    if isinstance(sys.stdout, WatchedStream):
        sys.stdout.write_octets(content)
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
