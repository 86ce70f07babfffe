"""`denrei convert`: a notification in one format, written in another. Sends and stores nothing."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from relay.cli.letter import one_row
from relay.cli.office import operate
from relay.cli.option import DEFAULT_CONFIG, AsJson, ConfigPath, address
from relay.cli.screen import note, screen, show_json
from relay.cli.stream import write_octets
from relay.cli.template import mail_row, show_mail
from relay.errors import BadInput, Problem
from relay.operations import Operations, Preview, ReadFile


class As(StrEnum):
    """How a mail is printed."""

    TEXT = "text"
    EML = "eml"


def convert(
    *,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="A mail, .eml, with a document or of a known template; or a .json or .yaml document.",
        ),
    ],
    to: Annotated[
        str,
        typer.Option("--to", help="The partner's group or one template: basic, cross_mall/order_info, 18."),
    ],
    config: ConfigPath = DEFAULT_CONFIG,
    form: Annotated[
        As, typer.Option("--as", help="text: as a person reads it; eml: as it goes over the wire.")
    ] = As.TEXT,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write each mail as an .eml file into this new folder.")
    ] = None,
    recipient: Annotated[
        str, typer.Option("--recipient", help="The recipient shown in the mail.")
    ] = "partner@example.jp",
    as_json: AsJson = False,
) -> None:
    """Write a notification in a partner's format: from a document, or from the mail of another partner."""
    shown_to = address(recipient, "--recipient")

    async def compose(operations: Operations) -> tuple[ReadFile, Preview]:
        read = operations.read_file(file)
        template = operations.template_for(to, read.notification.type)
        return read, operations.preview(read.notification, template.key, recipient=shown_to)

    read, preview = operate(config, compose)
    if read.template is not None:
        note(f"read with {read.template.key}")
    for row in preview.notes:
        note(row)
    contents = [mail.content for mail in preview.mails]
    if as_json:
        show_json(mail_row(content) for content in contents)
    elif out is not None:
        for path in _write(out, contents):
            screen().print(f"wrote {one_row(str(path))}", soft_wrap=True)
    elif form is As.EML:
        if len(contents) > 1:
            hint = "write each into a file of its own with --out"
            raise BadInput([Problem(message=f"these are {len(contents)} mails", hint=hint)])
        write_octets(contents[0])
    else:
        for number, content in enumerate(contents):
            if number:
                screen().rule(style="")
            show_mail(content)


def _write(folder: Path, contents: Sequence[bytes]) -> list[Path]:
    """Write each mail into a folder that is made for them; their names hold no value of a notification."""
    paths = [folder / f"mail-{number:03}.eml" for number in range(1, len(contents) + 1)]
    try:
        folder.mkdir(parents=True)
        for path, content in zip(paths, contents, strict=True):
            with path.open("xb") as file:
                file.write(content)
    except OSError as error:
        problem = Problem(file=str(folder), message=f"cannot be written: {error.strerror or error}")
        raise BadInput([problem]) from None
    return paths
