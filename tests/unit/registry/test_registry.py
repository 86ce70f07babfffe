"""Registrations from files: what a registry answers, and what it takes a file to mean."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from grammar import load_catalogue
from relay.document import MAX_PROBLEMS, parse_yaml, validated
from relay.errors import BadInput
from relay.notification import Notification, NotificationType
from relay.registry import Contact, SellerFile, load_registry, load_templates
from relay.registry.piece import Compiler, Place
from relay.registry.registration import MAX_REGISTRATIONS, _Reading
from relay.source import MAX_FILE

ROOT = Path(__file__).resolve().parents[3]
CATALOGUE = load_catalogue()
TEMPLATES = load_templates(ROOT / "partner_templates", CATALOGUE)
RECORD = CATALOGUE.record(
    Notification.model_validate(
        {
            "version": 1,
            "type": "order_info",
            "seller_id": "example-shop",
            "occurred_at": "2026-11-21 10:15:00",
            "pack": {"pack_no": "210987654", "orders": [{"order_no": "1"}]},
        }
    )
)
FULL = """\
seller: example-shop
registrations:
  - id: crossmall-orders
    template: cross_mall/order_info
    recipients: [orders@partner.example.jp, Copy@Partner.example.jp]
    use: N
    wait: Y
    period: 1h30m
    stale_after: 2h
    recognition_key: 例題の鍵
    subject: "[至急] <$_PACK_NO_$>"
    sender: "例題商店 <shop@relay.example.jp>"
    body: |
      注文 <$_PACK_NO_$>
      ##DELETE_BLANK_ROW##$LOOP_<$_DEL_MEMO_$>
    registered_by: 田中
    registered_at: 2015-04-17 15:36
    changed_by: suzuki
    changed_at: 2026-11-21T10:00:00+09:00
  - id: stockgear-orders
    number: 1
    recipients: [zaiko@partner.example.jp]
  - id: crossmall-transport
    number: 47
    recipients: [orders@partner.example.jp]
    wait: true
