"""What the composer does to values before a mail is sent, what it refuses, and what it says of both."""

import pytest

from grammar import Catalogue, Misreading, load_catalogue
from relay.compose.composer import Composition, Rewriting
from relay.compose.correction import MAX_NOTES, noted, replacement_notes, ruling
from relay.compose.difference import MAX_MISREADINGS, MAX_SHOWN, difference
from relay.compose.part import parts
from relay.compose.proof import Misread
from tests.support.composing import body_text, composer, notification, registration, rule

FORGED = notification("長袖Tシャツ", "皿", memos=("急ぎで", "[注文番号] 999"))
CODE_ROW = "[商品名] <$_ITEM_NM_$>(<$_OPTION_$>)\n"
ITEM_ROW = "##LOOP##<$_ITEM_NM_$>〜<$_OPTION_$>\n"


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    """The real field catalogue, which nobody changes."""
    return load_catalogue()


def bodies(composition: Composition) -> list[str]:
    return [body_text(each.mail.content) for each in composition.mails]


def reasons(composition: Composition) -> list[tuple[bool, list[str]]]:
    return [(each.is_misread, each.reason.split("\n")) for each in composition.unwritable]


def test_a_memo_that_is_read_as_a_label_is_not_sent(catalogue):
    """What a buyer typed would be another order number to the partner: a person is told where."""
    composition = composer(catalogue).compose(FORGED, [registration(catalogue)])
    assert composition.mails == ()
    assert reasons(composition) == [
        (
            True,
            [
                "本文 4行目: 備考 の2行目が「[注文番号]」と読まれます",
                "body row 4: row 2 of 備考 (DEL_MEMO) would be read as “[注文番号]”",
            ],
        )
    ]


def test_a_rule_for_misread_mails_is_tried_before_a_person_is_asked(catalogue):
    """The mail goes out with the ruled value; the journal is told field and filter, and no value."""
    chosen = registration(catalogue, rules=(rule("DEL_MEMO", "OPTION", filter="zen", when="misread"),))
    composition = composer(catalogue).compose(FORGED, [chosen])
    assert bodies(composition) == [
        "[注文番号] 300000001\n[備考]\n急ぎで\n［注文番号］　９９９\n[商品名] 長袖Tシャツ\n[商品名] 皿\n"
    ]
    assert composition.unwritable == ()
    assert composition.rewritings == (
        Rewriting(registration=chosen, detail="DEL_MEMO: zen, because it would be misread"),
    )


def test_a_rule_for_misread_mails_leaves_good_ones_alone(catalogue):
    """Values are changed only where they must be."""
    chosen = registration(catalogue, rules=(rule("DEL_MEMO", filter="zen", when="misread"),))
    composition = composer(catalogue).compose(notification("皿", memos=("A4の封筒で",)), [chosen])
    assert bodies(composition) == ["[注文番号] 300000001\n[備考]\nA4の封筒で\n[商品名] 皿\n"]
    assert composition.rewritings == ()


def test_a_rule_that_does_not_help_leaves_the_mail_to_a_person(catalogue):
    """A mail is proved again after the rules, not believed; nothing was sent, so nothing is noted."""
    chosen = registration(catalogue, rules=(rule("DEL_MEMO", filter="kana", when="misread"),))
    composition = composer(catalogue).compose(FORGED, [chosen])
    assert [is_misread for is_misread, _ in reasons(composition)] == [True]
    assert composition.rewritings == ()


def test_a_rule_that_holds_always_shapes_every_mail(catalogue):
    """The reader must get back the ruled value; the journal, which would say it of each mail, is silent."""
    rules = (rule("ITEM_NM", filter="paren", when="always"), rule("ITEM_NM", filter="max:8", when="always"))
    chosen = registration(catalogue, unit="order", subject="注文", body=CODE_ROW, rules=rules)
    composition = composer(catalogue).compose(notification("長袖(子供)", "長袖Tシャツ(キッズ用)"), [chosen])
    assert bodies(composition) == ["[商品名] 長袖（子供）()\n", "[商品名] 長袖Tシャツ（…()\n"]
    assert composition.rewritings == ()


def test_a_rule_can_make_a_mail_that_is_misread(catalogue):
    """A rule is no proof: full-width text that looks harmless may become the very separator."""
    chosen = registration(
        catalogue,
        unit="order",
        subject="注文",
        body=CODE_ROW,
        rules=(rule("ITEM_NM", filter="han", when="always"),),
    )
    ((is_misread, rows),) = reasons(composer(catalogue).compose(notification("皿（小）"), [chosen]))
    assert is_misread
    assert rows[1] == ("body row 1: 商品名 (ITEM_NM) of order 7000000001: “皿(小)” would be read as “皿”")


