"""The files of a draft, for those that read them: as they are on the disk, or as they would be."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


class Overlay(type(Path())):  # type: ignore[misc]
    """The dataset folder, but `overlay / name` is where the file `name` of the draft lies now:
    under its old name, or in a scratch folder if its text would be another."""

    moved: Mapping[str, Path] = {}

    def __truediv__(self, name: str | os.PathLike[str]) -> Path:
        found = self.moved.get(os.fspath(name))
        if found is not None:
            return found
        return Path(os.fspath(self), os.fspath(name))


def overlay(root: Path, moved: Mapping[str, Path]) -> Path:
    """`root`, with some files elsewhere."""
    made = Overlay(root)
    made.moved = moved
    return made
