"""The README's samples are real: its template is the shipped one, and its mail is what comes out."""

import json
import re
from pathlib import Path

from grammar import compile_template, load_catalogue, parse
from relay.notification import Notification

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _samples():
    blocks = FENCE.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    texts = [text for language, text in blocks if language == "" and text.startswith("この度は")]
    document = next(text for language, text in blocks if language == "json")
    return texts[0], json.loads(document), texts[1]


def test_the_template_is_the_beginning_of_the_shipped_one():
    """Nothing in the README's template is made up."""
    template, _, _ = _samples()
    shipped = (ROOT / "partner_templates/cross_mall/order_info.mail").read_text(encoding="utf-8")
    assert template in shipped


def test_the_mail_is_what_the_template_makes_of_the_document():
    """Document, template and mail in the README belong together."""
    template, document, mail = _samples()
    catalogue = load_catalogue()
    render = compile_template(parse(template), catalogue=catalogue, unit="pack")
    assert render(catalogue.record(Notification.model_validate(document))) == mail


def test_every_page_that_the_readme_names_exists():
    """No link leads nowhere."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [page for page in re.findall(r"\]\(([^)]+)\)", text) if not (ROOT / page).exists()] == []
