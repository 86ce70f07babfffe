"""The command line: one module a command family, over `relay.operations` and `relay.app`.

Exit codes (docs/cli.md): 0 done; 1 a problem was found or something was not applied; 2 wrong usage; 130
interrupted. Guarantees: what Denrei raises on purpose is one clear message on standard error, never a
traceback, and so is a result that standard output does not take; a bug of ours is a traceback, loudly.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from relay import __version__
from relay.cli import (
    check,
    convert,
    demo,
    doctor,
    hold,
    journal,
    purge,
    quarantine,
    queue,
    send,
    serve,
    setup,
    sink,
    suppression,
    template,
    user,
)
from relay.cli.log import LogLevel, configure_log
from relay.cli.screen import refuse, screen
from relay.cli.stream import standard_streams
from relay.errors import DenreiError

EXIT_PROBLEM = 1
EXIT_INTERRUPTED = 130  # as shells say it: 128 + SIGINT


def command_line() -> typer.Typer:
    """Return the whole command line."""
    app = typer.Typer(
        name="denrei",
        help="Takes order notifications in by SMTP and delivers each in its partners' own mail format.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["--help", "-h"]},
    )
    app.callback()(_common)
    app.command("init")(setup.init)
    app.command("check")(check.check)
    app.command("serve")(serve.serve)
    app.command("demo")(demo.demo)
    app.command("send")(send.send)
    app.add_typer(template.commands(), name="template")
    app.command("convert")(convert.convert)
    app.add_typer(queue.commands(), name="queue")
    app.add_typer(hold.commands(), name="hold")
    app.add_typer(suppression.commands(), name="suppression")
    app.command("journal")(journal.journal)
    app.add_typer(quarantine.commands(), name="quarantine")
    app.command("purge")(purge.purge)
    app.command("doctor")(doctor.doctor)
    app.add_typer(user.commands(), name="user")
    app.command("sink")(sink.sink)
    return app


def _say_version(asked: bool) -> None:
    if asked:
        screen().print(f"denrei {__version__}")
        raise typer.Exit


def _common(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            envvar="DENREI_CONFIG",
            help="The configuration file, for whatever command follows.",
        ),
    ] = None,
    version: Annotated[  # noqa: ARG001  (Typer calls back with it)
        bool,
        typer.Option("--version", callback=_say_version, is_eager=True, help="Show the version and end."),
    ] = False,
) -> None:
    """Take what comes before the command: it holds unless the command says otherwise."""
    if config is not None:
        context.default_map = _everywhere(context.command, {"config": str(config)})


def _everywhere(command: object, defaults: dict[str, Any]) -> dict[str, Any]:
    """Return the defaults for every command below this one, in the nesting that Typer looks them up by."""
    below: dict[str, object] = getattr(command, "commands", {})
    return {name: _everywhere(each, defaults) for name, each in below.items()} if below else defaults


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; `arguments` are the process's own when not given."""
    fault: OSError | None = None
    with standard_streams() as (output, error):
        configure_log(LogLevel.WARNING)  # for what a command logs that does not say more itself
        try:
            code = _run(arguments)
        except OSError as caught:
            fault, code = caught, EXIT_PROBLEM
        lost = output.finish()
        if lost is not None:
            code = code or EXIT_PROBLEM
            if not isinstance(lost, BrokenPipeError):  # a reader who has had enough needs no telling
                refuse(f"standard output cannot be written: {getattr(lost, 'strerror', None) or lost}")
        error.finish()
    if fault is not None and fault is not lost:
        raise fault
    return code


def _run(arguments: Sequence[str] | None) -> int:
    """Run one command and return its exit code; raises what is not Denrei's own error."""
    try:
        command_line()(args=None if arguments is None else list(arguments), prog_name="denrei")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except DenreiError as error:
        refuse(str(error))
        return EXIT_PROBLEM
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return 0
