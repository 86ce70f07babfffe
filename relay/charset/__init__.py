"""Charset: text as the bytes of Japanese mail and back, exactly or not at all.

`profile` says how a partner's mails are written, `fold` which characters are the same to a reader, `jis` is
the codec for ISO-2022-JP with and without the Windows vendor characters, `decoding` reads octets by the
label that came with them and `encoded_word` reads headers. Nothing here ever puts `?` for a character.
"""

from relay.charset.decoding import UndecodableError, decoded
from relay.charset.encoded_word import header_text
from relay.charset.profile import (
    GETA,
    ISO_2022_JP,
    ISO_2022_JP_MS,
    UTF_8,
    CharacterError,
    Charset,
    Profile,
    charset_of,
    first_distinct,
    shown,
)

__all__ = [
    "GETA",
    "ISO_2022_JP",
    "ISO_2022_JP_MS",
    "UTF_8",
    "CharacterError",
    "Charset",
    "Profile",
    "UndecodableError",
    "charset_of",
    "decoded",
    "first_distinct",
    "header_text",
    "shown",
]