def test_all_mails_of_a_registration_wait_for_one_that_would_be_misread(catalogue):
    """The reason names the order by its number, also a value that was blank; other registrations go on."""
    chosen = registration(catalogue, unit="order", subject="注文", body=CODE_ROW)
    free = registration(catalogue, id="free")
    composition = composer(catalogue).compose(notification("皿", "長袖Tシャツ(キッズ用)"), [chosen, free])
    assert [each.registration.id for each in composition.mails] == ["free"]
    second = "本文 1行目: 注文 7000000002"
    name, option = "商品名 (ITEM_NM) of order 7000000002", "オプション情報 (OPTION) of order 7000000002"
    assert reasons(composition) == [
        (
            True,
            [
                f"{second} の商品名: 「長袖Tシャツ(キッズ用)」が「長袖Tシャツ」と読まれます",
                f"body row 1: {name}: “長袖Tシャツ(キッズ用)” would be read as “長袖Tシャツ”",
                f"{second} のオプション情報: 空欄が「キッズ用)(」と読まれます",
                f"body row 1: {option}: blank would be read as “キッズ用)(”",
            ],
        )
    ]


def test_a_subject_is_proved_too(catalogue):
    """Partners choose and read mail by its subject."""
    chosen = registration(catalogue, subject="注文 <$_BUYER_NM_$> 様 <$_PACK_NO_$>")
    assert len(composer(catalogue).compose(notification(buyer="花子"), [chosen]).mails) == 1
    ((is_misread, rows),) = reasons(composer(catalogue).compose(notification(buyer="花子 様 "), [chosen]))
    assert is_misread
    assert rows == [
        "タイトル: 注文者氏名: 「花子 様 」が「花子」と読まれます",
        "subject: 注文者氏名 (BUYER_NM): “花子 様 ” would be read as “花子”",
        "タイトル: カート番号: 「300000001」が「 様 300000001」と読まれます",
        "subject: カート番号 (PACK_NO): “300000001” would be read as “ 様 300000001”",
    ]


def test_an_own_body_is_written_and_proved_with_its_own_reader(catalogue):
    """The registration's text goes before the template's, and what it cannot keep apart is refused."""
    chosen = registration(
        catalogue, own_body="カート番号:<$_PACK_NO_$>/氏名:<$_BUYER_NM_$>/備考:<$_DEL_MEMO_$>\n"
    )
    good, bad = notification(buyer="花子", memos=("急ぎ",)), notification(buyer="花子/備考:なし")
    assert bodies(composer(catalogue).compose(good, [chosen])) == [
        "カート番号:300000001/氏名:花子/備考:急ぎ\n"
    ]
    assert [is_misread for is_misread, _ in reasons(composer(catalogue).compose(bad, [chosen]))] == [True]


def test_a_fold_that_makes_a_separator_is_seen(catalogue):
    """The value is proved as it is sent: a buyer's ～ is the template's 〜 in this charset."""
    said = notification("皿～小")
    strict, free = (registration(catalogue, body=ITEM_ROW, charset=each) for each in ("iso-2022-jp", "utf-8"))
    assert [each for each, _ in reasons(composer(catalogue).compose(said, [strict]))] == [True]
    assert bodies(composer(catalogue).compose(said, [free])) == ["皿～小〜\n"]


def test_values_are_folded_where_the_charset_needs_it_and_only_there(catalogue):
    """Half-width kana are joined to full-width ones in the JIS profiles, and kept in UTF-8."""
    said = notification("ﾏｸﾞ～①")
    body = "##LOOP##[商品名] <$_ITEM_NM_$>\n"
    chosen = [registration(catalogue, body=body, charset=each) for each in ("utf-8", "iso-2022-jp-ms")]
    composition = composer(catalogue).compose(said, chosen)
    assert bodies(composition) == ["[商品名] ﾏｸﾞ～①\n", "[商品名] マグ〜①\n"]
    assert composition.rewritings == ()


def test_characters_are_replaced_where_the_partner_has_it_so(catalogue):
    """Each becomes 〓, and the journal names fields and characters; what is not printed is not named."""
    chosen = registration(
        catalogue,
        subject="注文 <$_RECEIVER_NM_$>",
        body="##LOOP##[商品名] <$_ITEM_NM_$>\n[終]\n",
        unwritable="replace",
    )
    said = notification("皿😀", "①ｶﾞ😀", buyer="髙橋", receiver={"name": "﨑"})
    composition = composer(catalogue).compose(said, [chosen])
    assert bodies(composition) == ["[商品名] 皿〓\n[商品名] 〓ガ〓\n[終]\n"]
    assert [each.mail.subject for each in composition.mails] == ["注文 〓"]
    assert composition.rewritings == (
        Rewriting(
            registration=chosen,
            detail="ITEM_NM: '😀' (U+1F600), '①' (U+2460) written as 〓; "
            "RECEIVER_NM: '﨑' (U+FA11) written as 〓",
        ),
    )


