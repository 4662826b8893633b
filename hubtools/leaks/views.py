"""A text as a program would read it: escapes undone, pieces of one value put together.

Every view is one pass of a pattern whose repetitions have bounds, so the time grows with the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from html.entities import html5
from typing import NamedTuple

from hubtools.patterns import regex

_DEEP = 3  # JSON in JSON, as notebooks and workflows have it
_INVISIBLE = regex(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e001f\U000e0080-\U000e0fff]"
)
# Letters that nobody sees (Unicode's tags), one for each of ASCII.
_TAGS = {0xE0000 + code: code for code in range(32, 127)}


class View(NamedTuple):
    """`joined`: tags or other marks were cut out, so that what stands beside what says nothing."""

    text: str
    joined: bool = False


# JSON, Python, C, shell: \u0068 \x68 \150 \_; RTF: \'68 \u104?; addresses: %68; HTML: &#104; &lowbar;
_ESCAPE = regex(
    r"(?<!\\)\\{1,512}(?:(?:0000(?=[2-7])|u(?:00|\{0{0,4})|U000000|x\{?0{0,4}|')([0-7][0-9a-fA-F])\}?"
    r"|u(\d{2,3}) ?\?|0?([01]?[0-7]{2})|([/\"'_-])|([nrt]))"
    r"|(?:%(?:u00)?|&\#[xX]0{0,6})([2-7][0-9a-fA-F]|0?[9aAdD](?=;|(?<=%0.)));?|&\#0{0,6}(\d{1,3});?|&([A-Za-z]{2,12});"
)
_HINTS = ("\\", "%", "&")
# A blank in a form's address (`%3A+%22`), where only escapes tell that it is one.
# What a form encodes so, with an escape in it: there each plus is a blank.
_FORM = regex(r"(?:[\w.~*+&=-]|%[0-9A-Fa-f]{2})+")
_PERCENT = regex(r"%[0-9A-Fa-f]{2}")
_PLUS = regex(r"\+(?=%[2-7][0-9A-Fa-f])|(?<=%[2-7][0-9A-Fa-f])\+")
# What colours a terminal, or moves in it, as it is and as programs and JSON write it; a title.
_COLOURS = regex(
    r"(?:\x1b|\x9b|\\{1,4}(?:u00|x)1[bB]|\\{1,4}(?:033|e))(?:\[?[0-9;:?]{0,40}[A-Za-z]|\][^\x07\x1b\n]{0,200}(?:\x07|\x1b\\))"
)
_COLOUR_HINTS = ("\x1b", "\x9b", "1b[", "1B[", "033[", "\\e[")
# Letters without a width, escaped.
_UNSEEN = regex(
    r"(?i)%E2%80%8[B-F]|%EF%BB%BF|%C2%AD|\\u(?:200[b-f]|feff|00ad)|&(?:shy|zwj|zwnj|ZeroWidthSpace);"
    r"|&\#(?:820[3-7]|x200[b-f]|173|xad);"
)
# Letters one by one: as numbers, as hexadecimal digits, each in quotes or with a blank behind it.
_NUMBER = r"(?:chr\()?(?:0x[2-7][0-9a-fA-F]|1[01]\d|12[0-6]|[3-9]\d)\)?"
_ONE_BY_ONE = regex(
    rf"(?<![\w.])(?:(?:{_NUMBER}[\s,;+]{{1,4}}){{19,400}}{_NUMBER}"
    r"|(?:[2-7][0-9a-fA-F][ :]){19,400}[2-7][0-9a-fA-F])(?![\w.])"
    r"|(?<!\w)(?:(?:\"[!-~]\"|'[!-~]')\s{0,20}+,\s{0,20}+){19,400}(?:\"[!-~]\"|'[!-~]')"
    r"|(?<!\S)(?:[!-~] ){19,400}[!-~](?!\S)"
    r"|(?<![^\n])(?:[!-~]\r?\n){19,400}[!-~](?!\S)"
)
# What such a run must have, told by the class of each character many times faster than by that
# pattern: 59 of those that numbers are written with; every other one a blank; quotes around one.
# Letters that are not ASCII stand as a question mark there.
_LEAST = 20
_WRITES = b"0123456789abcdefABCDEFxchr()\t\n\v\f\r\x1c\x1d\x1e\x1f ,;+:?"
_OF_NUMBERS = bytes(c in _WRITES for c in range(256))
_BLANKS = bytes(c in b" \n" for c in range(256))
_RUN_OF_NUMBERS = b"\1" * (3 * _LEAST - 1)
_RUN_OF_BLANKS = b"\0\1" * (_LEAST - 1)
_EVERY = b"\1" * (_LEAST - 1)
_RUN_OF_LINES = b"\0\1\1" * (_LEAST - 1)
_QUOTES = bytes(c in b"\"'" for c in range(256))
_QUOTED = (b"\1\0\1", b"\1\1\1")
_CODE = regex(r"(0x)?([0-9a-fA-F]{2,3})")
# Lines of a notebook's cell are texts of a list.
_CELL = regex(r"\\n\"\s{0,80},\s{0,80}\"")
# Quoted-printable (RFC 2045, 6.7): =5F, and an equals sign where a line goes on; a mail in JSON.
_PRINTED = regex(r"=(?:([2-7][0-9A-F]|0[9AD])|\r?\n|(?:\\{1,8}r)?\\{1,8}n)")

# A quote in a quoted cell of a table is doubled (RFC 4180, 2.7); an empty text is none.
_DOUBLED = regex(r"\"\"(?=[^\s\",;:|\]})<>/])|(?<=[^\s\",;:|(\[{=][^\s\"])\"\"(?=[\s,;:|\]}\"]|\Z)")
# Three quotes are one (Python, TOML); a tag of YAML says of what kind a value is.
_PLAINER = regex(r"(\"|')\1\1|(?<=[:=] )!{1,2}[a-z]{1,20} (?=\S)")
_PLAINER_HINTS = ('"""', "'''", ": !", "= !")

