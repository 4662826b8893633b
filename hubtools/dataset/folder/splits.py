"""Which splits `datasets` guesses from names alone.

Rules of `datasets` 5.2 (`data_files.py`): a keyword in a
folder name decides before one in a file name; once any file matches, files that match nothing are
dropped. Which module reads them is decided afterwards (`hubtools.dataset.loaders`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hubtools.patterns import regex

KEYWORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "dev", "val"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_SEPARATORS = "-._ 0-9"
_SHARD = regex(r"data/([^/]+)-\d{5}-of-\d{5}[^/]*\.[^/]*")
# Files that the loader never counts as data.
IGNORED = {
    "README.md", "config.json", "dataset_info.json", "dataset_infos.json", "dummy_data.zip",
    "dataset_dict.json",
}  # fmt: skip
_SPECIAL = ("task.toml", "instruction.md")


@dataclass(frozen=True)
class Splits:
    """What the loader makes of the names: split -> files, why, and the files it drops."""

    files: dict[str, tuple[str, ...]]
    dropped: tuple[str, ...]
    reason: str  # the kind of rule: special, folder, file, none
    culprits: tuple[str, ...]  # names or folders that triggered the rule


# How a keyword may stand in the name of a folder, and in that of a file, in the order in which
# `datasets` tries them. A name that matches twice is loaded twice.
_FOLDER_FORMS = ("{0}", "{0}[{1}].*", ".*[{1}]{0}", ".*[{1}]{0}[{1}].*")
_FILE_FORMS = ("{0}[{1}].*", ".*[{1}]{0}[{1}].*")


def _patterns(forms: tuple[str, ...]) -> list[tuple[str, int, str, re.Pattern[str]]]:
    """(split, order, keyword, pattern), for one part of a path."""
    return [
        (split, number, word, re.compile(form.format(word, _SEPARATORS), re.DOTALL))
        for split, words in KEYWORDS.items()
        for number, (word, form) in enumerate((w, f) for w in words for f in forms)
    ]


_IN_FOLDER = _patterns(_FOLDER_FORMS)
_IN_FILE = _patterns(_FILE_FORMS)


def _in_folder(folder: str) -> tuple[list[tuple[str, int]], str | None]:
    """Which patterns a folder's path matches, and the shortest path that matches one."""
    parts = folder.split("/")
    culprit: str | None = None
    found: list[tuple[str, int]] = []
    shortest = len(parts)
    for split, number, word, pattern in _IN_FOLDER:
        if word not in folder:
            continue
        place = next((n for n, part in enumerate(parts) if pattern.fullmatch(part)), None)
        if place is not None:
            found.append((split, number))
            if place < shortest:
                shortest, culprit = place, "/".join(parts[: place + 1])
    return found, culprit


def _in_file(base: str) -> list[tuple[str, int]]:
    # looking for the word first spares nearly all names the patterns
    return [
        (split, number)
        for split, number, word, pattern in _IN_FILE
        if word in base and pattern.fullmatch(base)
    ]


def infer_splits(names: Iterable[str]) -> Splits:
    """Apply the rules to relative names (hidden ones already left out).

    A file that several patterns of a split match is in it as many times.
    """
    data = sorted(name for name in names if name.rpartition("/")[2] not in IGNORED)
    shards = [name for name in data if _SHARD.fullmatch(name)]
    if shards:
        files: dict[str, list[str]] = {}
        for name in shards:
            match = _SHARD.fullmatch(name)
            assert match is not None
            files.setdefault(match[1], []).append(name)
        order = [*KEYWORDS, *sorted(files)]
        files = {split: files[split] for split in dict.fromkeys(order) if split in files}
        return _result(files, data, "special", shards)
    logs = [name for name in data if name.endswith(".eval")]
    if logs:
        return _result({"logs": logs}, data, "special", logs)
    special = [name for wanted in _SPECIAL for name in data if name.rpartition("/")[2] == wanted]
    if special:
        return _result({"test": special}, data, "special", special)
    folders = {folder: _in_folder(folder) for folder in {n.rpartition("/")[0] for n in data}}
    by_folder = _matched(data, lambda name: folders[name.rpartition("/")[0]][0])
    if by_folder:
        culprits = sorted({culprit for _, culprit in folders.values() if culprit})
        return _result(by_folder, data, "folder", culprits)
    by_file = _matched(data, lambda name: _in_file(name.rpartition("/")[2]))
    if by_file:
        culprits = [name for files in by_file.values() for name in dict.fromkeys(files)]
        return _result(by_file, data, "file", culprits)
    return _result({"train": data}, data, "none", [])


def _matched(data: list[str], hits: Callable[[str], list[tuple[str, int]]]) -> dict[str, list[str]]:
    """Split -> files, pattern by pattern."""
    buckets: dict[tuple[str, int], list[str]] = {}
    for name in data:
        for hit in hits(name):
            buckets.setdefault(hit, []).append(name)
    found: dict[str, list[str]] = {}
    for split in KEYWORDS:
        for bucket in sorted(key for key in buckets if key[0] == split):
            found.setdefault(split, []).extend(buckets[bucket])
    return found


def _result(
    files: dict[str, list[str]], data: list[str], reason: str, culprits: list[str]
) -> Splits:
    kept = {name for names in files.values() for name in names}
    return Splits(
        {split: tuple(names) for split, names in files.items()},
        tuple(name for name in data if name not in kept),
        reason,
        tuple(culprits),
    )
