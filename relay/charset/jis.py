r"""ISO-2022-JP both ways, and EUC-JP in: the codec that neither Python nor glibc has.

A character of JIS X 0208 stands at a row and a cell of 94; on the wire it is two octets, each 32 more than
the number, between `ESC $ B` and `ESC ( B`. Windows adds characters in rows that the standard leaves free:
NEC's row 13 (①, ㈱, Ⅳ) and the IBM characters as NEC placed them, rows 89 to 92 (髙, 﨑). Their table is
Python's code page 932, moved from Shift_JIS to rows and cells by the usual arithmetic.

Guarantees: no two texts are written as the same octets, so what was proved of a text holds for its octets:
where Windows gives one JIS character another code point (～ for 〜, and five like it), only JIS's is written
(`fold` gives it) and read. Rows and texts are written with ASCII at their ends, and with neither JIS X 0201
Roman (`ESC ( J`, a backslash to many readers) nor half-width kana (`ESC ( I`). Reading takes these as well,
and JIS X 0212. A text of JIS X 0208 alone costs one call of Python's C codec; both ways are linear.

Diagnostics: what cannot be written is None; octets that cannot be read raise UnicodeDecodeError with their
offset. Source: RFC 1468, JIS X 0201, X 0208, X 0212; Microsoft's code pages 50220 to 50222 and 932.
"""

import re
from contextlib import suppress
from typing import Literal

from relay.charset.fold import fold_jis

_ROMAN = b"\x1b(J"
_TO_KANJI, _TO_ASCII = b"\x1b$B", b"\x1b(B"
_VENDOR_ROWS = (13, 89, 90, 91, 92)
_Set = Literal["ASCII", "JIS X 0201 Roman", "JIS X 0201 kana", "JIS X 0208", "JIS X 0212"]
_DESIGNATIONS: dict[bytes, _Set] = {
    b"\x1b(B": "ASCII",
    b"\x1b(J": "JIS X 0201 Roman",
    b"\x1b(I": "JIS X 0201 kana",
    b"\x1b$@": "JIS X 0208",  # its first edition, of 1978: mailers write today's characters after it
    b"\x1b$B": "JIS X 0208",
    b"\x1b$(D": "JIS X 0212",
}
_SHIFT_OUT, _SHIFT_IN = b"\x0e", b"\x0f"
_SHIFT = re.compile(b"|".join(map(re.escape, (*_DESIGNATIONS, _SHIFT_OUT, _SHIFT_IN))))
_NO_ASCII = re.compile(rb"[^\x00-\x1a\x1c-\x7f]")  # an escape sequence that is not known counts as damage
_NO_KANA = re.compile(rb"[^\t\n\r \x21-\x5f]")
_VENDOR_OR_STANDARD = re.compile(
    rb"(?P<vendor>(?:[\x2d\x79-\x7c][\x21-\x7e])+)|(?:[\x21-\x2c\x2e-\x78\x7d\x7e][\x21-\x7e])+"
)
# What strict writers write, and Python's codec reads the same as we do, only many times as fast.
_PLAIN = re.compile(
    rb"(?:[\x00-\x0d\x10-\x1a\x1c-\x7f]++"
    rb"|\x1b\$B(?:[\x21-\x2c\x2e-\x78\x7d\x7e][\x21-\x7e])*+\x1b\(B)*+"
)
_PAIRS = re.compile(rb"(?:[\x21-\x7e]{2})*")
_NO_PLACE = "no character has this place"
_HIGH = bytes(octet | 0x80 for octet in range(256))
_LOW = bytes(octet & 0x7F for octet in range(256))
_KANA_HIGH = bytes(octet | 0x80 if 0x21 <= octet <= 0x5F else octet for octet in range(256))
_ROMAN_SIGNS = {ord("\\"): "¥", ord("~"): "‾"}
_EUC_RUN = re.compile(
    rb"(?P<ascii>[\x00-\x7f]+)|(?P<double>(?:[\xa1-\xfe]{2})+)"
    rb"|(?P<kana>(?:\x8e[\xa1-\xdf])+)|(?P<supplement>(?:\x8f[\xa1-\xfe]{2})+)"
)


