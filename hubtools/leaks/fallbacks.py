"""What stands behind a name as the value that it has if nobody sets another: defaults of settings, of
columns and of variables, the second half of an `or`; and heredocs.

Every form begins right behind the name, has bounds, and asks for a value in quotes or in a frame.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from hubtools.patterns import regex

_VALUE = r"[^\s\"'`\\,;<>(){}\[\]|]{8,400}"
_QUOTED = rf"(?:@|[brfuNE])?(?P<quote>[\"'`])(?P<value>{_VALUE})(?P=quote)"
_TYPE = r"(?:\s{0,4}\??:\s{0,4}[A-Za-z_$][\w.<>?|!\[\] ]{0,60}?)?"
_SET = rf"(?:{_TYPE}\s{{0,9}}:?=>?|[\"'`\])]{{0,3}}\s{{0,9}}(?:=>|:))\s{{0,9}}"
_ARGUMENT = r"(?:\"[^\"\n]{1,80}\"|'[^'\n]{1,80}')"
# `process.env.X`, `$_ENV['X']`, `os.environ.get("X")`
_ASKED = rf"[A-Za-z_$][\w.$:>-]{{0,60}}(?:[\[(]{_ARGUMENT}?[\])]){{0,2}}"
# `os.getenv(`, `env.str(`, `config(`, `sys.env.getOrElse(`
_ENVIRONMENT = r"[\w.$:]{0,30}?(?i:env|config|settings?|conf|props|options?)(?:\w{0,10})(?:\.\w{1,16}){0,2}\(\s{0,9}"
_ANY = r"(?:[^()\n\"']|\"[^\"\n]{0,80}\"|'[^'\n]{0,80}'|\([^()\n]{0,40}\)){0,160}?"
_OR_ELSE = r"\.(?:default|unwrap_or(?:_else)?|orElse|getOrElse|or|withDefault|catch|fallback)\(\s{0,9}(?:\|\w?\|\s?)?"
_JINJA = r"\s{0,4}\|\s{0,4}(?:default|d)\(\s{0,4}"

# Words of which one must be in the text, in small letters, and the form.
_FORMS: tuple[tuple[tuple[str, ...], re.Pattern[str]], ...] = (
    (("||", "??", "?:", " or "), regex(rf"{_SET}{_ASKED}\s{{0,9}}(?:\|\||\?\?|\?:|\bor\b)\s{{0,9}}{_QUOTED}")),
    (("||", "??", "?:", " or "), regex(rf"[\"'`]?[\])]{{0,2}}\s{{0,9}}(?:(?:\|\||\?\?|//)=?|\?:|\bor\b)\s{{0,9}}{_QUOTED}")),
    (("env", "conf", "setting", "props", "option"), regex(rf"{_SET}{_ENVIRONMENT}{_ARGUMENT}\s?,\s{{0,80}}(?:default\s?=\s?)?{_QUOTED}")),
    (("default", "fallback"), regex(rf"{_SET}[\w.:]{{1,60}}\({_ANY}\b(?:default|fallback)(?:_value)?\s?[=:]\s?{_QUOTED}")),
    (("default(", "unwrap_or", "orelse(", ".or(", "fallback("), regex(rf"{_SET}[^\n;{{}}]{{1,120}}?{_OR_ELSE}{_QUOTED}")),
    (("default(", "d("), regex(rf"{_JINJA}{_QUOTED}")),
    (("fetch",), regex(rf"[\"'`]\s?\)\s?\{{\s?{_QUOTED}\s?\}}")),
    (("get;",), regex(rf"\s{{0,9}}\{{\s{{0,9}}(?:\w{{1,10}}\s)?get;[^{{}}\n]{{0,40}}\}}\s{{0,9}}=\s{{0,9}}{_QUOTED}")),
    (("default",), regex(rf"[\"`\]]?\s{{1,9}}[A-Za-z]{{3,20}}(?:\(\d{{1,5}}\))?(?:\s{{1,4}}\w{{2,20}}){{0,4}}?\s{{1,4}}(?i:default)\s{{1,4}}\(?{_QUOTED}")),
    (("!",), regex(rf"\s?:\s?\w{{1,20}}!\s?=\s?{_QUOTED}")),
    (("${",), regex(rf"{_SET}[\"']?\$\{{(?P<asked>[\w.]{{1,60}}):[-=]?(?P<value>{_VALUE})\}}")),
    (("<<",), regex(rf"\s{{0,9}}[:=]\s{{0,9}}<<[<~-]?[\"']?\w{{1,20}}[\"']?[ \t]{{0,9}}\r?\n[ \t]{{0,40}}(?P<value>{_VALUE})[ \t]{{0,9}}\r?(?=\n)")),
)  # fmt: skip


# A sign, a word right behind the name, an `or`; or any other word, which may be a column's type.
_BEGINS = regex(r"\w|\s{0,9}+(?:or\b|[^\s\w]|(?P<type>\w))")
_TYPED = 150  # characters of a type and its constraints


def may_fall_back(text: str, end: int) -> bool:
    """Whether one of the forms may begin behind a name that ends there: in sentences none does."""
    if text[end : end + 1] in ("", ",", ";", ".") or (found := _BEGINS.match(text, end)) is None:
        return False
    return not found["type"] or "default" in text[end : end + _TYPED].lower()


def fallbacks(text: str) -> Iterator[re.Pattern[str]]:
    """The forms that may be in `text`; the group `value` of a match is one's value."""
    lower = text.lower()
    for words, form in _FORMS:
        for word in words:
            if word in lower:
                yield form
                break
