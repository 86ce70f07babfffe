"""`denrei template`: the partner templates, and the mail that a notification makes of one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from grammar import Catalogue
from relay.cli import template_check, template_fmt, template_read
from relay.cli.letter import letter, visible
from relay.cli.office import operate
from relay.cli.option import DEFAULT_CONFIG, AsJson, ConfigPath, PartnerKey, address
from relay.cli.screen import counted, note, screen, show_json, show_pairs, show_table
from relay.cli.stream import write_octets
from relay.operations import Operations, PlacedFinding, Preview, read_notification
from relay.registry import Partner, PartnerTemplate
from relay.registry.rule import ValueRule

TemplateName = Annotated[
    str, typer.Argument(metavar="TEMPLATE", help="Its number or its key: 18, cross_mall/order_info.")
]


def commands() -> typer.Typer:
    """Return the family's commands."""
    family = typer.Typer(
        help="See, check and spell the partner templates; try one; read a mail with them.",
        no_args_is_help=True,
    )
    family.command("list")(list_)
    family.command("show")(show)
    family.command("render")(render)
    family.command("check")(template_check.check)
    family.command("fmt")(template_fmt.fmt)
    family.command("read")(template_read.read)
    return family


def list_(*, config: ConfigPath = DEFAULT_CONFIG, partner: PartnerKey = "", as_json: AsJson = False) -> None:
    """List the templates, by number."""
    found = [template for template in operate(config, _templates) if partner in {"", template.partner.key}]
    if as_json:
        show_json(template_row(template) for template in found)
        return
    show_table(
        screen(),
        ["no.", "key", "type", "unit", "name"],
        ([str(each.number), each.key, each.notification.label, each.unit, each.name] for each in found),
        empty="no template",
        right=["no."],
        firm=["no.", "key", "type", "unit"],
    )


async def _templates(operations: Operations) -> Sequence[PartnerTemplate]:
    return operations.templates()


def show(*, name: TemplateName, config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Show one template: its subject, its sender and its rows, fields and directives as written."""

    async def find(operations: Operations) -> tuple[PartnerTemplate, Sequence[PlacedFinding], Catalogue]:
        return operations.template(name), operations.findings([name]), operations.catalogue

    found, findings, catalogue = operate(config, find)
    if as_json:
        more = {"body": found.body.source, "findings": len(findings)} | partner_row(found.partner)
        show_json([template_row(found) | more])
        return
    console = screen()
    show_pairs(console, _pairs(found, len(findings), catalogue))
    console.print()
    console.print(visible(found.body.source), soft_wrap=True, end="")


def _pairs(template: PartnerTemplate, findings: int, catalogue: Catalogue) -> list[tuple[str, str]]:
    """Return what is known of a template and of the partner who reads its mails."""
    partner = template.partner
    replaced = "〓 in the place of what it does not have" if partner.unwritable == "replace" else "quarantine"
    return [
        ("template", f"no. {template.number}  {template.key}"),
        ("name", template.name),
        ("partner", f"{partner.name}  {partner.name_ja}"),
        (
            "type",
            f"{template.notification.label} ({template.notification}), one mail for each {template.unit}",
        ),
        ("charset", f"{partner.charset}; what it cannot write: {replaced}"),
        *(("value rule", _rule(rule, catalogue)) for rule in partner.value_rules),
        *(("hazard", f"{each.text} [{each.source}]") for each in partner.hazards),
        *(("intake", f"{each.text} [{each.source}]") for each in partner.intake),
        (
            "reading back",
            f"{counted(findings, 'finding')}: denrei template check"
            if findings
            else "every mail can be read back",
        ),
        ("subject", template.subject.source),
        ("sender", template.sender.source),
    ]


def _rule(rule: ValueRule, catalogue: Catalogue) -> str:
    texts = {entry.name for entry in catalogue if entry.path and entry.type in {"text", "list"}}
    fields = "every text" if texts <= rule.fields else ", ".join(sorted(rule.fields))
    when = "always" if rule.when == "always" else "when it would be misread"
    return f"{rule.filter} on {fields}, {when}: {rule.why} [{rule.source}]"


def render(
    *,
    name: TemplateName,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A notification document, .json or .yaml.")],
    config: ConfigPath = DEFAULT_CONFIG,
    to: Annotated[str, typer.Option("--to", help="The recipient shown in the mail.")] = "partner@example.jp",
    recognition_key: Annotated[
        str, typer.Option("--recognition-key", help="The registration's 認識キー.")
    ] = "",
    raw: Annotated[bool, typer.Option("--raw", help="Print the mail as it goes over the wire.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print the mail that a partner would get for a notification. Sends and stores nothing."""
    recipient = address(to, "--to")
    notification = read_notification(file)

    async def compose(operations: Operations) -> Preview:
        kind = operations.template(name).notification
        if kind is not notification.type:
            note(f"this template is for {kind}, the document is {notification.type}")
        return operations.preview(notification, name, recipient=recipient, recognition_key=recognition_key)

    preview = operate(config, compose)
    for row in preview.notes:
        note(row)
    if as_json:
        show_json(mail_row(each.content) for each in preview.mails)
    elif raw:
        for each in preview.mails:
            write_octets(each.content)
    else:
        for each in preview.mails:
            show_mail(each.content)


def template_row(template: PartnerTemplate) -> dict[str, object]:
    """Return one template for JSON output; the keys are public (docs/cli.md)."""
    return {
        "number": template.number,
        "key": template.key,
        "name": template.name,
        "partner": template.partner.key,
        "type": template.notification,
        "unit": template.unit,
        "charset": template.partner.charset,
        "source": template.source,
        "subject": template.subject.source,
        "sender": template.sender.source,
    }


def partner_row(partner: Partner) -> dict[str, object]:
    """Return what is known of how a partner reads, for JSON output; the keys are public (docs/cli.md)."""
    return {
        "unwritable": partner.unwritable,
        "value_rules": [
            {
                "fields": sorted(rule.fields),
                "filter": rule.filter,
                "when": rule.when,
                "why": rule.why,
                "source": rule.source,
            }
            for rule in partner.value_rules
        ],
        "hazards": [{"text": each.text, "source": each.source} for each in partner.hazards],
        "intake": [{"text": each.text, "source": each.source} for each in partner.intake],
    }


def mail_row(content: bytes) -> dict[str, object]:
    """Return one mail as read, for JSON output; the keys are public (docs/cli.md)."""
    read = letter(content)
    return {
        "from": read.sender,
        "to": read.recipients,
        "subject": read.subject,
        "message_id": read.message_id,
        "octets": len(content),
        "body": read.body,
    }


def show_mail(content: bytes, console: Console | None = None) -> None:
    """Print one mail as a person reads it, as a result or on another console."""
    read, console = letter(content), console or screen()
    show_pairs(console, [("From", read.sender), ("To", read.recipients), ("Subject", read.subject)])
    console.print()
    console.print(read.body, soft_wrap=True, end="" if read.body.endswith("\n") else "\n")
