"""Changes of many captions at once: pure functions of texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hubtools.dataset.caption.edits import inserting, replacing, tidy
from hubtools.dataset.text.blank import is_blank
from hubtools.dataset.text.trigger import replace_word, word_pattern
from hubtools.errors import UsageError

Edit = Callable[[str], str]


def edit_of(asked: Mapping[str, Any], trigger: str | None) -> Edit:
    """The change that the page asks for. `do` is one of replace, rename, add, remove, move, sort,
    unique, trigger, tidy, set. Raises `UsageError` for what cannot be."""
    do, text = asked["do"], str(asked.get("text", ""))
    if do in ("rename", "add", "remove", "move") and not text.strip():
        raise UsageError("Say which tag or word.")
    if do == "replace":
        return _replace(asked)
    if do == "rename":
        return _renaming(text.strip(), str(asked.get("new", "")).strip())
    if do == "add":
        return _adding(text.strip(), str(asked.get("where", "end")), trigger)
    if do == "remove":
        return _removing(text.strip())
    if do == "move":
        return _moving(text.strip(), int(asked.get("to", 1)))
    if do == "trigger":
        if not trigger:
            raise UsageError("There is no trigger: set dataset.trigger, or add it as a tag.")
        put = inserting(trigger)
        return lambda caption: caption if is_blank(caption) else put(caption)  # it stays a finding
    plain: dict[str, Edit] = {
        "sort": lambda caption: ", ".join(sorted(tags(caption), key=str.lower)),
        "unique": _unique,
        "tidy": tidy,
        "set": lambda caption: text,
    }
    if do not in plain:
        raise UsageError(f"There is no such change: {do!r}.")
    return plain[do]


def tags(caption: str) -> list[str]:
    """What stands between the commas."""
    return [part.strip() for part in caption.split(",") if part.strip()]


def _replace(asked: Mapping[str, Any]) -> Edit:
    old, new = str(asked.get("text", "")), str(asked.get("new", ""))
    if not old:
        raise UsageError("Say what to look for.")
    if asked.get("regex"):
        return replacing(old, new, regex=True)
    if asked.get("word"):
        return lambda caption: replace_word(caption, old, new)
    return replacing(old, new, regex=False)


def _adding(tag: str, where: str, trigger: str | None) -> Edit:
    def edit(caption: str) -> str:
        parts = tags(caption)
        if tag in parts:
            return caption
        place = {"start": 0, "end": len(parts)}.get(where)
        if place is None:  # behind the trigger
            has = [n for n, part in enumerate(parts) if trigger and _has(part, trigger)]
            place = has[0] + 1 if has else 0
        if place == len(parts):  # the rest stays as it is written
            return f"{caption.rstrip().rstrip(',')}, {tag}" if parts else tag
        parts.insert(place, tag)
        return ", ".join(parts)

    return edit


def _renaming(tag: str, new: str) -> Edit:
    """A tag of that name, and no part of another, is called so; once, if it is there already."""
    if not new:
        raise UsageError("Say what it is to be called.")

    def edit(caption: str) -> str:
        parts = tags(caption)
        if tag not in parts:
            return caption
        renamed = [new if part == tag else part for part in parts]
        first = renamed.index(new)
        return ", ".join(p for at, p in enumerate(renamed) if p != new or at == first)

    return edit


def _removing(tag: str) -> Edit:
    """A tag of that name, else the word where it stands alone."""

    def edit(caption: str) -> str:
        parts = tags(caption)
        if tag in parts:
            return ", ".join(part for part in parts if part != tag)
        if not _has(caption, tag):
            return caption
        left = tidy(replace_word(caption, tag, ""))
        return ", ".join(tags(left)) if "," in left else left

    return edit


def _moving(tag: str, to: int) -> Edit:
    """The tag to the place `to`, counted from 1, or from the end if it is below 0."""

    def edit(caption: str) -> str:
        parts = tags(caption)
        if tag not in parts:
            return caption
        rest = [part for part in parts if part != tag]
        place = to - 1 if to > 0 else len(rest) + 1 + to
        rest.insert(max(0, min(place, len(rest))), tag)
        return ", ".join(rest)

    return edit


def _unique(caption: str) -> str:
    return ", ".join(dict.fromkeys(tags(caption)))


def _has(text: str, word: str) -> bool:
    return word_pattern(word).search(text) is not None


def over(value: Any, edit: Edit) -> Any:
    """A caption, or each of several, after a change."""
    if isinstance(value, list):
        return [edit(text) for text in value]
    return edit(value or "")
