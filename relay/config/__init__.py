"""The configuration file, `denrei.yaml`: what the operator decides, checked before anything starts.

Guarantees: a `Config` is complete and immutable, its paths are absolute, and no key of the file was
ignored. Every limit has a bound of its own, so that a slip of the pen cannot switch it off; the reason for
each default stands in its description (docs/configuration.md is checked against them).

Diagnostics: `BadInput` with every problem in the file, each with its line and path. Source: ours; timeouts
are those of RFC 5321 section 4.5.3.2 where it names one.
"""

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, model_validator

from relay.config.delivery import MIN_LEASE, DeliveryConfig, HopConfig, Timeouts, TlsPolicy
from relay.config.intake import IntakeConfig, TlsFiles
from relay.config.notice import DkimKey, MonitorConfig, NoticeConfig
from relay.config.setting import FilePath, Named, Section, Settings
from relay.quantity import Domain, domain
from relay.source import load_source

__all__ = [
    "MIN_LEASE",
    "Config",
    "DeliveryConfig",
    "DkimKey",
    "HopConfig",
    "IntakeConfig",
    "MonitorConfig",
    "NoticeConfig",
    "StoreConfig",
    "Timeouts",
    "TlsFiles",
    "TlsPolicy",
    "load",
]


class StoreConfig(Settings):
    """Where what happens is kept."""

    path: FilePath = Field(
        default=Path("denrei.db"),
        description=(
            "The database file, made when it is not there. Put it on a disk that outlives the machine."
        ),
    )


class Config(Settings):
    """All that the operator decides."""

    hostname: Domain = Field(
        description="The relay's own full name: said in EHLO and the greeting, and part of each Message-ID."
    )
    intake: IntakeConfig = Field(description="How mail comes in.")
    store: Annotated[StoreConfig, Section] = Field(
        default=StoreConfig(), description="Where what happens is kept."
    )
    delivery: Annotated[DeliveryConfig, Section] = Field(
        default=DeliveryConfig(), description="How mail goes out."
    )
    notices: Annotated[NoticeConfig, Section] = Field(
        default=NoticeConfig(), description="Who is told when a mail is late or lost."
    )
    dkim: Annotated[dict[Domain, DkimKey], Named] = Field(
        default={}, description="By sender domain, the key that its mails are signed with (RFC 6376)."
    )
    monitor: Annotated[MonitorConfig, Section] = Field(
        default=MonitorConfig(), description="Where the relay can be watched."
    )
    registrations: FilePath = Field(
        default=Path("registrations"), description="The folder of registrations, one file per seller."
    )
    templates: FilePath | None = Field(
        default=None, description="A folder with template groups of your own, laid out like the shipped ones."
    )

    @model_validator(mode="before")
    @classmethod
    def _bounces_come_home(cls, tree: Any) -> Any:
        """Late bounces come to this host unless the file says otherwise."""
        if not isinstance(tree, dict):
            return tree
        delivery = tree.get("delivery") or {}
        if not isinstance(delivery, dict) or delivery.get("bounce_address") is not None:
            return tree
        try:
            own = domain(str(tree.get("hostname")))
        except ValueError:
            return tree  # the bad hostname is told of by its own field
        return tree | {"delivery": delivery | {"bounce_address": f"bounce@{own}"}}

    @model_validator(mode="after")
    def _notices_leave_the_house(self) -> Self:
        """A notice that came back as a notification, or as a bounce of itself, would go in a circle."""
        own = {address.lower() for address in (*self.intake.addresses, self.delivery.bounce_address)}
        local_part, _, host = self.delivery.bounce_address.lower().rpartition("@")
        for address in self.notices.operators:
            name, _, place = address.lower().rpartition("@")
            if address.lower() in own or (place == host and name.startswith(f"{local_part}+")):
                raise ValueError(f"notices.operators has {address}, which is an address of the relay itself")
        return self


def load(path: Path) -> Config:
    """Read the configuration file; relative paths in it are meant from its folder.

    Raises:
        BadInput: with every problem in it.
    """
    config = load_source(path, Config)
    rebased = _rebased(config, path.absolute().parent)
    assert isinstance(rebased, Config)
    return rebased


def _rebased(value: Any, folder: Path) -> Any:
    """The same settings with every path meant from this folder."""
    match value:
        case Path():
            return folder / value
        case BaseModel():
            fields = {name: getattr(value, name) for name in type(value).model_fields}
            return value.model_copy(update={name: _rebased(each, folder) for name, each in fields.items()})
        case dict():
            return {name: _rebased(each, folder) for name, each in value.items()}
        case _:
            return value
