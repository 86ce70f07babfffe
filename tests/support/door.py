"""A door that remembers the mails it took and fails on request, for tests of the SMTP server."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from relay.intake.door import DROP, Answer, Drop, Reply, Session

TAKEN = Reply(code=250, text="2.0.0 taken")
DENIED = Reply(code=550, text="5.7.1 relaying denied")


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
    mails: list[TakenMail] = field(default_factory=list)

    async def connect(self, peer: str) -> Answer:
        """Give the greeting that the test has set."""
        assert peer == "127.0.0.1"
        return self.greeting

    async def mail(self, session: Session, address: str, size: int | None) -> Answer:
        """Any sender will do."""

    async def rcpt(self, session: Session, address: str) -> Answer:
        """Take one domain."""
        return None if address.endswith("@intake.example.jp") else DENIED

    async def data(self, session: Session) -> Answer:
        """Let the content come."""

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
        self.mails.append(TakenMail(mail_from=mail_from, rcpt_tos=tuple(rcpt_tos), content=content))
        return TAKEN