_QUOTE = r"[\"'`]"
_BLANK = r"(?:[\s\\]|\#[^\n]{0,80}\n){0,120}+"
# What stands between two literals that make one: nothing, a sign, `+=` with a name; f-strings
_SIGN = r"(?:\+|&|\.{1,2}(?:concat)?|\|\||~|<>|%|;?\s{0,20}+\$?\w{1,40}\s?[+.]=|\}?\$?\{)"
_LITERALS = regex(
    rf"{_QUOTE}(?<=[\w.~/+=-].)[)\]]{{0,2}}{_BLANK}(?:{_SIGN}{_BLANK})?"
    rf"[(\[]{{0,2}}(?:[bBfFrRuULN@$]|[bB][rR]|[rRfF][bBrR])?{_QUOTE}(?=[\w.~/+=-])"
)
# A line that goes on: in a shell, in cmd (^), in PowerShell (`); within a word, and between two.
_GOES_ON = regex(r"[\\^`](?<=\w.)\r?\n[ \t]{0,200}+(?=\w)")
_ONE_LINE = regex(r"[ \t][\\^`]\r?\n[ \t]{0,200}+")
# A text of a PDF, with the room between its letters.
_KERNED = regex(r"\)(?<=\w.)[ \t]{0,20}+-?[\d.]{0,8}[ \t\r\n]{0,20}+\((?=\w)")
_CALLED = regex(
    r"(?i)(?:join|concat|format|paste0|strcat|printf)\(\s{0,20}+[\[({]?\s{0,20}+"
    r"((?:[brfu]?(?:\"[^\"\n]{1,200}\"|'[^'\n]{1,200}')\s{0,40}+,?\s{0,40}+){2,100})"
)
_CALLS = ("join(", "concat(", "format(", "paste0(", "strcat(", "printf(")
_LISTED = regex(
    r"\[\s{0,20}+((?:(?:\"[^\"\n]{1,200}\"|'[^'\n]{1,200}')\s{0,40}+,?\s{0,40}+){2,100})\]\s{0,20}\.join\("
)
_COMMA = regex(r"[\"']\s{0,40}+,\s{0,40}+[brfu]?[\"']")
# YAML, INI, headers of mails: a value that goes on in lines which are set in
_BEGINS = regex(r"[:=][ \t]{0,40}+(?:[>|][-+\d]{0,2}|\"{3}|'{3})[ \t]{0,40}+\\?\r?\n[ \t]{0,80}+")
_WORD = r"[\w.~/+=%@:-]"
_INDENTED = regex(rf"\n(?:(?<={_WORD}\n)|(?<={_WORD}\r\n))[ \t]{{1,80}}+(?={_WORD})")
_TAG = regex(r"<[/!?A-Za-z][^<>]{0,400}>")
# Where a paragraph, a heading, a cell ends, in HTML and in the XML of office documents.
_ENDED = regex(
    r"</(?:\w{1,12}:)?(?:p|h[1-6]?|tc|t[dhr]|si|pre|li|d[td]|div|row|table-cell|table-row)>"
)
_RTF = regex(r"[{}]|\\[a-z]{1,30}-?\d{0,10} ?|\\\*|[\r\n]")


def views(text: str) -> Iterator[View]:
    """`text` in every other way that it may be meant; only what differs from it."""
    if not text.isascii():  # wide letters, and such without a width between others
        plain = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text)).translate(_TAGS)
        if plain != text:
            yield View(plain)
            text = plain
    if any(hint in text for hint in _COLOUR_HINTS):
        plain = _COLOURS.sub("", text)
        if plain != text:
            yield View(plain)
            text = plain
    plain = unescaped(text)
    if plain != text:
        yield View(plain)
    if "+" in text and "%" in text and _PERCENT.search(text) is not None:
        spaced = _FORM.sub(_of_form, text)
        if spaced != text and (form := unescaped(spaced)) != plain:
            yield View(form)
    if '""' in plain:
        single = plain
        for _ in range(_DEEP):  # a table in a cell of a table
            before, single = single, _DOUBLED.sub('"', single)
            if single == before:
                break
            yield View(single)
    if any(hint in plain for hint in _PLAINER_HINTS):
        yield View(_PLAINER.sub(lambda match: match[1] or "", plain))
    yield from _joined(plain)
    if _may_be_apart(text):
        apart = _ONE_BY_ONE.sub(_together, text)
        if apart != text:
            yield View(apart)
    if "=" in text:
        printed = _PRINTED.sub(_printed, text)
        if printed != text:
            yield View(printed)
            if (said := unescaped(printed)) != printed:  # HTML in a mail
                yield View(said)
    if "{\\" in text:
        yield View(unescaped(_RTF.sub("", _RTF_LETTER.sub(_unescaped, text))))