def _vendor_characters() -> dict[bytes, str]:
    """The characters of the vendor rows by their two octets: 83 of NEC's and 374 of IBM's."""
    characters = {}
    for row in _VENDOR_ROWS:
        for cell in range(1, 95):
            lead = (row - 1) // 2 + (0x81 if row < 63 else 0xC1)
            trail = cell + 0x9E if row % 2 == 0 else cell + (0x3F if cell < 64 else 0x40)
            with suppress(UnicodeDecodeError):  # not every cell is taken
                characters[bytes((row + 32, cell + 32))] = fold_jis(bytes((lead, trail)).decode("cp932"))
    return characters


def encode_jis(text: str) -> bytes | None:
    r"""The text, which holds no ESC, in ASCII and JIS X 0208, or None when it holds anything else.

    >>> encode_jis("A注\n"), encode_jis("①"), encode_jis("¥")
    (b'A\x1b$BCm\x1b(B\n', None, None)
    """
    try:
        coded = text.encode("iso2022_jp")
    except UnicodeEncodeError:
        return None
    return None if _ROMAN in coded else coded


def encode_jis_ms(text: str) -> bytes | None:
    r"""The text, which holds no ESC, in these and the vendor rows, or None when it holds anything else.

    >>> encode_jis_ms("髙①"), encode_jis_ms("𠮷")
    (b'\x1b$B|b-!\x1b(B', None)
    """
    if (coded := encode_jis(text)) is not None:
        return coded
    # The codec passes an escape sequence that stands in the text on as it is, in ASCII: so a vendor character
    # is put into the text as its own octets, and where two kanji meet, the shift out and in again goes.
    coded = encode_jis(_VENDOR.sub(lambda char: _VENDOR_FRAMES[char[0]], text))
    return None if coded is None else coded.replace(_TO_ASCII + _TO_KANJI, b"")


def decode_jis(octets: bytes) -> str:
    r"""The text of ISO-2022-JP octets, vendor characters and half-width kana included.

    >>> decode_jis(b"\x1b$B|b-!!A\x1b(I6^\x1b(B.")
    '髙①〜ｶﾞ.'
    """
    texts: list[str] = []
    start = 0
    while start < len(octets):
        plain = _PLAIN.match(octets, start)
        assert plain is not None  # nothing at all matches as well
        texts.append(_decode_plain(octets, start, plain[0]))
        text, start = _decode_shifted(octets, plain.end())
        texts.append(text)
    return "".join(texts)


def _decode_plain(octets: bytes, start: int, run: bytes) -> str:
    try:
        return run.decode("iso2022_jp")
    except UnicodeDecodeError as error:
        raise _damage(octets, start + error.start, _NO_PLACE) from None


def _decode_shifted(octets: bytes, start: int) -> tuple[str, int]:
    """The text from octets[start:], ASCII at first, up to the shift back to ASCII, and where that ends."""
    held: _Set = "ASCII"
    shifted = False
    texts: list[str] = []
    for shift in _SHIFT.finditer(octets, start):
        current = "JIS X 0201 kana" if shifted else held
        texts.append(_decode_run(octets, start, shift.start(), current))
        start = shift.end()
        if shift[0] in (_SHIFT_OUT, _SHIFT_IN):
            shifted = shift[0] == _SHIFT_OUT
        else:
            held = _DESIGNATIONS[shift[0]]
        if held == "ASCII" and not shifted:
            return "".join(texts), start
    texts.append(_decode_run(octets, start, len(octets), "JIS X 0201 kana" if shifted else held))
    if held in ("JIS X 0208", "JIS X 0212"):
        raise _damage(octets, len(octets), "the text ends outside ASCII")
    return "".join(texts), len(octets)


