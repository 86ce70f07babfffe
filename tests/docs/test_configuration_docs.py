"""The files that people write are documented key by key, and the sample shows what is true."""

import itertools
import re
from datetime import timedelta
from pathlib import Path
from typing import get_args, get_origin

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from grammar import load_catalogue
from relay.config import Config, DeliveryConfig, load
from relay.document import parse_yaml
from relay.notification import NotificationType
from relay.quantity import HostPort
from relay.registry import MAX_RECIPIENTS, SellerFile, load_templates
from relay.registry.partner import _HazardEntry, _PartnerFile
from relay.registry.registration import MAX_REGISTRATIONS, RegistrationEntry
from relay.registry.rule import RuleEntry
from relay.registry.template import _FrontMatter
from relay.source import MAX_FILE

ROOT = Path(__file__).resolve().parents[2]
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text("utf-8")
PARTNERS = (ROOT / "docs" / "partners.md").read_text("utf-8")
SAMPLE = ROOT / "relay" / "sample" / "denrei.yaml"
SIZES = {"max_message": "10MiB", "max_header": "64KiB", "max_document": "2MiB"}  # numbers in the code
REGISTRATIONS = ROOT / "relay" / "sample" / "registrations" / "example-shop.yaml"


def _written(value):
    """A default as a person would type it."""
    match value:
        case bool():
            return "Y" if value else "N"
        case timedelta():
            seconds = int(value.total_seconds())
            unit, length = next(
                (u, n) for u, n in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)) if seconds % n == 0
            )
            return f"{seconds // length}{unit}"
        case dict():
            return str(value)
        case HostPort():
            return str(value)
        case tuple():
            return f"[{', '.join(map(_written, value))}]"
        case None | "":
            return "null" if value is None else '""'
        case _:
            return str(value)


def _section(annotation):
    """The model that a key holds, if it holds one; not those of a table of names."""
    candidates = [] if get_origin(annotation) in (dict, tuple) else [annotation, *get_args(annotation)]
    return next((each for each in candidates if isinstance(each, type) and issubclass(each, BaseModel)), None)


def _named(annotation):
    """The model of each entry, where a key holds a table of names."""
    kinds = [annotation, *get_args(annotation)]
    return next((_section(get_args(each)[1]) for each in kinds if get_origin(each) is dict), None)


def _default(name, field):
    if field.default is PydanticUndefined:
        return "required"
    if (size := SIZES.get(name)) is not None:
        return f"`{size}`"
    return f"`{'null' if name == 'bounce_address' else _written(field.default)}`"


def _rows(model, prefix=""):
    """One row of the table for each key: its path, its default, its reason."""
    for name, field in model.model_fields.items():
        section = _section(field.annotation)
        if section is None or field.default is None:
            yield f"| `{prefix}{name}` | {_default(name, field)} | {field.description} |"
        if section is not None:
            yield from _rows(section, f"{prefix}{name}.")
        if (entry := _named(field.annotation)) is not None:
            yield from _rows(entry, f"{prefix}{name}.*.")


@pytest.mark.parametrize(
    "row", [*_rows(Config), *_rows(SellerFile), *_rows(RegistrationEntry)], ids=lambda row: row.split("`")[1]
)
def test_a_key_is_documented_with_its_default_and_reason(row):
    """The table's row says what the code says, word for word."""
    assert row in CONFIGURATION.split("\n")


def test_no_key_is_documented_that_does_not_exist():
    """A key that was taken out leaves the page as well."""
    known = {row.split("`")[1] for row in (*_rows(Config), *_rows(SellerFile), *_rows(RegistrationEntry))}
    documented = set(re.findall(r"(?m)^\| `([a-z_.*]+)` \|", CONFIGURATION))
    assert documented == known


def test_the_sample_shows_every_option_at_its_default(tmp_path):
    """Loading the sample gives what its two required keys alone give."""
    (tmp_path / "denrei.yaml").write_bytes(SAMPLE.read_bytes())
    sample = load(tmp_path / "denrei.yaml")
    (tmp_path / "small.yaml").write_text(
        f"hostname: {sample.hostname}\nintake:\n  addresses: [{sample.intake.addresses[0]}]\n"
    )
    assert sample == load(tmp_path / "small.yaml")


def _paths(tree, prefix=""):
    for name, value in tree.items():
        yield from _paths(value, f"{prefix}{name}.") if isinstance(value, dict) and value else [prefix + name]


def test_the_sample_has_every_key():
    """Nobody has to look elsewhere to learn that an option exists."""
    known = {row.split("`")[1] for row in _rows(Config)}
    shown = set(_paths(parse_yaml(SAMPLE.read_bytes())))
    elsewhere = {path for path in known if "*" in path or path.rpartition(".")[0] in shown}
    assert shown == known - elsewhere
    for path in elsewhere:  # in the comment that shows how such an entry is written
        assert re.search(rf"(?m)^ *#  .*\b{path.rpartition('.')[2]}:", SAMPLE.read_text("utf-8")), path


