"""Folders of pictures with equal names: what is learnt, what it is made from, and masks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from hubtools.dataset.metadata.named import FILE_NAME
from hubtools.dataset.metadata.roles import tells_given, tells_mask, tells_result

_ENOUGH = 0.5  # share of the pictures to learn that a further folder has as well


@dataclass(frozen=True)
class Paired:
    """`keys` of records by the folder that they stand for; `others` of each picture to learn: its
    partners by key."""

    keys: dict[str, str]
    others: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """What was seen, in a sentence."""
        masks = f"mask_{FILE_NAME}"
        said = (
            f"{folder} has {'masks' if key == masks else 'what they are made from'}"
            for folder, key in sorted(self.keys.items())
        )
        return f"Pictures of equal names belong together: {', '.join(said)}."

    @property
    def partners(self) -> frozenset[str]:
        """All pictures that are not to be learnt."""
        return frozenset(name for row in self.others.values() for name in row.values())


def paired_folders(names: Iterable[str]) -> Paired | None:
    """Pictures (with `/`) in folders such as `target` and `cond`, or `images` and `masks`, whose
    files are called alike; None where no names of folders say so."""
    places: dict[str, dict[str, str]] = {}
    listed = list(names)
    start = _above(listed)
    for name in listed:
        folder, slash, rest = name[len(start) :].partition("/")
        if not slash:
            return None  # loose ones beside them: another kind of set
        places.setdefault(folder, {}).setdefault(rest.rpartition(".")[0], name)
    main = _learnt(list(places))
    if main is None:
        return None
    keys: dict[str, str] = {}
    for folder, files in places.items():
        alike = len(files.keys() & places[main].keys())
        if folder == main:
            continue
        if files.keys() - places[main].keys() or alike < _ENOUGH * len(places[main]):
            return None
        keys[folder] = "mask" if tells_mask(folder) else _column(folder)
    if len(set(keys.values())) != len(keys):
        return None
    keys = {folder: f"{column}_{FILE_NAME}" for folder, column in keys.items()}
    others = {
        name: {keys[f]: places[f][stem] for f in keys if stem in places[f]}
        for stem, name in places[main].items()
    }
    return Paired(keys, others)


def _above(names: list[str]) -> str:
    """The folder that all of them are in, with `/` at its end; empty for the root."""
    if not names:
        return ""
    least, most = min(names), max(names)
    same = next((i for i, (a, b) in enumerate(zip(least, most, strict=False)) if a != b), 0)
    return least[: least.rfind("/", 0, same) + 1]


def _learnt(folders: list[str]) -> str | None:
    """The folder of the pictures to learn, if the names of all others, or its own, tell."""
    if len(folders) < 2:
        return None
    results = [one for one in folders if tells_result(one)]
    if len(results) == 1:
        return results[0]
    plain = [one for one in folders if not (tells_given(one) or tells_mask(one))]
    return plain[0] if len(plain) == 1 and not results else None


def _column(folder: str) -> str:
    """A name of a column that tells that its pictures are given."""
    name = re.sub(r"\W+", "_", folder, flags=re.ASCII).strip("_").lower()
    return name if name and tells_given(name) else "control"
