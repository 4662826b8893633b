"""What a person wrote on the card of a run goes on to the run that takes its place."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from hubtools.cards.merge import Memory, Own, digest, read_card_text, words_of
from hubtools.errors import HubtoolsError
from hubtools.layout import CARD, RUN_MANIFEST
from hubtools.rooted import Root


class Earlier(NamedTuple):
    """A card to begin another with, what a person said on it, and a sentence about it."""

    text: str
    memory: Memory
    own: Own
    told: str


def earlier_card(run_dir: Path) -> Earlier | None:
    """What the card of a run that has none begins with: that of the run that `train --no-resume`
    moved aside last, if a person has written on it. `merge` then keeps their words and writes the
    rest anew. None if there is nothing to keep, or another wrote it. Nothing is written.

    A link is no earlier run: it may lead to one of another project."""
    if os.path.lexists(run_dir / CARD) or not (run_dir / RUN_MANIFEST).is_file():
        return None
    start = f"{run_dir.name}.old-"
    try:
        with Root(run_dir.parent) as beside:
            aside = [n for n in beside.list() if n.startswith(start) and beside.is_folder(n)]
            name = next((n for n in sorted(aside)[::-1] if beside.is_file(f"{n}/{CARD}")), None)
            if name is None:
                return None
            with beside.inside(name) as root:
                text, memory = read_card_text(root), Memory.read(root)
                own = words_of(text, memory)
    except (HubtoolsError, PermissionError):
        return None
    if text is None or memory is None or memory.foreign:
        return None
    blocks = {name: digest(block) for name, block in own.blocks.items()}
    written = own.text.strip() or own.keys or blocks != memory.blocks
    if not written and own.data.keys() == memory.data.keys():
        return None
    told = f"What you wrote on the card of the earlier run, {name}, is on this one too."
    return Earlier(text, memory, own, told)
