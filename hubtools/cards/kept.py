"""Cards that stay as they are while something is tried."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from hubtools.cards.merge import MEMORY
from hubtools.environment import CARDS_WRITTEN
from hubtools.layout import CARD
from hubtools.renaming import changed
from hubtools.rooted import Root
from hubtools.sums import sum_of
from hubtools.whereabouts import from_here


@contextmanager
def kept_cards(folders: Sequence[Path], log: Path, note: Callable[[str], None]) -> Iterator[None]:
    """Put the cards of `folders`, and what hubtools remembers of them, back as they were before;
    where there was none, none is left. A card that somebody has written on meanwhile stays, with a
    `note` of it. Processes that write cards say so in the file `log`, which the variable
    `CARDS_WRITTEN` names to them. Raises `LeadsOut` if one of the files is a link."""
    before = [_read(folder) for folder in folders]
    with Root(log.parent) as root:
        root.write(log.name, b"")
    try:
        yield
    finally:
        with Root(log.parent) as root:
            written = [json.loads(line) for line in root.read(log.name).splitlines()]
            root.unlink(log.name)
        for folder, files in zip(folders, before, strict=True):
            if folder.is_dir():
                steps = [(was, now) for place, was, now in written if place == _place(folder)]
                _put_back(folder, files, steps, note)


def wrote_card(root: Root, was: bytes | None, now: bytes) -> None:
    """Say that hubtools has written the card of a folder, in the place of one with the bytes
    `was`; nothing happens unless somebody wants to know."""
    if log := os.environ.get(CARDS_WRITTEN):
        line = json.dumps([_place(root.path), _sum_if_there(was), sum_of(now)]) + "\n"
        with Root(Path(log).parent) as beside:
            beside.append(Path(log).name, line.encode())


def _put_back(
    folder: Path,
    before: Mapping[str, bytes | None],
    steps: Sequence[tuple[str | None, str | None]],
    note: Callable[[str], None],
) -> None:
    last = _sum_if_there(before[CARD])
    with Root(folder) as root:
        there = root.read(CARD) if root.is_file(CARD) else None
        for was, now in steps:
            if was != last:
                break  # somebody has changed what hubtools then wrote over, with their words
            last = now
        else:
            if last == _sum_if_there(there):
                for name, data in before.items():
                    if data is None:
                        same = there if name == CARD else _bytes(root, name)
                        root.unlink(name, missing_ok=True, check=partial(_check, root, name, same))
                    elif not root.is_file(name) or root.read(name) != data:
                        root.write_over(name, data, there if name == CARD else _bytes(root, name))
                return
    note(
        f"{from_here(folder / CARD)} was changed meanwhile: it stays, with what was tried on it;"
        " `hubtools card` writes it anew."
    )


def _check(root: Root, name: str, was: bytes | None) -> None:
    if root.exists(name) and _bytes(root, name) != was:
        raise changed(root.path / name)


def _read(folder: Path) -> dict[str, bytes | None]:
    """The files of a card by name; None for one that is not there."""
    if not folder.is_dir():
        return {CARD: None, MEMORY: None}
    with Root(folder) as root:
        return {name: _bytes(root, name) for name in (CARD, MEMORY)}


def _bytes(root: Root, name: str) -> bytes | None:
    return root.read(name) if root.exists(name) else None


def _place(folder: Path) -> str:
    return os.path.realpath(folder)


def _sum_if_there(data: bytes | None) -> str | None:
    return None if data is None else sum_of(data)
