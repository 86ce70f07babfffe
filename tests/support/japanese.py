"""Japanese characters by tables that the product does not write with, and texts that break mail software."""

import re
from collections.abc import Iterator

# One JIS character, two code points: Microsoft's beside JIS's. A reader may show either.
WINDOWS_TO_JIS = str.maketrans("～∥－￠￡￢", "〜‖−¢£¬")


def place(char: str) -> bytes:
    """The two octets of a character in ISO-2022-JP, reckoned from its Shift_JIS octets in code page 932."""
    lead, trail = char.encode("cp932")
    row = (lead - (0x81 if lead < 0xA0 else 0xC1)) * 2
    cell = trail - (0x40 if trail < 0x7F else 0x41)
    return bytes((row + 0x21 + cell // 94, cell % 94 + 0x21))


def jis_characters() -> list[tuple[bytes, str]]:
    """Every character of JIS X 0208 with its two octets, by EUC-JP."""
    return list(_by_codec(0x80, "euc_jp"))


def windows_characters() -> list[str]:
    """Every character outside the private area that Python's code page 932 writes with two octets."""
    found = []
    for code in (*range(0x80, 0xD800), *range(0xF900, 0x10000)):
        try:
            octets = chr(code).encode("cp932")
        except UnicodeEncodeError:
            continue
        if len(octets) == 2:
            found.append(chr(code))
    return found


def read_as_windows(octets: bytes) -> str:
    """ISO-2022-JP as a Windows program reads it: pairs moved to Shift_JIS and read by code page 932."""

    def moved(run: re.Match[bytes]) -> bytes:
        pairs = zip(run[1][::2], run[1][1::2], strict=True)
        return b"".join(_in_shift_jis(row - 0x21, cell - 0x21) for row, cell in pairs)

    return re.sub(rb"\x1b\$B([\x21-\x7e]*)\x1b\(B", moved, octets).decode("cp932")


def _in_shift_jis(row: int, cell: int) -> bytes:
    lead = row // 2 + (0x81 if row < 62 else 0xC1)
    trail = cell + (0x9F if row % 2 else 0x40 if cell < 63 else 0x41)
    return bytes((lead, trail))


def _by_codec(high: int, codec: str) -> Iterator[tuple[bytes, str]]:
    for row in range(0x21, 0x7F):
        for cell in range(0x21, 0x7F):
            try:
                yield bytes((row, cell)), bytes((row | high, cell | high)).decode(codec)
            except UnicodeDecodeError:
                continue


# Each is a subject, a display name and a row of a body. No controls: those are refused, not written.
TEXTS = (
    *(
        "注文番号",
        "Qoo10の注文のお知らせです。(注文番号:300000001)",
        "Order 123",
        "注文 番号  三つ",
        " 前後 ",
    ),
    *("髙島屋 ①㈱№℡Ⅳⅳ", "山﨑 德 纊 神 塚", "①", "①a①a①a①", "a①", "①注①注", "注①注", "①\\~①"),
    *("〜～−－‖∥¢￠£￡¬￢—―", "￥1,980 ¥1,980 ‾￣ ＼\\", "≒≡∫√⊥∠∵∩∪", "￤＇＂", "〓", "■□◆◇★☆※→"),
    *("ｶﾞｷﾞﾊﾟﾋﾟ ｱﾞ ﾞ ﾟ", "｢ﾃｽﾄ｣､･｡ｰ", "か\u3099は\u309a", "ｳﾞｧｲｵﾘﾝ", "カタカナとｶﾀｶﾅ"),
    *("𠮷野家", "é à ü ñ ß", "😀👨‍👩‍👧", "\u00a0", "葛\U000e0100城", "한국어", "ЖЩю αβγ Ωω", "\ue000"),
    *("=?UTF-8?B?44GC?=", "=?", "?=", "=?ISO-2022-JP?B?GyRCJCIbKEI=?= 注文", "注文=?=", "_a_ =41"),
    *("$B", "(B", "$BCmJ8(B", "%CMJ", "~{VP~}", "!!!!", "注(B文$B番", "\\x1b$B"),
    *(
        "Bcc: x@example.com",
        "<x@example.com>",
        "a, b; c: d",
        '"引用" と \\ と "',
        "(丸) (",
        ")",
        "@",
        ".",
        "..",
    ),
    *("<$_PACK_NO_$>", "##DELETE_BLANK_ROW##", "[注文番号] 999", "注文番号:1 カート番号:2", "--", "From x"),
    *("　全角　空白　", "注" * 15, "注" * 16, "注" * 18, "注" * 19, "注" * 100, "A注B文C" * 20, "①" * 100),
    *(
        "x" * 76,
        "x" * 300,
        "word " * 40 + "end",
        "注文 " * 40 + "終",
        "髙a" * 50,
        "。" * 200,
        "a" * 49 + "注",
    ),
)
