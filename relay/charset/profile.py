"""Charset profiles: how text becomes the bytes of one partner's mail, and what cannot.

A partner reads one of these, and nobody publishes which, so `partner.yaml` chooses.

- `utf-8` writes every character.
- `iso-2022-jp` is RFC 1468 and no more of it than strict readers take: ASCII and JIS X 0208.
- `iso-2022-jp-ms` adds the Windows vendor characters (①, ㈱, 髙) in the same frame under the same label, as
  Japanese mailers do: no reader knows a label of their own.

Writing and folding are two steps. `write` and `encode` write a text as it is or raise `CharacterError`; the
caller folds or replaces, and then proves the mail again, since a folded value may read otherwise: a
full-width sign that was no separator can become one.

Guarantees: nothing is replaced by `?` or dropped; what is written `decoded` gives back by the profile's
label, so two texts never become one on the wire; `replaced` gives a text that is always written.
Source: RFC 1468; docs/mail-format.md.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, assert_never

from relay.charset.fold import fold_jis
from relay.charset.jis import encode_jis, encode_jis_ms
from relay.errors import DenreiError

Profile = Literal["utf-8", "iso-2022-jp", "iso-2022-jp-ms"]
GETA = "〓"  # stands where a character could not be printed; Japanese readers know it from print
MAX_NAMED = 20  # characters that one error names

# What no mail may carry, whatever its charset: C0, DEL and C1 controls but tab and line feed (RFC 2046
# section 4.1.1 allows CR only before LF, which `write` makes); lone surrogates, no characters at all; and
# U+FEFF, which readers take for a byte order mark and drop at the start of a text (RFC 3629 section 6).
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufeff]")


class CharacterError(DenreiError):
    """A text holds characters that its charset cannot write as they are, or that no mail may carry.

    Which ones is looked up when it is first asked for: who folds the text and writes it again never asks.
    """

    def __init__(self, characters: Iterable[str], label: str) -> None:
        super().__init__()
        self._characters = characters
        self.label = label  # of what cannot hold them: a profile in capitals, "a mail" or "a header"

    @property
    def characters(self) -> tuple[str, ...]:
        """Each once, in the order of the text, `MAX_NAMED` at most."""
        self._characters = first_distinct(self._characters)
        return self._characters

    def __str__(self) -> str:
        return "; ".join(f"{shown(char)} cannot be written in {self.label}" for char in self.characters)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Charset:
    r"""One profile: what it is called on the wire and how it writes text.

    >>> ISO_2022_JP_MS.write("①\n"), ISO_2022_JP_MS.label
    (b'\x1b$B-!\x1b(B\r\n', 'ISO-2022-JP')
    """

    profile: Profile
    label: str  # as in Content-Type and encoded-words
    seven_bit: bool  # its bytes need no transfer encoding while lines are short enough
    coded: Callable[[str], bytes | None]  # the bytes of a text without controls; None: not writable as it is
    fold: Callable[[str], str]  # the text as far as this charset can write it; never raises

    def write(self, text: str) -> bytes:
        r"""Rows that end in `\n` as bytes that end in CRLF. Raises CharacterError."""
        return self._written(text, text.replace("\n", "\r\n"))

    def encode(self, text: str) -> bytes:
        """A piece of text as bytes that are complete in themselves. Raises CharacterError."""
        return self._written(text, text)

    def unwritable(self, text: str) -> tuple[str, ...]:
        """What stands in the way even when the text is folded: each character once, `MAX_NAMED` at most.

        >>> ISO_2022_JP.unwritable("髙①ｶﾞ髙～"), ISO_2022_JP_MS.unwritable("髙①ｶﾞ髙～")
        (('髙', '①'), ())
        """
        folded = self.fold(text)
        return () if self._writes(folded) else first_distinct(self._unwritten(folded))

    def replaced(self, text: str) -> str:
        """The text folded, with 〓 for each character that cannot be written.

        >>> ISO_2022_JP_MS.replaced("𠮷野家 ｶﾞ①")
        '〓野家 ガ①'
        """
        folded = self.fold(text)
        if self._writes(folded):
            return folded
        return folded.translate({ord(char): GETA for char in set(folded) if not self._writes(char)})

    def _written(self, text: str, wire_text: str) -> bytes:
        if _CONTROL.search(text):
            raise CharacterError(_CONTROL.findall(text), "a mail")
        coded = self.coded(wire_text)
        if coded is None:
            raise CharacterError(self._unwritten(text), self.profile.upper())
        return coded

    def _unwritten(self, text: str) -> Iterator[str]:
        distinct = dict.fromkeys(text)  # a hostile text repeats one character a million times
        yield from (char for char in distinct if not self._writes(char))

    def _writes(self, text: str) -> bool:
        return not _CONTROL.search(text) and self.coded(text) is not None


def shown(char: str) -> str:
    r"""A character as a person can find it.

    >>> shown("①"), shown("\u00a0")
    ("'①' (U+2460)", 'U+00A0')
    """
    code = f"U+{ord(char):04X}"
    return f"'{char}' ({code})" if char.isprintable() else code


def first_distinct(characters: Iterable[str]) -> tuple[str, ...]:
    """Each character once, in order; as many as anybody will mend before trying again."""
    found: dict[str, None] = {}
    for char in characters:
        found[char] = None
        if len(found) == MAX_NAMED:
            break
    return tuple(found)


def charset_of(profile: Profile) -> Charset:
    """The charset of a partner's profile."""
    match profile:
        case "utf-8":
            return UTF_8
        case "iso-2022-jp":
            return ISO_2022_JP
        case "iso-2022-jp-ms":
            return ISO_2022_JP_MS
        case _:
            assert_never(profile)


def _encode_utf_8(text: str) -> bytes:
    return text.encode("utf-8")


UTF_8 = Charset(profile="utf-8", label="UTF-8", seven_bit=False, coded=_encode_utf_8, fold=str)
ISO_2022_JP = Charset(
    profile="iso-2022-jp", label="ISO-2022-JP", seven_bit=True, coded=encode_jis, fold=fold_jis
)
ISO_2022_JP_MS = Charset(
    profile="iso-2022-jp-ms", label="ISO-2022-JP", seven_bit=True, coded=encode_jis_ms, fold=fold_jis
)