def test_every_option_of_the_sample_has_its_reason_above_it():
    """The row above each key is a comment; the timeouts share one."""
    rows = SAMPLE.read_text("utf-8").split("\n")
    bare = [
        row.strip().partition(":")[0]
        for above, row in itertools.pairwise(rows)
        if re.match(r" *[a-z_]+: \S", row) and not above.strip().startswith("#")
    ]
    assert bare == ["connect", "greeting", "command", "data"]


def test_the_sample_s_registrations_name_every_key():
    """Every key stands in the sample, if only as a comment."""
    text = REGISTRATIONS.read_text("utf-8")
    missing = [
        name
        for name in (*SellerFile.model_fields, *RegistrationEntry.model_fields)
        if not re.search(rf"(?m)^(?: |- |# )*{name}:", text)
    ]
    assert missing == []


def test_the_bound_of_recipients_is_documented():
    """The number on the page is the number in force."""
    assert f"at most {MAX_RECIPIENTS} recipients" in CONFIGURATION


@pytest.mark.parametrize("model", [_PartnerFile, _HazardEntry, RuleEntry, _FrontMatter])
def test_a_partner_s_files_are_documented_key_by_key(model):
    """Whoever adds a partner finds each key on the page."""
    assert [name for name in model.model_fields if f"| `{name}` |" not in PARTNERS] == []


def test_the_page_s_example_of_a_partner_works(tmp_path):
    """The two files that docs/partners.md shows are good as they stand."""
    group = tmp_path / "my_shop"
    group.mkdir()
    blocks = dict(
        re.findall(r"`our_templates/my_shop/([a-z_.]+)`:\n\n```[a-z]*\n(.*?)```\n", PARTNERS, re.DOTALL)
    )
    assert sorted(blocks) == ["order_info.mail", "partner.yaml"]
    for name, content in blocks.items():
        (group / name).write_text(content, "utf-8")
    templates = load_templates(ROOT / "partner_templates", load_catalogue(), own=tmp_path)
    assert templates.by_key["my_shop/order_info"].partner.name_en == "My Shop"


def test_the_table_of_shipped_templates_is_what_is_shipped():
    """Number, key, type and charset as in the files; attested rows are claimed for those that have them."""
    japanese = {
        "order_info": "注文情報",
        "delivery_request": "配送要請",
        "delivery_complete": "配送完了",
        "cancel_request": "キャンセル要請",
        "cancel_complete": "キャンセル完了",
    }
    templates = list(load_templates(ROOT / "partner_templates", load_catalogue()))
    rows = re.findall(r"(?m)^\| (\d+) \| `(.+?)` \| (.+?) \| (.+?) \| (.+?) \|$", PARTNERS)
    assert [row[:4] for row in rows] == [
        (str(each.number), each.key, japanese[each.notification], each.partner.charset) for each in templates
    ]
    assert ["the marketplace's, the rest ours" in row[4] for row in rows] == [
        each.attested_rows == 12 for each in templates
    ]


def test_each_shipped_group_has_its_row():
    """The table of groups names each as the screen does, with its word for PACK_NO."""
    partners = load_templates(ROOT / "partner_templates", load_catalogue()).partners
    rows = re.findall(
        r"(?m)^\| (.+? Template) \| `(.+?)` \| (?:カート番号|注文番号|CART_NO) \| .+ \|$", PARTNERS
    )
    assert sorted(name for name, _ in rows) == sorted(each.name for each in partners.values())


def test_the_names_of_shipped_templates_are_told_whose_they_are():
    """The names that the manual shows stand on the page; the others are made as the page says."""
    templates = load_templates(ROOT / "partner_templates", load_catalogue())
    shown = [template.number for template in templates if f"`{template.name}`" in PARTNERS]
    assert shown == [1, 18, 47]
    words = ("Order", "Transport", "Delivered", "Cancel Request", "Cancel Complete")
    assert all(f"`{word}`" in PARTNERS for word in words)
    made = {
        f"[Email] {template.partner.name.removesuffix(' Template')} {word}": template.number
        for template in templates
        for word, kind in zip(words, NotificationType, strict=True)
        if template.notification is kind and template.number not in shown
    }
    assert made == {template.name: template.number for template in templates if template.number not in shown}


def test_the_limits_of_a_seller_s_file_are_documented():
    """The numbers on the page are the numbers in force."""
    assert (
        f"at most {MAX_FILE // 1024**2} MiB, and it\nholds at most {MAX_REGISTRATIONS:,} registr"
        in CONFIGURATION
    )


def test_a_delivery_section_alone_has_the_documented_defaults():
    """The sections can be made without a file; only the bounce address needs the host's name."""
    assert DeliveryConfig().bounce_address == ""