# The other groups of `_unescaped` match nothing.
_RTF_LETTER = regex(_ESCAPE.pattern.partition("|0?")[0] + r"|(?!)(.)(.)(.)(.)(.)(.))")


def unescaped(text: str) -> str:
    """`text` with escapes of JSON, programs, addresses, HTML and RTF undone, also those of escapes."""
    if not any(hint in text for hint in _HINTS):
        return text
    text = _UNSEEN.sub("", _CELL.sub(" ", text))
    for _ in range(_DEEP):
        before = text
        if "+" in text and "%" in text:
            text = _PLUS.sub(" ", text)
        text = _ESCAPE.sub(_unescaped, text)
        if text == before:
            break
    return text


def _of_form(match: re.Match[str]) -> str:
    return match[0].replace("+", " ") if "%" in match[0] else match[0]


def _joined(text: str) -> Iterator[View]:
    joined = text
    if "\n" in joined:
        joined = _BEGINS.sub("= ", joined)
        joined = _INDENTED.sub("", joined)
        if joined != text:
            yield View(joined)
    before, joined = joined, text
    if '"' in text or "'" in text or "`" in text:
        joined = _LITERALS.sub("", text)
    if "\n" in joined and ("\\" in joined or "^" in joined or "`" in joined):
        joined = _ONE_LINE.sub(" ", _GOES_ON.sub(_on, joined))
    if "(" in joined:
        joined = _KERNED.sub("", joined)
        if ".join(" in joined:
            joined = _LISTED.sub(lambda match: _COMMA.sub("", match[0]), joined)
        if any(word in joined.lower() for word in _CALLS):
            joined = _CALLED.sub(lambda match: _COMMA.sub("", match[0]), joined)
    if joined not in (text, before):
        yield View(joined)
    if "<" in text:
        lines = _ENDED.sub("\n", text)
        bare = _TAG.sub("", text)
        if bare != text:
            yield View(bare, True)
        if lines != text and (lines := _TAG.sub("", lines)) != bare:
            yield View(lines)


def _on(match: re.Match[str]) -> str:
    """Nothing, where a line goes on in the next; what ends in code (`such`) does not."""
    if match[0][0] == "`":
        start = match.string.rfind("\n", max(0, match.start() - 500), match.start()) + 1
        if "`" in match.string[start : match.start()]:
            return match[0]
    return ""


def _may_be_apart(text: str) -> bool:
    """False if `_ONE_BY_ONE` finds nothing in `text`."""
    if len(text) < 2 * _LEAST - 1:
        return False
    data = text.encode("ascii", "replace")
    blanks = data.translate(_BLANKS)
    return (
        _RUN_OF_NUMBERS in data.translate(_OF_NUMBERS)
        # every second one alone is looked through many times faster
        or ((_EVERY in blanks[::2] or _EVERY in blanks[1::2]) and _RUN_OF_BLANKS in blanks)
        or (b"\r\n" in data and _RUN_OF_LINES in data.replace(b"\r", b"\n").translate(_BLANKS))
        or sum(map(data.translate(_QUOTES).count, _QUOTED)) >= _LEAST - 1
    )


def _together(match: re.Match[str]) -> str:
    found = match[0]
    if found[0] in "\"'":
        return "".join(re.findall(r"[\"'](.)[\"']", found))
    if found[1] == " ":
        return found.replace(" ", "")
    if found[1] in "\r\n" and not found[:60].replace("\r", "").replace("\n", "").isdigit():
        return "".join(found.split())
    digits = found[2] in " :" and "," not in found
    codes = [int(code, 16 if x or digits else 10) for x, code in _CODE.findall(found)]
    return " " + "".join(chr(code) if 32 <= code < 127 else " " for code in codes) + " "


def _printed(match: re.Match[str]) -> str:
    return chr(int(match[1], 16)) if match[1] else ""


def _unescaped(match: re.Match[str]) -> str:
    hexadecimal = match[1] or match[6]
    if match[4] is not None:
        return match[4]
    if match[5] is not None:
        return " "
    if match[8] is not None:
        letter = html5.get(match[8] + ";", "")
        return letter if len(letter) == 1 and letter.isascii() else match[0]
    if hexadecimal is not None:
        code = int(hexadecimal, 16)
    else:
        code = int(match[3], 8) if match[3] is not None else int(match[2] or match[7])
    if code in (9, 10, 13):
        return " "
    return chr(code) if 32 <= code < 127 else match[0]
