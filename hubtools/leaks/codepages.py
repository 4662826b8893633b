"""Texts in the code pages of before UTF-8: read in each in which a word of theirs tells.

Letters and digits of a secret are those of ASCII in all of them; only the word beside it is not.
"""

from __future__ import annotations

from collections.abc import Iterator

from hubtools.leaks import languages
from hubtools.leaks.names import PASSWORDS

# By what they are for: Western Europe (three), its centre (two), Turkish, Greek, Cyrillic (five),
# Hebrew, Arabic, Thai, Vietnamese; Chinese (two), Japanese (two), Korean.
_CODECS = (
    "cp1252", "cp850", "mac-roman", "cp1250", "iso8859-2", "cp1254", "cp1253", "cp1251", "koi8-r", "cp866", "iso8859-5", "mac-cyrillic", "cp1255",
    "cp1256", "cp874", "cp1258", "gb18030", "big5", "cp932", "euc-jp", "cp949",
)  # fmt: skip
_ISO_2022 = ("iso2022_jp", b"\x1b$")
_WORDS = tuple(word for word in PASSWORDS if not word.isascii())


def otherwise(data: bytes) -> Iterator[str]:
    """What bytes that are no UTF-8 say in other code pages, where that has a word that tells. Linear
    in their length."""
    if _ISO_2022[1] in data:
        yield from _telling(data, _ISO_2022[0])
    if data.isascii():
        return
    for codec in _CODECS:
        yield from _telling(data, codec)


def _telling(data: bytes, codec: str) -> Iterator[str]:
    text = data.decode(codec, "replace").replace("\0", " ")
    lower = text.lower()
    there = languages.there(lower)
    # behind a word of ASCII there may be a letter that is none: one page says so
    known = bool(there) if codec == _CODECS[0] else any(not word.isascii() for word in there)
    if known or any(word in lower for word in _WORDS):
        yield text


def letters(value: str) -> str:
    """What a value is in every code page."""
    return "".join(filter(str.isascii, value))
