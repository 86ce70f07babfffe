"""Tables that keep their columns whatever stands in them, and times as people in Japan read them."""

import json
from datetime import UTC, datetime

import pytest
from rich.cells import cell_len

from relay.cli.screen import counted, moment, screen, show_json, show_table


def test_full_width_text_keeps_the_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Japanese characters take two columns each: what follows them starts in the same column on every row."""
    monkeypatch.delenv("COLUMNS", raising=False)
    show_table(screen(), ["名前", "数"], [["長袖Tシャツ", "1"], ["mug", "22"]], right=["数"])
    rows = [row for row in capsys.readouterr().out.split("\n") if row.strip()]
    assert [cell_len(row.rstrip()) for row in rows] == [cell_len(rows[-1].rstrip())] * len(rows)
    assert rows[2].split() == ["長袖Tシャツ", "1"]


def test_text_from_outside_is_no_markup_and_steers_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Brackets come out as typed, and an escape sequence as a visible character."""
    show_table(screen(), ["reply"], [["[red]550[/red] \x1b[2J"]])
    assert "[red]550[/red] \ufffd[2J" in capsys.readouterr().out


def test_a_piped_table_is_100_columns_wide(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a terminal no row passes 100 columns: long cells are folded, firm ones stay whole."""
    monkeypatch.delenv("COLUMNS", raising=False)
    show_table(screen(), ["id", "text"], [["0123456789abcdef", "備考" * 200]], firm=["id"])
    rows = capsys.readouterr().out.split("\n")
    assert max(cell_len(row) for row in rows) <= 100
    assert "0123456789abcdef" in rows[2]


def test_an_empty_table_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """No rows: one plain word instead of an empty frame."""
    show_table(screen(), ["id"], [], empty="no delivery")
    assert capsys.readouterr().out == "no delivery\n"


def test_json_is_one_object_a_line_with_utc_times(capsys: pytest.CaptureFixture[str]) -> None:
    """Japanese text stays readable, a time keeps its zone, and line ends inside values are escaped."""
    show_json([{"at": datetime(2026, 11, 21, 1, tzinfo=UTC), "name": "見本\n花子"}, {"none": None}])
    lines = capsys.readouterr().out.split("\n")
    assert lines == ['{"at": "2026-11-21T01:00:00+00:00", "name": "見本\\n花子"}', '{"none": null}', ""]
    assert json.loads(lines[0])["name"] == "見本\n花子"


def test_times_are_japans_and_numbers_have_their_nouns() -> None:
    """Ten in the morning in Tokyo is one o'clock UTC; one thing is not many."""
    assert moment(datetime(2026, 11, 21, 1, 2, 3, tzinfo=UTC)) == "2026-11-21 10:02:03"
    assert moment(None) == ""
    assert [counted(number, "mail") for number in (0, 1, 2)] == ["0 mails", "1 mail", "2 mails"]
