"""Mails as programs of others read them: `mailparser` and the platform's decoder in Node, and Python's email.

One Node process reads all mails (`reader.mjs`). Without Node, or without its packages, these tests are
skipped, but under CI=true they fail: there it must be known that others can read a mail.
"""

import json
import os
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.utils import parseaddr
from pathlib import Path

import pytest

from relay.charset import ISO_2022_JP, ISO_2022_JP_MS, UTF_8, Charset
from relay.compose.header import Mailbox, plain_line, recipients_line, sender_line, text_line
from relay.compose.mime import mail_bytes
from tests.support.japanese import TEXTS, WINDOWS_TO_JIS, read_as_windows, windows_characters

FOLDER = Path(__file__).parent
CHARSETS = (UTF_8, ISO_2022_JP, ISO_2022_JP_MS)
ADDRESS = "shop@example.jp"
SECONDS = 60  # for Node to read all mails; it needs less than one


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A mail, and what its reader must find in it."""

    charset: Charset
    subject: str
    sender: str
    body: str

    def content(self) -> bytes:
        """The mail as it goes to a partner."""
        headers = [
            plain_line("Message-ID", "<1@relay.example.jp>"),
            plain_line("Date", "Sat, 21 Nov 2026 10:00:00 +0900"),
            sender_line(Mailbox(name=self.sender, address=ADDRESS), self.charset),
            recipients_line(["orders@partner.example.jp"]),
            text_line("Subject", self.subject, self.charset),
        ]
        return mail_bytes(headers, self.body, self.charset)

    def said(self) -> dict[str, str]:
        """The four texts, in the code points that all readers' answers are compared in."""
        texts = {"subject": self.subject, "sender": self.sender, "address": ADDRESS, "body": self.body}
        return compared(texts)


def compared(texts: dict[str, str]) -> dict[str, str]:
    """Six characters by JIS's code points, not Microsoft's: which come out is a reader's choice."""
    return {name: text.translate(WINDOWS_TO_JIS) for name, text in texts.items()}


def mails() -> Iterator[Sent]:
    """Every text in every profile as subject, sender and body, alone and beside another; every character."""
    every = "".join(windows_characters())
    rows = "".join(f"{every[start : start + 94]}\n" for start in range(0, len(every), 94))
    for charset in CHARSETS:
        texts = [charset.replaced(text) for text in TEXTS]
        for text, other in zip(texts, [*texts[1:], texts[0]], strict=True):
            body = f"[備考]\n{text}\n\n[商品名] {text} x 1\n"
            yield Sent(charset=charset, subject=text, sender=text.strip(" "), body=body)
            body = f"{other}{text}\n" * 3
            yield Sent(
                charset=charset, subject=f"{text} {other}", sender=f"{other}{text}".strip(" "), body=body
            )
        yield Sent(charset=charset, subject="all", sender="", body=charset.replaced(rows))


SENT = tuple(mails())


@pytest.fixture(scope="module")
def answers() -> list[dict[str, dict[str, str]]]:
    """What Node's readers found in each mail."""
    if not (shutil.which("node") and (FOLDER / "node_modules" / "mailparser").is_dir()):
        told = "Node or its packages are missing: `make test` sets the packages up where node and npm are"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(told)
    lines = [json.dumps({"mail": b64encode(sent.content()).decode("ascii")}) for sent in SENT]
    ended = subprocess.run(
        ["node", str(FOLDER / "reader.mjs")],
        input="\n".join(lines).encode("ascii"),
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    assert (ended.returncode, ended.stderr.decode()) == (0, "")
    return [json.loads(line) for line in ended.stdout.decode("utf-8").split("\n") if line]


def test_there_are_hundreds_of_mails():
    """A quick run still tries every text with every profile, and hardly any two mails are the same."""
    assert len(SENT) == 3 * (2 * len(TEXTS) + 1)
    assert len({sent.content() for sent in SENT}) > 300


@pytest.mark.parametrize("reader", ["mailparser", "platform"])
def test_node_reads_every_mail_as_it_was_meant(answers, reader):
    """Subjects, senders, addresses and bodies come back exactly, from every profile."""
    assert len(answers) == len(SENT)
    read = [compared(each[reader]) if reader in each else each for each in answers]
    assert read == [sent.said() for sent in SENT]


def test_python_reads_every_mail_as_it_was_meant():
    """Python's parser shares no code with the composer; vendor characters are read by code page 932."""
    for sent in SENT:
        message = message_from_bytes(sent.content(), policy=policy.default)
        octets = message.get_payload(decode=True)
        body = read_as_windows(octets) if sent.charset.seven_bit else octets.decode("utf-8")
        assert body.replace("\r\n", "\n").translate(WINDOWS_TO_JIS) == sent.said()["body"]
        assert message["From"].addresses[0].addr_spec == ADDRESS
        if sent.charset is not ISO_2022_JP_MS:  # Python has no codec for its headers
            assert str(message["Subject"]) == sent.subject
            # Its new reader of mailboxes puts a space where two encoded-words meet; the old one does not.
            name, _ = parseaddr(message_from_bytes(sent.content())["From"].replace("\r\n", ""))
            assert str(make_header(decode_header(name))) == sent.sender
