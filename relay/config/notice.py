"""Who is told of what, how mails are signed, where the relay is watched. Source: ours; RFC 6376."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from relay.config.setting import FilePath, Settings
from relay.quantity import Duration, HostPortText, MailAddress


class NoticeConfig(Settings):
    """Who is told when a mail is late or lost."""

    operators: tuple[MailAddress, ...] = Field(
        default=(),
        max_length=20,
        description="Who is told of every delay and failure. Sellers: at the contact in their file.",
    )
    language: Literal["ja", "en"] = Field(default="ja", description="The operators' language.")
    sender: MailAddress | None = Field(
        default=None, description="The From of notices; null: postmaster@<hostname>."
    )
    delay_after: Duration = Field(
        default=timedelta(hours=4),
        description="A mail that is not delivered by then is told of, once.",
    )
    no_success_after: Duration = Field(
        default=timedelta(days=1),
        description="A registration of which nothing got through for so long is told of.",
    )
    gather: Duration = Field(
        default=timedelta(minutes=15),
        description="One notice of a kind for a seller in this time: a dead partner is not a thousand.",
    )


class DkimKey(Settings):
    """The key by which mails of one sender domain are signed."""

    selector: Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?$")] = Field(
        description="Under which its public half stands in the DNS: <selector>._domainkey.<domain>."
    )
    key_file: FilePath = Field(
        description="Its private half, PEM: RSA, best of 2048 bits, or Ed25519; for the relay's eyes only."
    )


class MonitorConfig(Settings):
    """Where the relay can be watched."""

    listen: HostPortText | None = Field(
        default=None,
        description="Where /metrics, /health and /ready are served, such as 127.0.0.1:9425; null: nowhere.",
    )
