"""A door that remembers the mails it took and fails on request, for tests of the SMTP server."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from relay.intake.session.door import DROP, Answer, Drop, Reply, Session, SignedIn

TAKEN = Reply(code=250, text="2.0.0 taken")
DENIED = Reply(code=550, text="5.7.1 relaying denied")
KNOWN_USER = ("店", "合言葉 1")
NOT_THIS_USER = Reply(code=535, text="5.7.8 wrong name or password")
LATER = Reply(code=454, text="4.7.0 try again later")


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenMail:
    """One mail that came through the door."""

    mail_from: str
    rcpt_tos: tuple[str, ...]
    content: bytes


@dataclass(slots=True)
class RecordingDoor:
    """Takes mail for intake.example.jp; its content may be `fail`, `drop` or `later`."""

    greeting: Answer = None
    seconds: float = float("inf")  # that it has for a client without a mail
    mails: list[TakenMail] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)  # as each mail was sent
    welcomed: int = 0  # clients that were let in
    gone: list[Session] = field(default_factory=list)  # and that have gone again
    hesitation: int = 0  # turns of the event loop that it thinks before it greets and before it takes content

    async def connect(self, peer: str) -> Answer:
        """Give the greeting that the test has set."""
        assert peer == "127.0.0.1"
        await self._hesitate()
        self.welcomed += self.greeting is None
        return self.greeting

    async def _hesitate(self) -> None:
        for _ in range(self.hesitation):
            await asyncio.sleep(0)

    def disconnected(self, session: Session) -> None:
        """Remember who has gone."""
        self.gone.append(session)

    def patience(self, session: Session) -> float:
        """Have the patience that the test has set with who has not signed in."""
        return float("inf") if session.user else self.seconds

    async def authenticate(self, session: Session, name: str, secret: str) -> Reply | Drop | SignedIn:
        """Know one user, and stumble over another."""
        assert session.tls
        assert not session.user
        if name == "fail":
            raise RuntimeError("as the test asked")
        if name == "later":
            return LATER
        return SignedIn(mark=b"mark") if (name, secret) == KNOWN_USER else NOT_THIS_USER

    async def mail(self, session: Session, address: str, size: int | None) -> Answer:
        """Any sender will do."""

    async def rcpt(self, session: Session, mail_from: str, rcpt_tos: Sequence[str], address: str) -> Answer:
        """Take one domain, and the postmaster."""
        is_ours = address.endswith("@intake.example.jp") or address.lower() == "postmaster"
        return None if is_ours else DENIED

    async def data(self, session: Session) -> Answer:
        """Let the content come."""
        await self._hesitate()
        return None

    async def message(
        self, session: Session, mail_from: str, rcpt_tos: Sequence[str], content: bytes
    ) -> Reply | Drop:
        """Remember the mail, or fail as its content says."""
        if content == b"fail\r\n":
            raise RuntimeError("as the test asked")
        if content == b"drop\r\n":
            return DROP
        if content == b"later\r\n":
            return Reply(code=421, text="4.3.2 come again later")
        self.sessions.append(session)
        self.mails.append(TakenMail(mail_from=mail_from, rcpt_tos=tuple(rcpt_tos), content=content))
        return TAKEN
