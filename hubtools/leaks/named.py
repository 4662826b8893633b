"""Secrets without a form of their own: known by the word beside them, or by where they stand.

Words are found first (`str.find`), and only what stands behind one is looked at more closely: the
time grows with the text, whatever is in it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

from hubtools.leaks import languages
from hubtools.leaks.anchored import BY_WORD, is_chosen
from hubtools.leaks.guesses import (
    SHORTEST,
    is_drawn,
    is_hash,
    is_hex,
    is_mixed,
    is_password,
    looks_random,
)
from hubtools.leaks.marks import by_mark, words_in
from hubtools.leaks.names import (
    PASSWORDS,
    WORDS,
    is_alone,
    is_cloud_secret,
    is_key,
    is_open,
)
from hubtools.leaks.quoted import signed
from hubtools.leaks.shapes import Secret
from hubtools.patterns import regex

_QUOTE = r"(?:\\{0,3}[\"'`])?"
_BLANKS = r"[\s\\]{0,200}+"
# Marks of Markdown around a name or a value, a list or an object that holds the value.
_MARKS = r"[*_]{0,3}"
_OPENS = (
    # an element of XML below the one that tells
    r"(?:(?:<(?:[\w-]{1,20}:)?(?i:value|string|text|data|secret|content|plain(?:text)?|v)(?:\s[^<>]{0,100})?>\s{0,80}+)?"
    r"(?:<!\[CDATA\[\s{0,40}+)?)?"
    rf"(?:\*{{1,3}}\s{{0,4}})?(?:\[{_BLANKS}(?=\\{{0,3}}[\"'`])|\{{{_BLANKS}{_QUOTE}(?:value|default|current)"
    rf"{_QUOTE}{_BLANKS}[:=]{_BLANKS})?"
)
# Between a name and its value: an equals sign, a colon, an arrow; an element or attribute of XML,
# the next cell of a table, a block of settings.
_ATTRIBUTES = r"(?:\s{1,8}[\w:.-]{2,30}\s?=\s?[\"'][^\"'<>\n]{0,60}[\"']){0,4}"
_IS = (
    rf"(?:{_MARKS}{_QUOTE}{_MARKS}[\]}}]?{_BLANKS}(?::=|=>|->|→|⇒|={{1,3}}|:(?!:)|：|＝|»|\?[=:?]|\|\|)"
    rf"|{_QUOTE}{_ATTRIBUTES}\s{{0,8}}>"
    r"|</key>\s{0,20}<string>"
    r"|\s{0,8}:?\s{0,8}</(?:t[dh]|dt|b|strong|em|label|span|code|p)>\s{0,80}:?\s{0,8}(?:<[^<>]{1,100}>\s{0,80}){0,3}"
    rf"|{_QUOTE}\s{{0,8}}\{{\s{{0,80}}(?:(?!default|value)\w{{1,20}}\s{{0,20}}=[^\n]{{0,200}}\n\s{{0,40}}){{0,6}}(?:default|value)\s{{0,20}}="
    # of PowerShell, `gh`, the registry of Windows, Visual Basic
    rf"|{_QUOTE}[ \t]{{1,8}}(?:--?(?:[Vv]alue|body|b)|(?:/t[ \t]{{1,4}})?REG_\w{{2,10}}(?:[ \t]{{1,4}}/d)?)(?=[ \t=])=?"
    r"|[ \t]{1,8}As[ \t]{1,8}String[ \t]{1,8}="
    rf"|{_QUOTE}\s{{1,8}}(?:[a-z-]{{2,20}}\s?=\s?[\"'][^\"'<>\n]{{0,60}}[\"']\s{{1,8}}){{0,4}}"
    rf"(?:value|content)\s?=){_BLANKS}{_OPENS}(?:[brfu](?=\\{{0,3}}[\"'`]))?{_QUOTE}"
)
# In a sentence: my key is ...
_SAID = regex(
    rf"{_QUOTE}{_MARKS}[ \t]{{1,8}}(?:is|was|ist|war|lautet|est|es|–|—)[ \t:]{{1,8}}{_MARKS}[\"'`]?"
    r"([^\s\"'`*\\,;<>(){}\[\]|]{8,400})"
)
# What stands between `"name": NAME` and `"value": VALUE`: nothing, or further members.
_JSON = (
    r",\s{0,200}+(?:\"[\w -]{1,40}\"\s{0,9}:\s{0,9}(?:\"[^\"\n]{0,200}\"|[\w.-]{1,40})\s{0,200},\s{0,200}+){0,6}"
    r"(?=\"(?:val|value|v|secret|data|content)\")"
)
_YAML = (
    r"\r?\n[ \t]{0,40}+(?:(?!value)[\w-]{1,40}:[^\n]{0,200}\n[ \t]{1,40}+){0,6}(?=value|\"value)"
)
# A name and its value as two cells of a table, or two members.
_CELLS = regex(
    rf"{_QUOTE}[ \t]{{0,200}}+(?:{_JSON}|{_YAML}|[,;|\t])[ \t]{{0,200}}+"
    rf"(?:{_QUOTE}(?:value|val|v|secret|data|content){_QUOTE}{_BLANKS}[:=]{_BLANKS})?"
    r"[\"'`]?([^\s\"'`\\,;<>(){}\[\]|]{8,400})"
)
# The other way round: `"value": VALUE, "name": `, `value="VALUE" name="` and what stands before the
# telling word.
_REVERSED = regex(
    rf"alue{_QUOTE}\s{{0,9}}[:=]\s{{0,9}}[\"']?([^\s\"'`\\,;<>(){{}}\[\]|]{{8,400}})[\"']?\s{{0,9}},?\s{{0,80}}+"
    r"(?:\"[\w -]{1,40}\"\s{0,9}:\s{0,9}(?:\"[^\"\n]{0,200}\"|[\w.-]{1,40})\s{0,9},\s{0,80}+){0,4}"
    rf"[\"']?(?:[Nn]ame|[Kk]ey){_QUOTE}\s{{0,9}}[:=]\s{{0,9}}[\"']?[\w. -]{{0,40}}\Z"
)
# An option or a variable, and only blanks before its value: `--api-key X`, `ENV API_KEY X`.
_OPTION = regex(r"[ \t]{1,200}+[\"']?([^\s\"'`\\,;<>(){}\[\]|]{8,400})")
_COMMAND = r"\b(?:setx|setenv|ENV|ARG|set -[a-z]{1,3}|config(?: --?\w{1,12})?(?: set)?|secrets? set)[ \t]{1,4}[\w:.-]{0,40}"
_SETS = regex(_COMMAND)
_OPTION_NAME = regex(rf"(?:(?<!\w)--?[A-Za-z][\w-]*|[A-Za-z]\w*_\w*|{_COMMAND})\Z")
# What may stand behind the word in a name.
_OF_WHAT = r"(?:\d{1,2}|v\d|value|base64|base|b64|hex|data|raw|prod(?:uction)?|dev(?:elopment)?|live|test|staging|primary|secondary)"
# `set_api_key("...")`, of a key alone: a password may be in a call that asks for one.
_CALL = r"\(\s{0,40}[brfu]?\\{0,3}[\"']"
_TAIL = regex(
    rf"(?i:[_.-]?{_OF_WHAT}|s)?(?:(?: ?\([\w ,.-]{{1,30}}\))?{_IS}|{_CALL})([^\s\"'`\\,;<>(){{}}\[\]|]{{8,400}})"
)
_OF_LANGUAGES = languages.form(_IS)
_PASSWORD = regex(
    rf"(?:[ _-](?:phrase|word))?(?i:[_.-]?(?:\d{{1,2}}|value|prod|dev|live)|s)?{_IS}([^\s\"'`\\<>]{{8,200}}|(?<=[\"'`])(?=\S{{10}}))"
)
_SCHEME = regex(r"[A-Za-z][A-Za-z0-9+.-]{1,30}\Z")
# The same without a password: the user is a token. A number behind it is the project of a Sentry.
_USER = regex(
    r"([^\s/:@\"'<>?#%$\\]{20,400}):?@[\w\[.-]{1,200}\]?(?::\d{1,5})?(/\d+(?=[\s\"'<>?]|\Z))?"
)
# RFC 3986, 3.2.1: what stands before the @ of an address.
_USERINFO = regex(r"([^\s/:@\"'<>?#]{0,200}):([^\s/@\"'<>]{2,400})@(?=[\w\[.-])")


def small(text: str) -> str:
    """`text` in small letters, each at its place."""
    lower = text.lower()
    if len(lower) != len(text):  # a few letters grow when made small
        lower = "".join(c.lower() if len(c.lower()) == 1 else c for c in text)
    return lower


def telling_words(lower: str, among: Collection[str] | None = None) -> dict[str, list[int]]:
    """Where each word stands that tells, in a text in small letters (`small`), of which it may be
    any or those `among`."""
    known = (*WORDS, *(_ENGLISH if lower.isascii() else PASSWORDS))
    found = {
        word: list(places_of(lower, word))
        for word in known
        if (among is None or word in among) and word in lower
    }
    return found | languages.places(lower, among)


_PASSWORDS = frozenset(PASSWORDS)
_ENGLISH = tuple(word for word in PASSWORDS if word.isascii())


def named(
    text: str, lower: str, words: dict[str, list[int]], among: Collection[str] | None = None
) -> Iterator[Secret]:
    """Values beside telling words, in addresses, in .netrc and kaggle.json; `lower` is the text in
    small letters (`small`), `words` where the words are in it; of `NAMES` only those `among` may
    be in it (None: any). Linear in the text."""
    yield from _addresses(text)
    for word in WORDS if words else ():
        if places := words.get(word):
            if near := _ended(text, places, word):
                for pattern in (_TAIL, _CELLS, _OPTION, _SAID):
                    yield from _keys(text, near, word, pattern)
            yield from _reversed(text, places, word)
    for word, places in words.items():
        if word in _PASSWORDS:
            if near := _ended(text, places, word):
                yield from _passwords(text, near, word)
                yield from _chosen_apart(text, near, word)
            if word not in ("pw", "psw"):
                yield from _reversed(text, places, word)
    for place, value in languages.keys(text, words, _OF_LANGUAGES):
        yield Secret(languages.WHAT, place, value)
    for word in words_in(lower, _BY_MARK, among):
        for what, pattern, holds in BY_WORD[word]:
            at = words.get(word) or places_of(lower, word)
            for place, match in _after(text, at, word, pattern):
                if holds(match):
                    yield Secret(what, place, match[match.lastindex or 0])


def _ended(text: str, places: list[int], word: str) -> list[int]:
    """Those of `places` where a value may follow. Not where the word goes on (`passing`, `authors`),
    but for `tokens`, `keyv2`, `passwordprod`; nor where the next word of a sentence follows, unless
    it is one as in `the key is`, or this is the name of an option or a variable."""
    found, length = [], len(word)
    for place in places:
        end = place + length
        after = text[end : end + 2]
        if after[:1].isalpha():
            if after[0] not in "svbpdlSVBPDL":
                continue
        elif after[:1] == " " and after[1:].isalpha() and after[1] not in "iwlevcp":
            before = text[max(0, place - 24) : end]
            if "-" not in before and "_" not in before and not _goes_on(text, end, before):
                continue
        found.append(place)
    return found


def _goes_on(text: str, end: int, before: str) -> bool:
    """Whether a word that ends there, and has a blank behind it, has its value further on: a
    command that sets it, an element of XML with attributes, a constant of Visual Basic."""
    if "<" in before or text.startswith(" As ", end):
        return True
    sets = "set" in before or "ENV" in before or "ARG" in before or "config" in before
    return sets and _SETS.search(before) is not None


_SHORT = 40  # characters of a name
# Most of them are in no text: of a group of words none is where what they have in common is not.
_BY_MARK = by_mark(
    BY_WORD,
    ("pw", "pass", "aut", "\t", '"', "'", "key", "y:", "ess", "log", "con", "ent", "an", "c"),
)


def places_of(text: str, word: str) -> Iterator[int]:
    place = text.find(word)
    while place >= 0:
        yield place
        place = text.find(word, place + len(word))


def _after(
    text: str, places: Iterable[int], word: str, pattern: re.Pattern[str]
) -> list[tuple[int, re.Match[str]]]:
    """(where the word is, what the pattern found behind it), of `places` where the word begins;
    nothing is looked at twice."""
    found = []
    end, length, match_at = 0, len(word), pattern.match
    for place in places:
        if place >= end and (match := match_at(text, place + length)) is not None:
            # a short value may itself be a name: `key="HMAC_KEY" value=...`
            start, end = match.span(match.lastindex or 0)
            end = end if end - start > _SHORT else start
            found.append((place, match))
    return found


def _addresses(text: str) -> Iterator[Secret]:
    for place in places_of(text, "://"):
        match = _USERINFO.match(text, place + 3)
        if match and _SCHEME.search(text, max(0, place - 32), place) and is_chosen(match):
            yield Secret("a password in an address", match.start(2), match[2])
        elif match is None and (user := _USER.match(text, place + 3)) is not None:
            known = _SCHEME.search(text, max(0, place - 32), place)
            if known and user[2] is None and is_drawn(user[1]):
                yield Secret("a token in an address", user.start(1), user[1])


def _keys(text: str, places: list[int], word: str, pattern: re.Pattern[str]) -> Iterator[Secret]:
    for place, match in _after(text, places, word, pattern):
        value = match[1]
        if len(value) < SHORTEST:
            continue
        before = text[max(0, place - 48) : place]
        if pattern is not _OPTION:
            value = value.partition("&")[0].rstrip(".:")
        elif not _OPTION_NAME.search(before + text[place : place + len(word)]):
            continue
        if word == "token" and text[place + 5 : place + 6] == "s":
            continue  # of a text
        if word == "key" and before[-1:] not in ("?", "&"):
            end = place + len(word)
            in_tag = before.rfind("<") > before.rfind(">")  # a record of XML
            assigned = not in_tag and "=" in text[end : match.start(1)]
            told = is_key(before, text[place:end], value, assigned=assigned)
        else:
            told = looks_random(value) and not is_open(before)
        if is_cloud_secret(before + word, value):
            yield Secret("an AWS secret key", match.start(1), value)
        elif told:
            yield Secret("a key beside its name", match.start(1), value)


def _reversed(text: str, places: Iterable[int], word: str) -> Iterator[Secret]:
    """Values that stand before their names."""
    if "alue" not in text:
        return
    for place in places:
        start = text.rfind("alue", max(0, place - 700), place)
        match = _REVERSED.match(text, start, place) if start >= 0 else None
        if match is None:
            continue
        value = match[1]
        if word in _PASSWORDS:
            if is_mixed(value) and not is_hash(value):
                yield Secret("a password beside its name", match.start(1), value)
        elif (
            is_key(text[max(0, place - 24) : place], text[place : place + 3], value, assigned=False)
            if word == "key"
            else looks_random(value)
        ):
            yield Secret("a key beside its name", match.start(1), value)


def _passwords(text: str, places: list[int], word: str) -> Iterator[Secret]:
    for place, match in _after(text, places, word, _PASSWORD):
        if is_alone(word, text[max(0, place - 8) : place]):
            value: str | None = match[1].rstrip(",;)}")
            if value and "<![CDATA[" in match[0]:
                value = value.removesuffix("]]")
            if not value or not is_password(value) or is_hash(value):
                value = signed(text, match.start(1))
            if value is not None:
                yield Secret("a password beside its name", match.start(1), value)


def _chosen_apart(text: str, places: list[int], word: str) -> Iterator[Secret]:
    """Passwords in the next cell, or behind an option: these must not be words of a sentence."""
    for pattern in (_CELLS, _OPTION, _SAID):
        for place, match in _after(text, places, word, pattern):
            value = match[1]
            name = text[max(0, place - 48) : place + len(word)]
            if pattern is _OPTION and not _OPTION_NAME.search(name):
                continue
            if pattern is _CELLS and is_hex(value) and name[: -len(word)].endswith(" "):
                continue  # a caption, and the hash of its picture
            if is_alone(word, name[: -len(word)]) and is_mixed(value) and not is_hash(value):
                yield Secret("a password beside its name", match.start(1), value)


# One of these is in every text in which `named` finds something, in small letters or large ones.
NAMES = ("://", *WORDS, *PASSWORDS, *languages.LANGUAGES, *BY_WORD)
