"""Passwords in quotes as managers of passwords draw them: of letters, digits and any signs, also
those with which a template or a regular expression begins."""

from __future__ import annotations

import html
from itertools import pairwise

from hubtools.leaks.guesses import entropy
from hubtools.patterns import regex

_SHORTEST = 10  # characters of such a password
_LONGEST = 200
_LETTERS = regex(rf"[!-~]{{{_SHORTEST},{_LONGEST}}}\Z")
# What is filled in later (shells, Jinja, Python, Ruby, ERB, make, Windows), what dates and regular
# expressions are written in, calls and members of a program, what is said in place of a value.
_TEMPLATE = regex(
    r"(?:<.*>|\[.*\]|\{.*\}|%.*%|\(.*\)|\^.*\$|/.*/[a-z]{0,3}|([+.&,]).*\1|[a-z]{3,}:[A-Za-z/].*)\Z"
    r"|.*?(?:\$\{[^{}]*\}|\{\{.*\}\}|\{%.*%\}|<%.*%>|\$\(\w{3}[^()]*\)|[#@]\{\w{3}[^{}]*\}|\{\d?\}|%\(\w{2,40}\)"
    r"|\{[A-Za-z_]\w{2,40}(?:[.:!\[-][^{}]*)?\}|\{\d[.:!\[][^{}]*\}|</?[a-z]{1,10}>|</|/>|%[A-Za-z_]{4,40}%"
    r"|\$[A-Z_]{4}|\$[a-z_]{5}|__\w{2,40}__|://|&[a-z]{2,6};|&#\w{2,4};|\{![rsa]|\w\[[\"']|\w\[\w*:\w*\]|\$[a-z]{3,}:|=[\"'`][\w?]*[\"'`]|\(\)\Z|:[a-z-]{3,12}\(|(?:%[-+0]?\d{0,3}\$?[A-Za-z][^%\w]{0,2}){3}"
    r"|[aA0]-[zZ9fF]|\(\?[:=!P<]|\[\^[^\]]+\][*+{?]|\{\d{1,3},\d{0,3}\}|\\[wdsbWDSB][+*?{\])\\]|\.[*+][?)$]"
    r"|[A-Za-z_]{4}\([^()]*\)|[A-Za-z_]{4}\[[^\[\]]*\]|[a-z_]{3}\.[a-z_]{3}|(?:\(\)|\[\d?\])[.;,)\[(]|\w(?:&&|\|\||[!=]==|[=-]>|::)\w"
    r"|(?i:example|placeholder|redacted|change_?me|your_|xxxx|\*\*\*\*|\.\.\.))"
)
_WORD = regex(r"[A-Za-z]?[a-z]{3,}|[A-Z]{4,}")
_LONG_WORD = 7  # letters
_VOWELS = frozenset("aeiouyAEIOUY")
_OF_PATHS = frozenset("-_.:/@~")  # also of versions, times, addresses
_ENTITY = regex(r"&(?:[a-z]{2,6}|#\d{1,5}|#x[0-9a-fA-F]{1,4});")
_ESCAPED = regex(r"\\([\"'`\\/])")
_BEHIND = frozenset(" \t\r\n.,;:)]}>/?#|\\\"'`*")  # what may follow a closing quote


def is_drawn_with_signs(value: str) -> bool:
    """True for what chance drew of letters, digits and signs: 10 to 200 characters without blanks,
    of three kinds at least (small letters, capitals, digits, signs), in no order, with one short word
    at most. Templates (`${NAME}`), dates, paths, regular expressions and code are none. As it is
    read: without escapes."""
    if _LETTERS.match(value) is None:
        return False
    kinds = [0 if c.isdigit() else 1 if c.isupper() else 2 if c.islower() else 3 for c in value]
    signs = {c for c, kind in zip(value, kinds, strict=True) if kind == 3}
    turns = sum(a != b for a, b in pairwise(kinds))
    if len(set(kinds)) < 3 or signs <= _OF_PATHS or turns * 5 < 2 * (len(value) - 1):
        return False
    words = [
        word for word in _WORD.findall(value) if len(word) > 3 and not _VOWELS.isdisjoint(word)
    ]
    if len(words) > 1 or any(len(word) >= _LONG_WORD for word in words):
        return False
    return entropy(value) >= 2.8 and _TEMPLATE.match(value) is None


def signed(text: str, start: int) -> str | None:
    """The password of this kind that begins at `start` of `text`, as it stands, if a quote is right
    before it and the same quote closes it; else None."""
    quote = text[start - 1 : start]
    if not quote or quote not in "\"'`" or text[max(0, start - 2) : start - 1] in ("f", "\\"):
        return None
    for escapes in (True, False) if quote == "'" else (True,):
        end = _closing(text, start, quote, escapes=escapes)
        if end - start < _SHORTEST:
            continue
        value = text[start:end]
        if not text[end + 1 : end + 2] or text[end + 1] in _BEHIND:
            read = _ESCAPED.sub(r"\1", value).replace("''", "'")
            if "&" in read and _ENTITY.search(read):
                read = html.unescape(read)
            if is_drawn_with_signs(read):
                return value
    return None


def _closing(text: str, start: int, quote: str, *, escapes: bool) -> int:
    """Where `quote` closes what begins at `start`: not where it is doubled, as in YAML, nor, with
    `escapes`, behind a backslash. -1: nowhere near."""
    last = start + _LONGEST + 1
    end = text.find(quote, start, last)
    while end > start:
        doubled = quote == "'" and text.startswith("''", end)
        before = text[start:end]
        if not doubled and not (escapes and (len(before) - len(before.rstrip("\\"))) % 2):
            break
        end = text.find(quote, end + 1 + doubled, last)
    return end
