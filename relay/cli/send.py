"""`denrei send`: a notification file by SMTP, as the marketplace would send it.

Uses the standard library's client, not the relay's own, so that it tries the intake as a stranger does. The
file is sent as it is, readable or not: what the relay answers is the point.
"""

import contextlib
import smtplib
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from pathlib import Path
from typing import Annotated

import typer

from relay.cli.letter import one_row, visible
from relay.cli.office import open_office
from relay.cli.option import DEFAULT_CONFIG, AsJson, ConfigPath, address, filled
from relay.cli.screen import screen, show_json
from relay.clock import JST, Clock, SystemClock
from relay.errors import BadInput, Problem
from relay.operations.document import MAIL_SUFFIX

DEFAULT_SENDER = "marketplace@example.jp"
TIMEOUT_SECONDS = 60.0  # a person waits for the answer
_SUBTYPES = {".json": "json", ".yaml": "yaml", ".yml": "yaml"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the server said in the end."""

    code: int
    text: str

    @property
    def accepted(self) -> bool:
        """Whether the mail is the server's now."""
        return 200 <= self.code < 300


def send(
    *,
    file: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Notification documents, .json or .yaml; text mails, .eml."),
    ],
    config: ConfigPath = DEFAULT_CONFIG,
    to: Annotated[
        str,
        typer.Option(
            "--to", callback=filled, help="The intake address. [default: the first of the configuration]"
        ),
    ] = "",
    sender: Annotated[str, typer.Option("--from", help="Envelope sender and From.")] = DEFAULT_SENDER,
    host: Annotated[
        str,
        typer.Option("--host", callback=filled, help="The server. [default: where the intake listens]"),
    ] = "",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65_535, help="Its port. [default: the intake's]")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Send notification files to the intake by SMTP, and show what it answers."""
    if not (to and host and port):
        intake = open_office(config).config.intake
        to, host, port = to or intake.addresses[0], host or intake.listen.host, port or intake.listen.port
    to, sender = address(to, "--to"), address(sender, "--from")
    mails = [notification_mail(path, recipient=to, sender=sender, clock=SystemClock()) for path in file]
    refused = False
    for path, mail in zip(file, mails, strict=True):
        answer = post(mail, host=host, port=port, recipient=to, sender=sender)
        refused |= not answer.accepted
        if as_json:
            row = {"file": str(path), "accepted": answer.accepted, "code": answer.code, "reply": answer.text}
            show_json([row])
        else:
            screen().print(f"{one_row(str(path))}: {answer.code} {visible(answer.text)}", soft_wrap=True)
    if refused:
        raise typer.Exit(1)


def notification_mail(path: Path, *, recipient: str, sender: str, clock: Clock) -> bytes:
    """Return the mail that carries the file, with CRLF line ends; a mail goes as it is.

    Raises BadInput if there is none.
    """
    suffix = path.suffix.lower()
    if suffix not in (*_SUBTYPES, MAIL_SUFFIX):
        raise BadInput(problems=[Problem(file=str(path), message="must end in .json, .yaml, .yml or .eml")])
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInput(
            problems=[Problem(file=str(path), message=f"cannot be read: {error.strerror}")]
        ) from error
    if suffix == MAIL_SUFFIX:
        return content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"] = sender, recipient
    mail["Date"] = format_datetime(clock.now().astimezone(JST))
    mail["Message-ID"] = make_msgid(domain="example.jp")
    name = one_row(path.name)  # a file may be called anything; a header may not say everything
    mail["Subject"] = f"Qoo10 notification {name}"
    mail.set_content("The notification is attached.\n")
    mail.add_attachment(content, maintype="application", subtype=_SUBTYPES[suffix], filename=name)
    return mail.as_bytes()


def post(mail: bytes, *, host: str, port: int, recipient: str, sender: str) -> Answer:
    """Send one mail and return the last reply, whatever it is; raises BadInput when nobody answers there."""
    try:
        with contextlib.closing(smtplib.SMTP(host, port, timeout=TIMEOUT_SECONDS)) as client:
            client.ehlo_or_helo_if_needed()
            code, text = client.mail(sender)
            if code < 300:
                code, text = client.rcpt(recipient)
            if code < 300:
                code, text = client.data(mail)
            with contextlib.suppress(smtplib.SMTPException, OSError):
                client.quit()  # whatever is said to that: the answer stands
    except smtplib.SMTPResponseException as error:
        said = error.smtp_error
        return Answer(code=error.smtp_code, text=said if isinstance(said, str) else _text(said))
    except UnicodeError:  # from the resolver: an empty label, or one that is too long
        raise BadInput([Problem(path=host, message="is no host name")]) from None
    except (smtplib.SMTPException, OSError) as error:
        raise BadInput([Problem(path=f"{host}:{port}", message=f"no answer: {error}")]) from error
    return Answer(code=code, text=_text(text))


def _text(reply: bytes) -> str:
    return reply.decode("utf-8", "replace")
