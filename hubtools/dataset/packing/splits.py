"""Which split a picture belongs to: what the card's `configs:` say, or the folder it lies in."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from hubtools.dataset.folder.splits import KEYWORDS
from hubtools.dataset.loaders.patterns import translate
from hubtools.errors import HubtoolsError
from hubtools.layout import CARD

_MARKS = re.compile(r"[*?\[\]]")


class _Pattern(NamedTuple):
    number: int  # the first that fits counts
    split: str
    fits: re.Pattern[str]


class Splitter:
    """Tells which split a picture belongs to: by the card's `configs:` if there are any, else by
    its top folder if that is called train, test, ..., else train.

    A card may name every picture by itself. So patterns are found by the letters that they begin
    and end with, and each picture is held against those alone that begin and end as it does.
    """

    def __init__(self, root: Path, card: dict[str, Any]) -> None:
        self._ends: defaultdict[tuple[int, int], defaultdict[tuple[str, str], list[_Pattern]]]
        self._ends = defaultdict(lambda: defaultdict(list))  # by how long those letters are
        self._count = 0
        self._card = root / CARD
        configs = card.get("configs")
        if not isinstance(configs, list) or not configs:
            return
        if len(configs) > 1:
            raise HubtoolsError(
                f"{root / CARD} has {len(configs)} configs; a picture may be in several.",
                hint="keep one of them on the card and shard again",
                code="wrong-kind",
            )
        files = configs[0].get("data_files") if isinstance(configs[0], dict) else None
        for item in files if isinstance(files, list) else []:
            paths = item.get("path") if isinstance(item, dict) else None
            for path in [paths] if isinstance(paths, str) else paths or []:
                self._add(str(path), str(item.get("split", "train")))

    def _add(self, path: str, split: str) -> None:
        try:
            fits = re.compile(f"(?s:{translate(path)})")
        except (ValueError, re.error):
            raise HubtoolsError(
                f"{self._card}: {path!r} is no file pattern.", code="file-not-usable"
            ) from None
        marks = list(_MARKS.finditer(path))
        first = path[: marks[0].start()] if marks else path
        # `**/a` fits `a` as well
        last = path[marks[-1].end() :].removeprefix("/") if marks else path
        self._ends[len(first), len(last)][first, last].append(_Pattern(self._count, split, fits))
        self._count += 1

    def _near(self, name: str) -> Iterator[_Pattern]:
        """The patterns that begin and end as a name does."""
        for (first, last), known in self._ends.items():
            yield from known.get((name[:first], name[len(name) - last :]), ())

    def of(self, name: str) -> str:
        """The split of a picture. Raises `HubtoolsError` if the card's patterns leave it out."""
        if self._count:
            fitting = (one for one in self._near(name) if one.fits.fullmatch(name))
            found = min(fitting, key=lambda one: one.number, default=None)
            if found is not None:
                return found.split
            raise HubtoolsError(
                f"{name} is in no split by the card's configs.",
                hint="correct `configs:` in README.md, or remove it",
                code="wrong-kind",
            )
        top = name.partition("/")[0].lower() if "/" in name else ""
        return next((split for split, words in KEYWORDS.items() if top in words), "train")
