"""Cards that stay as they are while something is tried."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hubtools.cards.merge import MEMORY
from hubtools.layout import CARD
from hubtools.rooted import Root


@contextmanager
def kept_cards(folders: Sequence[Path]) -> Iterator[None]:
    """Put the cards of `folders`, and what hubtools remembers of them, back as they were before;
    where there was none, none is left. Raises `LeadsOut` if one of the files is a link."""
    before = [_read(folder) for folder in folders]
    try:
        yield
    finally:
        for folder, files in zip(folders, before, strict=True):
            if folder.is_dir():
                with Root(folder) as root:
                    for name, data in files.items():
                        if data is not None:
                            root.write(name, data)
                        elif root.exists(name):
                            root.unlink(name)


def _read(folder: Path) -> dict[str, bytes | None]:
    """The files of a card by name; None for one that is not there."""
    if not folder.is_dir():
        return {CARD: None, MEMORY: None}
    with Root(folder) as root:
        return {name: root.read(name) if root.exists(name) else None for name in (CARD, MEMORY)}