def test_a_replacement_that_makes_a_separator_is_seen(catalogue):
    """A geta is a character like another, and may be what parts two fields."""
    chosen = registration(catalogue, body=ITEM_ROW.replace("〜", "〓"), unwritable="replace")
    assert [each for each, _ in reasons(composer(catalogue).compose(notification("皿😀"), [chosen]))] == [
        True
    ]


def test_rules_and_characters_are_noted_together(catalogue):
    """What a rule wrote is folded and replaced after it: zen makes a sign that JIS has elsewhere."""
    chosen = registration(
        catalogue, rules=(rule("DEL_MEMO", filter="zen", when="misread"),), unwritable="replace"
    )
    said = notification("皿", memos=("[備考] 1-2😀",))
    composition = composer(catalogue).compose(said, [chosen])
    assert bodies(composition) == ["[注文番号] 300000001\n[備考]\n［備考］　１−２〓\n[商品名] 皿\n"]
    assert [each.detail for each in composition.rewritings] == [
        "DEL_MEMO: zen, because it would be misread; DEL_MEMO: '😀' (U+1F600) written as 〓"
    ]


@pytest.mark.parametrize(
    ("written", "said"), [("代引～", "代引～"), ("代引～", "代引〜"), ("代引〜", "代引～")]
)
def test_an_if_holds_whichever_form_of_a_character_was_typed(catalogue, written, said):
    """Both sides are folded before they are compared, also when the value itself is not printed."""
    body = f"##IF <$_PAYMENT_METHOD_$> = {written}##\n代引です\n##ELSE##\n前払です\n##END_IF##\n[終]\n"
    composition = composer(catalogue).compose(
        notification(payment_method=said), [registration(catalogue, body=body)]
    )
    assert bodies(composition) == ["代引です\n[終]\n"]


def test_the_recognition_key_is_folded_in_header_and_field(catalogue):
    """A key of half-width kana is one key, wherever it stands."""
    chosen = registration(catalogue, recognition_key="ｶｷﾞ", body="[認識キー] <$_RECOGNITION_KEY_$>\n")
    composition = composer(catalogue).compose(notification(), [chosen])
    assert bodies(composition) == ["[認識キー] カギ\n"]
    key = next(row for row in composition.mails[0].mail.content.split(b"\r\n") if row.startswith(b"X-Rec"))
    assert key == b"X-Recognition-Key: =?ISO-2022-JP?B?GyRCJSslLhsoQg==?="


def test_a_person_can_have_a_misread_mail_sent_as_it_is(catalogue):
    """Only for the registrations that were named."""
    chosen, other = registration(catalogue), registration(catalogue, id="other")
    composition = composer(catalogue).compose(FORGED, [chosen, other], unproved=frozenset({"orders"}))
    assert bodies(composition) == [
        "[注文番号] 300000001\n[備考]\n急ぎで\n[注文番号] 999\n[商品名] 長袖Tシャツ\n[商品名] 皿\n"
    ]
    assert [each.registration.id for each in composition.unwritable] == ["other"]


def test_rules_that_did_not_help_leave_no_trace(catalogue):
    """What a person is shown and has sent is what the buyer typed: no rule cut it, and no note says so."""
    rules = (
        rule("DEL_MEMO", filter="kana", when="misread"),
        rule("ITEM_NM", filter="left:2", when="misread"),
    )
    chosen = registration(catalogue, rules=rules)
    kept, released = (
        composer(catalogue).compose(FORGED, [chosen], unproved=unproved)
        for unproved in (frozenset[str](), frozenset({"orders"}))
    )
    assert reasons(kept) == reasons(composer(catalogue).compose(FORGED, [registration(catalogue)]))
    assert bodies(released) == [
        "[注文番号] 300000001\n[備考]\n急ぎで\n[注文番号] 999\n[商品名] 長袖Tシャツ\n[商品名] 皿\n"
    ]
    assert kept.rewritings == released.rewritings == ()


