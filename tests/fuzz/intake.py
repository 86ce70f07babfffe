"""Fuzz target: a mail as it comes, to the notification that it is.

Invariant: any octets are refused by a `BadInput` with a reason that can be printed, or they are a
notification that is the same after it was written down and read again. What is taken in to be sent on is what
was read; and the marks of a circle are looked for in anything.
"""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache

from relay.compose import Composer
from relay.document import parse_json, validated
from relay.errors import BadInput
from relay.intake import Decoder
from relay.intake.circle import header_section, hops, return_paths
from relay.notification import Notification
from relay.registry import Registry, load_templates
from tests.fuzz.target import CATALOGUE, ROOT
from tests.support.clock import ManualClock
from tests.support.shipped import plain_registration

NOW = datetime(2026, 11, 21, 1, 15, tzinfo=UTC)


def run(content: bytes) -> None:
    """Try one mail."""
    header = header_section(content)
    assert hops(header) <= header.count("received:")
    assert all(address in header for address in return_paths(header))
    try:
        decoded = decoder().decode(content, NOW)
    except BadInput as error:
        assert error.problems
        str(error).encode("utf-8", "surrogatepass")
        return
    with suppress(BadInput):  # a text of a seller whom nobody knows
        assert decoder().take_in(content, NOW) == decoded
    written = decoded.notification.written().document
    assert validated(Notification, parse_json(written.encode())) == decoded.notification


@cache  # made of the shipped templates alone: always the same, and dear to make
def decoder() -> Decoder:
    """A decoder that knows every shipped template, and no registration."""
    templates = load_templates(ROOT / "partner_templates", CATALOGUE)
    registry = Registry(templates=templates, sheets={})
    return Decoder(lambda: registry, CATALOGUE, hostname="relay.example.jp")


def seeds() -> Iterator[bytes]:
    """The full example of every template, as a document and as the mail that it makes; damaged headers."""
    templates = load_templates(ROOT / "partner_templates", CATALOGUE)
    composer = Composer(hostname="relay.example.jp", clock=ManualClock(), catalogue=CATALOGUE)
    for template in templates:
        group, _, kind = template.key.partition("/")
        for example in sorted((ROOT / "partner_templates" / group / "examples").glob(f"{kind}-full*.json")):
            content = example.read_bytes()
            yield b"Content-Type: application/json\r\n\r\n" + content
            notification = validated(Notification, parse_json(content))
            registration = plain_registration(template, seller_id=notification.seller_id)
            composition = composer.compose(notification, [registration])
            yield from (composed.mail.content for composed in composition.mails)
    yield from damaged()


def damaged() -> Iterator[bytes]:
    """Headers over which the library stumbles, and that would cost it much."""
    for header in (
        b"Content-Type: text/plain; charset*=a; charset*0*=b",
        b"Content-Type: image/png; name*=idna''%ff; name*0=b.json",
        b"Content-Type: multipart/mixed; boundary*=a; boundary*0=b",
        b'Content-Type: text/plain; a="' + b";\r\n " * 99,
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Disposition: inline; filename*1=x",
    ):
        yield b"Subject: x\r\n" + header + b"\r\n\r\n{}\r\n"
