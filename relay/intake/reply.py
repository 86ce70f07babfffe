"""Every reply that the server gives of its own accord; the others are the door's.

Source: RFC 5321 4.2 (codes), RFC 3463 and 5248 (the enhanced status codes in front of the texts).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from relay.intake.door import Reply

BYE: Final = Reply(code=221, text="2.0.0 bye")
OK: Final = Reply(code=250, text="2.0.0 OK")
SENDER_OK: Final = Reply(code=250, text="2.1.0 sender OK")
RECIPIENT_OK: Final = Reply(code=250, text="2.1.5 recipient OK")
NOT_VERIFIED: Final = Reply(code=252, text="2.1.5 not verified; send mail to try")
GO_AHEAD: Final = Reply(code=354, text="end with <CR><LF>.<CR><LF>")
STOPPING: Final = Reply(code=421, text="4.3.2 shutting down")
TOO_MANY_CONNECTIONS: Final = Reply(code=421, text="4.3.2 too many connections, try again later")
TOO_SLOW: Final = Reply(code=421, text="4.4.2 waited too long")
TOO_MANY_ERRORS: Final = Reply(code=421, text="4.7.0 too many errors")
TOO_MANY_COMMANDS: Final = Reply(code=421, text="4.7.0 too many commands without a mail")
OUR_FAULT: Final = Reply(code=451, text="4.3.0 local error, try again later")
TOO_MANY_RECIPIENTS: Final = Reply(code=452, text="4.5.3 too many recipients")
OUT_OF_MEMORY: Final = Reply(code=452, text="4.3.1 too much mail at once, try again later")
UNKNOWN_COMMAND: Final = Reply(code=500, text="5.5.2 command not recognised")
COMMAND_TOO_LONG: Final = Reply(code=500, text="5.5.2 command line too long")
COMMAND_LINE_END: Final = Reply(code=500, text="5.5.2 a command line must end in CR LF")
COMMAND_OCTETS: Final = Reply(code=500, text="5.5.2 a command line must be printable ASCII")
NO_ARGUMENT: Final = Reply(code=501, text="5.5.4 this command takes no argument")
NEEDS_NAME: Final = Reply(code=501, text="5.5.4 say who you are")
BAD_ADDRESS: Final = Reply(code=501, text="5.1.7 malformed address")
LONG_ADDRESS: Final = Reply(code=501, text="5.1.7 address too long")
BAD_PARAMETERS: Final = Reply(code=501, text="5.5.4 malformed parameters")
NOT_OFFERED: Final = Reply(code=502, text="5.5.1 not offered")
HELLO_FIRST: Final = Reply(code=503, text="5.5.1 send EHLO first")
NESTED_MAIL: Final = Reply(code=503, text="5.5.1 sender given already")
MAIL_FIRST: Final = Reply(code=503, text="5.5.1 send MAIL first")
RCPT_FIRST: Final = Reply(code=503, text="5.5.1 send RCPT first")
BARE_LINE_END: Final = Reply(
    code=550, text="5.6.0 bare CR or LF in the content: every line must end in CR LF"
)
NUL_IN_CONTENT: Final = Reply(code=550, text="5.6.0 NUL in the content")
LONG_LINE: Final = Reply(code=550, text="5.6.0 line longer than 998 octets in the content: encode it")
NO_VALID_RECIPIENTS: Final = Reply(code=554, text="5.5.1 no valid recipients")
UNKNOWN_PARAMETER: Final = Reply(code=555, text="5.5.4 parameter not recognised")

FIXED: Final[Mapping[str, Reply]] = MappingProxyType(
    {
        "RSET": OK,
        "NOOP": OK,
        "VRFY": NOT_VERIFIED,
        "EXPN": NOT_OFFERED,
        "HELP": NOT_OFFERED,
        "STARTTLS": NOT_OFFERED,
        "AUTH": NOT_OFFERED,
        "BDAT": NOT_OFFERED,
    }
)  # what is answered in the same way whatever has gone before


def message_too_big(limit: int) -> Reply:
    """The reply to more content than `limit` octets."""
    return Reply(code=552, text=f"5.3.4 message larger than {limit} octets")
