"""`denrei template`: the partner templates, and the mail that a notification makes of one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from relay.cli.letter import letter
from relay.cli.office import operate
from relay.cli.option import DEFAULT_CONFIG, AsJson, ConfigPath, Partner, address
from relay.cli.screen import note, screen, show_json, show_pairs, show_table
from relay.cli.stream import write_octets
from relay.operations import Operations, read_notification
from relay.registry import PartnerTemplate
from relay.store.values import Mail

TemplateName = Annotated[
    str, typer.Argument(metavar="TEMPLATE", help="Its number or its key: 18, cross_mall/order_info.")
]


def commands() -> typer.Typer:
    """Return the family's commands."""
    family = typer.Typer(
        help="See the partner templates, and try a notification on one.", no_args_is_help=True
    )
    family.command("list")(list_)
    family.command("show")(show)
    family.command("render")(render)
    return family


def list_(*, config: ConfigPath = DEFAULT_CONFIG, partner: Partner = "", as_json: AsJson = False) -> None:
    """List the templates, by number."""
    found = [template for template in operate(config, _templates) if partner in {"", template.partner.key}]
    if as_json:
        show_json(template_row(template) for template in found)
        return
    show_table(
        screen(),
        ["no.", "key", "name", "type", "unit", "charset"],
        (
            [str(each.number), each.key, each.name, each.notification.label, each.unit, each.partner.charset]
            for each in found
        ),
        empty="no template",
        right=["no."],
        firm=["no.", "key"],
    )


async def _templates(operations: Operations) -> Sequence[PartnerTemplate]:
    return operations.templates()


def show(*, name: TemplateName, config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Show one template: its subject, its sender and its rows, fields and directives as written."""

    async def find(operations: Operations) -> PartnerTemplate:
        return operations.template(name)

    found = operate(config, find)
    if as_json:
        show_json([template_row(found) | {"body": found.body_source}])
        return
    console = screen()
    show_pairs(
        console,
        [
            ("template", f"no. {found.number}  {found.key}"),
            ("name", found.name),
            ("partner", f"{found.partner.name}  {found.partner.name_ja}"),
            ("type", f"{found.notification.label} ({found.notification}), one mail a {found.unit}"),
            ("charset", found.partner.charset),
            ("subject", found.subject_source),
            ("sender", found.sender_source),
        ],
    )
    console.print()
    console.print(found.body_source, soft_wrap=True, end="")


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

    async def compose(operations: Operations) -> Sequence[Mail]:
        kind = operations.template(name).notification
        if kind is not notification.type:
            note(f"this template is for {kind}, the document is {notification.type}")
        return operations.preview(notification, name, recipient=recipient, recognition_key=recognition_key)

    composed = operate(config, compose)
    if as_json:
        show_json(mail_row(each.content) for each in composed)
    elif raw:
        for each in composed:
            write_octets(each.content)
    else:
        for each in composed:
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
        "subject": template.subject_source,
        "sender": template.sender_source,
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


def show_mail(content: bytes) -> None:
    """Print one mail as a person reads it."""
    read, console = letter(content), screen()
    show_pairs(console, [("From", read.sender), ("To", read.recipients), ("Subject", read.subject)])
    console.print()
    console.print(read.body, soft_wrap=True, end="" if read.body.endswith("\n") else "\n")
