"""A project folder of sd-scripts (kohya) and its interfaces: `img/10_zwx dog`, `reg/1_dog`,
samples, logs and weights beside them."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from hubtools.lorafile.trainer_files import picture_set

_CLASSES = re.compile(r"(regs?|regulari[sz]ations?|class(es)?)(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True)
class Kohya:
    """What is where. `sets`: folders of pictures to learn, with (repeats, words); `classes`: those
    of pictures of the class; `others`: pictures that belong to neither, by their first folder."""

    sets: dict[str, tuple[int, str]]
    classes: dict[str, tuple[int, str]]
    others: tuple[str, ...]

    @property
    def settings(self) -> dict[str, str]:
        """What the words of its folders say, as settings of [dataset]."""
        found = {}
        words = {words for _, words in self.sets.values()}
        firsts = {one.partition(" ")[0] for one in words}
        if len(firsts) == 1 and any(" " in one for one in words):
            found["trigger"] = firsts.pop()
            nouns = {one.partition(" ")[2] for one in words}
            if len(nouns) == 1:
                found["class_noun"] = nouns.pop()
        return found


def read_kohya(pictures: Sequence[str], names: Collection[str] = ()) -> Kohya | None:
    """What a folder with pictures of these names (with `/`), and with files of `names`, is as such
    a project; None if it is none: no folder is called as its sets are, or several at the top are
    and nothing else tells, as of journeys (`10_italy`, `11_france`)."""
    sets: dict[str, tuple[int, str]] = {}
    classes: dict[str, tuple[int, str]] = {}
    others: dict[str, None] = {}
    for name in pictures:
        folder = PurePosixPath(name).parent
        told = picture_set(folder.name)
        if told is None or len(folder.parts) > 2:
            others[folder.parts[0] if folder.parts else "."] = None
            continue
        if len(folder.parts) == 2 and _CLASSES.match(folder.parts[0]):
            classes[folder.as_posix()] = told
        else:
            sets[folder.as_posix()] = told
    nested = any("/" in folder for folder in sets)
    sure = nested or classes or any(name.endswith((".txt", ".caption")) for name in names)
    if not sets or (len(sets) > 1 and not sure):
        return None
    return Kohya(sets, classes, tuple(others))
