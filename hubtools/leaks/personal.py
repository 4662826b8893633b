"""Ways to reach a person, and paths that name an account."""

from __future__ import annotations

import re
from collections.abc import Iterator

# These are compiled when they are first needed: hardly ever.
_MAIL = r"(?<![\w.+-])[\w.+-]{1,64}@(?:[a-zA-Z0-9-]{1,63}\.)+[a-zA-Z]{2,24}\b"
# With a country's prefix, in the North American way, or behind a word that says so: long numbers
# are seeds, sizes and ids as a rule.
_PHONE = (
    r"(?<![\w.+-])\+\d{1,3}[ .()/-]{0,2}(?:\(?\d{1,5}\)?[ ./-]?){2,5}\d{2,4}(?!\w)"
    r"|(?<![\w.-])(?:\(\d{3}\) ?|\d{3}[.-])\d{3}[.-]\d{4}(?![\w-])"
    r"|(?i:\b(?:phone|tel|telephone|mobile|whatsapp|call)\b)\.?:? ?[+(]?\d[\d ()./-]{6,16}\d(?!\w)"
)
# Addresses that exist for examples only (RFC 2606).
_NOBODY = r"@(?:[\w-]+\.)*(?:example\.(?:com|org|net)|\w+\.(?:example|invalid|test))$"


_DIGITS = bytes.maketrans(b"123456789", b"0" * 9)
_SAID = ("phone", "tel", "mobile", "whatsapp", "call")


def may_hold_contacts(text: str) -> bool:
    """False if `contacts` finds nothing in any piece of `text`: a quick look at many at once."""
    if "@" in text:
        return True
    data = text.encode("utf-8", "replace").translate(_DIGITS)
    if b"+0" in data or b"000-0000" in data or b"000.0000" in data:
        return True
    lower = data.lower()
    return b"000" in data and any(word.encode() in lower for word in _SAID)


def contacts(text: str) -> Iterator[tuple[str, str]]:
    """(what it is, itself but for the middle) of every e-mail address and phone number."""
    if "@" in text:
        for match in re.finditer(_MAIL, text):
            if not re.search(_NOBODY, match[0].lower()):
                name, _, host = match[0].partition("@")
                yield "an e-mail address", f"{name[:1]}...@{host}"
    if may_hold_contacts(text.replace("@", "")):
        for match in re.finditer(_PHONE, text):
            if 8 <= sum(map(str.isdigit, match[0])) <= 15:
                yield "a phone number", f"...{match[0][-2:]}"
