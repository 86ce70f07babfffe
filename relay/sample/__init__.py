"""The site that `denrei init` writes, and the sample orders that checks, the demo and tests work with.

Every key of the site's files is explained in docs/configuration.md. All people, shops and addresses in the
orders are invented. Source: ours.
"""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

ORDER_FILE = Path("order.json")  # `denrei send order.json` tries the registration beside it
PACK_OF_THREE = "1-pack-of-three.json"
_FOLDER = "relay.sample"
_ORDERS = "orders"


def sample_orders() -> dict[str, bytes]:
    """The sample orders by file name, in their order: documents, a text mail, one that is not understood."""
    entries = files(_FOLDER).joinpath(_ORDERS).iterdir()
    found = {entry.name: entry for entry in entries if entry.name.endswith((".json", ".eml"))}
    return {name: found[name].read_bytes() for name in sorted(found)}


def sample_document() -> bytes:
    """The sample order that serves as an example: one pack with three orders, nearly every field filled."""
    return files(_FOLDER).joinpath(_ORDERS, PACK_OF_THREE).read_bytes()


def sample_site() -> dict[Path, bytes]:
    """The files of a first site by their paths in its folder."""
    return _yaml_below(files(_FOLDER), Path()) | {ORDER_FILE: sample_document()}


def _yaml_below(place: Traversable, path: Path) -> dict[Path, bytes]:
    found: dict[Path, bytes] = {}
    for entry in sorted(place.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            found |= _yaml_below(entry, path / entry.name)
        elif entry.name.endswith(".yaml"):
            found[path / entry.name] = entry.read_bytes()
    return found
