"""Which split and which loader module `datasets` chooses from names alone.

Rules of `datasets` 5.2 (`data_files.py` patterns, `load.py` module inference): a keyword in a
folder name decides before one in a file name; once any file matches, files that match nothing are
dropped; the module is the most frequent ending.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from hubtools.layout import METADATA_NAMES

KEYWORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "dev", "val"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_SEPARATORS = "-._ 0-9"
_SHARD = re.compile(r"data/([^/]+)-\d{5}-of-\d{5}[^/]*\.[^/]*")
# Files that the loader never counts as data.
_IGNORED = {
    "README.md", "config.json", "dataset_info.json", "dataset_infos.json", "dummy_data.zip",
    "dataset_dict.json",
}  # fmt: skip
_SPECIAL = {"task.toml", "instruction.md"}


@dataclass(frozen=True)
class Splits:
    """What the loader makes of the names: split -> files, why, and the files it drops."""

    files: dict[str, tuple[str, ...]]
    dropped: tuple[str, ...]
    reason: str  # the kind of rule: special, folder, file, none
    culprits: tuple[str, ...]  # names or folders that triggered the rule


def _matcher(words: tuple[str, ...]) -> re.Pattern[str]:
    joined = "|".join(words)
    return re.compile(rf"(?:^|.*[{_SEPARATORS}])(?:{joined})(?:$|[{_SEPARATORS}].*)")


_MATCH = {split: _matcher(words) for split, words in KEYWORDS.items()}


def _in_folder(name: str, split: str) -> str | None:
    parts = name.split("/")[:-1]
    for index, part in enumerate(parts):
        if _MATCH[split].fullmatch(part):
            return "/".join(parts[: index + 1])
    return None


_FILE_MATCH = {
    split: re.compile(rf"(?:^|.*[{_SEPARATORS}])(?:{'|'.join(words)})[{_SEPARATORS}].*")
    for split, words in KEYWORDS.items()
}


def infer_splits(names: Iterable[str]) -> Splits:
    """Apply the rules to relative names (hidden ones already left out)."""
    data = [name for name in names if name.rpartition("/")[2] not in _IGNORED]
    shards = [name for name in data if _SHARD.fullmatch(name)]
    if shards:
        files: dict[str, list[str]] = {}
        for name in shards:
            match = _SHARD.fullmatch(name)
            assert match is not None
            files.setdefault(match[1], []).append(name)
        return _result(files, data, "special", shards)
    logs = [name for name in data if name.endswith(".eval")]
    if logs:
        return _result({"logs": logs}, data, "special", logs)
    special = [name for name in data if name.rpartition("/")[2] in _SPECIAL]
    if special:
        return _result({"test": special}, data, "special", special)
    by_folder: dict[str, list[str]] = {}
    folders: list[str] = []
    for name in data:
        for split in KEYWORDS:
            if folder := _in_folder(name, split):
                by_folder.setdefault(split, []).append(name)
                folders.append(folder)
    if by_folder:
        return _result(by_folder, data, "folder", list(dict.fromkeys(folders)))
    by_file: dict[str, list[str]] = {}
    for name in data:
        for split in KEYWORDS:
            if _FILE_MATCH[split].fullmatch(name.rpartition("/")[2]):
                by_file.setdefault(split, []).append(name)
    if by_file:
        culprits = [name for files in by_file.values() for name in files]
        return _result(by_file, data, "file", culprits)
    return _result({"train": data}, data, "none", [])


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


# Endings that stand for a module of their own, and so can outvote pictures.
_OTHER_MODULES = {
    ".txt": "text", ".json": "json", ".jsonl": "json", ".csv": "csv", ".tsv": "csv",
    ".parquet": "parquet", ".arrow": "arrow", ".md": "text or harbor", ".xml": "xml",
    ".toml": "harbor", ".pdf": "pdffolder", ".npy": "numpy", ".tar": "webdataset",
}  # fmt: skip


def outvoted_by(names: Iterable[str], picture_endings: frozenset[str]) -> str | None:
    """The ending that outvotes the pictures (so that the loader does not see a folder of
    pictures), or None. Every dot part of a name votes; metadata files do not."""
    votes = Counter(
        "." + part.lower()
        for name in names
        if name.rpartition("/")[2] not in METADATA_NAMES
        for part in name.rpartition("/")[2].split(".")[1:]
    )
    candidates = {e: n for e, n in votes.items() if e in _OTHER_MODULES or e in picture_endings}
    if not candidates:
        return None
    # draws: the table formats first, then the alphabetically last ending
    table = {".parquet": 4, ".arrow": 3, ".jsonl": 2, ".json": 1.5, ".csv": 1}
    winner = max(candidates, key=lambda e: (candidates[e], table.get(e, 0), e))
    return None if winner in picture_endings else winner
