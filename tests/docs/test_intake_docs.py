"""docs/intake.md says what the SMTP server does: its replies, its settings, its limits."""

import re
from pathlib import Path

from relay.config.intake import IntakeConfig
from relay.intake.session import conversation, reply, sasl, stream, wire
from relay.intake.session import listener as smtp
from relay.intake.session.door import Reply

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "intake.md").read_text(encoding="utf-8")


def test_every_reply_of_the_server_is_listed_and_no_other():
    """The table at the end has each constant of `reply`, word for word, once."""
    table = PAGE.partition("## What the server answers of its own accord")[2]
    listed = re.findall(r"^\| `(\d{3} [^`]+)` \|", table, re.MULTILINE)
    ours = [f"{each.code} {each.text}" for each in vars(reply).values() if isinstance(each, Reply)]
    assert sorted(listed) == sorted(ours)


def test_every_setting_of_intake_is_told_of():
    """What can be set about intake is named on the page that explains it."""
    settings = set(IntakeConfig.model_fields) - {"listen"}
    assert {name for name in settings if f"`{name}" not in PAGE} == set()


def test_what_is_announced_is_explained():
    """Each extension that EHLO can name has a row."""
    said = reply.ehlo("relay.example.jp", max_message=9, may_secure=True, mechanisms=sasl.MECHANISMS)
    keywords = {row[4:].split()[0].decode() for row in said.rstrip().split(b"\r\n")[1:]}
    rows = PAGE.partition("## What is announced")[2].partition("\n## ")[0]
    assert {word for word in keywords if f"| `{word}" not in rows} == set()


def test_the_limits_have_the_figures_of_the_code():
    """Each constant stands in the table as it stands in the code."""
    rows = dict(re.findall(r"^\| ([^|]+) \| `[^|]+ \| ([^|]+) \|$", PAGE, re.MULTILINE))
    assert rows["command line; line of AUTH"] == f"{wire.MAX_COMMAND:,} octets; {wire.MAX_LOGIN:,}"
    assert rows["address; its local part"] == f"{wire.MAX_ADDRESS} octets; {wire.MAX_LOCAL_PART}"
    assert rows["refused commands since the last mail"] == str(conversation.MAX_ERRORS)
    assert rows["commands since the last mail"] == f"{conversation.MAX_FRUITLESS} and `max_recipients`"
    assert rows["failed logins of one connection"] == str(conversation.MAX_LOGINS)
    assert (
        rows["content held by all connections together"] == f"{smtp.MESSAGES_IN_MEMORY} times `max_message`"
    )
    assert conversation.CONTENT_TIMEOUTS == 6
    assert f"The handshake has {stream.HANDSHAKE_SECONDS:.0f} seconds" in PAGE
