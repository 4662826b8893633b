"""Fixes of what captions say."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable

from hubtools.dataset.fix.draft import Draft
from hubtools.dataset.fix.remedies import fixes
from hubtools.dataset.text.blank import is_blank
from hubtools.dataset.text.mojibake import repair_mojibake
from hubtools.dataset.text.trigger import has_word
from hubtools.patterns import regex


@fixes("D508", each=True, safe="joins a list of tags with commas, writes a number as text")
def texts(draft: Draft) -> None:
    """D508: captions are texts."""
    if not draft.finds("D508"):
        return
    for table, record in draft.editable("D508"):
        value = record.values.get(draft.caption)
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            text = ", ".join(item.strip() for item in value if item.strip())
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            text = str(value)
        else:
            continue
        values = record.values | {draft.caption: text}
        table.put(record, values, "D508", "write the caption as a text")


@fixes(
    "D507",
    each=True,
    safe="repairs mojibake (text read in the wrong encoding), removes invisible characters",
    unsafe="strip-html",
)
def mojibake(draft: Draft) -> None:
    """D507: captions read as they were meant, without invisible characters."""
    if not draft.finds("D507"):
        return
    _change(draft, "D507", "clean a caption", _cleaned)
    if draft.may("strip-html"):
        _change(draft, "D507", "remove HTML from a caption", _without_html)


@fixes("D504", "D505", each=True, unsafe="add-trigger")
def trigger(draft: Draft) -> None:
    """D504 and D505, by name: every caption has the trigger as a word of its own."""
    word = draft.looked.settings.trigger
    if not word or not draft.may("add-trigger"):
        return
    if draft.finds("D505"):

        def apart(text: str) -> str:
            if word not in text or has_word(text, word):
                return text
            return re.sub(r" {2,}", " ", text.replace(word, f" {word} ")).strip()

        _change(draft, "D505", "put spaces around the trigger", apart)
    if draft.finds("D504"):
        _change(
            draft, "D504", "put the trigger before the caption",
            lambda text: text if word in text else f"{word}, {text}",
        )  # fmt: skip


def _change(draft: Draft, rule: str, what: str, change: Callable[[str], str]) -> None:
    if not draft.wants(rule):
        return
    for table, record in draft.editable(rule):
        value = record.values.get(draft.caption)
        if isinstance(value, str) and not is_blank(value):
            changed = change(value)
            if changed != value:
                table.put(record, record.values | {draft.caption: changed}, rule, what)


# --- mojibake ------------------------------------------------------------------------------------

_BREAKS = regex("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
# characters that joined scripts and emoji need
_NEEDED = "\t\n\u200c\u200d\ufe0f"


def _cleaned(text: str) -> str:
    text = _BREAKS.sub("\n", repair_mojibake(text))
    kept = [c for c in text if c in _NEEDED or unicodedata.category(c) not in ("Cc", "Cf")]
    return "".join(kept).strip()


_TAG = regex(r"</?[a-zA-Z][^<>]{0,80}>")


def _without_html(text: str) -> str:
    return " ".join(html.unescape(_TAG.sub(" ", text)).split())