"""


def _registry(folder, files, *, last=None):
    for name, content in files.items():
        (folder / name).write_text(content, "utf-8")
    return load_registry(folder, TEMPLATES, CATALOGUE, last=last)


def _as_written(registration):
    return {
        name: getattr(registration, name)
        for name in registration.__slots__
        if name not in {"template", "subject", "sender", "body"}
    } | {
        "template": registration.template.key,
        "lines": (registration.subject(RECORD), registration.sender(RECORD)),
        "body": registration.body(RECORD).split("\n")[0],
    }


def test_a_registration_is_what_its_file_says(tmp_path):
    """Every key is taken, times are in UTC, own lines are compiled, and what is left out has its default."""
    found = _registry(tmp_path, {"a.yaml": FULL}).of_seller("example-shop")
    assert [_as_written(each) for each in found] == [
        {
            "id": "crossmall-orders",
            "seller_id": "example-shop",
            "template": "cross_mall/order_info",
            "recipients": ("orders@partner.example.jp", "Copy@Partner.example.jp"),
            "use": False,
            "wait": True,
            "period": timedelta(minutes=90),
            "stale_after": timedelta(hours=2),
            "recognition_key": "例題の鍵",
            "lines": ("[至急] 210987654", "例題商店 <shop@relay.example.jp>"),
            "body": "注文 210987654",
            "registered_by": "田中",
            "registered_at": datetime(2015, 4, 17, 6, 36, tzinfo=UTC),
            "changed_by": "suzuki",
            "changed_at": datetime(2026, 11, 21, 1, 0, tzinfo=UTC),
        },
        {
            "id": "stockgear-orders",
            "seller_id": "example-shop",
            "template": "stock_gear/order_info",
            "recipients": ("zaiko@partner.example.jp",),
            "use": True,
            "wait": False,
            "period": None,
            "stale_after": timedelta(days=1),
            "recognition_key": "",
            "lines": ("Qoo10の注文のお知らせです。(カート番号:210987654)", "Qoo10 <qoo10info@qoo10.jp>"),
            "body": "いつもQoo10をご利用いただきまして誠にありがとうございます。",
            "registered_by": "",
            "registered_at": None,
            "changed_by": "",
            "changed_at": None,
        },
        {
            "id": "crossmall-transport",
            "seller_id": "example-shop",
            "template": "cross_mall/delivery_request",
            "recipients": ("orders@partner.example.jp",),
            "use": True,
            "wait": True,
            "period": None,
            "stale_after": timedelta(days=1),
            "recognition_key": "",
            "lines": ("Qoo10の発注のお知らせです。(注文番号:210987654)", "Qoo10 <qoo10info@qoo10.jp>"),
            "body": TEMPLATES.by_number[47].body(RECORD).split("\n")[0],
            "registered_by": "",
            "registered_at": None,
            "changed_by": "",
            "changed_at": None,
        },
    ]


def test_a_contact_is_what_its_file_says(tmp_path):
    """Who is told of late mails, in Japanese unless the file says otherwise; nobody where it names nobody."""
    files = {
        "a.yaml": FULL.replace("\n", "\ncontact: {address: tencho@shop.example.jp}\n", 1),
        "b.yaml": FULL.replace("example-shop", "b").replace(
            "\n", "\ncontact: {address: boss@shop.example.com, language: en}\n", 1
        ),
        "c.yaml": FULL.replace("example-shop", "c").replace("\n", "\ncontact: null\n", 1),
        "d.yaml": FULL.replace("example-shop", "d"),
    }
    registry = _registry(tmp_path, files)
    assert {seller: registry.contact(seller) for seller in ("example-shop", "b", "c", "d", "nobody")} == {
        "example-shop": Contact(address="tencho@shop.example.jp", language="ja"),
        "b": Contact(address="boss@shop.example.com", language="en"),
        "c": None,
        "d": None,
        "nobody": None,
    }


def test_a_contact_that_changes_is_seen(tmp_path):
    """A running relay tells the new one: the file is read again for the contact alone, too."""
    first = _registry(tmp_path, {"a.yaml": FULL})
    second = _registry(
        tmp_path, {"a.yaml": FULL.replace("\n", "\ncontact: {address: t@shop.example.jp}\n", 1)}, last=first
    )
    assert second.contact("example-shop") == Contact(address="t@shop.example.jp", language="ja")
    assert second.sheets != first.sheets


def test_what_a_traceback_shows_is_short(tmp_path):
    """A registration names itself and its template; no text of a template, no address, no compiled code."""
    registry = _registry(tmp_path, {"a.yaml": FULL})
    for each in (registry, TEMPLATES, *TEMPLATES, *registry, registry.of_seller("example-shop")[0].body):
        shown = repr(each)
        assert len(shown) < 1_000
        assert "<$_" not in shown
        assert "@" not in shown
    assert "id='crossmall-orders'" in repr(registry.of_seller("example-shop")[0])


def test_a_registry_answers_by_seller_and_notification_type(tmp_path):
    """All of a type are given, switched off or not, in the file's order; nobody else's are."""
    other = FULL.replace("example-shop", "Example-Shop")
    registry = _registry(tmp_path, {"a.yaml": FULL, "b.yaml": other})
    answers = {
        (seller, kind.value): [each.id for each in registry.registrations(seller, kind)]
        for seller in ("example-shop", "nobody")
        for kind in NotificationType
    }
    assert {key: ids for key, ids in answers.items() if ids} == {
        ("example-shop", "order_info"): ["crossmall-orders", "stockgear-orders"],
        ("example-shop", "delivery_request"): ["crossmall-transport"],
    }
    assert registry.sellers == ("Example-Shop", "example-shop")
    assert [each.seller_id for each in registry] == ["Example-Shop"] * 3 + ["example-shop"] * 3
    assert registry.partners is TEMPLATES.partners


def test_files_that_are_no_registrations_are_left_alone(tmp_path):
    """An editor's leavings and notes beside the files disturb nothing."""
    names = [".a.yaml.swp", "a.yaml~", "README.md", ".hidden.yaml", "a.yaml.bak"]
    assert _registry(tmp_path, {"a.yaml": FULL} | dict.fromkeys(names, "\0")).sellers == ("example-shop",)


def test_only_changed_files_are_read_again(tmp_path):
    """What has not changed is the very same value; what has changed or gone is seen."""
    files = {f"{name}.yaml": FULL.replace("example-shop", name) for name in ("a", "b", "c")}
    first = _registry(tmp_path, files)
    (tmp_path / "c.yaml").unlink()
    second = _registry(tmp_path, {"b.yaml": files["b.yaml"].replace("use: N", "use: Y ")}, last=first)
    assert second.sellers == ("a", "b")
    assert second.of_seller("a") is first.of_seller("a")
    assert [each.use for each in second.of_seller("b")] == [True, True, True]


def test_a_missing_folder_is_told(tmp_path):
    """A relay that starts without its registrations would deliver nothing without a word."""
    with pytest.raises(BadInput) as refused:
        _registry(tmp_path / "registrations", {})
    assert str(refused.value) == f"{tmp_path}/registrations: cannot be read: No such file or directory"


