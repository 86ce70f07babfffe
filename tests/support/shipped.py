"""The shipped partner templates and the cases beside them, for the tests that go over all of them."""

from pathlib import Path
from typing import Final

from grammar import Catalogue, Record, load_catalogue
from relay.document import parse_json, validated
from relay.notification import Notification
from relay.registry import PartnerTemplate, Registration, Templates, load_templates

ROOT: Final = Path(__file__).resolve().parents[2] / "partner_templates"
CASES: Final = sorted(ROOT.glob("*/examples/*.json"))
CATALOGUE: Final[Catalogue] = load_catalogue()
TEMPLATES: Final[Templates] = load_templates(ROOT, CATALOGUE)
TYPES: Final = ("order_info", "delivery_request", "delivery_complete", "cancel_request", "cancel_complete")


def case_name(case: Path) -> str:
    """As pytest shows it: `basic/order_info-full_pack`."""
    return f"{case.parts[-3]}/{case.stem}"


def template_of(case: Path) -> PartnerTemplate:
    """The template whose name the case's begins with."""
    return TEMPLATES.by_key[f"{case.parts[-3]}/{case.stem.partition('-')[0]}"]


def notification_of(case: Path) -> Notification:
    """The notification in the file."""
    return validated(Notification, parse_json(case.read_bytes()))


def records_of(template: PartnerTemplate, document: object) -> list[Record]:
    """One record for each mail that the template makes of the document."""
    record = CATALOGUE.record(document)
    if template.unit == "pack":
        return [record]
    return [record.for_order(index) for index in range(len(record.orders))]


def plain_registration(template: PartnerTemplate, *, seller_id: str = "example-shop") -> Registration:
    """A registration that has nothing of its own."""
    return Registration(
        id="orders",
        seller_id=seller_id,
        template=template,
        recipients=("orders@partner.example.jp",),
        use=True,
        wait=False,
        period=None,
        recognition_key="",
        subject=template.subject,
        sender=template.sender,
        body=template.body,
        registered_by="",
        registered_at=None,
        changed_by="",
        changed_at=None,
    )
