"""`denrei sink`: a partner to try the relay against (`relay.sink` does the work)."""

import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from relay.cli.letter import letter, one_row
from relay.cli.log import LogLevel, configure_log
from relay.cli.option import AsJson
from relay.cli.screen import moment, note, screen, show_json
from relay.clock import SystemClock
from relay.errors import BadInput, Problem
from relay.intake.session.door import ListenerSettings
from relay.intake.session.listener import Listener
from relay.quantity import HostPort, host_port
from relay.sink import DEFAULT_KEEP, Folder, ReceivedMail, Sink, parse_fault

HOSTNAME = "sink.example.jp"  # a name that is nobody's, so that no partner is taken for it
SINK_GRACE_SECONDS = 5.0  # for mails that are just coming in when the sink is stopped


def sink(
    *,
    listen: Annotated[
        str, typer.Option("--listen", "-l", help="host:port; port 0 takes a free one.")
    ] = "127.0.0.1:2526",
    store: Annotated[
        Path | None,
        typer.Option("--store", help="Keep each mail as a .eml file in this folder. [default: keep none]"),
    ] = None,
    keep: Annotated[
        int, typer.Option("--keep", min=1, help="Keep so many files, the newest.")
    ] = DEFAULT_KEEP,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            "--fault", metavar="KIND@VERB[:RATE]", help="Fail: refuse, defer, hang or drop; may be repeated."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Take mails in as a partner would, and fail on request. Prints one line a mail; Ctrl-C ends it."""
    configure_log(LogLevel.WARNING)
    place = _place(listen)
    faults = [parse_fault(text) for text in fault or ()]
    show = _show_json if as_json else _show
    stopped = asyncio.Event()

    def show_or_stop(mail: ReceivedMail) -> None:
        try:
            show(mail)
        except (OSError, SystemExit):  # the second is how a closed pipe is said; `main` tells why
            stopped.set()

    door = Sink(
        clock=SystemClock(),
        folder=None if store is None else Folder(store, keep=keep),
        faults=faults,
        on_mail=show_or_stop,
    )
    asyncio.run(_serve(door, place, [str(each) for each in faults], stopped))


def _place(listen: str) -> HostPort:
    try:
        return host_port(listen)
    except ValueError as error:
        raise BadInput(problems=[Problem(path="--listen", message=str(error))]) from error


async def _serve(door: Sink, place: HostPort, faults: Sequence[str], stopped: asyncio.Event) -> None:
    listener = Listener(door, ListenerSettings(listen=place), hostname=HOSTNAME)
    await listener.start()
    host, port = listener.address
    note(f"sink listening on {host}:{port}" + (f", faults: {' '.join(faults)}" if faults else ""))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    await stopped.wait()
    await listener.stop(SINK_GRACE_SECONDS)


def received_row(mail: ReceivedMail) -> dict[str, object]:
    """Return one received mail for JSON output; the keys are public (docs/cli.md)."""
    read = letter(mail.content)
    return {
        "id": mail.id,
        "received_at": mail.received_at,
        "peer": mail.peer,
        "mail_from": mail.mail_from,
        "rcpt_tos": list(mail.rcpt_tos),
        "message_id": read.message_id,
        "from": read.sender,
        "subject": read.subject,
        "octets": len(mail.content),
        "file": "" if mail.file is None else str(mail.file),
    }


def _show_json(mail: ReceivedMail) -> None:
    show_json([received_row(mail)])


def _show(mail: ReceivedMail) -> None:
    read = letter(mail.content)
    row = f"{moment(mail.received_at)}  {', '.join(mail.rcpt_tos)}  {read.sender}  {read.subject}"
    screen().print(one_row(row), soft_wrap=True)