def decode_euc(octets: bytes) -> str:
    r"""The text of EUC-JP octets, vendor characters and half-width kana included.

    >>> decode_euc(b"\xfc\xe2\xad\xa1\x8e\xb6.")
    '髙①ｶ.'
    """
    texts: list[str] = []
    start = 0
    for run in _EUC_RUN.finditer(octets):
        if run.start() != start:
            break
        start = run.end()
        match run.lastgroup:
            case "double":
                texts.append(_decode_double(octets, run.start(), run[0].translate(_LOW)))
            case "supplement":
                texts.append(_decode_euc_run(octets, run.start(), run[0]))
            case "kana":
                texts.append(run[0].replace(b"\x8e", b"").decode("cp932"))
            case _:
                texts.append(run[0].decode("ascii"))
    if start < len(octets):
        raise _damage(octets, start, "no character begins so")
    return "".join(texts)


def _decode_run(octets: bytes, start: int, end: int, current: _Set) -> str:
    """The text of octets[start:end], which hold no shift, in one set of characters."""
    run = octets[start:end]
    match current:
        case "ASCII" | "JIS X 0201 Roman":
            _refuse(_NO_ASCII, octets, start, run, "is neither ASCII nor a known escape sequence")
            text = run.decode("ascii")
            return text if current == "ASCII" else text.translate(_ROMAN_SIGNS)
        case "JIS X 0201 kana":
            _refuse(_NO_KANA, octets, start, run, "is no half-width kana")
            return run.translate(_KANA_HIGH).decode("cp932")
    whole = _PAIRS.match(run)
    assert whole is not None  # no pairs at all match as well
    if whole.end() != len(run):
        raise _damage(octets, start + whole.end(), "a character is cut, or its row ends outside ASCII")
    if current == "JIS X 0208":
        return _decode_double(octets, start, run)
    in_euc = b"".join(b"\x8f" + run[at : at + 2] for at in range(0, len(run), 2))
    try:
        return in_euc.translate(_HIGH).decode("euc_jp")
    except UnicodeDecodeError as error:
        raise _damage(octets, start + error.start // 3 * 2, _NO_PLACE) from None


def _decode_double(octets: bytes, start: int, run: bytes) -> str:
    """The characters of whole pairs of JIS X 0208 and the vendor rows, which begin at octets[start]."""
    texts = []
    for piece in _VENDOR_OR_STANDARD.finditer(run):
        at = start + piece.start()
        if piece["vendor"] is None:
            texts.append(_decode_euc_run(octets, at, piece[0].translate(_HIGH)))
            continue
        for index in range(0, len(piece[0]), 2):
            char = _VENDOR_CHARACTERS.get(piece[0][index : index + 2])
            if char is None:
                raise _damage(octets, at + index, _NO_PLACE)
            texts.append(char)
    return "".join(texts)


def _decode_euc_run(octets: bytes, start: int, run: bytes) -> str:
    try:
        return run.decode("euc_jp")
    except UnicodeDecodeError as error:
        raise _damage(octets, start + error.start, _NO_PLACE) from None


def _refuse(pattern: re.Pattern[bytes], octets: bytes, start: int, run: bytes, reason: str) -> None:
    if found := pattern.search(run):
        raise _damage(octets, start + found.start(), reason)


def _damage(octets: bytes, offset: int, reason: str) -> UnicodeDecodeError:
    return UnicodeDecodeError("iso2022_jp", octets, offset, min(offset + 1, len(octets)), reason)


_VENDOR_CHARACTERS = _vendor_characters()
# What JIS X 0208 has as well (nine of row 13, ≒ ∫ …, and ¬ of row 92) is written where the standard has it.
_VENDOR_FRAMES = {
    char: (_TO_KANJI + place + _TO_ASCII).decode("ascii")
    for place, char in _VENDOR_CHARACTERS.items()
    if encode_jis(char) is None
}
_VENDOR = re.compile(f"[{''.join(_VENDOR_FRAMES)}]")
