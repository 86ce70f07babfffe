"""A partner: the system that reads our mails, as its group's `partner.yaml` describes it.

What nobody publishes is written down as unknown, not guessed: `capabilities: null`. Each hazard names how
it is known. Diagnostics: `BadInput` with every problem in the file. Source: the marketplace's manual;
docs/partners.md.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints

from relay.source import load_source

Charset = Literal["utf-8", "iso-2022-jp"]
Capability = Literal["orders", "stock", "items"]  # 受注, 在庫, 商品
Title = Annotated[
    str, StringConstraints(strict=True, min_length=1, max_length=100, pattern=r"^[^\p{C}\p{Zl}\p{Zp}]+$")
]
PARTNER_FILE = "partner.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hazard:
    """One way in which this partner is known to misread a mail."""

    text: str
    source: str  # manual: the marketplace's; public: partners' and sellers' own manuals; measured: by us


@dataclass(frozen=True, slots=True, kw_only=True)
class Partner:
    """A partner system 連動会社 and what is known of how it reads."""

    key: str  # its group's folder: cross_mall
    name: str  # its group on the marketplace's screen: CrossMall Template
    name_ja: str
    name_en: str
    capabilities: frozenset[Capability] | None  # None: not published
    charset: Charset
    hazards: tuple[Hazard, ...]


def _entries(value: object) -> object:
    return () if value is None else tuple(value) if isinstance(value, list) else value


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _HazardEntry(_Strict):
    text: Annotated[str, StringConstraints(strict=True, min_length=1, max_length=1000)]
    source: Literal["manual", "public", "measured"]


class _PartnerFile(_Strict):
    name: Title
    name_ja: Title
    name_en: Title
    capabilities: Annotated[
        tuple[Capability, ...] | None, BeforeValidator(lambda value: value and _entries(value))
    ]
    charset: Charset
    hazards: Annotated[tuple[_HazardEntry, ...], BeforeValidator(_entries)] = ()


def load_partner(folder: Path) -> Partner:
    """The partner whose group is this folder; raises BadInput."""
    file = load_source(folder / PARTNER_FILE, _PartnerFile)
    return Partner(
        key=folder.name,
        name=file.name,
        name_ja=file.name_ja,
        name_en=file.name_en,
        capabilities=None if file.capabilities is None else frozenset(file.capabilities),
        charset=file.charset,
        hazards=tuple(Hazard(text=each.text, source=each.source) for each in file.hazards),
    )