def test_a_file_that_cannot_be_followed_is_told(tmp_path):
    """A symbolic link to nowhere is a seller whose mail would be lost."""
    (tmp_path / "a.yaml").symlink_to(tmp_path / "gone.yaml")
    with pytest.raises(BadInput) as refused:
        _registry(tmp_path, {})
    assert str(refused.value) == f"{tmp_path}/a.yaml: cannot be read: No such file or directory"


def test_the_problems_of_many_files_are_bounded(tmp_path):
    """A folder of rubbish gives a message that can be read."""
    with pytest.raises(BadInput) as refused:
        _registry(tmp_path, {f"{number:03}.yaml": "x: 1\n" for number in range(60)})
    rows = str(refused.value).split("\n")
    assert len(rows) == MAX_PROBLEMS + 1
    assert rows[-1] == f"{tmp_path}: and {3 * 60 - MAX_PROBLEMS} more problems"


def test_the_sample_s_registrations_are_good():
    """What `denrei init` writes can be used as it stands."""
    registry = load_registry(ROOT / "relay" / "sample" / "registrations", TEMPLATES, CATALOGUE)
    assert [(each.seller_id, each.template.key, each.use) for each in registry] == [
        ("example-shop", "cross_mall/order_info", True),
        ("example-shop", "stock_gear/order_info", False),
    ]


def test_many_problems_of_a_file_cost_one_look_for_their_lines():
    """Each has its own line, and the file is read again once, not once a problem."""

    class CountedBytes(bytes):
        """Counts how often it is turned into text."""

        decoded = 0

        def decode(self, *arguments):
            """As bytes do."""
            self.decoded += 1
            return super().decode(*arguments)

    entry = "  - id: r{0}\n    template: cross_mall/{0}\n    recipients: [a@example.jp]\n"
    content = "seller: a\nregistrations:\n" + "".join(map(entry.format, range(300)))
    file = validated(SellerFile, parse_yaml(content.encode()))
    source = CountedBytes(content.encode())
    reading = _Reading("a.yaml", source, TEMPLATES, Compiler(CATALOGUE))
    for index, each in enumerate(file.registrations):
        assert reading.registration("a", index, each) is None
    assert [problem.line for problem in reading.problems] == list(range(4, 904, 3))
    assert source.decoded == 1


def test_a_seller_s_file_has_room_for_all_that_it_may_hold(tmp_path):
    """A thousand full registrations are read; a larger file is refused before it is parsed."""
    registration = FULL.partition("registrations:\n")[2].partition("  - id: stockgear")[0]
    rows = [registration.replace("crossmall-orders", f"r{number}") for number in range(MAX_REGISTRATIONS)]
    content = "seller: a\nregistrations:\n" + "".join(rows)
    assert len(_registry(tmp_path, {"a.yaml": content}).of_seller("a")) == MAX_REGISTRATIONS
    with pytest.raises(BadInput) as refused:
        _registry(tmp_path, {"a.yaml": content + "#" * MAX_FILE})
    assert str(refused.value) == f"{tmp_path}/a.yaml: is larger than 1048576 octets"


def test_equal_pieces_are_compiled_once_for_each_charset():
    """Shops copy each other's subjects; what one charset has, another may lack."""
    compiler, problems = Compiler(CATALOGUE), []
    place = Place(file="a.yaml", path="subject", line_of=lambda row: row)

    def piece(profile, unit="pack"):
        return compiler.piece("№<$_PACK_NO_$>～", "subject", unit, profile, place=place, problems=problems)

    assert piece("utf-8") is piece("utf-8")
    assert piece("utf-8") is not piece("utf-8", unit="order")
    assert [each(RECORD) for each in (piece("utf-8"), piece("iso-2022-jp-ms"))] == [
        "№210987654～",
        "№210987654〜",
    ]
    assert problems == []
    assert piece("iso-2022-jp") is None
    assert [problem.path for problem in problems] == ["subject"]


def test_an_own_body_of_another_registration_is_not_lent(tmp_path):
    """Own text belongs to its registration; those without have the template's."""
    (first, second, _) = _registry(tmp_path, {"a.yaml": FULL}).of_seller("example-shop")
    assert first.body is not first.template.body
    assert second.body is second.template.body
    assert first.body.reader.read("注文 7\n急ぎ\n").elements == {"DEL_MEMO": ("急ぎ",)}
