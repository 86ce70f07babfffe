"""One target under atheris: `python -m tests.fuzz.run TARGET CORPUS... [libFuzzer options]`.

`python -m tests.fuzz` starts this; it ends when the time is over or at the first input that breaks the
invariant, with that input saved.
"""

import sys


def main() -> None:
    """Fuzz until libFuzzer ends the process."""
    import atheris  # not at the top: pytest imports this module, and runs without atheris

    with atheris.instrument_imports(
        include=["grammar", "relay.intake", "relay.charset", "relay.bounce_reason"],
        enable_loader_override=False,
    ):
        from tests.fuzz.target import load

        target = load(sys.argv[1])
    atheris.Setup([sys.argv[0], *sys.argv[2:]], target.run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
