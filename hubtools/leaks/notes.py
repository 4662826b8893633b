"""Logins as people note them: a line for the name and one for the password, both in one, or a name
and its value with nothing but blanks between.

What stands beside no telling word must be stronger than a word: letters of both cases, digits and
signs, three of these four.
"""

from __future__ import annotations

from collections.abc import Iterator

from hubtools.leaks.guesses import is_hash, is_mixed, is_password
from hubtools.leaks.names import beside
from hubtools.leaks.shapes import Secret
from hubtools.patterns import regex

_VALUE = r"[^\s\"'`\\,<>(){}\[\]|]{8,400}"
# The words for a user, of a label.
_USER = (
    r"(?:user(?:[ _-]?(?:name|id))?|log[ -]?in(?:[ _-]name)?|account|acct|e-?mail(?: address)?|benutzer(?:name)?"
    r"|utilisateur|identifiant|usuario|utente|konto)"
)
_IS = r"(?:[ \t]{0,8}[:=][ \t]{0,8}|[ \t]{1,8})"
_NAME = r"[\w.@+-]{2,80}"
_MARKS = r"[ \t>#*+-]{0,8}"
# `login: me` or `login`, `me`, and the password in the next line
_LINES = regex(
    rf"(?im)^{_MARKS}{_USER}(?:{_IS}|[ \t]{{0,8}}:?\s{{0,8}}\n\s{{0,8}}){_NAME}[ \t]{{0,8}}\r?\n\s{{0,8}}({_VALUE})[ \t]{{0,8}}\r?$"
)
# `login: me / X`, `login me X`
_LINE = regex(
    rf"(?im)^{_MARKS}{_USER}{_IS}{_NAME}(?:[ \t]{{0,4}}[/,;:|][ \t]{{0,4}}|[ \t]{{1,8}})(?:p(?:ass)?(?:w(?:or)?d|w|asswort)[ \t:=]{{1,4}})?({_VALUE})[ \t]{{0,8}}\r?$"
)
# `me@example.org X`, on one line or on two
_MAIL = regex(
    rf"(?m)(?<![^\s>#*+-])[\w.+-]{{1,60}}@[\w-]{{1,40}}\.[\w.-]{{2,40}}(?:[ \t]{{0,4}}[/,;:|][ \t]{{0,4}}|[ \t]{{1,8}}|[ \t]{{0,8}}\r?\n[ \t]{{0,8}})"
    rf"({_VALUE})[ \t]{{0,8}}\r?$"
)
# A whole line of a name and its value, `API-Key  X`
_PAIR = regex(
    rf"(?m)^{_MARKS}([A-Za-z][\w.-]{{0,30}}(?: \w[\w.-]{{0,29}}){{0,3}})([ \t]{{1,80}}|[ \t]{{0,4}}[-/][ \t]{{1,4}})({_VALUE})[ \t]{{0,8}}\r?$"
)
# What looks so and is not: a setting, a path, a file, a mark of a list, a name made of words.
_OTHER = regex(
    r"[A-Za-z_][\w.-]*[=:]\S|[#*@/$%&+=~?-]|\S*/|\S*\.[A-Za-z]\w{0,5}\Z|(?:v?\d+|[A-Z]?[a-z]{2,}|[A-Z]{2,}|[_.-])+\Z"
)
_USERS = (
    *("user", "login", "log in", "log-in", "account", "acct", "mail", "benutzer", "utilisateur"),
    *("identifiant", "usuario", "utente", "konto"),
)


def noted(text: str, lower: str, words: dict[str, list[int]]) -> Iterator[Secret]:
    """Passwords and keys in lines of `text`; `lower` is it in small letters, `words` where those
    that tell are in it. Linear in the text: each pattern has bounds and begins with a line."""
    if any(word in lower for word in _USERS):
        for pattern in (_LINES, _LINE):
            for match in pattern.finditer(text):
                yield from _login(match.start(1), match[1])
    if "@" in text:
        for match in _MAIL.finditer(text):
            yield from _login(match.start(1), match[1])
    if words:
        yield from _pairs(text, words)


def _pairs(text: str, words: dict[str, list[int]]) -> Iterator[Secret]:
    """Of the lines in which a word tells, each once."""
    done = -1
    for place in sorted(place for places in words.values() for place in places):
        start = text.rfind("\n", max(0, place - 120), place) + 1 or max(0, place - 120)
        if start <= done:
            continue
        done = start
        match = _PAIR.match(text, start)
        if match is None or (start and text[start - 1] != "\n"):
            continue
        name, blanks, value = match.groups()
        what = beside(name, value)
        if what and ("password" not in what or len(blanks) > 1 or _is_strong(value)):
            yield Secret(what, match.start(3), value)


def _login(place: int, value: str) -> Iterator[Secret]:
    if _is_strong(value):
        yield Secret("a password below a login", place, value)


def _is_strong(value: str) -> bool:
    """What is no word, number, date or file's name."""
    if _OTHER.match(value) is not None:
        return False
    kinds = (
        any(c.isupper() for c in value),
        any(c.islower() for c in value),
        any(c.isdigit() for c in value),
        any(c in "!#$%&*?^~=+" for c in value),
    )
    return sum(kinds) >= 3 and is_mixed(value) and is_password(value) and not is_hash(value)
