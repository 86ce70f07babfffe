"""Every reply that the server gives of its own accord; the others are the door's.

Source: RFC 5321 4.2, 3207 and 4954 (codes), RFC 3463 and 5248 (the enhanced status codes in front of the
texts; none behind a 3xx, in the greeting and in the reply to EHLO, RFC 2034 3).
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from relay.intake.session.door import Reply, Settings
from relay.metrics import Limit

START_TLS: Final = Reply(code=220, text="2.0.0 go ahead with TLS")
BYE: Final = Reply(code=221, text="2.0.0 bye")
OK: Final = Reply(code=250, text="2.0.0 OK")
SENDER_OK: Final = Reply(code=250, text="2.1.0 sender OK")
RECIPIENT_OK: Final = Reply(code=250, text="2.1.5 recipient OK")
SIGNED_IN: Final = Reply(code=235, text="2.7.0 signed in")
NOT_VERIFIED: Final = Reply(code=252, text="2.1.5 not verified; send mail to try")
GO_AHEAD: Final = Reply(code=354, text="end with <CR><LF>.<CR><LF>")
SESSION_FAILED: Final = Reply(code=421, text="4.3.0 local error, try again later")
STOPPING: Final = Reply(code=421, text="4.3.2 shutting down")
TOO_MANY_CONNECTIONS: Final = Reply(code=421, text="4.3.2 too many connections, try again later")
TOO_SLOW: Final = Reply(code=421, text="4.4.2 waited too long")
TOO_MANY_ERRORS: Final = Reply(code=421, text="4.7.0 too many errors")
TOO_MANY_LOGINS: Final = Reply(code=421, text="4.7.0 too many failed logins")
TOO_MANY_COMMANDS: Final = Reply(code=421, text="4.7.0 too many commands without a mail")
OUR_FAULT: Final = Reply(code=451, text="4.3.0 local error, try again later")
TOO_MANY_RECIPIENTS: Final = Reply(code=452, text="4.5.3 too many recipients")
OUT_OF_MEMORY: Final = Reply(code=452, text="4.3.1 too much mail at once, try again later")
UNKNOWN_COMMAND: Final = Reply(code=500, text="5.5.2 command not recognised")
COMMAND_TOO_LONG: Final = Reply(code=500, text="5.5.2 command line too long")
COMMAND_LINE_END: Final = Reply(code=500, text="5.5.2 a command line must end in CR LF")
COMMAND_OCTETS: Final = Reply(code=500, text="5.5.2 a command line must be printable")
LOGIN_TOO_LONG: Final = Reply(code=500, text="5.5.6 authentication line too long")
NO_ARGUMENT: Final = Reply(code=501, text="5.5.4 this command takes no argument")
NEEDS_NAME: Final = Reply(code=501, text="5.5.4 say who you are")
BAD_ADDRESS: Final = Reply(code=501, text="5.1.7 malformed address")
LONG_ADDRESS: Final = Reply(code=501, text="5.1.7 address too long")
BAD_PARAMETERS: Final = Reply(code=501, text="5.5.4 malformed parameters")
NO_MECHANISM: Final = Reply(code=501, text="5.5.4 say AUTH PLAIN or AUTH LOGIN")
NOT_BASE64: Final = Reply(code=501, text="5.5.2 not base64")
BAD_LOGIN: Final = Reply(code=501, text="5.5.2 malformed name and password")
LOGIN_CANCELLED: Final = Reply(code=501, text="5.7.0 authentication cancelled")
NOT_OFFERED: Final = Reply(code=502, text="5.5.1 not offered")
HELLO_FIRST: Final = Reply(code=503, text="5.5.1 send EHLO first")
NESTED_MAIL: Final = Reply(code=503, text="5.5.1 sender given already")
MAIL_FIRST: Final = Reply(code=503, text="5.5.1 send MAIL first")
RCPT_FIRST: Final = Reply(code=503, text="5.5.1 send RCPT first")
SECURE_ALREADY: Final = Reply(code=503, text="5.5.1 encrypted already")
SIGNED_IN_ALREADY: Final = Reply(code=503, text="5.5.1 signed in already")
NOT_IN_A_MAIL: Final = Reply(code=503, text="5.5.1 not in the middle of a mail")
OUT_OF_TURN: Final = Reply(code=503, text="5.5.0 spoke out of turn: wait for the answer")
UNKNOWN_MECHANISM: Final = Reply(code=504, text="5.5.4 mechanism not offered: PLAIN and LOGIN are")
NOT_FOR_ANOTHER: Final = Reply(code=535, text="5.7.8 nobody signs in for somebody else")
NEEDS_TLS: Final = Reply(code=538, text="5.7.11 only over an encrypted connection")
BARE_LINE_END: Final = Reply(
    code=550, text="5.6.0 bare CR or LF in the content: every line must end in CR LF"
)
NUL_IN_CONTENT: Final = Reply(code=550, text="5.6.0 NUL in the content")
NEEDS_SMTPUTF8: Final = Reply(code=553, text="5.6.7 an address beyond ASCII needs SMTPUTF8")
SPOKE_FIRST: Final = Reply(code=554, text="5.5.0 spoke before the greeting")
NO_VALID_RECIPIENTS: Final = Reply(code=554, text="5.5.1 no valid recipients")
UNKNOWN_PARAMETER: Final = Reply(code=555, text="5.5.4 parameter not recognised")

FIXED: Final[Mapping[str, Reply]] = MappingProxyType(
    {
        "NOOP": OK,
        "VRFY": NOT_VERIFIED,
        "EXPN": NOT_OFFERED,
        "HELP": NOT_OFFERED,
        "BDAT": NOT_OFFERED,
    }
)  # what is answered in the same way whatever has gone before


def ehlo(hostname: str, *, max_message: int, may_secure: bool, mechanisms: Sequence[str]) -> bytes:
    """The reply to EHLO: what the server can do, a row for each extension.

    Args:
        hostname: what the server calls itself.
        max_message: octets of the largest mail.
        may_secure: whether STARTTLS is offered.
        mechanisms: of AUTH; empty when it is not offered.
    """
    rows = [hostname, "PIPELINING", f"SIZE {max_message}", "8BITMIME", "SMTPUTF8"]
    rows += ["STARTTLS"] if may_secure else []
    rows += [f"AUTH {' '.join(mechanisms)}"] if mechanisms else []
    said = "".join(f"250-{row}\r\n" for row in rows) + "250 ENHANCEDSTATUSCODES\r\n"
    return said.encode("ascii")


def limits(settings: Settings) -> Mapping[Reply, Limit]:
    """Which limit each refusal is of, of those that say no to a limit."""
    return MappingProxyType(
        {
            TOO_MANY_RECIPIENTS: Limit.RECIPIENTS,
            OUT_OF_MEMORY: Limit.MEMORY,
            TOO_MANY_ERRORS: Limit.ERRORS,
            TOO_MANY_COMMANDS: Limit.ERRORS,
            TOO_MANY_LOGINS: Limit.ERRORS,
            BARE_LINE_END: Limit.LINE_END,
            OUT_OF_TURN: Limit.PIPELINING,
            SPOKE_FIRST: Limit.PIPELINING,
            line_too_long(settings.max_line): Limit.LINE,
            header_too_big(settings.max_header): Limit.HEADER,
            message_too_big(settings.max_message): Limit.MESSAGE,
        }
    )


def line_too_long(limit: int) -> Reply:
    """The reply to content with a line of more than `limit` octets."""
    return Reply(code=550, text=f"5.6.0 line longer than {limit} octets in the content: encode it")


def header_too_big(limit: int) -> Reply:
    """The reply to a header section of more than `limit` octets."""
    return Reply(code=552, text=f"5.3.4 header larger than {limit} octets")


def message_too_big(limit: int) -> Reply:
    """The reply to more content than `limit` octets."""
    return Reply(code=552, text=f"5.3.4 message larger than {limit} octets")
