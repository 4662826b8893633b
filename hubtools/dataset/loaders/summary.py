"""What the loaders make of a folder, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hubtools.exhibits import Loader
from hubtools.findings import nouns

# The three calls of `datasets`; the fourth way, DreamBooth's, reads bare folders of pictures.
_DATASETS = ("auto", "imagefolder", "diffusers")
_NAMES = {
    "auto": "path, the Hub",
    "imagefolder": "imagefolder",
    "diffusers": "diffusers",
    "dreambooth": "DreamBooth",
}


def summaries(loaders: Mapping[str, Mapping[str, Any]]) -> list[Loader]:
    """One line a loader, of what `Loaded.to_dict` gave."""
    return [
        Loader(
            _NAMES[mode],
            way["module"] or "",
            _rows(way),
            ", ".join(_columns(way)),
            way["lost"],
            way["outcome"],
            way["reason"] or "",
            aside=mode not in _DATASETS,
        )
        for mode, way in loaders.items()
    ]


def agreement(loaders: Mapping[str, Mapping[str, Any]]) -> str | None:
    """`3 rows in train (image, text)` if the calls of `datasets` agree and lose nothing."""
    ways = [loaders[mode] for mode in _DATASETS]
    splits = {_rows(way) for way in ways}
    if len(splits) == 1 and not any(w["lost"] or w["outcome"] != "loads" for w in ways):
        return f"{splits.pop()} ({', '.join(_columns(ways[0]))})"
    return None


def _rows(way: Mapping[str, Any]) -> str:
    """`3 rows in train, 1 in test`."""
    parts: list[str] = []
    for name, split in way["splits"].items():
        rows = split["rows"]
        noun = "" if parts else f" {nouns(rows or 0, 'row')}"
        parts.append(f"{'?' if rows is None else rows}{noun} in {name}")
    return ", ".join(parts)


def _columns(way: Mapping[str, Any]) -> list[str]:
    """Of the first split; all splits have the same."""
    for split in way["splits"].values():
        return list(split["columns"])
    return []
