"""What may be done to a caption: pure functions of texts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from hubtools.dataset.text.blank import is_blank
from hubtools.dataset.text.trigger import word_pattern
from hubtools.errors import UsageError

Edit = Callable[[str], str]

_PLACE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


def placeholders(template: str) -> list[str]:
    """The column names in a template. Raises `UsageError` for a bracket without its partner."""
    found: list[str] = []
    for match in _PLACE.finditer(template):
        if match[0] in ("{", "}") or match[0] == "{}":
            raise UsageError(
                f"The template has a bare {match[0]} at character {match.start() + 1}.",
                hint="columns are written {name}, brackets {{ and }}",
            )
        if match[1] is not None:
            found.append(match[1])
    return found


def fill(template: str, values: Mapping[str, Any]) -> str:
    """The template with each `{column}` replaced. A part between commas whose columns are all
    empty is left out: `photo of {trigger}, {view}` becomes `photo of tok` without a view."""
    parts = []
    for part in template.split(","):
        names = placeholders(part)
        texts = [_text(values.get(name)) for name in names]
        if names and not any(texts):
            continue
        filled = _PLACE.sub(lambda match: _put(match, values), part)
        parts.append(" ".join(filled.split()))
    return ", ".join(part for part in parts if part)


def _put(match: re.Match[str], values: Mapping[str, Any]) -> str:
    if match[0] in ("{{", "}}"):
        return match[0][0]
    return _text(values.get(match[1]))


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(filter(None, map(_text, value)))
    text = " ".join(str(value).split())
    return "" if isinstance(value, str) and is_blank(text) else text


def pair(option: str, value: str) -> tuple[str, str]:
    """`OLD=NEW` in two; `\\=` is an equals sign within OLD. Raises `UsageError` for anything
    else."""
    match = re.fullmatch(r"((?:\\=|[^=])+)=(.*)", value, re.DOTALL)
    if match is None:
        raise UsageError(f"{option} {value!r} is not OLD=NEW.", hint=f"write {option} old=new")
    return match[1].replace("\\=", "="), match[2]


def replacing(old: str, new: str, *, regex: bool) -> Edit:
    """Replace a text, or what a regular expression matches (`\\1` in `new` is its first group)."""
    if not regex:
        return lambda caption: caption.replace(old, new)
    try:
        pattern = re.compile(old)
        pattern.sub(new, "")
    except (re.error, IndexError) as error:
        raise UsageError(f"{old!r} with {new!r} is no regular expression: {error}.") from None
    return lambda caption: pattern.sub(new, caption)


def renaming(old: str, new: str) -> Edit:
    """Give a trigger another name, wherever it stands as a word of its own."""
    if not old.strip() or not new.strip():
        raise UsageError("A trigger is never empty.", hint="write --trigger-rename old=new")
    pattern = word_pattern(old)
    return lambda caption: pattern.sub(lambda _: new, caption)


def inserting(trigger: str) -> Edit:
    """Put the trigger before captions that lack it."""
    pattern = word_pattern(trigger)
    return lambda caption: caption if pattern.search(caption) else f"{trigger}, {caption}"


def tidy(caption: str) -> str:
    """A caption on one line."""
    return " ".join(caption.split())


def check_columns(template: str, known: Iterable[str]) -> None:
    """Raises `UsageError` for a column that no row has."""
    names = set(known)
    unknown = [name for name in placeholders(template) if name not in names]
    if unknown:
        raise UsageError(
            f"No record has a column {unknown[0]!r}.", hint=f"columns: {', '.join(sorted(names))}"
        )