def test_a_rule_helps_each_mail_of_a_registration_for_itself(catalogue):
    """Released, the mail that a rule made right goes out so, and is noted; the other one as it is."""
    body = "[色] <$_OPTION_$>(<$_ORDER_QTY_$>)\n[商品名] <$_ITEM_NM_$>(<$_ORDER_QTY_$>)\n"
    rules = (rule("OPTION", filter="zen", when="misread"),)
    chosen = registration(catalogue, unit="order", subject="注文", body=body, rules=rules)
    said = notification("皿", "碗(小)", options=("白(A)", "白(B)"))
    composition = composer(catalogue).compose(said, [chosen], unproved=frozenset({"orders"}))
    assert bodies(composition) == [
        "[色] 白（Ａ）(1)\n[商品名] 皿(1)\n",
        "[色] 白(B)(1)\n[商品名] 碗(小)(1)\n",
    ]
    assert composition.rewritings == (
        Rewriting(registration=chosen, detail="OPTION: zen, because it would be misread"),
    )


def test_what_cannot_be_written_is_not_sent_for_anybody(catalogue):
    """Being asked for unproved mails does not make them writable; both troubles are told at once."""
    chosen = registration(catalogue, unit="order", subject="注文", body=CODE_ROW)
    said = notification("皿😀", "皿(小)")
    composition = composer(catalogue).compose(said, [chosen], unproved=frozenset({"orders"}))
    ((is_misread, rows),) = reasons(composition)
    assert composition.mails == ()
    assert not is_misread
    assert rows[0] == (
        "pack.orders[0].item_name (ITEM_NM 商品名): "
        "'😀' (U+1F600) cannot be written in ISO-2022-JP; body row 1"
    )
    assert rows[2] == "body row 1: 商品名 (ITEM_NM) of order 7000000002: “皿(小)” would be read as “皿”"


def test_a_reason_is_short_however_much_would_be_misread(catalogue):
    """Ten places are told, and long values are cut around the place where they part."""
    chosen = registration(catalogue, unit="order", subject="注文", body=CODE_ROW)
    said = notification(*["長" * 300 + "(" + "小" * 300] * 30)
    ((_, rows),) = reasons(composer(catalogue).compose(said, [chosen]))
    assert len(rows) == 2 * MAX_MISREADINGS + 2
    assert rows[-2:] == ["ほかにもあります", "and more"]
    assert rows[0] == (
        "本文 1行目: 注文 7000000001 の商品名: "
        f"「…{'長' * 12}({'小' * (MAX_SHOWN - 15)}…」が「…{'長' * 12}」と読まれます"
    )


def test_orders_that_a_reader_would_not_count_are_told(catalogue):
    """Where passes of a loop leave nothing to see: how many there are, and how many are read."""
    said = notification("皿", "碗")
    (part,) = parts(registration(catalogue), said, catalogue.record(said))
    found = Misreading(kind="orders", row=4, field="", order=None, element=None, expected="2", read="1")
    assert difference([(part, [Misread(place="body", misreading=found)])], catalogue) == [
        "本文 4行目: この行までの注文2件が1件と読まれます",
        "body row 4: this row ends 2 orders, which would be read as 1",
    ]


def test_a_line_of_the_journal_is_bounded(catalogue):
    """Each note once, and ten at most; of one field five characters."""
    notes = [f"FIELD_{number}: zen" for number in range(MAX_NOTES + 5)]
    assert noted([*notes, *notes]) == "; ".join([*notes[:MAX_NOTES], "and more"])
    chosen = registration(catalogue, body="##LOOP##<$_ITEM_NM_$>\n")
    record = catalogue.record(notification("".join(map(chr, range(0x1F600, 0x1F608)))))
    (line,) = replacement_notes(chosen, record, catalogue)
    assert line.endswith("'😄' (U+1F604) and 3 more written as 〓")


def test_rules_apply_in_the_order_of_the_file_to_their_own_fields():
    """One after another for the same field; other fields are left alone; no rule is no change."""
    rules = (
        rule("BUYER_NM", filter="zen", when="always"),
        rule("BUYER_NM", "OPTION", filter="left:2", when="always"),
        rule("OPTION", filter="kana", when="misread"),
    )
    change = ruling(rules, "always")
    assert change is not None
    assert [change(name, "ABC") for name in ("BUYER_NM", "OPTION", "ITEM_NM")] == ["ＡＢ", "AB", "ABC"]
    assert ruling(rules[:2], "misread") is None


def test_a_rule_that_makes_a_mail_unwritable_is_no_help(catalogue):
    """A person is asked about the misread mail, which could be sent, and not about the rule's."""
    rules = (rule("DEL_MEMO", filter="default:①", when="misread"),)
    chosen = registration(
        catalogue, rules=rules, body="##LOOP##備考 <$_DEL_MEMO_$>\n" + CODE_ROW, unit="order"
    )
    said = notification("皿(小)", memos=("",))
    ((is_misread, rows),) = reasons(composer(catalogue).compose(said, [chosen]))
    assert is_misread
    assert rows[1].endswith("“皿(小)” would be read as “皿”")
