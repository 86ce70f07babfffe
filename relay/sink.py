"""A partner to try the relay against: an SMTP server that keeps every mail as a file and fails on request.

It owns the faults (`refuse@rcpt:0.3`), the folder of received mails and nothing else; the SMTP is the
relay's own listener. Guarantees: a mail is answered 250 only when its file is whole on disk; a file that
can be seen has all of its bytes, exactly as they came; the folder never holds more than `keep` of the
sink's mails.

Diagnostics: `BadInput` for a fault that cannot be read or a folder that cannot be used; a disk that fills
later is answered 452, so that the sender keeps the mail. Source: Postfix's smtp-sink(1) for the idea of
faults as flags.
"""

import asyncio
import contextlib
import os
import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import assert_never

from relay.clock import ID_LENGTH, Clock
from relay.errors import BadInput, Problem
from relay.intake.session.door import DROP, Answer, Drop, Reply, Session, SignedIn

DEFAULT_KEEP = 10_000  # mails in the folder: enough for a day's trial, and no trial fills a disk
ALWAYS = 1.0
HANG_SECONDS = 3_600.0  # longer than any time-out of RFC 5321 section 4.5.3.2, yet no session lives for ever
_FILE_NAME = re.compile(rf"[0-9a-z]{{{ID_LENGTH}}}\.eml")  # what the sink itself wrote, and so may remove
_DRAFT_NAME = re.compile(rf"\.[0-9a-z]{{{ID_LENGTH}}}\.part")
_FAULT = re.compile(r"(?P<kind>[a-z]+)@(?P<verb>[a-z]+)(?::(?P<rate>[0-9]*\.?[0-9]+))?", re.ASCII)


class FaultKind(StrEnum):
    """How the sink fails."""

    REFUSE = "refuse"  # a 5xx reply: for good
    DEFER = "defer"  # a 4xx reply: for now
    HANG = "hang"  # no reply at all
    DROP = "drop"  # the connection is closed without a word


class Verb(StrEnum):
    """Where the sink fails."""

    CONNECT = "connect"  # instead of the greeting
    MAIL = "mail"  # MAIL FROM
    RCPT = "rcpt"  # RCPT TO
    DATA = "data"  # the DATA command, before the content
    MESSAGE = "message"  # after the final dot; nothing is kept


