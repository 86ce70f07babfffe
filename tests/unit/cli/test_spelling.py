"""A template file in canonical spelling: what changes, and that nothing else does."""

import resource
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.errors import BadInput, MachineFailure
from relay.operations.mail_file import MailFile
from relay.operations.spelling import respell, respelt

ROOT = Path(__file__).resolve().parents[3]
WRITTEN = """\
---
number:  7   # テンプレート番号
subject: '注文 [$_PACK_NO_$] <$_BUYER_NM|paren_$>'  # was [$_PACK_NO_$]
sender: "{$_SELLER_ID_$} <a@example.jp>"
# [$_PACK_NO_$] stays here
---
[注文番号] [$_PACK_NO_$]\x20
$LOOP_{$_DEL_MEMO_$}
##DELETE_BLANK_ROW_##<$_BUYER_NM_$>
終"""
CANONICAL = """\
---
number:  7   # テンプレート番号
subject: '注文 <$_PACK_NO_$> <$_BUYER_NM|paren_$>'  # was [$_PACK_NO_$]
sender: "<$_SELLER_ID_$> <a@example.jp>"
# [$_PACK_NO_$] stays here
---
[注文番号] <$_PACK_NO_$>\x20
##LOOP##<$_DEL_MEMO_$>
##DELETE_BLANK_ROW##<$_BUYER_NM_$>
終"""


def problems(content: str) -> list[tuple[int | None, str, str]]:
    """Line, path and first row of each problem."""
    with pytest.raises(BadInput) as caught:
        respelt(content.encode(), file="見本.mail")
    return [(each.line, each.path, each.message.split("\n")[0]) for each in caught.value.problems]


def test_fields_and_directives_are_respelt_and_all_else_stays() -> None:
    """Comments, quotes, spaces at the end of a row and a last row without an end are kept octet for octet."""
    assert respelt(WRITTEN.encode(), file="a.mail").decode() == CANONICAL
    assert respelt(CANONICAL.encode(), file="a.mail").decode() == CANONICAL


def test_line_ends_and_a_byte_order_mark_stay() -> None:
    """CRLF where there was CRLF, row by row: an editor's habit is not the formatter's business."""
    windows = "\ufeff" + WRITTEN.replace("\n", "\r\n")
    assert respelt(windows.encode(), file="a.mail").decode() == "\ufeff" + CANONICAL.replace("\n", "\r\n")
    mixed = WRITTEN.replace("---\n[", "---\r\n[")
    assert respelt(mixed.encode(), file="a.mail").decode() == CANONICAL.replace("---\n[", "---\r\n[")


@pytest.mark.parametrize(
    "path",
    sorted((ROOT / "partner_templates").glob("*/*.mail")),
    ids=lambda path: f"{path.parent.name}-{path.stem}",
)
def test_shipped_templates_are_in_their_one_spelling(path: Path) -> None:
    """What ships is what the formatter writes, but for the rows that stand as the manual prints them."""
    mail = MailFile.of(path.read_bytes(), file=path.name)
    canonical = MailFile.of(respelt(path.read_bytes(), file=path.name), file=path.name)
    attested = mail.front().get("attested_rows", 0)
    assert isinstance(attested, int)
    assert canonical.head == mail.head
    assert canonical.body.split("\n")[attested:] == mail.body.split("\n")[attested:]


def test_every_mistake_is_told_with_its_place() -> None:
    """A broken body and a broken subject are told at once, each with the file's line."""
    broken = WRITTEN.replace("[$_PACK_NO_$] <", "[$_PACK_NO_$> <").replace("$LOOP_{", "##LOP##{")
    assert problems(broken) == [
        (3, "subject", problems(broken)[0][2]),
        (8, "body", problems(broken)[1][2]),
    ]
    assert "character 4" in problems(broken)[0][2]
    assert "column 1" in problems(broken)[1][2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "has no front matter"),
        ("---\n---\n終\n", "has no front matter"),
        ("---\na: 1\n--- \n終\n", "has no front matter"),
        ("---\n- a\n---\n終\n", "has no front matter"),
        ('---\nsubject: "\\x5b$_PACK_NO_$]"\n---\n終\n', "has front matter that cannot be respelt"),
    ],
)
def test_what_is_no_template_file_is_told(content: str, message: str) -> None:
    """No front matter, and a field that is spelt with YAML's escapes: nothing is guessed."""
    assert [each[2] for each in problems(content)] == [message]


def test_octets_that_are_no_text_are_told() -> None:
    """The row of the first wrong octet."""
    with pytest.raises(BadInput) as caught:
        respelt(b"---\na: 1\n---\n\xff\n", file="a.mail")
    assert [str(each) for each in caught.value.problems] == ["a.mail:4: is not UTF-8 text"]


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(st.text(alphabet="---\n\r a:\ufeff終", max_size=60))
def test_the_parts_of_a_file_are_the_file(text: str) -> None:
    """Whatever the rows and their ends: the parts put together are the octets that were read."""
    content = f"---\na: 1\r\n---\r\n{text}".encode()
    assert MailFile.of(content, file="a.mail").content() == content


def test_a_row_cannot_be_lost_or_added() -> None:
    """Other texts in the same rows only: line ends belong to rows."""
    mail = MailFile.of(WRITTEN.encode(), file="a.mail")
    with pytest.raises(ValueError, match="a row was lost or added"):
        mail.with_texts(head=mail.head, body=f"{mail.body}\n")


def test_a_file_is_replaced_whole_and_keeps_its_mode(tmp_path: Path) -> None:
    """Written through a link to the file behind it, with no draft left; looking writes nothing."""
    path, link = tmp_path / "a.mail", tmp_path / "link.mail"
    path.write_bytes(WRITTEN.encode())
    path.chmod(0o640)
    link.symlink_to(path)
    assert respell(link, write=False) is True
    assert path.read_bytes() == WRITTEN.encode()
    assert respell(link, write=True) is True
    assert path.read_bytes() == CANONICAL.encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert link.is_symlink()
    assert respell(path, write=True) is False
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.mail", "link.mail"]


def test_a_file_that_cannot_be_written_is_as_it_was(tmp_path: Path) -> None:
    """A disk that takes no more octets: said as the machine's failure, and the template still reads."""
    path = tmp_path / "a.mail"
    path.write_bytes(WRITTEN.encode())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        with pytest.raises(MachineFailure, match="cannot be written: File too large; it is as it was"):
            respell(path, write=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == WRITTEN.encode()
    assert [each.name for each in tmp_path.iterdir()] == ["a.mail"]
