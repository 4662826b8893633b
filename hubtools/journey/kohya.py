"""A project folder of sd-scripts (kohya) and its interfaces: `img/10_zwx dog`, `reg/1_dog`,
samples, logs and weights beside them."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

# "10_zwx dog": how often, and the words that its pictures without a caption get.
_SET = re.compile(r"([1-9]\d{0,2})_(\S.*)")
_CLASSES = re.compile(r"(regs?|regulari[sz]ations?|class(es)?)(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True)
class Kohya:
    """What is where. `sets`: folders of pictures to learn, with (repeats, words); `classes`:
    folders of pictures of the class; `others`: pictures that belong to neither, by their first
    folder."""

    sets: dict[str, tuple[int, str]]
    classes: tuple[str, ...]
    others: tuple[str, ...]

    def is_training(self, name: str) -> bool:
        """True for a picture to learn."""
        return PurePosixPath(name).parent.as_posix() in self.sets

    def words(self, name: str) -> str:
        """The caption of a picture that has none."""
        return self.sets[PurePosixPath(name).parent.as_posix()][1]

    @property
    def settings(self) -> dict[str, dict[str, Any]]:
        """What the names say, as sections of hubtools.toml."""
        found: dict[str, dict[str, Any]] = {"dataset": {}, "train": {}}
        repeats = {folder: count for folder, (count, _) in self.sets.items()}
        if set(repeats.values()) != {1}:
            found["dataset"]["picture_repeats"] = {
                f"{folder}/*": count for folder, count in repeats.items()
            }
        words = {words for _, words in self.sets.values()}
        firsts = {one.partition(" ")[0] for one in words}
        if len(firsts) == 1 and any(" " in one for one in words):
            found["dataset"]["trigger"] = firsts.pop()
            nouns = {one.partition(" ")[2] for one in words}
            if len(nouns) == 1:
                found["dataset"]["class_noun"] = nouns.pop()
        if self.classes:
            found["train"]["with_prior_preservation"] = True
        return found


def read_kohya(pictures: Sequence[str], names: Collection[str] = ()) -> Kohya | None:
    """What a folder with pictures of these names (with `/`), and with files of `names`, is as such
    a project; None if it is none: no folder is called as its sets are, or several at the top are
    and nothing else tells, as of journeys (`10_italy`, `11_france`)."""
    sets: dict[str, tuple[int, str]] = {}
    classes: dict[str, None] = {}
    others: dict[str, None] = {}
    for name in pictures:
        folder = PurePosixPath(name).parent
        match = _SET.fullmatch(folder.name)
        if match is None or len(folder.parts) > 2:
            others[folder.parts[0] if folder.parts else "."] = None
        elif len(folder.parts) == 2 and _CLASSES.match(folder.parts[0]):
            classes[folder.as_posix()] = None
        else:
            sets[folder.as_posix()] = (int(match[1]), match[2].replace("_", " "))
    nested = any("/" in folder for folder in sets)
    told = nested or classes or any(name.endswith((".txt", ".caption")) for name in names)
    if not sets or (len(sets) > 1 and not told):
        return None
    return Kohya(sets, tuple(classes), tuple(others))
