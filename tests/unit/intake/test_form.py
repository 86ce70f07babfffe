"""Which forms a mail is tried with: by key, by the beginning of its subject, as the registry is now."""

from grammar import load_catalogue, parse, parse_line
from relay.intake.reading.form import Forms, fixed_beginning
from tests.support.intake import registry_in, shipped_registry

CATALOGUE = load_catalogue()
SHIPPED = shipped_registry(CATALOGUE)
BODY = "店:<$_SELLER_ID_$>\n##LOOP##<$_ORDER_NO_$>\n"
TEMPLATES = {
    "order_info": "subject: 注文 <$_PACK_NO_$>\n" + BODY,
    "order_info_field": "subject: <$_PACK_NO_$> 注文\n" + BODY,
    "order_info_long": "subject: 注文 9時〜12時 <$_PACK_NO_$>\n" + BODY,
    "cancel_request": "subject: キャンセル <$_PACK_NO_$>\n" + BODY,
}
REGISTRATIONS = {
    "shop-a": "  - {id: one, template: own/order_info, recipients: [a@example.jp], recognition_key: 鍵}\n"
    "  - {id: two, template: own/cancel_request, recipients: [a@example.jp]}\n",
    "shop-b": "  - {id: three, template: own/order_info, recipients: [a@example.jp], recognition_key: 鍵}\n",
}


def test_a_subject_finds_the_forms_that_begin_so(tmp_path):
    """The longest beginning first, in either spelling of the wave dash; one that is a field fits all."""
    registry = registry_in(tmp_path, CATALOGUE, templates=TEMPLATES)
    index = Forms(lambda: registry).now()

    def found(subject):
        return [form.template.key for form in index.by_subject(subject)]

    assert found("注文 9時～12時 300000001") == [
        "own/order_info_long",
        "own/order_info",
        "own/order_info_field",
    ]
    assert found("注文 300000001") == ["own/order_info", "own/order_info_field"]
    assert found("キャンセル 1") == ["own/cancel_request", "own/order_info_field"]
    assert found("") == ["own/order_info_field"]


def test_a_key_finds_the_registrations_that_have_it(tmp_path):
    """All of them, whosever they are; the empty key is nobody's."""
    registry = registry_in(tmp_path, CATALOGUE, templates=TEMPLATES, registrations=REGISTRATIONS)
    index = Forms(lambda: registry).now()
    assert [form.name for form in index.by_key("鍵")] == [
        "registration one of shop-a (own/order_info)",
        "registration three of shop-b (own/order_info)",
    ]
    assert index.by_key("") == ()
    assert index.by_key(" ") == ()
    assert index.by_key("鍵2") == ()


def test_a_key_is_found_as_a_header_has_it(tmp_path):
    """A charset folds half-width kana and has one wave dash of the two; a header has no space at its ends."""
    registrations = {"shop-a": REGISTRATIONS["shop-a"].replace("鍵", "店～ｶﾞ")}
    registry = registry_in(tmp_path, CATALOGUE, templates=TEMPLATES, registrations=registrations)
    index = Forms(lambda: registry).now()
    found = [index.by_key(key) for key in ("店～ｶﾞ", "店〜ガ", " 店～ガ")]
    assert [form.registration.id for forms in found for form in forms] == ["one"] * 3


def test_the_index_follows_the_registry(tmp_path):
    """Made when it is first asked for, kept while the same registry is in force."""
    states = [SHIPPED]
    forms = Forms(lambda: states[-1])
    first = forms.now()
    assert forms.now() is first
    states.append(registry_in(tmp_path, CATALOGUE, templates=TEMPLATES))
    assert forms.now() is not first
    assert (
        forms.now().by_subject("Qoo10の注文のお知らせです。(注文番号:1)")[0].template.key
        == "own/order_info_field"
    )


def test_a_form_knows_what_it_lacks(tmp_path):
    """Number of pack and order, in subject or body."""
    templates = {"order_info": "subject: 注文\n店:<$_SELLER_ID_$>\n"}
    registry = registry_in(tmp_path, CATALOGUE, templates=templates)
    (form,) = Forms(lambda: registry).now().by_subject("注文")
    assert form.missing == ("PACK_NO", "ORDER_NO")


def test_the_fixed_beginning_ends_where_anything_can_change():
    """A value, a row that may go, a block."""
    assert fixed_beginning(parse("一\n##DELETE_BLANK_ROW##二\n")) == "一\n"
    assert fixed_beginning(parse("一\n##LOOP_BEGIN##\n二<$_ORDER_NO_$>\n##LOOP_END##\n")) == "一\n"
    assert fixed_beginning(parse("一\n##IF <$_PACK_NO_$>##\n二\n##END_IF##\n")) == "一\n"
    assert fixed_beginning(parse_line("注文(<$_PACK_NO_$>)")) == "注文("
    assert fixed_beginning(parse("")) == ""
