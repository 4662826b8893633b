"""The pictures of a dataset with their captions, as its page shows them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from hubtools.localhub.pages.card import gallery, picture
from hubtools.localhub.pages.frame import View
from hubtools.localhub.pages.html import Html, tag

_SHOWN = 48
_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp"}
_CAPTIONS = ("text", "prompt", "caption", "caption_text", "description")
_METADATA = ("metadata.jsonl", "metadata.csv")


def dataset_pictures(view: View) -> Html | None:
    """The first pictures in a grid; None if the dataset has none."""
    names = [
        name for name in view.snapshot.files if PurePosixPath(name).suffix.lower() in _SUFFIXES
    ]
    if not names:
        return None
    captions = dict(_captions(view))
    # Those of the metadata first, in its order.
    there = set(names)
    ordered = [name for name in captions if name in there]
    ordered += [name for name in names if name not in captions]
    figures = [picture(view.place, name, captions.get(name, "")) for name in ordered[:_SHOWN]]
    more = len(ordered) - len(figures)
    return tag(
        "div",
        tag("h2", "Pictures"),
        gallery(figures),
        tag("p", f"and {more} more in Files", class_="soft") if more else None,
        class_="sheet",
    )


def _captions(view: View) -> Iterator[tuple[str, str]]:
    for name in view.snapshot.files:
        path = PurePosixPath(name)
        if path.name not in _METADATA:
            continue
        data = view.call.hub.store.read_small(view.snapshot, name, 8 << 20)
        if data is None:
            continue
        text = data.decode("utf-8-sig", "replace")
        rows = _jsonl(text) if path.suffix == ".jsonl" else _csv(text)
        for row in rows:
            file = row.get("file_name") or row.get("image")
            if isinstance(file, str):
                full = str(path.parent / file) if str(path.parent) != "." else file
                yield full.removeprefix("./"), _caption(row)


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


def _caption(row: dict[str, Any]) -> str:
    """The value of the column that is most likely the caption."""
    for key in _CAPTIONS:
        if isinstance(row.get(key), str):
            return str(row[key])
    others = [v for k, v in row.items() if k not in ("file_name", "image") and isinstance(v, str)]
    return max(others, key=len, default="")
