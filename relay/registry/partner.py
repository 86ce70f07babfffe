"""A partner: the system that reads our mails, as its group's `partner.yaml` describes it.

What nobody publishes is written down as unknown, not guessed: `capabilities: null`. Each hazard, value rule
and note names how it is known. Diagnostics: `BadInput` with every problem in the file. Source: the
marketplace's manual; docs/partners.md.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from grammar import Catalogue
from relay.charset import Profile, charset_of
from relay.document import parse_yaml, validated
from relay.errors import BadInput
from relay.registry.rule import MAX_RULES, RuleEntry, ValueRule, value_rules
from relay.source import read_source

Capability = Literal["orders", "stock", "items"]  # 受注, 在庫, 商品
UnwritablePolicy = Literal["quarantine", "replace"]
Title = Annotated[
    str, StringConstraints(strict=True, min_length=1, max_length=100, pattern=r"^[^\p{C}\p{Zl}\p{Zp}]+$")
]
PARTNER_FILE = "partner.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hazard:
    """One thing to know of this partner: how it is known to misread a mail, or what its address does."""

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
    charset: Profile
    hazards: tuple[Hazard, ...]
    unwritable: UnwritablePolicy = "quarantine"  # what becomes of a mail whose values the charset lacks
    value_rules: tuple[ValueRule, ...] = ()  # in the order in which they are applied
    intake: tuple[Hazard, ...] = ()  # what is known of its intake address


def _entries(value: object) -> object:
    return () if value is None else tuple(value) if isinstance(value, list) else value


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _HazardEntry(_Strict):
    text: Annotated[str, StringConstraints(strict=True, min_length=1, max_length=1000)]
    source: Literal["manual", "public", "measured"]

    def hazard(self) -> Hazard:
        return Hazard(text=self.text, source=self.source)


class _PartnerFile(_Strict):
    name: Title
    name_ja: Title
    name_en: Title
    capabilities: Annotated[
        tuple[Capability, ...] | None, BeforeValidator(lambda value: value and _entries(value))
    ]
    charset: Profile
    unwritable: UnwritablePolicy = "quarantine"
    value_rules: Annotated[tuple[RuleEntry, ...], BeforeValidator(_entries), Field(max_length=MAX_RULES)] = ()
    hazards: Annotated[tuple[_HazardEntry, ...], BeforeValidator(_entries)] = ()
    intake: Annotated[tuple[_HazardEntry, ...], BeforeValidator(_entries)] = ()


def load_partner(folder: Path, catalogue: Catalogue) -> Partner:
    """The partner whose group is this folder; its rules name the catalogue's fields. Raises BadInput."""
    path = folder / PARTNER_FILE
    content = read_source(path)
    file = validated(_PartnerFile, parse_yaml(content, file=str(path)), file=str(path), source=content)
    charset = charset_of(file.charset)
    rules, problems = value_rules(file.value_rules, catalogue, charset, file=str(path), content=content)
    if problems:
        raise BadInput(tuple(problems))
    return Partner(
        key=folder.name,
        name=file.name,
        name_ja=file.name_ja,
        name_en=file.name_en,
        capabilities=None if file.capabilities is None else frozenset(file.capabilities),
        charset=file.charset,
        hazards=tuple(each.hazard() for each in file.hazards),
        unwritable=file.unwritable,
        value_rules=rules,
        intake=tuple(each.hazard() for each in file.intake),
    )
