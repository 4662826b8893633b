"""Secrets that stand behind their name with more than a sign between: a type, a call, a pair of
braces, a cell of a table; and those of tables written as lists, whose names are in the first one.

Each telling word is found first (`str.find`), and a bounded piece behind it is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator

from hubtools.leaks.fallbacks import fallbacks, may_fall_back
from hubtools.leaks.guesses import is_hex
from hubtools.leaks.names import PASSWORDS, beside, may_tell
from hubtools.leaks.shapes import Secret
from hubtools.patterns import regex

_BEFORE = 40  # letters before a word that its name may have
_HEAD = 1000  # letters before it in which the head of its table begins
_OTHERS = 4  # lists of another length, after which a table has ended
_TABLE = 20_000  # letters behind the head of a table in which its rows are looked for

_VALUE = r"[^\s\"'`\\,;<>(){}\[\]|]{8,400}"
_QUOTED = rf"(?:@|[brfu])?(?P<quote>[\"'`])(?P<value>{_VALUE})(?P=quote)"
# `key: str = "V"`, `key string = "V"`, `KEY: &'static str = "V"`, `kKey = @"V"`, `key <- "V"`,
# `key = SecretStr("V")`, `key by lazy { "V" }`, `(setq key "V")`, `PASSWORD 'V'`
_DECLARED = regex(
    rf"(?:\s{{0,9}}:\s{{0,9}}(?:&\s?)?(?:'static\s)?[A-Za-z_][\w.<>?]{{0,40}}(?:\[[\w, ]{{0,40}}\])?(?:\s?\|\s?\w{{1,40}}){{0,3}}"
    rf"|\s{{1,9}}\*{{0,2}}[A-Za-z_][\w.]{{0,20}}(?:\[\])?)?"
    rf"(?:\s{{0,9}}(?::?=|<<?-)\s{{0,9}}(?:new\s)?(?:(?P<call>[A-Za-z_.]{{1,40}})\(\s{{0,9}})?|\sby\slazy\s?\{{\s{{0,9}}|\s{{1,9}})"
    rf"{_QUOTED}"
)
# `\newcommand{\key}{V}`, `\def\key{V}`; a cell of TeX; XML: `<property name="key"><value>V`
_BRACED = regex(
    rf"(?:\s{{0,4}}\}})?\s{{0,4}}(?:\[\d\]\s{{0,4}})?\{{\s{{0,9}}(?P<value>{_VALUE})\s{{0,9}}\}}"
)
_CELL = regex(
    rf"[\s}}]{{0,9}}&\s{{0,9}}(?:\\\w{{1,12}}\{{)?(?P<value>{_VALUE.replace('|]', '|&]')})"
)
_MEMBER = regex(rf"[\"']\s?>\s{{0,80}}<(?:value|string)>\s{{0,80}}(?P<value>{_VALUE})")
# `add_argument("--key", type=str, default="V")`
_DEFAULT = regex(rf"[\"']\s{{0,9}},[^()]{{0,200}}?\bdefault\s?=\s?{_QUOTED}")
# `"key" "V"`
_BESIDE = regex(rf"[\"'][ \t]{{1,9}}{_QUOTED}")
_ASKS = regex(r"(?i)get|env|import|find|load|read|lookup")
_SET = regex(rf"[ \t]{{1,9}}(?P<value>{_VALUE})(?=\s|\Z)")
_SETS = regex(r"(?<![\w-])set[ \t]+[\w:.-]*\Z")
_FORMS = (_DECLARED, _BESIDE, _DEFAULT, _BRACED, _CELL, _MEMBER)
_CELLS = 700  # letters behind a name in which the cells of its line are looked at
_MARK = regex(r"[\"'`]? {0,4}([,;\t|])")
_WHOLE = regex(_VALUE)
_NAME = regex(r"[A-Za-z]\w*(?:[ .-]\w+){0,3}\Z")

_STRING = r"(?:\"[^\"\\\n]{0,400}\"|'[^'\\\n]{0,400}')"
_ITEM = rf"(?:{_STRING}|[\w.+-]{{1,60}})"
_ROW = regex(
    rf"[\[(]\s{{0,40}}+((?:{_ITEM}\s{{0,40}}+,\s{{0,40}}+){{1,60}}{_ITEM})\s{{0,40}}+[\])]"
)
_ITEMS = regex(_ITEM)
_ENDS_HEAD = regex(r"(?i)\s{0,40}values\b")


def declared(text: str, words: dict[str, list[int]]) -> Iterator[Secret]:
    """Everything of `text` that is declared so; `words`: where those that tell are in it."""
    quotes = any(mark in text for mark in "\"'`")
    braces, ampersand = "{" in text, "&" in text
    forms = [
        form
        for form, may in zip(
            _FORMS,
            (quotes, quotes, "default" in text, braces, ampersand, "><" in text),
            strict=True,
        )
        if may
    ]
    others: tuple[re.Pattern[str], ...] | None
    others = None if quotes or "{" in text or "<<" in text else ()
    cells = any(mark in text for mark in ",;|\t")
    lists = "[" in text or "VALUES" in text or "values" in text
    for word, places in words.items():
        seen, tried = 0, -1
        for place in places:
            end = place + len(word)
            if text[end : end + 1].isalnum():
                continue
            name = text[max(0, place - _BEFORE) : end]
            if word == "key" and not may_tell(name[:-3], name[-3:]):
                continue  # in most texts light, or of a piano; a longer word is looked at as such
            if beside(name, None) is None:
                continue
            if word == "pass" and text[max(0, place - 1) : place] not in ("_", "-", "."):
                continue  # in most texts a verb
            if others is None and may_fall_back(text, end):
                others = tuple(fallbacks(text))
            behind = (*forms, *others) if others and may_fall_back(text, end) else forms
            for form in behind:
                if (found := form.match(text, end)) and not _asks(found):
                    yield from _judged(name, found["value"], found.start("value"))
            if _SETS.search(name, 0, len(name) - len(word)) and (found := _SET.match(text, end)):
                yield from _judged(name, found["value"], found.start("value"))
            if cells:
                yield from _beyond(text, place, word)
            if lists and place >= seen:
                first = max(0, place - _HEAD)
                start = max(text.rfind("[", first, place), text.rfind("(", first, place))
                if start > tried:
                    tried = start
                    seen = yield from _table(text, start)


def _asks(found: re.Match[str]) -> bool:
    """Whether the value is what a function is asked for by: `token = get("service.token.v1")`."""
    groups = found.groupdict()
    if (asked := groups.get("asked")) is not None:
        return beside(asked, None) is not None  # that name has the value behind it, too
    call = groups.get("call")
    return call is not None and _ASKS.search(call) is not None


def _judged(name: str, value: str, place: int) -> Iterator[Secret]:
    if what := beside(name, value):
        yield Secret(what, place, value)


def _beyond(text: str, place: int, word: str) -> Iterator[Secret]:
    """`name,words about it,VALUE`."""
    found = _MARK.match(text, place + len(word))
    if found is None:
        return
    mark, at = found[1], found.end()
    start = max(0, place - _BEFORE)
    line = text[start:place].rpartition("\n")[2]
    name = f"{line.rpartition(mark)[2]}{word}".strip("\"'` ")
    if _NAME.fullmatch(name) is None:
        return
    said = word in PASSWORDS
    for cell in text[at : at + _CELLS].partition("\n")[0].split(mark)[:6]:
        value = cell.strip("\"'` \r")
        # of a picture, whose caption ends in the word
        hashed = is_hex(value) and (name == word or (said and name.endswith(f" {word}")))
        if _WHOLE.fullmatch(value) and not hashed:
            yield from _judged(name, value, at + cell.find(value))
        at += len(cell) + 1


def _table(text: str, start: int) -> Generator[Secret, None, int]:
    """Rows below a list of names that begins at `start`; returns where that ends."""
    head = _ROW.match(text, start)
    if head is None:
        return 0
    if text[start] == "(" and _ENDS_HEAD.match(text, head.end()) is None:
        return 0  # of a call
    names = _cells(head[1])
    chosen = _telling(names)
    left = _OTHERS
    for row in _ROW.finditer(text, head.end(), head.end() + _TABLE) if chosen else ():
        cells = _cells(row[1])
        if _telling(cells):
            break  # the head of another one
        if len(cells) != len(names):
            left -= 1
            if not left:
                break
            continue
        for number in chosen:
            if _WHOLE.fullmatch(cells[number]):
                yield from _judged(names[number], cells[number], row.start())
    return head.end()


def _cells(row: str) -> list[str]:
    return [item[0].strip("\"'") for item in _ITEMS.finditer(row)]


def _telling(names: list[str]) -> list[int]:
    """Which of the cells of a head tell; none if it is no head."""
    if not all(_NAME.fullmatch(name) for name in names):
        return []
    return [number for number, name in enumerate(names) if beside(name, None)]