_REFUSED = {
    Verb.CONNECT: Reply(code=554, text="5.3.2 refused on request"),
    Verb.MAIL: Reply(code=550, text="5.7.1 sender refused on request"),
    Verb.RCPT: Reply(code=550, text="5.1.1 recipient refused on request"),
    Verb.DATA: Reply(code=554, text="5.5.0 content refused on request"),
    Verb.MESSAGE: Reply(code=554, text="5.6.0 message refused on request"),
}
_DEFERRED = {
    Verb.CONNECT: Reply(code=421, text="4.3.2 deferred on request"),
    Verb.MAIL: Reply(code=451, text="4.7.1 sender deferred on request"),
    Verb.RCPT: Reply(code=450, text="4.2.1 recipient deferred on request"),
    Verb.DATA: Reply(code=451, text="4.3.0 content deferred on request"),
    Verb.MESSAGE: Reply(code=451, text="4.3.0 message deferred on request"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way to fail, at one verb, in a share of all cases.

    >>> str(parse_fault("refuse@rcpt:0.3"))
    'refuse@rcpt:0.3'
    """

    kind: FaultKind
    verb: Verb
    rate: float = ALWAYS  # 0 < rate <= 1

    def __str__(self) -> str:
        return f"{self.kind}@{self.verb}" + ("" if self.rate == ALWAYS else f":{self.rate:g}")


def parse_fault(text: str) -> Fault:
    """Return the fault that `kind@verb[:rate]` names; raises BadInput that says what is allowed."""
    match = _FAULT.fullmatch(text)
    if match is None:
        raise _bad_fault(text, "must be kind@verb or kind@verb:rate, such as refuse@rcpt:0.3")
    try:
        kind = FaultKind(match["kind"])
    except ValueError:
        raise _bad_fault(text, f"the kind must be one of {', '.join(FaultKind)}") from None
    try:
        verb = Verb(match["verb"])
    except ValueError:
        raise _bad_fault(text, f"the verb must be one of {', '.join(Verb)}") from None
    rate = float(match["rate"] or ALWAYS)
    if not 0 < rate <= ALWAYS:
        raise _bad_fault(text, "the rate must be above 0 and at most 1")
    return Fault(kind=kind, verb=verb, rate=rate)


def _bad_fault(text: str, message: str) -> BadInput:
    return BadInput(problems=[Problem(path=f"--fault {text[:60]!r}", message=message)])


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedMail:
    """One mail that the sink took."""

    id: str  # also the file's name, without .eml
    received_at: datetime
    peer: str
    mail_from: str  # empty for the null sender
    rcpt_tos: tuple[str, ...]
    content: bytes  # as it came, CRLF line ends
    file: Path | None  # None when the sink keeps no files


class Folder:
    """The received mails as files, the oldest of them removed as new ones come."""

    def __init__(self, path: Path, *, keep: int = DEFAULT_KEEP) -> None:
        if keep < 1:
            raise BadInput(problems=[Problem(path="--keep", message="must be at least 1")])
        self._path = path
        self._keep = keep
        try:
            path.mkdir(parents=True, exist_ok=True)
            for draft in path.iterdir():
                if _DRAFT_NAME.fullmatch(draft.name):  # of a sink that died while it wrote
                    draft.unlink()
            self._names = deque(
                sorted(each.name for each in path.iterdir() if _FILE_NAME.fullmatch(each.name))
            )
        except OSError as error:
            message = f"the folder cannot be used: {error.strerror}"
            raise BadInput(problems=[Problem(file=str(path), message=message)]) from error
        self._drop_oldest()

    def write(self, mail_id: str, content: bytes) -> Path:
        """Write one mail, whole or not at all; raises OSError. Blocks until it is on disk."""
        final = self._path / f"{mail_id}.eml"
        draft = self._path / f".{mail_id}.part"  # not *.eml: a reader of the folder never sees half a mail
        try:
            with draft.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(final)
            _sync_folder(self._path)
        except OSError:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
            raise
        self._names.append(final.name)
        self._drop_oldest()
        return final

    def _drop_oldest(self) -> None:
        while len(self._names) > self._keep:
            with contextlib.suppress(OSError):  # somebody moved it away already, which is what we want
                (self._path / self._names[0]).unlink()
            self._names.popleft()


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)  # a rename is on disk only when its folder is
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Sink:
    """The door of the sink: takes every mail for every address, except where a fault strikes."""

    def __init__(
        self,
        *,
        clock: Clock,
        folder: Folder | None = None,
        faults: Sequence[Fault] = (),
        on_mail: Callable[[ReceivedMail], None] = lambda _mail: None,
    ) -> None:
        self._clock = clock
        self._folder = folder
        self._faults = tuple(faults)
        self._on_mail = on_mail
        self._writing = asyncio.Lock()  # one file at a time, so that the oldest are removed in order

    async def connect(self, peer: str) -> Answer:  # noqa: ARG002  (the door's contract; the sink welcomes everyone)
        """Welcome the peer unless a fault strikes."""
        return await self._strike(Verb.CONNECT)

    def disconnected(self, session: Session) -> None:
        """Nothing to do: the sink counts nobody."""

    def patience(self, session: Session) -> float:  # noqa: ARG002  (the door's contract)
        """Treat all alike."""
        return float("inf")

    async def authenticate(self, session: Session, name: str, secret: str) -> SignedIn:  # noqa: ARG002  (the door's contract)
        """Believe everyone: the sink has no certificate, so that nobody is asked."""
        return SignedIn(mark=b"")

    async def mail(self, session: Session, address: str, size: int | None) -> Answer:  # noqa: ARG002  (the door's contract)
        """Take any sender unless a fault strikes."""
        return await self._strike(Verb.MAIL)

    async def rcpt(
        self,
        session: Session,  # noqa: ARG002  (the door's contract)
        mail_from: str,  # noqa: ARG002  (the door's contract)
        rcpt_tos: Sequence[str],  # noqa: ARG002  (the door's contract)
        address: str,  # noqa: ARG002  (the door's contract)
    ) -> Answer:
        """Take any recipient unless a fault strikes."""
        return await self._strike(Verb.RCPT)

    async def data(self, session: Session) -> Answer:  # noqa: ARG002  (the door's contract)
        """Ask for the content unless a fault strikes."""
        return await self._strike(Verb.DATA)

    async def message(
        self, session: Session, mail_from: str, rcpt_tos: Sequence[str], content: bytes
    ) -> Reply | Drop:
        """Keep the mail and say so, unless a fault strikes."""
        struck = await self._strike(Verb.MESSAGE)
        if struck is not None:
            return struck
        async with self._writing:
            mail_id, received_at = self._clock.new_id(), self._clock.now()
            file = None
            if self._folder is not None:
                try:
                    file = await asyncio.to_thread(self._folder.write, mail_id, content)
                except OSError as error:
                    return Reply(code=452, text=f"4.3.1 the mail cannot be written: {error.strerror}")
        self._on_mail(
            ReceivedMail(
                id=mail_id,
                received_at=received_at,
                peer=session.peer,
                mail_from=mail_from,
                rcpt_tos=tuple(rcpt_tos),
                content=content,
                file=file,
            )
        )
        return Reply(code=250, text=f"2.0.0 kept as {mail_id}")

    async def _strike(self, verb: Verb) -> Answer:
        for fault in self._faults:
            if fault.verb is verb and self._clock.random() < fault.rate:
                return await self._fail(fault)
        return None

    async def _fail(self, fault: Fault) -> Reply | Drop:
        match fault.kind:
            case FaultKind.REFUSE:
                return _REFUSED[fault.verb]
            case FaultKind.DEFER:
                return _DEFERRED[fault.verb]
            case FaultKind.HANG:
                await self._clock.sleep(HANG_SECONDS)
                return DROP
            case FaultKind.DROP:
                return DROP
            case never:
                assert_never(never)
