"""Findings with the file and the row to mend."""

from pathlib import Path

import pytest

from grammar import load_catalogue
from relay.app import SHIPPED_TEMPLATES, Office
from relay.errors import BadInput
from relay.operations import PlacedFinding, file_findings
from tests.support.serving import write_config

CATALOGUE = load_catalogue()
PARTNER = "name: 見本\nname_ja: 見本\nname_en: Sample\ncapabilities: null\ncharset: utf-8\n"
MAIL = """\
---
# a comment
number: 99001
name: 見本
notification: order_info
unit: pack
source: operator
sender: a@example.jp
subject: "<$_PACK_NO_$><$_BUYER_NM_$>"
---
[注文番号] <$_PACK_NO_$>

<$_BUYER_NM_$>様
"""
SHOP = """\
seller: example-shop
registrations:
  - {id: plain, number: 99001, recipients: [a@example.jp]}
  - id: own
    number: 99001
    recipients: [a@example.jp]
    subject: "注文 <$_PACK_NO_$>"
    body: |
      [注文番号] <$_PACK_NO_$>
      <$_BUYER_NM_$><$_BUYER_NM_JA_$>
"""


def written(folder: Path) -> Path:
    """A configuration with a group of its own, and a shop that uses it."""
    config = write_config(folder, routes={}, registrations={"example-shop.yaml": SHOP})
    group = folder / "own" / "mine"
    group.mkdir(parents=True)
    (group / "partner.yaml").write_text(PARTNER, encoding="utf-8")
    (group / "order_info.mail").write_text(MAIL, encoding="utf-8")
    with config.open("a", encoding="utf-8") as file:
        file.write("templates: own\n")
    return config


def places(found: list[PlacedFinding], folder: Path) -> list[tuple[str, str, str]]:
    """Where each finding is said to be."""
    return [
        (each.place.removeprefix(f"{folder}/"), each.path, each.finding.kind)
        for each in found
        if not each.file.startswith(str(SHIPPED_TEMPLATES))
    ]


def test_each_finding_has_the_files_own_row(tmp_path: Path) -> None:
    """A body's row and column, a subject's row in the front matter, a registration's key; nothing twice."""
    config = written(tmp_path / "site")
    found = Office.open(config, create_store=False).operations.findings()
    mine = "own/mine/order_info.mail"
    assert places(found, config.parent) == [
        (f"{mine}:9", "subject", "joined-fields"),
        (f"{mine}:13:1", "body", "label"),
        ("registrations/example-shop.yaml:8", "registrations[1].body", "label"),
        ("registrations/example-shop.yaml:8", "registrations[1].body", "joined-fields"),
    ]
    assert {each.template for each in found if "own" in each.file} == {"mine/order_info"}


def test_named_templates_are_looked_at_once_and_alone(tmp_path: Path) -> None:
    """By number and by key the same; registrations are nobody's who names a template."""
    config = written(tmp_path / "site")
    operations = Office.open(config, create_store=False).operations
    found = operations.findings(["99001", "99001"])
    assert found == operations.findings(["mine/order_info"])
    assert found == file_findings(config.parent / "own" / "mine" / "order_info.mail")
    assert [each.path for each in found] == ["subject", "body"]
    with pytest.raises(BadInput, match="there is no such template"):
        operations.findings(["mine/order_inf"])


def test_the_shipped_templates_have_the_findings_of_their_attested_rows_only() -> None:
    """What the marketplace's manual prints is not ours to mend; everything else can be read back."""
    found = [each for path in sorted(SHIPPED_TEMPLATES.glob("*/*.mail")) for each in file_findings(path)]
    assert [(each.template, each.path, each.finding.kind) for each in found] == [
        ("cross_mall/order_info", "body", "label")
    ]
