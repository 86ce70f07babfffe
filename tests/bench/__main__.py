"""Run every measurement: each room alone first, then the whole relay."""

import sys

from tests.bench import big, composing, delivering, hops, reading, receiving, relay, rendering, storing

ROOMS = {
    "rendering": rendering.show,
    "reading": reading.run,
    "composing": composing.run,
    "receiving": receiving.run,
    "storing": storing.run,
    "delivering": delivering.run,
    "hops": hops.run,
    "relay": relay.run,
    "big": big.run,
}


def main() -> None:
    """Print each measurement under its name; with arguments, only those that they name."""
    for name in sys.argv[1:] or ROOMS:
        print(f"\n{name}", flush=True)
        ROOMS[name]()


if __name__ == "__main__":
    main()
