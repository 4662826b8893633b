"""What `configs:` on a dataset card should say, so that no loader guesses splits from names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hubtools.dataset.folder.splits import KEYWORDS


def split_configs(metadata: Iterable[str], folders: Iterable[str] = ()) -> list[dict[str, Any]]:
    """The value of `configs:` for a dataset with these metadata files (relative names) and these
    folders at its top level.

    Folders called train, test, ... that hold their own metadata are splits; all the rest is train.
    """
    names = list(metadata)
    owners = sorted({name.partition("/")[0] for name in names if "/" in name})
    splits = {
        split: [folder for folder in owners if folder.lower() in words]
        for split, words in KEYWORDS.items()
    }
    found = {split: [f"{name}/**" for name in inside] for split, inside in splits.items() if inside}
    rest = [name for name in owners if not any(name in inside for inside in splits.values())]
    if found and not rest and all("/" in name for name in names):
        return _default(found)
    held_out = {name for split, inside in splits.items() if split != "train" for name in inside}
    others = sorted(set(folders) - held_out)
    if held_out and folders:
        found["train"] = ["*", *(f"{name}/**" for name in others)]
        return _default({"train": found.pop("train"), **found})
    return _default({"train": ["**"]})


def _default(splits: dict[str, list[str]]) -> list[dict[str, Any]]:
    files = [
        {"split": split, "path": paths[0] if len(paths) == 1 else paths}
        for split, paths in splits.items()
    ]
    return [{"config_name": "default", "data_files": files}]
