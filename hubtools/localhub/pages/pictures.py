"""The pictures of a repository, and those of a dataset with their records."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from hubtools.localhub.pages.card import gallery, shown
from hubtools.localhub.pages.frame import View
from hubtools.localhub.pages.html import Html, link, tag

_SHOWN = 12
_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp"}
_CAPTIONS = ("text", "prompt", "caption", "caption_text", "description")
_METADATA = ("metadata.jsonl", "metadata.csv")
_NAMES = ("file_name", "image")


def pictures_of(view: View, card: Mapping[str, Any]) -> list[str]:
    """Names of its pictures, the ones to show first: those of the card's gallery, else all."""
    entries = card.get("widget")
    found = []
    for entry in entries if isinstance(entries, list) else []:
        output = entry.get("output") if isinstance(entry, dict) else None
        address = output.get("url") if isinstance(output, dict) else None
        if isinstance(address, str) and (name := view.place.own(address)) is not None:
            found.append(name)
    return found or [name for name in view.snapshot.files if _is_picture(name)]


def _is_picture(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in _SUFFIXES


def dataset_pictures(view: View) -> Html | None:
    """The first pictures in a grid; None if the dataset has none."""
    names = [name for name in view.snapshot.files if _is_picture(name)]
    if not names or view.gated:
        return None
    records = dict(_records(view))
    # Those of the metadata first, in its order.
    there = set(names)
    ordered = [name for name in records if name in there]
    ordered += [name for name in names if name not in records]
    figures = [
        shown(view.place, name, _caption(record), _facts(record))
        for name in ordered[:_SHOWN]
        for record in [records.get(name, {})]
    ]
    more = len(ordered) - len(figures)
    where = view.href("viewer") if view.judged is not None else view.href("tree", "main")
    return tag(
        "div",
        tag("h2", "Pictures"),
        gallery(figures),
        tag("p", link(where, f"and {more} more"), class_="soft") if more else None,
        class_="sheet",
    )


def _records(view: View) -> Iterator[tuple[str, dict[str, Any]]]:
    left = 32 << 20  # bytes of all such files that are read
    for name in view.snapshot.files:
        path = PurePosixPath(name)
        if path.name not in _METADATA:
            continue
        data = view.call.hub.store.read_small(view.snapshot, name, min(left, 8 << 20))
        if data is None:
            continue
        left -= len(data)
        text = data.decode("utf-8-sig", "replace")
        rows = _jsonl(text) if path.suffix == ".jsonl" else _csv(text)
        for row in rows:
            file = next((row[key] for key in _NAMES if row.get(key)), None)
            if isinstance(file, str):
                full = str(path.parent / file) if str(path.parent) != "." else file
                yield full.removeprefix("./"), row


def _jsonl(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict):
            yield row


def _csv(text: str) -> Iterator[dict[str, Any]]:
    try:
        yield from csv.DictReader(io.StringIO(text, newline=""))
    except csv.Error:
        return


def _caption(row: Mapping[str, Any]) -> str:
    """The value of the column that is most likely the caption."""
    for key in _CAPTIONS:
        if isinstance(row.get(key), str):
            return str(row[key])
    others = [v for k, v in row.items() if k not in _NAMES and isinstance(v, str)]
    return max(others, key=len, default="")


def _facts(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Every column of a record."""
    return [
        (str(key), value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        for key, value in row.items()
        if key not in _NAMES and value is not None
    ]
