"""The table of all fields in docs/template-language.md: `python -m tests.support.field_table` writes it."""

from pathlib import Path

from grammar import load_catalogue

DOCUMENT = Path(__file__).parents[2] / "docs" / "template-language.md"
MARK = "<!-- fields: python -m tests.support.field_table -->\n"


def field_table() -> str:
    """The table, from the catalogue."""
    rows = [
        "| field | scope | type | 名称 | meaning | example | source | API |",
        "|---|---|---|---|---|---|---|---|",
    ]
    rows += [
        f"| `{entry.name}` | {entry.scope} | {entry.type} | {entry.label['ja']} | {entry.label['en']} "
        f"| {entry.example} | {entry.source} | {entry.api} |"
        for entry in load_catalogue()
    ]
    return "\n".join(rows) + "\n"


def main() -> None:
    """Put the table at the end of the document, after its mark."""
    text = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(text.partition(MARK)[0] + MARK + field_table(), encoding="utf-8")


if __name__ == "__main__":
    main()
